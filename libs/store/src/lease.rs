//! Leases: who works on a conversation, how the work is handed on, and how lost bells are found.

use std::time::Duration;

use domain::{Account, ConversationId, Micros, Tenant};
use faults::{Bug, planted};
use uuid::Uuid;

use crate::{
    Snapshot, Store, StoreError,
    engine::{Row, Sql, Tx, args, sql},
    work,
};

/// How long a claim or a renewal holds. Workers renew every 10 s.
pub const LEASE: Duration = Duration::from_secs(30);
/// Most leases renewed by one statement.
const RENEW_BATCH: usize = 200;
/// A bell counts as delivered when the group has read one that was rung this much later, in microseconds.
const BELL_ORDER: i64 = 1_000_000;
/// Advisory lock of the sweeper ("sweep").
const SWEEP_LOCK: i64 = 0x73_77_65_65_70;

/// The right to work on a conversation, until another epoch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Where answers go out.
    pub account: Account,
    /// To whom, in the platform's words.
    pub peer: String,
    /// The fencing token: every fenced write compares it.
    pub epoch: i64,
    /// The worker.
    pub owner: Uuid,
}

/// What the holder saw of the row when it found nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The last seq.
    pub next_seq: i64,
    /// The time to wake.
    pub wake_at: Micros,
}

/// What the doorbell's group says, read shortly before the sweeper's turn: no transaction is open over a look into
/// Redis. What changes in between costs a bell too many, or one round.
#[derive(Clone, Copy, Debug, Default)]
pub struct SweepInput {
    /// Time in the id of the last delivered bell.
    pub last_delivered_at: Option<Micros>,
    /// Bells that nobody has read; `None` when unknown.
    pub lag: Option<i64>,
    /// The group was lost and made again.
    pub recreated: bool,
    /// Most conversations to ring at once.
    pub limit: i64,
}

