//! The API that a business calls.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    ErrorBody, Infobip, Repeats, Send,
    check::{Violations, check, has_template},
    content::{attached, read},
    media, webhook,
};
use crate::{
    faults::{After, Before},
    phone::{Attached, Bubble, Tick},
    serve,
};

pub(super) fn router(infobip: Infobip) -> Router {
    Router::new()
        .route("/whatsapp/1/message/text", post(send))
        .route("/whatsapp/1/message/template", post(send))
        .route("/whatsapp/1/message/location", post(send))
        .route("/whatsapp/1/message/image", post(send))
        .route("/whatsapp/1/message/document", post(send))
        .route("/whatsapp/1/message/interactive/buttons", post(send))
        .route("/whatsapp/1/message/interactive/list", post(send))
        .route("/whatsapp/1/senders/{sender}/message/{message}/read", post(mark_read))
        .route("/whatsapp/1/senders/{sender}/media/{media}", get(media::give))
        .fallback(async |State(infobip): State<Infobip>| {
            error(&infobip, StatusCode::NOT_FOUND, "NOT_FOUND", "Requested URL not found", &Violations::default())
        })
        .layer(DefaultBodyLimit::max(256 * 1024))
        .with_state(infobip)
}

/// Both error bodies of the real API.
pub(super) fn error(infobip: &Infobip, status: StatusCode, id: &str, text: &str, violations: &Violations) -> Response {
    let body = match infobip.0.config.error_body {
        ErrorBody::Classic => {
            let mut exception = json!({"messageId": id, "text": text});
            if !violations.0.is_empty() {
                exception["validationErrors"] = json!(violations.0);
            }
            json!({"requestError": {"serviceException": exception}})
        }
        ErrorBody::Modern => {
            let list: Vec<Value> = violations
                .0
                .iter()
                .flat_map(|(property, texts)| {
                    texts.iter().map(move |text| json!({"property": property, "violation": text}))
                })
                .collect();
            json!({
                "errorCode": format!("E{}", status.as_u16()), "description": text,
                "action": "Check the request and the API documentation.", "violations": list, "resources": [],
            })
        }
    };
    (status, Json(body)).into_response()
}

pub(super) fn authorized(infobip: &Infobip, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let expected = format!("App {}", infobip.0.config.api_key);
    match headers.get(header::AUTHORIZATION) {
        Some(value) if value.as_bytes() == expected.as_bytes() => Ok(()),
        _ => Err(Box::new(error(
            infobip,
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "Invalid login details",
            &Violations::default(),
        ))),
    }
}

pub(super) fn refuse(infobip: &Infobip, status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (id, text) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("TOO_MANY_REQUESTS", "Too many requests"),
        StatusCode::FORBIDDEN => ("FORBIDDEN", "Forbidden"),
        StatusCode::UNAUTHORIZED => ("UNAUTHORIZED", "Invalid login details"),
        status if status.is_client_error() => ("BAD_REQUEST", "Bad Request"),
        _ => ("GENERAL_ERROR", "Something went wrong. Please contact support."),
    };
    let mut response = error(infobip, status, id, text, &Violations::default());
    if let Some(wait) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

async fn send(State(infobip): State<Infobip>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path();
    let fault = infobip.0.faults.take(&format!("POST {path}"));
    if let Some(fault) = &fault {
        match fault.before().await {
            Before::Act => {}
            Before::Refuse { status, retry_after } => return refuse(&infobip, status, retry_after),
            Before::Cut => return serve::cut(),
        }
    }
    let answer = act(&infobip, path.trim_start_matches("/whatsapp/1/message/"), &headers, &body);
    if let Some(fault) = &fault {
        match fault.after().await {
            After::Answer => {}
            After::Refuse(status) => return refuse(&infobip, status, None),
            After::Cut => return serve::cut(),
        }
    }
    answer
}

