//! Switches that operators change while everything runs. A change counts for its tenant until it is cleared.
//!
//! What a name and a value mean is known to the library `ai`; here they are texts.

use domain::{Micros, Tenant};
use serde_json::json;

use crate::{
    Store, StoreError,
    audit::{self, Actor, AuditEntry},
    engine::{args, clean, sql},
};

/// An operator's change, as every process reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// For whom.
    pub tenant: Tenant,
    /// The switch.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// An operator's change, with who and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchChange {
    /// The switch.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Micros,
}

impl Store {
    /// All tenants' changes: what a process looks at again and again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn switched(&self) -> Result<Vec<Switched>, StoreError> {
        let rows = self.read(sql!("select tenant, name, value from switches"), args![]).await?;
        rows.iter()
            .map(|row| {
                Ok(Switched { tenant: row.tenant("tenant")?, name: row.text("name")?, value: row.text("value")? })
            })
            .collect()
    }

    /// The tenant's changes, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn switch_changes(&self, tenant: &Tenant) -> Result<Vec<SwitchChange>, StoreError> {
        let rows = self
            .read(
                sql!("select name, value, set_by, set_at from switches where tenant = $1 order by name"),
                args![tenant],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(SwitchChange {
                    name: row.text("name")?,
                    value: row.text("value")?,
                    by: row.text("set_by")?,
                    at: row.micros("set_at")?,
                })
            })
            .collect()
    }

    /// Changes a switch, in place of an earlier change, and writes down who did it, in one transaction.
    ///
    /// # Errors
    /// When the database fails, also for a user without the right to change switches.
    pub async fn set_switch(&self, tenant: &Tenant, name: &str, value: &str, actor: &Actor) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let before = tx
            .optional(
                sql!("select value from switches where tenant = $1 and name = $2" for_update),
                args![tenant, name],
            )
            .await?;
        let before = before.map(|row| row.text("value")).transpose()?;
        tx.execute(
            sql!(
                "insert into switches (tenant, name, value, set_by, set_at) values ($1, $2, $3, $4, " now ") "
                "on conflict (tenant, name) do update set "
                "value = excluded.value, set_by = excluded.set_by, set_at = excluded.set_at"
            ),
            args![tenant, name, value, clean(&actor.name)],
        )
        .await?;
        let detail = json!({ "value": value, "before": before });
        audit::append(&mut tx, &AuditEntry::of(actor, tenant, "switch.set", name, detail)).await?;
        tx.commit().await
    }

    /// Takes a change back, so that what the services were started with counts again, and writes down who did it, in
    /// one transaction. False: there was none; nothing is written down then.
    ///
    /// # Errors
    /// As [`Self::set_switch`].
    pub async fn clear_switch(&self, tenant: &Tenant, name: &str, actor: &Actor) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let before = tx
            .optional(sql!("delete from switches where tenant = $1 and name = $2 returning value"), args![tenant, name])
            .await?;
        let Some(before) = before else {
            tx.rollback().await?;
            return Ok(false);
        };
        let detail = json!({ "before": before.text("value")? });
        audit::append(&mut tx, &AuditEntry::of(actor, tenant, "switch.clear", name, detail)).await?;
        tx.commit().await?;
        Ok(true)
    }
}
