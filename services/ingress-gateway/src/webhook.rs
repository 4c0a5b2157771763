//! `POST /webhook/{channel}/{account}`: verify, parse, accept, 200, ring.
//!
//! 401, 404 and the limits are answered without a body. A body with a good signature is never refused for its shape:
//! what cannot be read is stored for an operator, since platforms repeat a refused one for days.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::post,
};
use bytes::Bytes;
use channels::{Channel, Parsed};
use domain::{ConversationId, Incoming, telemetry::metric};
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{ALLOW, CONTENT_TYPE},
};
use service_kit::telemetry;
use store::{Accepted, StoreError, Why};
use tracing::{Instrument as _, Span, field::display};

use crate::{Shared, accounts::WebhookAccount, body, respond};

/// What a platform is told when the database cannot take its message.
const RETRY_AFTER: Duration = Duration::from_secs(5);

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/webhook", post(plain).get(plain_asked))
        .route("/webhook/{channel}/{account}", post(by_account).get(by_account_asked))
        .with_state(shared)
}

async fn plain(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Response {
    match shared.accounts.default_webhook() {
        Some(account) => receive(&shared, account, &headers, body).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn by_account(
    State(shared): State<Arc<Shared>>,
    Path((channel, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match shared.accounts.webhook(&channel, &name) {
        Some(account) => receive(&shared, account, &headers, body).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The path of a webhook that was configured whole, such as a Telegram bot's; 404 for every other one.
pub(crate) async fn at_path(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match shared.accounts.webhook_at(uri.path()) {
        Some(account) if method == Method::POST => receive(&shared, account, &headers, body).await,
        Some(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn plain_asked(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    asked(shared.accounts.default_webhook(), &uri)
}

async fn by_account_asked(
    State(shared): State<Arc<Shared>>,
    Path((channel, name)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    asked(shared.accounts.webhook(&channel, &name), &uri)
}

/// Meta asks with a `GET` whether a webhook is ours.
fn asked(account: Option<&WebhookAccount>, uri: &Uri) -> Response {
    match account.map(|account| &account.channel) {
        Some(Channel::Meta(meta, _)) => match meta.challenge(uri.query().unwrap_or_default()) {
            Some(challenge) => ([(CONTENT_TYPE, "text/plain")], challenge).into_response(),
            None => StatusCode::FORBIDDEN.into_response(),
        },
        Some(_) => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn receive(shared: &Shared, account: &WebhookAccount, headers: &HeaderMap, body: Body) -> Response {
    Span::current().record("account", display(&account.account));
    let limits = &shared.config.webhook;
    let bytes_max = limits.body_bytes_max.max(account.channel.webhook_bytes_min());
    let body = match body::read(headers, body, bytes_max, limits.body_read_timeout).await {
        Ok(body) => body,
        Err(error) => return counted(account, "limit", error.status()),
    };
    if let Err(error) = account.channel.verify(headers, &body) {
        tracing::warn!(%error, "a webhook was not believed");
        return counted(account, "refused", StatusCode::UNAUTHORIZED);
    }
    match take(shared, account, &body).await {
        Ok(outcome) => counted(account, outcome, StatusCode::OK),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a webhook could not be stored; the platform has to repeat it"
            );
            respond::retry_after(counted(account, "unavailable", StatusCode::SERVICE_UNAVAILABLE), RETRY_AFTER)
        }
    }
}

fn counted(account: &WebhookAccount, outcome: &'static str, status: StatusCode) -> Response {
    count(account, outcome);
    status.into_response()
}

/// Counts a body and what became of it.
pub(crate) fn count(account: &WebhookAccount, outcome: &'static str) {
    metrics::counter!(metric::WEBHOOKS, "channel" => account.channel.name(), "outcome" => outcome).increment(1);
}

/// Stores what a believed body says and rings; an error means that the platform has to repeat it.
pub(crate) async fn take(shared: &Shared, account: &WebhookAccount, body: &Bytes) -> Result<&'static str, StoreError> {
    let parsed = match account.channel.parse(&account.tenant, &account.account, body, shared.clock.now()) {
        Ok(parsed) => parsed,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a webhook cannot be read; stored");
            store_unreadable(shared, account, body, Why::Unread(error.to_string())).await?;
            return Ok("unreadable");
        }
    };
    // Reports alone send nothing on.
    let span = if parsed.messages.is_empty() { Span::current() } else { telemetry::send_inbox(parsed.messages.len()) };
    let traceparent = telemetry::traceparent_of(&span);
    let stored = store_parsed(shared, account, parsed, traceparent.as_deref()).instrument(span).await?;
    for conversation in stored {
        shared.coordination.ring(conversation, traceparent.as_deref());
    }
    Ok("accepted")
}

/// Commits everything a body says, what waits for an answer first; gives the conversations to ring.
async fn store_parsed(
    shared: &Shared,
    account: &WebhookAccount,
    parsed: Parsed,
    traceparent: Option<&str>,
) -> Result<BTreeSet<ConversationId>, StoreError> {
    let oldest = shared.clock.now() - shared.config.webhook.age_max;
    let (late, mut messages): (Vec<Incoming>, Vec<Incoming>) =
        parsed.messages.into_iter().partition(|message| message.written_at.is_some_and(|at| at < oldest));
    for message in &mut messages {
        message.traceparent = traceparent.map(str::to_owned);
    }
    metrics::counter!(metric::MESSAGES_RECEIVED, "channel" => account.channel.name()).increment(messages.len() as u64);
    let mut ring = accept(shared, account, &messages).await?;
    if !parsed.receipts.is_empty() {
        match shared.store.record_receipts(&account.tenant, &parsed.receipts).await {
            Ok(conversations) => ring.extend(conversations),
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "reports cannot be stored; kept as text");
                let kept = serde_json::to_vec(&parsed.receipts).unwrap_or_default();
                store_unreadable(shared, account, &kept, Why::Unread(error.to_string())).await?;
            }
        }
    }
    for event in &parsed.events {
        tracing::info!(kind = %event.kind, "the platform tells about the account; stored");
        store_unreadable(shared, account, &event.payload, Why::Event(event.kind.clone())).await?;
    }
    for part in &parsed.unknown {
        tracing::info!(reason = %part.reason, "a part of a webhook is unknown; stored");
        store_unreadable(shared, account, &part.payload, Why::Unread(part.reason.clone())).await?;
    }
    for message in &late {
        tracing::warn!("a message was written too long ago to be answered; stored");
        keep(shared, account, message, "written too long ago").await?;
    }
    Ok(ring)
}

/// Accepts the messages together; if one of them can never go in, one by one, so that it alone is set aside.
async fn accept(
    shared: &Shared,
    account: &WebhookAccount,
    messages: &[Incoming],
) -> Result<BTreeSet<ConversationId>, StoreError> {
    let mut ring = BTreeSet::new();
    let mut add = |accepted: Vec<Accepted>| {
        ring.extend(accepted.iter().filter(|accepted| accepted.ring).map(|accepted| accepted.conversation));
    };
    if messages.is_empty() {
        return Ok(ring);
    }
    match shared.groups.accept(messages.to_vec()).await {
        Ok(accepted) => add(accepted),
        Err(error) if error.is_retryable() => return Err(error),
        Err(_) => {
            for message in messages {
                match shared.store.accept(std::slice::from_ref(message)).await {
                    Ok(accepted) => add(accepted),
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "a message cannot be stored; kept as text"
                        );
                        keep(shared, account, message, &error.to_string()).await?;
                    }
                }
            }
        }
    }
    Ok(ring)
}

async fn keep(shared: &Shared, account: &WebhookAccount, message: &Incoming, reason: &str) -> Result<(), StoreError> {
    let body = serde_json::to_vec(message).map_err(|error| StoreError::Payload(error.to_string()))?;
    store_unreadable(shared, account, &body, Why::Unread(reason.to_owned())).await
}

async fn store_unreadable(shared: &Shared, account: &WebhookAccount, body: &[u8], why: Why) -> Result<(), StoreError> {
    shared.store.store_unreadable(&account.tenant, &account.account, body, &why).await
}
