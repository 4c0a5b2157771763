//! A file that is given piece by piece.

use bytes::Bytes;
use object_store::{ObjectStoreExt as _, path::Path};
use sha2::{Digest as _, Sha256};

use crate::{FileHash, FileStore, FileStoreError};

/// Most bytes of one piece.
const PIECE_BYTES: u64 = 1024 * 1024;

/// A file being read.
#[derive(Debug)]
pub struct Reading {
    pub(crate) files: FileStore,
    pub(crate) key: Path,
    pub(crate) hash: FileHash,
    pub(crate) size_bytes: u64,
    pub(crate) read_bytes: u64,
    pub(crate) digest: Sha256,
}

impl Reading {
    /// How many bytes it has.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The next bytes; none at the end. The last are given when the hash of all is the file's.
    ///
    /// # Errors
    /// [`FileStoreError`]: the rest cannot be had.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FileStoreError> {
        if self.read_bytes >= self.size_bytes {
            return Ok(None);
        }
        let range = self.read_bytes..self.size_bytes.min(self.read_bytes + PIECE_BYTES);
        let (objects, key, wanted) = (self.files.objects.clone(), self.key.clone(), range.clone());
        let piece = self.files.operations.run(async move { objects.get_range(&key, wanted).await }).await?;
        self.digest.update(&piece);
        self.read_bytes = range.end;
        let is_short = u64::try_from(piece.len()).ok() != Some(range.end - range.start);
        let is_last = self.read_bytes == self.size_bytes;
        if is_short || is_last && FileHash::of_digest(self.digest.clone()) != self.hash {
            return Err(FileStoreError::Damaged);
        }
        Ok(Some(piece))
    }
}
