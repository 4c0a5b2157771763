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

/// Takes files piece by piece and gives them so, as each store has to.
pub async fn streams_as_promised(files: &FileStore) {
    let (acme, other) = (tenant("acme"), tenant("other"));
    // Less than a part, exactly one, and two with a rest.
    for size in [0, 100_000, 5 * 1024 * 1024, 10 * 1024 * 1024 + 7] {
        let content: Bytes = (0..=250).cycle().take(size).collect::<Vec<u8>>().into();
        let hash = FileHash::of(&content);
        let mut incoming = files.incoming(&acme);
        for piece in content.chunks(1_000_003) {
            incoming.write(Bytes::copy_from_slice(piece)).await.expect("taken");
        }
        assert_eq!((incoming.hash(), incoming.size_bytes()), (hash.clone(), size as u64));
        assert!(files.open(&acme, &hash).await.expect("an answer").is_none(), "it is not there before it is kept");
        incoming.keep().await.expect("kept");
        assert_eq!(files.find(&acme, &hash, size).await.expect("an answer"), Some(content.clone()), "{size}");

        let mut reading = files.open(&acme, &hash).await.expect("an answer").expect("a file");
        assert_eq!(reading.size_bytes(), size as u64);
        let mut read = Vec::new();
        while let Some(piece) = reading.next().await.expect("a piece") {
            assert!(piece.len() <= 1024 * 1024, "{}", piece.len());
            read.extend_from_slice(&piece);
        }
        assert!(read == content, "{size}");
        assert!(files.open(&other, &hash).await.expect("an answer").is_none(), "another tenant has none of it");
    }

    let wrong = FileHash::of(b"other bytes");
    files.put(&acme, &wrong, Bytes::from(vec![7; 3_000_000])).await.expect("kept");
    let mut reading = files.open(&acme, &wrong).await.expect("an answer").expect("a file");
    let mut read = 0;
    let ended = loop {
        match reading.next().await {
            Ok(Some(piece)) => read += piece.len(),
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(FileStoreError::Damaged)), "{ended:?}");
    assert!(read < 3_000_000, "the last piece is not given");
}
