//! What becomes of webhooks.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use serde_json::{Value, json};
use store::Why;

use crate::support::{Database, Gateway, PATIENCE, infobip, signature, tenant};

/// Infobip's time format, for days ago.
fn days_ago(days: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let seconds = i64::try_from(now).expect("small") - days * 86_400;
    jiff::Timestamp::from_second(seconds).expect("a time").strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

fn message(id: &str, from: &str, words: &str) -> Value {
    json!({
        "from": from, "to": "385990000000", "integrationType": "WHATSAPP", "receivedAt": days_ago(0),
        "messageId": id, "message": {"type": "TEXT", "text": words}, "contact": {"name": "Ana"}, "price": null,
    })
}

fn batch(results: &[Value]) -> Vec<u8> {
    json!({ "results": results, "messageCount": results.len(), "pendingMessageCount": 0 }).to_string().into_bytes()
}

#[tokio::test]
async fn a_signed_message_is_stored_and_rings() {
    let gateway = Gateway::start().await;
    let mut listener = gateway.coordination.listen("test");
    let body = batch(&[message("m1", "385910000001", "Hello")]);
    assert_eq!(gateway.webhook("/webhook/infobip/main", body).await, 200);
    let conversation = gateway.find_conversation("385910000001").await.expect("a conversation");
    let messages = gateway.messages(conversation).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].body, json!({"type": "text", "text": "Hello"}));
    let bells = tokio::time::timeout(PATIENCE, listener.next(1)).await.expect("a bell in time").expect("bells");
    assert_eq!(bells.iter().map(|bell| bell.conversation).collect::<Vec<_>>(), [conversation]);
}

#[tokio::test]
async fn one_bit_of_difference_is_refused_and_stores_nothing() {
    let gateway = Gateway::start().await;
    let body = batch(&[message("m1", "385910000001", "Hello")]);
    let good = signature(&body);
    for at in [0, body.len() / 2, body.len() - 1] {
        let mut changed = body.clone();
        changed[at] ^= 1;
        let response = gateway.post("/webhook").header("x-hub-signature-256", &good).body(changed).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 401);
        assert_eq!(response.bytes().await.expect("a body").len(), 0);
    }
    let unsigned = gateway.post("/webhook").body(body).send().await.expect("an answer");
    assert_eq!(unsigned.status(), 401);
    assert_eq!(gateway.find_conversation("385910000001").await, None);
}

#[tokio::test]
async fn sixteen_copies_at_once_are_one_message_on_sqlite() {
    sixteen_copies(Gateway::start().await).await;
}

#[tokio::test]
async fn sixteen_copies_at_once_are_one_message_on_postgresql() {
    sixteen_copies(Gateway::start_on(Database::postgres().await, "").await).await;
}

/// A copy that meets the lock of another is told to come again, as platforms do.
async fn sixteen_copies(gateway: Gateway) {
    let body = batch(&[message("m1", "385910000001", "Hello")]);
    let copies = (0..16).map(|_| async {
        for _ in 0..20 {
            match gateway.webhook("/webhook", body.clone()).await {
                503 => {}
                status => return status,
            }
        }
        503
    });
    assert!(join_all(copies).await.iter().all(|status| *status == 200));
    let conversation = gateway.find_conversation("385910000001").await.expect("a conversation");
    assert_eq!(gateway.messages(conversation).await.len(), 1);
}

#[tokio::test]
async fn paths_lead_to_their_accounts_and_nowhere_else() {
    let gateway = Gateway::start().await;
    let body = batch(&[message("m1", "385910000001", "Hello")]);
    for path in [
        "/webhook/infobip/unknown",
        "/webhook/telegram/main",
        "/webhook/INFOBIP/main",
        "/webhook/web/main",
        "/webhook/infobip/main/more",
        "/elsewhere",
    ] {
        assert_eq!(gateway.webhook(path, body.clone()).await, 404, "{path}");
    }
    assert_eq!(gateway.webhook("/webhook", body.clone()).await, 200, "the plain path is the default account");
    assert_eq!(gateway.webhook("/webhook/infobip/second", body.clone()).await, 401, "another account's signature");
    let token = gateway.post("/webhook/infobip/second").bearer_auth("token-of-the-tests-0123456789").body(body);
    assert_eq!(token.send().await.expect("an answer").status(), 200);
    let second = "infobip:second".parse().expect("an account");
    for account in [infobip(), second] {
        let found = gateway.store.find_conversation(&tenant(), &account, "385910000001").await;
        assert!(found.expect("the store").is_some(), "{account}");
    }
}

