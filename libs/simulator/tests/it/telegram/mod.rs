//! The fake of Telegram, over HTTP.

mod delivery;
mod files;
mod persons;
mod polling;
mod sends;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use domain::{Clock, Micros};
use serde_json::{Value, json};
use simulator::{
    faults::Fault,
    phone::{Kind, Tick},
    telegram::{Config, Limits, NotSaid, Order, Said, Telegram, Webhook},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, client, listen, serve};

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const ANA: &str = "222222222";
const MARKO: &str = "333333333";
const GROUP: &str = "-4567";

/// A clock that stands until it is moved.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn forward(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).expect("a short time"), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Micros {
        Micros(1_790_000_000_000_000 + self.0.load(Ordering::SeqCst))
    }
}

struct Bot {
    telegram: Telegram,
    base: String,
    hands: Hands,
}

async fn start(change: impl FnOnce(&mut Config)) -> Bot {
    let hands = Hands::default();
    let mut config = Config::local(TOKEN, "dragoman_bot");
    config.retry_wait = Duration::from_millis(5);
    config.clock = Arc::new(hands.clone());
    change(&mut config);
    let telegram = Telegram::new(config).expect("a platform");
    let (listener, base) = listen().await;
    let served = telegram.clone();
    tokio::spawn(async move { served.serve(listener, CancellationToken::new()).await });
    Bot { telegram, base, hands }
}

impl Bot {
    async fn call(&self, method: &str, body: Value) -> (u16, Value) {
        let request = client().post(format!("{}/bot{TOKEN}/{method}", self.base)).json(&body);
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    /// The result of a lawful call.
    async fn ok(&self, method: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, body.clone()).await;
        assert_eq!((status, &answer["ok"]), (200, &json!(true)), "{method} {body}: {answer}");
        answer["result"].clone()
    }

    /// Status and description of a refused one.
    async fn refused(&self, method: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.call(method, body.clone()).await;
        assert_eq!(answer["ok"], false, "{method} {body}: {answer}");
        assert_eq!(answer["error_code"], status, "{method} {body}: {answer}");
        (status, answer["description"].as_str().expect("a description").to_owned())
    }

    fn say(&self, peer: &str, said: Said) -> String {
        self.telegram.say(peer, said).expect("said")
    }

    /// The updates that wait, by `getUpdates`, which confirms them.
    async fn heard(&self) -> Vec<Value> {
        let updates = self.ok("getUpdates", json!({})).await;
        let updates = updates.as_array().expect("an array").clone();
        if let Some(last) = updates.last() {
            let next = last["update_id"].as_i64().expect("an id") + 1;
            self.ok("getUpdates", json!({ "offset": next })).await;
        }
        updates
    }

    async fn greeted(change: impl FnOnce(&mut Config)) -> Self {
        let bot = start(change).await;
        bot.say(ANA, Said::command("start"));
        bot
    }
}

fn to(chat: &str, text: &str) -> Value {
    json!({"chat_id": chat.parse::<i64>().expect("a number"), "text": text})
}

fn with(key: &str, value: Value) -> Value {
    let mut body = to(ANA, "hi");
    body[key] = value;
    body
}

fn inline(rows: Value) -> Value {
    json!({ "inline_keyboard": rows })
}

fn key(text: &str, data: &str) -> Value {
    json!({"text": text, "callback_data": data})
}
