//! Files that people send: fetched from their platform when a turn needs them, kept with the conversation, and given to
//! the calls that were decided on them.

use std::{sync::Arc, time::Duration};

use channels::{Channel, FetchError, Fetched, sniff, web};
use openapi::{File, Files, Operation};
use serde_json::{Map, Value};
use store::{FileNew, media::FILE_BYTES_MAX};

use crate::{
    lease::Held,
    perform::Broken,
    turn::{Fetch, FileOutcome},
    worker::{Worker, jitter},
};

/// Longest wait for a file, to its last byte.
const FETCH_TIME_MAX: Duration = Duration::from_secs(15);
/// Tries to fetch a file.
const TRIES_MAX: u32 = 3;
/// Pause before the second try; doubled before the third.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a file is kept: longer than any question waits for its yes, and than any call is tried again.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Fetches a file that a person sent and keeps it.
///
/// # Errors
/// [`Broken`] when the store fails or the worker stops; a platform that does not give it is an outcome.
pub async fn fetch(worker: &Arc<Worker>, held: &Held, fetch: &Fetch) -> Result<FileOutcome, Broken> {
    let unavailable = |reason: String| Ok(FileOutcome::Unavailable { reason });
    let fetched = match from_platform(worker, held, fetch).await? {
        Ok(fetched) => fetched,
        Err(FetchError::TooLarge { limit_bytes }) => {
            return Ok(FileOutcome::TooLarge { limit_bytes: bytes(limit_bytes) });
        }
        Err(error) => {
            tracing::warn!(%error, account = %held.lease.account, "a file that a person sent cannot be had");
            return unavailable(error.to_string());
        }
    };
    if fetched.content.is_empty() {
        return unavailable("it is empty".to_owned());
    }
    let media_type = sniff::media_type(&fetched.content, fetched.media_type.as_deref());
    let file = FileNew {
        person: fetch.person,
        media_type: &media_type,
        name: fetched.name.as_deref(),
        content: &fetched.content,
        keep: KEPT,
    };
    match worker.store.put_file(&held.lease, &file).await? {
        Some(sha256) => Ok(FileOutcome::Kept { sha256, size_bytes: bytes(fetched.content.len()), media_type }),
        None => {
            tracing::warn!("a conversation has as many files as it may have");
            unavailable("the conversation has too many files".to_owned())
        }
    }
}

/// The file as the platform gives it; asked again while that may help.
async fn from_platform(worker: &Worker, held: &Held, fetch: &Fetch) -> Result<Result<Fetched, FetchError>, Broken> {
    let lease = &held.lease;
    let Some(channel) = worker.tenants.channel(&lease.tenant, &lease.account) else {
        return Ok(Err(FetchError::Refused("the account is not configured")));
    };
    if let Channel::Web(_) = channel {
        return uploaded(worker, held, &fetch.url).await;
    }
    let mut try_number = 1;
    loop {
        match channel.fetch(&fetch.url, FILE_BYTES_MAX, FETCH_TIME_MAX).await {
            Err(FetchError::Away(_)) if worker.stop.is_cancelled() => return Err(Broken::Stopping),
            Err(FetchError::Away(reason)) if try_number < TRIES_MAX => {
                tracing::info!(reason, try_number, "a file was not given; will retry");
                tokio::time::sleep(jitter(PAUSE * try_number)).await;
                try_number += 1;
            }
            ended => return Ok(ended),
        }
    }
}

/// What was uploaded in the web chat. Whose it is was checked when a message named it.
async fn uploaded(worker: &Worker, held: &Held, address: &str) -> Result<Result<Fetched, FetchError>, Broken> {
    let Some(id) = web::upload_id(address) else { return Ok(Err(FetchError::Refused("it is no upload"))) };
    let stored = worker.store.find_upload(&held.lease, id).await?;
    let file = stored
        .and_then(|file| Some(Fetched { content: file.content?, media_type: Some(file.media_type), name: file.name }));
    Ok(file.ok_or(FetchError::Refused("the upload is not kept any more")))
}

/// The files that a call's arguments refer to. One whose time is over is missing.
///
/// # Errors
/// When the store fails.
pub async fn of_call(
    worker: &Worker,
    held: &Held,
    operation: &Operation,
    arguments: &Map<String, Value>,
) -> Result<Files, Broken> {
    let mut files = Files::new();
    let given = operation.fields.iter().filter(|field| field.file.is_some()).filter_map(|f| arguments.get(&f.key));
    let references = given.flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    });
    for reference in references.filter_map(Value::as_str).filter(|text| is_reference(text)) {
        let Some(stored) = worker.store.find_file(&held.lease, reference).await? else { continue };
        let Some(content) = stored.content else {
            tracing::error!(reference, "a file is no longer kept, so its call cannot be made");
            continue;
        };
        let file = File { name: stored.name, media_type: stored.media_type, content: content.into() };
        files.insert(reference.to_owned(), file);
    }
    Ok(files)
}

/// SHA-256 in lower-case hex.
fn is_reference(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
