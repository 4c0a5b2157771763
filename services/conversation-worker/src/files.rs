//! Files that people send: fetched from their platform when a turn needs them, kept with the conversation, and given to
//! the calls that were decided on them; and files that backends answer with: kept in the same place, and given to the
//! sends of the replies that show them. Their bytes are in the database or in the file store; those there that no
//! conversation has any more are removed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use channels::{Channel, FetchError, Fetched, sniff, web};
use domain::PersonId;
use file_store::{FileHash, FileStore, FileStoreError};
use openapi::{File, Files, Operation};
use serde_json::{Map, Value};
use store::{FileContent, FileNew, FilePut, StoreError, StoredFile, media::FILE_BYTES_MAX};

use crate::{
    lease::Held,
    perform::Broken,
    turn::{AnswerFile, Fetch, FileOutcome},
    worker::{Worker, jitter},
};

/// Longest wait for a file, to its last byte.
const FETCH_TIME_MAX: Duration = Duration::from_secs(15);
/// Tries to fetch a file.
const TRIES_MAX: u32 = 3;
/// Pause before the second try; doubled before the third.
const PAUSE: Duration = Duration::from_millis(500);
/// Tries to keep a file that a backend answered with; a person waits.
const KEEP_TRIES_MAX: u32 = 2;
/// Longest wait for the file of a part that is being sent; what is left of the lease has to outlive the send.
const READ_TIME_MAX: Duration = Duration::from_secs(4);
/// How long a file is kept: longer than any question waits for its yes, and than any call is tried again.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A file of the file store that no conversation has goes when nobody put it for so long: a turn that put it has ended.
const UNUSED_AGE_MIN: Duration = Duration::from_secs(60 * 60);
/// Nobody puts a file for so long while it is being removed.
const REMOVING: Duration = Duration::from_secs(120);
/// A claim that is older is not acted on: removing takes seconds, and has to end well before somebody may put the file.
const CLAIM_AGE_MAX: Duration = Duration::from_secs(60);

/// Fetches a file that a person sent and keeps it.
///
/// # Errors
/// [`Broken`] when a store fails or the worker stops: the turn begins again. A platform that does not give it is an
/// outcome.
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
    let Fetched { content, media_type, name } = fetched;
    keep(worker, held, fetch.person, content.into(), media_type.as_deref(), name.as_deref()).await
}

/// Keeps the file that a backend answered with. What cannot be kept now is told and not tried for long: the call was made.
///
/// # Errors
/// [`Broken::Store`]. A file store that is away is an outcome.
pub async fn keep_answer(
    worker: &Arc<Worker>,
    held: &Held,
    person: PersonId,
    file: File,
) -> Result<AnswerFile, Broken> {
    let File { name, media_type, content } = file;
    let mut try_number = 1;
    let kept = loop {
        match keep(worker, held, person, content.clone(), Some(&media_type), name.as_deref()).await {
            Ok(kept) => break kept,
            Err(Broken::Infrastructure(_)) if try_number < KEEP_TRIES_MAX && !worker.stop.is_cancelled() => {
                tokio::time::sleep(jitter(PAUSE)).await;
                try_number += 1;
            }
            Err(Broken::Infrastructure(reason)) => break FileOutcome::Unavailable { reason },
            Err(broken) => return Err(broken),
        }
    };
    Ok(AnswerFile { name, kept })
}

/// Keeps a file with the conversation. `claimed`: its media type by whoever gave it.
async fn keep(
    worker: &Worker,
    held: &Held,
    person: PersonId,
    content: Bytes,
    claimed: Option<&str>,
    name: Option<&str>,
) -> Result<FileOutcome, Broken> {
    let unavailable = |reason: &str| Ok(FileOutcome::Unavailable { reason: reason.to_owned() });
    if content.is_empty() {
        return unavailable("it is empty");
    }
    let media_type = sniff::media_type(&content, claimed);
    let here = FileContent::Here(&content);
    let file = FileNew { person, media_type: &media_type, name, content: here, keep: KEPT };
    let size_bytes = content.len();
    let put = match &worker.files {
        None => worker.store.put_file(&held.lease, &file).await?,
        Some(files) => {
            let hash = FileHash::of(&content);
            put_outside(worker, held, files, &hash, content.clone()).await?;
            let content = FileContent::Stored { sha256: hash.as_str(), size_bytes };
            worker.store.put_file(&held.lease, &FileNew { content, ..file }).await?
        }
    };
    match put {
        FilePut::Kept(sha256) => Ok(FileOutcome::Kept { sha256, size_bytes: bytes(size_bytes), media_type }),
        FilePut::Removed => Err(in_removal()),
        FilePut::Full => {
            tracing::warn!("a conversation has as many files as it may have");
            unavailable("the conversation has too many files")
        }
    }
}