#[tokio::test]
async fn no_shape_is_answered_with_an_error() {
    let gateway = Gateway::start().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let huge_id = batch(&[message(&"x".repeat(100_000), "385910000009", "x")]);
    for body in [
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"<xml/>".to_vec(),
        b"{\"results\":7}".to_vec(),
        b"{\"results\":[{\"from\":\"1\",\"message\":{\"type\":\"TEXT\",\"text\":\"\\u0000\\ud83d\"}}]}".to_vec(),
        b"\xff\xfe".to_vec(),
        deep.into_bytes(),
        huge_id,
        batch(&[json!({"from": "385910000001", "integrationType": "SMS", "message": {"type": "TEXT", "text": "x"}})]),
        batch(&[json!({"messageId": "gone", "status": {"groupId": 3}}), json!({"messageId": "gone", "seenAt": "x"})]),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(gateway.webhook("/webhook", body).await, 200, "{shown}");
    }
    assert_eq!(gateway.find_conversation("385910000001").await, None, "an SMS is not answered on WhatsApp");
    let conversation = gateway.find_conversation("1").await.expect("the damaged text is a message");
    assert_eq!(gateway.messages(conversation).await[0].body, json!({"type": "text", "text": "\u{fffd}"}));
}

#[tokio::test]
async fn one_message_that_cannot_be_stored_does_not_take_the_others_with_it() {
    let gateway = Gateway::start().await;
    let too_much = "x".repeat(400_000);
    let body = batch(&[message("m1", "385910000001", "first"), message("m2", "385910000002", &too_much)]);
    assert_eq!(gateway.webhook("/webhook", body).await, 200);
    assert!(gateway.find_conversation("385910000001").await.is_some());
    assert!(gateway.find_conversation("385910000002").await.is_none());
}

#[tokio::test]
async fn a_message_of_ten_days_ago_is_kept_and_not_answered() {
    let gateway = Gateway::start().await;
    let mut old = message("m1", "385910000001", "Hello");
    old["receivedAt"] = json!(days_ago(10));
    let mut recent = message("m2", "385910000002", "Hello");
    recent["receivedAt"] = json!(days_ago(7));
    assert_eq!(gateway.webhook("/webhook", batch(&[old, recent])).await, 200);
    assert!(gateway.find_conversation("385910000001").await.is_none());
    assert!(gateway.find_conversation("385910000002").await.is_some());
}

#[tokio::test]
async fn what_becomes_no_message_is_kept_and_events_apart() {
    let gateway = Gateway::start().await;
    let mut old = message("m1", "385910000001", "Hello");
    old["receivedAt"] = json!(days_ago(10));
    let (told, strange) = (json!({ "event": { "type": "QUALITY" } }), json!({ "weather": "fair" }));
    assert_eq!(gateway.webhook("/webhook", batch(&[told, strange, old])).await, 200);
    assert_eq!(gateway.webhook("/webhook", "no JSON").await, 200);
    let kept = async |events| {
        let kept = gateway.store.list_unreadable(&tenant(), events, None, 10).await.expect("a list");
        kept.into_iter().map(|one| (one.why, one.account == infobip())).collect::<Vec<_>>()
    };
    assert_eq!(kept(true).await, [(Why::Event("event.QUALITY".to_owned()), true)]);
    let unread = kept(false).await;
    let reasons: Vec<_> = unread
        .iter()
        .map(|(why, _)| match why {
            Why::Unread(reason) => reason.as_str(),
            Why::Event(kind) => panic!("{kind} is an event"),
        })
        .collect();
    assert_eq!(reasons[1..], ["written too long ago", "neither a message nor a report"]);
    assert!(reasons[0].contains("JSON"), "{reasons:?}");
}

#[tokio::test]
async fn a_database_that_is_away_is_503_with_a_time_to_come_back() {
    let gateway = Gateway::start().await;
    gateway.store.close().await;
    let body = batch(&[message("m1", "385910000001", "Hello")]);
    let response = gateway.post("/webhook").header("x-hub-signature-256", signature(&body)).body(body).send().await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
}

#[tokio::test]
async fn health_says_that_it_can_accept() {
    let gateway = Gateway::start().await;
    let health: Value = gateway.get("/health").send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&health["status"], &health["database"]), (&json!("healthy"), &json!("connected")));
    assert!(health["timestamp"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()));
    assert!(health["cache"].is_string());
    for path in ["/health/ready", "/readyz"] {
        assert_eq!(gateway.get(path).send().await.expect("an answer").status(), 200, "{path}");
    }
}
