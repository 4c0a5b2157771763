//! What platforms tell about the accounts (a template was rejected, a number's quality fell), and what of their webhooks
//! became neither a message nor a report. Each look is written down, and personal data is masked: a body may hold what
//! people said. So what is no JSON, whose fields cannot be told apart, is not shown.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use store::Why;

use super::{
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
    at: When,
    account: String,
    what: String,
    /// Masked; none for one that is too long or no JSON.
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
    tabs: [Tab; 2],
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
}

/// `GET /console/t/{tenant}/platforms`: `show=unread` for what nothing reads.
pub async fn list(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let unread = query.get("show") == Some("unread");
    let before = query.parse("before");
    let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
    let store = &room.console.store;
    let mut kept = store.list_unreadable(&room.tenant, !unread, before, limit).await?;
    let is_more = kept.len() > ROWS;
    kept.truncate(ROWS);
    if !kept.is_empty() {
        room.record("platforms.look", &room.tenant, json!({ "unread": unread, "before": before })).await?;
    }
    let (now, mask) = (store.now().await?, Mask::default());
    let address = |unread: bool, before: Option<&str>| {
        link(&room.path("/platforms"), &[("show", unread.then_some("unread")), ("before", before)])
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
                body: one.body.and_then(|body| shown(&body)),
                bytes: one.bytes,
            })
            .collect(),
        frame: room.frame(Place::Platforms, "Platforms").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

fn shown(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    serde_json::to_string_pretty(&Mask::of_webhook(&body).json(&body)).ok()
}
