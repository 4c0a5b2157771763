//! Sending: in order, one row at a time, each attempt written down before its first byte.

use std::time::Duration;

use domain::{ConversationId, Micros, OutboxId};
use serde_json::Value;

use crate::{
    Lease, Store, StoreError,
    batch::Batch,
    engine::{Row, Tx, args, clean, sql},
    lease::micros,
    notifications,
};

/// So long a `sending` row counts as in flight, whoever began it: deadline of the send and a margin.
pub const IN_FLIGHT: Duration = Duration::from_secs(15);
/// So long after `sending_at` a row may stay `unknown`.
pub const UNKNOWN_UNTIL: Duration = Duration::from_secs(60);
/// After so many unknown ends a row is held whatever the policy.
pub const MAX_UNKNOWN_ENDS: i64 = 3;

/// Where a row of the outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxStatus {
    /// To be sent when it is due.
    Pending,
    /// In flight, at most until `sending_at` + 15 s.
    Sending,
    /// Taken by the platform.
    Sent,
    /// It may have been taken; ends at `due_at`.
    Unknown,
    /// Given to an operator; no longer counted, later parts go on.
    Held,
    /// Refused for good.
    Failed,
}

impl OutboxStatus {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        [Self::Pending, Self::Sending, Self::Sent, Self::Unknown, Self::Held, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| StoreError::corrupt("status", text))
    }
}

/// One part of an answer on its way.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its id, also given to platforms that take one.
    pub id: OutboxId,
    /// The message it answers.
    pub in_seq: i64,
    /// Its place in the answer, from 0.
    pub part: i32,
    /// How often its sending was begun.
    pub attempt: i32,
    /// Where it is.
    pub status: OutboxStatus,
    /// A `domain::Outgoing`.
    pub reply: Value,
    /// `pending`: not before; `unknown`: ends then.
    pub due_at: Micros,
    /// When the last attempt began.
    pub sending_at: Option<Micros>,
    /// When it was recorded sent.
    pub sent_at: Option<Micros>,
    /// W3C `traceparent` of the message that it answers.
    pub traceparent: Option<String>,
    /// When the person's own message was accepted that it answers; none where they did not write.
    pub asked_at: Option<Micros>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The platform took it.
    Sent {
        /// Its id there.
        provider_message_id: Option<String>,
    },
    /// The platform refused it for good.
    Failed {
        /// Why, without personal data.
        reason: String,
    },
    /// The platform's time for free words is over: as failed, and what has a template follows as that, once.
    WindowClosed {
        /// Why, without personal data.
        reason: String,
    },
    /// Certainly not taken; to be sent again.
    Pending {
        /// Not before.
        due_at: Micros,
    },
    /// Nobody knows.
    Unknown,
}

/// What became of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It changed nothing: another end is known.
    KnownAlready,
    /// It stands.
    Kept,
    /// It stands, nothing else is to be done, and the lease was given back.
    AndReleased,
}

/// What becomes of a row whose end stays unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownPolicy {
    /// Send it again: a person may read it twice.
    Resend,
    /// Keep it back for an operator.
    Hold,
}

