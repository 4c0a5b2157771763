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

#[tokio::test]
async fn what_the_real_api_refuses_is_refused() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    meta.add_template(reminder());
    let picture = meta.add_media("image/png", b"png");
    let long = |count: usize| "č".repeat(count);
    let with = |key: &str, value: Value| {
        let mut body = text("hi");
        body[key] = value;
        body
    };
    let without = |key: &str| {
        let mut body = text("hi");
        body.as_object_mut().expect("an object").remove(key);
        body
    };
    let many = |count: usize| buttons((0..count).map(|n| button(&n.to_string(), &format!("b {n}"))).collect());
    let row = |id: &str, title: &str, small: &str| {
        list(json!([{"rows": [{"id": id, "title": title, "description": small}]}]))
    };
    let framed = |part: &str, value: Value| {
        let mut body = many(1);
        body["interactive"][part] = value;
        body
    };
    let body_of = |mut message: Value, count: usize| {
        message["interactive"]["body"]["text"] = json!(long(count));
        message
    };
    for (what, body, code) in [
        ("text of 4096", text(&long(4096)), 0),
        ("text of 4097", text(&long(4097)), 100),
        ("emoji count twice", text(&"🚗".repeat(2049)), 100),
        ("blank text", text(" "), 100),
        ("no text", message("text", json!({"preview_url": true})), 131_008),
        ("text that is a number", message("text", json!({"body": 5})), 100),
        ("a preview", message("text", json!({"body": "hi", "preview_url": true})), 0),
        ("preview that is no flag", message("text", json!({"body": "hi", "preview_url": "yes"})), 100),
        ("without a type", without("type"), 0),
        ("without a product", without("messaging_product"), 100),
        ("other product", with("messaging_product", json!("messenger")), 100),
        ("without a recipient", without("to"), 131_008),
        ("without content", without("text"), 131_008),
        ("recipient with a plus", with("to", json!("+385911234567")), 131_009),
        ("recipient that is a number", with("to", json!(385_911_234_567_u64)), 131_009),
        ("to oneself", with("to", json!(BUSINESS)), 131_021),
        ("to a group", with("recipient_type", json!("group")), 100),
        ("unknown field", with("message", json!("hi")), 100),
        ("content of another type", with("image", json!({"id": picture})), 100),
        ("unknown field inside", with("text", json!({"body": "hi", "text": "hi"})), 100),
        ("unknown type", message("poll", json!({})), 100),
        ("callback data of 512", with("biz_opaque_callback_data", json!(long(512))), 0),
        ("callback data of 513", with("biz_opaque_callback_data", json!(long(513))), 100),
        ("answer to nothing", with("context", json!({"message_id": "wamid.none"})), 131_009),
        ("three buttons", many(3), 0),
        ("four buttons", many(4), 131_009),
        ("no button", many(0), 131_009),
        ("title of 20", buttons(json!([button("a", &long(20))])), 0),
        ("title of 21", buttons(json!([button("a", &long(21))])), 131_009),
        ("no title", buttons(json!([{"type": "reply", "reply": {"id": "a"}}])), 131_008),
        ("id of 256", buttons(json!([button(&long(256), "a")])), 0),
        ("id of 257", buttons(json!([button(&long(257), "a")])), 131_009),
        ("one id twice", buttons(json!([button("a", "x"), button("a", "y")])), 131_009),
        ("one title twice", buttons(json!([button("a", "x"), button("b", "x")])), 131_009),
        ("body of 1024 over buttons", body_of(many(1), 1024), 0),
        ("body of 1025 over buttons", body_of(many(1), 1025), 131_009),
        ("footer of 60", framed("footer", json!({"text": long(60)})), 0),
        ("footer of 61", framed("footer", json!({"text": long(61)})), 131_009),
        ("header of 60", framed("header", json!({"type": "text", "text": long(60)})), 0),
        ("header of 61", framed("header", json!({"type": "text", "text": long(61)})), 131_009),
        ("header with a picture", framed("header", json!({"type": "image", "image": {"id": picture}})), 0),
        ("header with a lost picture", framed("header", json!({"type": "image", "image": {"id": "1"}})), 131_009),
        ("ten rows", list(json!([{"rows": rows(10)}])), 0),
        ("eleven rows", list(json!([{"rows": rows(11)}])), 131_009),
        (
            "eleven rows in two sections",
            list(json!([{"title": "a", "rows": rows(10)}, {"title": "b", "rows": [{"id": "x", "title": "x"}]}])),
            131_009,
        ),
        ("sections without titles", list(json!([{"rows": rows(1)}, {"rows": [{"id": "x", "title": "x"}]}])), 131_008),
        (
            "one id in two sections",
            list(json!([{"title": "a", "rows": rows(1)}, {"title": "b", "rows": rows(1)}])),
            131_009,
        ),
        ("row at its limits", row(&long(200), &long(24), &long(72)), 0),
        ("row title of 25", row("a", &long(25), "x"), 131_009),
        ("row id of 201", row(&long(201), "a", "x"), 131_009),
        ("description of 73", row("a", "a", &long(73)), 131_009),
        ("body of 4096 over a list", body_of(list(json!([{"rows": rows(1)}])), 4096), 0),
        ("body of 4097 over a list", body_of(list(json!([{"rows": rows(1)}])), 4097), 131_009),
        ("picture", message("image", json!({"id": picture, "caption": long(1024)})), 0),
        ("caption of 1025", message("image", json!({"id": picture, "caption": long(1025)})), 100),
        ("picture by link", message("image", json!({"link": "https://files.example/a.png"})), 0),
        ("picture by a link of no kind", message("image", json!({"link": "file:///etc/passwd"})), 131_009),
        ("picture from nowhere", message("image", json!({})), 131_008),
        ("picture by both", message("image", json!({"id": picture, "link": "https://files.example/a"})), 100),
        ("picture as audio", message("audio", json!({"id": picture})), 131_009),
        ("sound with a caption", message("audio", json!({"link": "https://files.example/a", "caption": "x"})), 100),
        ("sticker with a caption", message("sticker", json!({"link": "https://files.example/a", "caption": "x"})), 100),
        ("document", message("document", json!({"id": picture, "filename": "a.png"})), 0),
        ("place", message("location", json!({"latitude": 45.8, "longitude": "15.9", "name": "Zagreb"})), 0),
        ("null for what is absent", message("location", json!({"latitude": 1, "longitude": 1, "name": null})), 0),
        ("place off the earth", message("location", json!({"latitude": 95, "longitude": 15})), 131_009),
        ("half a place", message("location", json!({"latitude": 45.8})), 131_008),
        ("card", message("contacts", json!([{"name": {"formatted_name": "Ana H", "first_name": "Ana"}}])), 0),
        ("card of a formatted name", message("contacts", json!([{"name": {"formatted_name": "Ana H"}}])), 131_008),
        ("no card", message("contacts", json!([])), 100),
        ("reaction to nothing", message("reaction", json!({"message_id": "wamid.none", "emoji": "👍"})), 131_009),
        ("template", template("reminder", &["Ana", "9"]), 0),
        ("unknown template", template("farewell", &["Ana"]), 132_001),
        ("template with one word too few", template("reminder", &["Ana"]), 132_000),
        ("template with lines", template("reminder", &["Ana\n", "9"]), 100),
        ("template of a strange name", template("Reminder!", &[]), 131_009),
    ] {
        let before = meta.sends().len();
        let (status, got, answer) = told(send(&base, &body).await).await;
        assert_eq!(got, code, "{what}: {answer}");
        if code == 0 {
            assert_eq!(status, 200, "{what}");
            assert_eq!(answer["messaging_product"], "whatsapp");
            assert_eq!(answer["contacts"][0], json!({"input": ANA, "wa_id": ANA}));
            assert_eq!(answer["messages"][0]["id"], meta.sends()[before].id, "{what}");
        } else {
            let error = &answer["error"];
            assert_eq!(status, if code == 132_001 { 404 } else { 400 }, "{what}");
            assert_eq!((error["type"].as_str(), error["fbtrace_id"].is_string()), (Some("OAuthException"), true));
            assert!(error["message"].as_str().is_some_and(|text| text.starts_with(&format!("(#{code}) "))), "{error}");
            assert_eq!(error["error_data"]["messaging_product"], "whatsapp");
            assert!(error["error_data"]["details"].as_str().is_some_and(|details| !details.is_empty()), "{error}");
            assert_eq!(meta.sends().len(), before, "{what}");
        }
    }
}

