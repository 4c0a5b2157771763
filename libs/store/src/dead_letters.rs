//! Messages that were given up, and giving them another chance.

use domain::{ConversationId, Incoming, Micros, PersonId, Tenant};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    audit::{self, Actor, AuditEntry},
    engine::{Arg, Row, Sql, args, clean, sql},
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
    /// The first message that the replay made.
    pub replayed_seq: Option<i64>,
    /// That it was put away.
    pub discarded: Option<Discarded>,
}

/// That somebody put a dead letter away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// When.
    pub at: Micros,
    /// Who.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// Whole dead letters by a condition.
macro_rules! letters {
    ($($condition:tt)*) => {
        sql!(
            "select id, conversation, seq, last_seq, reason, attempts, unknown_effect, created_at, replayed_at, "
            "replayed_seq, discarded_at, discarded_by, discard_reason from dead_letters where "
            $($condition)*
        )
    };
}

/// The dead letters of a [`LetterFilter`], whose arguments are $1 to $5.
macro_rules! of_filter {
    ($macro:ident, $before:literal, $after:literal) => {
        $macro!(
            $before
            "tenant = $1 and case when discarded_at is not null then 'discarded' "
            "when replayed_at is not null then 'replayed' else 'open' end = $2 "
            "and ($3 is null or reason = $3) and ($4 is null or conversation = $4) and id <= $5 "
            $after
        )
    };
}

/// Those of a conversation, tenant and range of first seqs, whose arguments are $1 to $4.
pub(crate) const OF_SEQS: Sql = letters!("conversation = $1 and tenant = $2 and seq between $3 and $4 order by id");

/// What became of a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetterState {
    /// Nothing yet.
    #[default]
    Open,
    /// It was replayed.
    Replayed,
    /// It was put away.
    Discarded,
}

impl LetterState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Replayed, Self::Discarded];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }
}

/// Which dead letters are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// What became of them.
    pub state: LetterState,
    /// Only with this reason.
    pub reason: Option<String>,
    /// Only of this conversation.
    pub conversation: Option<ConversationId>,
    /// None that came after this one.
    pub until: Option<Uuid>,
}

impl LetterFilter {
    fn args(&self, tenant: &Tenant) -> Vec<Arg> {
        args![
            tenant,
            self.state.as_str(),
            self.reason.clone(),
            self.conversation.map(|conversation| conversation.0),
            self.until.unwrap_or(Uuid::max())
        ]
    }
}

/// Dead letters with one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterGroup {
    /// The reason.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// How many of them may have had an effect.
    pub unknown_effects: i64,
    /// When the first was given up.
    pub first_at: Micros,
    /// When the last was.
    pub last_at: Micros,
}

/// What a replay became. Ring the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Where.
    pub conversation: ConversationId,
    /// The first new message.
    pub seq: i64,
    /// Traces that the messages came with at first.
    pub traceparents: Vec<String>,
}

