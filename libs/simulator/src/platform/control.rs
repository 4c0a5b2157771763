//! The simulator's own API: `/simulator/faults` orders what goes wrong, `/simulator/templates` what is approved, and
//! `/simulator/webhooks` tells what was posted.
//!
//! | call | does |
//! |---|---|
//! | `GET /simulator/faults` | what is ordered, by platform, and the operations that can be named |
//! | `POST /simulator/faults` | orders more, see [`Order`]; what is not named stays as it is |
//! | `DELETE /simulator/faults` | nothing goes wrong any more; what is gathered goes out when its time is over |
//! | `GET /simulator/templates` | what is approved, by platform |
//! | `POST /simulator/templates` | approves one, or replaces the one of its name and language, see [`Approval`] |
//! | `DELETE /simulator/templates?name=&language=&platform=` | approves it no more; without a platform on each that has it |
//! | `GET /simulator/webhooks?platform=&before=&limit=` | of each platform the newest webhooks whose number is below `before`, `limit` (100, at most 1,000) of them, oldest first, with status and milliseconds of each attempt |
//!
//! Bodies are JSON; an error is `{"error": "<words>"}` with 400 (no such JSON or query), 404 (no such template) or 422 (no
//! such order).

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Platform;
use crate::{faults::Fault, meta::StatusOrder, telegram, template::Template, trouble::Trouble};

/// Orders that may wait for their calls.
const MOST_ORDERS: usize = 1_000;
/// Calls that one order may spoil.
const MOST_TIMES: usize = 10_000;
/// Longest wait that can be ordered, in milliseconds.
const LONGEST_MS: u64 = 600_000;
/// Webhooks told of, unless asked for otherwise, and at most.
const TOLD: usize = 100;
const MOST_TOLD: usize = 1_000;

/// Body of `POST /simulator/faults`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// `infobip`, `meta` or `telegram`; without it every platform that is there.
    platform: Option<String>,
    /// Calls of the platform's API that go wrong, in the order in which they are named.
    #[serde(default)]
    api: Vec<Call>,
    /// Replaces what goes wrong with webhooks.
    webhooks: Option<Trouble>,
    /// Replaces how statuses come.
    statuses: Option<Statuses>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// Empty or absent: whichever call comes next.
    #[serde(default)]
    operation: String,
    /// How many of them, 1 to 10,000.
    #[serde(default = "once")]
    times: usize,
    fault: Wrong,
}

fn once() -> usize {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Wrong {
    /// Answers with this status and does not act; `retry_after` in seconds.
    Status { status: u16, retry_after: Option<u64> },
    /// Acts, then answers with this status.
    StatusAfter { status: u16 },
    /// Waits, then answers as always.
    Delay { ms: u64 },
    /// Never answers and does not act.
    Hang,
    /// Closes the connection and does not act.
    CutBefore,
    /// Acts, then closes the connection.
    CutAfter,
}

/// Statuses of what the business sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Statuses {
    /// They wait this long, up to 600,000 milliseconds: a person who looks meanwhile is reported first.
    delay_ms: u64,
    /// `backward`: the last status first. Only on Meta.
    order: StatusOrder,
    /// How often each is posted, 0 to 100. Only on Meta.
    copies: usize,
}

impl Default for Statuses {
    fn default() -> Self {
        Self { delay_ms: 0, order: StatusOrder::Forward, copies: 1 }
    }
}

type Platforms = Arc<[Platform]>;

/// `/simulator/...` for these platforms.
pub(crate) fn router(platforms: Vec<Platform>) -> Router {
    Router::new()
        .route("/simulator/faults", get(faults).post(order).delete(clear))
        .route("/simulator/templates", get(templates).post(approve).delete(disapprove))
        .route("/simulator/webhooks", get(webhooks))
        .with_state(Platforms::from(platforms))
}

fn told(platforms: &[Platform], tell: impl Fn(&Platform) -> Value) -> Json<Value> {
    Json(Value::Object(platforms.iter().map(|one| (one.name().to_owned(), tell(one))).collect::<Map<_, _>>()))
}

async fn faults(State(platforms): State<Platforms>) -> Json<Value> {
    told(&platforms, |platform| {
        json!({
            "api": platform.faults().count(), "operations": operations(platform), "webhooks": platform.trouble(),
            "statuses": statuses(platform),
        })
    })
}

