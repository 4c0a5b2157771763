//! Files by their SHA-256, below their tenant: in a folder, or in a bucket of S3 or what speaks like it.
//!
//! The same bytes of a tenant are one object, so putting them again changes nothing. A folder's file is written beside
//! its place, flushed and renamed: under its hash is all of it or nothing. What has no row in the database any more is
//! for the caller to remove.

mod config;
mod hash;

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::Tenant;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, path::Path};

pub use config::{FilesConfig, FilesError, S3Config};
pub use hash::FileHash;

/// Longest that one request takes, with its repetitions.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Where files are; cheap to clone.
#[derive(Clone, Debug)]
pub struct FileStore(Arc<dyn ObjectStore>);

/// Why a file was not put, given or removed.
#[derive(Debug, thiserror::Error)]
pub enum FileStoreError {
    /// The store does not answer, or refuses us: later again.
    #[error("the file store failed")]
    Away(#[source] Error),
    /// It did not answer within [`DEADLINE`].
    #[error("the file store did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// Under the hash is something else.
    #[error("the file store has other bytes under the file's hash")]
    Damaged,
}

impl FileStore {
    /// Keeps `content` under `hash`, which the caller made of it.
    ///
    /// # Errors
    /// [`FileStoreError::Away`] and [`FileStoreError::Deadline`]; it may be there all the same.
    pub async fn put(&self, tenant: &Tenant, hash: &FileHash, content: Bytes) -> Result<(), FileStoreError> {
        within(self.0.put(&key(tenant, hash), content.into())).await.map(drop)
    }

    /// The file; none where there is none. Its hash was compared.
    ///
    /// # Errors
    /// [`FileStoreError::Damaged`] also for a file of more than `bytes_max`, which is not read.
    pub async fn find(
        &self,
        tenant: &Tenant,
        hash: &FileHash,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, FileStoreError> {
        let read = async {
            let found = self.0.get(&key(tenant, hash)).await?;
            if found.meta.size > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
                return Ok(None);
            }
            found.bytes().await.map(Some)
        };
        match within(read).await {
            Ok(Some(content)) if FileHash::of(&content) == *hash => Ok(Some(content)),
            Ok(_) => Err(FileStoreError::Damaged),
            Err(FileStoreError::Away(Error::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the file; one that is not there is removed.
    ///
    /// # Errors
    /// [`FileStoreError::Away`] and [`FileStoreError::Deadline`]; it may be gone all the same.
    pub async fn remove(&self, tenant: &Tenant, hash: &FileHash) -> Result<(), FileStoreError> {
        match within(self.0.delete(&key(tenant, hash))).await {
            Err(FileStoreError::Away(Error::NotFound { .. })) => Ok(()),
            ended => ended,
        }
    }
}

/// Two digits of the hash are a folder, so that none has too many entries.
fn key(tenant: &Tenant, hash: &FileHash) -> Path {
    let hash = hash.as_str();
    Path::from_iter([tenant.as_str(), &hash[..2], hash])
}

async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, FileStoreError> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(ended) => ended.map_err(FileStoreError::Away),
        Err(_) => Err(FileStoreError::Deadline),
    }
}
