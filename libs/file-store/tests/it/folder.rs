//! A folder as the store.

use std::path::Path;

use bytes::Bytes;
use file_store::{FileHash, FileStore, FileStoreError, FilesConfig};

use crate::shared::{keeps_its_promises, tenant};

fn open(folder: &Path) -> FileStore {
    let config = FilesConfig::Folder { folder: folder.join("a/files"), shared: false };
    config.open().expect("usable").expect("a store")
}

/// All files below a folder, and whether each is under the hash of its bytes.
fn files(folder: &Path) -> Vec<bool> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            let content = std::fs::read(&entry).expect("a file");
            found.push(entry.file_name().and_then(|name| name.to_str()) == Some(FileHash::of(&content).as_str()));
        }
    }
    found
}

#[tokio::test]
async fn a_folder_keeps_its_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    keeps_its_promises(&open(folder.path())).await;
}

#[tokio::test]
async fn the_same_bytes_are_one_file_of_a_tenant() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let content = Bytes::from_static(b"mirror");
    let hash = FileHash::of(&content);
    let tasks = (0..8).map(|n| {
        let (store, content, hash) = (store.clone(), content.clone(), hash.clone());
        tokio::spawn(async move { store.put(&tenant(["acme", "other"][n % 2]), &hash, content).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("ended").expect("kept");
    }
    assert_eq!(files(folder.path()), [true, true], "one of each tenant, and nothing beside them");
}

#[tokio::test]
async fn a_put_that_was_given_up_leaves_no_half_file_under_its_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let content = Bytes::from(vec![3; 8 * 1024 * 1024]);
    let hash = FileHash::of(&content);
    let acme = tenant("acme");
    let putting = tokio::spawn({
        let (store, acme, hash, content) = (store.clone(), acme.clone(), hash.clone(), content.clone());
        async move { store.put(&acme, &hash, content).await }
    });
    putting.abort();
    putting.await.ok();
    let found = store.find(&acme, &hash, content.len()).await.expect("all of it or nothing");
    assert!(found.is_none_or(|found| found == content));
    store.put(&acme, &hash, content.clone()).await.expect("kept");
    assert_eq!(store.find(&acme, &hash, content.len()).await.expect("an answer"), Some(content));
}

#[tokio::test]
async fn a_folder_that_went_away_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let place = folder.path().join("a/files");
    std::fs::remove_dir_all(&place).expect("removed");
    std::fs::write(&place, b"no folder").expect("written");
    let content = Bytes::from_static(b"mirror");
    let ended = store.put(&tenant("acme"), &FileHash::of(&content), content).await;
    assert!(matches!(ended, Err(FileStoreError::Away(_))), "{ended:?}");
}
