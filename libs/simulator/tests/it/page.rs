use std::sync::Arc;

use futures::StreamExt as _;
use serde_json::{Value, json};
use simulator::{
    Infobip, Meta, Platform, Telegram, infobip, meta,
    page::{Page, Phone, Someone, phone_router},
    phone::Tick,
    telegram,
};
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, client, serve};

const ANA: &str = "385911234567";
const ANA_ID: &str = "222222222";

/// All three platforms on one page; nobody listens to their webhooks.
async fn start() -> ([Platform; 3], String) {
    start_until(CancellationToken::new()).await
}

async fn start_until(stop: CancellationToken) -> ([Platform; 3], String) {
    let bot = telegram::Config::local("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "bot");
    let platforms = [
        Platform::Infobip(Infobip::new(infobip::Config::new("key", "385911000000")).expect("a platform")),
        Platform::Meta(Meta::new(meta::Config::new("token", "1065", "385911000000")).expect("a platform")),
        Platform::Telegram(Telegram::new(bot).expect("a platform")),
    ];
    let phone = |platform: &Platform| Phone {
        platform: platform.clone(),
        people: Someone::demo(platform),
        inside: Some(Arc::new(|peer: String| async move { json!({"turns": [{"said": peer}]}) })),
    };
    let page =
        Page { phones: platforms.iter().map(phone).collect(), title: "Test".to_owned(), suggestions: Vec::new(), stop };
    (platforms, serve(phone_router(page)).await)
}

/// Status and body of an act.
async fn act(base: &str, at: &str, act: &Value) -> (u16, Value) {
    let answer = client().post(format!("{base}/phone/{at}")).json(act).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn get(address: String) -> Value {
    client().get(address).send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test]
async fn a_page_that_is_open_does_not_hold_a_server_up() {
    let stop = CancellationToken::new();
    let (_, base) = start_until(stop.clone()).await;
    let stream = client().get(format!("{base}/phone/infobip/events/{ANA}")).send().await.expect("a stream");
    let mut chunks = stream.bytes_stream();
    assert!(chunks.next().await.expect("events").is_ok());
    stop.cancel();
    while let Some(chunk) = chunks.next().await {
        chunk.expect("the stream ends and is not cut by the client's limit");
    }
}

#[tokio::test]
async fn what_is_written_on_the_page_appears_live() {
    let (_, base) = start().await;
    let stream = client().get(format!("{base}/phone/infobip/events/{ANA}")).send().await.expect("a stream");
    let mut chunks = stream.bytes_stream();
    let said = json!({"type": "text", "text": "hello from the page"});
    let posted = client().post(format!("{base}/phone/infobip/chat/{ANA}")).json(&said).send().await;
    assert_eq!(posted.expect("an answer").status().as_u16(), 202);
    let mut seen = String::new();
    let both = async {
        while !(seen.contains("hello from the page") && seen.contains("event: inside")) {
            let chunk = chunks.next().await.expect("the stream goes on").expect("bytes");
            seen.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    tokio::time::timeout(LIMIT, both).await.expect("both events in time");
}

#[tokio::test]
async fn foreign_pages_and_strange_numbers_are_refused() {
    let (platforms, base) = start().await;
    let said = json!({"type": "text", "text": "x"});
    let post = |path: &str| client().post(format!("{base}{path}")).json(&said);
    let status = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status().as_u16();
    for path in ["/phone/infobip/chat/385911234567", "/simulator/faults"] {
        assert_eq!(status(post(path).header("origin", "https://evil.example")).await, 403, "{path}");
    }
    assert_eq!(status(post("/phone/infobip/chat/..%2Fx")).await, 404);
    assert_eq!(status(post("/phone/viber/chat/385911234567")).await, 404);
    let no_json = client().post(format!("{base}/phone/infobip/chat/{ANA}")).body("{}");
    assert_eq!(status(no_json).await, 415);
    assert!(platforms[0].chat(ANA).bubbles.is_empty());
    let inside = get(format!("{base}/phone/infobip/inside/{ANA}")).await;
    assert_eq!(inside["turns"][0]["said"], ANA);
}

#[tokio::test]
async fn people_do_the_same_things_on_every_platform() {
    let (platforms, base) = start().await;
    for (platform, peer) in platforms.iter().zip([ANA, ANA, ANA_ID]) {
        let name = platform.name();
        let at = format!("{name}/chat/{peer}");
        let done = async |doing: Value| {
            let (status, answer) = act(&base, &at, &doing).await;
            assert_eq!(status, 202, "{name} {doing}: {answer}");
            answer["id"].as_str().expect("an id").to_owned()
        };
        let refused = async |doing: Value| {
            let (status, answer) = act(&base, &at, &doing).await;
            assert_eq!(status, 422, "{name} {doing}: {answer}");
            answer["error"].as_str().expect("words").to_owned()
        };
        let upload = client().post(format!("{base}/phone/{name}/files")).header("content-type", "image/png");
        let upload: Value =
            upload.body("a picture").send().await.expect("an answer").json().await.expect("the file's id");
        let words = done(json!({"type": "text", "text": "hello"})).await;
        done(json!({"type": "text", "text": "again", "quoted": words})).await;
        done(json!({"type": "image", "file": upload["file"], "caption": "look"})).await;
        done(json!({"type": "voice", "file": upload["file"]})).await;
        done(json!({"type": "document", "file": upload["file"], "name": "a.pdf", "caption": null})).await;
        done(json!({"type": "location", "latitude": 45.8, "longitude": 15.9})).await;
        done(json!({"type": "contact", "name": "Ana Horvat", "phone": "+385911234567", "own": true})).await;
        done(json!({"type": "reaction", "message": words, "emoji": "👍"})).await;
        let chat = get(format!("{base}/phone/{at}")).await;
        let shown = chat["bubbles"].as_array().expect("bubbles");
        assert_eq!(shown.len(), 7, "{name}: {chat}");
        assert_eq!((&shown[0]["reaction"], &shown[1]["quoted"]), (&json!("👍"), &json!(words)), "{name}");
        let file = shown[2]["attached"]["id"].as_str().expect("a file");
        assert_eq!(
            (shown[2]["text"].as_str(), shown[2]["attached"]["media_type"].as_str()),
            (Some("look"), Some("image/png"))
        );
        let file = client().get(format!("{base}/phone/{name}/files/{file}")).send().await.expect("an answer");
        assert_eq!(file.headers()["content-type"], "image/png");
        assert_eq!(file.text().await.expect("text"), "a picture");
        assert_eq!(shown[5]["attached"], json!({"type": "place", "latitude": 45.8, "longitude": 15.9}), "{name}");
        assert_eq!(shown[6]["attached"]["phone"], "+385911234567", "{name}");
        let edit = json!({"type": "edit", "message": words, "text": "goodbye"});
        let delete = json!({"type": "delete", "message": words});
        if name == "infobip" {
            assert!(refused(edit).await.contains("people cannot do that"));
            assert!(refused(delete).await.contains("people cannot do that"));
        } else {
            done(edit).await;
            let edited = platform.chat(peer).bubbles[0].clone();
            assert!(edited.edited && edited.text == "goodbye", "{name}: {edited:?}");
            done(delete).await;
            assert!(platform.chat(peer).bubbles[0].deleted, "{name}");
            assert!(
                refused(json!({"type": "reaction", "message": words, "emoji": "👍"})).await.contains("no such message")
            );
        }
        assert!(refused(json!({"type": "image", "file": "none", "caption": null})).await.contains("no such file"));
        assert!(refused(json!({"type": "location", "latitude": 91, "longitude": 0})).await.contains("latitude"));
        done(json!({"type": "block"})).await;
        assert!(get(format!("{base}/phone/{at}")).await["blocked"] == true, "{name}");
        assert!(refused(json!({"type": "text", "text": "hello"})).await.contains("blocked"), "{name}");
        done(json!({"type": "unblock"})).await;
        done(json!({"type": "text", "text": "hello"})).await;
    }
}

#[tokio::test]
async fn a_file_that_is_no_picture_is_saved_and_not_shown() {
    let (_, base) = start().await;
    let upload = client().post(format!("{base}/phone/meta/files")).header("content-type", "text/html");
    let upload: Value = upload.body("<script>").send().await.expect("an answer").json().await.expect("JSON");
    let file = upload["file"].as_str().expect("an id");
    let file = client().get(format!("{base}/phone/meta/files/{file}")).send().await.expect("an answer");
    assert_eq!(file.headers()["content-disposition"], "attachment");
    assert_eq!(file.headers()["content-type"], "application/octet-stream");
}

#[tokio::test]
async fn who_blocks_a_business_on_whatsapp_gets_nothing_and_the_business_hears_nothing() {
    let (platforms, _) = start().await;
    let Platform::Meta(meta) = &platforms[1] else { panic!("Meta") };
    let (listener, base) = crate::listen().await;
    let served = meta.clone();
    tokio::spawn(async move { served.serve(listener, Default::default()).await });
    meta.say(ANA, meta::Said::text("hello"));
    meta.set_blocked(ANA, true);
    let send = async || {
        let body = json!({"messaging_product": "whatsapp", "to": ANA, "type": "text", "text": {"body": "hi"}});
        let request = client().post(format!("{base}/v23.0/1065/messages")).bearer_auth("token").json(&body);
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), 200);
    };
    send().await;
    assert!(meta.settled(LIMIT).await);
    assert_eq!(meta.chat(ANA).answers().count(), 0);
    let statuses = meta.webhooks().into_iter().filter_map(|one| {
        one.body.pointer("/entry/0/changes/0/value/statuses/0/status").and_then(Value::as_str).map(str::to_owned)
    });
    assert_eq!(statuses.collect::<Vec<_>>(), ["sent"]);
    meta.set_blocked(ANA, false);
    send().await;
    assert!(meta.chat(ANA).last_answer().is_some_and(|bubble| bubble.tick >= Tick::Sent));
}
