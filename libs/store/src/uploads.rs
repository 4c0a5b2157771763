//! Files that people of the web chat uploaded: kept until a message names them, and then as long as its turn may need
//! them. Each belongs to the session or key that made it.

use std::time::Duration;

use domain::{Account, Tenant};
use uuid::Uuid;

use crate::{
    FileContent, Lease, Store, StoreError, StoredFile,
    engine::{args, clean, sql},
    lease::micros,
    media::{self, FILE_BYTES_MAX, checked},
};

/// A file to keep for its uploader.
#[derive(Clone, Copy, Debug)]
pub struct UploadNew<'a> {
    /// Account of the web chat.
    pub account: &'a Account,
    /// The session or key that made it.
    pub owner: &'a str,
    /// Its media type, as its bytes show it.
    pub media_type: &'a str,
    /// Its name, where one is known.
    pub name: Option<&'a str>,
    /// Its bytes, or where they are.
    pub content: FileContent<'a>,
    /// For how long, from now.
    pub keep: Duration,
}

/// How keeping an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadPut {
    /// It has this id. What is outside the database is to be put there now; if that fails, [`Store::drop_upload`].
    Kept(Uuid),
    /// Its owner, or the account, has as many as there may be.
    Full,
    /// The same bytes are just being removed from outside the database: again in a moment.
    Removing,
}

/// An upload that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What it is.
    pub file: StoredFile,
    /// Where it is outside the database: its SHA-256 in lower-case hex.
    pub sha256: Option<String>,
}

/// What an owner may have kept at a time.
#[derive(Clone, Copy, Debug)]
pub struct UploadQuota {
    /// Files.
    pub files_max: usize,
    /// Their bytes together.
    pub bytes_max: usize,
    /// Bytes of all owners of the account; uploads of one moment may each be counted without the others.
    pub account_bytes_max: usize,
}

impl Store {
    /// Keeps an upload. One outside the database has its row first, so that the owner's room is looked at before its bytes
    /// are put; nobody knows its id until then.
    ///
    /// # Errors
    /// [`StoreError::Payload`] for more than [`FILE_BYTES_MAX`].
    pub async fn put_upload(
        &self,
        tenant: &Tenant,
        upload: &UploadNew<'_>,
        quota: UploadQuota,
    ) -> Result<UploadPut, StoreError> {
        let (size, content, sha256) = match upload.content {
            FileContent::Here(content) => (content.len(), Some(content), None),
            FileContent::Stored { sha256, size_bytes } => (size_bytes, None, Some(sha256)),
        };
        let size_bytes = checked(size, FILE_BYTES_MAX)?;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let id = Uuid::new_v4();
        let mut tx = self.begin().await?;
        // One upload of an owner at a time, so that none counts past another. On SQLite the transaction is the lock.
        tx.execute(
            sql!(("select pg_advisory_xact_lock(hashtextextended($1, 0))" | "select $1")),
            args![format!("uploads/{tenant}/{}/{}", upload.account, upload.owner)],
        )
        .await?;
        let kept = tx
            .optional(
                sql!(
                    "insert into uploads "
                    "(id, tenant, account, owner, media_type, name, size_bytes, content, created_at, expires_at, sha256, stored) "
                    "select $1, $2, $3, $4, $5, $6, $7, $8, " now ", " now " + $9, $13, $14 "
                    "where (select count(*) from uploads where tenant = $2 and account = $3 and owner = $4 "
                    "and (content is not null or stored)) < $10 "
                    "and (select coalesce(sum(size_bytes), 0) from uploads where tenant = $2 and account = $3 and owner = $4 "
                    "and (content is not null or stored)) <= $11 "
                    "and (select coalesce(sum(size_bytes), 0) from uploads where tenant = $2 and account = $3 "
                    "and (content is not null or stored)) <= $12 returning id"
                ),
                args![
                    id,
                    tenant,
                    upload.account,
                    upload.owner,
                    clean(upload.media_type),
                    upload.name.map(clean),
                    size_bytes,
                    content,
                    micros(upload.keep),
                    number(quota.files_max),
                    number(quota.bytes_max) - number(size),
                    number(quota.account_bytes_max) - number(size),
                    sha256,
                    sha256.is_some()
                ],
            )
            .await?;
        let ended = match sha256 {
            _ if kept.is_none() => UploadPut::Full,
            Some(sha256) if !media::begin(&mut tx, tenant, sha256, size_bytes).await? => UploadPut::Removing,
            _ => UploadPut::Kept(id),
        };
        match ended {
            UploadPut::Kept(_) => tx.commit().await?,
            UploadPut::Full | UploadPut::Removing => tx.rollback().await?,
        }
        Ok(ended)
    }

    /// An upload whose bytes could not be put outside the database: it takes no room any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_upload(&self, tenant: &Tenant, id: Uuid) -> Result<(), StoreError> {
        self.write(
            sql!("update uploads set stored = false, name = null where id = $1 and tenant = $2 returning size_bytes"),
            args![id, tenant],
        )
        .await
        .map(drop)
    }

    /// The owner's uploads among `ids`, each with its media type, in the order of `ids`; all are kept for `keep` longer
    /// from now on. Those that are somebody else's, or whose time is over, are missing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn name_uploads(
        &self,
        tenant: &Tenant,
        account: &Account,
        owner: &str,
        ids: &[Uuid],
        keep: Duration,
    ) -> Result<Vec<(Uuid, String)>, StoreError> {
        let rows = self
            .write(
                sql!(
                    "update uploads set expires_at = " ("greatest" | "max") "(expires_at, " now " + $5) where id"
                    in_uuids_1 " and tenant = $2 and account = $3 and owner = $4 and (content is not null or stored) "
                    "and expires_at > " now " returning id, media_type"
                ),
                args![ids.to_vec(), tenant, account, owner, micros(keep)],
            )
            .await?;
        let found: Vec<(Uuid, String)> =
            rows.iter().map(|row| Ok((row.uuid("id")?, row.text("media_type")?))).collect::<Result<_, StoreError>>()?;
        Ok(ids.iter().filter_map(|id| found.iter().find(|(one, _)| one == id).cloned()).collect())
    }

    /// An upload that a message of the lease's conversation named.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_upload(&self, lease: &Lease, id: Uuid) -> Result<Option<Upload>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select media_type, name, size_bytes, sha256, case when expires_at > " now " then content end as content, "
                    "stored and expires_at > " now " as stored "
                    "from uploads where id = $1 and tenant = $2 and account = $3"
                ),
                args![id, &lease.tenant, &lease.account],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let stored = row.bool("stored")?;
        let file = StoredFile { stored, ..StoredFile::read(&row)? };
        Ok(Some(Upload { file, sha256: row.opt_text("sha256")?.filter(|_| stored) }))
    }

    /// Removes the content of up to `limit` uploads whose time is over, with their names.
    pub(crate) async fn expire_uploads(&self, limit: i64) -> Result<usize, StoreError> {
        let over = sql!(
            "select 1 as one from uploads where (content is not null or stored) and expires_at <= " now " limit 1"
        );
        if self.read(over, args![]).await?.is_empty() {
            return Ok(0);
        }
        let expired = self
            .write(
                sql!(
                    "update uploads set content = null, stored = false, name = null where id in (select id from uploads "
                    "where (content is not null or stored) and expires_at <= " now " order by expires_at limit $1" skip_locked
                    ") returning size_bytes"
                ),
                args![limit.max(0)],
            )
            .await?;
        Ok(expired.len())
    }
}