impl Store {
    /// Begins an attempt at the head of the line; gives its number. `None`: it is not pending, not due or not the head
    /// any more, the chat has another peer, or a proof says that it was taken (then it is `sent` now).
    ///
    /// # Errors
    /// [`StoreError::Fenced`].
    pub async fn begin_send(&self, lease: &Lease, id: OutboxId) -> Result<Option<i32>, StoreError> {
        self.at("sending.before").await;
        let values = self
            .write_fenced(Batch::fenced(lease).and(
                sql!(
                    "update outbox set status = 'sending', attempt = attempt + 1, sending_at = " now
                    " where id = $2 and status = 'pending' and due_at <= " now " and id = "
                    "(select id from outbox where conversation = $1 and status in ('pending', 'sending', 'unknown') "
                    "order by in_seq, part limit 1) "
                    "and not exists (select 1 from receipts where outbox_id = $2 and tenant = $3) "
                    "and exists (select 1 from conversations where id = $1 and peer = $4)" and_held
                    " returning attempt as v"
                ),
                args![lease.conversation, id, &lease.tenant, &lease.peer],
            ))
            .await?;
        if let Some(attempt) = values.first().copied().flatten() {
            self.answered("sending.after").await?;
            return i32::try_from(attempt).map(Some).map_err(|_| StoreError::corrupt("attempt", "number out of range"));
        }
        let mut tx = self.fenced(lease).await?;
        if let Some(proof) = proof(&mut tx, lease, id).await? {
            prove(&mut tx, lease.conversation, id, Some(&proof)).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(None)
    }

    /// Records how an attempt ended: the one write of a worker that is not fenced. What was really sent must be known
    /// even by a worker that lost its lease meanwhile; the attempt's number guards it. False: it changed nothing.
    ///
    /// # Errors
    /// When the database fails. Try until it is done.
    pub async fn record_outcome(
        &self,
        conversation: ConversationId,
        id: OutboxId,
        attempt: i32,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        self.at("record.before").await;
        let mut tx = self.begin().await?;
        lock(&mut tx, conversation).await?;
        let row = tx
            .optional(
                sql!("select status, attempt from outbox where id = $1 and conversation = $2"),
                args![id, conversation],
            )
            .await?;
        let Some(row) = row else {
            tx.rollback().await?;
            return Ok(false);
        };
        let status = OutboxStatus::parse(&row.text("status")?)?;
        let allowed = match (status, outcome) {
            (OutboxStatus::Sending, _) => true,
            (OutboxStatus::Unknown, Outcome::Unknown) => false,
            (OutboxStatus::Unknown, _) => true,
            // A held row is not counted any more, so only an end can be recorded.
            (OutboxStatus::Held, Outcome::Sent { .. } | Outcome::Failed { .. } | Outcome::WindowClosed { .. }) => true,
            _ => false,
        };
        if !allowed || row.small("attempt")? != attempt {
            tx.rollback().await?;
            return Ok(false);
        }
        let ended = matches!(outcome, Outcome::Sent { .. } | Outcome::Failed { .. } | Outcome::WindowClosed { .. });
        let wake = match outcome {
            Outcome::Sent { provider_message_id } => {
                mark_sent(&mut tx, id, provider_message_id.as_deref()).await?;
                None
            }
            Outcome::Failed { reason } | Outcome::WindowClosed { reason } => {
                tx.execute(
                    sql!("update outbox set status = 'failed', reason = $2 where id = $1"),
                    args![id, clean(reason)],
                )
                .await?;
                if matches!(outcome, Outcome::WindowClosed { .. }) {
                    notifications::follow(&mut tx, conversation, id).await?;
                }
                None
            }
            Outcome::Pending { due_at } => {
                tx.execute(sql!("update outbox set status = 'pending', due_at = $2 where id = $1"), args![id, *due_at])
                    .await?;
                Some(*due_at)
            }
            Outcome::Unknown => {
                mark_unknown(&mut tx, id).await?;
                None
            }
        };
        wake_and_count(&mut tx, conversation, ended && status != OutboxStatus::Held, wake).await?;
        tx.commit().await?;
        self.answered("record.after").await?;
        Ok(true)
    }

    /// As [`Store::record_outcome`]; when that was the last thing to do, the lease is given back with it, under its fence
    /// and by the counters of the row that is locked, as [`Store::release_idle`] does.
    ///
    /// # Errors
    /// As [`Store::record_outcome`].
    pub async fn record_and_release(
        &self,
        lease: &Lease,
        id: OutboxId,
        attempt: i32,
        outcome: &Outcome,
    ) -> Result<Recorded, StoreError> {
        if let Outcome::Sent { provider_message_id } = outcome {
            self.at("record.before").await;
            let batch = Batch::new(
                sql!("select 1 as v from conversations where id = $1" for_update),
                args![lease.conversation],
            )
            .and(
                sql!(
                    "update outbox set status = 'sent', sent_at = " now ", provider_message_id = $4 "
                    "where id = $2 and conversation = $1 and status = 'sending' and attempt = $3" and_held
                    " returning 1 as v"
                ),
                args![lease.conversation, id, attempt, provider_message_id.as_deref().map(clean)],
            )
            .and(
                sql!(
                    "update conversations set unsent = unsent - 1, wake_at = " now ", owner = case "
                    "when epoch = $2 and tenant = $3 and next_seq = done_seq and unsent = 1 then null else owner end "
                    "where id = $1 and " ("exists (select 1 from p1)" | "changes() > 0")
                    " returning case when epoch = $2 and owner is null then 1 else 0 end as v"
                ),
                args![lease.conversation, lease.epoch, &lease.tenant],
            );
            let recorded = self.write_batch(batch).await?.and_then(|values| values.get(1).copied().flatten());
            if let Some(released) = recorded {
                self.answered("record.after").await?;
                return Ok(if released == 1 { Recorded::AndReleased } else { Recorded::Kept });
            }
        }
        let kept = self.record_outcome(lease.conversation, id, attempt, outcome).await?;
        Ok(if kept { Recorded::Kept } else { Recorded::KnownAlready })
    }

    /// Takes a `sending` or `unknown` row of an earlier attempt one step on, when its time has come: in flight for 15 s,
    /// then unknown until 60 s after its beginning, then by policy. Gives where the row is now.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::NotFound`].
    pub async fn resolve_unknown(
        &self,
        lease: &Lease,
        row: &OutboxRow,
        policy: UnknownPolicy,
    ) -> Result<OutboxStatus, StoreError> {
        self.at("resolve.before").await;
        let mut tx = self.fenced(lease).await?;
        let now = tx
            .optional(
                sql!(
                    "select status, attempt, unknown_ends, coalesce(sending_at, 0) + $3 <= " now " as landed, due_at <= " now " as over "
                    "from outbox where id = $1 and conversation = $2"
                ),
                args![row.id, lease.conversation, micros(IN_FLIGHT)],
            )
            .await?
            .ok_or(StoreError::NotFound("message to send"))?;
        let mut status = OutboxStatus::parse(&now.text("status")?)?;
        if now.small("attempt")? == row.attempt {
            if let Some(proof) = proof(&mut tx, lease, row.id).await? {
                if prove(&mut tx, lease.conversation, row.id, Some(&proof)).await? {
                    status = OutboxStatus::Sent;
                }
            } else if status == OutboxStatus::Sending && now.bool("landed")? {
                mark_unknown(&mut tx, row.id).await?;
                status = OutboxStatus::Unknown;
            } else if status == OutboxStatus::Unknown && now.bool("over")? {
                status = if policy == UnknownPolicy::Hold || now.int("unknown_ends")? >= MAX_UNKNOWN_ENDS {
                    tx.execute(sql!("update outbox set status = 'held' where id = $1"), args![row.id]).await?;
                    tx.execute(
                        sql!("update conversations set unsent = unsent - 1 where id = $1"),
                        args![lease.conversation],
                    )
                    .await?;
                    OutboxStatus::Held
                } else {
                    tx.execute(
                        sql!("update outbox set status = 'pending', due_at = " now " where id = $1"),
                        args![row.id],
                    )
                    .await?;
                    OutboxStatus::Pending
                };
            }
        }
        self.at("resolve.inside").await;
        tx.commit().await?;
        self.answered("resolve.after").await?;
        Ok(status)
    }

    /// How many rows wait for an operator: an alarm when it is not 0.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held_count(&self) -> Result<i64, StoreError> {
        let row = self.read_one(sql!("select count(*) as n from outbox where status = 'held'"), args![]).await?;
        row.map_or(Ok(0), |row| row.int("n"))
    }
}

