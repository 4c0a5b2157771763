//! A bucket as the store. `tests/support/with-s3.sh` starts moto's server, a well-known fake of S3, and names it.

use bytes::Bytes;
use file_store::{FileHash, FileStore, FileStoreError, FilesConfig, S3Config};

use crate::shared::{keeps_its_promises, tenant};

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
