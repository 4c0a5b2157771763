//! The list of conversations, by pages, with filters in the address.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use store::console::{ConversationFilter, ConversationState};

use super::{
    conversation,
    error::ConsoleError,
    frame::{self, Frame, Place},
    mask::Mask,
    query::{Query, link},
    room::Room,
    times::When,
};

/// Rows of a page.
const ROWS: usize = 50;

struct Row {
    path: String,
    id: String,
    /// The end of the id, to tell rows apart.
    tail: String,
    account: String,
    peer: String,
    messages: i64,
    state: ConversationState,
    state_words: String,
    last: Option<When>,
    began: When,
}

#[derive(Template)]
#[template(path = "conversations.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    channel: String,
    state: &'static str,
    states: [ConversationState; 4],
    next: Option<String>,
    first: Option<String>,
}

/// `GET /console/t/{tenant}/conversations`
pub async fn list(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let channel = query.get("channel").filter(|channel| domain::id::is_name(channel));
    let state = query.get("state");
    let state = ConversationState::ALL.into_iter().find(|known| Some(known.as_str()) == state);
    let filter = ConversationFilter { channel: channel.map(str::to_owned), state };
    let before = query.parse("before");
    let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
    let store = &room.console.store;
    let mut lines = store.find_conversations(&room.tenant, &filter, before, limit).await?;
    let is_more = lines.len() > ROWS;
    lines.truncate(ROWS);
    let address = |before: Option<&str>| {
        let pairs = [("channel", channel), ("state", state.map(ConversationState::as_str)), ("before", before)];
        link(&room.path("/conversations"), &pairs)
    };
    let (now, mask) = (store.now().await?, Mask::default());
    let page = ListPage {
        next: lines.last().filter(|_| is_more).map(|last| address(Some(&last.row.id.to_string()))),
        first: before.map(|_| address(None)),
        rows: lines
            .into_iter()
            .map(|line| Row {
                path: conversation::address(&room, line.row.id, None),
                id: line.row.id.to_string(),
                tail: line.row.id.to_string().split_off(30),
                account: line.row.account.to_string(),
                peer: mask.peer(&line.row.peer),
                messages: line.row.next_seq,
                state: line.state,
                state_words: match line.state {
                    ConversationState::Waiting => format!("{} waiting", line.row.next_seq - line.row.done_seq),
                    ConversationState::Unsent => format!("{} unsent", line.row.unsent),
                    other => other.as_str().to_owned(),
                },
                last: line.last_at.map(|at| When::new(at, now)),
                began: When::new(line.row.created_at, now),
            })
            .collect(),
        channel: channel.unwrap_or_default().to_owned(),
        state: state.map_or("", ConversationState::as_str),
        states: ConversationState::ALL,
        frame: room.frame(Place::Conversations, "Conversations").await?,
    };
    Ok(frame::html(&page)?.into_response())
}
