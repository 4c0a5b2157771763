//! A turn's work under a lease: what there is to do, and the commit that ends it.

use std::time::Duration;

use domain::{Incoming, Micros, OutboxId, PersonId};
use faults::{Bug, planted};
use serde_json::Value;
use uuid::Uuid;

/// Version of journaled results, where a turn's types are looked for.
pub use crate::steps::RESULT_FORMAT;
use crate::{
    Lease, OutboxRow, Step, Store, StoreError,
    alarms::{self, Alarms},
    batch::Batch,
    engine::{Row, args, clean, sql},
    opt_outs::{self, OptChange},
    outbox, steps,
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
    /// What the chat is called now; another than the lease's once it has moved.
    pub peer: String,
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
    /// A turn that begins with it has a journal.
    pub journaled: bool,
}

/// One part of an answer.
#[derive(Clone, Debug)]
pub struct OutboxNew {
    /// Its place, from 0.
    pub part: i32,
    /// A `domain::Outgoing`.
    pub reply: Value,
    /// The web chat reads it from the store: there is nothing to send.
    pub sent_already: bool,
    /// Why it may not be said: it is kept as failed, and nobody reads it.
    pub refused: Option<String>,
    /// It asks what the person is to answer.
    pub question: bool,
    /// SHA-256 of the file that it shows, in lower-case hex: kept with the conversation until it is sent.
    pub file: Option<String>,
}

impl OutboxNew {
    fn is_to_send(&self) -> bool {
        !self.sent_already && self.refused.is_none()
    }
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
    /// Decisions that led to it and are not journaled yet.
    pub steps: Vec<Step>,
    /// The answer; empty where silence is right.
    pub replies: Vec<OutboxNew>,
    /// Begin the first attempt at its first part, as [`Store::begin_send`] does, if nothing is to be sent before.
    pub begin_send: bool,
    /// The dialogue's state after it.
    pub state: Value,
    /// What auditors read.
    pub audit: Option<AuditRow>,
    /// Set when the messages were given up.
    pub dead_letter: Option<DeadLetterNew>,
    /// Alarms that it sets and takes back.
    pub alarms: Alarms,
    /// What the person does not want any more, or again.
    pub opt_outs: Vec<OptChange>,
    /// When that was said, by the platform's clock; none for now.
    pub opted_at: Option<Micros>,
}

/// How far a question has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// When its last send began.
    pub begun_at: Option<Micros>,
    /// An earlier send of it may have been seen, as its end is not known.
    pub resent: bool,
    /// When it was recorded sent: from then on words can answer it.
    pub sent_at: Option<Micros>,
}

/// What a commit came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Ids of the outbox rows, in their order.
    pub ids: Vec<OutboxId>,
    /// The first one is `sending`, at its first attempt.
    pub sending: bool,
}

impl Store {
    /// What there is to do. Compare its epoch with the lease's.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a conversation that was erased.
    pub async fn snapshot(&self, lease: &Lease) -> Result<Snapshot, StoreError> {
        self.at("look.before").await;
        let row = self
            .read_one(
                sql!(
                    "select c.next_seq, c.done_seq, c.unsent, c.wake_at, c.epoch, c.peer, c.state, " now " as now, "
                    "o.id, o.in_seq, o.part, o.attempt, o.status, o.reply, o.due_at, o.sending_at, o.sent_at, "
                    traceparent " as traceparent, "
                    "case when i.provider = $3 then i.accepted_at end as asked_at from conversations c "
                    "left join outbox o on o.id = (select id from outbox where conversation = c.id "
                    "and status in ('pending', 'sending', 'unknown') order by in_seq, part limit 1) "
                    "left join inbox i on i.conversation = o.conversation and i.seq = o.in_seq "
                    "where c.id = $1 and c.tenant = $2"
                ),
                args![lease.conversation, &lease.tenant, lease.account.channel()],
            )
            .await?
            .ok_or(StoreError::NotFound("conversation"))?;
        let head = row.opt_uuid("id")?.map(|_| outbox::outbox_row(&row)).transpose()?;
        Ok(Snapshot { first_unsent: head, ..snapshot(&row)? })
    }

