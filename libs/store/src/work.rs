//! A turn's work under a lease: what there is to do, and the commit that ends it.

use std::time::Duration;

use domain::{Incoming, Micros, OutboxId, PersonId};
use serde_json::Value;
use uuid::Uuid;

/// Version of journaled results, where a turn's types are looked for.
pub use crate::steps::RESULT_FORMAT;
use crate::{
    Lease, OutboxRow, Store, StoreError,
    alarms::{self, Alarms},
    engine::{Tx, args, clean, sql},
    outbox,
};

/// A conversation's row and the head of its outbox, read together.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The last seq that was given.
    pub next_seq: i64,
    /// The last seq that is answered.
    pub done_seq: i64,
    /// Rows that are still to be sent.
    pub unsent: i64,
    /// Not before this time.
    pub wake_at: Micros,
    /// The row's epoch; another one than the lease's means fenced.
    pub epoch: i64,
    /// The database's clock.
    pub now: Micros,
    /// The dialogue's own state.
    pub state: Value,
    /// The only row that may be sent now.
    pub first_unsent: Option<OutboxRow>,
}

/// Something that happened in a conversation.
#[derive(Clone, Debug)]
pub struct InboxRow {
    /// Its number.
    pub seq: i64,
    /// Who.
    pub person: PersonId,
    /// What.
    pub incoming: Incoming,
    /// When it was accepted; the `now` of the turn whose last message it is.
    pub accepted_at: Micros,
    /// Attempts at it that ended without an explanation, the running one included.
    pub attempts: i32,
}

/// One part of an answer.
#[derive(Clone, Debug)]
pub struct OutboxNew {
    /// Its place, from 0.
    pub part: i32,
    /// A `domain::Reply`.
    pub reply: Value,
    /// The web chat reads it from the store: there is nothing to send.
    pub sent_already: bool,
    /// It asks what the person is to answer.
    pub question: bool,
}

/// The line of `ai_audit_log` for a turn.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// The person, as shown to auditors.
    pub user_id: String,
    /// The chat.
    pub chat_id: String,
    /// What was asked, personal data masked.
    pub message: String,
    /// Who answered.
    pub agent: String,
    /// Operations that were called.
    pub tools_used: Value,
    /// Requests to models, in order: rows of `ai_metrics`.
    pub models: Vec<ModelUse>,
}

/// One request to a model.
#[derive(Clone, Debug)]
pub struct ModelUse {
    /// The model.
    pub model: String,
    /// Tokens of question and answer.
    pub tokens: i64,
    /// How long it took.
    pub took: Duration,
    /// Kind of its failure; none when it answered.
    pub error: Option<String>,
}

/// Why a message was given up.
#[derive(Clone, Debug)]
pub struct DeadLetterNew {
    /// For the operator, without personal data.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i32,
    /// A call may have had its effect.
    pub unknown_effect: bool,
}

/// All that a turn changes, written at once.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The first message it answers.
    pub first_seq: i64,
    /// The last one.
    pub last_seq: i64,
    /// The answer; empty where silence is right.
    pub replies: Vec<OutboxNew>,
    /// The dialogue's state after it.
    pub state: Value,
    /// What auditors read.
    pub audit: Option<AuditRow>,
    /// Set when the messages were given up.
    pub dead_letter: Option<DeadLetterNew>,
    /// Alarms that it sets and takes back.
    pub alarms: Alarms,
}

impl Store {
    /// What there is to do. Compare its epoch with the lease's.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a conversation that was erased.
    pub async fn snapshot(&self, lease: &Lease) -> Result<Snapshot, StoreError> {
        self.at("look.before").await;
        // The row first: what changes after this look changes wake_at, so that a park on it is refused.
        let row = self
            .read_one(
                sql!(
                    "select next_seq, done_seq, unsent, wake_at, epoch, state, " now " as now "
                    "from conversations where id = $1 and tenant = $2"
                ),
                args![lease.conversation, &lease.tenant],
            )
            .await?
            .ok_or(StoreError::NotFound("conversation"))?;
        let unsent = row.int("unsent")?;
        let first_unsent = if unsent > 0 { outbox::first_unsent(self, lease).await? } else { None };
        Ok(Snapshot {
            next_seq: row.int("next_seq")?,
            done_seq: row.int("done_seq")?,
            unsent,
            wake_at: row.micros("wake_at")?,
            epoch: row.int("epoch")?,
            now: row.micros("now")?,
            state: row.json("state")?,
            first_unsent,
        })
    }

