//! A folder as the store.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use file_store::{AT_ONCE_MAX, DEADLINE, FileHash, FileStore, FileStoreError, FilesConfig};

use crate::shared::{keeps_its_promises, streams_as_promised, tenant};

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
async fn files_go_through_a_folder_piece_by_piece() {
    let folder = tempfile::tempdir().expect("a folder");
    streams_as_promised(&open(folder.path())).await;
    let wrong = files(folder.path()).into_iter().filter(|is_under_its_hash| !is_under_its_hash).count();
    assert_eq!(wrong, 1, "the one that was put so, and nothing that was under way");
}

#[tokio::test]
async fn a_file_that_is_given_up_leaves_nothing_in_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let mut incoming = store.incoming(&tenant("acme"));
    incoming.write(Bytes::from(vec![7; 6 * 1024 * 1024])).await.expect("taken");
    assert_eq!(files(folder.path()), [false], "its first part");
    drop(incoming);
    let gone = async {
        while !files(folder.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it was removed");
}

#[tokio::test]
async fn what_killed_processes_left_is_removed_when_it_is_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let acme = tenant("acme");
    let content = Bytes::from_static(b"mirror");
    let hash = FileHash::of(&content);
    store.put(&acme, &hash, content.clone()).await.expect("kept");
    let place = folder.path().join("a/files");
    let incoming = place.join(".incoming/acme");
    std::fs::create_dir_all(&incoming).expect("made");
    let beside = place.join("acme").join(&hash.as_str()[..2]);
    // A staged file of a put, of an upload, and an upload that lacks its last name only.
    let left = [beside.join(format!("{hash}#12")), incoming.join("0c#1"), incoming.join("0c")];
    let now = SystemTime::now();
    let write = |file: &Path, age: u64| {
        let file = std::fs::File::create(file).expect("made");
        file.set_modified(now - Duration::from_secs(age)).expect("dated");
    };
    left.iter().for_each(|file| write(file, 3_500));
    let hour = Duration::from_secs(3_600);
    assert_eq!(store.remove_stale(hour).await.expect("an answer"), 0, "they may be under way");
    left.iter().for_each(|file| write(file, 3_700));
    write(&beside.join(hash.as_str()), 3_700);
    std::fs::write(beside.join(hash.as_str()), &content).expect("written");
    assert_eq!(store.remove_stale(hour).await.expect("an answer"), 3);
    assert_eq!(store.find(&acme, &hash, 10).await.expect("an answer"), Some(content), "a file's age is no reason");
    assert_eq!(files(folder.path()), [true]);
}

#[tokio::test]
async fn a_folder_that_hangs_takes_so_many_threads_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let acme = tenant("acme");
    let content = Bytes::from_static(b"mirror");
    let (hung, good) = (FileHash::of(b"hung"), FileHash::of(&content));
    store.put(&acme, &good, content.clone()).await.expect("kept");
    // Opening it waits for who writes into it, as a network volume that is away does.
    let place = folder.path().join("a/files/acme").join(&hung.as_str()[..2]);
    std::fs::create_dir_all(&place).expect("made");
    let pipe = place.join(hung.as_str());
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());

    tokio::time::pause();
    let find = |hash: &FileHash| {
        let (store, acme, hash) = (store.clone(), acme.clone(), hash.clone());
        tokio::spawn(async move { store.find(&acme, &hash, 10).await })
    };
    let waiting: Vec<_> = (0..AT_ONCE_MAX + 3).map(|_| find(&hung)).collect();
    tokio::task::yield_now().await;
    let behind = find(&good);
    // No time goes by itself while threads hang.
    while !behind.is_finished() || !waiting.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::advance(DEADLINE / 10).await;
    }
    let (mut given_up, mut refused) = (0, 0);
    for task in waiting {
        match task.await.expect("ended") {
            Err(FileStoreError::Deadline) => given_up += 1,
            Err(FileStoreError::Busy) => refused += 1,
            ended => panic!("{ended:?}"),
        }
    }
    assert_eq!((given_up, refused), (AT_ONCE_MAX, 3));
    let ended = behind.await.expect("ended");
    assert!(matches!(ended, Err(FileStoreError::Busy)), "{ended:?}");

    tokio::time::resume();
    // The volume is back: who waits at the pipe goes on, and who comes later finds none.
    let writer = std::fs::OpenOptions::new().write(true).open(&pipe).expect("opened");
    std::fs::remove_file(&pipe).expect("removed");
    drop(writer);
    assert_eq!(store.find(&acme, &good, 10).await.expect("an answer"), Some(content));
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