    /// Inbox rows from `from_seq` on, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn inbox_range(&self, lease: &Lease, from_seq: i64, limit: i64) -> Result<Vec<InboxRow>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select seq, person, payload, accepted_at, attempts, exists (select 1 from steps s "
                    "where s.conversation = inbox.conversation and s.seq = inbox.seq) as journaled from inbox "
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
                    journaled: row.bool("journaled")?,
                })
            })
            .collect()
    }

    /// Commits a turn: counters, state, outbox, history, audit, dead letter and alarms in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::OutOfOrder`] when the turn does not follow the last one.
    pub async fn commit(&self, lease: &Lease, commit: &Commit) -> Result<Committed, StoreError> {
        self.at("commit.before").await;
        let to_send = commit.replies.iter().filter(|reply| reply.is_to_send()).count();
        let to_send = i64::try_from(to_send).unwrap_or(i64::MAX);
        // The lock, the fence and the order in one: the row that is locked has the counters. Nothing begins to be sent to
        // a peer that the chat had before.
        let counters = if planted(Bug::NoFence) {
            sql!(
                "update conversations set done_seq = $6, unsent = unsent + $5, state = $7 "
                "where id = $1 and done_seq = $4 - 1 and $6 >= $4 and next_seq >= $6 "
                "returning case when peer = $8 then unsent else -1 end as v"
            )
        } else if planted(Bug::FenceByExists) {
            sql!(
                "update conversations set done_seq = $6, unsent = unsent + $5, state = $7 "
                "where id = $1 and done_seq = $4 - 1 and $6 >= $4 and next_seq >= $6 and exists "
                "(select 1 from conversations c where c.id = $1 and c.epoch = $2 and c.tenant = $3) "
                "returning case when peer = $8 then unsent else -1 end as v"
            )
        } else {
            sql!(
                "update conversations set done_seq = $6, unsent = unsent + $5, state = $7 "
                "where id = $1 and epoch = $2 and tenant = $3 and done_seq = $4 - 1 and $6 >= $4 and next_seq >= $6 "
                "returning case when peer = $8 then unsent else -1 end as v"
            )
        };
        let mut batch = Batch::new(
            counters,
            args![
                lease.conversation,
                lease.epoch,
                &lease.tenant,
                commit.first_seq,
                to_send,
                commit.last_seq,
                &commit.state,
                &lease.peer
            ],
        );
        let mut ids = Vec::with_capacity(commit.replies.len());
        for (n, reply) in commit.replies.iter().enumerate() {
            let id = OutboxId::new();
            let alone = (n == 0 && commit.begin_send).then_some(to_send);
            push_reply(&mut batch, lease, commit.first_seq, id, reply, alone);
            ids.push(id);
        }
        for step in &commit.steps {
            steps::push_step(&mut batch, lease, commit.first_seq, step);
        }
        if let Some(audit) = &commit.audit {
            push_audit(&mut batch, lease, commit.first_seq, audit);
        }
        if let Some(letter) = &commit.dead_letter {
            batch.push(
                sql!(
                    "insert into dead_letters (id, tenant, conversation, seq, last_seq, reason, attempts, unknown_effect, created_at) "
                    "select $1, $2, $3, $4, $5, $6, $7, $8, " now if_held " returning 1 as v"
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
            );
        }
        alarms::push(&mut batch, lease, &commit.alarms)?;
        opt_outs::push(&mut batch, lease, &commit.opt_outs, commit.opted_at);
        let Some(values) = self.write_batch(batch).await.map_err(steps::conflict)? else {
            let is_mine = sql!("select 1 as v from conversations where id = $1 and epoch = $2 and tenant = $3");
            let mine = self.read_one(is_mine, args![lease.conversation, lease.epoch, &lease.tenant]).await?;
            return Err(if mine.is_some() { StoreError::OutOfOrder } else { StoreError::Fenced });
        };
        self.answered("commit.after").await?;
        Ok(Committed { sending: !ids.is_empty() && values.first() == Some(&Some(1)), ids })
    }

    /// How far the question in the answer to `in_seq` has come. It is the last part with words.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn asked(&self, lease: &Lease, in_seq: i64) -> Result<Asked, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select status, attempt, unknown_ends, sending_at, sent_at from outbox "
                    "where conversation = $1 and in_seq = $2 and tenant = $3 and question"
                ),
                args![lease.conversation, in_seq, &lease.tenant],
            )
            .await?;
        let Some(row) = row else { return Ok(Asked::default()) };
        let sent_at = if row.text("status")? == "sent" { row.opt_micros("sent_at")? } else { None };
        let resent = row.int("attempt")? > 1 && row.int("unknown_ends")? > 0;
        Ok(Asked { begun_at: row.opt_micros("sending_at")?, resent, sent_at })
    }
}