async fn webhooks(State(platforms): State<Platforms>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let Query(page) = match page {
        Ok(page) => page,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let limit = page.limit.unwrap_or(TOLD);
    if !(1..=MOST_TOLD).contains(&limit) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("limit is 1 to {MOST_TOLD}"));
    }
    let meant = match named(&platforms, page.platform.as_deref()) {
        Ok(meant) => meant,
        Err(refused) => return *refused,
    };
    let told = meant.iter().map(|one| (one.name().to_owned(), Value::Array(one.webhooks(page.before, limit))));
    Json(Value::Object(told.collect::<Map<_, _>>())).into_response()
}

/// Query of `GET /simulator/webhooks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Without it every platform that is there.
    platform: Option<String>,
    /// Numbers from it on are left out; the least number of a page gives the page before.
    before: Option<usize>,
    /// 1 to 1,000; 100 unless said.
    limit: Option<usize>,
}

/// Body of `POST /simulator/templates`.
#[derive(Debug, Deserialize)]
struct Approval {
    /// `infobip` or `meta`; without it each of them that is there.
    platform: Option<String>,
    #[serde(flatten)]
    template: Template,
}

/// Query of `DELETE /simulator/templates`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disapproval {
    platform: Option<String>,
    name: String,
    language: String,
}

async fn templates(State(platforms): State<Platforms>) -> Json<Value> {
    let told = platforms.iter().filter_map(|one| Some((one.name().to_owned(), json!(one.templates()?))));
    Json(Value::Object(told.collect::<Map<_, _>>()))
}