/// The bytes of a file that a reply shows, also when its time is over; none where they are gone.
///
/// # Errors
/// When a store fails, or does not answer within [`READ_TIME_MAX`].
pub async fn of_reply(worker: &Worker, held: &Held, sha256: &str) -> Result<Option<Bytes>, Broken> {
    let read = async {
        match worker.store.find_reply_file(&held.lease, sha256).await? {
            Some(stored) => content(worker, held, sha256, &stored).await,
            None => Ok(None),
        }
    };
    match tokio::time::timeout(READ_TIME_MAX, read).await {
        Ok(read) => read,
        Err(_) => Err(Broken::Infrastructure("the file of a reply was not read in time".to_owned())),
    }
}

/// Puts a file into the file store. Its row comes after it, so that no row names what is not there.
async fn put_outside(
    worker: &Worker,
    held: &Held,
    files: &FileStore,
    hash: &FileHash,
    content: Bytes,
) -> Result<(), Broken> {
    if !worker.store.begin_file(&held.lease, hash.as_str(), content.len()).await? {
        return Err(in_removal());
    }
    files.put(&held.lease.tenant, hash, content).await.map_err(|error| away(&error))
}

/// The turn begins again, and its file is fetched again.
fn in_removal() -> Broken {
    Broken::Infrastructure("the same file is just being removed".to_owned())
}

fn away(error: &FileStoreError) -> Broken {
    tracing::warn!(error = error as &dyn std::error::Error, "the file store failed");
    Broken::Infrastructure(error.to_string())
}

/// True while the file of a reply is kept, without a look at its bytes.
///
/// # Errors
/// When the database fails.
pub async fn is_there(worker: &Worker, held: &Held, sha256: &str) -> Result<bool, Broken> {
    let stored = worker.store.find_reply_file(&held.lease, sha256).await?;
    Ok(stored.is_some_and(|stored| stored.stored || stored.content.is_some()))
}

/// The bytes of a file that is kept; none where its time is over, or where they are not what was put.
async fn content(worker: &Worker, held: &Held, sha256: &str, stored: &StoredFile) -> Result<Option<Bytes>, Broken> {
    match (&worker.files, FileHash::parse(sha256)) {
        (Some(files), Some(hash)) if stored.stored => {
            match files.find(&held.lease.tenant, &hash, FILE_BYTES_MAX).await {
                Ok(found) => Ok(found),
                Err(FileStoreError::Damaged) => Ok(None),
                Err(error) => Err(away(&error)),
            }
        }
        // Another worker, or an earlier configuration, put it where this one does not look: that is put right or given up
        // like a store that is away, and no file that is gone.
        (None, _) if stored.stored => {
            tracing::warn!("a file lies in a file store that this worker does not have: see [files]");
            Err(Broken::Infrastructure("the file store of a file is not configured".to_owned()))
        }
        _ => Ok(stored.content.clone().map(Bytes::from)),
    }
}

/// Removes up to `limit` files of the file store that no conversation has any more. Several workers may do this at once.
/// A store that is away is asked again by a later sweep.
///
/// # Errors
/// When the database fails.
pub async fn remove_unused(worker: &Worker, limit: usize) -> Result<(), StoreError> {
    let Some(files) = &worker.files else { return Ok(()) };
    for _ in 0..limit {
        let claimed = Instant::now();
        let Some(unused) = worker.store.claim_unused_file(UNUSED_AGE_MIN, REMOVING).await? else { return Ok(()) };
        if claimed.elapsed() > CLAIM_AGE_MAX {
            return Ok(()); // this process stood still; the claim ends by itself
        }
        if let Some(hash) = FileHash::parse(&unused.sha256)
            && let Err(error) = files.remove(&unused.tenant, &hash).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "an unused file was not removed; will retry");
            worker.store.unused_file_stays(&unused).await?;
            continue;
        }
        worker.store.removed_file(&unused).await?;
    }
    Ok(())
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
    for reference in references.filter_map(Value::as_str).filter(|text| FileHash::parse(text).is_some()) {
        let Some(stored) = worker.store.find_file(&held.lease, reference).await? else { continue };
        let Some(content) = content(worker, held, reference, &stored).await? else {
            tracing::error!(reference, "a file is no longer kept, so its call cannot be made");
            continue;
        };
        let file = File { name: stored.name, media_type: stored.media_type, content };
        files.insert(reference.to_owned(), file);
    }
    Ok(files)
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
