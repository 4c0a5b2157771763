//! Who may call our gRPC services. Only hashes are kept.

use domain::{Micros, Tenant};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    Store, StoreError,
    engine::{Row, args, sql},
};

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Hash of the key, in hex.
    pub hash: String,
    /// Whose data it opens.
    pub tenant: Tenant,
    /// What operators call it.
    pub name: String,
    /// Services it may call; `*` is all.
    pub services: Vec<String>,
    /// When it was made.
    pub created_at: Micros,
    /// It opens nothing from then on.
    pub expires_at: Option<Micros>,
    /// When it was taken back.
    pub revoked_at: Option<Micros>,
}

/// The hash under which a key is kept: SHA-256 in hex. Keys are long random texts, so no slow hash is needed.
pub fn key_hash(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

impl Store {
    /// The key of this hash, unless it was taken back or has expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_api_key(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select hash, tenant, name, services, created_at, expires_at, revoked_at from api_keys "
                    "where hash = $1 and revoked_at is null and (expires_at is null or expires_at > " now ")"
                ),
                args![hash],
            )
            .await?;
        row.as_ref().map(api_key).transpose()
    }

    /// Keeps a key.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the tenant has a living key of this name.
    pub async fn add_api_key(
        &self,
        tenant: &Tenant,
        name: &str,
        hash: &str,
        services: &[String],
        expires_at: Option<Micros>,
    ) -> Result<(), StoreError> {
        let added = self
            .write(
                sql!(
                    "insert into api_keys (hash, tenant, name, services, created_at, expires_at) "
                    "select $3, $1, $2, $4, " now ", $5 where not exists "
                    "(select 1 from api_keys where tenant = $1 and name = $2 and revoked_at is null) "
                    "on conflict (hash) do nothing returning hash"
                ),
                args![tenant, name, hash, &Value::from(services.to_vec()), expires_at],
            )
            .await?;
        if added.is_empty() { Err(StoreError::Exists("key")) } else { Ok(()) }
    }

    /// The tenant's keys, living or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_api_keys(&self, tenant: &Tenant) -> Result<Vec<ApiKey>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select hash, tenant, name, services, created_at, expires_at, revoked_at from api_keys "
                    "where tenant = $1 order by created_at, hash"
                ),
                args![tenant],
            )
            .await?;
        rows.iter().map(api_key).collect()
    }

    /// Takes the tenant's key of this name back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when no living key has it.
    pub async fn revoke_api_key(&self, tenant: &Tenant, name: &str) -> Result<(), StoreError> {
        let revoked = self
            .write(
                sql!(
                    "update api_keys set revoked_at = " now
                    " where tenant = $1 and name = $2 and revoked_at is null returning hash"
                ),
                args![tenant, name],
            )
            .await?;
        if revoked.is_empty() { Err(StoreError::NotFound("key")) } else { Ok(()) }
    }
}

fn api_key(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        hash: row.text("hash")?,
        tenant: row.tenant("tenant")?,
        name: row.text("name")?,
        services: row.json("services")?,
        created_at: row.micros("created_at")?,
        expires_at: row.opt_micros("expires_at")?,
        revoked_at: row.opt_micros("revoked_at")?,
    })
}
