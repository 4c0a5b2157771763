//! `POST /api/v1/chat/uploads`: keeps a file until a message names it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    response::Response,
};
use channels::sniff;
use file_store::FileHash;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;
use store::{FileContent, UploadNew, UploadPut, UploadQuota};

use super::caller::{Caller, newcomer_key, unavailable};
use crate::{
    Shared,
    body::{self, BodyError},
    respond,
};

/// Longest file name, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Uploads of one session at the same time; those of one address are half of all.
const AT_ONCE_OF_ONE: usize = 2;
/// When to come again if others upload as many as there may be.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// What the address says of the file.
#[derive(Deserialize)]
pub(crate) struct Named {
    /// Its name.
    name: Option<String>,
}

/// `POST /api/v1/chat/uploads?name=..`, the body is the file.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    named: Result<Query<Named>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let caller = match Caller::identify(&shared, &headers, Some(from.ip())).await {
        Ok(caller) => caller,
        Err(error) => return error.respond(),
    };
    let owners = [
        (format!("uploads of {}", caller.key()), AT_ONCE_OF_ONE),
        (format!("uploads of {}", newcomer_key(from.ip())), shared.config.chat.uploads.at_once_max.div_ceil(2)),
    ];
    let Some(_slot) = shared.streams.open(&owners) else { return busy() };
    let name = match named {
        Ok(Query(Named { name })) => name.filter(|name| !name.is_empty()),
        Err(_) => return respond::problem(StatusCode::BAD_REQUEST, "`name` is not valid"),
    };
    if name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control)) {
        return respond::problem(StatusCode::BAD_REQUEST, "`name` is not valid");
    }
    let response = keep(&shared, &caller, name.as_deref(), &headers, body).await;
    if response.status().is_success() { caller.signed(response) } else { response }
}

fn busy() -> Response {
    let busy = respond::problem(StatusCode::SERVICE_UNAVAILABLE, "too many uploads at the moment");
    respond::retry_after(busy, BUSY_WAIT)
}

async fn keep(shared: &Shared, caller: &Caller<'_>, name: Option<&str>, headers: &HeaderMap, body: Body) -> Response {
    let config = &shared.config.chat.uploads;
    if let Err(refusal) = caller.take_turn(shared).await {
        return refusal;
    }
    // Held until it is stored: so much memory and no more is for uploads.
    let Ok(_place) = shared.uploading.try_acquire() else {
        return busy();
    };
    let content = match body::read(headers, body, config.bytes_max, config.read_timeout).await {
        Ok(content) if content.is_empty() => return respond::problem(StatusCode::BAD_REQUEST, "the file is empty"),
        Ok(content) => content,
        Err(error @ BodyError::TooLarge) => {
            let text = format!("the file is too large: the most is {} bytes", config.bytes_max);
            return respond::problem(error.status(), &text);
        }
        Err(error) => return respond::problem(error.status(), &error.to_string()),
    };
    let declared =
        headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).and_then(|kind| kind.split(';').next());
    let declared = declared.map(|kind| kind.trim().to_ascii_lowercase());
    if declared.as_ref().is_some_and(|kind| kind.starts_with("multipart/")) {
        let text = "send the file itself as the body, and not a form";
        return respond::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    }
    let media_type = sniff::media_type(&content, declared.as_deref());
    if !config.media_types.contains(&media_type) {
        let text = format!("this kind of file is not taken ({media_type}); taken: {}", config.media_types.join(", "));
        return respond::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text);
    }
    let hash = shared.files.as_ref().map(|_| FileHash::of(&content));
    let upload = UploadNew {
        account: &caller.account.account,
        owner: &caller.subject,
        media_type: &media_type,
        name,
        content: match &hash {
            Some(hash) => FileContent::Stored { sha256: hash.as_str(), size_bytes: content.len() },
            None => FileContent::Here(&content),
        },
        keep: config.lifetime,
    };
    let quota = UploadQuota {
        files_max: config.files_max,
        bytes_max: config.session_bytes_max,
        account_bytes_max: config.account_bytes_max,
    };
    let size_bytes = content.len();
    let tenant = &caller.account.tenant;
    let id = match shared.store.put_upload(tenant, &upload, quota).await {
        Ok(UploadPut::Kept(id)) => id,
        Ok(UploadPut::Full) => {
            let full = respond::problem(StatusCode::TOO_MANY_REQUESTS, "there are as many files here as there may be");
            return respond::retry_after(full, config.lifetime);
        }
        Ok(UploadPut::Removing) => return busy(),
        Err(error) => return unavailable(&error),
    };
    // Its row is there and nobody knows it yet: what cannot be put is taken back, or goes with its time.
    if let (Some(files), Some(hash)) = (&shared.files, &hash)
        && let Err(error) = files.put(tenant, hash, content).await
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "an upload was not kept: the file store failed");
        if let Err(error) = shared.store.drop_upload(tenant, id).await {
            tracing::warn!(%error, "an upload that was not kept takes room until its time is over");
        }
        let away = respond::problem(StatusCode::SERVICE_UNAVAILABLE, "files cannot be kept at the moment");
        return respond::retry_after(away, BUSY_WAIT);
    }
    respond::json(
        StatusCode::CREATED,
        &json!({
            "id": id,
            "media_type": media_type,
            "size_bytes": size_bytes,
            "expires_in_seconds": config.lifetime.as_secs(),
        }),
    )
}
