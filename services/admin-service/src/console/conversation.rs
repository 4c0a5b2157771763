//! One conversation, read only: turn by turn what happened, personal data masked until an operator asks for it.
//! Each look is written down, and so is each asking, with its reason.

use askama::Template;
use axum::{
    extract::RawPathParams,
    response::{IntoResponse as _, Redirect, Response},
};
use domain::ConversationId;
use serde_json::json;

use super::{
    error::ConsoleError,
    files,
    frame::{self, Frame, Place},
    mask::Mask,
    posted::Posted,
    query::{Query, link},
    room::Room,
    session::Personal,
    timeline::TurnView,
    times::When,
};

/// Turns of a page.
const TURNS: usize = 10;
/// Files of a conversation that have links at most, the newest.
const FILES_MAX: i64 = 1_000;

#[derive(Template)]
#[template(path = "conversation.html")]
struct ConversationPage {
    frame: Frame,
    id: ConversationId,
    account: String,
    peer: String,
    began: When,
    messages: i64,
    waiting: i64,
    unsent: i64,
    revealed: bool,
    turns: Vec<TurnView>,
    path: String,
    newest: Option<String>,
    older: Option<String>,
    letters: String,
}

/// Where a conversation is shown, its turns up to `seq`.
pub fn address(room: &Room, id: ConversationId, seq: Option<i64>) -> String {
    let before = seq.map(|seq| seq.saturating_add(1).to_string());
    link(&room.path(&format!("/conversations/{id}")), &[("before", before.as_deref())])
}

/// `GET /console/t/{tenant}/conversations/{id}`
pub async fn page(room: Room, path: RawPathParams, query: Query) -> Result<Response, ConsoleError> {
    let id = id(&path)?;
    let store = &room.console.store;
    let row = store.conversation(&room.tenant, id).await?.ok_or(ConsoleError::NotFound)?;
    let before = query.parse::<i64>("before").filter(|seq| *seq > 1 && *seq <= row.next_seq);
    let revealed = room.console.sessions.is_revealed(&room.session.id, &Personal::Conversation(id));
    room.record("conversation.look", id, json!({ "before": before, "revealed": revealed })).await?;
    let limit = i64::try_from(TURNS + 1).unwrap_or(i64::MAX);
    let mut turns = store.timeline(&room.tenant, id, before, limit).await?;
    let is_more = turns.len() > TURNS;
    turns.truncate(TURNS);
    let mask = if revealed {
        Mask::off()
    } else {
        let names = store.names_in(&room.tenant, id).await?;
        Mask::new(names.iter().map(String::as_str))
    };
    let now = store.now().await?;
    let mut turns: Vec<TurnView> = turns.iter().map(|turn| TurnView::new(turn, &mask, now)).collect();
    let files = store.files_in(&room.tenant, id, FILES_MAX).await?;
    for file in turns.iter_mut().flat_map(|turn| &mut turn.events).filter_map(|event| event.file.as_mut()) {
        // What an operator may not see yet, nobody is led to.
        let is_there = revealed && files.contains(&file.sha256);
        file.address = is_there.then(|| files::address(&room, id, &file.sha256));
    }
    let conversation = id.to_string();
    let page = ConversationPage {
        id,
        account: row.account.to_string(),
        peer: mask.peer(&row.peer),
        began: When::new(row.created_at, now),
        messages: row.next_seq,
        waiting: row.next_seq - row.done_seq,
        unsent: row.unsent,
        revealed,
        older: turns.last().filter(|_| is_more).map(|last| address(&room, id, Some(last.seq - 1))),
        newest: before.map(|_| address(&room, id, None)),
        turns,
        path: room.path(&format!("/conversations/{id}")),
        letters: link(&room.path("/dead-letters"), &[("conversation", Some(conversation.as_str()))]),
        frame: room.frame(Place::Conversations, "Conversation").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `POST /console/t/{tenant}/conversations/{id}/reveal`
pub async fn reveal(room: Room, path: RawPathParams, Posted(fields): Posted) -> Result<Redirect, ConsoleError> {
    let id = id(&path)?;
    let reason = fields.reason()?;
    room.console.store.conversation(&room.tenant, id).await?.ok_or(ConsoleError::NotFound)?;
    room.record("conversation.reveal", id, json!({ "reason": reason })).await?;
    room.console.sessions.reveal(&room.session.id, Personal::Conversation(id));
    Ok(Redirect::to(&address(&room, id, None)))
}

/// The conversation that a path names.
pub fn id(path: &RawPathParams) -> Result<ConversationId, ConsoleError> {
    let id = path.iter().find(|(name, _)| *name == "id").and_then(|(_, id)| id.parse().ok());
    id.ok_or(ConsoleError::NotFound)
}
