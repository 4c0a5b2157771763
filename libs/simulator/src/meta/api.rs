//! The API that a business calls.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{HeaderMap, Method, Uri, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use domain::Micros;
use serde_json::{Value, json};

use super::{
    Inner, MOST_SENDS, Meta, Refusals, Send, Sending,
    check::{Lawful, To, check, check_read},
    content::{attached, find, read},
    error::{PAIR, Refusal, THROUGHPUT, UNDELIVERABLE, VALUE, WINDOW},
    media, said, status,
};
use crate::{
    faults::{After, Before},
    phone::{Bubble, Tick},
    serve,
};

/// How long after a person's message the business may write what it likes.
const WINDOW_LENGTH: Duration = Duration::from_secs(24 * 3600);
/// How long typing is shown.
const TYPING_LENGTH: Duration = Duration::from_secs(25);

pub(super) fn router(meta: Meta) -> Router {
    let uploads = post(media::upload).layer(DefaultBodyLimit::max(media::MOST_UPLOAD));
    Router::new()
        .route("/{version}/{id}/messages", post(messages))
        .route("/{version}/{id}/media", uploads)
        .route("/{version}/{id}", get(media::look_up).delete(media::delete))
        .route(media::ADDRESS, get(media::give))
        .route(media::ADDRESS.trim_end_matches('/'), get(media::give))
        .fallback(async |uri: Uri| Refusal::no_path(uri.path()).response(None))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let id = uri.path().split('/').nth(2).unwrap_or_default();
            Refusal::no_object(&method.as_str().to_lowercase(), id).response(None)
        })
        .layer(DefaultBodyLimit::max(256 * 1024))
        .with_state(meta)
}

/// Acts as the next order for this operation says.
pub(super) async fn with_faults(
    meta: &Meta,
    operation: &str,
    act: impl FnOnce() -> Result<Response, Refusal>,
) -> Response {
    let fault = meta.0.faults.take(operation);
    if let Some(fault) = &fault {
        match fault.before().await {
            Before::Act => {}
            Before::Refuse { status, retry_after } => return Refusal::fault(status).response(retry_after),
            Before::Cut => return serve::cut(),
        }
    }
    let answer = act().unwrap_or_else(|refusal| refusal.response(None));
    if let Some(fault) = &fault {
        match fault.after().await {
            After::Answer => {}
            After::Refuse(status) => return Refusal::fault(status).response(None),
            After::Cut => return serve::cut(),
        }
    }
    answer
}

pub(super) fn has_token(meta: &Meta, headers: &HeaderMap) -> bool {
    let expected = format!("Bearer {}", meta.0.config.access_token);
    headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == expected.as_bytes())
}

/// The version has to look like one, and the token has to be right.
pub(super) fn guard(meta: &Meta, version: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let parts = version.strip_prefix('v').and_then(|version| version.split_once('.'));
    if !parts.is_some_and(|(major, minor)| number(major) && number(minor)) {
        return Err(Refusal::no_path(&format!("/{version}")));
    }
    if has_token(meta, headers) { Ok(()) } else { Err(Refusal::token()) }
}

pub(super) fn own_number(meta: &Meta, verb: &str, number: &str) -> Result<(), Refusal> {
    if number == meta.0.config.phone_number_id { Ok(()) } else { Err(Refusal::no_object(verb, number)) }
}

