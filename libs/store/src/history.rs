//! What was said: conversations and messages, for people and programs that read them.

use domain::{Account, ConversationId, Incoming, Micros, PersonId, Tenant};
use serde_json::Value;

use crate::{
    Store, StoreError,
    engine::{Row, args, sql},
};

/// A place in a conversation. An inbound message has part -1, so that it stands before its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The inbound message, or the one that is answered.
    pub seq: i64,
    /// Part of the answer, from 0.
    pub part: i32,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    Inbound,
    /// From us.
    Outbound,
}

/// A conversation as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationRow {
    /// Its id.
    pub id: ConversationId,
    /// Where it is held.
    pub account: Account,
    /// With whom, in the platform's words.
    pub peer: String,
    /// The last seq that was given.
    pub next_seq: i64,
    /// The last seq that is answered.
    pub done_seq: i64,
    /// Parts of answers that are still to be sent.
    pub unsent: i64,
    /// When it began.
    pub created_at: Micros,
}

/// A message as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    /// Its place.
    pub cursor: Cursor,
    /// Which way it went.
    pub direction: Direction,
    /// Who wrote it; `None` for ours.
    pub person: Option<PersonId>,
    /// A `domain::Content` (inbound) or `domain::Outgoing` (outbound).
    pub body: Value,
    /// When it was accepted or committed.
    pub created_at: Micros,
    /// Inbound: `accepted` or `answered`. Outbound: the outbox status, or the highest report of the platform.
    pub status: String,
    /// Outbound, and failed: why.
    pub reason: Option<String>,
}

impl Store {
    /// Where a peer's messages go.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_conversation(
        &self,
        tenant: &Tenant,
        account: &Account,
        peer: &str,
    ) -> Result<Option<ConversationId>, StoreError> {
        let row = self
            .read_one(
                sql!("select conversation from conversation_keys where tenant = $1 and account = $2 and peer = $3"),
                args![tenant, account, peer],
            )
            .await?;
        row.map(|row| row.uuid("conversation").map(ConversationId)).transpose()
    }

    /// A conversation of this tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn conversation(
        &self,
        tenant: &Tenant,
        id: ConversationId,
    ) -> Result<Option<ConversationRow>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select id, account, peer, next_seq, done_seq, unsent, created_at from conversations "
                    "where id = $1 and tenant = $2"
                ),
                args![id, tenant],
            )
            .await?;
        row.as_ref().map(conversation).transpose()
    }

    /// The peer of the oldest message that a conversation still has: its name when it began, whatever it is called now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_peer(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .read_one(
                sql!("select payload from inbox where conversation = $1 and tenant = $2 order by seq limit 1"),
                args![conversation, tenant],
            )
            .await?;
        row.map(|row| row.json("payload").map(|first: Incoming| first.peer)).transpose()
    }

    /// Conversations of this tenant, newest first, older than `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_conversations(
        &self,
        tenant: &Tenant,
        before: Option<ConversationId>,
        limit: i64,
    ) -> Result<Vec<ConversationRow>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select id, account, peer, next_seq, done_seq, unsent, created_at from conversations "
                    "where tenant = $1 and id < $2 order by id desc limit $3"
                ),
                args![tenant, before.map_or(uuid::Uuid::max(), |id| id.0), limit.max(0)],
            )
            .await?;
        rows.iter().map(conversation).collect()
    }

    /// Messages of a conversation after a place, in the order of their places; `direction` picks one side.
    ///
    /// Answers are committed in the order of their places, so a reader of `Outbound` alone may go on from the last one
    /// it saw and misses nothing. A message that arrives while an older one is answered stands behind that answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn messages(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        after: Option<Cursor>,
        limit: i64,
        direction: Option<Direction>,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let after = after.unwrap_or(Cursor { seq: 0, part: -1 });
        let rows = self
            .read(
                sql!(
                    "select m.seq, m.part, m.direction, m.person, m.body, m.created_at, coalesce("
                    "(select r.status from receipts r where r.outbox_id = o.id and r.tenant = m.tenant order by r.rank desc limit 1), "
                    "(select r.status from receipts r where r.tenant = m.tenant and r.provider = "
                    ("split_part(c.account, ':', 1)" | "substr(c.account, 1, instr(c.account, ':') - 1)")
                    " and r.account = c.account "
                    "and r.provider_message_id = o.provider_message_id order by r.rank desc limit 1), "
                    "o.status, case when m.seq <= c.done_seq then 'answered' else 'accepted' end) as status, "
                    "coalesce((select r.reason from receipts r where r.outbox_id = o.id and r.tenant = m.tenant and r.status = 'failed' limit 1), "
                    "(select r.reason from receipts r where r.tenant = m.tenant and r.provider = "
                    ("split_part(c.account, ':', 1)" | "substr(c.account, 1, instr(c.account, ':') - 1)")
                    " and r.account = c.account "
                    "and r.provider_message_id = o.provider_message_id and r.status = 'failed' limit 1), o.reason) as reason "
                    "from messages m join conversations c on c.id = m.conversation left join outbox o on o.id = m.outbox_id "
                    "where m.conversation = $1 and m.tenant = $2 and (m.seq, m.part) > ($3, $4) "
                    "and ($5 is null or m.direction = $5) order by m.seq, m.part limit $6"
                ),
                args![
                    conversation,
                    tenant,
                    after.seq,
                    after.part,
                    direction.map(|direction| match direction {
                        Direction::Inbound => "inbound",
                        Direction::Outbound => "outbound",
                    }),
                    limit.max(0)
                ],
            )
            .await?;
        rows.iter().map(message).collect()
    }
}

fn conversation(row: &Row) -> Result<ConversationRow, StoreError> {
    Ok(ConversationRow {
        id: ConversationId(row.uuid("id")?),
        account: row.parse("account")?,
        peer: row.text("peer")?,
        next_seq: row.int("next_seq")?,
        done_seq: row.int("done_seq")?,
        unsent: row.int("unsent")?,
        created_at: row.micros("created_at")?,
    })
}

fn message(row: &Row) -> Result<MessageRow, StoreError> {
    let status = row.text("status")?;
    Ok(MessageRow {
        cursor: Cursor { seq: row.int("seq")?, part: row.small("part")? },
        direction: if row.text("direction")? == "inbound" { Direction::Inbound } else { Direction::Outbound },
        person: row.opt_uuid("person")?.map(PersonId),
        body: row.json("body")?,
        created_at: row.micros("created_at")?,
        reason: row.opt_text("reason")?.filter(|_| status == "failed"),
        status,
    })
}
