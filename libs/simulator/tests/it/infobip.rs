use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Response;
use serde_json::{Value, json};
use simulator::{
    faults::Fault,
    infobip::{Config, ErrorBody, Infobip, Reads, Repeats, Said, Webhook},
    phone::{Kind, Tick},
};
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, client, listen, serve};

const ANA: &str = "385911234567";
const SENDER: &str = "385911000000";

async fn start(change: impl FnOnce(&mut Config)) -> (Infobip, String) {
    let mut config = Config::new("key", SENDER);
    config.retry_wait = Duration::from_millis(5);
    change(&mut config);
    let infobip = Infobip::new(config).expect("a platform");
    let (listener, base) = listen().await;
    let served = infobip.clone();
    tokio::spawn(async move { served.serve(listener, CancellationToken::new()).await });
    (infobip, base)
}

async fn send(base: &str, path: &str, body: &Value) -> Response {
    let request =
        client().post(format!("{base}/whatsapp/1/message/{path}")).header("authorization", "App key").json(body);
    request.send().await.expect("an answer")
}

fn text(words: &str, id: &str) -> Value {
    json!({"from": SENDER, "to": ANA, "messageId": id, "content": {"text": words}, "callbackData": id})
}

fn buttons(buttons: Value) -> Value {
    json!({"from": SENDER, "to": ANA, "content": {"body": {"text": "Sure?"}, "action": {"buttons": buttons}}})
}

fn list(rows: Value) -> Value {
    json!({"from": SENDER, "to": ANA, "content": {"body": {"text": "Which?"}, "action": {"title": "Choose", "sections": [{"rows": rows}]}}})
}

fn button(id: &str, title: &str) -> Value {
    json!({"type": "REPLY", "id": id, "title": title})
}

#[tokio::test]
async fn what_the_real_api_refuses_is_refused() {
    let (infobip, base) = start(|_| {}).await;
    let long = |count: usize| "č".repeat(count);
    let with = |key: &str, value: Value| {
        let mut body = text("hi", "m");
        body[key] = value;
        body
    };
    let rows =
        |count: usize| (0..count).map(|n| json!({"id": n.to_string(), "title": format!("row {n}")})).collect::<Value>();
    let many = |count: usize| (0..count).map(|n| button(&n.to_string(), &format!("b {n}"))).collect::<Value>();
    let row = |id: &str, title: &str, description: &str| {
        list(json!([{"id": id, "title": title, "description": description}]))
    };
    for (what, path, body, property) in [
        ("text of 4096", "text", text(&long(4096), "1"), None),
        ("text of 4097", "text", text(&long(4097), "2"), Some("content.text")),
        ("emoji count twice", "text", text(&"🚗".repeat(2049), "3"), Some("content.text")),
        ("empty text", "text", text("", "4"), Some("content.text")),
        ("no content", "text", json!({"from": SENDER, "to": ANA}), Some("content")),
        ("unknown field", "text", with("text", json!("hi")), Some("text")),
        ("unknown field inside", "text", with("content", json!({"text": "hi", "body": ""})), Some("content.body")),
        ("text that is a number", "text", with("content", json!({"text": 5})), Some("content.text")),
        ("other sender", "text", with("from", json!("385911999999")), Some("from")),
        ("strange recipient", "text", with("to", json!("Ana")), Some("to")),
        ("long message id", "text", with("messageId", json!(long(201))), Some("messageId")),
        ("three buttons", "interactive/buttons", buttons(many(3)), None),
        ("four buttons", "interactive/buttons", buttons(many(4)), Some("content.action.buttons")),
        ("no button", "interactive/buttons", buttons(json!([])), Some("content.action.buttons")),
        ("title of 20", "interactive/buttons", buttons(json!([button("a", &long(20))])), None),
        (
            "title of 21",
            "interactive/buttons",
            buttons(json!([button("a", &long(21))])),
            Some("content.action.buttons[0].title"),
        ),
        (
            "id of 257",
            "interactive/buttons",
            buttons(json!([button(&long(257), "a")])),
            Some("content.action.buttons[0].id"),
        ),
        (
            "one id twice",
            "interactive/buttons",
            buttons(json!([button("a", "x"), button("a", "y")])),
            Some("content.action.buttons[1].id"),
        ),
        ("ten rows", "interactive/list", list(rows(10)), None),
        ("eleven rows", "interactive/list", list(rows(11)), Some("content.action.sections")),
        ("row at its limits", "interactive/list", row(&long(200), &long(24), &long(72)), None),
        (
            "row title of 25",
            "interactive/list",
            row("a", &long(25), ""),
            Some("content.action.sections[0].rows[0].title"),
        ),
        ("row id of 201", "interactive/list", row(&long(201), "a", ""), Some("content.action.sections[0].rows[0].id")),
        (
            "description of 73",
            "interactive/list",
            row("a", "a", &long(73)),
            Some("content.action.sections[0].rows[0].description"),
        ),
    ] {
        let before = infobip.sends().len();
        let response = send(&base, path, &body).await;
        let status = response.status();
        let body: Value = response.json().await.expect("JSON");
        match property {
            None => {
                assert_eq!(status, StatusCode::OK, "{what}: {body}");
                assert_eq!(body["status"]["name"], "PENDING_ENROUTE", "{what}");
                assert_eq!(infobip.sends().len(), before + 1, "{what}");
            }
            Some(property) => {
                assert_eq!(status, StatusCode::BAD_REQUEST, "{what}");
                let exception = &body["requestError"]["serviceException"];
                assert!(exception["validationErrors"].get(property).is_some(), "{what}: {body}");
                assert_eq!(infobip.sends().len(), before, "{what}");
            }
        }
    }
    let request = client().post(format!("{base}/whatsapp/1/message/text")).header("authorization", "Bearer key");
    let response = request.json(&text("hi", "m")).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(body["requestError"]["serviceException"]["messageId"], "UNAUTHORIZED");
}

