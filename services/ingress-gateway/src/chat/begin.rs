//! `POST /api/v1/chat/sessions`: begins a session whose token a page of another site keeps.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{
    caller::{CallerError, count, newcomer_key, web_account},
    session::Session,
};
use crate::{Shared, respond};

/// `POST /api/v1/chat/sessions`
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let account = match web_account(&shared, &headers) {
        Ok(account) => account,
        Err(error) => return error.respond(),
    };
    if !shared.config.chat.anonymous {
        return CallerError::Unauthenticated.respond();
    }
    if let Err(refusal) =
        count(&shared, &newcomer_key(from.ip()), shared.config.chat.newcomer_messages_per_minute).await
    {
        return refusal;
    }
    let token = Session::new(shared.clock.now()).token(account);
    let seconds = shared.config.chat.session_lifetime.as_secs();
    respond::json(StatusCode::CREATED, &json!({ "token": token, "expires_in_seconds": seconds }))
}
