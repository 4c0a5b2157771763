use std::sync::Arc;

use futures::StreamExt as _;
use serde_json::{Value, json};
use simulator::{
    infobip::{Config, Infobip},
    page::{Page, Someone, phone_router},
};

use crate::{LIMIT, client, serve};

async fn start() -> (Infobip, String) {
    let infobip = Infobip::new(Config::new("key", "385911000000")).expect("a platform");
    let page = Page {
        infobip: infobip.clone(),
        people: Someone::demo(),
        title: "Test".to_owned(),
        suggestions: Vec::new(),
        inside: Arc::new(|peer: String| async move { json!({"turns": [{"said": peer}]}) }),
    };
    (infobip, serve(phone_router(page)).await)
}

#[tokio::test]
async fn what_is_written_on_the_page_appears_live() {
    let (_, base) = start().await;
    let stream = client().get(format!("{base}/phone/events/385911234567")).send().await.expect("a stream");
    let mut chunks = stream.bytes_stream();
    let said = json!({"type": "text", "text": "hello from the page"});
    let posted = client().post(format!("{base}/phone/chat/385911234567")).json(&said).send().await.expect("an answer");
    assert_eq!(posted.status().as_u16(), 202);
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
    let (infobip, base) = start().await;
    let said = json!({"type": "text", "text": "x"});
    let post = |path: &str| client().post(format!("{base}{path}")).json(&said);
    let status = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status().as_u16();
    assert_eq!(status(post("/phone/chat/385911234567").header("origin", "https://evil.example")).await, 403);
    assert_eq!(status(post("/phone/chat/..%2Fx")).await, 404);
    assert_eq!(status(client().post(format!("{base}/phone/chat/385911234567")).body("{}")).await, 415);
    assert!(infobip.chat("385911234567").bubbles.is_empty());
    let inside: Value = client()
        .get(format!("{base}/phone/inside/385911234567"))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(inside["turns"][0]["said"], "385911234567");
}
