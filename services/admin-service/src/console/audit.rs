//! What operators did, of this tenant.

use askama::Template;
use axum::response::{IntoResponse as _, Response};

use super::{
    error::ConsoleError,
    frame::{self, Frame, Place},
    query::{Query, link},
    room::Room,
    times::When,
};

/// Rows of a page.
const ROWS: usize = 50;

struct Row {
    n: i64,
    at: When,
    actor: String,
    action: String,
    subject: String,
    from: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
}

/// `GET /console/t/{tenant}/audit`
pub async fn list(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let before = query.parse::<i64>("before");
    let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
    let store = &room.console.store;
    let mut lines = store.list_audit(&room.tenant, before, limit).await?;
    let is_more = lines.len() > ROWS;
    lines.truncate(ROWS);
    let now = store.now().await?;
    let address = |before: Option<&str>| link(&room.path("/audit"), &[("before", before)]);
    let page = AuditPage {
        next: lines.last().filter(|_| is_more).map(|last| address(Some(&last.n.to_string()))),
        first: before.map(|_| address(None)),
        rows: lines
            .into_iter()
            .map(|line| {
                let mut detail = line.entry.detail;
                let from = detail.as_object_mut().and_then(|detail| detail.remove("from"));
                let is_empty = detail.as_object().is_none_or(serde_json::Map::is_empty);
                Row {
                    n: line.n,
                    at: When::new(line.at, now),
                    actor: line.entry.actor,
                    action: line.entry.action,
                    subject: line.entry.subject,
                    from: from.and_then(|from| from.as_str().map(str::to_owned)).unwrap_or_default(),
                    detail: if is_empty { String::new() } else { detail.to_string() },
                }
            })
            .collect(),
        frame: room.frame(Place::Audit, "Audit").await?,
    };
    Ok(frame::html(&page)?.into_response())
}
