//! Files that people sent, opened by links of the conversation's page, which lead to signed ones: short-lived, for one
//! session.
//!
//! The page's link is good as long as its session sees personal data, and makes the signed one when it is followed. Each
//! opening is written down. What is given is never run: it is sandboxed, and shown in the browser only where its bytes are
//! a picture's. A file of the file store is passed on as it is read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    body::{Body, Bytes},
    extract::RawPathParams,
    response::{Redirect, Response},
};
use domain::ConversationId;
use file_store::{FileHash, FileStoreError, Reading};
use futures::StreamExt as _;
use serde_json::json;
use service_kit::download::Download;
use store::StoredFile;

use super::{
    conversation,
    error::ConsoleError,
    query::{Query, link},
    room::Room,
    session::{Personal, Sessions},
};

/// So long a signed link opens its file: a browser follows it at once.
const LINK_LASTS: Duration = Duration::from_secs(60);
/// What a signature of ours is for.
const PURPOSE: &str = "file";

/// The page's link to a file of a conversation.
pub fn address(room: &Room, conversation: ConversationId, sha256: &str) -> String {
    room.path(&format!("/conversations/{conversation}/files/{sha256}"))
}

/// The signed link to a file of a conversation, good until [`LINK_LASTS`] after `now`.
fn signed_address(room: &Room, conversation: ConversationId, sha256: &str, now: SystemTime) -> String {
    let until = (seconds(now) + LINK_LASTS.as_secs()).to_string();
    let signature = room.console.sessions.sign(PURPOSE, &signed(room, conversation, sha256, &until));
    let path = format!("{}/content", address(room, conversation, sha256));
    link(&path, &[("until", Some(&until)), ("signature", Some(&signature))])
}

/// All that a link is bound to.
fn signed(room: &Room, conversation: ConversationId, sha256: &str, until: &str) -> String {
    format!("{}/{}/{conversation}/{sha256}/{until}", room.session.id, room.tenant)
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// True for what [`signed_address`] signed, while it lasts.
fn is_good(sessions: &Sessions, text: &str, until: &str, signature: &str, now: u64) -> bool {
    sessions.verify(PURPOSE, text, signature) && until.parse::<u64>().is_ok_and(|until| now <= until)
}

/// `GET /console/t/{tenant}/conversations/{id}/files/{sha256}`: to the signed link, while the session sees personal data.
pub async fn open(room: Room, path: RawPathParams) -> Result<Redirect, ConsoleError> {
    let (id, hash) = (conversation::id(&path)?, hash(&path)?);
    if !room.console.sessions.is_revealed(&room.session.id, &Personal::Conversation(id)) {
        return Err(ConsoleError::Hidden);
    }
    Ok(Redirect::to(&signed_address(&room, id, hash.as_str(), SystemTime::now())))
}

/// `GET /console/t/{tenant}/conversations/{id}/files/{sha256}/content`
pub async fn give(room: Room, path: RawPathParams, query: Query) -> Result<Response, ConsoleError> {
    let (id, hash) = (conversation::id(&path)?, hash(&path)?);
    let (until, signature) = (query.get("until").unwrap_or_default(), query.get("signature").unwrap_or_default());
    let text = signed(&room, id, hash.as_str(), until);
    if !is_good(&room.console.sessions, &text, until, signature, seconds(SystemTime::now())) {
        return Err(ConsoleError::Link);
    }
    let file = room.console.store.find_file_of(&room.tenant, id, hash.as_str()).await?.ok_or(ConsoleError::NotFound)?;
    let detail = json!({ "sha256": hash.as_str(), "media_type": file.media_type, "size_bytes": file.size_bytes });
    let content = content(&room, &hash, &file).await?.ok_or(ConsoleError::NotFound)?;
    room.record("file.open", id, detail).await?;
    Ok(answer(&file, &hash, content))
}

/// The file that a path names.
fn hash(path: &RawPathParams) -> Result<FileHash, ConsoleError> {
    let hash = path.iter().find(|(name, _)| *name == "sha256").and_then(|(_, text)| FileHash::parse(text));
    hash.ok_or(ConsoleError::NotFound)
}

/// The bytes, from where they are; none when their time is over. What is damaged in the file store breaks off in the
/// browser before its end.
async fn content(room: &Room, hash: &FileHash, file: &StoredFile) -> Result<Option<Body>, ConsoleError> {
    match &room.console.files {
        Some(files) if file.stored => {
            let Some(mut reading) = files.open(&room.tenant, hash).await? else { return Ok(None) };
            // Before the answer's head: a store that is away, or a small file that is damaged, is told as such.
            let first = match reading.next().await {
                Err(FileStoreError::Damaged) => return Ok(None),
                first => first?,
            };
            Ok(Some(passed_on(first, reading)))
        }
        None if file.stored => Err(ConsoleError::FilesElsewhere),
        _ => Ok(file.content.clone().map(Body::from)),
    }
}

/// `first`, and then what is read.
fn passed_on(first: Option<Bytes>, reading: Reading) -> Body {
    let rest = futures::stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.next().await.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "a file broke off on its way to an operator");
        })?;
        Ok::<_, FileStoreError>(piece.map(|piece| (piece, reading)))
    });
    Body::from_stream(futures::stream::iter(first.map(Ok)).chain(rest))
}

fn answer(file: &StoredFile, hash: &FileHash, content: Body) -> Response {
    let hash = hash.as_str();
    let (media_type, name) = (file.media_type.as_str(), file.name.as_deref());
    let else_named = hash.get(..12).unwrap_or(hash);
    Download { media_type, name, else_named, exact_type: false }.response(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_until_its_time_and_only_as_it_was_signed() {
        let new = || Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
        let sessions = new();
        let signature = sessions.sign(PURPOSE, "s/acme/c/h/1000");
        let check =
            |sessions: &Sessions, text: &str, until: &str, now: u64| is_good(sessions, text, until, &signature, now);
        assert!(check(&sessions, "s/acme/c/h/1000", "1000", 1_000));
        assert!(!check(&sessions, "s/acme/c/h/1000", "1000", 1_001), "it is over");
        assert!(!check(&sessions, "s/other/c/h/1000", "1000", 1_000), "another tenant");
        assert!(!check(&sessions, "s/acme/c/h/2000", "2000", 1_001), "a longer time");
        assert!(!check(&sessions, "s/acme/c/h/1000", "never", 1_000));
        assert!(!check(&new(), "s/acme/c/h/1000", "1000", 1_000), "the key of another start");
        let form = sessions.sign("form", "s/acme/c/h/1000");
        assert!(!is_good(&sessions, "s/acme/c/h/1000", "1000", &form, 1_000), "signed for something else");
    }
}