#[tokio::test]
async fn token_number_and_path_have_to_be_right() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    let ask = async |path: &str, token: &str| {
        let request = client().post(format!("{base}{path}")).header("authorization", token).json(&text("hi"));
        told(request.send().await.expect("an answer")).await
    };
    let right = format!("/v23.0/{NUMBER}/messages");
    assert_eq!(ask(&right, "Bearer token").await.0, 200);
    for token in ["Bearer other", "bearer token", "App token", ""] {
        let (status, code, body) = ask(&right, token).await;
        assert_eq!((status, code), (401, 190), "{token}: {body}");
    }
    let (status, code, body) = ask("/v23.0/999/messages", "Bearer token").await;
    assert_eq!((status, code, &body["error"]["error_subcode"]), (400, 100, &json!(33)));
    assert_eq!(body["error"]["type"], "GraphMethodException");
    for path in [format!("/23.0/{NUMBER}/messages"), format!("/v23/{NUMBER}/messages"), "/other".to_owned()] {
        assert_eq!(ask(&path, "Bearer token").await.1, 2500, "{path}");
    }
    let wrong = client().get(format!("{base}{right}")).bearer_auth("token").send().await.expect("an answer");
    assert_eq!(told(wrong).await.2["error"]["error_subcode"], 33);
    let form = client().post(format!("{base}{right}")).bearer_auth("token").body(text("hi").to_string());
    let (_, code, body) = told(form.send().await.expect("an answer")).await;
    assert_eq!(code, 100);
    assert_eq!(body["error"]["error_data"]["details"], "The parameter messaging_product is required.");
    assert_eq!(meta.sends().len(), 1);
}

