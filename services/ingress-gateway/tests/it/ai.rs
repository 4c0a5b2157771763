//! The switches that operators change, and `GET /health/ai`.

use std::{collections::BTreeMap, time::Instant};

use reqwest::Response;
use serde_json::{Value, json};
use store::{
    ai_services::{AiService, ModelState},
    audit::Actor,
};

use crate::support::{Database, Gateway, PATIENCE, session_cookie, tenant, text};

const PATH: &str = "/api/v1/chat";

macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let file = testkit::Sqlite::new().expect("a folder");
                super::$name(super::Database::Sqlite(file)).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Database::postgres().await).await;
            })+
        }
    };
}

on_both_engines!(
    new_messages_are_refused_while_ai_is_off_and_nothing_else_is,
    the_limit_of_messages_follows_the_operator,
    the_health_of_the_models_is_what_their_services_tell,
);

/// Asks again until the answer has this status.
async fn until(status: u16, ask: impl AsyncFn() -> reqwest::Result<Response>) -> Response {
    let begun = Instant::now();
    loop {
        let response = ask().await.expect("an answer");
        if response.status() == status {
            return response;
        }
        assert!(begun.elapsed() < PATIENCE, "never {status}: {response:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

impl Gateway {
    async fn switch(&self, name: &str, value: &str) {
        self.store.set_switch(&tenant(), name, value, &Actor::from("ana")).await.expect("set");
    }
}

async fn new_messages_are_refused_while_ai_is_off_and_nothing_else_is(database: Database) {
    let gateway = Gateway::start_on(database, "").await;
    // How many messages come before the switch is seen is not known.
    let work = gateway.work(usize::MAX, |seq| vec![text(&format!("Answer {seq}"))]);
    let first = gateway.post(PATH).json(&json!({"message": "Hello", "message_id": "k1"})).send().await;
    let first = first.expect("an answer");
    let cookie = session_cookie(&first).expect("a session");
    let first: Value = first.json().await.expect("JSON");
    gateway.switch("AI_ENABLED", "false").await;
    let new = async || gateway.post(PATH).json(&json!({"message": "Hello"})).send().await;
    let refused = until(503, new).await;
    assert_eq!(session_cookie(&refused), None);
    assert_eq!(refused.text().await.expect("a body"), r#"{"error":"AI temporarily unavailable"}"#);
    let again = gateway.post(PATH).header("cookie", &cookie).json(&json!({"message": "Hello", "message_id": "k1"}));
    let again = again.send().await.expect("an answer");
    assert_eq!(again.status(), 200, "a repeat is no new message: it has its answer");
    assert_eq!(again.json::<Value>().await.expect("JSON")["messages"], first["messages"]);
    let strange = gateway.post(PATH).json(&json!({"message": "Hello", "message_id": "k1"})).send().await;
    assert_eq!(strange.expect("an answer").status(), 503, "somebody else's key is not known");
    assert_eq!(gateway.webhook("/webhook", r#"{"results":[]}"#).await, 200, "the channels go on");
    assert!(gateway.store.clear_switch(&tenant(), "AI_ENABLED", &Actor::from("ana")).await.expect("cleared"));
    until(200, new).await;
    work.abort();
}

async fn the_limit_of_messages_follows_the_operator(database: Database) {
    let gateway = Gateway::start_on(database, "[chat]\nanswer_wait = \"1ms\"").await;
    let first = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    let cookie = session_cookie(&first).expect("a session");
    let post = async || gateway.post(PATH).header("cookie", &cookie).json(&json!({"message": "Hello"})).send().await;
    assert_eq!(post().await.expect("an answer").status(), 202);
    gateway.switch("AI_RATE_LIMIT", "1").await;
    let limited = until(429, post).await;
    assert!(limited.headers().contains_key("retry-after"));
    gateway.switch("AI_RATE_LIMIT", "100000").await;
    until(202, post).await;
}

async fn the_health_of_the_models_is_what_their_services_tell(database: Database) {
    let gateway = Gateway::start_on(database, "").await;
    let ask = async || gateway.get("/health/ai").send().await;
    let well: Value = until(200, ask).await.json().await.expect("JSON");
    let none = "not configured";
    let services = json!({"openai": none, "mistral": none, "google": none, "redis": none});
    assert_eq!(well, json!({"healthy": true, "services": services}));
    let tell = async |failing: Option<&str>| {
        let model = ModelState { provider: "openai".to_owned(), failing: failing.map(str::to_owned) };
        let service = "conversation-worker".to_owned();
        let word = AiService { service, start_values: BTreeMap::new(), model: Some(model) };
        gateway.store.tell_ai_service(&word).await.expect("told");
    };
    tell(Some("the model is away")).await;
    let away = until(503, ask).await;
    assert_eq!(away.headers()["cache-control"], "no-store");
    let away: Value = away.json().await.expect("JSON");
    assert_eq!((&away["healthy"], &away["services"]["openai"]), (&json!(false), &json!("unhealthy")));
    assert!(!away.to_string().contains("the model is away"), "why is for the log");
    tell(None).await;
    until(200, ask).await;
    let told = gateway.store.ai_services().await.expect("a list");
    let gateway_says = told.iter().find(|(told, _)| told.service == "ingress-gateway").map(|(told, _)| told.clone());
    let values = gateway_says.expect("it told how it was started").start_values;
    assert_eq!(values, [("AI_ENABLED".into(), "true".into()), ("AI_RATE_LIMIT".into(), "60".into())].into());
    gateway.store.close().await;
    let unknown: Value = until(503, ask).await.json().await.expect("JSON");
    assert_eq!(unknown["services"]["openai"], "unknown");
}
