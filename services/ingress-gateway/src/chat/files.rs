//! `GET /api/v1/chat/{conversation_id}/files/{sha256}`: a file of a conversation, for whoever the conversation belongs to.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::ConversationId;
use file_store::FileHash;
use http::{HeaderMap, StatusCode};
use store::StoreError;

use super::{
    caller::{Caller, unavailable},
    events,
};
use crate::{Shared, files, respond};

/// Files that one session reads at the same time; a page shows a few at once.
const AT_ONCE_OF_ONE: usize = 6;

/// `GET /api/v1/chat/{conversation_id}/files/{sha256}`
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Path((conversation, sha256)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let caller = match Caller::identify(&shared, &headers, None).await {
        Ok(caller) => caller,
        Err(error) => return error.respond(),
    };
    let Ok(conversation) = conversation.parse::<ConversationId>() else { return events::no_conversation() };
    let Some(hash) = FileHash::parse(&sha256) else { return files::gone() };
    let owner = [(format!("files of {}", caller.key()), AT_ONCE_OF_ONE)];
    let Some(slot) = shared.streams.open(&owner) else {
        let busy = respond::problem(StatusCode::TOO_MANY_REQUESTS, "too many files at the same time");
        return respond::retry_after(busy, Duration::from_secs(1));
    };
    let Some(place) = files::place(&shared) else { return caller.signed(files::busy()) };
    let answer = give(&shared, &caller, conversation, hash.as_str(), (slot, place)).await;
    caller.signed(answer.unwrap_or_else(|error| unavailable(&error)))
}

async fn give(
    shared: &Shared,
    caller: &Caller<'_>,
    conversation: ConversationId,
    sha256: &str,
    held: impl Send + 'static,
) -> Result<Response, StoreError> {
    if caller.find_conversation(shared, conversation).await?.is_none() {
        return Ok(events::no_conversation());
    }
    let tenant = &caller.account.tenant;
    Ok(match shared.store.find_file_of(tenant, conversation, sha256).await? {
        Some(file) => files::give(shared, tenant, sha256, &file, false, held).await,
        None => files::gone(),
    })
}