#[tokio::test]
async fn a_repeated_send_is_shown_twice() {
    let (meta, base, _) = start(|config| config.reads = Reads::WhenShown).await;
    let (_, webhook) = business(0).await;
    meta.set_webhook(webhook);
    meta.say(ANA, Said::text("hi"));
    let mut body = text("hello");
    body["biz_opaque_callback_data"] = json!("ours");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, _, answer) = told(send(&base, &body).await).await;
        ids.push(answer["messages"][0]["id"].as_str().expect("an id").to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    assert!(meta.settled(LIMIT).await);
    let shown: Vec<String> = meta.chat(ANA).answers().map(|bubble| bubble.id.clone()).collect();
    assert_eq!(shown, ids);
    let statuses = statuses(&meta);
    assert_eq!(words(&statuses).len(), 4);
    for status in &statuses {
        assert_eq!(status["biz_opaque_callback_data"], "ours");
        assert_eq!((status["recipient_id"].as_str(), status["timestamp"].as_str()), (Some(ANA), Some("1795338000")));
        assert_eq!(status["pricing"]["category"], "service");
        assert_eq!(status["conversation"]["expiration_timestamp"].is_string(), status["status"] == "sent");
        assert!(ids.iter().any(|id| status["id"] == *id));
    }
}

#[tokio::test]
async fn outside_the_window_only_templates_arrive() {
    let (meta, base, hands) = start(|_| {}).await;
    meta.add_template(reminder());
    send(&base, &text("nobody wrote yet")).await;
    assert_eq!((words(&statuses(&meta)), meta.sends()[0].shown), (vec!["failed"], false));
    let first = meta.say(ANA, Said::text("hi"));
    hands.on(24 * 3600);
    send(&base, &text("in time")).await;
    assert!(meta.sends()[1].shown);
    hands.on(1);
    meta.say(ANA, Said::Reaction { to: first, emoji: Some("👍".to_owned()) }); // opens nothing
    let (status, _, answer) = told(send(&base, &text("too late")).await).await;
    assert_eq!(status, 200);
    let failed = statuses(&meta).pop().expect("a status");
    assert_eq!((failed["status"].as_str(), &failed["id"]), (Some("failed"), &answer["messages"][0]["id"]));
    assert_eq!(failed["errors"][0]["code"], 131_047);
    assert_eq!(failed["errors"][0]["title"], "Re-engagement message");
    assert!(failed["errors"][0]["error_data"]["details"].is_string() && failed.get("conversation").is_none());
    meta.set_refusals(Refusals::InAnswer);
    assert_eq!(told(send(&base, &text("too late")).await).await.1, 131_047);
    assert_eq!(told(send(&base, &template("reminder", &["Ana", "9"])).await).await.1, 0);
    let chat = meta.chat(ANA);
    let answers: Vec<&str> = chat.answers().map(|bubble| bubble.text.as_str()).collect();
    assert_eq!(answers, ["in time", "Hello Ana, tomorrow at 9?"]);
    assert_eq!(chat.find_choice("Yes").map(|(id, _)| id), Some("yes-1".to_owned()));
    assert_eq!(chat.find_choice("No").map(|(id, _)| id), Some("No".to_owned()));
    meta.say(ANA, Said::text("here again"));
    assert_eq!(told(send(&base, &text("welcome")).await).await.1, 0);
}

#[tokio::test]
async fn an_unreachable_number_is_told_in_a_status_or_in_the_answer() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    meta.set_unreachable(ANA);
    assert_eq!(send(&base, &text("hi")).await.status(), StatusCode::OK);
    assert_eq!(statuses(&meta)[0]["errors"][0]["code"], 131_026);
    meta.set_refusals(Refusals::InAnswer);
    let (status, code, _) = told(send(&base, &text("hi")).await).await;
    assert_eq!((status, code, meta.sends().len()), (400, 131_026, 1));
    assert_eq!(meta.chat(ANA).answers().count(), 0);
}

#[tokio::test]
async fn one_pair_is_limited_when_told_so() {
    let (meta, base, hands) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    let code = async || told(send(&base, &text("hi")).await).await.1;
    for _ in 0..60 {
        assert_eq!(code().await, 0);
    }
    meta.set_pair_rate(Some(PairRate { every: Duration::from_secs(6), burst: 2 }));
    assert_eq!([code().await, code().await, code().await], [0, 0, 131_056]);
    hands.on(5);
    assert_eq!(code().await, 131_056);
    hands.on(1);
    assert_eq!([code().await, code().await], [0, 131_056]);
    meta.say("385990000001", Said::text("hi"));
    let mut other = text("hi");
    other["to"] = json!("385990000001");
    assert_eq!(told(send(&base, &other).await).await.1, 0);
}

#[tokio::test]
async fn sends_fail_on_command() {
    let (meta, base, _) = start(|_| {}).await;
    let id = meta.say(ANA, Said::text("hi"));
    let url = format!("{base}/v23.0/{NUMBER}/messages");
    let post = || client().post(&url).bearer_auth("token").json(&text("hi")).send();
    meta.refuse_next(130_429, 2);
    for _ in 0..2 {
        let (status, code, body) = told(post().await.expect("an answer")).await;
        assert_eq!((status, code), (400, 130_429));
        assert_eq!(body["error"]["message"], "(#130429) Rate limit hit");
    }
    meta.faults().next("POST messages", Fault::CutBefore);
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": id});
    assert_eq!(send(&base, &read).await.status(), StatusCode::OK, "read marks have orders of their own");
    assert!(post().await.is_err());
    assert_eq!(meta.sends().len(), 0);
    meta.faults().next("POST messages", Fault::CutAfter);
    assert!(post().await.is_err());
    assert_eq!(meta.sends().len(), 1);
    meta.faults().next("POST messages", Fault::Status { status: 429, retry_after: Some(3) });
    let refused = post().await.expect("an answer");
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().ok()), (429, Some("3")));
    meta.faults().next("POST messages", Fault::StatusAfter(500));
    let (status, code, _) = told(post().await.expect("an answer")).await;
    assert_eq!((status, code, meta.sends().len()), (500, 131_000, 2));
    meta.faults().next("POST read", Fault::Status { status: 503, retry_after: None });
    assert_eq!(send(&base, &read).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(meta.faults().is_clear());
}

