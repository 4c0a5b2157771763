//! What administrators did: a chain in which each row carries the hash of the row before it.

use std::net::IpAddr;

use domain::{Micros, Tenant};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    engine::{Tx, args, sql},
};

/// Advisory lock of the chain ("audit").
const CHAIN_LOCK: i64 = 0x61_75_64_69_74;

/// Who does something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The operator's or key's name.
    pub name: String,
    /// Address of the caller, where it is known.
    pub from: Option<IpAddr>,
}

impl From<&str> for Actor {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), from: None }
    }
}

impl From<&String> for Actor {
    fn from(name: &String) -> Self {
        Self::from(name.as_str())
    }
}

/// One deed.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Whose data.
    pub tenant: Tenant,
    /// Who did it.
    pub actor: String,
    /// What, as `noun.verb`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More, without personal data.
    pub detail: Value,
}

impl AuditEntry {
    /// A deed of `actor`; the address goes into the detail as `from`.
    pub fn of(actor: &Actor, tenant: &Tenant, action: &str, subject: impl ToString, mut detail: Value) -> Self {
        if let (Some(from), Some(detail)) = (actor.from, detail.as_object_mut()) {
            detail.insert("from".to_owned(), json!(from));
        }
        Self {
            tenant: tenant.clone(),
            actor: actor.name.clone(),
            action: action.to_owned(),
            subject: subject.to_string(),
            detail,
        }
    }
}

/// A deed in the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditLine {
    /// Its place in the chain, from 1.
    pub n: i64,
    /// What was done.
    pub entry: AuditEntry,
    /// When.
    pub at: Micros,
    /// Hash over this row and the one before it, in hex.
    pub hash: String,
}

impl Store {
    /// Writes a deed down.
    ///
    /// # Errors
    /// When the database fails, also for a user without the right to `audit_logs`.
    pub async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        append(&mut tx, entry).await?;
        tx.commit().await
    }

    /// The tenant's deeds, newest first, before place `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_audit(
        &self,
        tenant: &Tenant,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select n, actor, action, subject, detail, at, hash from audit_logs "
                    "where tenant = $1 and n < $2 order by n desc limit $3"
                ),
                args![tenant, before.unwrap_or(i64::MAX), limit.max(0)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(AuditLine {
                    n: row.int("n")?,
                    entry: AuditEntry {
                        tenant: tenant.clone(),
                        actor: row.text("actor")?,
                        action: row.text("action")?,
                        subject: row.text("subject")?,
                        detail: row.json("detail")?,
                    },
                    at: row.micros("at")?,
                    hash: row.text("hash")?,
                })
            })
            .collect()
    }

    /// The first place where the chain, over all tenants, does not hold: a row that was changed, taken out or put in.
    /// Rows taken off its end cannot be seen from inside; compare its last hash with one kept elsewhere.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_break(&self) -> Result<Option<i64>, StoreError> {
        let (mut n, mut previous) = (0, String::new());
        loop {
            let rows = self
                .read(
                    sql!(
                        "select n, id, tenant, actor, action, subject, detail, at, previous_hash, hash from audit_logs "
                        "where n > $1 order by n limit 500"
                    ),
                    args![n],
                )
                .await?;
            if rows.is_empty() {
                return Ok(None);
            }
            for row in &rows {
                n += 1;
                let fields = [
                    row.text("tenant")?,
                    row.text("actor")?,
                    row.text("action")?,
                    row.text("subject")?,
                    row.text("detail")?,
                ];
                let hash = chain_hash(&previous, n, row.uuid("id")?, row.micros("at")?, &fields);
                if row.int("n")? != n || row.text("previous_hash")? != previous || row.text("hash")? != hash {
                    return Ok(Some(n));
                }
                previous = hash;
            }
        }
    }
}

/// Writes a deed down in the transaction of the change itself.
pub(crate) async fn append(tx: &mut Tx, entry: &AuditEntry) -> Result<(), StoreError> {
    tx.all(sql!(("select pg_advisory_xact_lock($1)::text" | "select $1")), args![CHAIN_LOCK]).await?;
    let last = tx.optional(sql!("select n, hash from audit_logs order by n desc limit 1"), args![]).await?;
    let (n, previous) = match &last {
        Some(row) => (row.int("n")? + 1, row.text("hash")?),
        None => (1, String::new()),
    };
    let at =
        tx.optional(sql!("select " now " as at"), args![]).await?.ok_or(StoreError::NotFound("clock"))?.micros("at")?;
    let id = Uuid::now_v7();
    let fields = [
        entry.tenant.to_string(),
        entry.actor.clone(),
        entry.action.clone(),
        entry.subject.clone(),
        entry.detail.to_string(),
    ]
    .map(|text| text.replace('\0', ""));
    let hash = chain_hash(&previous, n, id, at, &fields);
    let [tenant, actor, action, subject, detail] = fields;
    tx.execute(
        sql!(
            "insert into audit_logs (n, id, tenant, actor, action, subject, detail, at, previous_hash, hash) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        ),
        args![n, id, tenant, actor, action, subject, detail, at, previous, hash],
    )
    .await?;
    Ok(())
}

/// SHA-256 over all fields, each with its length before it so that none can run into the next.
fn chain_hash(previous: &str, n: i64, id: Uuid, at: Micros, fields: &[String; 5]) -> String {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(n.to_be_bytes());
    hash.update(id.as_bytes());
    hash.update(at.0.to_be_bytes());
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hex::encode(hash.finalize())
}
