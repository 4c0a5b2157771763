//! The API that a bot calls.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Order, Telegram, edit, known::Method, params::Params, poll, refusal::Refusal, send, webhook};
use crate::{
    faults::{After, Before, Fault},
    serve,
};

/// Bytes of a call: the largest file that a bot may send, and a little.
const MOST_BYTES: usize = 51 * 1024 * 1024;

pub(super) fn router(telegram: Telegram) -> Router {
    Router::new()
        .route("/bot{token}/{method}", get(call).post(call))
        .route("/file/bot{token}/{*path}", get(file))
        .fallback(async || Refusal::new(404, "Not Found"))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(telegram)
}

async fn call(
    State(telegram): State<Telegram>,
    Path((token, method)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let method = Method::find(&method);
    let operation = method.map_or_else(String::new, |method| format!("POST {}", method.name));
    let fault = telegram.0.faults.take(&operation);
    if let Some(response) = before(&telegram, fault.as_ref()).await {
        return response;
    }
    let answer = act(&telegram, &token, method, &uri, &headers, &body).await;
    let response = match answer {
        Ok((result, None)) => Json(json!({"ok": true, "result": result})).into_response(),
        Ok((result, Some(text))) => Json(json!({"ok": true, "result": result, "description": text})).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    after(fault.as_ref(), response).await
}

async fn before(telegram: &Telegram, fault: Option<&Fault>) -> Option<Response> {
    match fault?.before().await {
        Before::Act => None,
        Before::Refuse { status, retry_after } => {
            if let (429, Some(seconds)) = (status, retry_after) {
                telegram.lock().limiter.pause(telegram.now(), seconds);
            }
            Some(Refusal::ordered(status, retry_after).into_response())
        }
        Before::Cut => Some(serve::cut()),
    }
}

async fn after(fault: Option<&Fault>, response: Response) -> Response {
    let Some(fault) = fault else { return response };
    match fault.after().await {
        After::Answer => response,
        After::Refuse(status) => Refusal::ordered(status, None).into_response(),
        After::Cut => serve::cut(),
    }
}

type Answered = Result<(Value, Option<&'static str>), Refusal>;

async fn act(
    telegram: &Telegram,
    token: &str,
    method: Option<Method>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Answered {
    authorized(telegram, token)?;
    let method = method.ok_or_else(|| Refusal::new(404, "Not Found: method not found"))?;
    let now = telegram.now();
    if method.name != "getUpdates" {
        // To hear is not to send: a poll need not wait.
        telegram.lock().limiter.waited(now)?;
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut params = Params::read(uri.query(), kind, body)?;
    let unknown: Vec<String> = params.names().filter(|name| !method.takes(name)).map(str::to_owned).collect();
    // A file's part may have any name, if a parameter points at it.
    let unknown: Vec<String> = unknown.into_iter().filter(|name| !params.attaches(name)).collect();
    params.odd.extend(unknown.iter().map(|name| format!("unknown parameter {name}")));
    let answer = match method.name {
        "getUpdates" => poll::get_updates(telegram, &mut params).await.map(|updates| (updates, None)),
        name => at_once(telegram, name, &mut params),
    };
    let mut inner = telegram.lock();
    for odd in params.odd {
        inner.note(format!("{}: {odd}", method.name));
    }
    telegram.count(&inner);
    drop(inner);
    telegram.changed();
    if method.name == "setWebhook" {
        webhook::pump(telegram, Order::AsMade);
    }
    answer
}

fn at_once(telegram: &Telegram, method: &'static str, params: &mut Params) -> Answered {
    let now = telegram.now();
    let config = &telegram.0.config;
    let mut inner = telegram.lock();
    if !params.text("business_connection_id").is_empty() {
        return Err(Refusal::bad("business connection not found"));
    }
    let inner = &mut *inner;
    let answer = match method {
        "getMe" => Ok(inner.me()),
        "editMessageText" | "editMessageReplyMarkup" => edit::edit(inner, now, method, params),
        "deleteMessage" => edit::delete(inner, now, params),
        "answerCallbackQuery" => edit::answer(inner, now, config.query_life, params),
        "sendChatAction" => edit::action(inner, now, params),
        "setMyCommands" => edit::commands(inner, params),
        "leaveChat" => edit::leave(inner, params),
        "getFile" => inner.media.prepare(params.text("file_id")),
        "getWebhookInfo" => Ok(webhook::info(inner, now)),
        "setWebhook" => return webhook::set(inner, config, params).map(|text| (Value::Bool(true), Some(text))),
        "deleteWebhook" => return Ok((Value::Bool(true), Some(webhook::delete(inner, params)))),
        _ => send::send(inner, now, method, params),
    };
    answer.map(|result| (result, None))
}

fn authorized(telegram: &Telegram, token: &str) -> Result<(), Refusal> {
    match token == telegram.0.config.token {
        true => Ok(()),
        false => Err(Refusal::new(401, "Unauthorized")),
    }
}

/// A file that a person sent, for as long as its path lasts.
async fn file(State(telegram): State<Telegram>, Path((token, path)): Path<(String, String)>) -> Response {
    let fault = telegram.0.faults.take("GET file");
    if let Some(response) = before(&telegram, fault.as_ref()).await {
        return response;
    }
    if let Err(refusal) = authorized(&telegram, &token) {
        return refusal.into_response();
    }
    let content = telegram.lock().media.read(&path);
    let response = match content {
        Some(content) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], Bytes::from_owner(content)).into_response()
        }
        None => Refusal::new(404, "Not Found").into_response(),
    };
    after(fault.as_ref(), response).await
}
