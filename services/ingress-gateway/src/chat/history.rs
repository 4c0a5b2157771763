//! `GET /api/v1/chat/{conversation_id}/messages`: what was said, for a page that is opened again.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use domain::{Content, ConversationId, Reply};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Cursor, Direction, StoreError};

use super::{
    caller::{Caller, unavailable},
    events, feedback,
    messages::{Place, message},
};
use crate::{Shared, respond};

/// Messages of people that are shown at once, with their answers.
const PAGE_SEQS: i64 = 50;
/// Rows read for them; an answer has few parts.
const PAGE_ROWS: i64 = 1_000;

/// Which part of the conversation.
#[derive(Deserialize)]
pub(crate) struct Page {
    /// Messages before this one; without it the last ones.
    before: Option<i64>,
}

/// `GET /api/v1/chat/{conversation_id}/messages`
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Path(conversation): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let caller = match Caller::identify(&shared, &headers, None).await {
        Ok(caller) => caller,
        Err(error) => return error.respond(),
    };
    let before = match page {
        Ok(Query(Page { before })) if before.is_none_or(|before| before > 0) => before,
        _ => return respond::problem(StatusCode::BAD_REQUEST, "`before` must be a positive number"),
    };
    let Ok(conversation) = conversation.parse::<ConversationId>() else { return events::no_conversation() };
    match read(&shared, &caller, conversation, before).await {
        Ok(Some(page)) => caller.signed(respond::json(StatusCode::OK, &page)),
        Ok(None) => events::no_conversation(),
        Err(error) => unavailable(&error),
    }
}

async fn read(
    shared: &Shared,
    caller: &Caller<'_>,
    conversation: ConversationId,
    before: Option<i64>,
) -> Result<Option<Value>, StoreError> {
    let Some(own) = caller.find_conversation(shared, conversation).await? else { return Ok(None) };
    let tenant = &caller.account.tenant;
    let end = before.unwrap_or(i64::MAX).min(own.next_seq.saturating_add(1));
    let begin = end.saturating_sub(PAGE_SEQS).max(1);
    let after = Cursor { seq: begin - 1, part: i32::MAX };
    let rows = shared.store.messages(tenant, conversation, Some(after), PAGE_ROWS, None).await?;
    let feedback_of = shared.store.feedback(tenant, conversation, begin, end).await?;
    let mut messages = Vec::new();
    for row in rows.into_iter().filter(|row| row.cursor.seq < end) {
        let Cursor { seq, part } = row.cursor;
        let mut shown = match row.direction {
            Direction::Inbound => match serde_json::from_value::<Content>(row.body) {
                Ok(content) => json!({ "id": seq.to_string(), "text": said(&content) }),
                Err(_) => continue,
            },
            Direction::Outbound => match serde_json::from_value::<Reply>(row.body) {
                Ok(reply) => message(conversation, Place { seq, part }, &reply),
                Err(_) => continue,
            },
        };
        shown["from"] = json!(if row.direction == Direction::Inbound { "person" } else { "assistant" });
        if let Some(feedback) = feedback_of.get(&row.cursor) {
            shown["feedback"] = feedback::of(feedback);
        }
        messages.push(shown);
    }
    let mut page = json!({ "conversation_id": conversation, "messages": messages });
    if begin > 1 {
        page["before"] = json!(begin);
    }
    Ok(Some(page))
}

/// What a person sees of what they said.
fn said(content: &Content) -> String {
    match content {
        Content::Choice { title, .. } => title.clone(),
        content => content.in_words(),
    }
}
