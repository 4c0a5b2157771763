//! The web chat over HTTP.

use serde_json::{Value, json};

use crate::{
    model::journeys_with_models,
    world::{World, journeys},
};

journeys! {
    a_question_by_curl_is_answered_as_json,
    an_event_stream_resumes_after_the_last_message,
    a_look_up_is_streamed_to_its_end,
}

journeys_with_models! { a_look_up_is_streamed_to_its_end }

async fn post(world: &World, accept: &str, body: Value) -> reqwest::Response {
    service_kit::install_crypto();
    reqwest::Client::new()
        .post(format!("http://{}/api/v1/chat", world.http))
        .header("accept", accept)
        .json(&body)
        .send()
        .await
        .expect("an answer")
}

async fn a_question_by_curl_is_answered_as_json(world: World) {
    let response = post(&world, "*/*", json!({"message": "hello"})).await;
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.expect("JSON");
    assert!(answer["conversation_id"].as_str().is_some_and(|id| !id.is_empty()), "{answer}");
    let messages = answer["messages"].as_array().expect("messages");
    assert!(
        messages.iter().all(|m| m["id"].is_string() && m["text"].as_str().is_some_and(|t| !t.is_empty())),
        "{answer}"
    );
    assert!(!messages.is_empty());
    let refused = post(&world, "*/*", json!({"message": ""})).await;
    assert_eq!(refused.status(), 400);
}

async fn an_event_stream_resumes_after_the_last_message(world: World) {
    let response = post(&world, "text/event-stream", json!({"message": "hello"})).await;
    assert_eq!(response.headers()["content-type"].to_str().expect("text").split(';').next(), Some("text/event-stream"));
    let text = response.text().await.expect("the stream ends with the turn");
    assert!(
        text.contains("event: accepted") && text.contains("event: message") && text.contains("event: done"),
        "{text}"
    );
    assert!(text.lines().any(|line| line.starts_with("id: ")), "{text}");
}

async fn a_look_up_is_streamed_to_its_end(world: World) {
    let response = post(&world, "text/event-stream", json!({"message": "Which vehicles are free tomorrow?"})).await;
    let text = response.text().await.expect("the stream ends with the turn");
    for part in ["event: accepted", "event: message", "ZG 1234-AB", "ZG 5678-CD", "event: done"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(world.effects().is_empty());
}
