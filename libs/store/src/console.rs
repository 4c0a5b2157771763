//! What an operator looks at: how a tenant's traffic stands, and its conversations by their state.

use std::time::Duration;

use domain::{ConversationId, Micros, Tenant};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    engine::{Row, args, sql},
    history::ConversationRow,
};

/// The time that latencies and failures are counted over.
pub const RECENT: Duration = Duration::from_secs(60 * 60);
/// Most sends looked at for them, the newest.
const RECENT_MAX: i64 = 20_000;

/// How a tenant's traffic stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The database's clock.
    pub at: Micros,
    /// Messages that are not answered yet.
    pub waiting: i64,
    /// When the oldest of them was accepted.
    pub oldest_at: Option<Micros>,
    /// Conversations that a worker is at.
    pub in_flight: i64,
    /// Parts of answers to be sent, or on their way.
    pub unsent: i64,
    /// Sends whose end is not known yet.
    pub unknown: i64,
    /// Sends that wait for an operator.
    pub held: i64,
    /// Dead letters that nobody has dealt with.
    pub dead_letters: i64,
    /// Parts of answers made within [`RECENT`] that did not arrive.
    pub failed: i64,
    /// Answers sent within [`RECENT`].
    pub answered: i64,
    /// From the accepted message to the first part of its answer sent: half of the answers took no longer.
    pub latency_p50: Option<Duration>,
    /// 95 of 100 answers took no longer.
    pub latency_p95: Option<Duration>,
}

/// What a conversation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationState {
    /// A message waits for its answer.
    Waiting,
    /// A worker is at it.
    Working,
    /// An answer is still to be sent.
    Unsent,
    /// All is answered and sent.
    Quiet,
}

impl ConversationState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Working, Self::Unsent, Self::Quiet];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Unsent => "unsent",
            Self::Quiet => "quiet",
        }
    }
}

/// Which conversations are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// Only on accounts of this channel.
    pub channel: Option<String>,
    /// Only in this state.
    pub state: Option<ConversationState>,
}

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationLine {
    /// Its row.
    pub row: ConversationRow,
    /// What it does.
    pub state: ConversationState,
    /// When its last message was written down.
    pub last_at: Option<Micros>,
}

