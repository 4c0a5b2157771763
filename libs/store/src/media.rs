//! Files of a conversation: those that people sent, kept once each for a while, so that a call that was decided on them
//! can be made, and made again, with the same bytes; and those that answers show, kept also as long as one is to be sent.
//!
//! The bytes are in the row, or outside the database (`stored_files`). Those outside are begun here, put by the caller,
//! and then named by a row; what no row names is removed by [`Store::claim_unused_file`]'s caller. So a crash between
//! any two of these leaves at most a file that a sweep removes.

use std::{collections::BTreeSet, time::Duration};

use domain::{ConversationId, OutboxId, PersonId, Tenant};
use sha2::{Digest as _, Sha256};

use crate::{
    Lease, Store, StoreError,
    batch::Batch,
    engine::{Row, Tx, args, clean, sql},
    lease::micros,
};

/// Largest file kept in the database, in bytes.
pub const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most bytes of files that one conversation has at a time, for one more in the database.
pub const CONVERSATION_BYTES_MAX: usize = 10 * FILE_BYTES_MAX;
/// The same for one more outside the database, and so the largest there.
pub const OUTSIDE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A file to keep.
#[derive(Clone, Copy, Debug)]
pub struct FileNew<'a> {
    /// Who sent it.
    pub person: PersonId,
    /// Its media type, as its bytes show it.
    pub media_type: &'a str,
    /// Its name, where one is known.
    pub name: Option<&'a str>,
    /// Its bytes, or where they are.
    pub content: FileContent<'a>,
    /// For how long, from now.
    pub keep: Duration,
}

/// The bytes of a file to keep.
#[derive(Clone, Copy, Debug)]
pub enum FileContent<'a> {
    /// All of it, for the database.
    Here(&'a [u8]),
    /// They were put outside the database after [`Store::begin_file`].
    Stored {
        /// Their SHA-256, in lower-case hex.
        sha256: &'a str,
        /// How many there are.
        size_bytes: usize,
    },
}

/// How keeping a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilePut {
    /// It is found under this SHA-256, in lower-case hex.
    Kept(String),
    /// The conversation has too many files at the moment.
    Full,
    /// It was removed since it was put: begin again.
    Removed,
}

/// A file outside the database that nothing names any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedFile {
    /// Whose it is.
    pub tenant: Tenant,
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
    /// Until when nobody puts it, by the database's clock; it names this claim.
    removing_until: i64,
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
    /// All of it, where the database has it; none when its time is over.
    pub content: Option<Vec<u8>>,
    /// It is outside the database, and its time is not over.
    pub stored: bool,
}

impl Store {
    /// Says that a file of the lease's tenant will be put outside the database now; from then on for `grace` of
    /// [`Self::claim_unused_file`] nobody removes it. False: it is being removed, and may be begun again in a moment.
    ///
    /// # Errors
    /// [`StoreError::Payload`] for more than [`OUTSIDE_BYTES_MAX`].
    pub async fn begin_file(&self, lease: &Lease, sha256: &str, size_bytes: usize) -> Result<bool, StoreError> {
        let size_bytes = checked(size_bytes, OUTSIDE_BYTES_MAX)?;
        let mut tx = self.begin().await?;
        let begun = begin(&mut tx, &lease.tenant, sha256, size_bytes).await?;
        tx.commit().await?;
        Ok(begun)
    }

