//! Web chat with JSON answers.

use serde_json::{Value, json};

use crate::support::{Gateway, question, replies_of, session_cookie, tenant, text};

const PATH: &str = "/api/v1/chat";

#[tokio::test]
async fn the_answer_comes_when_the_turn_ends() {
    let gateway = Gateway::start().await;
    let work = gateway.work(2, |seq| vec![text(&format!("Answer {seq}")), question("Sure?")]);
    let first = gateway.post(PATH).json(&json!({"message": "Which vehicles are free tomorrow?"})).send().await;
    let first = first.expect("an answer");
    assert_eq!(first.status(), 200);
    assert_eq!(first.headers()["content-type"], "application/json");
    let cookie = session_cookie(&first).expect("a session");
    let body: Value = first.json().await.expect("JSON");
    let conversation = body["conversation_id"].clone();
    let buttons = json!([{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}]);
    let operation = json!({"id": "doc/GET /x", "document": "doc", "candidates": []});
    assert_eq!(
        body,
        json!({
            "conversation_id": conversation,
            "messages": [{"id": "1.0", "text": "Answer 1"}, {"id": "1.1", "text": "Sure?", "buttons": buttons}],
            "operation": operation,
        })
    );

    let again = json!({"message": "Yes", "choice": "y", "conversation_id": conversation});
    let second = gateway.post(PATH).header("cookie", &cookie).header("accept", "*/*").json(&again).send().await;
    let second = second.expect("an answer");
    assert_eq!(session_cookie(&second), None, "the session is known");
    let body: Value = second.json().await.expect("JSON");
    assert_eq!(body["conversation_id"], conversation);
    let ids: Vec<&str> = body["messages"].as_array().into_iter().flatten().filter_map(|m| m["id"].as_str()).collect();
    assert_eq!(ids, ["2.0", "2.1"], "only the answer to this message");
    work.await.expect("no panic");

    let id = conversation.as_str().and_then(|id| id.parse().ok()).expect("an id");
    let rows = gateway.messages(id).await;
    assert_eq!(rows[3].body, json!({"type": "choice", "id": "y", "title": "Yes"}));
}

#[tokio::test]
async fn an_answer_that_takes_longer_is_202_with_the_conversation() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"100ms\"").await;
    let response = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    assert_eq!(response.status(), 202);
    let body: Value = response.json().await.expect("JSON");
    let id = body["conversation_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    assert_eq!(gateway.messages(id).await.len(), 1, "the message is stored");
}

#[tokio::test]
async fn a_turn_without_words_is_an_empty_answer() {
    let gateway = Gateway::start().await;
    let work = gateway.work(1, |_| vec![]);
    let response = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(body["messages"], json!([]));
    work.await.expect("no panic");
}

#[tokio::test]
async fn a_repeated_message_id_is_answered_once_and_shown_twice() {
    let gateway = Gateway::start().await;
    let work = gateway.work(1, |_| vec![text("Once")]);
    let request = json!({"message": "Hello", "message_id": "k1"});
    let first = gateway.post(PATH).json(&request).send().await.expect("an answer");
    let cookie = session_cookie(&first).expect("a session");
    let first: Value = first.json().await.expect("JSON");
    work.await.expect("no panic");
    let second = gateway.post(PATH).header("cookie", cookie).json(&request).send().await.expect("an answer");
    let second: Value = second.json().await.expect("JSON");
    assert_eq!(second["conversation_id"], first["conversation_id"]);
    assert_eq!(second["messages"], json!([{"id": "1.0", "text": "Once"}]));
    let id = first["conversation_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let rows = gateway.messages(id).await;
    assert_eq!((rows.len(), replies_of(&rows)), (2, 1));
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let gateway = Gateway::start().await;
    for (body, status) in [
        (json!({}), 400),
        (json!([]), 400),
        (json!({"message": ""}), 400),
        (json!({"message": "x".repeat(10_001)}), 400),
        (json!({"message": "x", "conversation_id": "no id"}), 400),
        (json!({"message": "x", "conversation_id": "0190d7a0-0000-7000-8000-000000000000"}), 404),
        (json!({"message": "x".repeat(300_000)}), 413),
    ] {
        let response = gateway.post(PATH).json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), status, "{}", &body.to_string()[..body.to_string().len().min(80)]);
        let body: Value = response.json().await.expect("JSON");
        assert!(body["error"].is_string());
    }
    let form = gateway.post(PATH).body("{\"message\":\"x\"}").header("content-type", "text/plain").send().await;
    assert_eq!(form.expect("an answer").status(), 415);
    assert_eq!(gateway.get(PATH).send().await.expect("an answer").status(), 405);
}

#[tokio::test]
async fn scripts_are_removed_before_anything_is_stored() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"50ms\"").await;
    let request = json!({"message": "a<script>alert(1)</script> javascript:b"});
    let body: Value = gateway.post(PATH).json(&request).send().await.expect("an answer").json().await.expect("JSON");
    let id = body["conversation_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    assert_eq!(gateway.messages(id).await[0].body["text"], "aalert(1) b");
}

#[tokio::test]
async fn ai_switched_off_is_503_for_new_messages_and_nothing_is_stored() {
    let gateway = Gateway::start_with("[ai]\nenabled = false").await;
    let response = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    assert_eq!(response.status(), 503);
    assert_eq!(response.text().await.expect("a body"), r#"{"error":"AI temporarily unavailable"}"#);
    assert!(gateway.store.list_conversations(&tenant(), None, 10).await.expect("the store").is_empty());
}

#[tokio::test]
async fn too_many_messages_of_one_session_have_to_wait() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"\n[ai]\nrate_limit = 2").await;
    let first = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    let cookie = session_cookie(&first).expect("a session");
    let post = || gateway.post(PATH).header("cookie", &cookie).json(&json!({"message": "Hello"})).send();
    assert_eq!(post().await.expect("an answer").status(), 202);
    let third = post().await.expect("an answer");
    assert_eq!(third.status(), 429);
    assert!(third.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn newcomers_of_one_address_share_a_limit_that_sessions_do_not_feel() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"\nnewcomer_messages_per_minute = 2").await;
    let post = || gateway.post(PATH).json(&json!({"message": "Hello"}));
    let first = post().send().await.expect("an answer");
    let cookie = session_cookie(&first).expect("a session");
    assert_eq!(post().send().await.expect("an answer").status(), 202);
    let third = post().send().await.expect("an answer");
    assert_eq!(third.status(), 429);
    assert!(third.headers().contains_key("retry-after"));
    let refused = post().header("content-type", "text/plain").send().await.expect("an answer");
    for response in [third, refused] {
        assert_eq!(session_cookie(&response), None, "a session would be a way around the limit");
    }
    let forged = post().header("cookie", format!("{cookie}0")).send().await.expect("an answer");
    assert_eq!(forged.status(), 429, "a forged session is none");
    assert_eq!(post().header("cookie", cookie).send().await.expect("an answer").status(), 202);
}
