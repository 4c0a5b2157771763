//! Operators switch the model off and on while everything runs.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use proto::admin::v1::{
    ClearSwitchRequest, ListSwitchesRequest, SetSwitchRequest, admin_service_client::AdminServiceClient,
};
use serde_json::{Value, json};
use simulator::{
    fleet::{ANA, MARKO},
    infobip::Said,
};
use tonic::{Request, transport::Channel};

use crate::{
    database::count,
    free::{BOTH, Free, WISH},
    process::PATIENCE,
    world::{KEY, World},
};

/// An operator at AdminService.
struct Operator(AdminServiceClient<Channel>);

fn with_key<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {KEY}").parse().expect("a header"));
    request
}

impl Operator {
    async fn of(world: &World) -> Self {
        let address: SocketAddr = world.admin();
        let channel = Channel::from_shared(format!("http://{address}")).expect("a URL").connect().await;
        Self(AdminServiceClient::new(channel.expect("it listens")))
    }

    async fn set(&mut self, name: &str, value: &str) {
        let request = SetSwitchRequest { name: name.to_owned(), value: value.to_owned() };
        self.0.set_switch(with_key(request)).await.expect("set");
    }

    async fn clear(&mut self, name: &str) {
        self.0.clear_switch(with_key(ClearSwitchRequest { name: name.to_owned() })).await.expect("cleared");
    }

    /// What holds of each switch.
    async fn values(&mut self) -> Vec<String> {
        let listed = self.0.list_switches(with_key(ListSwitchesRequest {})).await.expect("a list").into_inner();
        listed.switches.into_iter().map(|switch| switch.value).collect()
    }
}

async fn ask(world: &World, text: &str) -> (u16, Value) {
    let response = reqwest::Client::new()
        .post(format!("http://{}/api/v1/chat", world.http))
        .json(&json!({ "message": text }))
        .send()
        .await
        .expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

/// Asks the web chat until it answers so.
async fn until_chat(world: &World, status: u16) -> Value {
    until("the web chat follows", async || {
        let (found, body) = ask(world, "hello").await;
        (found == status).then_some(body)
    })
    .await
}

/// Lets people write until a turn began without its model because of this switch.
async fn until_turns_follow(world: &World, switch: &'static str) {
    let forbidden = match switch {
        "AI_ENABLED" => "select count(*) from steps where request like '%\"forbidden_by\":\"AI_ENABLED\"%'",
        _ => "select count(*) from steps where request like '%\"forbidden_by\":\"AI_FALLBACK_MODE\"%'",
    };
    until("turns follow", async || {
        let answers = |chat: &simulator::phone::Chat| chat.answers().count();
        let before = answers(&world.platform.infobip.chat(MARKO));
        world.platform.infobip.say(MARKO, Said::text("hello"));
        let answered = world.platform.infobip.wait_for(MARKO, PATIENCE, |chat| answers(chat) > before).await;
        assert!(answered.is_ok(), "Marko has no answer");
        (count(&world.database, forbidden).await > 0).then_some(())
    })
    .await;
}

/// Tries until there is something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ai_is_switched_off_and_on_again_and_a_turn_under_way_finishes() {
    for deployment in BOTH {
        let free = Free::start(deployment).await;
        let (world, model) = (&free.world, &free.model);
        free.knows_the_wish();
        let mut operator = Operator::of(world).await;
        assert_eq!(ask(world, "hello").await.0, 200);
        until("all parts told how they began", async || {
            (operator.values().await == ["true", "false", "60", "false"]).then_some(())
        })
        .await;

        // The model has chosen a look-up; its words for the result come after the switch.
        let hold = world.demo.fleet.faults().hold("GET /vehicles/available");
        let mut ana = world.person(ANA);
        ana.says(WISH).await;
        hold.reached().await;
        let asked = model.asked().len();
        operator.set("AI_ENABLED", "false").await;
        let refused = until_chat(world, 503).await;
        assert_eq!(refused, json!({ "error": "AI temporarily unavailable" }));
        until_turns_follow(world, "AI_ENABLED").await;
        assert_eq!(model.asked().len(), asked, "nobody else asked");
        hold.release();
        ana.hears(&["red Škoda Octavia or the white"]).await;
        assert!(model.asked().len() > asked, "the turn under way finished with its model");

        model.forget_requests();
        ana.says("Which vehicles are free tomorrow?").await;
        ana.hears(&["ZG "]).await;
        assert_eq!(model.asked().len(), 0, "the dialogue answered alone");
        assert_eq!(ask(world, "hello").await.0, 503);
        assert_eq!(operator.values().await[0], "false");

        operator.clear("AI_ENABLED").await;
        until_chat(world, 200).await;
        until("the model is asked again", async || {
            let (status, _) = ask(world, WISH).await;
            (status == 200 && !model.asked().is_empty()).then_some(())
        })
        .await;
        assert_eq!(operator.values().await[0], "true");
        assert!(model.refused().is_empty(), "{:?}", model.refused());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_fallback_mode_the_web_chat_answers_without_a_model() {
    for deployment in BOTH {
        let free = Free::start(deployment).await;
        let (world, model) = (&free.world, &free.model);
        free.knows_the_wish();
        let mut operator = Operator::of(world).await;
        operator.set("AI_DEBUG", "true").await;
        operator.set("AI_FALLBACK_MODE", "true").await;
        until_turns_follow(world, "AI_FALLBACK_MODE").await;
        model.forget_requests();
        for text in [WISH, "Which vehicles are free tomorrow?"] {
            let (status, answer) = ask(world, text).await;
            assert_eq!(status, 200, "{answer}");
            assert!(answer["messages"].as_array().is_some_and(|messages| !messages.is_empty()), "{answer}");
        }
        let mut ana = world.person(ANA);
        ana.says("Which vehicles are free tomorrow?").await;
        ana.hears(&["ZG "]).await;
        assert_eq!(model.asked().len(), 0);
        let log = world.log_of(world.worker());
        let line = log.lines().rfind(|line| line.contains("a turn was decided")).expect("AI_DEBUG adds it");
        assert!(line.contains("GET /vehicles/available"), "{line}");
        assert!(!log.contains("are free tomorrow") && !log.contains(ANA), "nobody's words and numbers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_the_model_is_known_without_asking_it() {
    for deployment in BOTH {
        let Free { world, model, stop } = Free::start(deployment).await;
        let redis = if world.grpc.is_some() { "healthy" } else { "not configured" };
        let health = async || {
            let response = reqwest::get(format!("http://{}/health/ai", world.http)).await.expect("an answer");
            (response.status().as_u16(), response.json::<Value>().await.expect("JSON"))
        };
        let services = |compatible: &str| {
            let none = "not configured";
            json!({ "openai": none, "mistral": none, "google": none, "compatible": compatible, "redis": redis })
        };
        let well = until("the model is known", async || {
            let (status, body) = health().await;
            (status == 200 && body["services"].get("compatible").is_some()).then_some(body)
        })
        .await;
        assert_eq!(well, json!({ "healthy": true, "services": services("healthy") }));
        assert_eq!(model.asked().len(), 0, "nobody paid for it");
        drop(stop);
        let away = until("it is gone", async || {
            let (status, body) = health().await;
            (status == 503).then_some(body)
        })
        .await;
        assert_eq!(away, json!({ "healthy": false, "services": services("unhealthy") }));
    }
}