#[tokio::test]
async fn a_read_mark_turns_ticks_and_shows_typing_for_a_while() {
    let (meta, base, hands) = start(|_| {}).await;
    let (_, webhook) = business(0).await;
    meta.set_webhook(webhook);
    let ids =
        [meta.say(ANA, Said::text("hi")), meta.say(ANA, Said::text("still there?")), meta.say(ANA, Said::text("?"))];
    let mark = |id: &str| json!({"messaging_product": "whatsapp", "status": "read", "message_id": id});
    let typing = |kind: &str| {
        let mut mark = mark(&ids[1]);
        mark["typing_indicator"] = json!({"type": kind});
        mark
    };
    assert!(meta.settled(LIMIT).await);
    assert_eq!(told(send(&base, &mark("wamid.unknown")).await).await.1, 131_009);
    assert_eq!(told(send(&base, &typing("voice")).await).await.1, 100);
    assert_eq!(told(send(&base, &mark(&ids[1])).await).await.2, json!({"success": true}));
    let ticks: Vec<Tick> = meta.chat(ANA).bubbles.iter().map(|bubble| bubble.tick).collect();
    assert_eq!(ticks, [Tick::Read, Tick::Read, Tick::Delivered]);
    assert!(!meta.typing(ANA));
    send(&base, &typing("text")).await;
    hands.on(24);
    assert!(meta.typing(ANA));
    hands.on(1);
    assert!(!meta.typing(ANA));
    send(&base, &typing("text")).await;
    send(&base, &text("here")).await;
    assert!(!meta.typing(ANA));
    let answer = meta.chat(ANA).last_answer().map(|bubble| bubble.id.clone()).expect("an answer");
    assert_eq!(told(send(&base, &mark(&answer)).await).await.1, 131_009, "it is ours");
    let event = meta.say(ANA, Said::Reaction { to: answer, emoji: None });
    assert_eq!(told(send(&base, &mark(&event)).await).await.1, 0);
}

#[tokio::test]
async fn a_file_is_looked_up_and_then_downloaded() {
    let (meta, base, hands) = start(|_| {}).await;
    let content = "ogg ogg".as_bytes();
    let id = meta.add_media("audio/ogg; codecs=opus", content);
    let look_up = async |path: &str| {
        let request = client().get(format!("{base}/v23.0/{path}")).bearer_auth("token");
        told(request.send().await.expect("an answer")).await
    };
    let (_, _, found) = look_up(&id).await;
    assert_eq!(
        (found["mime_type"].as_str(), found["file_size"].as_u64(), found["id"].as_str()),
        (Some("audio/ogg; codecs=opus"), Some(7), Some(id.as_str()))
    );
    assert_eq!(found["sha256"], hex::encode(Sha256::digest(content)));
    assert_eq!(found["messaging_product"], "whatsapp");
    assert_eq!(look_up(&format!("{id}?phone_number_id={NUMBER}")).await.1, 0);
    assert_eq!(look_up(&format!("{id}?phone_number_id=1")).await.1, 100);
    assert_eq!(look_up("1").await.2["error"]["error_subcode"], 33);
    assert_eq!(client().get(format!("{base}/v23.0/{id}")).send().await.expect("an answer").status(), 401);

    let url = found["url"].as_str().expect("a URL").to_owned();
    assert!(url.starts_with(&format!("{base}/whatsapp_business/attachments/?mid={id}&")), "{url}");
    let get = async |url: &str, token: &str, agent: &str| {
        let request = client().get(url).bearer_auth(token).header("user-agent", agent);
        let answer = request.send().await.expect("an answer");
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        (answer.status().as_u16(), kind, answer.bytes().await.expect("a body").to_vec())
    };
    let whole = (200, Some("audio/ogg; codecs=opus".to_owned()), content.to_vec());
    assert_eq!(get(&url, "token", "business/1").await, whole);
    assert_eq!(get(&url, "other", "business/1").await.0, 401);
    assert_eq!(get(&url, "token", "").await.0, 400);
    assert_eq!(get(&url.replace("ext=1", "ext=2"), "token", "business/1").await.0, 404);
    hands.on(299);
    assert_eq!(get(&url, "token", "business/1").await, whole);
    hands.on(1);
    assert_eq!(get(&url, "token", "business/1").await.0, 404);
    let fresh = look_up(&id).await.2["url"].as_str().expect("a URL").to_owned();
    meta.faults().next("GET file", Fault::Status { status: 503, retry_after: None });
    assert_eq!(get(&fresh, "token", "business/1").await.0, 503);
    assert_eq!(get(&fresh, "token", "business/1").await, whole);
    meta.expire_media_urls();
    assert_eq!(get(&fresh, "token", "business/1").await.0, 404);
    assert_eq!(meta.media_reads(), 3);
    meta.faults().next("GET media", Fault::Status { status: 500, retry_after: None });
    assert_eq!(look_up(&id).await.0, 500);
    meta.spoil_media(&id);
    assert_ne!(look_up(&id).await.2["sha256"], hex::encode(Sha256::digest(content)));
    hands.on(7 * 24 * 3600);
    assert_eq!(look_up(&id).await.1, 100, "files of persons live 7 days");
}

