//! A file that comes piece by piece: its hash is known when it ends, and only then it is there.

use bytes::{Bytes, BytesMut};
use domain::Tenant;
use object_store::{MultipartUpload, ObjectStoreExt as _, path::Path};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::{FileHash, FileStore, FileStoreError, INCOMING, key};

/// What is held in memory before it is put; S3 takes no smaller parts but the last.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// A file under way. Dropped before [`Self::keep`] it is not kept; what a killed process leaves of it is removed by
/// [`FileStore::remove_stale`].
#[derive(Debug)]
pub struct Incoming {
    files: FileStore,
    tenant: Tenant,
    /// Where it is until its hash is known.
    place: Path,
    held: BytesMut,
    /// A file of less than a part has none.
    upload: Option<Box<dyn MultipartUpload>>,
    digest: Sha256,
    size_bytes: u64,
}

impl Incoming {
    pub(crate) fn new(files: FileStore, tenant: Tenant) -> Self {
        let place = Path::from_iter([INCOMING, tenant.as_str(), &Uuid::new_v4().simple().to_string()]);
        let digest = Sha256::new();
        Self { files, tenant, place, held: BytesMut::new(), upload: None, digest, size_bytes: 0 }
    }

    /// Adds bytes at the end. Nothing more is taken while a part is on its way.
    ///
    /// # Errors
    /// [`FileStoreError::Away`], [`FileStoreError::Deadline`], [`FileStoreError::Busy`]: the file cannot be kept any more.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), FileStoreError> {
        self.digest.update(&bytes);
        self.size_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        while !bytes.is_empty() {
            let taken = bytes.split_to(bytes.len().min(PART_BYTES - self.held.len()));
            self.held.extend_from_slice(&taken);
            if self.held.len() == PART_BYTES {
                self.put_part().await?;
            }
        }
        Ok(())
    }

    /// The hash of what was written so far.
    pub fn hash(&self) -> FileHash {
        FileHash::of_digest(self.digest.clone())
    }

    /// Bytes written so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// All is written: puts it under its hash, all of it or nothing.
    ///
    /// # Errors
    /// [`FileStoreError::Away`], [`FileStoreError::Deadline`], [`FileStoreError::Busy`]; it may be there all the same.
    pub async fn keep(mut self) -> Result<(), FileStoreError> {
        let hash = self.hash();
        if self.upload.is_none() {
            return self.files.put(&self.tenant, &hash, self.held.split().freeze()).await;
        }
        if !self.held.is_empty() {
            self.put_part().await?;
        }
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        let complete = async move {
            let ended = upload.complete().await;
            if ended.is_err() {
                upload.abort().await.ok(); // a bucket keeps, and bills, the parts until then
            }
            ended
        };
        self.files.operations.run(complete).await?;
        let (objects, from, to) = (self.files.objects.clone(), self.place.clone(), key(&self.tenant, &hash));
        self.files.operations.run(async move { objects.rename(&from, &to).await }).await
    }

    async fn put_part(&mut self) -> Result<(), FileStoreError> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let (objects, place, runtime) = (self.files.objects.clone(), self.place.clone(), Handle::current());
                // A folder opens its file on the thread that asks, and may hang there.
                let begin = move || runtime.block_on(async move { objects.put_multipart(&place).await });
                let begun = async { tokio::task::spawn_blocking(begin).await? };
                none.insert(self.files.operations.run(begun).await?)
            }
        };
        let part = upload.put_part(self.held.split().freeze().into());
        self.files.operations.run(part).await
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), Handle::try_current()) {
            let operations = self.files.operations.clone();
            runtime.spawn(async move { operations.run(async move { upload.abort().await }).await.ok() });
        }
    }
}
