//! Whose conversation it is.

use serde_json::{Value, json};

use crate::support::{Gateway, session_cookie, tenant};

const PATH: &str = "/api/v1/chat";
const QUICK: &str = "[chat]\nanswer_wait = \"1ms\"";

/// A new conversation: (session's cookie, conversation).
async fn begin(gateway: &Gateway) -> (String, String) {
    let response = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    let cookie = session_cookie(&response).expect("a session");
    let body: Value = response.json().await.expect("JSON");
    (cookie, body["conversation_id"].as_str().expect("an id").to_owned())
}

#[tokio::test]
async fn a_conversation_belongs_to_its_session() {
    let gateway = Gateway::start_with(QUICK).await;
    let ((own, conversation), (other, _)) = (begin(&gateway).await, begin(&gateway).await);
    let go_on = json!({"message": "x", "conversation_id": conversation});
    let events = format!("{PATH}/{conversation}/events");
    for (cookie, post, get) in [
        (own.clone(), 202, 200),
        (other, 404, 404),
        (format!("{own}0"), 404, 401),
        (own.replace("v1.", "v2."), 404, 401),
        (String::new(), 404, 401),
    ] {
        let posted = gateway.post(PATH).header("cookie", &cookie).json(&go_on).send().await.expect("an answer");
        assert_eq!(posted.status(), post, "post with `{cookie}`");
        let got = gateway.get(&events).header("cookie", &cookie).send().await.expect("an answer");
        assert_eq!(got.status(), get, "events with `{cookie}`");
    }
}

#[tokio::test]
async fn without_anonymous_sessions_a_key_is_needed() {
    let gateway = Gateway::start_with("[chat]\nanonymous = false\nanswer_wait = \"1ms\"").await;
    let hello = json!({"message": "Hello"});
    let anonymous = gateway.post(PATH).json(&hello).send().await.expect("an answer");
    assert_eq!(anonymous.status(), 401);
    for (name, services) in [("chatter", "chat"), ("other", "catalog")] {
        let hash = store::api_keys::key_hash(&format!("key-of-{name}"));
        gateway.store.add_api_key(&tenant(), name, &hash, &[services.to_owned()], None).await.expect("a key");
    }
    for (key, status) in [("key-of-chatter", 202), ("key-of-other", 403), ("key-of-nobody", 401), ("", 401)] {
        let response = gateway.post(PATH).bearer_auth(key).json(&hello).send().await.expect("an answer");
        assert_eq!(response.status(), status, "{key}");
        assert_eq!(session_cookie(&response), None, "a key needs no session");
    }
}

#[tokio::test]
async fn a_keys_conversation_is_not_reached_from_a_session() {
    let gateway = Gateway::start_with(QUICK).await;
    let hash = store::api_keys::key_hash("key-of-chatter");
    gateway.store.add_api_key(&tenant(), "chatter", &hash, &["chat".to_owned()], None).await.expect("a key");
    let response = gateway.post(PATH).bearer_auth("key-of-chatter").json(&json!({"message": "Hello"})).send().await;
    let body: Value = response.expect("an answer").json().await.expect("JSON");
    let (cookie, _) = begin(&gateway).await;
    let events = format!("{PATH}/{}/events", body["conversation_id"].as_str().expect("an id"));
    let foreign = gateway.get(&events).header("cookie", cookie).send().await.expect("an answer");
    assert_eq!(foreign.status(), 404);
    let own = gateway.get(&events).bearer_auth("key-of-chatter").send().await.expect("an answer");
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn only_own_and_listed_origins_may_ask() {
    let gateway = Gateway::start_with(QUICK).await;
    let own = gateway.url.clone();
    for (origin, status, allowed) in [
        (own.as_str(), 202, None),
        ("https://app.example", 202, Some("https://app.example")),
        ("https://evil.example", 403, None),
        ("null", 403, None),
    ] {
        let request = gateway.post(PATH).header("origin", origin).json(&json!({"message": "Hello"}));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), status, "{origin}");
        let echoed = response.headers().get("access-control-allow-origin").map(|value| value.to_str().expect("text"));
        assert_eq!(echoed, allowed, "{origin}");
    }
    let preflight = gateway
        .client
        .request(reqwest::Method::OPTIONS, format!("{}{PATH}", gateway.url))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .expect("an answer");
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-credentials"], "true");
}