/// The body of an upload: what stands in each part besides its end.
fn parts(parts: &[(&str, &str)]) -> String {
    let parts = parts
        .iter()
        .map(|(head, content)| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"));
    parts.collect::<String>() + "--b--\r\n"
}

#[tokio::test]
async fn an_uploaded_file_can_be_sent_and_deleted() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    let upload = async |list: &[(&str, &str)]| {
        let request = client().post(format!("{base}/v23.0/{NUMBER}/media")).bearer_auth("token");
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(parts(list));
        told(request.send().await.expect("an answer")).await
    };
    let product = ("name=\"messaging_product\"", "whatsapp");
    let kind = ("name=\"type\"", "image/png");
    let file = ("name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png", "png");
    let large = "x".repeat((5 << 20) + 1);
    let large = ("name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png", large.as_str());
    let gif = ("name=\"file\"; filename=\"a.gif\"\r\nContent-Type: image/gif", "gif");
    assert_eq!(upload(&[kind, file]).await.1, 100);
    assert_eq!(upload(&[product, file]).await.1, 131_008);
    assert_eq!(upload(&[product, kind]).await.1, 131_008);
    assert_eq!(upload(&[product, kind, gif]).await.1, 100);
    assert_eq!(upload(&[product, ("name=\"type\"", "image/gif"), gif]).await.1, 100);
    assert_eq!(upload(&[product, kind, large]).await.1, 100);
    let (_, _, answer) = upload(&[product, kind, file]).await;
    let id = answer["id"].as_str().expect("an id").to_owned();
    assert_eq!(meta.media(&id), Some(("image/png".to_owned(), b"png".to_vec())));
    let picture = message("image", json!({"id": id, "caption": "Here"}));
    assert_eq!(told(send(&base, &picture).await).await.1, 0);
    let chat = meta.chat(ANA);
    let bubble = chat.last_answer().expect("a picture");
    assert_eq!((bubble.text.as_str(), &bubble.kind), ("Here", &Kind::Other { what: "image".to_owned() }));
    let delete = client().delete(format!("{base}/v23.0/{id}")).bearer_auth("token");
    assert_eq!(told(delete.send().await.expect("an answer")).await.2, json!({"success": true}));
    assert_eq!(told(send(&base, &picture).await).await.1, 131_009);
}