async fn approve(State(platforms): State<Platforms>, body: Bytes) -> Response {
    let Approval { platform, template } = match serde_json::from_slice(&body) {
        Ok(approval) => approval,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Err(wrong) = template.check() {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    }
    let meant = match with_templates(&platforms, platform.as_deref()) {
        Ok(meant) => meant,
        Err(refused) => return *refused,
    };
    for platform in meant {
        if !platform.add_template(template.clone()) {
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, "there is no room for more templates");
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn disapprove(State(platforms): State<Platforms>, query: Result<Query<Disapproval>, QueryRejection>) -> Response {
    let Query(Disapproval { platform, name, language }) = match query {
        Ok(query) => query,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let meant = match with_templates(&platforms, platform.as_deref()) {
        Ok(meant) => meant,
        Err(refused) => return *refused,
    };
    let removed = meant.into_iter().filter(|platform| platform.remove_template(&name, &language)).count();
    match removed {
        0 => refuse(StatusCode::NOT_FOUND, "no template of this name and language is approved"),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// The platforms that are meant: the named one, or all.
fn named<'a>(platforms: &'a [Platform], name: Option<&str>) -> Result<Vec<&'a Platform>, Box<Response>> {
    let meant: Vec<&Platform> =
        platforms.iter().filter(|platform| name.is_none_or(|name| platform.name() == name)).collect();
    if !meant.is_empty() {
        return Ok(meant);
    }
    let names: Vec<&str> = platforms.iter().map(Platform::name).collect();
    Err(Box::new(refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("platform is one of {}", names.join(", ")))))
}

/// Those of them that have templates.
fn with_templates<'a>(platforms: &'a [Platform], name: Option<&str>) -> Result<Vec<&'a Platform>, Box<Response>> {
    let mut meant = named(platforms, name)?;
    meant.retain(|platform| platform.templates().is_some());
    match meant.is_empty() {
        true => Err(Box::new(refuse(StatusCode::UNPROCESSABLE_ENTITY, "telegram has no templates"))),
        false => Ok(meant),
    }
}

async fn order(State(platforms): State<Platforms>, body: Bytes) -> Response {
    let order: Order = match serde_json::from_slice(&body) {
        Ok(order) => order,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let meant = match named(&platforms, order.platform.as_deref()) {
        Ok(meant) => meant,
        Err(refused) => return *refused,
    };
    // All of it or nothing.
    for platform in &meant {
        if let Err(wrong) = check(platform, &order) {
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, &wrong);
        }
    }
    for platform in meant {
        for Call { operation, times, fault } in order.api.clone() {
            platform.faults().times(&operation, times, fault.into());
        }
        if let Some(trouble) = &order.webhooks {
            platform.set_trouble(trouble.clone());
        }
        if let Some(statuses) = &order.statuses {
            set_statuses(platform, statuses);
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn clear(State(platforms): State<Platforms>) -> StatusCode {
    for platform in platforms.iter() {
        platform.faults().clear();
        platform.set_trouble(Trouble::default());
        set_statuses(platform, &Statuses::default());
    }
    StatusCode::NO_CONTENT
}

fn refuse(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({ "error": words }))).into_response()
}

fn check(platform: &Platform, order: &Order) -> Result<(), String> {
    let operations = operations(platform);
    for Call { operation, times, fault } in &order.api {
        if !operation.is_empty() && !operations.contains(operation) {
            return Err(format!("operation is empty or one of {}", operations.join(", ")));
        }
        if !(1..=MOST_TIMES).contains(times) {
            return Err(format!("times is 1 to {MOST_TIMES}"));
        }
        match fault {
            Wrong::Status { status, .. } | Wrong::StatusAfter { status } if !(400..=599).contains(status) => {
                return Err("status is 400 to 599".to_owned());
            }
            Wrong::Delay { ms } if *ms > LONGEST_MS => return Err(format!("ms is at most {LONGEST_MS}")),
            _ => {}
        }
    }
    if platform.faults().count() + order.api.len() > MOST_ORDERS {
        return Err(format!("at most {MOST_ORDERS} orders wait for their calls"));
    }
    if let Some(trouble) = &order.webhooks {
        trouble.check()?;
    }
    let Some(statuses) = &order.statuses else { return Ok(()) };
    if statuses.delay_ms > LONGEST_MS || statuses.copies > 100 {
        return Err(format!("delay_ms is at most {LONGEST_MS}, copies at most 100"));
    }
    match platform {
        Platform::Meta(_) => Ok(()),
        Platform::Infobip(_) if statuses.order == StatusOrder::Forward && statuses.copies == 1 => Ok(()),
        Platform::Infobip(_) => Err("infobip has delay_ms of statuses, and neither order nor copies".to_owned()),
        Platform::Telegram(_) => Err("telegram has no statuses".to_owned()),
    }
}

/// What can be named as operation.
fn operations(platform: &Platform) -> Vec<String> {
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match platform {
        Platform::Infobip(_) => named(&[
            "POST /whatsapp/1/message/text",
            "POST /whatsapp/1/message/template",
            "POST /whatsapp/1/message/location",
            "POST /whatsapp/1/message/image",
            "POST /whatsapp/1/message/document",
            "POST /whatsapp/1/message/interactive/buttons",
            "POST /whatsapp/1/message/interactive/list",
            "POST /whatsapp/1/senders/{sender}/message/{messageId}/read",
            "GET /whatsapp/1/senders/{sender}/media/{mediaId}",
        ]),
        Platform::Meta(_) => {
            named(&["POST messages", "POST read", "POST media", "GET media", "DELETE media", "GET file"])
        }
        Platform::Telegram(_) => {
            let methods = telegram::methods().map(|method| format!("POST {method}"));
            methods.chain(["GET file".to_owned()]).collect()
        }
    }
}

fn statuses(platform: &Platform) -> Option<Statuses> {
    let milliseconds = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    match platform {
        Platform::Infobip(infobip) => {
            Some(Statuses { delay_ms: milliseconds(infobip.report_delay()), ..Statuses::default() })
        }
        Platform::Meta(meta) => {
            let (delay, order, copies) = meta.statuses();
            Some(Statuses { delay_ms: milliseconds(delay), order, copies })
        }
        Platform::Telegram(_) => None,
    }
}

fn set_statuses(platform: &Platform, statuses: &Statuses) {
    let delay = Duration::from_millis(statuses.delay_ms);
    match platform {
        Platform::Infobip(infobip) => infobip.set_report_delay(delay),
        Platform::Meta(meta) => {
            meta.set_status_delay(delay);
            meta.set_status_order(statuses.order);
            meta.set_status_copies(statuses.copies);
        }
        Platform::Telegram(_) => {}
    }
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Status { status, retry_after } => Self::Status { status, retry_after },
            Wrong::StatusAfter { status } => Self::StatusAfter(status),
            Wrong::Delay { ms } => Self::Delay(Duration::from_millis(ms)),
            Wrong::Hang => Self::Hang,
            Wrong::CutBefore => Self::CutBefore,
            Wrong::CutAfter => Self::CutAfter,
        }
    }
}
