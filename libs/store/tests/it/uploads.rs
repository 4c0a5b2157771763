//! Uploads of the web chat: each its owner's, so many and no more, gone when their time is over.

use std::time::Duration;

use domain::Account;
use store::{FileContent, StoreError, UploadNew, UploadPut, UploadQuota, media::FILE_BYTES_MAX};
use uuid::Uuid;

use crate::support::{Db, account, on_both_engines, tenant};

on_both_engines!(
    an_upload_is_named_by_its_owner_only_and_comes_back_as_it_was,
    an_owner_has_room_for_so_much_only_also_at_one_time,
    an_upload_that_nobody_names_goes_and_one_that_is_named_stays_longer,
    an_upload_that_is_too_large_is_refused,
    an_upload_outside_the_database_counts_the_same_and_its_file_stays_as_long,
    an_upload_whose_file_is_being_removed_is_not_kept,
);

const HOUR: Duration = Duration::from_secs(3_600);
const QUOTA: UploadQuota = UploadQuota { files_max: 3, bytes_max: 100, account_bytes_max: 1_000 };

async fn put(db: &Db, owner: &str, content: &[u8]) -> Option<Uuid> {
    match put_as(db, owner, FileContent::Here(content)).await {
        UploadPut::Kept(id) => Some(id),
        UploadPut::Full => None,
        UploadPut::Removing => panic!("it is in the database"),
    }
}

async fn put_outside(db: &Db, owner: &str, sha256: &str, size_bytes: usize) -> UploadPut {
    put_as(db, owner, FileContent::Stored { sha256, size_bytes }).await
}

async fn put_as(db: &Db, owner: &str, content: FileContent<'_>) -> UploadPut {
    let upload = UploadNew {
        account: &account(),
        owner,
        media_type: "image/png",
        name: Some("mirror\0.png"),
        content,
        keep: HOUR,
    };
    db.store.put_upload(&tenant("acme"), &upload, QUOTA).await.expect("an answer")
}

async fn named(db: &Db, owner: &str, ids: &[Uuid]) -> Vec<Uuid> {
    let named = db.store.name_uploads(&tenant("acme"), &account(), owner, ids, 24 * HOUR).await.expect("an answer");
    named.into_iter().map(|(id, _)| id).collect()
}

async fn age(db: &Db, seconds: i64) {
    db.exec(format!("update uploads set expires_at = expires_at - {}", seconds * 1_000_000)).await;
}

async fn an_upload_is_named_by_its_owner_only_and_comes_back_as_it_was(db: &Db) {
    let (one, two) = (put(db, "s-1", b"one").await.expect("room"), put(db, "s-1", b"two").await.expect("room"));
    assert_eq!(named(db, "s-1", &[two, one]).await, [two, one], "in the order that was asked");
    assert_eq!(named(db, "s-2", &[two, one]).await, Vec::<Uuid>::new());
    assert_eq!(named(db, "s-1", &[Uuid::new_v4()]).await, Vec::<Uuid>::new());
    let others = db.store.name_uploads(&tenant("other"), &account(), "s-1", &[one], HOUR).await.expect("an answer");
    assert_eq!(others, []);
    let elsewhere: Account = "web:other".parse().expect("an account");
    let others = db.store.name_uploads(&tenant("acme"), &elsewhere, "s-1", &[one], HOUR).await.expect("an answer");
    assert_eq!(others, []);

    let lease = db.held().await;
    let found = db.store.find_upload(&lease, one).await.expect("an answer").expect("a file");
    assert_eq!((found.file.media_type.as_str(), found.file.name.as_deref()), ("image/png", Some("mirror.png")));
    assert_eq!((found.file.size_bytes, found.file.content.as_deref()), (3, Some(b"one".as_slice())));
    assert_eq!((found.file.stored, found.sha256), (false, None));
    let stranger = store::Lease { tenant: tenant("other"), ..lease };
    assert_eq!(db.store.find_upload(&stranger, one).await.expect("an answer"), None);
}

async fn an_owner_has_room_for_so_much_only_also_at_one_time(db: &Db) {
    assert!(put(db, "s-1", &[7; 60]).await.is_some());
    assert_eq!(put(db, "s-1", &[7; 41]).await, None, "bytes");
    assert!(put(db, "s-1", &[7; 40]).await.is_some());
    assert!(put(db, "s-2", &[7; 60]).await.is_some(), "another owner has their own");
    let many = futures::future::join_all((0..8).map(|_| put(db, "s-3", b"x"))).await;
    assert_eq!(many.iter().flatten().count(), 3, "files");
    let mut all = 0;
    while all < 20 && put(db, &format!("t-{all}"), &[7; 90]).await.is_some() {
        all += 1;
    }
    assert_eq!(all, 9, "all owners together have room for 1,000 bytes, and 163 are there");
    age(db, 3_601).await;
    db.store.expire_files(100).await.expect("expired");
    assert!(put(db, "s-3", b"x").await.is_some(), "what is gone needs no room");
}