pub(crate) fn outbox_row(row: &Row) -> Result<OutboxRow, StoreError> {
    Ok(OutboxRow {
        id: OutboxId(row.uuid("id")?),
        in_seq: row.int("in_seq")?,
        part: row.small("part")?,
        attempt: row.small("attempt")?,
        status: OutboxStatus::parse(&row.text("status")?)?,
        reply: row.json("reply")?,
        due_at: row.micros("due_at")?,
        sending_at: row.opt_micros("sending_at")?,
        sent_at: row.opt_micros("sent_at")?,
        traceparent: row.opt_text("traceparent")?,
        asked_at: row.opt_micros("asked_at")?,
    })
}

/// A lock of the conversation, no fence.
async fn lock(tx: &mut Tx, conversation: ConversationId) -> Result<(), StoreError> {
    tx.all(sql!("select id from conversations where id = $1" for_update), args![conversation]).await?;
    Ok(())
}

/// The platform's id from a report that names this row.
async fn proof(tx: &mut Tx, lease: &Lease, id: OutboxId) -> Result<Option<String>, StoreError> {
    let row = tx
        .optional(
            sql!("select provider_message_id from receipts where outbox_id = $1 and tenant = $2 limit 1"),
            args![id, &lease.tenant],
        )
        .await?;
    row.map(|row| row.text("provider_message_id")).transpose()
}

/// A proof from outside that the platform took a row: it needs no attempt's number and makes even a pending or held
/// row `sent`. The conversation is locked already. False: nothing to change.
pub(crate) async fn prove(
    tx: &mut Tx,
    conversation: ConversationId,
    id: OutboxId,
    provider_message_id: Option<&str>,
) -> Result<bool, StoreError> {
    let row = tx
        .optional(sql!("select status from outbox where id = $1 and conversation = $2"), args![id, conversation])
        .await?;
    let Some(row) = row else { return Ok(false) };
    let status = OutboxStatus::parse(&row.text("status")?)?;
    if matches!(status, OutboxStatus::Sent | OutboxStatus::Failed) {
        return Ok(false);
    }
    mark_sent(tx, id, provider_message_id).await?;
    wake_and_count(tx, conversation, status != OutboxStatus::Held, None).await?;
    Ok(true)
}

async fn mark_sent(tx: &mut Tx, id: OutboxId, provider_message_id: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        sql!("update outbox set status = 'sent', sent_at = " now ", provider_message_id = $2 where id = $1"),
        args![id, provider_message_id.map(clean)],
    )
    .await?;
    Ok(())
}

async fn mark_unknown(tx: &mut Tx, id: OutboxId) -> Result<(), StoreError> {
    tx.execute(
        sql!(
            "update outbox set status = 'unknown', unknown_ends = unknown_ends + 1, due_at = sending_at + $2 "
            "where id = $1 and status = 'sending'"
        ),
        args![id, micros(UNKNOWN_UNTIL)],
    )
    .await?;
    Ok(())
}

/// Counts an ended row off and wakes the conversation: at `wake`, but at once when messages wait for their turn.
async fn wake_and_count(
    tx: &mut Tx,
    conversation: ConversationId,
    ended: bool,
    wake: Option<Micros>,
) -> Result<(), StoreError> {
    tx.execute(
        sql!(
            "update conversations set unsent = unsent - $2, "
            "wake_at = case when next_seq > done_seq then " now " else coalesce($3, " now ") end where id = $1"
        ),
        args![conversation, i64::from(ended), wake],
    )
    .await?;
    Ok(())
}
