//! Files that people send: fetched from their platform when a turn needs them, kept with the conversation, and given to
//! the calls that were decided on them; and files that backends answer with: kept in the same place, and given to the
//! sends of the replies that show them. Their bytes are in the database or in the file store; those there that no
//! conversation has any more are removed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use channels::{Channel, FetchError, sniff, web};
use domain::PersonId;
use file_store::{FileHash, FileStoreError, Incoming};
use openapi::{File, Files, Operation};
use serde_json::{Map, Value};
use store::{FileContent, FileNew, FilePut, StoreError, StoredFile, Upload, media::FILE_BYTES_MAX};

use crate::{
    config::MediaConfig,
    dialogue::CALL_BYTES_MAX,
    lease::Held,
    perform::Broken,
    turn::{AnswerFile, Fetch, FileOutcome},
    worker::{Worker, jitter},
};

/// Longest wait for a file that goes into the database, to its last byte.
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
/// What is being written is stale when it was not touched for so long: a process was killed.
const STALE_AGE_MIN: Duration = Duration::from_secs(60 * 60);
/// Nobody puts a file for so long while it is being removed.
const REMOVING: Duration = Duration::from_secs(120);
/// A claim that is older is not acted on: removing takes seconds, and has to end well before somebody may put the file.
const CLAIM_AGE_MAX: Duration = Duration::from_secs(60);

/// A file as it was given.
struct Given {
    content: Content,
    size_bytes: usize,
    media_type: String,
    name: Option<String>,
}

/// Where the bytes of a file are that was given.
enum Content {
    /// In memory, for the database.
    Here(Vec<u8>),
    /// In the file store, and not yet under their hash.
    Incoming(Box<Incoming>),
    /// In the file store.
    Outside(FileHash),
}

/// Fetches a file that a person sent and keeps it.
///
/// # Errors
/// [`Broken`] when a store fails or the worker stops: the turn begins again. A platform that does not give it is an
/// outcome.
pub async fn fetch(worker: &Arc<Worker>, held: &Held, fetch: &Fetch) -> Result<FileOutcome, Broken> {
    let unavailable = |reason: String| Ok(FileOutcome::Unavailable { reason });
    let given = match from_platform(worker, held, fetch).await? {
        Ok(given) => given,
        Err(FetchError::TooLarge { limit_bytes }) => {
            return Ok(FileOutcome::TooLarge { limit_bytes: bytes(limit_bytes) });
        }
        Err(error) => {
            tracing::warn!(%error, account = %held.lease.account, "a file that a person sent cannot be had");
            return unavailable(error.to_string());
        }
    };
    keep(worker, held, fetch.person, given).await
}

/// Keeps the file that a backend answered with. What cannot be kept now is told and not tried for long: the call was made.
///
/// # Errors
/// [`Broken::Store`], when the lease is lost. A store that is away is an outcome.
pub async fn keep_answer(
    worker: &Arc<Worker>,
    held: &Held,
    person: PersonId,
    file: File,
) -> Result<AnswerFile, Broken> {
    let File { name, media_type, content } = file;
    let mut try_number = 1;
    let kept = loop {
        match keep_bytes(worker, held, person, content.clone(), &media_type, name.clone()).await {
            Ok(kept) => break kept,
            Err(broken) => {
                let reason = match broken {
                    Broken::Infrastructure(reason) => reason,
                    Broken::Store(error) if error.is_retryable() => error.to_string(),
                    broken => return Err(broken),
                };
                if try_number == KEEP_TRIES_MAX || worker.stop.is_cancelled() {
                    break FileOutcome::Unavailable { reason };
                }
                tokio::time::sleep(jitter(PAUSE)).await;
                try_number += 1;
            }
        }
    };
    Ok(AnswerFile { name, kept })
}

/// Keeps bytes that are all here. `claimed`: their media type by whoever gave them.
async fn keep_bytes(
    worker: &Worker,
    held: &Held,
    person: PersonId,
    content: Bytes,
    claimed: &str,
    name: Option<String>,
) -> Result<FileOutcome, Broken> {
    let (size_bytes, media_type) = (content.len(), sniff::media_type(&content, Some(claimed)));
    let content = match &worker.files {
        None => Content::Here(content.into()),
        Some(files) => {
            let mut incoming = files.incoming(&held.lease.tenant);
            incoming.write(content).await.map_err(|error| away(&error))?;
            Content::Incoming(Box::new(incoming))
        }
    };
    keep(worker, held, person, Given { content, size_bytes, media_type, name }).await
}

