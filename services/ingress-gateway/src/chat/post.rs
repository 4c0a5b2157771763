//! `POST /api/v1/chat`: a message comes in like any other, and its answer is waited for.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, State},
    response::Response,
};
use channels::web;
use domain::{Content, ConversationId, Incoming, telemetry::metric};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::json;
use service_kit::telemetry;
use store::StoreError;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    caller::{Caller, unavailable},
    events,
    messages::{Place, message},
    watch::{Seen, Watch},
};
use crate::{Shared, accounts::WebAccount, body, respond};

/// Largest body: the longest message with every character written as an escape, and a little more.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// `POST /api/v1/chat`
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let caller = match Caller::identify(&shared, &headers, Some(from.ip())).await {
        Ok(caller) => caller,
        Err(error) => return error.respond(),
    };
    let response = answer(&shared, &caller, &headers, body).await;
    // A refused request begins no session: it would come by one past the limits.
    if response.status().is_success() { caller.signed(response) } else { response }
}

async fn answer(shared: &Shared, caller: &Caller<'_>, headers: &HeaderMap, body: Body) -> Response {
    if !is_json(headers) {
        return respond::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send `content-type: application/json`");
    }
    let body = match body::read(headers, body, BODY_BYTES_MAX, shared.config.webhook.body_read_timeout).await {
        Ok(body) => body,
        Err(error) => return respond::problem(error.status(), &error.to_string()),
    };
    let request = match web::Request::parse(&body) {
        Ok(request) => request,
        Err(error) => return respond::problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Err(refusal) = caller.take_turn(shared).await {
        return refusal;
    }
    let switches = shared.switches.of(&caller.account.tenant);
    if !switches.enabled {
        match is_repeat(shared, caller, &request).await {
            Ok(true) => {}
            Ok(false) => return respond::problem(StatusCode::SERVICE_UNAVAILABLE, "AI temporarily unavailable"),
            Err(error) => return unavailable(&error),
        }
    }
    let contents = match contents(shared, caller, &request).await {
        Ok(Some(contents)) => contents,
        Ok(None) => return respond::problem(StatusCode::NOT_FOUND, "there is no such upload"),
        Err(error) => return unavailable(&error),
    };
    let slot = if events::wanted(headers) {
        match shared.streams.open(&caller.stream_owners(&shared.config.chat)) {
            Some(slot) => Some(slot),
            None => return events::too_many(),
        }
    } else {
        None
    };
    let accepted = match accept(shared, caller, request, contents).await {
        Ok(Some(accepted)) => accepted,
        Ok(None) => return events::no_conversation(),
        Err(error @ StoreError::Payload(_)) => {
            return respond::problem(StatusCode::BAD_REQUEST, &error.to_string());
        }
        Err(error) => return unavailable(&error),
    };
    // Subscribed before anything is read, and before the bell.
    let watch = Watch::open(shared, caller.account, accepted.conversation, accepted.place, Some(accepted.seq)).await;
    if accepted.ring {
        shared.coordination.ring(accepted.conversation, accepted.traceparent.as_deref());
    }
    match slot {
        Some(slot) => events::of_message(shared, accepted.conversation, accepted.seq, watch, slot),
        None => collect(shared, accepted.conversation, watch).await,
    }
}

/// The JSON answer, when the turn ends or the wait is over.
async fn collect(shared: &Shared, conversation: ConversationId, mut watch: Watch) -> Response {
    let deadline = Instant::now() + shared.config.chat.answer_wait;
    let (mut messages, mut trace) = (Vec::new(), None);
    loop {
        let seen = tokio::select! {
            seen = tokio::time::timeout_at(deadline, watch.next()) => seen,
            () = shared.stopping.cancelled() => return accepted_only(conversation),
        };
        match seen {
            Err(_) => return accepted_only(conversation),
            Ok(Err(error)) => return unavailable(&error),
            Ok(Ok(Seen::Message(place, reply))) => messages.push(message(conversation, place, &reply)),
            Ok(Ok(Seen::Live(..) | Seen::Reset)) => {}
            Ok(Ok(Seen::Trace(data))) => trace = Some(data),
            Ok(Ok(Seen::Done)) => break,
        }
    }
    let mut answer = json!({ "conversation_id": conversation, "messages": messages });
    if let Some(trace) = trace.filter(|_| watch.debug()) {
        answer["operation"] = trace;
    }
    respond::json(StatusCode::OK, &answer)
}

/// 202: the message is stored and its answer will come; it can be read from the events.
fn accepted_only(conversation: ConversationId) -> Response {
    respond::json(StatusCode::ACCEPTED, &json!({ "conversation_id": conversation }))
}

struct Accepted {
    conversation: ConversationId,
    seq: i64,
    ring: bool,
    /// Answers behind it belong to this message.
    place: Place,
    /// For the bell.
    traceparent: Option<String>,
}

/// True for a message that was taken before: it has its answer, or its turn is under way.
async fn is_repeat(shared: &Shared, caller: &Caller<'_>, request: &web::Request) -> Result<bool, StoreError> {
    let Some(message_id) = &request.message_id else { return Ok(false) };
    let WebAccount { tenant, account, .. } = caller.account;
    shared.store.was_accepted(tenant, account, web::NAME, &caller.peer(message_id)).await
}

/// How long an upload is kept that a message names: longer than its turn is tried.
const NAMED_UPLOAD_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What the request says, as the messages of any platform: each upload is one, the first with the words. `None`: an upload
/// is not the caller's, or its time is over.
async fn contents(
    shared: &Shared,
    caller: &Caller<'_>,
    request: &web::Request,
) -> Result<Option<Vec<Content>>, StoreError> {
    if request.attachments.is_empty() {
        return Ok(Some(request.content.clone().into_iter().collect()));
    }
    let WebAccount { tenant, account, .. } = caller.account;
    let ids = &request.attachments;
    let named = shared.store.name_uploads(tenant, account, &caller.subject, ids, NAMED_UPLOAD_KEPT).await?;
    if named.len() != ids.len() {
        return Ok(None);
    }
    let mut words = match &request.content {
        Some(Content::Text { text }) => Some(text.clone()),
        _ => None,
    };
    let contents = named.iter().map(|(id, media_type)| web::upload_content(*id, media_type, words.take()));
    Ok(Some(contents.collect()))
}

/// Stores the messages. `None`: the conversation is not one of the caller's.
async fn accept(
    shared: &Shared,
    caller: &Caller<'_>,
    request: web::Request,
    contents: Vec<Content>,
) -> Result<Option<Accepted>, StoreError> {
    let message_id = request.message_id.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    let (peer, done_seq) = match request.conversation_id {
        Some(id) => match caller.find_conversation(shared, id).await? {
            Some(own) => (own.peer, own.done_seq),
            None => return Ok(None),
        },
        // Named by the message, so that a repeat of it does not begin another conversation.
        None => (caller.peer(&Uuid::new_v5(&Uuid::NAMESPACE_OID, message_id.as_bytes()).simple().to_string()), 0),
    };
    let span = telemetry::send_inbox(contents.len());
    let traceparent = telemetry::traceparent_of(&span);
    let message = |(place, content)| Incoming {
        tenant: caller.account.tenant.clone(),
        account: caller.account.account.clone(),
        peer: peer.clone(),
        user: caller.subject.clone(),
        provider: web::NAME.to_owned(),
        provider_message_id: match place {
            0 => caller.peer(&message_id),
            // No client's key has a space.
            place => caller.peer(&format!("{message_id} {place}")),
        },
        written_at: None,
        contact_name: None,
        phone: None,
        quoted: None,
        content,
        traceparent: traceparent.clone(),
    };
    let messages: Vec<Incoming> = contents.into_iter().enumerate().map(message).collect();
    let count = u64::try_from(messages.len()).unwrap_or(u64::MAX);
    let accepted = shared.groups.accept(messages).instrument(span).await?;
    let (first, last) = accepted.first().zip(accepted.last()).ok_or(StoreError::NotFound("accepted message"))?;
    metrics::counter!(metric::MESSAGES_RECEIVED, "channel" => web::NAME).increment(count);
    Ok(Some(Accepted {
        conversation: last.conversation,
        seq: last.seq,
        ring: accepted.iter().any(|one| one.ring),
        // A repeat of an answered message gets its answer again.
        place: Place::behind(done_seq.min(first.seq - 1)),
        traceparent,
    }))
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        kind.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
    })
}
