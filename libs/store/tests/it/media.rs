//! Files of a conversation: kept once, read back as they came, gone when their time is over.

use std::time::Duration;

use domain::PersonId;
use store::{
    FileContent, FileNew, FilePut, Lease, StoreError, UnusedFile,
    media::{CONVERSATION_BYTES_MAX, FILE_BYTES_MAX, OUTSIDE_BYTES_MAX},
};

use crate::support::{Db, on_both_engines};

on_both_engines!(
    a_file_comes_back_as_it_was_put,
    the_same_bytes_are_kept_once_for_the_longer_time,
    a_file_is_seen_in_its_own_conversation_only,
    content_goes_when_its_time_is_over_and_what_it_was_stays,
    a_file_that_comes_again_is_there_again,
    a_file_that_is_too_large_is_refused_before_it_is_stored,
    a_conversation_has_room_for_so_much_only,
    a_fenced_worker_keeps_no_file,
    a_file_outside_the_database_is_named_by_its_row,
    a_file_outside_has_to_be_begun_before_its_row,
    a_file_outside_is_removed_after_its_last_row,
    a_file_that_was_put_and_never_named_is_removed,
    a_file_that_is_being_removed_is_not_begun,
    the_files_of_a_conversation_are_listed_while_they_are_there,
    a_file_that_a_part_waits_to_be_sent_with_outlives_its_time,
    a_link_opens_its_file_while_it_lasts,
);

const DAY: Duration = Duration::from_secs(86_400);

fn file(content: &[u8]) -> FileNew<'_> {
    new(FileContent::Here(content))
}

