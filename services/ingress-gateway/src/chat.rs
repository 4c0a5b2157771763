//! Web chat, below `/api/v1/chat`: one file for each path.

mod begin;
mod caller;
mod events;
mod feedback;
mod files;
mod history;
mod messages;
mod origin;
mod post;
mod session;
mod streams;
mod uploads;
mod watch;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
    routing::{get, post as post_method},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

pub(crate) use streams::Streams;

use crate::{Shared, respond};

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/v1/chat", post_method(post::handle))
        .route("/api/v1/chat/sessions", post_method(begin::handle))
        .route("/api/v1/chat/uploads", post_method(uploads::handle))
        .route("/api/v1/chat/{conversation_id}/events", get(events::handle))
        .route("/api/v1/chat/{conversation_id}/files/{sha256}", get(files::handle))
        .route("/api/v1/chat/{conversation_id}/messages", get(history::handle))
        .route("/api/v1/chat/{conversation_id}/messages/{message_id}/feedback", post_method(feedback::handle))
        .route_layer(axum::middleware::from_fn_with_state(shared.clone(), cross_origin))
        .with_state(shared)
}

/// Refuses foreign origins before anything is done, and answers the browser's questions about allowed ones.
async fn cross_origin(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let allowed = |origin: &str| shared.accounts.web_of_origin(origin).is_some();
    let origin = match origin::check(request.headers(), allowed) {
        Ok(origin) => origin,
        Err(origin::Foreign) => return respond::problem(StatusCode::FORBIDDEN, "this origin is not allowed"),
    };
    let mut response =
        if request.method() == Method::OPTIONS { preflight(request.headers()) } else { next.run(request).await };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after, x-session-token"));
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    response
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, accept, last-event-id"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}