fn act(infobip: &Infobip, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    if let Err(response) = authorized(infobip, headers) {
        return *response;
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        let text = "Unsupported media type";
        return error(
            infobip,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            text,
            &Violations::default(),
        );
    }
    let Ok(mut message) = serde_json::from_slice::<Value>(body) else {
        return error(infobip, StatusCode::BAD_REQUEST, "BAD_REQUEST", "Malformed JSON", &Violations::default());
    };
    // Templates come as a list, of which we take one.
    let listed = path == "template";
    if listed {
        message = match message.get_mut("messages").and_then(Value::as_array_mut).map(Vec::as_mut_slice) {
            Some([message]) => message.take(),
            _ => Value::Null,
        };
    }
    let violations = check(path, &message, &infobip.0.config.sender);
    if !violations.0.is_empty() {
        return error(infobip, StatusCode::BAD_REQUEST, "BAD_REQUEST", "Bad Request", &violations);
    }
    let given = |key: &str| message.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let to = given("to").unwrap_or_default().trim_start_matches('+').to_owned();
    let message_id = given("messageId");
    let content = message.get("content").cloned().unwrap_or(Value::Null);
    let path_is_image = path == "image";
    let now = infobip.now();

    let mut inner = infobip.lock();
    if listed && let Err(violations) = has_template(&inner.templates, &content) {
        drop(inner);
        return error(infobip, StatusCode::BAD_REQUEST, "BAD_REQUEST", "Bad Request", &violations);
    }
    let known =
        message_id.as_deref().is_some_and(|id| inner.sends.iter().any(|send| send.message_id.as_deref() == Some(id)));
    let shown = !(known && inner.repeats == Repeats::Honour);
    let id = match (&message_id, inner.repeats) {
        (Some(id), Repeats::Honour | Repeats::Echo) => id.clone(),
        (_, _) => uuid::Uuid::new_v4().to_string(),
    };
    let quoted = message.pointer("/context/replyToMessageId").and_then(Value::as_str).map(str::to_owned);
    let callback_data = given("callbackData").filter(|_| inner.repeats != Repeats::Forget);
    inner.sends.push(Send { to: to.clone(), message_id, shown, content: content.clone(), at: now });
    let reachable = !inner.unreachable.contains(&to);
    let (text, kind) = read(path, &content, &inner.templates);
    drop(inner);
    infobip.changed();
    if shown {
        let tick = if reachable { Tick::Sent } else { Tick::Failed };
        let bubble = Bubble {
            quoted,
            callback_data,
            attached: attached(&content),
            ..Bubble::new(id.clone(), false, text, kind, tick, now)
        };
        let arriving = Arriving { to: to.clone(), bubble, callback_data: given("callbackData"), reachable };
        match given_url(&content) {
            // The platform took the message, and fetches its file by itself.
            Some(url) => {
                let infobip = infobip.clone();
                tokio::spawn(async move { arriving.with_file(&infobip, path_is_image, &url).await });
            }
            None => arriving.arrive(infobip),
        }
    }
    let status = json!({
        "groupId": 1, "groupName": "PENDING", "id": 7, "name": "PENDING_ENROUTE", "description": "Message sent to next instance",
    });
    let sent = json!({"to": to, "messageCount": 1, "messageId": id, "status": status});
    Json(if listed { json!({"messages": [sent]}) } else { sent }).into_response()
}

/// A message that was taken, on its way to a phone.
struct Arriving {
    to: String,
    bubble: Bubble,
    callback_data: Option<String>,
    reachable: bool,
}

impl Arriving {
    fn arrive(self, infobip: &Infobip) {
        let Self { to, bubble, callback_data, reachable } = self;
        let id = bubble.id.clone();
        let mut inner = infobip.lock();
        let blocked = inner.blocked.contains(&to);
        if reachable && !blocked {
            inner.phones.chat(&to).bubbles.push(bubble);
        }
        drop(inner);
        infobip.changed();
        if !blocked {
            webhook::report_delivery(infobip, &to, &id, callback_data, reachable);
        }
    }

    /// Fetches the file as the platform does, without any key; one that it does not get, or whose type is none of a
    /// picture where it has to be one, is reported as undeliverable.
    async fn with_file(mut self, infobip: &Infobip, image: bool, url: &str) {
        match media::fetch(infobip, url, image).await {
            Some((media_type, content)) => {
                let id = infobip.lock().media.add(&media_type, &content);
                let name = self.bubble.attached.take().and_then(|attached| match attached {
                    Attached::File { name, .. } => name,
                    Attached::Place { .. } | Attached::Contact { .. } => None,
                });
                self.bubble.attached = Some(Attached::File { id, media_type, name });
            }
            None => self.reachable = false,
        }
        self.arrive(infobip);
    }
}

/// The address of the file of a lawful send of one.
fn given_url(content: &Value) -> Option<String> {
    content.get("mediaUrl").and_then(Value::as_str).map(str::to_owned)
}

async fn mark_read(
    State(infobip): State<Infobip>,
    Path((sender, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let fault = infobip.0.faults.take("POST /whatsapp/1/senders/{sender}/message/{messageId}/read");
    if let Some(fault) = &fault {
        match fault.before().await {
            Before::Act => {}
            Before::Refuse { status, retry_after } => return refuse(&infobip, status, retry_after),
            Before::Cut => return serve::cut(),
        }
    }
    if let Err(response) = authorized(&infobip, &headers) {
        return *response;
    }
    let mut inner = infobip.lock();
    let peer = inner.phones.writer(&message).filter(|_| sender == infobip.0.config.sender);
    let Some(peer) = peer else {
        drop(inner);
        return error(&infobip, StatusCode::NOT_FOUND, "NOT_FOUND", "Message not found", &Violations::default());
    };
    // WhatsApp marks everything before it too.
    let upto = inner.phones.chat(&peer).bubbles.iter().position(|bubble| bubble.id == message).unwrap_or(0);
    let ids: Vec<String> =
        inner.phones.chat(&peer).bubbles.iter().take(upto + 1).map(|bubble| bubble.id.clone()).collect();
    inner.phones.tick(&peer, Tick::Read, |bubble| bubble.mine && ids.contains(&bubble.id));
    drop(inner);
    infobip.changed();
    StatusCode::OK.into_response()
}