impl Store {
    /// The tenant's dead letters but those put away, newest first, older than `before`.
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
                letters!("tenant = $1 and id < $2 and discarded_at is null order by id desc limit $3"),
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
        let row = self.read_one(letters!("id = $1 and tenant = $2"), args![id, tenant]).await?;
        row.as_ref().map(dead_letter).transpose()
    }

    /// Puts the messages of a dead letter in again, as new messages at the end of their conversation, and writes down
    /// who did it, in one transaction. They belong to the trace of `traceparent` then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::AlreadyReplayed`], [`StoreError::UnknownEffect`] unless
    /// `accept_unknown_effects`.
    pub async fn replay_dead_letter(
        &self,
        tenant: &Tenant,
        id: Uuid,
        accept_unknown_effects: bool,
        actor: impl Into<Actor> + Send,
        traceparent: Option<&str>,
    ) -> Result<Replayed, StoreError> {
        let actor = actor.into();
        let letter = self.find_dead_letter(tenant, id).await?;
        let letter = letter.filter(|letter| letter.discarded.is_none()).ok_or(StoreError::NotFound("dead letter"))?;
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
                sql!("update dead_letters set replayed_at = " now ", replayed_seq = $2 where id = $1 and replayed_at is null and discarded_at is null"),
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
        let mut traceparents = Vec::new();
        for row in &rows {
            let mut incoming: Incoming = row.json("payload")?;
            incoming.provider = "replay".to_owned();
            incoming.provider_message_id = format!("{id}.{}", row.int("seq")?);
            traceparents.extend(incoming.traceparent.take());
            incoming.traceparent = traceparent.map(str::to_owned);
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
        let detail = json!({ "conversation": letter.conversation, "seq": first, "accept_unknown_effects": accept_unknown_effects });
        let entry = AuditEntry::of(&actor, tenant, "dead_letter.replay", id, detail);
        audit::append(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(Replayed { conversation: letter.conversation, seq: first, traceparents })
    }

    /// Puts a dead letter away for good and writes down who did it, in one transaction. False: it was replayed or put
    /// away before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn discard_dead_letter(
        &self,
        tenant: &Tenant,
        id: Uuid,
        reason: &str,
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        let letter = self.find_dead_letter(tenant, id).await?.ok_or(StoreError::NotFound("dead letter"))?;
        let reason = clean(reason);
        let mut tx = self.begin().await?;
        let marked = tx
            .execute(
                sql!(
                    "update dead_letters set discarded_at = " now ", discarded_by = $2, discard_reason = $3 "
                    "where id = $1 and replayed_at is null and discarded_at is null"
                ),
                args![id, clean(&actor.name), &reason],
            )
            .await?;
        if marked == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        let detail = json!({ "conversation": letter.conversation, "seq": letter.seq, "reason": reason });
        audit::append(&mut tx, &AuditEntry::of(actor, tenant, "dead_letter.discard", id, detail)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The tenant's dead letters of one state by their reason, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_letter_groups(
        &self,
        tenant: &Tenant,
        filter: &LetterFilter,
        limit: i64,
    ) -> Result<Vec<LetterGroup>, StoreError> {
        let mut args = filter.args(tenant);
        args.extend(args![limit.max(0)]);
        let groups = of_filter!(
            sql,
            "select reason, count(*) as n, count(case when unknown_effect then 1 end) as unknown_effects, \
             min(created_at) as first_at, max(created_at) as last_at from dead_letters where ",
            "group by reason order by last_at desc limit $6"
        );
        let rows = self.read(groups, args).await?;
        rows.iter()
            .map(|row| {
                Ok(LetterGroup {
                    reason: row.text("reason")?,
                    count: row.int("n")?,
                    unknown_effects: row.int("unknown_effects")?,
                    first_at: row.micros("first_at")?,
                    last_at: row.micros("last_at")?,
                })
            })
            .collect()
    }

    /// How many of the tenant's dead letters match.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_dead_letters(&self, tenant: &Tenant, filter: &LetterFilter) -> Result<i64, StoreError> {
        let count = of_filter!(sql, "select count(*) as n from dead_letters where ", "");
        self.read_one(count, filter.args(tenant)).await?.map_or(Ok(0), |row| row.int("n"))
    }

    /// The tenant's dead letters that match, newest first, older than `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_dead_letters(
        &self,
        tenant: &Tenant,
        filter: &LetterFilter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut args = filter.args(tenant);
        args.extend(args![before.unwrap_or(Uuid::max()), limit.max(0)]);
        let rows = self.read(of_filter!(letters, "", "and id < $6 order by id desc limit $7"), args).await?;
        rows.iter().map(dead_letter).collect()
    }
}

pub(crate) fn dead_letter(row: &Row) -> Result<DeadLetter, StoreError> {
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
        replayed_seq: row.opt_int("replayed_seq")?,
        discarded: match row.opt_micros("discarded_at")? {
            Some(at) => Some(Discarded {
                at,
                by: row.opt_text("discarded_by")?.unwrap_or_default(),
                reason: row.opt_text("discard_reason")?.unwrap_or_default(),
            }),
            None => None,
        },
    })
}
