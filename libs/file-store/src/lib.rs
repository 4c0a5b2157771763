//! Files by their SHA-256, below their tenant: in a folder, or in a bucket of S3 or what speaks like it.
//!
//! The same bytes of a tenant are one object, so putting them again changes nothing. A folder's file is written beside
//! its place, flushed and renamed: under its hash is all of it or nothing. What comes piece by piece lies below
//! `.incoming` until its hash is known. What has no row in the database any more is
//! for the caller to remove.

mod config;
mod hash;
mod incoming;
mod operations;
mod reading;
mod stale;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use domain::Tenant;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, path::Path};
use sha2::{Digest as _, Sha256};

pub use config::{FilesConfig, FilesError, S3Config};
pub use hash::FileHash;
pub use incoming::Incoming;
pub use operations::AT_ONCE_MAX;
pub use reading::Reading;

use operations::Operations;

/// Longest that one request takes, with its repetitions.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Where files are until their hash is known; no tenant has this name.
const INCOMING: &str = ".incoming";

/// Where files are; cheap to clone.
#[derive(Clone, Debug)]
pub struct FileStore {
    objects: Arc<dyn ObjectStore>,
    /// Where they are in a folder.
    folder: Option<PathBuf>,
    operations: Operations,
}

/// Why a file was not put, given or removed.
#[derive(Debug, thiserror::Error)]
pub enum FileStoreError {
    /// The store does not answer, or refuses us: later again.
    #[error("the file store failed")]
    Away(#[source] Error),
    /// It did not answer within [`DEADLINE`].
    #[error("the file store did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// As much as may be is under way and does not end.
    #[error("the file store is busy: {AT_ONCE_MAX} operations are under way, and none ended within {} s", DEADLINE.as_secs())]
    Busy,
    /// Under the hash is something else.
    #[error("the file store has other bytes under the file's hash")]
    Damaged,
}

impl FileStore {
    fn new(objects: impl ObjectStore, folder: Option<PathBuf>) -> Self {
        Self { objects: Arc::new(objects), folder, operations: Operations::new() }
    }

    /// Keeps `content` under `hash`, which the caller made of it.
    ///
    /// # Errors
    /// [`FileStoreError::Away`], [`FileStoreError::Deadline`], [`FileStoreError::Busy`]; it may be there all the same.
    pub async fn put(&self, tenant: &Tenant, hash: &FileHash, content: Bytes) -> Result<(), FileStoreError> {
        let (objects, key) = (self.objects.clone(), key(tenant, hash));
        self.operations.run(async move { objects.put(&key, content.into()).await }).await.map(drop)
    }

    /// A file of the tenant's that comes piece by piece. Nothing is asked of the store yet.
    pub fn incoming(&self, tenant: &Tenant) -> Incoming {
        Incoming::new(self.clone(), tenant.clone())
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
        let (objects, key) = (self.objects.clone(), key(tenant, hash));
        let read = async move {
            let found = objects.get(&key).await?;
            if found.meta.size > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
                return Ok(None);
            }
            found.bytes().await.map(Some)
        };
        match self.operations.run(read).await {
            Ok(Some(content)) if FileHash::of(&content) == *hash => Ok(Some(content)),
            Ok(_) => Err(FileStoreError::Damaged),
            Err(FileStoreError::Away(Error::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file, to be read piece by piece; none where there is none.
    ///
    /// # Errors
    /// [`FileStoreError::Away`], [`FileStoreError::Deadline`], [`FileStoreError::Busy`].
    pub async fn open(&self, tenant: &Tenant, hash: &FileHash) -> Result<Option<Reading>, FileStoreError> {
        let (objects, key) = (self.objects.clone(), key(tenant, hash));
        let asked = key.clone();
        let size_bytes = match self.operations.run(async move { objects.head(&asked).await }).await {
            Ok(found) => found.size,
            Err(FileStoreError::Away(Error::NotFound { .. })) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (files, hash, digest) = (self.clone(), hash.clone(), Sha256::new());
        Ok(Some(Reading { files, key, hash, size_bytes, read_bytes: 0, digest }))
    }

    /// Removes the file; one that is not there is removed.
    ///
    /// # Errors
    /// [`FileStoreError::Away`], [`FileStoreError::Deadline`], [`FileStoreError::Busy`]; it may be gone all the same.
    pub async fn remove(&self, tenant: &Tenant, hash: &FileHash) -> Result<(), FileStoreError> {
        let (objects, key) = (self.objects.clone(), key(tenant, hash));
        match self.operations.run(async move { objects.delete(&key).await }).await {
            Err(FileStoreError::Away(Error::NotFound { .. })) => Ok(()),
            ended => ended,
        }
    }

    /// Removes what was being written and was not touched for `age_min`, which is longer than any writing: a process was
    /// killed. Gives how many there were. It looks at all names of a folder, so it is for once an hour or so; several
    /// processes may do it at once.
    ///
    /// # Errors
    /// [`FileStoreError::Away`], [`FileStoreError::Deadline`] (it goes on), [`FileStoreError::Busy`].
    pub async fn remove_stale(&self, age_min: Duration) -> Result<usize, FileStoreError> {
        match self.folder.clone() {
            Some(folder) => {
                let removing = move || {
                    let ended = stale::in_folder(&folder, age_min, SystemTime::now());
                    ended.map_err(|source| Error::Generic { store: "folder", source: source.into() })
                };
                self.operations.run(async { tokio::task::spawn_blocking(removing).await? }).await
            }
            None => {
                let objects = self.objects.clone();
                self.operations.run(async move { stale::in_bucket(&objects, age_min).await }).await
            }
        }
    }
}

/// Two digits of the hash are a folder, so that none has too many entries.
fn key(tenant: &Tenant, hash: &FileHash) -> Path {
    let hash = hash.as_str();
    Path::from_iter([tenant.as_str(), &hash[..2], hash])
}