#[tokio::test]
async fn the_other_error_body_lists_violations() {
    let (_, base) = start(|config| config.error_body = ErrorBody::Modern).await;
    let body: Value = send(&base, "text", &text("", "m")).await.json().await.expect("JSON");
    assert_eq!(body["errorCode"], "E400");
    assert_eq!(body["violations"][0]["property"], "content.text");
}

#[tokio::test]
async fn a_repeated_send_is_treated_as_configured() {
    for (repeats, bubbles, own_id, callback) in
        [(Repeats::Honour, 1, true, true), (Repeats::Echo, 2, true, true), (Repeats::Forget, 2, false, false)]
    {
        let (infobip, base) = start(|config| (config.repeats, config.reads) = (repeats, Reads::WhenShown)).await;
        for _ in 0..2 {
            let answer: Value = send(&base, "text", &text("hi", "our-id")).await.json().await.expect("JSON");
            assert_eq!(answer["messageId"] == "our-id", own_id, "{repeats:?}");
        }
        assert_eq!(infobip.chat(ANA).bubbles.len(), bubbles, "{repeats:?}");
        let reports = infobip.webhooks();
        assert_eq!(reports.len(), bubbles, "{repeats:?}");
        let result = &reports[0].body["results"][0];
        assert_eq!(
            (result["messageId"] == "our-id", result["callbackData"] == "our-id"),
            (own_id, callback),
            "{repeats:?}"
        );
    }
}

#[tokio::test]
async fn faults_cut_before_and_after_acting_and_ask_to_wait() {
    let (infobip, base) = start(|_| {}).await;
    let operation = "POST /whatsapp/1/message/text";
    let url = format!("{base}/whatsapp/1/message/text");
    let post = |id: &str| client().post(&url).header("authorization", "App key").json(&text("hi", id)).send();
    infobip.faults().next(operation, Fault::CutBefore);
    assert!(post("a").await.is_err());
    assert_eq!(infobip.sends().len(), 0);
    infobip.faults().next(operation, Fault::CutAfter);
    assert!(post("a").await.is_err());
    assert_eq!(infobip.sends().len(), 1);
    infobip.faults().next(operation, Fault::Status { status: 429, retry_after: Some(3) });
    let refused = post("b").await.expect("an answer");
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().ok()), (429, Some("3")));
    assert_eq!(post("b").await.expect("an answer").status().as_u16(), 200);
}

