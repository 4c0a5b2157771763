//! `/simulator`: what goes wrong on command.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use simulator::{
    Infobip, Meta, Platform, Telegram, infobip, meta,
    page::{Page, Phone, phone_router},
    telegram,
};
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, client, serve};

const ANA: &str = "385911234567";
const MARKO: &str = "385921234567";
const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

/// One webhook as it came.
#[derive(Clone, Debug)]
struct Got {
    body: Value,
    /// Whether the signature is right, if there is one.
    signed: Option<bool>,
}

type Posted = Arc<Mutex<Vec<Got>>>;

fn signed(headers: &HeaderMap, body: &str) -> Option<bool> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").expect("any length");
    mac.update(body.as_bytes());
    let right = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let of_whatsapp = headers.get("x-hub-signature-256").map(|value| *value == right);
    of_whatsapp.or_else(|| headers.get("x-telegram-bot-api-secret-token").map(|value| value == "secret"))
}

/// A business that takes every webhook, and one platform whose control API serves at the address.
struct Side {
    posted: Posted,
    base: String,
    platform: Platform,
}

impl Side {
    async fn start(name: &str) -> Self {
        let posted = Posted::default();
        let kept = posted.clone();
        let hook = async move |headers: HeaderMap, body: String| {
            let got = Got { signed: signed(&headers, &body), body: serde_json::from_str(&body).expect("JSON") };
            kept.lock().expect("no panic").push(got);
            StatusCode::OK
        };
        let url = format!("{}/hook", serve(Router::new().route("/hook", post(hook))).await).parse().expect("a URL");
        let platform = match name {
            "infobip" => {
                let fake = Infobip::new(infobip::Config::new("key", "385911000000")).expect("a platform");
                fake.set_webhook(infobip::Webhook::new(url, "secret"));
                Platform::Infobip(fake)
            }
            "meta" => {
                let fake = Meta::new(meta::Config::new("token", "1065", "385911000000")).expect("a platform");
                fake.set_webhook(meta::Webhook::new(url, "secret", "verify"));
                Platform::Meta(fake)
            }
            _ => {
                let fake = Telegram::new(telegram::Config::local(TOKEN, "bot")).expect("a platform");
                fake.set_webhook(telegram::Webhook::new(url, "secret"));
                Platform::Telegram(fake)
            }
        };
        let page = Page {
            phones: vec![Phone { platform: platform.clone(), people: Vec::new(), inside: None }],
            title: "Test".to_owned(),
            suggestions: Vec::new(),
            stop: CancellationToken::new(),
        };
        let (listener, base) = crate::listen().await;
        let served = platform.clone();
        tokio::spawn(async move { served.serve_with(phone_router(page), listener, Default::default()).await });
        Self { posted, base, platform }
    }

