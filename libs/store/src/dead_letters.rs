//! Messages that were given up, and giving them another chance.

use domain::{ConversationId, Incoming, Micros, PersonId, Tenant};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    audit::{self, AuditEntry},
    engine::{Row, args, sql},
    inbox,
};

/// A message, or a burst of them, that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id.
    pub id: Uuid,
    /// Where.
    pub conversation: ConversationId,
    /// The first message.
    pub seq: i64,
    /// The last one.
    pub last_seq: i64,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i32,
    /// A call of it may have had its effect.
    pub unknown_effect: bool,
    /// When it was given up.
    pub created_at: Micros,
    /// When it was replayed.
    pub replayed_at: Option<Micros>,
}

/// What a replay became. Ring the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Where.
    pub conversation: ConversationId,
    /// The first new message.
    pub seq: i64,
}

impl Store {
    /// The tenant's dead letters, newest first, older than `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_dead_letters(
        &self,
        tenant: &Tenant,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select id, conversation, seq, last_seq, reason, attempts, unknown_effect, created_at, replayed_at "
                    "from dead_letters where tenant = $1 and id < $2 order by id desc limit $3"
                ),
                args![tenant, before.unwrap_or(Uuid::max()), limit.max(0)],
            )
            .await?;
        rows.iter().map(dead_letter).collect()
    }

    /// A dead letter of this tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_dead_letter(&self, tenant: &Tenant, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select id, conversation, seq, last_seq, reason, attempts, unknown_effect, created_at, replayed_at "
                    "from dead_letters where id = $1 and tenant = $2"
                ),
                args![id, tenant],
            )
            .await?;
        row.as_ref().map(dead_letter).transpose()
    }

    /// Puts the messages of a dead letter in again, as new messages at the end of their conversation, and writes down
    /// who did it, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::AlreadyReplayed`], [`StoreError::UnknownEffect`] unless
    /// `accept_unknown_effects`.
    pub async fn replay_dead_letter(
        &self,
        tenant: &Tenant,
        id: Uuid,
        accept_unknown_effects: bool,
        actor: &str,
    ) -> Result<Replayed, StoreError> {
        let letter = self.find_dead_letter(tenant, id).await?.ok_or(StoreError::NotFound("dead letter"))?;
        if letter.unknown_effect && !accept_unknown_effects {
            return Err(StoreError::UnknownEffect);
        }
        let mut tx = self.begin().await?;
        let row = tx
            .optional(sql!("select next_seq from conversations where id = $1" for_update), args![letter.conversation])
            .await?
            .ok_or(StoreError::NotFound("conversation"))?;
        let mut next = row.int("next_seq")?;
        let first = next + 1;
        let marked = tx
            .execute(
                sql!("update dead_letters set replayed_at = " now ", replayed_seq = $2 where id = $1 and replayed_at is null"),
                args![id, first],
            )
            .await?;
        if marked == 0 {
            tx.rollback().await?;
            return Err(StoreError::AlreadyReplayed);
        }
        let rows = tx
            .all(
                sql!("select seq, person, payload from inbox where conversation = $1 and seq between $2 and $3 order by seq"),
                args![letter.conversation, letter.seq, letter.last_seq],
            )
            .await?;
        if rows.is_empty() {
            tx.rollback().await?;
            return Err(StoreError::NotFound("message"));
        }
        for row in &rows {
            let mut incoming: Incoming = row.json("payload")?;
            incoming.provider = "replay".to_owned();
            incoming.provider_message_id = format!("{id}.{}", row.int("seq")?);
            incoming.traceparent = None;
            let payload = serde_json::to_string(&incoming).map_err(|error| StoreError::Payload(error.to_string()))?;
            let person = PersonId(row.uuid("person")?);
            if inbox::insert(&mut tx, &incoming, &payload, letter.conversation, next + 1, person).await? {
                next += 1;
            }
        }
        tx.execute(
            sql!("update conversations set next_seq = $2, wake_at = " now ", rung_at = " now " where id = $1"),
            args![letter.conversation, next],
        )
        .await?;
        let entry = AuditEntry {
            tenant: tenant.clone(),
            actor: actor.to_owned(),
            action: "dead_letter.replay".to_owned(),
            subject: id.to_string(),
            detail: json!({ "conversation": letter.conversation, "seq": first, "accept_unknown_effects": accept_unknown_effects }),
        };
        audit::append(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(Replayed { conversation: letter.conversation, seq: first })
    }
}

fn dead_letter(row: &Row) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        id: row.uuid("id")?,
        conversation: ConversationId(row.uuid("conversation")?),
        seq: row.int("seq")?,
        last_seq: row.int("last_seq")?,
        reason: row.text("reason")?,
        attempts: row.small("attempts")?,
        unknown_effect: row.bool("unknown_effect")?,
        created_at: row.micros("created_at")?,
        replayed_at: row.opt_micros("replayed_at")?,
    })
}
