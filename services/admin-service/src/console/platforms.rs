//! What platforms tell about the accounts (a template was rejected, a number's quality fell), and what of their webhooks
//! became neither a message nor a report. A body may hold what people said: each look is written down, and personal data
//! is masked until an operator says why it has to be seen. What is no JSON, whose fields cannot be told apart, is not shown
//! before.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};
use store::Why;

use super::{
    error::ConsoleError,
    frame::{self, Frame, Place},
    mask::Mask,
    posted::Posted,
    query::{Query, link},
    room::Room,
    session::Personal,
    times::When,
};

/// What nothing reads, in an address.
const UNREAD: &str = "unread";
/// Rows of a page.
const ROWS: usize = 50;

struct Row {
    at: When,
    account: String,
    what: String,
    /// None for one that is too long, or cannot be masked.
    body: Option<String>,
    bytes: i64,
}

struct Tab {
    label: &'static str,
    path: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "platforms.html")]
struct PlatformsPage {
    frame: Frame,
    path: String,
    /// Of the form, what is shown.
    show: &'static str,
    revealed: bool,
    tabs: [Tab; 2],
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
}

/// `GET /console/t/{tenant}/platforms`: `show=unread` for what nothing reads.
pub async fn list(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let unread = query.get("show") == Some(UNREAD);
    let before = query.parse("before");
    let revealed = room.console.sessions.is_revealed(&room.session.id, &Personal::Webhooks(room.tenant.clone()));
    let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
    let store = &room.console.store;
    let mut kept = store.list_unreadable(&room.tenant, !unread, before, limit).await?;
    let is_more = kept.len() > ROWS;
    kept.truncate(ROWS);
    if !kept.is_empty() {
        let detail = json!({ "unread": unread, "before": before, "revealed": revealed });
        room.record("platforms.look", &room.tenant, detail).await?;
    }
    let (now, mask) = (store.now().await?, if revealed { Mask::off() } else { Mask::default() });
    let address = |unread: bool, before: Option<&str>| {
        link(&room.path("/platforms"), &[("show", unread.then_some(UNREAD)), ("before", before)])
    };
    let page = PlatformsPage {
        tabs: [("Told", false), ("Not read", true)].map(|(label, of)| Tab {
            label,
            path: address(of, None),
            here: of == unread,
        }),
        next: kept.last().filter(|_| is_more).map(|last| address(unread, Some(&last.id.to_string()))),
        first: before.map(|_| address(unread, None)),
        rows: kept
            .into_iter()
            .map(|one| Row {
                at: When::new(one.at, now),
                account: one.account.to_string(),
                what: match one.why {
                    Why::Event(kind) if kind.is_empty() => "an event without a kind".to_owned(),
                    Why::Event(words) | Why::Unread(words) => mask.text(&words),
                },
                body: one.body.and_then(|body| shown(&body, revealed)),
                bytes: one.bytes,
            })
            .collect(),
        path: room.path("/platforms"),
        show: if unread { UNREAD } else { "" },
        revealed,
        frame: room.frame(Place::Platforms, "Platforms").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `POST /console/t/{tenant}/platforms/reveal`
pub async fn reveal(room: Room, Posted(fields): Posted) -> Result<Redirect, ConsoleError> {
    let reason = fields.reason()?;
    room.record("platforms.reveal", &room.tenant, json!({ "reason": reason })).await?;
    room.console.sessions.reveal(&room.session.id, Personal::Webhooks(room.tenant.clone()));
    let show = fields.get("show").filter(|show| *show == UNREAD);
    Ok(Redirect::to(&link(&room.path("/platforms"), &[("show", show)])))
}

fn shown(body: &[u8], revealed: bool) -> Option<String> {
    match serde_json::from_slice::<Value>(body) {
        Ok(body) if revealed => serde_json::to_string_pretty(&body).ok(),
        Ok(body) => serde_json::to_string_pretty(&Mask::of_webhook(&body).json(&body)).ok(),
        Err(_) => revealed.then(|| String::from_utf8_lossy(body).into_owned()),
    }
}
