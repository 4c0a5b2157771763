//! What platforms sent that became neither a message nor a report of one, whole or in part: what they tell about an
//! account, what no rule reads, and what cannot be stored otherwise or came too late. Operators can read it.

use domain::{Account, Micros, Tenant};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    engine::{Row, args, sql},
};

/// Bytes up to which a list holds the bodies.
pub const SHOWN_BYTES_MAX: i64 = 16 * 1024;
/// What the reason of a platform's event begins with; the list and its index have it, and its length, in their SQL.
const EVENT: &str = "event ";

/// Why a body is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The platform tells this about the account, in its own word.
    Event(String),
    /// It cannot be read or stored, for this reason.
    Unread(String),
}

impl Why {
    fn to_text(&self) -> String {
        match self {
            Self::Event(kind) => format!("{EVENT}{kind}"),
            Self::Unread(reason) => reason.clone(),
        }
        .replace('\0', "")
    }

    fn from_text(text: String) -> Self {
        match text.strip_prefix(EVENT) {
            Some(kind) => Self::Event(kind.to_owned()),
            None => Self::Unread(text),
        }
    }
}

/// A body that is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id; a later one of the same process is greater.
    pub id: Uuid,
    /// The account whose webhook brought it.
    pub account: Account,
    /// Why it is kept.
    pub why: Why,
    /// When it came.
    pub at: Micros,
    /// How long it is.
    pub bytes: i64,
    /// It, where it has no more than [`SHOWN_BYTES_MAX`].
    pub body: Option<Vec<u8>>,
}

impl Store {
    /// Keeps a body, or a part of one, that had a good signature.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn store_unreadable(
        &self,
        tenant: &Tenant,
        account: &Account,
        body: &[u8],
        why: &Why,
    ) -> Result<(), StoreError> {
        self.write(
            sql!("insert into unreadable (id, tenant, account, body, reason, received_at) values ($1, $2, $3, $4, $5, " now ")"),
            args![Uuid::now_v7(), tenant, account, body, why.to_text()],
        )
        .await?;
        Ok(())
    }

    /// What is kept of the tenant, newest first, before the one with the id `before`: the platforms' events, or what
    /// cannot be read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_unreadable(
        &self,
        tenant: &Tenant,
        events: bool,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Unreadable>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select id, account, reason, received_at, cast(length(body) as bigint) as bytes, "
                    "case when length(body) <= $1 then body end as body from unreadable "
                    "where tenant = $2 and cast(substr(reason, 1, 6) = 'event ' as integer) = $3 and id < $4 "
                    "order by id desc limit $5"
                ),
                args![SHOWN_BYTES_MAX, tenant, i64::from(events), before.unwrap_or(Uuid::max()), limit.max(0)],
            )
            .await?;
        rows.iter().map(unreadable).collect()
    }
}

fn unreadable(row: &Row) -> Result<Unreadable, StoreError> {
    Ok(Unreadable {
        id: row.uuid("id")?,
        account: row.parse("account")?,
        why: Why::from_text(row.text("reason")?),
        at: row.micros("received_at")?,
        bytes: row.int("bytes")?,
        body: row.opt_bytes("body")?,
    })
}

impl std::fmt::Debug for Unreadable {
    /// Without what people may have said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unreadable").field("id", &self.id).field("why", &self.why).finish_non_exhaustive()
    }
}
