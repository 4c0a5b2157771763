//! A backend that honours `Idempotency-Key`, can hold its answers back, has a list of three pages, and files.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router, body::Bytes, extract::State, http::HeaderMap, http::Method, http::StatusCode, http::Uri,
    response::IntoResponse as _, response::Response,
};
use tokio::{net::TcpListener, sync::watch};

/// The fake.
#[derive(Clone)]
pub struct Backend {
    inner: Arc<Mutex<Inner>>,
    hold: watch::Sender<bool>,
}

#[derive(Default)]
struct Inner {
    requests: Vec<(String, Option<String>)>,
    bodies: Vec<Bytes>,
    keys: BTreeSet<String>,
    effects: usize,
    failures: Vec<u16>,
    /// What `/report` and `/export` answer with: media type and bytes.
    file: (&'static str, Bytes),
}

impl Default for Backend {
    fn default() -> Self {
        Self { inner: Arc::default(), hold: watch::Sender::new(false) }
    }
}

impl Backend {
    /// Starts it; gives its base URL.
    pub async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let take = Router::new().fallback(take).layer(axum::extract::DefaultBodyLimit::disable());
        let app = take.with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    /// From now on effects happen and answers wait.
    pub fn hold(&self) {
        self.hold.send_replace(true);
    }

    /// Answers go out.
    pub fn release(&self) {
        self.hold.send_replace(false);
    }

    /// The next requests are answered by these, after their effect.
    pub fn fail_next(&self, statuses: &[u16]) {
        self.inner.lock().unwrap().failures.extend_from_slice(statuses);
    }

    /// The file that `/report` and `/export` answer with.
    pub fn set_file(&self, media_type: &'static str, content: Vec<u8>) {
        self.inner.lock().unwrap().file = (media_type, content.into());
    }

    /// Requests as (method and path, key).
    pub fn requests(&self) -> Vec<(String, Option<String>)> {
        self.inner.lock().unwrap().requests.clone()
    }

    /// The bodies of the requests.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.inner.lock().unwrap().bodies.clone()
    }

    /// Effects that really happened.
    pub fn effects(&self) -> usize {
        self.inner.lock().unwrap().effects
    }
}

async fn take(State(backend): State<Backend>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let failure = {
        let mut inner = backend.inner.lock().unwrap();
        let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        inner.bodies.push(body);
        inner.requests.push((format!("{method} {}", uri.path()), key.clone()));
        // `/once` honours no key.
        let known = uri.path() != "/once" && key.is_some_and(|key| !inner.keys.insert(key));
        if method != Method::GET && !known {
            inner.effects += 1;
        }
        if inner.failures.is_empty() { None } else { Some(inner.failures.remove(0)) }
    };
    let mut hold = backend.hold.subscribe();
    let _ = hold.wait_for(|hold| !hold).await;
    if uri.path() == "/list" {
        let page: usize = uri.query().and_then(|query| query.strip_prefix("page=")).map_or(0, |n| n.parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        if page < 2 {
            headers.insert("link", format!("</list?page={}>; rel=\"next\"", page + 1).parse().unwrap());
        }
        return (headers, format!("[{},{}]", 2 * page, 2 * page + 1)).into_response();
    }
    if failure.is_none() && matches!(uri.path(), "/report" | "/export") {
        let (media_type, content) = backend.inner.lock().unwrap().file.clone();
        let name = "attachment; filename=\"../plan.png\"";
        return ([("content-type", media_type), ("content-disposition", name)], content).into_response();
    }
    let status = failure.unwrap_or(if method == Method::GET { 200 } else { 201 });
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], r#"{"id":7}"#).into_response()
}
