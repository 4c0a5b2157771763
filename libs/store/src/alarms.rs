//! Alarms of our own: what a conversation wants to be reminded of, and how a due one becomes a message.
//!
//! An alarm is set and taken back by the commit of a turn, under its fence. When it is due, any worker turns it into an
//! inbox row with the next seq, as accept does: the conversation's row is locked, not fenced, and whoever holds the
//! lease finds one message more. A row that is not due has no seq, so seqs stay without gaps.

use std::collections::{BTreeMap, HashMap};

use domain::{ConversationId, Incoming, Micros, PersonId};
use uuid::Uuid;

use crate::{
    Lease, Store, StoreError,
    batch::Batch,
    engine::{Tx, args, sql},
    inbox,
};

/// Provider of the inbox rows that alarms become.
pub const PROVIDER: &str = "internal";

/// What changes about a conversation's alarms with a turn.
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    /// New ones. One whose key was used before changes nothing.
    pub set: Vec<AlarmNew>,
    /// Keys of those that nobody wants any more.
    pub off: Vec<String>,
}

/// An alarm to set.
#[derive(Clone, Debug)]
pub struct AlarmNew {
    /// Its name, used once in its conversation.
    pub key: String,
    /// Whose message it becomes.
    pub person: PersonId,
    /// When.
    pub due_at: Micros,
    /// The message; provider and message id are given by the store.
    pub incoming: Incoming,
}

impl Store {
    /// Turns up to `limit` due alarms into messages, the longest due first; gives the conversations to ring for. A
    /// conversation that somebody else has locked is left for the next time. Several workers may do this at once.
    ///
    /// # Errors
    /// When the database fails; nothing was changed then.
    pub async fn ripen_alarms(&self, limit: i64) -> Result<Vec<ConversationId>, StoreError> {
        self.at("ripen.before").await;
        let due = sql!(
            "select a.conversation, a.key, a.person, a.payload, c.account, a.tenant from alarms a "
            "join conversations c on c.id = a.conversation where a.due_at <= " now " order by a.due_at, a.key limit $1"
        );
        let rows = self.read(due, args![limit.max(0)]).await?;
        if rows.is_empty() {
            return Ok(Vec::new()); // as nearly always, and without a writing transaction
        }
        let mut ripe: BTreeMap<ConversationId, Vec<_>> = BTreeMap::new();
        for row in &rows {
            ripe.entry(ConversationId(row.uuid("conversation")?)).or_default().push(row);
        }
        let mut tx = self.begin().await?;
        let locked = tx
            .all(
                sql!("select id, next_seq from conversations where id" in_uuids_1 " order by id" skip_locked),
                args![ripe.keys().map(|id| id.0).collect::<Vec<Uuid>>()],
            )
            .await?;
        let mut next = HashMap::new();
        for row in &locked {
            next.insert(ConversationId(row.uuid("id")?), row.int("next_seq")?);
        }
        let mut rung = Vec::new();
        for (conversation, alarms) in ripe {
            let Some(seq) = next.get_mut(&conversation) else { continue };
            let before = *seq;
            for row in alarms {
                let key = row.text("key")?;
                // Another worker may have been here since the look, or a turn that took it back.
                if !take(&mut tx, conversation, &key).await? {
                    continue;
                }
                let message = inbox::NewRow {
                    tenant: row.tenant("tenant")?,
                    person: PersonId(row.uuid("person")?),
                    provider: PROVIDER.to_owned(),
                    account: row.parse("account")?,
                    provider_message_id: message_id(conversation, &key),
                    payload: row.text("payload")?,
                };
                if inbox::insert_row(&mut tx, conversation, *seq + 1, &message).await? {
                    *seq += 1;
                }
            }
            if *seq > before {
                tx.execute(
                    sql!("update conversations set next_seq = $2, wake_at = " now ", rung_at = " now " where id = $1"),
                    args![conversation, *seq],
                )
                .await?;
                rung.push(conversation);
            }
        }
        self.at("ripen.inside").await;
        tx.commit().await?; // before anybody rings
        self.answered("ripen.after").await?;
        Ok(rung)
    }
}

/// True for the one who takes a due alarm.
async fn take(tx: &mut Tx, conversation: ConversationId, key: &str) -> Result<bool, StoreError> {
    let taken = tx
        .execute(
            sql!("update alarms set due_at = null where conversation = $1 and key = $2 and due_at <= " now),
            args![conversation, key],
        )
        .await?;
    Ok(taken == 1)
}

/// The key under which an alarm's message is accepted once.
fn message_id(conversation: ConversationId, key: &str) -> String {
    format!("alarm:{conversation}:{key}")
}

/// Sets and takes back what a turn says, within its commit.
pub(crate) fn push(batch: &mut Batch, lease: &Lease, alarms: &Alarms) -> Result<(), StoreError> {
    for key in &alarms.off {
        batch.push(
            sql!("update alarms set due_at = null where conversation = $1 and key = $2" and_held " returning 1 as v"),
            args![lease.conversation, key],
        );
    }
    for alarm in &alarms.set {
        let mut incoming = alarm.incoming.clone();
        incoming.provider = PROVIDER.to_owned();
        incoming.provider_message_id = message_id(lease.conversation, &alarm.key);
        let payload = serde_json::to_string(&incoming).map_err(|error| StoreError::Payload(error.to_string()))?;
        batch.push(
            sql!(
                "insert into alarms (conversation, key, tenant, person, due_at, payload, created_at) "
                "select $1, $2, $3, $4, $5, $6, " now if_held " on conflict (conversation, key) do nothing returning 1 as v"
            ),
            args![lease.conversation, &alarm.key, &lease.tenant, alarm.person, alarm.due_at, payload],
        );
    }
    Ok(())
}