fn new(content: FileContent<'_>) -> FileNew<'_> {
    FileNew { person: PersonId::default(), media_type: "image/jpeg", name: Some("mirror\0.jpg"), content, keep: DAY }
}

async fn put(db: &Db, lease: &Lease, content: &[u8]) -> String {
    match db.store.put_file(lease, &file(content)).await.expect("an answer") {
        FilePut::Kept(sha256) => sha256,
        other => panic!("{other:?}"),
    }
}

/// Names a file outside the database; it was put there, as far as the database knows.
async fn name(db: &Db, lease: &Lease, sha256: &str) -> FilePut {
    db.store.put_file(lease, &new(FileContent::Stored { sha256, size_bytes: 7 })).await.expect("an answer")
}

async fn begin(db: &Db, lease: &Lease, sha256: &str) -> bool {
    db.store.begin_file(lease, sha256, 7).await.expect("an answer")
}

async fn unused(db: &Db, grace: Duration) -> Option<UnusedFile> {
    db.store.claim_unused_file(grace, DAY).await.expect("an answer")
}

async fn content(db: &Db, lease: &Lease, sha256: &str) -> Option<Vec<u8>> {
    db.store.find_file(lease, sha256).await.expect("an answer").expect("a file").content
}

/// Moves the clock of all files forward, by moving their end back.
async fn age(db: &Db, seconds: i64) {
    db.exec(format!("update media set expires_at = expires_at - {}", seconds * 1_000_000)).await;
}

async fn a_file_comes_back_as_it_was_put(db: &Db) {
    let lease = db.held().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let sha256 = put(db, &lease, &bytes).await;
    let found = db.store.find_file(&lease, &sha256).await.expect("an answer").expect("a file");
    assert_eq!((found.media_type.as_str(), found.name.as_deref()), ("image/jpeg", Some("mirror.jpg")));
    assert_eq!((found.size_bytes, found.content), (300_000, Some(bytes)));
    assert_eq!(db.store.find_file(&lease, "00").await.expect("an answer"), None);
}

async fn the_same_bytes_are_kept_once_for_the_longer_time(db: &Db) {
    let lease = db.held().await;
    let first = put(db, &lease, b"one").await;
    let short = FileNew { keep: Duration::ZERO, ..file(b"one") };
    assert_eq!(db.store.put_file(&lease, &short).await.expect("kept"), FilePut::Kept(first.clone()));
    assert_ne!(put(db, &lease, b"two").await, first);
    assert_eq!(db.number("select count(*) from media".to_owned()).await, 2);
    assert_eq!(db.store.expire_files(10).await.expect("none"), 0, "the longer time counts");
}

async fn a_file_is_seen_in_its_own_conversation_only(db: &Db) {
    let lease = db.held().await;
    let sha256 = put(db, &lease, b"one").await;
    let other = db.say("q", "m2").await;
    let other = db.claim(other.conversation).await;
    assert_eq!(db.store.find_file(&other, &sha256).await.expect("an answer"), None);
    let stranger = Lease { tenant: crate::support::tenant("other"), ..lease };
    assert_eq!(db.store.find_file(&stranger, &sha256).await.expect("an answer"), None);
}

async fn content_goes_when_its_time_is_over_and_what_it_was_stays(db: &Db) {
    let lease = db.held().await;
    let all = [put(db, &lease, b"one").await, put(db, &lease, b"two").await, put(db, &lease, b"three").await];
    age(db, 86_390).await;
    assert_eq!(db.store.expire_files(10).await.expect("none"), 0);
    assert!(content(db, &lease, &all[2]).await.is_some());
    age(db, 20).await;
    assert_eq!(content(db, &lease, &all[2]).await, None, "also before the sweep");
    assert_eq!(db.store.expire_files(2).await.expect("expired"), 2, "no more than the limit");
    assert_eq!(db.store.expire_files(2).await.expect("expired"), 1);
    assert_eq!(db.store.expire_files(2).await.expect("none"), 0);
    let left = db.store.find_file(&lease, &all[2]).await.expect("an answer").expect("its row");
    assert_eq!((left.size_bytes, left.content), (5, None));
    assert_eq!(db.number("select count(*) from media where content is not null".to_owned()).await, 0);
}

async fn a_file_that_comes_again_is_there_again(db: &Db) {
    let lease = db.held().await;
    let sha256 = put(db, &lease, b"one").await;
    age(db, 90_000).await;
    assert_eq!(db.store.expire_files(10).await.expect("expired"), 1);
    assert_eq!(put(db, &lease, b"one").await, sha256);
    assert_eq!(content(db, &lease, &sha256).await.as_deref(), Some(b"one".as_slice()));
}

async fn a_file_that_is_too_large_is_refused_before_it_is_stored(db: &Db) {
    let lease = db.held().await;
    let large = vec![7; FILE_BYTES_MAX + 1];
    let error = db.store.put_file(&lease, &file(&large)).await.expect_err("refused");
    assert!(matches!(error, StoreError::Payload(_)), "{error}");
    assert_eq!(db.number("select count(*) from media".to_owned()).await, 0);
    put(db, &lease, &large[1..]).await;
}

async fn a_conversation_has_room_for_so_much_only(db: &Db) {
    let lease = db.held().await;
    let first = put(db, &lease, b"one").await;
    db.exec(format!("update media set size_bytes = {}", CONVERSATION_BYTES_MAX - 5)).await;
    put(db, &lease, b"five5").await;
    assert_eq!(db.store.put_file(&lease, &file(b"x")).await.expect("an answer"), FilePut::Full);
    assert_eq!(put(db, &lease, b"one").await, first, "what is there needs no room");
    age(db, 90_000).await;
    assert_eq!(db.store.expire_files(10).await.expect("expired"), 2);
    put(db, &lease, b"x").await;
}

async fn a_fenced_worker_keeps_no_file(db: &Db) {
    let old = db.held().await;
    let new = db.take_over(&old).await;
    let error = db.store.put_file(&old, &file(b"one")).await.expect_err("fenced");
    assert!(matches!(error, StoreError::Fenced), "{error}");
    put(db, &new, b"one").await;
}

async fn a_file_outside_the_database_is_named_by_its_row(db: &Db) {
    let lease = db.held().await;
    assert!(begin(db, &lease, "aa").await);
    assert_eq!(name(db, &lease, "aa").await, FilePut::Kept("aa".to_owned()));
    let found = db.store.find_file(&lease, "aa").await.expect("an answer").expect("a file");
    assert_eq!((found.content, found.stored, found.size_bytes), (None, true, 7));
    db.exec(format!("update media set size_bytes = {CONVERSATION_BYTES_MAX}")).await;
    assert_eq!(db.store.put_file(&lease, &file(b"x")).await.expect("an answer"), FilePut::Full, "it counts inside");
    assert!(begin(db, &lease, "bb").await);
    assert_eq!(name(db, &lease, "bb").await, FilePut::Kept("bb".to_owned()), "outside is more room");
    db.exec(format!("update media set size_bytes = {OUTSIDE_BYTES_MAX} where sha256 = 'aa'")).await;
    assert_eq!(name(db, &lease, "bb").await, FilePut::Full, "and an end to it");
    let large = FileContent::Stored { sha256: "cc", size_bytes: OUTSIDE_BYTES_MAX + 1 };
    let error = db.store.put_file(&lease, &new(large)).await.expect_err("refused");
    assert!(matches!(error, StoreError::Payload(_)), "{error}");
    age(db, 90_000).await;
    let found = db.store.find_file(&lease, "aa").await.expect("an answer").expect("a file");
    assert!(!found.stored, "also before the sweep");
}

async fn a_file_outside_has_to_be_begun_before_its_row(db: &Db) {
    let lease = db.held().await;
    assert_eq!(name(db, &lease, "aa").await, FilePut::Removed);
    assert!(begin(db, &lease, "aa").await);
    assert_eq!(unused(db, Duration::ZERO).await.expect("a file").sha256, "aa");
    assert_eq!(name(db, &lease, "aa").await, FilePut::Removed, "a sweep has it in hand");
    assert_eq!(db.number("select count(*) from media".to_owned()).await, 0);
}

async fn a_file_outside_is_removed_after_its_last_row(db: &Db) {
    let lease = db.held().await;
    let other = db.say("q", "m2").await;
    let other = db.claim(other.conversation).await;
    for lease in [&lease, &other] {
        assert!(begin(db, lease, "aa").await);
        assert_eq!(name(db, lease, "aa").await, FilePut::Kept("aa".to_owned()));
    }
    assert_eq!(db.number("select count(*) from stored_files".to_owned()).await, 1, "once for the tenant");
    db.exec("update media set expires_at = 0 where conversation = (select conversation from media limit 1)".to_owned())
        .await;
    assert_eq!(db.store.expire_files(10).await.expect("expired"), 1);
    assert_eq!(unused(db, Duration::ZERO).await, None, "the other conversation has it");
    age(db, 90_000).await;
    assert_eq!(db.store.expire_files(10).await.expect("expired"), 1);
    assert_eq!(unused(db, DAY).await, None, "somebody touched it in this time");
    let file = unused(db, Duration::ZERO).await.expect("a file");
    assert_eq!((file.tenant.as_str(), file.sha256.as_str()), (lease.tenant.as_str(), "aa"));
    assert_eq!(unused(db, Duration::ZERO).await, None, "one removes it");
    db.store.removed_file(&file).await.expect("removed");
    assert_eq!(unused(db, Duration::ZERO).await, None);
    assert!(begin(db, &lease, "aa").await, "and it may come again");
    assert_eq!(name(db, &lease, "aa").await, FilePut::Kept("aa".to_owned()));
}

async fn a_file_that_was_put_and_never_named_is_removed(db: &Db) {
    let lease = db.held().await;
    assert!(begin(db, &lease, "aa").await);
    assert_eq!(unused(db, DAY).await, None);
    assert_eq!(unused(db, Duration::ZERO).await.expect("a file").sha256, "aa");
}

async fn a_file_that_is_being_removed_is_not_begun(db: &Db) {
    let lease = db.held().await;
    assert!(begin(db, &lease, "aa").await);
    let file = unused(db, Duration::ZERO).await.expect("a file");
    assert!(!begin(db, &lease, "aa").await);
    // It cannot be removed now: others come first, and what is under way may yet end.
    db.store.unused_file_stays(&file).await.expect("put back");
    assert!(!begin(db, &lease, "aa").await);
    db.exec("update stored_files set removing_until = removing_until - 86400000000".to_owned()).await;
    assert_eq!(unused(db, DAY).await, None, "it comes again after the grace");
    let file = unused(db, Duration::ZERO).await.expect("a file");
    // Whoever had it in hand never came to an end.
    db.exec("update stored_files set removing_until = 1".to_owned()).await;
    assert!(begin(db, &lease, "aa").await);
    db.store.removed_file(&file).await.expect("an answer");
    assert_eq!(name(db, &lease, "aa").await, FilePut::Kept("aa".to_owned()), "the late word of the sweep is not heard");
}

async fn the_files_of_a_conversation_are_listed_while_they_are_there(db: &Db) {
    let lease = db.held().await;
    let inside = put(db, &lease, b"one").await;
    assert!(begin(db, &lease, "aa").await);
    name(db, &lease, "aa").await;
    let list = async |most| db.store.files_in(&lease.tenant, lease.conversation, most).await.expect("a list");
    assert_eq!(list(9).await, [inside, "aa".to_owned()].into());
    assert_eq!(list(1).await.len(), 1);
    let stranger = crate::support::tenant("other");
    assert!(db.store.files_in(&stranger, lease.conversation, 9).await.expect("a list").is_empty());
    age(db, 90_000).await;
    assert!(list(9).await.is_empty());
}

/// A conversation with a file, and a part that shows it.
async fn shown(db: &Db) -> (Lease, String, domain::OutboxId) {
    let lease = db.held().await;
    let sha256 = put(db, &lease, b"plan").await;
    let mut commit = crate::support::answer(1, 1, 1);
    commit.replies[0].file = Some(sha256.clone());
    let ids = db.store.commit(&lease, &commit).await.expect("a commit").ids;
    (lease, sha256, ids[0])
}

async fn a_file_that_a_part_waits_to_be_sent_with_outlives_its_time(db: &Db) {
    let (lease, sha256, id) = shown(db).await;
    db.exec("update media set expires_at = 0".to_owned()).await;
    for status in ["pending", "sending", "unknown"] {
        db.exec(format!("update outbox set status = '{status}'")).await;
        assert_eq!(db.store.expire_files(10).await.expect("none"), 0, "{status}");
        let file = db.store.find_reply_file(&lease, &sha256).await.expect("an answer").expect("a file");
        assert_eq!(file.content.as_deref(), Some(&b"plan"[..]), "{status}: it is there for its send");
    }
    assert!(db.store.find_file(&lease, &sha256).await.expect("an answer").is_some_and(|file| file.content.is_none()));
    db.exec("update outbox set status = 'pending'".to_owned()).await;
    let attempt = db.store.begin_send(&lease, id).await.expect("an answer").expect("an attempt");
    let sent = store::Outcome::Sent { provider_message_id: None };
    assert!(db.store.record_outcome(lease.conversation, id, attempt, &sent).await.expect("an answer"));
    assert_eq!(db.store.expire_files(10).await.expect("expired"), 1, "and goes when it is sent");
    let file = db.store.find_reply_file(&lease, &sha256).await.expect("an answer").expect("what it was");
    assert_eq!(file.content, None);
}

async fn a_link_opens_its_file_while_it_lasts(db: &Db) {
    let (lease, sha256, id) = shown(db).await;
    db.store.link_file(&lease, id, "first", DAY).await.expect("linked");
    db.store.link_file(&lease, id, "second", DAY).await.expect("linked");
    assert_eq!(db.store.find_linked_file("first").await.expect("an answer"), None, "the later one counts");
    let (tenant, found, file) = db.store.find_linked_file("second").await.expect("an answer").expect("a file");
    assert_eq!((tenant, found, file.content.as_deref()), (lease.tenant.clone(), sha256, Some(&b"plan"[..])));
    db.exec("update outbox set link_until = 0".to_owned()).await;
    assert_eq!(db.store.find_linked_file("second").await.expect("an answer"), None);
    let other = domain::OutboxId::new();
    let refused = db.store.link_file(&lease, other, "third", DAY).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    db.take_over(&lease).await;
    assert!(matches!(db.store.link_file(&lease, id, "fourth", DAY).await, Err(StoreError::Fenced)));
}
