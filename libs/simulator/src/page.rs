//! The phone page: chat as a person on any of the platforms, and beside it what happened inside and what is to go wrong.
//!
//! Mount [`phone_router`] at the root; it owns `/phone` and `/simulator` and what is below. What happened inside comes
//! from the product through [`Inside`].

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::platform::{Act, Platform, control_router};

const MAX_STREAMS: usize = 64;
/// Bytes of a file that a person sends.
const MOST_FILE_BYTES: usize = 16 << 20;
/// Files that the page sends when none is chosen.
const SAMPLES: [(&str, &str, &[u8]); 3] = [
    ("picture.png", "image/png", include_bytes!("page/picture.png")),
    ("voice.ogg", "audio/ogg", include_bytes!("page/voice.ogg")),
    ("document.pdf", "application/pdf", include_bytes!("page/document.pdf")),
];
/// Types that a browser may show; all others are saved.
const SHOWN: [&str; 8] =
    ["image/png", "image/jpeg", "image/gif", "image/webp", "audio/ogg", "audio/mpeg", "audio/mp4", "audio/wav"];
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
    /// The platform's id in digits: a phone number, on Telegram the id of the account.
    pub peer: String,
    /// Name.
    pub name: String,
    /// A few words about them; may be empty.
    pub note: String,
    /// Their phone number, for contact cards.
    pub phone: String,
}

impl Someone {
    /// The people of the demo fleet and a stranger, as the platform knows them.
    pub fn demo(platform: &Platform) -> Vec<Self> {
        let is_telegram = matches!(platform, Platform::Telegram(_));
        let people = [
            (crate::fleet::ANA, "222222222", "Ana Horvat", ""),
            (crate::fleet::MARKO, "333333333", "Marko Kovač", ""),
            ("385990000001", "444444444", "A stranger", ""),
        ];
        let someone = |(phone, id, name, note): (&str, &str, &str, &str)| Self {
            peer: if is_telegram { id } else { phone }.to_owned(),
            name: name.to_owned(),
            note: note.to_owned(),
            phone: phone.to_owned(),
        };
        people.map(someone).to_vec()
    }
}

/// One platform on the page.
#[derive(Clone)]
pub struct Phone {
    /// The platform whose phones are shown.
    pub platform: Platform,
    /// Who can be chosen; the first is shown at once.
    pub people: Vec<Someone>,
    /// What happened inside; none where nobody knows.
    pub inside: Option<Arc<dyn Inside>>,
}

/// What the page needs.
#[derive(Clone)]
pub struct Page {
    /// The platforms, each once; the first is shown at once.
    pub phones: Vec<Phone>,
    /// Name of the business at the top of the chat.
    pub title: String,
    /// Sentences to start with.
    pub suggestions: Vec<String>,
    /// Ends what the page listens to, which a server that stops would wait for.
    pub stop: CancellationToken,
}

struct Shared {
    page: Page,
    streams: Arc<tokio::sync::Semaphore>,
}

impl Shared {
    /// The phone of a platform, and nothing for what cannot be a person there.
    fn phone(&self, platform: &str, peer: &str) -> Option<&Phone> {
        let is_peer = (5..=15).contains(&peer.len()) && peer.bytes().all(|byte| byte.is_ascii_digit());
        self.platform(platform).filter(|_| is_peer)
    }

    fn platform(&self, name: &str) -> Option<&Phone> {
        self.page.phones.iter().find(|phone| phone.platform.name() == name)
    }
}

/// `GET /phone`, `/simulator` and what belongs to them. From here on, persons read when the page shows them the chat.
pub fn phone_router(page: Page) -> Router {
    for Phone { platform, people, .. } in &page.phones {
        platform.read_when_shown();
        for someone in people {
            platform.set_name(&someone.peer, &someone.name);
        }
    }
    let control = control_router(page.phones.iter().map(|phone| phone.platform.clone()).collect());
    let shared = Arc::new(Shared { page, streams: Arc::new(tokio::sync::Semaphore::new(MAX_STREAMS)) });
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text) })
    };
    Router::new()
        .route("/phone", file("text/html; charset=utf-8", include_str!("page/phone.html")))
        .route("/phone/phone.js", file("text/javascript; charset=utf-8", include_str!("page/phone.js")))
        .route("/phone/bubbles.js", file("text/javascript; charset=utf-8", include_str!("page/bubbles.js")))
        .route("/phone/inside.js", file("text/javascript; charset=utf-8", include_str!("page/inside.js")))
        .route("/phone/trouble.js", file("text/javascript; charset=utf-8", include_str!("page/trouble.js")))
        .route("/phone/phone.css", file("text/css; charset=utf-8", include_str!("page/phone.css")))
        .route("/phone/setup", get(setup))
        .route("/phone/samples/{name}", get(sample))
        .route("/phone/{platform}/chat/{peer}", get(chat).post(say))
        .route("/phone/{platform}/chat/{peer}/look", post(look))
        .route("/phone/{platform}/events/{peer}", get(events))
        .route("/phone/{platform}/inside/{peer}", get(inside))
        .route("/phone/{platform}/files", post(add_file).layer(DefaultBodyLimit::max(MOST_FILE_BYTES)))
        .route("/phone/{platform}/files/{id}", get(give_file))
        .with_state(shared)
        .merge(control)
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(middleware::from_fn(guard))
}

