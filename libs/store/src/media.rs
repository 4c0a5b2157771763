//! Files that people sent into a conversation: kept once each for a while, so that a call that was decided on them can be
//! made, and made again, with the same bytes.

use std::time::Duration;

use domain::PersonId;
use sha2::{Digest as _, Sha256};

use crate::{
    Lease, Store, StoreError,
    engine::{Arg, Row, args, clean, sql},
    lease::micros,
};

/// Largest file kept, in bytes.
pub const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most bytes of files that one conversation has at a time.
pub const CONVERSATION_BYTES_MAX: usize = 10 * FILE_BYTES_MAX;

/// A file to keep.
#[derive(Clone, Copy, Debug)]
pub struct FileNew<'a> {
    /// Who sent it.
    pub person: PersonId,
    /// Its media type, as its bytes show it.
    pub media_type: &'a str,
    /// Its name, where one is known.
    pub name: Option<&'a str>,
    /// All of it.
    pub content: &'a [u8],
    /// For how long, from now.
    pub keep: Duration,
}

/// A file that was kept.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its media type.
    pub media_type: String,
    /// Its name, where one is known.
    pub name: Option<String>,
    /// Its size, also when the content is gone.
    pub size_bytes: i64,
    /// All of it; none when its time is over.
    pub content: Option<Vec<u8>>,
}

impl Store {
    /// Keeps a file of the lease's conversation; gives the SHA-256 under which it is found, in lower-case hex. The same
    /// bytes are kept once, and for the longer time. None: the conversation has too many files at the moment.
    ///
    /// # Errors
    /// [`StoreError::Payload`] for more than [`FILE_BYTES_MAX`]; [`StoreError::Fenced`].
    pub async fn put_file(&self, lease: &Lease, file: &FileNew<'_>) -> Result<Option<String>, StoreError> {
        let size = file.content.len();
        if size > FILE_BYTES_MAX {
            return Err(StoreError::Payload(format!("a file of {size} bytes; the most is {FILE_BYTES_MAX}")));
        }
        let sha256 = hex::encode(Sha256::digest(file.content));
        let size_bytes = i64::try_from(size).unwrap_or(i64::MAX);
        let room = i64::try_from(CONVERSATION_BYTES_MAX).unwrap_or(i64::MAX);
        let mut tx = self.fenced(lease).await?;
        let full = tx
            .optional(
                sql!(
                    "select count(*) as files from media where conversation = $1 and sha256 <> $2 and content is not null "
                    "having sum(size_bytes) + $3 > $4"
                ),
                args![lease.conversation, &sha256, size_bytes, room],
            )
            .await?;
        if full.is_some() {
            tx.rollback().await?;
            return Ok(None);
        }
        tx.execute(
            sql!(
                "insert into media "
                "(conversation, sha256, tenant, person, media_type, name, size_bytes, content, created_at, expires_at) "
                "values ($1, $2, $3, $4, $5, $6, $7, $8, " now ", " now " + $9) "
                "on conflict (conversation, sha256) do update set content = excluded.content, expires_at = "
                ("greatest" | "max") "(media.expires_at, excluded.expires_at)"
            ),
            args![
                lease.conversation,
                &sha256,
                &lease.tenant,
                file.person,
                clean(file.media_type),
                file.name.map(clean),
                size_bytes,
                Arg::from(file.content),
                micros(file.keep)
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(Some(sha256))
    }

    /// A file of the lease's conversation by its SHA-256.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_file(&self, lease: &Lease, sha256: &str) -> Result<Option<StoredFile>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select media_type, name, size_bytes, case when expires_at > " now " then content end as content "
                    "from media where conversation = $1 and sha256 = $2 and tenant = $3"
                ),
                args![lease.conversation, sha256, &lease.tenant],
            )
            .await?;
        row.as_ref().map(StoredFile::read).transpose()
    }

    /// Removes the content of up to `limit` files whose time is over, the longest over first, and of as many uploads; what
    /// they were stays. Several workers may do this at once. Gives how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire_files(&self, limit: i64) -> Result<usize, StoreError> {
        let uploads = self.expire_uploads(limit).await?;
        let over = sql!("select 1 as one from media where content is not null and expires_at <= " now " limit 1");
        if self.read(over, args![]).await?.is_empty() {
            return Ok(uploads); // as nearly always, and without a writing transaction
        }
        let expired = self
            .write(
                sql!(
                    "update media set content = null where (conversation, sha256) in (select conversation, sha256 from "
                    "media where content is not null and expires_at <= " now " order by expires_at limit $1" skip_locked
                    ") returning size_bytes"
                ),
                args![limit.max(0)],
            )
            .await?;
        Ok(uploads + expired.len())
    }
}

impl StoredFile {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            media_type: row.text("media_type")?,
            name: row.opt_text("name")?,
            size_bytes: row.int("size_bytes")?,
            content: row.opt_bytes("content")?,
        })
    }
}

impl std::fmt::Debug for StoredFile {
    /// Neither name nor content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredFile")
            .field("media_type", &self.media_type)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}
