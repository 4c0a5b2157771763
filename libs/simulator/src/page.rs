//! The phone page: chat as a person on WhatsApp, and beside it what happened inside.
//!
//! Mount [`phone_router`] at the root; it owns `/phone` and what is below. What happened inside comes from the
//! product through [`Inside`].

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures::Stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;

use crate::infobip::{Infobip, Reads, Said};

const MAX_STREAMS: usize = 64;
/// How often what happened inside is asked for while somebody watches.
const INSIDE_EVERY: Duration = Duration::from_millis(700);

/// What the product tells about a person's last turns.
///
/// `{"turns": [{"at"?: RFC 3339, "said": text, "language"?: code, "outcome"?: text, "took_ms"?: number,
/// "candidates": [{"operation", "title"?, "score": 0..1 or more, "probability"?: 0..1, "chosen"?: bool}],
/// "calls": [{"operation", "purpose"?: text, "method"?, "url"?, "status"?: number, "outcome"?: text, "took_ms"?: number}],
/// "steps"?: [{"name", "took_ms"}]}]}`, newest first; unknown fields are shown as they are.
pub trait Inside: Send + Sync {
    /// The last turns of the person with this number.
    fn inside(&self, peer: String) -> Pin<Box<dyn Future<Output = Value> + Send>>;
}

impl<F, R> Inside for F
where
    F: Fn(String) -> R + Send + Sync,
    R: Future<Output = Value> + Send + 'static,
{
    fn inside(&self, peer: String) -> Pin<Box<dyn Future<Output = Value> + Send>> {
        Box::pin(self(peer))
    }
}

/// A person that the page offers.
#[derive(Clone, Debug, Serialize)]
pub struct Someone {
    /// Phone number in digits.
    pub peer: String,
    /// Name.
    pub name: String,
    /// A few words about them; may be empty.
    pub note: String,
}

impl Someone {
    /// The people of the demo fleet, and a stranger.
    pub fn demo() -> Vec<Self> {
        let someone = |peer: &str, name: &str, note: &str| Self {
            peer: peer.to_owned(),
            name: name.to_owned(),
            note: note.to_owned(),
        };
        vec![
            someone(crate::fleet::ANA, "Ana Horvat", ""),
            someone(crate::fleet::MARKO, "Marko Kovač", ""),
            someone("385990000001", "A stranger", ""),
        ]
    }
}

/// What the page needs.
#[derive(Clone)]
pub struct Page {
    /// The platform whose phones are shown.
    pub infobip: Infobip,
    /// Who can be chosen; the first is shown at once.
    pub people: Vec<Someone>,
    /// Name of the business at the top of the chat.
    pub title: String,
    /// Sentences to start with.
    pub suggestions: Vec<String>,
    /// What happened inside.
    pub inside: Arc<dyn Inside>,
}

struct Shared {
    page: Page,
    streams: Arc<tokio::sync::Semaphore>,
}

/// `GET /phone` and what belongs to it. From here on, persons read when the page shows them the chat.
pub fn phone_router(page: Page) -> Router {
    page.infobip.set_reads(Reads::WhenShown);
    for someone in &page.people {
        page.infobip.set_name(&someone.peer, &someone.name);
    }
    let shared = Arc::new(Shared { page, streams: Arc::new(tokio::sync::Semaphore::new(MAX_STREAMS)) });
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text) })
    };
    Router::new()
        .route("/phone", file("text/html; charset=utf-8", include_str!("page/phone.html")))
        .route("/phone/phone.js", file("text/javascript; charset=utf-8", include_str!("page/phone.js")))
        .route("/phone/phone.css", file("text/css; charset=utf-8", include_str!("page/phone.css")))
        .route("/phone/setup", get(setup))
        .route("/phone/chat/{peer}", get(chat).post(say))
        .route("/phone/chat/{peer}/look", post(look))
        .route("/phone/events/{peer}", get(events))
        .route("/phone/inside/{peer}", get(inside))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(middleware::from_fn(guard))
        .with_state(shared)
}

/// Only the page itself may post, and it loads nothing from elsewhere.
async fn guard(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let own = match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, rest)| rest == host),
        (Some(_), None) => false,
        (None, _) => true,
    };
    if !own {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = next.run(request).await;
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn is_number(peer: &str) -> bool {
    (7..=15).contains(&peer.len()) && peer.bytes().all(|byte| byte.is_ascii_digit())
}

async fn setup(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let page = &shared.page;
    Json(json!({"people": page.people, "title": page.title, "suggestions": page.suggestions}))
}

async fn chat(State(shared): State<Arc<Shared>>, Path(peer): Path<String>) -> Response {
    if !is_number(&peer) {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(shared.page.infobip.chat(&peer)).into_response()
}

async fn say(State(shared): State<Arc<Shared>>, Path(peer): Path<String>, Json(said): Json<Said>) -> Response {
    if !is_number(&peer) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let id = shared.page.infobip.say(&peer, said);
    (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response()
}

async fn look(State(shared): State<Arc<Shared>>, Path(peer): Path<String>) -> StatusCode {
    if is_number(&peer) {
        shared.page.infobip.look(&peer);
    }
    StatusCode::NO_CONTENT
}

async fn inside(State(shared): State<Arc<Shared>>, Path(peer): Path<String>) -> Json<Value> {
    Json(shared.page.inside.inside(peer).await)
}

/// `chat` after each change, `inside` when it differs from what was sent last.
async fn events(State(shared): State<Arc<Shared>>, Path(peer): Path<String>) -> Response {
    if !is_number(&peer) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(permit) = shared.streams.clone().try_acquire_owned() else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let chats = chats(shared.page.infobip.clone(), peer.clone());
    let insides = insides(shared.page.inside.clone(), peer);
    let stream = chats.merge(insides).map(move |event| {
        let _held = &permit; // for as long as somebody listens
        Ok::<_, Infallible>(event)
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

fn chats(infobip: Infobip, peer: String) -> impl Stream<Item = Event> {
    let changes = infobip.changes();
    futures::stream::unfold((infobip, peer, changes, None), |(infobip, peer, mut changes, last)| async move {
        loop {
            changes.mark_unchanged();
            let chat = json!(infobip.chat(&peer)).to_string();
            if last.as_ref() != Some(&chat) {
                let event = Event::default().event("chat").data(&chat);
                return Some((event, (infobip, peer, changes, Some(chat))));
            }
            changes.changed().await.ok()?;
        }
    })
}

fn insides(inside: Arc<dyn Inside>, peer: String) -> impl Stream<Item = Event> {
    futures::stream::unfold((inside, peer, None), |(inside, peer, last): (_, _, Option<String>)| async move {
        let mut first = last.is_none();
        loop {
            if !first {
                tokio::time::sleep(INSIDE_EVERY).await;
            }
            first = false;
            let told = inside.inside(peer.clone()).await.to_string();
            if last.as_ref() != Some(&told) {
                let event = Event::default().event("inside").data(&told);
                return Some((event, (inside, peer, Some(told))));
            }
        }
    })
}