impl Store {
    /// Takes a conversation if it is runnable. `None`: nothing to do, somebody else holds it, or its row is locked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, conversation: ConversationId, owner: Uuid) -> Result<Option<Lease>, StoreError> {
        Ok(self.claim_and_look(conversation, owner).await?.map(|(lease, _)| lease))
    }

    /// As [`Store::claim`], with what a [`Store::snapshot`] would give; none where that has to look at the outbox, or
    /// cannot read the state.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_and_look(
        &self,
        conversation: ConversationId,
        owner: Uuid,
    ) -> Result<Option<(Lease, Option<Snapshot>)>, StoreError> {
        self.at("claim.before").await;
        let claimed = self
            .write(
                sql!(
                    "update conversations set epoch = epoch + 1, owner = $2, lease_until = " now " + $3 "
                    "where id = $1 and " runnable " returning id, tenant, account, peer, epoch, "
                    "next_seq, done_seq, unsent, wake_at, state, " now " as now"
                ),
                args![conversation, owner, micros(LEASE)],
            )
            .await;
        self.answered("claim.after").await?;
        match claimed {
            Ok(rows) if planted(Bug::TokenFromRedis) => {
                Ok(self.token_that_went_back(&rows, owner).await?.map(|lease| (lease, None)))
            }
            Ok(rows) => rows
                .first()
                .map(|row| Ok((lease(row, owner)?, work::snapshot(row).ok())))
                .transpose()
                .map(|claimed| claimed.map(|(lease, seen)| (lease, seen.filter(|seen| seen.unsent == 0)))),
            Err(StoreError::Busy) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes up to `limit` runnable conversations, longest waiting first: the way without a doorbell.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_any(&self, owner: Uuid, limit: i64) -> Result<Vec<Lease>, StoreError> {
        let rows = self
            .write(
                sql!(
                    "with free as (select id from conversations where " runnable " order by wake_at limit $3" skip_locked ") "
                    "update conversations set epoch = epoch + 1, owner = $1, lease_until = " now " + $2 from free "
                    "where conversations.id = free.id returning conversations.id, tenant, account, peer, epoch"
                ),
                args![owner, micros(LEASE), limit.max(0)],
            )
            .await?;
        rows.iter().map(|row| lease(row, owner)).collect()
    }

    /// Renews leases of this owner. What does not come back is fenced. After an error nothing is known: try each
    /// alone after a second.
    ///
    /// # Errors
    /// When a statement was not executed.
    pub async fn renew(&self, held: &[(ConversationId, i64)], owner: Uuid) -> Result<Vec<ConversationId>, StoreError> {
        let mut held = held.to_vec();
        held.sort_unstable();
        self.at("renew.before").await;
        let mut renewed = Vec::with_capacity(held.len());
        for batch in held.chunks(RENEW_BATCH) {
            let mut tx = self.begin().await?;
            if self.is_postgres() {
                // A renewal that is lost in a crash is only a shorter lease.
                tx.execute(sql!(("set local synchronous_commit = off" | "select 1")), args![]).await?;
                let rows = tx
                    .all(
                        sql!((
                            "with mine as (select c.id from conversations c join unnest($1::uuid[], $2::bigint[]) as held (id, epoch) \
                             on c.id = held.id and c.epoch = held.epoch where c.owner = $3 order by c.id for update of c) \
                             update conversations set lease_until = (extract(epoch from clock_timestamp()) * 1000000)::bigint + $4 \
                             from mine where conversations.id = mine.id returning conversations.id"
                                | "select 1"
                        )),
                        args![
                            batch.iter().map(|(id, _)| id.0).collect::<Vec<_>>(),
                            batch.iter().map(|(_, epoch)| *epoch).collect::<Vec<_>>(),
                            owner,
                            micros(LEASE)
                        ],
                    )
                    .await?;
                for row in &rows {
                    renewed.push(ConversationId(row.uuid("id")?));
                }
            } else {
                for (id, epoch) in batch {
                    let changed = tx
                        .execute(
                            sql!("update conversations set lease_until = " now " + $4 where id = $1 and epoch = $2 and owner = $3"),
                            args![*id, *epoch, owner, micros(LEASE)],
                        )
                        .await?;
                    if changed == 1 {
                        renewed.push(*id);
                    }
                }
            }
            tx.commit().await?;
        }
        self.answered("renew.after").await?;
        Ok(renewed)
    }

    /// Lets a finished conversation go. False: there is work, or somebody else has it; read the row again.
    ///
    /// The counters are columns of the very row that is locked; a look into `inbox` would keep an old snapshot and
    /// lose a wake-up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_idle(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.at("release.before").await;
        if planted(Bug::NotExistsRelease) {
            return self
                .changed(
                    sql!(
                        "update conversations set owner = null where id = $1 and epoch = $2 and tenant = $3 and unsent = 0 "
                        "and not exists (select 1 from inbox where conversation = $1 and seq > done_seq) returning id"
                    ),
                    args![lease.conversation, lease.epoch, &lease.tenant],
                )
                .await;
        }
        let left = self
            .changed(
                sql!(
                    "update conversations set owner = null "
                    "where id = $1 and epoch = $2 and tenant = $3 and next_seq = done_seq and unsent = 0 returning id"
                ),
                args![lease.conversation, lease.epoch, &lease.tenant],
            )
            .await;
        self.answered("release.after").await?;
        left
    }

    /// Lets a conversation sleep until `due`, unless something happened since the row was `seen`. False: read it again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn park(&self, lease: &Lease, due: Micros, seen: Seen) -> Result<bool, StoreError> {
        self.at("park.before").await;
        if planted(Bug::UnguardedPark) {
            let park =
                sql!("update conversations set owner = null, wake_at = $3 where id = $1 and epoch = $2 returning id");
            return self.changed(park, args![lease.conversation, lease.epoch, due]).await;
        }
        let left = self
            .changed(
                sql!(
                    "update conversations set owner = null, wake_at = $3 "
                    "where id = $1 and epoch = $2 and tenant = $6 and next_seq = $4 and wake_at = $5 returning id"
                ),
                args![lease.conversation, lease.epoch, due, seen.next_seq, seen.wake_at, &lease.tenant],
            )
            .await;
        self.answered("park.after").await?;
        left
    }

    /// Hands a conversation on at once: the yield of a hot one, and shutdown. Ring after it. False: another epoch.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn yield_now(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.at("yield.before").await;
        let left = self.changed(
            sql!("update conversations set owner = null, wake_at = " now " where id = $1 and epoch = $2 and tenant = $3 returning id"),
            args![lease.conversation, lease.epoch, &lease.tenant],
        )
        .await;
        self.answered("yield.after").await?;
        left
    }

    /// Finds runnable conversations whose bell was certainly delivered or lost, for the caller to ring. Several workers
    /// may ask; one at a time is answered, the others hear `None`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep(&self, input: &SweepInput) -> Result<Option<Vec<ConversationId>>, StoreError> {
        self.at("sweep.before").await;
        let certainly_lost = input.recreated || input.lag == Some(0) || planted(Bug::SweeperWithoutRungAt);
        let delivered_until = input.last_delivered_at.map_or(i64::MIN, |at| at.0.saturating_sub(BELL_ORDER));
        // One statement, which is committed before anybody rings: a sweeper whose link is slow, or that is stopped, must
        // not keep the lock meanwhile from the others.
        let rows = self
            .write(
                sql!(
                    ("with free as materialized (select pg_try_advisory_xact_lock($1) as free), " | "with ")
                    "lost as (select id from conversations where "
                    ("(select free from free)" | "$1 = $1")
                    " and " runnable " and ($2 or rung_at < $3) order by wake_at limit $4" skip_locked ")"
                    (", rung as (" | " ")
                    "update conversations set rung_at = " now " from lost where conversations.id = lost.id returning conversations.id"
                    (") select free, id from free left join rung on true" | ", true as free")
                ),
                args![SWEEP_LOCK, certainly_lost, delivered_until, input.limit.max(0)],
            )
            .await?;
        self.answered("sweep.after").await?;
        let mut lost = Vec::with_capacity(rows.len());
        for row in &rows {
            if !row.bool("free")? {
                return Ok(None);
            }
            lost.extend(row.opt_uuid("id")?.map(ConversationId));
        }
        Ok(Some(lost))
    }

    /// How many conversations wait for a worker: the true backlog.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn runnable_count(&self) -> Result<i64, StoreError> {
        let row = self.read_one(sql!("select count(*) as n from conversations where " runnable), args![]).await?;
        row.map_or(Ok(0), |row| row.int("n"))
    }

    /// A planted bug: the token comes from a counter that was lost and begins anew.
    async fn token_that_went_back(&self, rows: &[Row], owner: Uuid) -> Result<Option<Lease>, StoreError> {
        let Some(row) = rows.first() else { return Ok(None) };
        let lease = Lease { epoch: 1, ..lease(row, owner)? };
        self.write(sql!("update conversations set epoch = 1 where id = $1"), args![lease.conversation]).await?;
        Ok(Some(lease))
    }

    async fn changed(&self, sql: Sql, args: Vec<crate::engine::Arg>) -> Result<bool, StoreError> {
        Ok(!self.write(sql, args).await?.is_empty())
    }

    /// Begins a fenced transaction: its first statement is an update of the conversation's row, a lock and not a look.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when another epoch has begun.
    pub(crate) async fn fenced(&self, lease: &Lease) -> Result<Tx, StoreError> {
        let mut tx = self.begin().await?;
        let mine = args![lease.conversation, lease.epoch, &lease.tenant];
        let held = if planted(Bug::FenceByExists) {
            tx.all(sql!("select id from conversations where id = $1 and epoch = $2 and tenant = $3"), mine).await?.len()
                as u64
        } else {
            let lock = sql!("update conversations set epoch = epoch where id = $1 and epoch = $2 and tenant = $3");
            tx.execute(lock, mine).await?
        };
        if held == 0 && !planted(Bug::NoFence) {
            tx.rollback().await?;
            return Err(StoreError::Fenced);
        }
        Ok(tx)
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn lease(row: &Row, owner: Uuid) -> Result<Lease, StoreError> {
    Ok(Lease {
        conversation: ConversationId(row.uuid("id")?),
        tenant: row.tenant("tenant")?,
        account: row.parse("account")?,
        peer: row.text("peer")?,
        epoch: row.int("epoch")?,
        owner,
    })
}
