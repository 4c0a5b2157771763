//! Sends the files of replies: reads them where they are kept, and where one cannot be sent says so in its place.
//!
//! The sentence is part of the row, so it is the same row that is sent in either form, and its end is recorded once.

use std::time::Duration;

use channels::{Channel, FileSource, RejectClass, SendOutcome};
use domain::{Reply, ReplyFile};
use sha2::{Digest as _, Sha256};
use store::OutboxRow;
use url::Url;
use uuid::Uuid;

use crate::{
    files,
    lease::Held,
    perform::Broken,
    send::{DEADLINE, within_deadline},
    worker::Worker,
};

/// From this attempt on, a file that does not leave is given up and told: words of later answers wait behind it.
const ATTEMPTS_MAX: i32 = 5;
/// So long a platform can fetch a file by its link; it does so at once, and some minutes later where that failed.
const LINK_LASTS: Duration = Duration::from_secs(60 * 60);

/// Sends the file of a part whose attempt is written down, or the sentence that stands for it. True where the platform was
/// asked.
pub async fn send(
    worker: &Worker,
    held: &Held,
    channel: &Channel,
    row: &OutboxRow,
    file: &ReplyFile,
    attempt: i32,
) -> (SendOutcome, bool) {
    let source = match source(worker, held, channel, row, file).await {
        Ok(Some(source)) => source,
        Ok(None) => {
            return instead(worker, held, channel, row, file, "it is gone, or has no way to this platform").await;
        }
        Err(reason) if attempt >= ATTEMPTS_MAX => return instead(worker, held, channel, row, file, &reason).await,
        Err(reason) => return (SendOutcome::NotSent { reason }, false),
    };
    if !held.outlives(DEADLINE) {
        return (SendOutcome::NotSent { reason: "the lease ends too soon".to_owned() }, false);
    }
    let peer = &held.lease.peer;
    let sent = within_deadline(channel, channel.send_file(peer, row.id, file, source, DEADLINE)).await;
    let told = match &sent {
        // Surely not sent: the person is told at least.
        SendOutcome::Rejected { class: RejectClass::Content, reason } => {
            instead(worker, held, channel, row, file, reason).await.0
        }
        SendOutcome::NotSent { reason } if attempt >= ATTEMPTS_MAX => {
            instead(worker, held, channel, row, file, reason).await.0
        }
        _ => sent,
    };
    (told, true)
}

/// The sentence in place of the file. True where the platform was asked.
async fn instead(
    worker: &Worker,
    held: &Held,
    channel: &Channel,
    row: &OutboxRow,
    file: &ReplyFile,
    reason: &str,
) -> (SendOutcome, bool) {
    tracing::warn!(outbox.id = %row.id, account = %held.lease.account, reason, "a file of a reply is not sent");
    if file.instead.is_empty() {
        return (SendOutcome::Rejected { class: RejectClass::Content, reason: reason.to_owned() }, false);
    }
    if !held.outlives(DEADLINE) {
        return (SendOutcome::NotSent { reason: "the lease ends too soon".to_owned() }, false);
    }
    if let Err(error) = worker.store.tell_instead(&held.lease, row.id).await {
        return (SendOutcome::NotSent { reason: error.to_string() }, false);
    }
    let words = Reply { text: file.instead.clone(), ..Reply::default() };
    (within_deadline(channel, channel.send(&held.lease.peer, row.id, &words, DEADLINE)).await, true)
}

/// Where the platform gets the file from; none where it is gone, or where the platform would fetch it and we have no
/// address that it reaches.
///
/// # Errors
/// A store is away.
async fn source(
    worker: &Worker,
    held: &Held,
    channel: &Channel,
    row: &OutboxRow,
    file: &ReplyFile,
) -> Result<Option<FileSource>, String> {
    let away = |error: Broken| match error {
        Broken::Infrastructure(reason) => reason,
        _ => "a store failed".to_owned(),
    };
    if !channel.fetches_files() {
        return Ok(files::of_reply(worker, held, &file.sha256).await.map_err(away)?.map(FileSource::Bytes));
    }
    let Some(base) = &worker.config.public_url else {
        tracing::warn!("this platform fetches files itself: set `public_url` to the gateway's address");
        return Ok(None);
    };
    if !files::is_there(worker, held, &file.sha256).await.map_err(away)? {
        return Ok(None);
    }
    // Two random ids: as hard to guess as a key, and made by what makes ids anyway.
    let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let hash = hex::encode(Sha256::digest(&token));
    let linked = worker.store.link_file(&held.lease, row.id, &hash, LINK_LASTS).await;
    linked.map_err(|error| error.to_string())?;
    Ok(link(base, &token).map(FileSource::Link))
}

/// The gateway's address of a file; none for a base that is no address of a server.
fn link(base: &Url, token: &str) -> Option<Url> {
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(["files", token]);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_below_the_public_address() {
        for (base, expected) in [
            ("https://chat.example.org", "https://chat.example.org/files/t"),
            ("https://example.org/bot/", "https://example.org/bot/files/t"),
        ] {
            let base = Url::parse(base).expect("a URL");
            assert_eq!(link(&base, "t").map(String::from).as_deref(), Some(expected));
        }
        assert_eq!(link(&Url::parse("mailto:a@b").expect("a URL"), "t"), None);
    }
}
