//! Files that answers show: read from where they are kept, and given to platforms that fetch them by a link.
//!
//! `GET /files/{token}`: the worker made the token for one part of an answer, and it is good for as long as the worker
//! said. Whoever has it may fetch the file, as often as they like: platforms do it from many addresses and try again.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use domain::Tenant;
use file_store::{FileHash, FileStoreError};
use http::StatusCode;
use service_kit::download::Download;
use sha2::{Digest as _, Sha256};
use store::{StoreError, StoredFile, media::FILE_BYTES_MAX};

use crate::{Shared, respond};

/// Files read at the same time; each may take its size of memory.
pub(crate) const AT_ONCE_MAX: usize = 16;
/// When to come again if others read as many as there may be.
const BUSY_WAIT: Duration = Duration::from_secs(2);
/// Digits of a token.
const TOKEN_DIGITS: usize = 64;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/files/{token}", get(handle)).with_state(shared)
}

/// `GET /files/{token}`
async fn handle(State(shared): State<Arc<Shared>>, Path(token): Path<String>) -> Response {
    let is_token = token.len() == TOKEN_DIGITS && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_token {
        return gone();
    }
    let found = shared.store.find_linked_file(&hex::encode(Sha256::digest(&token))).await;
    match found {
        Ok(Some((tenant, sha256, file))) => give(&shared, &tenant, &sha256, &file, true).await,
        Ok(None) => gone(),
        Err(error) => unavailable(&error),
    }
}

/// A file of a tenant. `exact_type`: see [`Download`].
pub(crate) async fn give(
    shared: &Shared,
    tenant: &Tenant,
    sha256: &str,
    file: &StoredFile,
    exact_type: bool,
) -> Response {
    let Ok(_place) = shared.giving.try_acquire() else {
        let busy = respond::problem(StatusCode::SERVICE_UNAVAILABLE, "too many files are read at the moment");
        return respond::retry_after(busy, BUSY_WAIT);
    };
    match content(shared, tenant, sha256, file).await {
        Ok(Some(content)) => {
            let else_named = sha256.get(..12).unwrap_or("file");
            let (media_type, name) = (file.media_type.as_str(), file.name.as_deref());
            Download { media_type, name, else_named, exact_type }.response(content)
        }
        Ok(None) => gone(),
        Err(()) => respond::retry_after(
            respond::problem(StatusCode::SERVICE_UNAVAILABLE, "the file cannot be read now"),
            BUSY_WAIT,
        ),
    }
}

/// The bytes; none where they are gone. What failed is logged.
async fn content(shared: &Shared, tenant: &Tenant, sha256: &str, file: &StoredFile) -> Result<Option<Bytes>, ()> {
    match (&shared.files, FileHash::parse(sha256)) {
        (Some(files), Some(hash)) if file.stored => match files.find(tenant, &hash, FILE_BYTES_MAX).await {
            Ok(found) => Ok(found),
            Err(FileStoreError::Damaged) => Ok(None),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the file store failed");
                Err(())
            }
        },
        (None, _) if file.stored => {
            tracing::warn!("a file lies in a file store that this gateway does not have: see [files]");
            Err(())
        }
        _ => Ok(file.content.clone().map(Bytes::from)),
    }
}

/// 404: there is none, or its time is over.
pub(crate) fn gone() -> Response {
    respond::problem(StatusCode::NOT_FOUND, "there is no such file, or its time is over")
}

/// 503, the cause logged once.
fn unavailable(error: &StoreError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "the database failed a request for a file");
    respond::retry_after(
        respond::problem(StatusCode::SERVICE_UNAVAILABLE, "the service cannot answer now"),
        Duration::from_secs(5),
    )
}