impl Store {
    /// How the tenant's traffic stands.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn figures(&self, tenant: &Tenant) -> Result<Figures, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select " now " as at, "
                    "(select cast(coalesce(sum(next_seq - done_seq), 0) as bigint) from conversations "
                    "where " active_and "tenant = $1 and next_seq > done_seq) as waiting, "
                    "(select min(i.accepted_at) from conversations c "
                    "join inbox i on i.conversation = c.id and i.seq = c.done_seq + 1 "
                    "where " active_and "c.tenant = $1 and c.next_seq > c.done_seq) as oldest_at, "
                    "(select count(*) from conversations "
                    "where " active_and "tenant = $1 and owner is not null and lease_until > " now ") as in_flight, "
                    "(select count(*) from outbox where tenant = $1 and status = 'held') as held, "
                    "(select count(*) from dead_letters "
                    "where tenant = $1 and replayed_at is null and discarded_at is null) as dead_letters"
                ),
                args![tenant],
            )
            .await?
            .ok_or(StoreError::NotFound("clock"))?;
        let mut figures = Figures {
            at: row.micros("at")?,
            waiting: row.int("waiting")?,
            oldest_at: row.opt_micros("oldest_at")?,
            in_flight: row.int("in_flight")?,
            held: row.int("held")?,
            dead_letters: row.int("dead_letters")?,
            ..Figures::default()
        };
        self.count_sends(tenant, &mut figures).await?;
        self.count_recent(tenant, &mut figures).await?;
        Ok(figures)
    }

    async fn count_sends(&self, tenant: &Tenant, figures: &mut Figures) -> Result<(), StoreError> {
        let rows = self
            .read(
                // The words of the partial index.
                sql!(
                    "select status, count(*) as n from outbox "
                    "where tenant = $1 and status in ('pending', 'sending', 'unknown') group by status"
                ),
                args![tenant],
            )
            .await?;
        for row in &rows {
            match row.text("status")?.as_str() {
                "unknown" => figures.unknown += row.int("n")?,
                _ => figures.unsent += row.int("n")?,
            }
        }
        Ok(())
    }

    async fn count_recent(&self, tenant: &Tenant, figures: &mut Figures) -> Result<(), StoreError> {
        let since = since(figures.at - RECENT);
        let row = self
            .read_one(
                sql!(
                    "with recent as (select id, conversation, in_seq, status, sent_at from outbox "
                    "where id >= $2 and tenant = $1 order by id desc limit $3), "
                    "took as (select min(r.sent_at) - i.accepted_at as took from recent r "
                    "join inbox i on i.conversation = r.conversation and i.seq = r.in_seq "
                    "where r.sent_at is not null group by r.conversation, r.in_seq, i.accepted_at), "
                    "placed as (select took, row_number() over (order by took) as place, count(*) over () as n from took) "
                    "select count(*) as answered, min(case when place * 100 >= n * 50 then took end) as p50, "
                    "min(case when place * 100 >= n * 95 then took end) as p95, "
                    "(select count(*) from recent r where r.status = 'failed' or exists "
                    "(select 1 from receipts e where e.outbox_id = r.id and e.tenant = $1 and e.status = 'failed')) as failed "
                    "from placed"
                ),
                args![tenant, since, RECENT_MAX],
            )
            .await?
            .ok_or(StoreError::NotFound("clock"))?;
        let duration = |micros: Option<i64>| micros.map(|m| Duration::from_micros(u64::try_from(m).unwrap_or(0)));
        figures.answered = row.int("answered")?;
        figures.failed = row.int("failed")?;
        figures.latency_p50 = duration(row.opt_int("p50")?);
        figures.latency_p95 = duration(row.opt_int("p95")?);
        Ok(())
    }

    /// Conversations of this tenant that match, newest first, older than `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_conversations(
        &self,
        tenant: &Tenant,
        filter: &ConversationFilter,
        before: Option<ConversationId>,
        limit: i64,
    ) -> Result<Vec<ConversationLine>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "with c as (select id, account, peer, next_seq, done_seq, unsent, created_at, "
                    "case when owner is not null and lease_until > " now " then 'working' "
                    "when next_seq > done_seq then 'waiting' when unsent > 0 then 'unsent' else 'quiet' end as state "
                    "from conversations where tenant = $1 and id < $2 "
                    "and ($3 is null or substr(account, 1, length($3) + 1) = $3 || ':')) "
                    "select id, account, peer, next_seq, done_seq, unsent, created_at, state, "
                    "(select m.created_at from messages m where m.conversation = c.id and m.tenant = $1 "
                    "order by m.seq desc, m.part desc limit 1) as last_at "
                    "from c where $4 is null or state = $4 order by id desc limit $5"
                ),
                args![
                    tenant,
                    before.map_or(Uuid::max(), |id| id.0),
                    filter.channel.clone(),
                    filter.state.map(ConversationState::as_str),
                    limit.max(0)
                ],
            )
            .await?;
        rows.iter().map(line).collect()
    }

    /// All tenants that have conversations or a catalogue, by name. For operators of the whole installation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows = self
            .read(
                // From one tenant to the next by the index, however many conversations each has.
                sql!(
                    "with recursive t (tenant) as (select min(tenant) from conversations union all "
                    "select (select min(c.tenant) from conversations c where c.tenant > t.tenant) from t where t.tenant is not null) "
                    "select tenant from t where tenant is not null union select tenant from catalog_version order by tenant"
                ),
                args![],
            )
            .await?;
        rows.iter().map(|row| row.tenant("tenant")).collect()
    }
}

/// The least id (UUID version 7) that a row of this time may have.
fn since(at: Micros) -> Uuid {
    let millis = u128::try_from(at.0.max(0) / 1_000).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

fn line(row: &Row) -> Result<ConversationLine, StoreError> {
    let state = row.text("state")?;
    Ok(ConversationLine {
        row: ConversationRow {
            id: ConversationId(row.uuid("id")?),
            account: row.parse("account")?,
            peer: row.text("peer")?,
            next_seq: row.int("next_seq")?,
            done_seq: row.int("done_seq")?,
            unsent: row.int("unsent")?,
            created_at: row.micros("created_at")?,
        },
        state: ConversationState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or_else(|| StoreError::corrupt("state", &state))?,
        last_at: row.opt_micros("last_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_later_rows_are_not_before_the_time() {
        let id = Uuid::now_v7();
        let (seconds, nanos) = id.get_timestamp().expect("version 7").to_unix();
        let at = Micros(i64::try_from(seconds).expect("a time") * 1_000_000 + i64::from(nanos) / 1_000);
        assert!(since(at) <= id);
        assert!(since(Micros(at.0 + 1_000)) > id);
        assert_eq!(since(Micros(-1)), Uuid::nil());
    }
}
