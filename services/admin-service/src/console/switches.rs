//! Switches: how each one stands and why, and changing it after a question.

use ai::Switch;
use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{
    error::ConsoleError,
    frame::{self, Frame, Place},
    posted::Posted,
    query::Query,
    room::Room,
    times::When,
};
use crate::switches::{Standing, SwitchError, find};

/// One switch on the page.
struct Row {
    name: &'static str,
    label: &'static str,
    /// What its value is, in words.
    state: String,
    /// What that means.
    means: &'static str,
    /// An operator should know that it is so.
    look: bool,
    change: Option<(String, When)>,
    starts: Vec<(String, String)>,
    /// Values that it may be given by a button, with the button's words.
    offers: Vec<(&'static str, &'static str)>,
    /// It is a number, now this one.
    number: Option<String>,
}

#[derive(Template)]
#[template(path = "switches.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "switches_confirm.html")]
struct ConfirmPage {
    frame: Frame,
    question: String,
    means: &'static str,
    name: &'static str,
    /// The new value; none takes an operator's change back.
    value: Option<String>,
    back: String,
}

impl From<SwitchError> for ConsoleError {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::Store(error) => error.into(),
            wrong @ (SwitchError::Name(_) | SwitchError::Value { .. }) => Self::Bad(wrong.to_string()),
        }
    }
}

/// `GET /console/t/{tenant}/switches`
pub async fn list(room: Room) -> Result<Response, ConsoleError> {
    let (all, now) = (room.console.switchboard.list(&room.tenant).await?, room.console.store.now().await?);
    let page = ListPage {
        rows: all.into_iter().map(|standing| row(standing, now)).collect(),
        frame: room.frame(Place::Switches, "Switches").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `GET /console/t/{tenant}/switches/confirm`: is it meant?
pub async fn confirm(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let switch = find(query.get("name").unwrap_or_default())?;
    let value = match query.get("value") {
        None => None,
        Some(value) => Some(switch.normal(value).map_err(|cause| SwitchError::Value { switch, cause })?),
    };
    let page = ConfirmPage {
        question: match &value {
            Some(value) => format!("{}: {}?", label(switch), state(switch, Some(value))),
            None => format!("{}: back to the value of the start?", label(switch)),
        },
        means: means(switch, value.as_deref()),
        name: switch.name(),
        value,
        back: room.path("/switches"),
        frame: room.frame(Place::Switches, "Change a switch").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `POST /console/t/{tenant}/switches/change`
pub async fn change(room: Room, Posted(fields): Posted) -> Result<Redirect, ConsoleError> {
    let name = fields.get("name").unwrap_or_default();
    let (board, actor) = (&room.console.switchboard, room.actor());
    let standing = match fields.get("value") {
        Some(value) => board.set(&room.tenant, name, value, &actor).await?,
        None => board.clear(&room.tenant, name, &actor).await?,
    };
    let (label, state) = (label(standing.switch), state(standing.switch, standing.value()));
    room.console.sessions.tell(&room.session.id, format!("{label}: {state}. All parts follow within 2 s."), false);
    Ok(Redirect::to(&room.path("/switches")))
}

fn row(standing: Standing, now: domain::Micros) -> Row {
    let (switch, value) = (standing.switch, standing.value().map(str::to_owned));
    let is_number = switch == Switch::RateLimit;
    Row {
        name: switch.name(),
        label: label(switch),
        state: state(switch, value.as_deref()),
        means: means(switch, value.as_deref()),
        look: matches!(
            (switch, value.as_deref()),
            (Switch::Enabled, Some("false")) | (Switch::FallbackMode, Some("true"))
        ),
        change: standing.change.map(|change| (change.by, When::new(change.at, now))),
        starts: standing.starts,
        offers: match value.as_deref() {
            _ if is_number => Vec::new(),
            Some("true") => vec![("false", "Turn off")],
            Some(_) => vec![("true", "Turn on")],
            None => vec![("true", "Turn on"), ("false", "Turn off")],
        },
        number: is_number.then(|| value.unwrap_or_default()),
    }
}

fn label(switch: Switch) -> &'static str {
    match switch {
        Switch::Enabled => "AI",
        Switch::FallbackMode => "Fallback mode",
        Switch::RateLimit => "Web chat limit",
        Switch::Debug => "Debug log",
    }
}

fn state(switch: Switch, value: Option<&str>) -> String {
    match (switch, value) {
        (_, None) => "not known".to_owned(),
        (Switch::RateLimit, Some(number)) => format!("{number} messages of one user in 60 s"),
        (_, Some("true")) => "on".to_owned(),
        (_, Some(_)) => "off".to_owned(),
    }
}

/// What a value means; without one, what the switch is about.
fn means(switch: Switch, value: Option<&str>) -> &'static str {
    match (switch, value) {
        (Switch::Enabled, Some("true")) => "Models are asked, and the web chat takes messages.",
        (Switch::Enabled, _) => {
            "While it is off, no model is asked: the web chat answers new messages with 503, and on the channels the \
             dialogue answers. Turns under way end as they began."
        }
        (Switch::FallbackMode, Some("false")) => "The chat model is asked, where one is configured.",
        (Switch::FallbackMode, _) => {
            "While it is on, the chat model is not asked: the dialogue answers everywhere. Turns under way end as they \
             began."
        }
        (Switch::RateLimit, _) => "Whoever writes more waits: the web chat answers with 429.",
        (Switch::Debug, _) => {
            "While it is on, the log of the worker has a line for each turn: candidates, calls, questions to the model. \
             Nobody's words are in it."
        }
    }
}