    /// Keeps a file of the lease's conversation. The same bytes are kept once, and for the longer time.
    ///
    /// # Errors
    /// [`StoreError::Payload`] for more than [`FILE_BYTES_MAX`] in the database or [`OUTSIDE_BYTES_MAX`] outside it;
    /// [`StoreError::Fenced`].
    pub async fn put_file(&self, lease: &Lease, file: &FileNew<'_>) -> Result<FilePut, StoreError> {
        let (sha256, size_bytes, content) = match file.content {
            FileContent::Here(content) => (hex::encode(Sha256::digest(content)), content.len(), Some(content)),
            FileContent::Stored { sha256, size_bytes } => (sha256.to_owned(), size_bytes, None),
        };
        let (file_max, conversation_max) = match content {
            Some(_) => (FILE_BYTES_MAX, CONVERSATION_BYTES_MAX),
            None => (OUTSIDE_BYTES_MAX, OUTSIDE_BYTES_MAX),
        };
        let size_bytes = checked(size_bytes, file_max)?;
        let room = i64::try_from(conversation_max).unwrap_or(i64::MAX);
        let mut tx = self.fenced(lease).await?;
        let full = tx
            .optional(
                sql!(
                    "select count(*) as files from media where conversation = $1 and sha256 <> $2 "
                    "and (content is not null or stored) "
                    "having sum(size_bytes) + $3 > $4"
                ),
                args![lease.conversation, &sha256, size_bytes, room],
            )
            .await?;
        if full.is_some() {
            tx.rollback().await?;
            return Ok(FilePut::Full);
        }
        if content.is_none() {
            let touched = tx
                .optional(
                    sql!(
                        "update stored_files set touched_at = " now " where tenant = $1 and sha256 = $2 and kept "
                        "and removing_until is null returning size_bytes"
                    ),
                    args![&lease.tenant, &sha256],
                )
                .await?;
            if touched.is_none() {
                tx.rollback().await?;
                return Ok(FilePut::Removed);
            }
        }
        tx.execute(
            sql!(
                "insert into media "
                "(conversation, sha256, tenant, person, media_type, name, size_bytes, content, created_at, expires_at, stored) "
                "values ($1, $2, $3, $4, $5, $6, $7, $8, " now ", " now " + $9, $8 is null) "
                "on conflict (conversation, sha256) do update set content = excluded.content, stored = excluded.stored, expires_at = "
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
                content,
                micros(file.keep)
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(FilePut::Kept(sha256))
    }

    /// A file of the lease's conversation by its SHA-256.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_file(&self, lease: &Lease, sha256: &str) -> Result<Option<StoredFile>, StoreError> {
        self.find_file_of(&lease.tenant, lease.conversation, sha256).await
    }

    /// The same for an operator, who holds no lease.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_file_of(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        sha256: &str,
    ) -> Result<Option<StoredFile>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select media_type, name, size_bytes, case when expires_at > " now " then content end as content, "
                    "stored and expires_at > " now " as stored "
                    "from media where conversation = $1 and sha256 = $2 and tenant = $3"
                ),
                args![conversation, sha256, tenant],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(StoredFile { stored: row.bool("stored")?, ..StoredFile::read(&row)? }))
    }

    /// A file that a reply of the lease's conversation shows, also when its time is over: it is there as long as a part
    /// with it is to be sent.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_reply_file(&self, lease: &Lease, sha256: &str) -> Result<Option<StoredFile>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select media_type, name, size_bytes, content, stored from media "
                    "where conversation = $1 and sha256 = $2 and tenant = $3"
                ),
                args![lease.conversation, sha256, &lease.tenant],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(StoredFile { stored: row.bool("stored")?, ..StoredFile::read(&row)? }))
    }

    /// Makes the file of a part reachable by the token whose SHA-256 this is, in place of an earlier one, for `lasts`.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::NotFound`] for a part without a file.
    pub async fn link_file(
        &self,
        lease: &Lease,
        id: OutboxId,
        token_sha256: &str,
        lasts: Duration,
    ) -> Result<(), StoreError> {
        let mut tx = self.fenced(lease).await?;
        let linked = tx
            .optional(
                sql!(
                    "update outbox set link_sha256 = $3, link_until = " now " + $4 "
                    "where id = $1 and conversation = $2 and file_sha256 is not null returning link_until"
                ),
                args![id, lease.conversation, token_sha256, micros(lasts)],
            )
            .await?;
        if linked.is_none() {
            tx.rollback().await?;
            return Err(StoreError::NotFound("part with a file"));
        }
        tx.commit().await
    }

    /// Notes that the sentence in place of its file is sent for a part: what fails from here on is the sentence.
    ///
    /// # Errors
    /// [`StoreError::Fenced`].
    pub async fn tell_instead(&self, lease: &Lease, id: OutboxId) -> Result<(), StoreError> {
        let batch = Batch::fenced(lease).and(
            sql!("update outbox set file_sha256 = null where id = $1 and conversation = $2" and_held " returning 1 as v"),
            args![id, lease.conversation],
        );
        self.write_fenced(batch).await.map(drop)
    }

    /// The file that the token with this SHA-256 opens, with its tenant and its own SHA-256; none when the link's time is
    /// over or the content is gone. By the token alone: whoever fetches it belongs to no tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_linked_file(
        &self,
        token_sha256: &str,
    ) -> Result<Option<(Tenant, String, StoredFile)>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select m.tenant, m.sha256, m.media_type, m.name, m.size_bytes, m.content, m.stored from outbox o "
                    "join media m on m.conversation = o.conversation and m.sha256 = o.file_sha256 "
                    "where o.link_sha256 = $1 and o.link_until > " now
                ),
                args![token_sha256],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let file = StoredFile { stored: row.bool("stored")?, ..StoredFile::read(&row)? };
        Ok(Some((row.tenant("tenant")?, row.text("sha256")?, file)))
    }

    /// The SHA-256 of up to `limit` files of a conversation whose content is there, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn files_in(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        limit: i64,
    ) -> Result<BTreeSet<String>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select sha256 from media where conversation = $1 and tenant = $2 and expires_at > " now " "
                    "and (content is not null or stored) order by created_at desc limit $3"
                ),
                args![conversation, tenant, limit.max(0)],
            )
            .await?;
        rows.iter().map(|row| row.text("sha256")).collect()
    }

    /// Takes one file outside the database that nothing names and nobody touched for `grace`, for the caller to remove
    /// within `within`; [`Self::removed_file`] says that it did. Several workers may do this at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_unused_file(&self, grace: Duration, within: Duration) -> Result<Option<UnusedFile>, StoreError> {
        let unused = sql!(
            "select tenant, sha256 from stored_files f where kept and touched_at <= " now " - $1 "
            "and (removing_until is null or removing_until <= " now ") and not exists (select 1 from media m "
            "where m.tenant = f.tenant and m.sha256 = f.sha256 and m.stored) and not exists (select 1 from uploads u "
            "where u.tenant = f.tenant and u.sha256 = f.sha256 and u.stored) order by touched_at limit 1"
        );
        if self.read(unused, args![micros(grace)]).await?.is_empty() {
            return Ok(None); // as nearly always, and without a writing transaction
        }
        let claimed = self
            .write(
                sql!(
                    "update stored_files set removing_until = " now " + $2 where (tenant, sha256) in ("
                    "select tenant, sha256 from stored_files f where kept and touched_at <= " now " - $1 "
                    "and (removing_until is null or removing_until <= " now ") and not exists (select 1 from media m "
                    "where m.tenant = f.tenant and m.sha256 = f.sha256 and m.stored) and not exists (select 1 from uploads u "
                    "where u.tenant = f.tenant and u.sha256 = f.sha256 and u.stored) order by touched_at limit 1"
                    skip_locked ") returning tenant, sha256, removing_until"
                ),
                args![micros(grace), micros(within)],
            )
            .await?;
        claimed.first().map(UnusedFile::read).transpose()
    }

    /// A file that [`Self::claim_unused_file`] gave is removed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn removed_file(&self, file: &UnusedFile) -> Result<(), StoreError> {
        self.write(
            sql!(
                "update stored_files set kept = false, removing_until = null "
                "where tenant = $1 and sha256 = $2 and removing_until = $3 returning size_bytes"
            ),
            args![&file.tenant, &file.sha256, file.removing_until],
        )
        .await
        .map(drop)
    }

    /// A file that [`Self::claim_unused_file`] gave could not be removed: others come first, and it once more after the
    /// grace. Until its claim is over nobody puts it, since removing it may yet happen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unused_file_stays(&self, file: &UnusedFile) -> Result<(), StoreError> {
        self.write(
            sql!(
                "update stored_files set touched_at = " now " "
                "where tenant = $1 and sha256 = $2 and removing_until = $3 returning size_bytes"
            ),
            args![&file.tenant, &file.sha256, file.removing_until],
        )
        .await
        .map(drop)
    }

    /// Removes the content of up to `limit` files whose time is over and that no part waits to be sent with, the longest
    /// over first, and of as many uploads; what they were stays, and so do bytes outside the database, see [`Self::claim_unused_file`]. Several workers may do
    /// this at once. Gives how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire_files(&self, limit: i64) -> Result<usize, StoreError> {
        let uploads = self.expire_uploads(limit).await?;
        let over = sql!(
            "select 1 as one from media where (content is not null or stored) and expires_at <= " now " and not exists (select 1 from outbox o "
            "where o.conversation = media.conversation and o.file_sha256 = media.sha256 "
            "and o.status in ('pending', 'sending', 'unknown')) limit 1"
        );
        if self.read(over, args![]).await?.is_empty() {
            return Ok(uploads); // as nearly always, and without a writing transaction
        }
        let expired = self
            .write(
                sql!(
                    "update media set content = null, stored = false where (conversation, sha256) in (select conversation, sha256 "
                    "from media where (content is not null or stored) and expires_at <= " now " and not exists ("
                    "select 1 from outbox o where o.conversation = media.conversation and o.file_sha256 = media.sha256 "
                    "and o.status in ('pending', 'sending', 'unknown')) order by expires_at limit $1" skip_locked
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
            stored: false,
        })
    }
}