/// The side of a business in a handshake.
async fn shake(RawQuery(query): RawQuery) -> axum::response::Response {
    let query = query.unwrap_or_default();
    let value = |key: &str| query.split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    if (value("hub.mode"), value("hub.verify_token")) != (Some("subscribe"), Some("verify")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    value("hub.challenge").unwrap_or_default().to_owned().into_response()
}

#[tokio::test]
async fn a_handshake_wants_the_challenge_as_plain_text() {
    let (meta, ..) = start(|_| {}).await;
    assert_eq!(meta.verify().await, Handshake::NoWebhook);
    let quoted = async |query: RawQuery| {
        let response = shake(query).await;
        ([("content-type", "application/json")], response.into_body()).into_response()
    };
    let base = serve(
        Router::new()
            .route("/right", get(shake))
            .route("/json", get(quoted))
            .route("/page", get(async || "ok"))
            .route("/long", get(async || "1".repeat(100_000))),
    )
    .await;
    let set = |path: &str| {
        let url = format!("{base}{path}").parse().expect("a URL");
        meta.set_webhook(Webhook::new(url, "secret", "verify"));
    };
    for (path, expected) in [
        ("/right", Handshake::Accepted),
        ("/json", Handshake::NotPlainText),
        ("/page", Handshake::WrongChallenge),
        ("/long", Handshake::WrongChallenge),
        ("/nowhere", Handshake::Refused(404)),
    ] {
        set(path);
        assert_eq!(meta.verify().await, expected, "{path}");
    }
    set("/right");
    assert_eq!(meta.verify_as("guess").await, Handshake::Refused(403));
    meta.set_webhook(Webhook::new("http://127.0.0.1:1/".parse().expect("a URL"), "secret", "verify"));
    assert_eq!(meta.verify().await, Handshake::NoAnswer);
}

#[tokio::test]
async fn webhooks_are_ascii_signed_and_repeated_until_taken() {
    let (meta, ..) = start(|_| {}).await;
    let (posted, webhook) = business(2).await;
    meta.set_webhook(webhook);
    meta.set_name(ANA, "Ana Šarić");
    let id = meta.say(ANA, Said::text("Što/kada 🚗?"));
    let delivered = |chat: &Chat| chat.bubbles.iter().all(|bubble| bubble.tick == Tick::Delivered);
    meta.wait_for(ANA, LIMIT, delivered).await.expect("delivered");
    assert!(meta.settled(LIMIT).await);
    assert_eq!(meta.webhooks()[0].statuses, [503, 503, 200]);
    let posted = posted.lock().expect("no panic").clone();
    assert_eq!(posted.len(), 3);
    for (headers, body) in &posted {
        assert!(body.is_ascii() && body.contains(r"\u0160to\/kada \ud83d\ude97?"), "{body}");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").expect("any key");
        mac.update(body.as_bytes());
        let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(headers["x-hub-signature-256"].to_str().ok(), Some(expected.as_str()));
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(
            (body["object"].as_str(), &body["entry"][0]["id"]),
            (Some("whatsapp_business_account"), &json!("102290129340398"))
        );
        assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
        assert_eq!(
            *value(&body),
            json!({
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": BUSINESS, "phone_number_id": NUMBER},
                "contacts": [{"profile": {"name": "Ana Šarić"}, "wa_id": ANA, "user_id": meta.user_id(ANA)}],
                "messages": [{
                    "type": "text", "text": {"body": "Što/kada 🚗?"}, "from": ANA, "from_user_id": meta.user_id(ANA),
                    "id": id, "timestamp": "1795338000",
                }],
            })
        );
    }
}

#[tokio::test]
async fn a_webhook_that_nobody_takes_is_given_up_and_copies_carry_one_id() {
    let (meta, ..) = start(|config| config.attempts = 3).await;
    let (posted, webhook) = business(3).await;
    meta.set_webhook(webhook);
    let lost = meta.say(ANA, Said::text("hi"));
    assert!(meta.settled(LIMIT).await);
    assert_eq!((bodies(&posted).len(), meta.chat(ANA).bubbles[0].tick), (3, Tick::Failed));
    meta.say_copies(ANA, Said::text("hi"), 16);
    assert!(meta.settled(LIMIT).await);
    let all = bodies(&posted);
    assert_eq!(all.len(), 19);
    assert!(all[3..].iter().all(|body| *body == all[3]));
    assert!(meta.say_again(&lost) && !meta.say_again("wamid.other"));
    assert!(meta.settled(LIMIT).await);
    assert_eq!(bodies(&posted)[19], all[0]);
    assert_eq!(meta.chat(ANA).bubbles.len(), 2);
    let delay = Duration::from_millis(30);
    meta.set_webhook_delay(delay);
    let before = Instant::now();
    meta.say(ANA, Said::text("later"));
    assert!(meta.settled(LIMIT).await && before.elapsed() >= delay);
}

#[tokio::test]
async fn each_thing_a_person_sends_has_its_shape() {
    let (meta, base, _) = start(|config| {
        config.user_ids = false;
        config.media_base = Some("https://files.example".parse().expect("a URL"));
    })
    .await;
    let first = meta.say(ANA, Said::text("hi"));
    let (_, _, answer) = told(send(&base, &text("hello")).await).await;
    let ours = answer["messages"][0]["id"].as_str().expect("an id").to_owned();
    let picture = meta.add_media("image/jpeg", b"jpeg");
    let hash = STANDARD.encode(Sha256::digest(b"jpeg"));
    let media = |media: &str, caption: Option<&str>, name: Option<&str>| Said::Media {
        media: media.to_owned(),
        id: picture.clone(),
        caption: caption.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    let quoted = Some(ours.clone());
    let place = |name: Option<&str>| Said::Location {
        latitude: 45.5,
        longitude: -15.25,
        name: name.map(str::to_owned),
        address: None,
    };
    let cards = vec![Card { name: "Iva Horvat".to_owned(), phone: "+385 91 222".to_owned() }];
    let item = Item { id: "TEA".to_owned(), quantity: 2, price: 3.5, currency: "EUR".to_owned() };
    let context = json!({"from": BUSINESS, "id": ours});
    let title = "Yes".to_owned();
    for (said, kind, content, context) in [
        (
            Said::Text { text: "so".to_owned(), quoted: Some(first.clone()) },
            "text",
            json!({"body": "so"}),
            json!({"from": ANA, "id": first}),
        ),
        (
            Said::Button { id: "yes-1".to_owned(), title: title.clone(), quoted: quoted.clone() },
            "interactive",
            json!({"type": "button_reply", "button_reply": {"id": "yes-1", "title": "Yes"}}),
            context.clone(),
        ),
        (
            Said::Row {
                id: "r".to_owned(),
                title: title.clone(),
                description: Some("small".to_owned()),
                quoted: quoted.clone(),
            },
            "interactive",
            json!({"type": "list_reply", "list_reply": {"id": "r", "title": "Yes", "description": "small"}}),
            context.clone(),
        ),
        (
            Said::QuickReply { payload: "p".to_owned(), title, quoted },
            "button",
            json!({"payload": "p", "text": "Yes"}),
            context,
        ),
        (media("image", Some("look"), None), "image", json!({"caption": "look"}), Value::Null),
        (media("video", None, None), "video", json!({}), Value::Null),
        (media("voice", Some("no"), None), "audio", json!({"voice": true}), Value::Null),
        (media("audio", None, None), "audio", json!({"voice": false}), Value::Null),
        (
            media("document", Some("all"), Some("a.pdf")),
            "document",
            json!({"caption": "all", "filename": "a.pdf"}),
            Value::Null,
        ),
        (media("sticker", Some("no"), None), "sticker", json!({"animated": false}), Value::Null),
        (
            place(Some("Zagreb")),
            "location",
            json!({"latitude": 45.5, "longitude": -15.25, "name": "Zagreb"}),
            Value::Null,
        ),
        (
            Said::Contacts { cards },
            "contacts",
            json!([{
                "name": {"formatted_name": "Iva Horvat", "first_name": "Iva", "last_name": "Horvat"},
                "phones": [{"phone": "+385 91 222", "wa_id": "38591222", "type": "CELL"}],
            }]),
            Value::Null,
        ),
        (
            Said::Reaction { to: ours.clone(), emoji: Some("👍".to_owned()) },
            "reaction",
            json!({"message_id": ours, "emoji": "👍"}),
            Value::Null,
        ),
        (Said::Reaction { to: ours.clone(), emoji: None }, "reaction", json!({"message_id": ours}), Value::Null),
        (
            Said::Edit { of: first.clone(), text: "hey".to_owned() },
            "edit",
            json!({"original_message_id": first, "message": {"type": "text", "text": {"body": "hey"}}}),
            Value::Null,
        ),
        (Said::Revoke { of: first.clone() }, "revoke", json!({"original_message_id": first}), Value::Null),
        (
            Said::Order { catalog: "7".to_owned(), items: vec![item], text: None },
            "order",
            json!({
                "catalog_id": "7", "text": "",
                "product_items": [{"product_retailer_id": "TEA", "quantity": 2, "item_price": 3.5, "currency": "EUR"}],
            }),
            Value::Null,
        ),
        (Said::Unsupported, "unsupported", json!({"type": "unknown"}), Value::Null),
        (Said::Raw { message: json!({"type": "future", "future": {"a": 1}}) }, "future", json!({"a": 1}), Value::Null),
        (Said::Raw { message: json!([1]) }, "unsupported", json!({"type": "unknown"}), Value::Null),
    ] {
        let id = meta.say(ANA, said);
        let webhook = meta.webhooks().pop().expect("a webhook").body;
        let value = value(&webhook);
        assert_eq!(value["contacts"], json!([{"profile": {"name": "Someone"}, "wa_id": ANA}]), "{kind}");
        let message = &value["messages"][0];
        assert_eq!((&message["id"], &message["from"], message["type"].as_str()), (&json!(id), &json!(ANA), Some(kind)));
        assert_eq!(message["timestamp"], "1795338000");
        assert_eq!(message["context"], context, "{kind}");
        let mut content = content;
        if ["image", "video", "audio", "document", "sticker"].contains(&kind) {
            content["mime_type"] = json!("image/jpeg");
            content["sha256"] = json!(hash);
            content["id"] = json!(picture);
            content["url"] = message[kind]["url"].clone();
            let url = message[kind]["url"].as_str().expect("a URL");
            assert!(url.starts_with("https://files.example/whatsapp_business/attachments/?mid="), "{url}");
        }
        assert_eq!(message[kind], content, "{kind}");
        if kind == "unsupported" {
            assert_eq!(message["errors"][0]["code"], 131_051);
        }
    }
    let chat = meta.chat(ANA);
    assert_eq!(
        (chat.bubbles[0].text.as_str(), &chat.bubbles[0].kind),
        ("", &Kind::Other { what: "revoked".to_owned() })
    );
}

#[tokio::test]
async fn an_edit_changes_what_stands_there_and_a_lost_file_is_not_found() {
    let (meta, base, _) = start(|_| {}).await;
    let words = meta.say(ANA, Said::text("hi"));
    // What the phone page posts.
    let page = json!({"type": "media", "media": "image", "url": "https://media.example/image", "caption": null});
    let picture = meta.say(ANA, serde_json::from_value(page).expect("a picture"));
    let sent = meta.webhooks().pop().expect("a webhook").body;
    let id = value(&sent)["messages"][0]["image"]["id"].as_str().expect("an id").to_owned();
    let request = client().get(format!("{base}/v23.0/{id}")).bearer_auth("token");
    assert_eq!(told(request.send().await.expect("an answer")).await.2["error"]["error_subcode"], 33);
    meta.say(ANA, Said::Edit { of: words, text: "hello".to_owned() });
    meta.say(ANA, Said::Edit { of: picture, text: "look".to_owned() });
    let edit = meta.webhooks().pop().expect("a webhook").body;
    assert_eq!(value(&edit)["messages"][0]["edit"]["message"]["image"]["caption"], "look");
    let texts: Vec<String> = meta.chat(ANA).bubbles.into_iter().map(|bubble| bubble.text).collect();
    assert_eq!(texts, ["hello", "look"]);
    assert!(serde_json::from_value::<Said>(json!({"type": "text", "text": "hi", "other": 1})).is_err());
}

#[tokio::test]
async fn a_hidden_number_is_written_to_by_its_user_id() {
    let (meta, base, _) = start(|_| {}).await;
    meta.hide_number(ANA, "ana.h");
    meta.say(ANA, Said::text("hi"));
    let user_id = meta.user_id(ANA);
    let said = meta.webhooks().pop().expect("a webhook").body;
    let message = &value(&said)["messages"][0];
    assert_eq!((message.get("from"), &message["from_user_id"]), (None, &json!(user_id)));
    let contact = json!({"profile": {"name": "Someone", "username": "ana.h"}, "user_id": user_id});
    assert_eq!(value(&said)["contacts"][0], contact);
    assert!(!said.to_string().contains(ANA));
    let mut body = text("hello");
    body.as_object_mut().expect("an object").remove("to");
    for (recipient, code) in [("HR.1", 131_026), ("385911234567", 131_009), (user_id.as_str(), 0)] {
        body["recipient"] = json!(recipient);
        let (_, got, answer) = told(send(&base, &body).await).await;
        assert_eq!(got, code, "{answer}");
        if code == 0 {
            assert_eq!(answer["contacts"][0], json!({"input": user_id, "user_id": user_id}));
        }
    }
    assert_eq!(meta.chat(ANA).last_answer().map(|bubble| bubble.text.clone()), Some("hello".to_owned()));
    let sent = statuses(&meta).pop().expect("a status");
    assert_eq!((sent.get("recipient_id"), &sent["recipient_user_id"]), (None, &json!(user_id)));
}

#[tokio::test]
async fn gathered_webhooks_go_out_as_told() {
    for (bundle, posts, shape) in [
        (Bundle::Apart, 5, [1, 1, 1]),
        (Bundle::OneChange, 1, [1, 1, 2]),
        (Bundle::Changes, 1, [1, 5, 1]),
        (Bundle::Entries, 1, [5, 1, 1]),
    ] {
        let (meta, base, _) = start(|_| {}).await;
        let (posted, webhook) = business(0).await;
        meta.set_webhook(webhook);
        assert_eq!(meta.release(bundle), 0);
        meta.gather();
        meta.say(ANA, Said::text("one"));
        meta.say(ANA, Said::text("two"));
        send(&base, &text("hello")).await;
        assert!(meta.settled(LIMIT).await && bodies(&posted).is_empty(), "{bundle:?}");
        assert_eq!(meta.chat(ANA).bubbles[0].tick, Tick::Sending);
        assert_eq!(meta.release(bundle), 5, "two messages, and sent, delivered and read");
        assert!(meta.settled(LIMIT).await);
        let bodies = bodies(&posted);
        assert_eq!(bodies.len(), posts, "{bundle:?}");
        let count = |value: &Value| value.as_array().map_or(0, Vec::len);
        let first = &bodies[0]["entry"];
        assert_eq!(
            [count(first), count(&first[0]["changes"]), count(&value(&bodies[0])["messages"])],
            shape,
            "{bundle:?}"
        );
        if bundle == Bundle::OneChange {
            let value = value(&bodies[0]);
            assert_eq!((count(&value["contacts"]), count(&value["statuses"])), (1, 3));
        }
        assert!(
            meta.chat(ANA).bubbles.iter().filter(|bubble| bubble.mine).all(|bubble| bubble.tick == Tick::Delivered)
        );
        meta.say(ANA, Said::text("three"));
        assert!(meta.settled(LIMIT).await);
        assert_eq!(meta.webhooks().len(), posts + 1, "what comes later goes out at once");
    }
}

#[tokio::test]
async fn statuses_follow_the_phone_or_come_backward() {
    let (meta, base, _) = start(|config| config.reads = Reads::WhenShown).await;
    let (_, webhook) = business(0).await;
    meta.set_webhook(webhook);
    meta.say(ANA, Said::text("hi"));
    assert!(meta.settled(LIMIT).await);
    send(&base, &buttons(json!([button("yes-1", "Yes, do")]))).await;
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta)), ["sent", "delivered"]);
    let chat = meta.chat(ANA);
    let bubble = chat.last_answer().expect("a message");
    assert_eq!(bubble.tick, Tick::Delivered);
    assert!(matches!(&bubble.kind, Kind::Buttons { buttons } if buttons[0].title == "Yes, do"));
    assert_eq!(chat.find_choice("Yes, do"), Some(("yes-1".to_owned(), bubble.id.clone())));
    meta.look(ANA);
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta)), ["sent", "delivered", "read"]);
    assert_eq!(meta.chat(ANA).last_answer().map(|bubble| bubble.tick), Some(Tick::Read));

    meta.set_status_order(StatusOrder::Backward);
    send(&base, &list(json!([{"rows": rows(2)}]))).await;
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta))[3..], ["delivered", "sent"]);
    assert!(meta.chat(ANA).find_choice("row 1").is_some());
    meta.set_reads(Reads::AtOnce);
    send(&base, &text("hello")).await;
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta))[5..], ["read", "delivered", "sent"]);

    meta.set_status_order(StatusOrder::Forward);
    meta.set_status_copies(2);
    let before = statuses(&meta).len();
    send(&base, &text("hello")).await;
    assert!(meta.settled(LIMIT).await);
    let last = statuses(&meta);
    let count = |word: &str| words(&last[before..]).iter().filter(|status| **status == word).count();
    // The list that came backward is still unread, so it is read with this one.
    assert_eq!((count("sent"), count("delivered"), count("read")), (2, 2, 4));
}