/// Keeps a file with the conversation.
async fn keep(worker: &Worker, held: &Held, person: PersonId, given: Given) -> Result<FileOutcome, Broken> {
    let unavailable = |reason: &str| Ok(FileOutcome::Unavailable { reason: reason.to_owned() });
    let Given { content, size_bytes, media_type, name } = given;
    if size_bytes == 0 {
        return unavailable("it is empty");
    }
    let (here, outside) = match content {
        Content::Here(content) => (content, None),
        Content::Outside(hash) => (Vec::new(), Some(hash)),
        // Its row comes after it, so that no row names what is not there.
        Content::Incoming(incoming) => {
            let hash = incoming.hash();
            begin(worker, held, &hash, size_bytes).await?;
            incoming.keep().await.map_err(|error| away(&error))?;
            (Vec::new(), Some(hash))
        }
    };
    let content = match &outside {
        Some(hash) => FileContent::Stored { sha256: hash.as_str(), size_bytes },
        None => FileContent::Here(&here),
    };
    let file = FileNew { person, media_type: &media_type, name: name.as_deref(), content, keep: KEPT };
    match worker.store.put_file(&held.lease, &file).await? {
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

/// From here on nobody removes the file.
async fn begin(worker: &Worker, held: &Held, hash: &FileHash, size_bytes: usize) -> Result<(), Broken> {
    match worker.store.begin_file(&held.lease, hash.as_str(), size_bytes).await? {
        true => Ok(()),
        false => Err(in_removal()),
    }
}

/// The turn begins again, and its file is fetched again.
fn in_removal() -> Broken {
    Broken::Infrastructure("the same file is just being removed".to_owned())
}

fn away(error: &FileStoreError) -> Broken {
    tracing::warn!(error = error as &dyn std::error::Error, "the file store failed");
    Broken::Infrastructure(error.to_string())
}

fn elsewhere() -> Broken {
    tracing::warn!("a file lies in a file store that this worker does not have: see [files]");
    Broken::Infrastructure("the file store of a file is not configured".to_owned())
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
            match files.find(&held.lease.tenant, &hash, CALL_BYTES_MAX).await {
                Ok(found) => Ok(found),
                Err(FileStoreError::Damaged) => Ok(None),
                Err(error) => Err(away(&error)),
            }
        }
        // Another worker, or an earlier configuration, put it where this one does not look: that is put right or given up
        // like a store that is away, and no file that is gone.
        (None, _) if stored.stored => Err(elsewhere()),
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

/// Removes what killed processes left in the file store. A store that is away is asked again by a later sweep.
pub async fn remove_stale(worker: &Worker) {
    let Some(files) = &worker.files else { return };
    match files.remove_stale(STALE_AGE_MIN).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "what killed processes left of files was removed"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "stale files were not removed; will retry");
        }
    }
}

/// The file as the platform gives it; asked again while that may help.
async fn from_platform(worker: &Worker, held: &Held, fetch: &Fetch) -> Result<Result<Given, FetchError>, Broken> {
    let lease = &held.lease;
    let Some(channel) = worker.tenants.channel(&lease.tenant, &lease.account) else {
        return Ok(Err(FetchError::Refused("the account is not configured")));
    };
    if let Channel::Web(_) = channel {
        return uploaded(worker, held, &fetch.url).await;
    }
    // A worker that stops leaves a long download to the next one.
    tokio::select! {
        () = worker.stop.cancelled() => Err(Broken::Stopping),
        ended = asked(worker, held, &channel, &fetch.url) => ended,
    }
}

/// All tries together have the time of [`MediaConfig::timeout`] where the file goes into the file store.
async fn asked(
    worker: &Worker,
    held: &Held,
    channel: &Channel,
    url: &str,
) -> Result<Result<Given, FetchError>, Broken> {
    let until = tokio::time::Instant::now() + worker.media.timeout;
    let mut try_number = 1;
    loop {
        let ended = match &worker.files {
            Some(files) => received(&worker.media, channel, files.incoming(&held.lease.tenant), url, until).await?,
            None => in_memory(&worker.media, channel, url).await,
        };
        match ended {
            Err(FetchError::Away(reason)) if try_number < TRIES_MAX => {
                tracing::info!(reason, try_number, "a file was not given; will retry");
                tokio::time::sleep(jitter(PAUSE * try_number)).await;
                try_number += 1;
            }
            ended => return Ok(ended),
        }
    }
}

