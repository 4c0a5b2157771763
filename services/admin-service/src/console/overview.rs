//! The overview: live figures by server-sent events, by asking again where a stream drops, and without any script by
//! a page that reloads itself.

use std::{convert::Infallible, sync::Arc, time::Duration};

use askama::Template;
use axum::{
    Extension, Json,
    extract::State,
    response::{
        IntoResponse as _, Redirect, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, StreamExt as _};
use serde::Serialize;

use super::{
    Console,
    error::ConsoleError,
    figures::{Figure, Group, summary},
    frame::{self, Frame, Place},
    room::Room,
    session::{Scope, Session},
};

/// Between two looks of a stream.
const EVERY: Duration = Duration::from_secs(2);
/// A browser whose stream dropped comes again after so long.
const RETRY: Duration = Duration::from_secs(3);

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    groups: Vec<Group>,
    summary: String,
}

/// What the script shows.
#[derive(Serialize)]
pub struct Told {
    summary: String,
    figures: Vec<Figure>,
}

impl Told {
    fn new(groups: Vec<Group>) -> Self {
        let summary = summary(&groups);
        Self { summary, figures: groups.into_iter().flat_map(|group| group.figures).collect() }
    }
}

/// `GET /console`: to the operator's own tenant.
pub async fn home(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
) -> Result<Redirect, ConsoleError> {
    let tenant = match &session.scope {
        Scope::Some(_) => session.tenant,
        // Whoever sees all begins where there is something.
        Scope::All => {
            let tenants = console.store.tenants().await?;
            if tenants.contains(&session.tenant) {
                session.tenant
            } else {
                tenants.into_iter().next().unwrap_or(session.tenant)
            }
        }
    };
    Ok(Redirect::to(&format!("/console/t/{tenant}")))
}

/// `GET /console/t/{tenant}`
pub async fn page(room: Room) -> Result<Response, ConsoleError> {
    let groups = groups(&room).await?;
    let page =
        OverviewPage { frame: room.frame(Place::Overview, "Overview").await?, summary: summary(&groups), groups };
    Ok(frame::html(&page)?.into_response())
}

/// `GET /console/t/{tenant}/figures`
pub async fn figures(room: Room) -> Result<Json<Told>, ConsoleError> {
    Ok(Json(Told::new(groups(&room).await?)))
}

/// `GET /console/t/{tenant}/events`: ends with the session and with the service.
pub async fn events(room: Room) -> Response {
    let stop = room.console.stop.clone();
    let stream = told(room).take_until(stop.cancelled_owned());
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

fn told(room: Room) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold((room, false), |(room, mut pause)| async move {
        loop {
            if pause {
                tokio::time::sleep(EVERY).await;
            }
            pause = true;
            // It ends with its session, and with the key of it; an answer that the database owes comes later.
            let console = &room.console;
            if !console.sessions.lasts(&room.session.id)
                || matches!(console.still_valid(&room.session).await, Ok(false))
            {
                return None;
            }
            // While the database is away, nothing new is told; the page says how old its figures are.
            let Ok(groups) = room.console.board.groups(&room.tenant).await else { continue };
            // Told also when nothing changed: the page shows that it is alive.
            let text = serde_json::to_string(&Told::new(groups)).unwrap_or_default();
            let event = Event::default().event("figures").retry(RETRY).data(&text);
            return Some((Ok(event), (room, true)));
        }
    })
}

async fn groups(room: &Room) -> Result<Vec<Group>, ConsoleError> {
    room.console.board.groups(&room.tenant).await.map_err(ConsoleError::Board)
}