/// The row of a conversation, without the head of its outbox.
pub(crate) fn snapshot(row: &Row) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        next_seq: row.int("next_seq")?,
        done_seq: row.int("done_seq")?,
        unsent: row.int("unsent")?,
        wake_at: row.micros("wake_at")?,
        epoch: row.int("epoch")?,
        now: row.micros("now")?,
        peer: row.text("peer")?,
        state: row.json("state")?,
        first_unsent: None,
    })
}

/// `alone`: its sending begins now, if so many rows are to be sent with it, to the peer of the lease.
fn push_reply(batch: &mut Batch, lease: &Lease, in_seq: i64, id: OutboxId, reply: &OutboxNew, alone: Option<i64>) {
    batch.push(
        sql!(
            "insert into outbox (id, conversation, tenant, in_seq, part, reply, question, created_at, due_at, "
            "status, attempt, sending_at, sent_at, reason, file_sha256) "
            "select $1, $2, $3, $4, $5, $6, $7, t.at, t.at, "
            "case when $10 is not null then 'failed' when $8 then 'sent' when t.begun then 'sending' else 'pending' end, "
            "case when t.begun then 1 else 0 end, case when t.begun then t.at end, "
            "case when $8 and $10 is null then t.at end, $10, $11 "
            "from (select " now " as at, not $8 and $10 is null and coalesce($9 = "
            ("(select max(v) from held where $12 <> '')" | "(select unsent from conversations where id = $2 and peer = $12)")
            ", false) as begun) t" if_held " returning attempt as v"
        ),
        args![
            id,
            lease.conversation,
            &lease.tenant,
            in_seq,
            reply.part,
            &reply.reply,
            reply.question,
            reply.sent_already,
            alone,
            reply.refused.as_deref().map(clean),
            reply.file.as_deref(),
            &lease.peer
        ],
    );
    if reply.refused.is_some() {
        return;
    }
    batch.push(
        sql!(
            "insert into messages (conversation, seq, part, tenant, direction, body, outbox_id, created_at) "
            "select $1, $2, $3, $4, 'outbound', $5, $6, " now if_held " returning 1 as v"
        ),
        args![lease.conversation, in_seq, reply.part, &lease.tenant, &reply.reply, id],
    );
}

fn push_audit(batch: &mut Batch, lease: &Lease, in_seq: i64, audit: &AuditRow) {
    batch.push(
        sql!(
            "insert into ai_audit_log (id, tenant, conversation, in_seq, user_id, chat_id, message, agent, tools_used, created_at) "
            "select $1, $2, $3, $4, $5, $6, $7, $8, $9, " now if_held " returning 1 as v"
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
    );
    for used in &audit.models {
        batch.push(
            sql!(
                "insert into ai_metrics (id, tenant, endpoint, agent, model, tokens_used, duration, success, error, created_at) "
                "select $1, $2, 'chat', $3, $4, $5, $6, $7, $8, " now if_held " returning 1 as v"
            ),
            args![
                Uuid::now_v7(),
                &lease.tenant,
                clean(&audit.agent),
                clean(&used.model),
                used.tokens,
                i64::try_from(used.took.as_millis()).unwrap_or(i64::MAX),
                used.error.is_none(),
                used.error.as_deref().map(clean)
            ],
        );
    }
}
