//! Files that answers show: read from where they are kept, and given to platforms that fetch them by a link.
//!
//! `GET /files/{token}`: the worker made the token for one part of an answer, and it is good for as long as the worker
//! said. Whoever has it may fetch the file, as often as they like: platforms do it from many addresses and try again.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use domain::Tenant;
use file_store::{FileHash, FileStoreError};
use http::{StatusCode, header::CONTENT_LENGTH};
use service_kit::download::Download;
use sha2::{Digest as _, Sha256};
use store::{StoreError, StoredFile, media::FILE_BYTES_MAX};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{Shared, respond};

/// Files given at the same time, to their readers' last bytes; each may take its size of memory.
pub(crate) const AT_ONCE_MAX: usize = 16;
/// Longest that a reader may take.
const GIVING_TIME_MAX: Duration = Duration::from_secs(120);
/// Bytes of a file that a connection gets at once.
const PIECE_BYTES: usize = 64 * 1024;
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
    let Some(place) = place(&shared) else { return busy() };
    let found = shared.store.find_linked_file(&hex::encode(Sha256::digest(&token))).await;
    match found {
        Ok(Some((tenant, sha256, file))) => give(&shared, &tenant, &sha256, &file, true, place).await,
        Ok(None) => gone(),
        Err(error) => unavailable(&error),
    }
}

/// A place for a file that is read for somebody, before it is read.
pub(crate) fn place(shared: &Shared) -> Option<OwnedSemaphorePermit> {
    shared.giving.clone().try_acquire_owned().ok()
}

/// 503: others read as many as there may be.
pub(crate) fn busy() -> Response {
    let busy = respond::problem(StatusCode::SERVICE_UNAVAILABLE, "too many files are read at the moment");
    respond::retry_after(busy, BUSY_WAIT)
}

/// A file of a tenant. `exact_type`: see [`Download`]. `held`: what is given back when the reader has its last byte, went
/// away or was too slow.
pub(crate) async fn give(
    shared: &Shared,
    tenant: &Tenant,
    sha256: &str,
    file: &StoredFile,
    exact_type: bool,
    held: impl Send + 'static,
) -> Response {
    match content(shared, tenant, sha256, file).await {
        Ok(Some(content)) => {
            let else_named = sha256.get(..12).unwrap_or("file");
            let (media_type, name) = (file.media_type.as_str(), file.name.as_deref());
            let length = content.len();
            let mut response = Download { media_type, name, else_named, exact_type }.response(in_pieces(content, held));
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            response
        }
        Ok(None) => gone(),
        Err(()) => respond::retry_after(
            respond::problem(StatusCode::SERVICE_UNAVAILABLE, "the file cannot be read now"),
            BUSY_WAIT,
        ),
    }
}

/// The file as its reader takes it; a reader that is too slow gets no more of it.
fn in_pieces(content: Bytes, held: impl Send + 'static) -> Body {
    let until = Instant::now() + GIVING_TIME_MAX;
    Body::from_stream(futures::stream::unfold((content, held), move |(mut left, held)| async move {
        if left.is_empty() {
            return None;
        }
        if Instant::now() > until {
            return Some((Err(std::io::Error::from(std::io::ErrorKind::TimedOut)), (Bytes::new(), held)));
        }
        let piece = left.split_to(PIECE_BYTES.min(left.len()));
        Some((Ok(piece), (left, held)))
    }))
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

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_back_with_the_last_byte_or_the_reader() {
        let places = Arc::new(tokio::sync::Semaphore::new(1));
        let place = || places.clone().try_acquire_owned().expect("a place");
        let body = |bytes| in_pieces(Bytes::from(vec![7; bytes]), place()).into_data_stream();

        let mut read = body(2 * PIECE_BYTES + 1);
        for length in [PIECE_BYTES, PIECE_BYTES, 1] {
            assert_eq!(read.next().await.expect("a piece").expect("bytes").len(), length);
            assert_eq!(places.available_permits(), 0);
        }
        assert!(read.next().await.is_none());
        assert_eq!(places.available_permits(), 1);

        let mut left = body(2 * PIECE_BYTES);
        assert!(left.next().await.is_some());
        drop(left);
        assert_eq!(places.available_permits(), 1);

        let mut slow = body(2 * PIECE_BYTES);
        assert!(slow.next().await.is_some());
        tokio::time::advance(GIVING_TIME_MAX + Duration::from_millis(1)).await;
        assert!(slow.next().await.expect("an end").is_err());
        assert!(slow.next().await.is_none());
        assert_eq!(places.available_permits(), 1);
    }
}
