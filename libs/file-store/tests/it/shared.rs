//! What every store keeps.

use bytes::Bytes;
use domain::Tenant;
use file_store::{FileHash, FileStore, FileStoreError};

pub fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a name")
}

/// Puts, finds and removes, as each store has to.
pub async fn keeps_its_promises(files: &FileStore) {
    let (acme, other) = (tenant("acme"), tenant("other"));
    let content = Bytes::from(vec![7; 100_000]);
    let hash = FileHash::of(&content);
    let find = async |tenant: &Tenant, most: usize| files.find(tenant, &hash, most).await;

    assert_eq!(find(&acme, 1_000_000).await.expect("an answer"), None);
    files.remove(&acme, &hash).await.expect("what is not there is removed");
    for _ in 0..2 {
        files.put(&acme, &hash, content.clone()).await.expect("kept, and kept again");
    }
    assert_eq!(find(&acme, 100_000).await.expect("an answer"), Some(content.clone()));
    assert_eq!(find(&other, 100_000).await.expect("an answer"), None, "another tenant has none of it");
    assert!(matches!(find(&acme, 99_999).await, Err(FileStoreError::Damaged)), "more than was asked for is not read");

    let wrong = FileHash::of(b"other bytes");
    files.put(&acme, &wrong, content).await.expect("kept");
    assert!(matches!(files.find(&acme, &wrong, 1_000_000).await, Err(FileStoreError::Damaged)));

    files.remove(&acme, &hash).await.expect("removed");
    assert_eq!(find(&acme, 1_000_000).await.expect("an answer"), None);
}