    /// Inbox rows from `from_seq` on, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn inbox_range(&self, lease: &Lease, from_seq: i64, limit: i64) -> Result<Vec<InboxRow>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select seq, person, payload, accepted_at, attempts from inbox "
                    "where conversation = $1 and seq >= $2 and tenant = $4 order by seq limit $3"
                ),
                args![lease.conversation, from_seq, limit.max(0), &lease.tenant],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(InboxRow {
                    seq: row.int("seq")?,
                    person: PersonId(row.uuid("person")?),
                    incoming: row.json("payload")?,
                    accepted_at: row.micros("accepted_at")?,
                    attempts: row.small("attempts")?,
                })
            })
            .collect()
    }

    /// Commits a turn: counters, state, outbox, history, audit, dead letter and alarms in one transaction. Gives the ids of the
    /// outbox rows, in their order.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::OutOfOrder`] when the turn does not follow the last one.
    pub async fn commit(&self, lease: &Lease, commit: &Commit) -> Result<Vec<OutboxId>, StoreError> {
        self.at("commit.before").await;
        let mut tx = self.fenced(lease).await?;
        let to_send = commit.replies.iter().filter(|reply| !reply.sent_already).count();
        let changed = tx
            .execute(
                sql!(
                    "update conversations set done_seq = $3, unsent = unsent + $4, state = $5 "
                    "where id = $1 and done_seq = $2 - 1 and $3 >= $2 and next_seq >= $3"
                ),
                args![
                    lease.conversation,
                    commit.first_seq,
                    commit.last_seq,
                    i64::try_from(to_send).unwrap_or(i64::MAX),
                    &commit.state
                ],
            )
            .await?;
        if changed == 0 {
            tx.rollback().await?;
            return Err(StoreError::OutOfOrder);
        }
        let mut ids = Vec::with_capacity(commit.replies.len());
        for reply in &commit.replies {
            let id = OutboxId::new();
            insert_reply(&mut tx, lease, commit.first_seq, id, reply).await?;
            ids.push(id);
        }
        if let Some(audit) = &commit.audit {
            insert_audit(&mut tx, lease, commit.first_seq, audit).await?;
        }
        if let Some(letter) = &commit.dead_letter {
            tx.execute(
                sql!(
                    "insert into dead_letters (id, tenant, conversation, seq, last_seq, reason, attempts, unknown_effect, created_at) "
                    "values ($1, $2, $3, $4, $5, $6, $7, $8, " now ")"
                ),
                args![
                    Uuid::now_v7(),
                    &lease.tenant,
                    lease.conversation,
                    commit.first_seq,
                    commit.last_seq,
                    clean(&letter.reason),
                    letter.attempts,
                    letter.unknown_effect
                ],
            )
            .await?;
        }
        alarms::keep(&mut tx, lease, &commit.alarms).await?;
        self.at("commit.inside").await;
        tx.commit().await?;
        self.at("commit.after").await;
        Ok(ids)
    }

    /// When the question in the answer to `in_seq` was recorded sent: from then on it can be answered. It is the
    /// answer's last part, so all of it was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn question_sent_at(&self, lease: &Lease, in_seq: i64) -> Result<Option<Micros>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select status, sent_at from outbox "
                    "where conversation = $1 and in_seq = $2 and tenant = $3 and question"
                ),
                args![lease.conversation, in_seq, &lease.tenant],
            )
            .await?;
        match row {
            Some(row) if row.text("status")? == "sent" => row.opt_micros("sent_at"),
            _ => Ok(None),
        }
    }
}

async fn insert_reply(
    tx: &mut Tx,
    lease: &Lease,
    in_seq: i64,
    id: OutboxId,
    reply: &OutboxNew,
) -> Result<(), StoreError> {
    tx.execute(
        sql!(
            "insert into outbox (id, conversation, tenant, in_seq, part, status, reply, question, created_at, due_at, sent_at) "
            "select $1, $2, $3, $4, $5, case when $8 then 'sent' else 'pending' end, $6, $7, t.at, t.at, case when $8 then t.at end "
            "from (select " now " as at) t"
        ),
        args![
            id,
            lease.conversation,
            &lease.tenant,
            in_seq,
            reply.part,
            &reply.reply,
            reply.question,
            reply.sent_already
        ],
    )
    .await?;
    tx.execute(
        sql!(
            "insert into messages (conversation, seq, part, tenant, direction, body, outbox_id, created_at) "
            "values ($1, $2, $3, $4, 'outbound', $5, $6, " now ")"
        ),
        args![lease.conversation, in_seq, reply.part, &lease.tenant, &reply.reply, id],
    )
    .await?;
    Ok(())
}

async fn insert_audit(tx: &mut Tx, lease: &Lease, in_seq: i64, audit: &AuditRow) -> Result<(), StoreError> {
    tx.execute(
        sql!(
            "insert into ai_audit_log (id, tenant, conversation, in_seq, user_id, chat_id, message, agent, tools_used, created_at) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, " now ")"
        ),
        args![
            Uuid::now_v7(),
            &lease.tenant,
            lease.conversation,
            in_seq,
            clean(&audit.user_id),
            clean(&audit.chat_id),
            clean(&audit.message),
            clean(&audit.agent),
            &audit.tools_used
        ],
    )
    .await?;
    for used in &audit.models {
        let error = used.error.as_deref().map(clean);
        tx.execute(
            sql!(
                "insert into ai_metrics (id, tenant, endpoint, agent, model, tokens_used, duration, success, error, created_at) "
                "values ($1, $2, 'chat', $3, $4, $5, $6, $7, $8, " now ")"
            ),
            args![
                Uuid::now_v7(),
                &lease.tenant,
                clean(&audit.agent),
                clean(&used.model),
                used.tokens,
                i64::try_from(used.took.as_millis()).unwrap_or(i64::MAX),
                used.error.is_none(),
                error
            ],
        )
        .await?;
    }
    Ok(())
}
