//! A messaging platform that remembers what it was sent and fails on command.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The fake.
#[derive(Clone, Default)]
pub struct Platform {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    sends: Vec<Sent>,
    read: Vec<String>,
    failures: VecDeque<(u16, Option<u32>)>,
    base: String,
    files: BTreeMap<String, Vec<u8>>,
    file_failures: VecDeque<u16>,
    file_reads: usize,
}

/// One request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Our id.
    pub id: String,
    /// To whom.
    pub to: String,
    /// What.
    pub text: String,
    /// What the platform answered.
    pub status: u16,
    /// When.
    pub at: Instant,
}

impl Platform {
    /// Starts it; gives its base URL.
    pub async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        self.inner.lock().unwrap().base.clone_from(&url);
        let app = Router::new().route("/media/{name}", get(give)).fallback(take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    /// The next send is answered by `status`, with `Retry-After` if given.
    pub fn fail_next(&self, status: u16, retry_after_s: Option<u32>) {
        self.inner.lock().unwrap().failures.push_back((status, retry_after_s));
    }

    /// A file that the platform keeps; gives its address.
    pub fn keep_file(&self, name: &str, content: &[u8]) -> String {
        let mut inner = self.inner.lock().unwrap();
        inner.files.insert(name.to_owned(), content.to_vec());
        format!("{}/media/{name}", inner.base)
    }

    /// All files are gone.
    pub fn forget_files(&self) {
        self.inner.lock().unwrap().files.clear();
    }

    /// The next look at a file is answered by `status`.
    pub fn fail_next_file(&self, status: u16) {
        self.inner.lock().unwrap().file_failures.push_back(status);
    }

    /// How often a file was asked for.
    pub fn file_reads(&self) -> usize {
        self.inner.lock().unwrap().file_reads
    }

    /// All requests to send.
    pub fn sends(&self) -> Vec<Sent> {
        self.inner.lock().unwrap().sends.clone()
    }

    /// Texts that were taken, in order.
    pub fn texts(&self) -> Vec<String> {
        self.sends().into_iter().filter(|sent| sent.status == 200).map(|sent| sent.text).collect()
    }

    /// Messages that were marked as read.
    pub fn read(&self) -> Vec<String> {
        self.inner.lock().unwrap().read.clone()
    }
}

async fn give(State(platform): State<Platform>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let mut inner = platform.inner.lock().unwrap();
    inner.file_reads += 1;
    if headers.get("authorization").is_none_or(|value| value != "App fake-api-key-1") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(status) = inner.file_failures.pop_front() {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    match inner.files.get(&name) {
        // Without a length; whoever reads finds out.
        Some(content) if name == "silent" => {
            let pieces: Vec<_> = content.chunks(100_000).map(|piece| Ok::<_, Infallible>(piece.to_vec())).collect();
            axum::body::Body::from_stream(futures::stream::iter(pieces)).into_response()
        }
        Some(content) => ([("content-type", "image/gif")], content.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn take(State(platform): State<Platform>, uri: Uri, body: Bytes) -> Response {
    let mut inner = platform.inner.lock().unwrap();
    if uri.path().ends_with("/read") {
        inner.read.push(uri.path().to_owned());
        return StatusCode::OK.into_response();
    }
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    // Templates come in a list, and their answers go back in one.
    let in_list = uri.path() == "/whatsapp/1/message/template";
    if in_list {
        assert_eq!(body["messages"].as_array().map(Vec::len), Some(1), "{body}");
        body = body["messages"][0].take();
    }
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (status, retry_after) = inner.failures.pop_front().unwrap_or((200, None));
    let at = Instant::now();
    let content = if in_list {
        let words = &body["content"]["templateData"]["body"]["placeholders"];
        format!("template {} {} {words}", text("/content/templateName"), text("/content/language"))
    } else if body.pointer("/content/mediaUrl").is_some() {
        format!("{} {}", uri.path().rsplit('/').next().unwrap_or_default(), text("/content/mediaUrl"))
    } else if body.pointer("/content/latitude").is_some() {
        "place".to_owned()
    } else if body.pointer("/content/text").is_some() {
        text("/content/text")
    } else {
        text("/content/body/text")
    };
    inner.sends.push(Sent { id: text("/messageId"), to: text("/to"), text: content, status, at });
    let answer =
        json!({ "to": text("/to"), "messageCount": 1, "messageId": text("/messageId"), "status": { "groupId": 1 } });
    let answer = if in_list { json!({ "messages": [answer], "bulkId": "b" }) } else { answer };
    let mut response = (StatusCode::from_u16(status).unwrap(), answer.to_string()).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}