impl UnusedFile {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: row.tenant("tenant")?,
            sha256: row.text("sha256")?,
            removing_until: row.int("removing_until")?,
        })
    }
}

/// See [`Store::begin_file`].
pub(crate) async fn begin(tx: &mut Tx, tenant: &Tenant, sha256: &str, size_bytes: i64) -> Result<bool, StoreError> {
    let begun = tx
        .optional(
            sql!(
                "insert into stored_files (tenant, sha256, size_bytes, kept, touched_at) "
                "values ($1, $2, $3, true, " now ") on conflict (tenant, sha256) do update set "
                "size_bytes = excluded.size_bytes, kept = true, touched_at = excluded.touched_at, removing_until = null "
                "where stored_files.removing_until is null or stored_files.removing_until <= excluded.touched_at "
                "returning size_bytes"
            ),
            args![tenant, sha256, size_bytes],
        )
        .await?;
    Ok(begun.is_some())
}

/// # Errors
/// [`StoreError::Payload`] for more than `most`.
pub(crate) fn checked(size_bytes: usize, most: usize) -> Result<i64, StoreError> {
    if size_bytes > most {
        return Err(StoreError::Payload(format!("a file of {size_bytes} bytes; the most is {most}")));
    }
    Ok(i64::try_from(size_bytes).unwrap_or(i64::MAX))
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