/// Sends and read marks, which share a path.
async fn messages(
    State(meta): State<Meta>,
    Path((version, number)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let body = body.ok().filter(|_| kind.starts_with("application/json"));
    // What is not JSON has no messaging_product, and that is what the platform complains of.
    let body: Value = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
    let is_mark = body.get("status").is_some();
    with_faults(&meta, if is_mark { "POST read" } else { "POST messages" }, || {
        guard(&meta, &version, &headers)?;
        own_number(&meta, "post", &number)?;
        let answer = if is_mark { mark_read(&meta, &body)? } else { send(&meta, &body)? };
        Ok(Json(answer).into_response())
    })
    .await
}

fn send(meta: &Meta, body: &Value) -> Result<Value, Refusal> {
    let lawful = check(body)?;
    let now = meta.now();
    let mut inner = meta.lock();
    if let Some(code) = inner.commands.pop_front() {
        return Err(Refusal::plain(code));
    }
    let peer = match lawful.to {
        To::Number(number) => inner.people.read(number),
        To::UserId(id) => inner.people.number(id).ok_or_else(|| Refusal::plain(UNDELIVERABLE))?.to_owned(),
    };
    if meta.0.config.display_phone_number.chars().filter(char::is_ascii_digit).eq(peer.chars()) {
        return Err(Refusal::plain(131_021));
    }
    if inner.people.find(&peer).is_none() && inner.people.is_full() {
        return Err(Refusal::plain(THROUGHPUT));
    }
    find(&inner, &peer, &lawful, now)?;
    let failure = failure(&mut inner, &peer, &lawful, now)?;
    let id = said::message_id(&peer);
    let callback_data = lawful.callback_data.map(str::to_owned);
    let template = lawful.kind == "template";
    let sending = Sending { peer: peer.clone(), id: id.clone(), callback_data: callback_data.clone(), template };
    let shown = failure.is_none();
    if inner.sends.len() >= MOST_SENDS {
        inner.sends.pop_front();
    }
    let record = Send {
        to: peer.clone(),
        id: id.clone(),
        shown,
        callback_data: callback_data.clone(),
        body: body.clone(),
        at: now,
    };
    inner.sends.push_back(record);
    if shown {
        let (text, kind) = read(&inner, &lawful);
        let quoted = lawful.quoted.or_else(|| lawful.content.get("message_id")?.as_str()).map(str::to_owned);
        let (id, tick) = (id.clone(), Tick::Sent);
        let attached = attached(&inner, &lawful, now);
        if !inner.blocked.contains(&peer) {
            let bubble = Bubble::new(id, false, text, kind, tick, now);
            inner.show(&peer, Bubble { quoted, attached, callback_data, ..bubble });
        }
        inner.people.person(&peer).typing_until = None;
    }
    drop(inner);
    meta.changed();
    match failure {
        None => status::report_delivery(meta, sending),
        Some((code, details)) => status::report_failure(meta, &sending, code, details),
    }
    let contact = match lawful.to {
        To::Number(number) => json!({"input": number, "wa_id": peer}),
        To::UserId(user_id) => json!({"input": user_id, "user_id": user_id}),
    };
    let mut message = json!({ "id": id });
    if template {
        message["message_status"] = json!("accepted");
    }
    Ok(json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}))
}

/// Why the person will not get a lawful message, where the send itself is not refused for it.
fn failure(
    inner: &mut Inner,
    peer: &str,
    send: &Lawful<'_>,
    now: Micros,
) -> Result<Option<(u32, &'static str)>, Refusal> {
    let rate = inner.pair_rate;
    let person = inner.people.person(peer);
    if rate.is_some_and(|rate| !person.pace.take(rate, now)) {
        let details =
            "Too many messages sent from this phone number to the same phone number in a short period of time.";
        return Err(Refusal::new(PAIR, details));
    }
    let open = person.wrote.is_some_and(|wrote| now.since(wrote) <= WINDOW_LENGTH);
    let (code, details) = if inner.unreachable.iter().any(|number| number == peer) {
        (UNDELIVERABLE, "Message Undeliverable.")
    } else if !open && send.kind != "template" {
        let details = "Message failed to send because more than 24 hours have passed since the customer last replied to \
                       this number.";
        (WINDOW, details)
    } else {
        return Ok(None);
    };
    match inner.refusals {
        Refusals::InStatus => Ok(Some((code, details))),
        Refusals::InAnswer => Err(Refusal::new(code, details)),
    }
}

/// Marks a person's message and everything before it as read.
fn mark_read(meta: &Meta, body: &Value) -> Result<Value, Refusal> {
    let (message_id, typing) = check_read(body)?;
    let now = meta.now();
    let mut inner = meta.lock();
    let writer = inner.phones.writer(message_id).or_else(|| inner.people.writer(message_id).map(str::to_owned));
    let peer = writer.ok_or_else(|| Refusal::new(VALUE, "message_id names no message of a person"))?;
    let bubbles = &mut inner.phones.chat(&peer).bubbles;
    let upto = bubbles.iter().position(|bubble| bubble.id == message_id).map_or(bubbles.len(), |at| at + 1);
    for bubble in bubbles.iter_mut().take(upto).filter(|bubble| bubble.mine && bubble.tick < Tick::Read) {
        bubble.tick = Tick::Read;
    }
    if typing {
        inner.people.person(&peer).typing_until = Some(now + TYPING_LENGTH);
    }
    drop(inner);
    meta.changed();
    Ok(json!({"success": true}))
}