async fn an_upload_that_nobody_names_goes_and_one_that_is_named_stays_longer(db: &Db) {
    let (one, two) = (put(db, "s-1", b"one").await.expect("room"), put(db, "s-1", b"two").await.expect("room"));
    assert_eq!(named(db, "s-1", &[one]).await, [one]);
    age(db, 3_601).await;
    assert_eq!(named(db, "s-1", &[two]).await, Vec::<Uuid>::new(), "also before the sweep");
    assert_eq!(db.store.expire_files(10).await.expect("expired"), 1);
    assert_eq!(db.number("select count(*) from uploads where content is null and name is null".to_owned()).await, 1);
    let lease = db.held().await;
    let content =
        |id| async move { db.store.find_upload(&lease, id).await.expect("an answer").expect("a row").file.content };
    assert_eq!(content(one).await.as_deref(), Some(b"one".as_slice()));
}

async fn an_upload_that_is_too_large_is_refused(db: &Db) {
    let content = vec![7; FILE_BYTES_MAX + 1];
    let upload = UploadNew {
        account: &account(),
        owner: "s-1",
        media_type: "image/png",
        name: None,
        content: FileContent::Here(&content),
        keep: HOUR,
    };
    let quota = UploadQuota { files_max: 9, bytes_max: usize::MAX, account_bytes_max: usize::MAX };
    let error = db.store.put_upload(&tenant("acme"), &upload, quota).await.expect_err("refused");
    assert!(matches!(error, StoreError::Payload(_)), "{error}");
}

async fn an_upload_outside_the_database_counts_the_same_and_its_file_stays_as_long(db: &Db) {
    let UploadPut::Kept(one) = put_outside(db, "s-1", "aa", 60).await else { panic!("room") };
    assert_eq!(put_outside(db, "s-1", "bb", 41).await, UploadPut::Full, "bytes");
    assert_eq!(put(db, "s-1", &[7; 41]).await, None, "wherever they are");
    assert_eq!(db.number("select count(*) from stored_files".to_owned()).await, 1, "what has no room is not begun");
    let UploadPut::Kept(lost) = put_outside(db, "s-1", "bb", 40).await else { panic!("room") };
    db.store.drop_upload(&tenant("acme"), lost).await.expect("dropped");
    assert!(put(db, "s-1", &[7; 40]).await.is_some(), "what could not be put needs no room");
    assert_eq!(named(db, "s-1", &[one, lost]).await, [one]);

    let lease = db.held().await;
    let found = db.store.find_upload(&lease, one).await.expect("an answer").expect("a file");
    assert_eq!((found.file.stored, found.sha256.as_deref(), found.file.content), (true, Some("aa"), None));
    let claim = async || {
        let claimed = db.store.claim_unused_file(Duration::ZERO, HOUR).await.expect("an answer");
        claimed.map(|file| file.sha256)
    };
    assert_eq!(claim().await.as_deref(), Some("bb"), "nothing names it");
    assert_eq!(claim().await, None, "an upload names the other");
    age(db, 24 * 3_600).await;
    let found = db.store.find_upload(&lease, one).await.expect("an answer").expect("a row");
    assert_eq!((found.file.stored, found.sha256), (false, None), "its time is over, also before the sweep");
    assert_eq!(db.store.expire_files(10).await.expect("expired"), 2);
    assert_eq!(claim().await.as_deref(), Some("aa"));
}

async fn an_upload_whose_file_is_being_removed_is_not_kept(db: &Db) {
    let UploadPut::Kept(one) = put_outside(db, "s-1", "aa", 60).await else { panic!("room") };
    db.store.drop_upload(&tenant("acme"), one).await.expect("dropped");
    assert!(db.store.claim_unused_file(Duration::ZERO, HOUR).await.expect("an answer").is_some());
    assert_eq!(put_outside(db, "s-1", "aa", 60).await, UploadPut::Removing);
    let rows = db.number("select count(*) from uploads where stored".to_owned()).await;
    assert_eq!(rows, 0, "and takes no room");
}
