//! A bucket as the store. `tests/support/with-s3.sh` starts moto's server, a well-known fake of S3, and names it.

use std::time::Duration;

use bytes::Bytes;
use file_store::{FileHash, FileStore, FileStoreError, FilesConfig, S3Config};

use crate::shared::{keeps_its_promises, streams_as_promised, tenant};

/// Where the fake is: `http://127.0.0.1:<port>`.
const SERVER: &str = "TEST_S3_URL";

fn open(endpoint: &str, bucket: &str) -> FileStore {
    rustls::crypto::ring::default_provider().install_default().ok();
    let config = FilesConfig::S3(S3Config {
        endpoint: Some(endpoint.parse().expect("a URL")),
        bucket: bucket.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: "test".into(),
        secret_key: "test-secret".into(),
    });
    config.open().expect("usable").expect("a store")
}

fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} is not set: run tests/support/with-s3.sh"))
}

#[tokio::test]
async fn a_bucket_keeps_its_promises() {
    let server = server();
    let files = open(&server, "dragoman-files");
    let made = reqwest::Client::new().put(format!("{server}/dragoman-files")).send().await.expect("an answer");
    assert!(made.status().is_success(), "{made:?}");
    keeps_its_promises(&files).await;
    streams_as_promised(&files).await;
    let listed = async || {
        let listed = reqwest::get(format!("{server}/dragoman-files?list-type=2&prefix=.incoming/")).await;
        listed.expect("an answer").text().await.expect("a body")
    };
    assert!(listed().await.contains("<KeyCount>0</KeyCount>"), "{}", listed().await);

    // What a process left that was killed between the last part and the hash.
    let left = reqwest::Client::new().put(format!("{server}/dragoman-files/.incoming/acme/left")).body("left");
    assert!(left.send().await.expect("an answer").status().is_success());
    assert_eq!(files.remove_stale(Duration::from_secs(3_600)).await.expect("an answer"), 0, "it may be under way");
    assert_eq!(files.remove_stale(Duration::ZERO).await.expect("an answer"), 1);
    assert!(listed().await.contains("<KeyCount>0</KeyCount>"), "{}", listed().await);
}

#[tokio::test]
async fn a_file_that_is_given_up_leaves_no_parts_in_the_bucket() {
    let server = server();
    let files = open(&server, "dragoman-given-up");
    let made = reqwest::Client::new().put(format!("{server}/dragoman-given-up")).send().await.expect("an answer");
    assert!(made.status().is_success(), "{made:?}");
    let uploads = async || {
        let listed = reqwest::get(format!("{server}/dragoman-given-up?uploads")).await;
        listed.expect("an answer").text().await.expect("a body").matches("<UploadId>").count()
    };
    let mut incoming = files.incoming(&tenant("acme"));
    incoming.write(Bytes::from(vec![7; 6 * 1024 * 1024])).await.expect("taken");
    assert_eq!(uploads().await, 1);
    drop(incoming);
    let gone = async {
        while uploads().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it was aborted");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_no_file_that_is_not_there() {
    let files = open(&server(), "no-such-bucket");
    let content = Bytes::from_static(b"mirror");
    let hash = FileHash::of(&content);
    let ended = files.put(&tenant("acme"), &hash, content).await;
    assert!(matches!(ended, Err(FileStoreError::Away(_))), "{ended:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_within_the_deadline() {
    // Nothing listens there.
    let files = open("http://127.0.0.1:9", "dragoman-files");
    let content = Bytes::from_static(b"mirror");
    let hash = FileHash::of(&content);
    let ended = files.put(&tenant("acme"), &hash, content).await;
    assert!(matches!(ended, Err(FileStoreError::Away(_) | FileStoreError::Deadline)), "{ended:?}");
    let words = format!("{:?}", ended.expect_err("away"));
    assert!(!words.contains("test-secret"), "{words}");
}
