//! The fake of Meta, over HTTP.

mod delivery;
mod files;
mod persons;
mod sends;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::RawQuery,
    http::{HeaderMap, StatusCode},
    response::IntoResponse as _,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{Clock, Micros};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use simulator::{
    faults::Fault,
    meta::{
        Bundle, Card, Config, Handshake, Item, Meta, PairRate, Reads, Refusals, Said, StatusOrder, Template, Webhook,
    },
    phone::{Chat, Kind, Tick},
};
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, client, listen, serve};

const ANA: &str = "385911234567";
const BUSINESS: &str = "385911000000";
const NUMBER: &str = "106540352242922";

/// A clock that tests move.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Default for Hands {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_795_338_000_000_000))) // 22 November 2026
    }
}

impl Hands {
    fn on(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

async fn start(change: impl FnOnce(&mut Config)) -> (Meta, String, Hands) {
    let hands = Hands::default();
    let mut config = Config::new("token", NUMBER, BUSINESS);
    config.retry_wait = Duration::from_millis(5);
    config.clock = Arc::new(hands.clone());
    change(&mut config);
    let meta = Meta::new(config).expect("a platform");
    let (listener, base) = listen().await;
    let served = meta.clone();
    tokio::spawn(async move { served.serve(listener, CancellationToken::new()).await });
    (meta, base, hands)
}

async fn send(base: &str, body: &Value) -> Response {
    let request = client().post(format!("{base}/v23.0/{NUMBER}/messages")).bearer_auth("token").json(body);
    request.send().await.expect("an answer")
}

/// Status, error code (0 without an error) and body.
async fn told(response: Response) -> (u16, u64, Value) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.expect("JSON");
    (status, body["error"]["code"].as_u64().unwrap_or(0), body)
}

fn message(kind: &str, content: Value) -> Value {
    let mut message = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": ANA, "type": kind});
    message[kind] = content;
    message
}

fn text(words: &str) -> Value {
    message("text", json!({"body": words}))
}

fn buttons(buttons: Value) -> Value {
    message("interactive", json!({"type": "button", "body": {"text": "Sure?"}, "action": {"buttons": buttons}}))
}

fn button(id: &str, title: &str) -> Value {
    json!({"type": "reply", "reply": {"id": id, "title": title}})
}

fn list(sections: Value) -> Value {
    let action = json!({"button": "Choose", "sections": sections});
    message("interactive", json!({"type": "list", "body": {"text": "Which?"}, "action": action}))
}

fn rows(count: usize) -> Value {
    (0..count).map(|n| json!({"id": n.to_string(), "title": format!("row {n}")})).collect()
}

fn template(name: &str, words: &[&str]) -> Value {
    let parameters: Value = words.iter().map(|word| json!({"type": "text", "text": word})).collect();
    let components = json!([
        {"type": "body", "parameters": parameters},
        {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{"type": "payload", "payload": "yes-1"}]},
    ]);
    message("template", json!({"name": name, "language": {"code": "en_US"}, "components": components}))
}

fn reminder() -> Template {
    Template {
        name: "reminder".to_owned(),
        language: "en_US".to_owned(),
        body: "Hello {{1}}, tomorrow at {{2}}?".to_owned(),
        buttons: vec!["Yes".to_owned(), "No".to_owned()],
    }
}

type Posted = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A business that refuses the first `refusals` webhooks.
async fn business(refusals: usize) -> (Posted, Webhook) {
    let posted = Posted::default();
    let left = Arc::new(AtomicUsize::new(refusals));
    let kept = posted.clone();
    let hook = async move |headers: HeaderMap, body: String| {
        kept.lock().expect("no panic").push((headers, body));
        let refuse = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if refuse { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let base = serve(Router::new().route("/webhook", post(hook))).await;
    (posted, Webhook::new(format!("{base}/webhook").parse().expect("a URL"), "secret", "verify"))
}

fn bodies(posted: &Posted) -> Vec<Value> {
    posted.lock().expect("no panic").iter().map(|(_, body)| serde_json::from_str(body).expect("JSON")).collect()
}

fn value(body: &Value) -> &Value {
    &body["entry"][0]["changes"][0]["value"]
}

/// The statuses of all webhooks, in order.
fn statuses(meta: &Meta) -> Vec<Value> {
    let bodies = meta.webhooks().into_iter().map(|webhook| webhook.body);
    bodies.flat_map(|body| value(&body)["statuses"].as_array().cloned().unwrap_or_default()).collect()
}

fn words(statuses: &[Value]) -> Vec<&str> {
    statuses.iter().filter_map(|status| status["status"].as_str()).collect()
}