type Posted = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A business that refuses the first `refusals` webhooks.
async fn business(refusals: usize) -> (Posted, String) {
    let posted = Posted::default();
    let left = Arc::new(AtomicUsize::new(refusals));
    let kept = posted.clone();
    let hook = async move |headers: HeaderMap, body: String| {
        kept.lock().expect("no panic").push((headers, body));
        let refuse = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if refuse { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let base = serve(Router::new().route("/webhook", post(hook))).await;
    (posted, format!("{base}/webhook"))
}

#[tokio::test]
async fn webhooks_are_signed_and_repeated_until_taken() {
    let (infobip, _) = start(|_| {}).await;
    let (posted, url) = business(2).await;
    infobip.set_webhook(Webhook::new(url.parse().expect("a URL"), "secret"));
    infobip.set_name(ANA, "Ana");
    let id = infobip.say(ANA, Said::text("Which vehicles are free tomorrow?"));
    let ticks = |tick: Tick| move |chat: &simulator::phone::Chat| chat.bubbles.iter().all(|bubble| bubble.tick == tick);
    infobip.wait_for(ANA, LIMIT, ticks(Tick::Delivered)).await.expect("delivered");
    let posted = posted.lock().expect("no panic").clone();
    assert_eq!(posted.len(), 3);
    for (headers, body) in &posted {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").expect("any key");
        mac.update(body.as_bytes());
        let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(headers["x-hub-signature-256"].to_str().ok(), Some(expected.as_str()));
        let body: Value = serde_json::from_str(body).expect("JSON");
        let result = &body["results"][0];
        assert_eq!(
            (result["messageId"].as_str(), result["contact"]["name"].as_str()),
            (Some(id.as_str()), Some("Ana"))
        );
        assert_eq!(result["message"]["type"], "TEXT");
    }
    assert_eq!(infobip.webhooks()[0].statuses, [503, 503, 200]);
}

#[tokio::test]
async fn a_webhook_that_nobody_takes_is_given_up() {
    let (infobip, _) = start(|config| config.attempts = 3).await;
    let (posted, url) = business(usize::MAX).await;
    infobip.set_webhook(Webhook::new(url.parse().expect("a URL"), "secret"));
    infobip.say(ANA, Said::text("hi"));
    assert!(infobip.settled(LIMIT).await);
    assert_eq!(posted.lock().expect("no panic").len(), 3);
    assert_eq!(infobip.chat(ANA).bubbles[0].tick, Tick::Failed);
}

#[tokio::test]
async fn copies_of_one_message_carry_one_id() {
    let (infobip, _) = start(|_| {}).await;
    let (posted, url) = business(0).await;
    infobip.set_webhook(Webhook::new(url.parse().expect("a URL"), "secret"));
    infobip.say_copies(ANA, Said::text("hi"), 16);
    assert!(infobip.settled(LIMIT).await);
    let posted = posted.lock().expect("no panic");
    assert_eq!(posted.len(), 16);
    assert!(posted.iter().all(|(_, body)| *body == posted[0].1));
    assert_eq!(infobip.chat(ANA).bubbles.len(), 1);
}

#[tokio::test]
async fn a_message_is_delivered_then_read_when_the_person_looks() {
    let (infobip, base) = start(|config| config.reads = Reads::WhenShown).await;
    let (posted, url) = business(0).await;
    infobip.set_webhook(Webhook::new(url.parse().expect("a URL"), "secret"));
    send(&base, "interactive/buttons", &buttons(json!([button("yes-1", "Yes, book")]))).await;
    assert!(infobip.settled(LIMIT).await);
    let chat = infobip.chat(ANA);
    let bubble = chat.last_answer().expect("a message");
    assert_eq!(bubble.tick, Tick::Delivered);
    assert!(matches!(&bubble.kind, Kind::Buttons { buttons } if buttons[0].title == "Yes, book"));
    assert_eq!(chat.find_choice("Yes, book"), Some(("yes-1".to_owned(), bubble.id.clone())));
    infobip.look(ANA);
    assert!(infobip.settled(LIMIT).await);
    assert_eq!(infobip.chat(ANA).bubbles[0].tick, Tick::Read);
    let posted = posted.lock().expect("no panic");
    let bodies: Vec<Value> = posted.iter().map(|(_, body)| serde_json::from_str(body).expect("JSON")).collect();
    assert_eq!(bodies[0]["results"][0]["status"]["groupName"], "DELIVERED");
    assert!(bodies[1]["results"][0]["seenAt"].is_string());
}

#[tokio::test]
async fn a_read_mark_turns_the_persons_ticks() {
    let (infobip, base) = start(|_| {}).await;
    let id = infobip.say(ANA, Said::text("hi"));
    let mark = async |id: &str| {
        let url = format!("{base}/whatsapp/1/senders/{SENDER}/message/{id}/read");
        client().post(url).header("authorization", "App key").send().await.expect("an answer").status()
    };
    assert_eq!(mark("wamid.unknown").await, StatusCode::NOT_FOUND);
    assert_eq!(infobip.chat(ANA).bubbles[0].tick, Tick::Failed, "without a webhook nothing is delivered");
    let (_, url) = business(0).await;
    infobip.set_webhook(Webhook::new(url.parse().expect("a URL"), "secret"));
    let second = infobip.say(ANA, Said::text("still there?"));
    assert_eq!(mark(&second).await, StatusCode::OK);
    assert_eq!(infobip.chat(ANA).bubbles[1].tick, Tick::Read);
    assert_eq!(mark(&id).await, StatusCode::OK);
}

#[tokio::test]
async fn an_unreachable_number_is_accepted_and_reported() {
    let (infobip, base) = start(|_| {}).await;
    infobip.set_unreachable(ANA);
    assert_eq!(send(&base, "text", &text("hi", "m")).await.status(), StatusCode::OK);
    let report = &infobip.webhooks()[0].body["results"][0];
    assert_eq!(
        (report["status"]["groupName"].as_str(), report["error"]["permanent"].as_bool()),
        (Some("UNDELIVERABLE"), Some(true))
    );
    assert!(infobip.chat(ANA).bubbles.is_empty());
}

#[tokio::test]
async fn files_are_given_for_the_key_until_they_are_forgotten() {
    let (infobip, base) = start(|_| {}).await;
    let path = infobip.add_media("image/png", b"png");
    let get = async |url: String, key: &str| {
        let answer = client().get(url).header("authorization", key).send().await.expect("an answer");
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        (answer.status().as_u16(), kind, answer.bytes().await.expect("a body").to_vec())
    };
    let url = format!("{base}{path}");
    assert_eq!(get(url.clone(), "App key").await, (200, Some("image/png".to_owned()), b"png".to_vec()));
    assert_eq!(get(url.clone(), "App other").await.0, 401);
    assert_eq!(get(url.replace(SENDER, "385911999999"), "App key").await.0, 404);
    assert_eq!(get(format!("{url}x"), "App key").await.0, 404);
    infobip
        .faults()
        .next("GET /whatsapp/1/senders/{sender}/media/{mediaId}", Fault::Status { status: 503, retry_after: None });
    assert_eq!(get(url.clone(), "App key").await.0, 503);
    infobip.drop_media();
    assert_eq!(get(url, "App key").await.0, 404);
    assert_eq!(infobip.media_reads(), 1);
}

#[tokio::test]
async fn a_message_can_be_posted_once_more_and_each_attempt_tells_what_it_got() {
    let (infobip, _) = start(|config| config.attempts = 1).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/webhook", listener.local_addr().expect("an address"));
    let away = || async { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]) };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(away)).await });
    infobip.set_webhook(Webhook::new(url.parse().expect("a URL"), "secret"));
    let id = infobip.say(ANA, Said::text("hi"));
    assert!(infobip.say_again(&id) && !infobip.say_again("another"));
    assert!(infobip.settled(LIMIT).await);
    let webhooks = infobip.webhooks();
    assert_eq!(webhooks.len(), 2);
    assert_eq!(webhooks[0].body, webhooks[1].body);
    for webhook in webhooks {
        assert_eq!((webhook.statuses, webhook.took.len(), webhook.told_when), (vec![503], 1, 1));
    }
}