    async fn order(&self, order: Value) -> (u16, Value) {
        let answer = client().post(format!("{}/simulator/faults", self.base)).json(&order).send().await;
        let answer = answer.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn ordered(&self, order: Value) {
        let (status, answer) = self.order(order.clone()).await;
        assert_eq!(status, 204, "{order}: {answer}");
    }

    async fn clear(&self) {
        let cleared = client().delete(format!("{}/simulator/faults", self.base)).send().await.expect("an answer");
        assert_eq!(cleared.status().as_u16(), 204);
    }

    /// Persons write; gives what the business got of it.
    async fn say(&self, peers: &[&str]) -> Vec<Got> {
        let before = self.posted.lock().expect("no panic").len();
        for peer in peers {
            let said = json!({"type": "text", "text": format!("from {peer}")});
            let act = serde_json::from_value(said).expect("an act");
            self.platform.act(peer, act).expect("said");
        }
        let settled = match &self.platform {
            Platform::Infobip(fake) => fake.settled(LIMIT).await,
            Platform::Meta(fake) => fake.settled(LIMIT).await,
            Platform::Telegram(fake) => fake.settled(LIMIT).await,
        };
        assert!(settled);
        self.posted.lock().expect("no panic")[before..].to_vec()
    }
}

const ALL: [&str; 3] = ["infobip", "meta", "telegram"];

#[tokio::test]
async fn webhooks_are_signed_as_ordered() {
    for name in ALL {
        let side = Side::start(name).await;
        let signed = async || {
            let got = side.say(&[ANA]).await;
            let [got] = got.as_slice() else { panic!("{name}: one webhook: {got:?}") };
            got.signed
        };
        assert_eq!(signed().await, Some(true), "{name}");
        side.ordered(json!({"webhooks": {"sign": "missing"}})).await;
        assert_eq!(signed().await, None, "{name}");
        side.ordered(json!({"webhooks": {"sign": "wrong"}})).await;
        assert_eq!(signed().await, Some(false), "{name}");
        side.clear().await;
        assert_eq!(signed().await, Some(true), "{name}");
    }
}

#[tokio::test]
async fn webhooks_come_in_copies() {
    for name in ALL {
        let side = Side::start(name).await;
        side.ordered(json!({"webhooks": {"copies": 3}})).await;
        let got = side.say(&[ANA]).await;
        assert_eq!(got.len(), 3, "{name}");
        assert!(got.iter().all(|one| one.body == got[0].body), "{name}: the same");
    }
}

#[tokio::test]
async fn gathered_webhooks_come_in_one_body_or_last_first() {
    for name in ALL {
        let side = Side::start(name).await;
        side.ordered(json!({"webhooks": {"gather_ms": 100, "gathered": "batch"}})).await;
        let got = side.say(&[ANA, MARKO]).await;
        match name {
            "infobip" => {
                assert_eq!(got.len(), 1);
                assert_eq!(
                    (got[0].body["results"].as_array().map(Vec::len), &got[0].body["messageCount"]),
                    (Some(2), &json!(2))
                );
            }
            "meta" => assert_eq!((got.len(), got[0].body["entry"].as_array().map(Vec::len)), (1, Some(2))),
            _ => assert_eq!(got.len(), 2, "an update is a webhook of its own"),
        }
        // They are posted in parallel: their order is the one in which they were begun.
        side.ordered(json!({"webhooks": {"gather_ms": 100, "gathered": "reverse"}})).await;
        assert_eq!(side.say(&[ANA, MARKO]).await.len(), 2, "{name}");
        let told: Value = client()
            .get(format!("{}/simulator/webhooks", side.base))
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        let told = told[name].as_array().expect("webhooks").clone();
        let [first, second] = &told[told.len() - 2..] else { panic!("{told:?}") };
        assert!(first.to_string().contains(&format!("from {MARKO}")), "{name}: {first}");
        assert!(second.to_string().contains(&format!("from {ANA}")), "{name}: {second}");
        assert_eq!(second["statuses"], json!([200]), "{name}");
        assert!(second["took_ms"][0].is_u64(), "{name}: {second}");
        let page = |query: &str| client().get(format!("{}/simulator/webhooks?{query}", side.base)).send();
        let one: Value =
            page(&format!("limit=1&before={}", second["number"])).await.expect("told").json().await.expect("JSON");
        assert_eq!(one[name], json!([first]), "{name}");
        for (query, status) in [("limit=0", 422), ("limit=1001", 422), ("platform=viber", 422), ("limit=x", 400)] {
            assert_eq!(page(query).await.expect("an answer").status().as_u16(), status, "{name}: {query}");
        }
    }
}

#[tokio::test]
async fn calls_are_answered_as_ordered() {
    let side = Side::start("telegram").await;
    let call = async || {
        let answer = client().get(format!("{}/bot{TOKEN}/getMe", side.base)).send().await;
        answer.map(|answer| answer.status().as_u16()).unwrap_or(0)
    };
    side.ordered(json!({"api": [
        {"operation": "POST getMe", "times": 2, "fault": {"kind": "status", "status": 502}},
        {"fault": {"kind": "cut_before"}},
    ]}))
    .await;
    assert_eq!([call().await, call().await, call().await, call().await], [502, 502, 0, 200]);
    side.ordered(json!({"api": [{"fault": {"kind": "status", "status": 429, "retry_after": 7}}]})).await;
    let answer: Value = client()
        .get(format!("{}/bot{TOKEN}/getMe", side.base))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(answer["parameters"]["retry_after"], 7);
}

#[tokio::test]
async fn orders_that_cannot_be_are_refused_whole() {
    for (name, order, words) in [
        (
            "meta",
            json!({"api": [{"operation": "POST nothing", "fault": {"kind": "hang"}}]}),
            "operation is empty or one of",
        ),
        ("meta", json!({"api": [{"fault": {"kind": "status", "status": 200}}]}), "status is 400 to 599"),
        ("meta", json!({"api": [{"times": 0, "fault": {"kind": "hang"}}]}), "times is 1 to"),
        ("meta", json!({"webhooks": {"copies": 0}}), "copies is 1 to 100"),
        ("meta", json!({"webhooks": {"delay_ms": 700_000}}), "at most 600000"),
        ("meta", json!({"platform": "telegram"}), "platform is one of meta"),
        ("meta", json!({"webhook": {}}), "unknown field `webhook`"),
        ("infobip", json!({"statuses": {"order": "backward"}}), "infobip has delay_ms"),
        ("telegram", json!({"statuses": {"delay_ms": 1}}), "telegram has no statuses"),
        ("telegram", json!({"webhooks": {"copies": 9}, "statuses": {}}), "telegram has no statuses"),
    ] {
        let side = Side::start(name).await;
        let (status, answer) = side.order(order.clone()).await;
        assert!(matches!(status, 400 | 422), "{order}: {status}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(words)), "{order}: {answer}");
        assert_eq!(side.say(&[ANA]).await.len(), 1, "{order}: nothing of it holds");
    }
}

#[tokio::test]
async fn templates_are_approved_and_taken_back_on_command() {
    for (name, path, key) in
        [("infobip", "/whatsapp/1/message/template", "App key"), ("meta", "/v23.0/1065/messages", "Bearer token")]
    {
        let side = Side::start(name).await;
        let templates = format!("{}/simulator/templates", side.base);
        let send = async |words: &[&str]| {
            let body = match name {
                "infobip" => {
                    json!({"messages": [{"from": "385911000000", "to": ANA, "messageId": words.join(" "), "content": {
                        "templateName": "parcel", "language": "en", "templateData": {"body": {"placeholders": words}},
                    }}]})
                }
                _ => {
                    let parameters: Vec<Value> =
                        words.iter().map(|word| json!({"type": "text", "text": word})).collect();
                    json!({"messaging_product": "whatsapp", "to": ANA, "type": "template", "template": {
                        "name": "parcel", "language": {"code": "en"},
                        "components": [{"type": "body", "parameters": parameters}],
                    }})
                }
            };
            let sent = client().post(format!("{}{path}", side.base)).header("authorization", key).json(&body).send();
            sent.await.expect("an answer").status().is_success()
        };
        let approve = async |template: Value| {
            let answer = client().post(&templates).json(&template).send().await.expect("an answer");
            answer.status().as_u16()
        };
        let parcel = json!({"name": "parcel", "language": "en", "body": "Hello {{1}}, {{2}} is here."});
        for wrong in [
            json!({"name": "Parcel", "language": "en", "body": "x"}),
            json!({"name": "p", "language": "en", "body": ""}),
        ] {
            assert_eq!(approve(wrong).await, 422, "{name}");
        }
        assert_eq!(approve(json!({"name": "parcel"})).await, 400, "{name}");
        assert_eq!(approve(parcel.clone()).await, 204, "{name}");
        let told: Value = client().get(&templates).send().await.expect("told").json().await.expect("JSON");
        assert_eq!(told[name][0]["body"], parcel["body"], "{name}");
        assert!(!send(&["Ana"]).await, "{name}: one parameter is missing");
        assert!(send(&["Ana", "4711"]).await, "{name}");
        let shown = side.platform.chat(ANA).last_answer().map(|bubble| bubble.text.clone());
        assert_eq!(shown.as_deref(), Some("Hello Ana, 4711 is here."), "{name}");
        assert_eq!(approve(json!({"name": "other", "language": "en", "body": "x"})).await, 204, "{name}");
        let delete = async || {
            client().delete(format!("{templates}?name=parcel&language=en")).send().await.expect("an answer").status()
        };
        assert_eq!(delete().await.as_u16(), 204, "{name}");
        assert_eq!(delete().await.as_u16(), 404, "{name}");
        assert!(!send(&["Ana", "4712"]).await, "{name}: it is approved no more");
    }
    let side = Side::start("telegram").await;
    let parcel = json!({"name": "parcel", "language": "en", "body": "x"});
    let answer =
        client().post(format!("{}/simulator/templates", side.base)).json(&parcel).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 422);
}