/// Most bytes of a file from this platform.
fn bytes_max(config: &MediaConfig, channel: &Channel) -> usize {
    match channel {
        Channel::Infobip(_) => config.infobip_bytes_max,
        Channel::Meta(..) => config.meta_bytes_max,
        Channel::Telegram(_) => config.telegram_bytes_max,
        Channel::Web(_) => FILE_BYTES_MAX, // uploads come another way
    }
}

/// All of the file, for the database.
async fn in_memory(config: &MediaConfig, channel: &Channel, url: &str) -> Result<Given, FetchError> {
    let most = bytes_max(config, channel).min(FILE_BYTES_MAX);
    let fetched = channel.fetch(url, most, FETCH_TIME_MAX).await?;
    let media_type = sniff::media_type(&fetched.content, fetched.media_type.as_deref());
    let size_bytes = fetched.content.len();
    Ok(Given { content: Content::Here(fetched.content), size_bytes, media_type, name: fetched.name })
}

/// The file as it goes into the file store, piece by piece. What is given up here is not kept.
///
/// # Errors
/// [`Broken`] when the file store fails.
async fn received(
    config: &MediaConfig,
    channel: &Channel,
    mut incoming: Incoming,
    url: &str,
    until: tokio::time::Instant,
) -> Result<Result<Given, FetchError>, Broken> {
    let left = until.saturating_duration_since(tokio::time::Instant::now());
    let receiving = async {
        let mut download = match channel.open(url, bytes_max(config, channel), left).await {
            Ok(download) => download,
            Err(error) => return Ok(Err(error)),
        };
        let mut head = Vec::with_capacity(sniff::HEAD_BYTES);
        loop {
            match download.next().await {
                Ok(Some(piece)) => {
                    head.extend(piece.iter().take(sniff::HEAD_BYTES - head.len()));
                    incoming.write(piece).await.map_err(|error| away(&error))?;
                }
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(Given {
            size_bytes: usize::try_from(incoming.size_bytes()).unwrap_or(usize::MAX),
            media_type: sniff::media_type(&head, download.media_type.as_deref()),
            name: download.name,
            content: Content::Incoming(Box::new(incoming)),
        }))
    };
    tokio::time::timeout_at(until, receiving).await.unwrap_or_else(|_| Ok(Err(FetchError::late())))
}

/// What was uploaded in the web chat. Whose it is was checked when a message named it.
async fn uploaded(worker: &Worker, held: &Held, address: &str) -> Result<Result<Given, FetchError>, Broken> {
    let gone = Err(FetchError::Refused("the upload is not kept any more"));
    let Some(id) = web::upload_id(address) else { return Ok(Err(FetchError::Refused("it is no upload"))) };
    let Some(Upload { file, sha256 }) = worker.store.find_upload(&held.lease, id).await? else { return Ok(gone) };
    let size_bytes = usize::try_from(file.size_bytes).unwrap_or(usize::MAX);
    let content = match (file.content, sha256.as_deref().and_then(FileHash::parse), &worker.files) {
        (Some(content), _, None) => Content::Here(content),
        (Some(content), _, Some(files)) => {
            let mut incoming = files.incoming(&held.lease.tenant);
            incoming.write(content.into()).await.map_err(|error| away(&error))?;
            Content::Incoming(Box::new(incoming))
        }
        (None, Some(hash), Some(_)) => {
            begin(worker, held, &hash, size_bytes).await?;
            // Nobody removes the file from here on, and nobody did if its upload still names it.
            let again = worker.store.find_upload(&held.lease, id).await?;
            if again.is_none_or(|again| again.sha256.is_none()) {
                return Ok(gone);
            }
            Content::Outside(hash)
        }
        (None, Some(_), None) => return Err(elsewhere()),
        (None, None, _) => return Ok(gone),
    };
    Ok(Ok(Given { content, size_bytes, media_type: file.media_type, name: file.name }))
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