/// Only the page itself and programs may post, and the page loads nothing from elsewhere.
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
                  media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn setup(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let page = &shared.page;
    let phones: Vec<Value> = page
        .phones
        .iter()
        .map(|Phone { platform, people, inside }| {
            json!({
                "platform": platform.name(), "title": platform.title(), "people": people, "acts": platform.acts(),
                "inside": inside.is_some(),
            })
        })
        .collect();
    Json(json!({"phones": phones, "title": page.title, "suggestions": page.suggestions}))
}

async fn sample(Path(name): Path<String>) -> Response {
    match SAMPLES.iter().find(|(own, ..)| *own == name) {
        Some((_, kind, content)) => ([(header::CONTENT_TYPE, *kind)], *content).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn chat(State(shared): State<Arc<Shared>>, Path((platform, peer)): Path<(String, String)>) -> Response {
    match shared.phone(&platform, &peer) {
        Some(phone) => Json(shown(&phone.platform, &peer)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The chat, with what the phone shows besides messages.
fn shown(platform: &Platform, peer: &str) -> Value {
    let mut shown = json!(platform.chat(peer));
    shown["typing_until"] = json!(platform.typing_until(peer));
    shown["blocked"] = json!(platform.is_blocked(peer));
    shown
}

async fn say(
    State(shared): State<Arc<Shared>>,
    Path((platform, peer)): Path<(String, String)>,
    Json(act): Json<Act>,
) -> Response {
    let Some(phone) = shared.phone(&platform, &peer) else { return StatusCode::NOT_FOUND.into_response() };
    match phone.platform.act(&peer, act) {
        Ok(id) => (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response(),
        Err(refused) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": refused.to_string()}))).into_response(),
    }
}

async fn look(State(shared): State<Arc<Shared>>, Path((platform, peer)): Path<(String, String)>) -> StatusCode {
    match shared.phone(&platform, &peer) {
        Some(phone) => {
            phone.platform.look(&peer);
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn inside(State(shared): State<Arc<Shared>>, Path((platform, peer)): Path<(String, String)>) -> Response {
    match shared.phone(&platform, &peer).map(|phone| phone.inside.clone()) {
        Some(Some(inside)) => Json(inside.inside(peer).await).into_response(),
        Some(None) => Json(json!({ "turns": [] })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A file from the person's device; the answer names it.
async fn add_file(
    State(shared): State<Arc<Shared>>,
    Path(platform): Path<String>,
    headers: HeaderMap,
    content: Bytes,
) -> Response {
    let Some(phone) = shared.platform(&platform) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.contains('/') || content.is_empty() {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    Json(json!({"file": phone.platform.add_file(kind, &content)})).into_response()
}

async fn give_file(State(shared): State<Arc<Shared>>, Path((platform, id)): Path<(String, String)>) -> Response {
    let file = shared.platform(&platform).and_then(|phone| phone.platform.file(&id));
    let Some((kind, content)) = file else { return StatusCode::NOT_FOUND.into_response() };
    let plain = kind.split(';').next().unwrap_or_default().trim();
    if SHOWN.contains(&plain) {
        return ([(header::CONTENT_TYPE, kind)], content).into_response();
    }
    let saved = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
    (saved, content).into_response()
}

/// `chat` after each change, `inside` when it differs from what was sent last.
async fn events(State(shared): State<Arc<Shared>>, Path((platform, peer)): Path<(String, String)>) -> Response {
    let Some(phone) = shared.phone(&platform, &peer) else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(permit) = shared.streams.clone().try_acquire_owned() else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let chats = chats(phone.platform.clone(), peer.clone());
    let insides = futures::stream::iter(phone.inside.clone()).flat_map(move |inside| insides(inside, peer.clone()));
    let stream = futures::stream::select(chats, insides).map(move |event| {
        let _held = &permit; // for as long as somebody listens
        Ok::<_, Infallible>(event)
    });
    let stop = shared.page.stop.clone();
    Sse::new(stream.take_until(stop.cancelled_owned())).keep_alive(KeepAlive::default()).into_response()
}

fn chats(platform: Platform, peer: String) -> impl Stream<Item = Event> {
    let changes = platform.changes();
    futures::stream::unfold((platform, peer, changes, None), |(platform, peer, mut changes, last)| async move {
        loop {
            changes.mark_unchanged();
            let chat = shown(&platform, &peer).to_string();
            if last.as_ref() != Some(&chat) {
                let event = Event::default().event("chat").data(&chat);
                return Some((event, (platform, peer, changes, Some(chat))));
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
