//! `POST /api/v1/chat/{conversation_id}/messages/{message_id}/feedback`: a thumb for an answer.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use domain::{ConversationId, telemetry::metric};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Cursor, Feedback, Rating, StoreError, feedback::COMMENT_CHARS_MAX};

use super::{
    caller::{Caller, unavailable},
    events,
    messages::Place,
    post,
};
use crate::{Shared, body, respond};

/// Largest body: the longest comment with every character written as an escape, and a little more.
const BODY_BYTES_MAX: usize = 32 * 1024;

#[derive(Deserialize)]
struct Request {
    rating: String,
    comment: Option<String>,
}

/// `POST /api/v1/chat/{conversation_id}/messages/{message_id}/feedback`
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Path((conversation, message)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let caller = match Caller::identify(&shared, &headers, None).await {
        Ok(caller) => caller,
        Err(error) => return error.respond(),
    };
    let answer = answer(&shared, &caller, (&conversation, &message), &headers, body).await;
    caller.signed(answer.unwrap_or_else(|error| unavailable(&error)))
}

async fn answer(
    shared: &Shared,
    caller: &Caller<'_>,
    (conversation, message): (&str, &str),
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, StoreError> {
    if !post::is_json(headers) {
        return Ok(respond::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send `content-type: application/json`"));
    }
    let body = match body::read(headers, body, BODY_BYTES_MAX, shared.config.webhook.body_read_timeout).await {
        Ok(body) => body,
        Err(error) => return Ok(respond::problem(error.status(), &error.to_string())),
    };
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return Ok(respond::problem(StatusCode::BAD_REQUEST, "send `rating`, and `comment` as text if you like"));
    };
    let Ok(rating) = request.rating.parse::<Rating>() else {
        return Ok(respond::problem(StatusCode::BAD_REQUEST, "`rating` must be `up` or `down`"));
    };
    let comment = request.comment.map(|comment| comment.replace('\0', ""));
    let comment = comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    if comment.is_some_and(|comment| comment.chars().count() > COMMENT_CHARS_MAX) {
        let text = format!("`comment` has more than {COMMENT_CHARS_MAX} characters");
        return Ok(respond::problem(StatusCode::BAD_REQUEST, &text));
    }
    if let Err(refusal) = caller.take_turn(shared).await {
        return Ok(refusal);
    }
    let Ok(conversation) = conversation.parse::<ConversationId>() else { return Ok(events::no_conversation()) };
    if caller.find_conversation(shared, conversation).await?.is_none() {
        return Ok(events::no_conversation());
    }
    let no_message = || respond::problem(StatusCode::NOT_FOUND, "there is no such answer");
    let Some(place) = Place::parse(message).filter(|place| place.part != i32::MAX) else { return Ok(no_message()) };
    let place = Cursor { seq: place.seq, part: place.part };
    if !shared.store.give_feedback(&caller.account.tenant, conversation, place, rating, comment).await? {
        return Ok(no_message());
    }
    metrics::counter!(metric::FEEDBACK, "rating" => rating.as_str()).increment(1);
    Ok(respond::json(StatusCode::OK, &shown(rating, comment)))
}

/// `{"rating", "comment"?}`
pub(crate) fn of(feedback: &Feedback) -> Value {
    shown(feedback.rating, feedback.comment.as_deref())
}

fn shown(rating: Rating, comment: Option<&str>) -> Value {
    let mut shown = json!({ "rating": rating.as_str() });
    if let Some(comment) = comment {
        shown["comment"] = json!(comment);
    }
    shown
}
