//! Sending to Telegram: locations, formatting, and what is done where formatting is refused.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::Uri, response::IntoResponse};
use channels::{
    Channel, RejectClass, SendOutcome,
    telegram::{Config, Telegram},
};
use domain::{Location, OutboxId, Reply, Span, Style};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A bot whose server refuses every text with entities by these words, and remembers what it got.
async fn bot(refusal: &'static str) -> (Channel, Seen) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    let handler = move |State(seen): State<Seen>, uri: Uri, body: Bytes| async move {
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let refused = body.get("entities").is_some() && !refusal.is_empty();
        let method = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        seen.lock().expect("no panic").push((method, body));
        let answer = match refused {
            true => json!({ "ok": false, "error_code": 400, "description": refusal }),
            false => json!({ "ok": true, "result": { "message_id": 9 } }),
        };
        answer.to_string().into_response()
    };
    let app = Router::new().fallback(handler).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = Config { base_url, token: TOKEN.into(), webhook_secrets: Vec::new() };
    (Channel::Telegram(Telegram::new(config).expect("a bot")), seen)
}

fn bold() -> Reply {
    let spans = vec![Span { start: 0, end: 5, style: Style::Bold }];
    Reply { text: "Rooms: Oak".to_owned(), spans, ..Reply::default() }
}

async fn send(channel: &Channel, reply: &Reply) -> Vec<SendOutcome> {
    let mut ends = Vec::new();
    for part in channel.render(reply) {
        ends.push(channel.send("42", OutboxId::new(), &part, Duration::from_secs(5)).await);
    }
    ends
}

fn sent() -> SendOutcome {
    SendOutcome::Sent { provider_message_id: "110201543:42/9".to_owned(), refused: None, peer: None }
}

fn plain() -> Value {
    json!({ "chat_id": 42, "text": "Rooms: Oak", "link_preview_options": { "is_disabled": true } })
}

fn formatted() -> Value {
    let mut body = plain();
    body["entities"] = json!([{ "type": "bold", "offset": 0, "length": 5 }]);
    body
}

fn seen_by(seen: &Seen) -> Vec<(String, Value)> {
    seen.lock().expect("no panic").clone()
}

#[tokio::test]
async fn a_location_is_shown_on_a_map_before_its_words() {
    let (channel, seen) = bot("").await;
    let location = Some(Location { latitude: 45.8, longitude: 15.97, name: Some("Oak room".to_owned()) });
    assert_eq!(send(&channel, &Reply { location, ..bold() }).await, [sent(), sent()]);
    let place = json!({ "chat_id": 42, "latitude": 45.8, "longitude": 15.97 });
    assert_eq!(seen_by(&seen), [("sendLocation".to_owned(), place), ("sendMessage".to_owned(), formatted())]);
}

#[tokio::test]
async fn a_text_whose_formatting_is_refused_is_sent_once_more_as_it_is() {
    for refusal in ["Bad Request: can't parse entities: unsupported", "Bad Request: ENTITY_BOUNDS_INVALID"] {
        let (channel, seen) = bot(refusal).await;
        assert_eq!(send(&channel, &bold()).await, [sent()], "{refusal}");
        let both = [("sendMessage".to_owned(), formatted()), ("sendMessage".to_owned(), plain())];
        assert_eq!(seen_by(&seen), both, "{refusal}");
    }
}

#[tokio::test]
async fn a_text_that_is_refused_for_another_reason_is_not_sent_again() {
    let (channel, seen) = bot("Bad Request: message is too long").await;
    let reason = "400 Bad Request: message is too long".to_owned();
    assert_eq!(send(&channel, &bold()).await, [SendOutcome::Rejected { class: RejectClass::Content, reason }]);
    assert_eq!(seen_by(&seen).len(), 1);
}
