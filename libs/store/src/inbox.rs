//! Accept: what a platform posted becomes inbox rows with a seq, once.

mod keys;
mod known;

use std::collections::{BTreeSet, HashMap};

use domain::{Account, Content, ConversationId, Incoming, PersonId, Tenant};
use serde::Serialize;
use uuid::Uuid;

use self::keys::Keys;
use crate::{
    Store, StoreError,
    engine::{Tx, args, clean, sql},
    peers,
};

/// Longest text that may be part of a key, in bytes: an index row has its limit.
const MAX_KEY_BYTES: usize = 512;
/// Longest stored message, in bytes.
const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// How often a group is tried that somebody else accepts a part of.
const ATTEMPTS: usize = 3;

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Where it stands.
    pub conversation: ConversationId,
    /// Its number there, from 1, without gaps.
    pub seq: i64,
    /// It had been accepted before (or twice in this group).
    pub duplicate: bool,
    /// Ring the doorbell: it waits for an answer.
    pub ring: bool,
}

/// What a message is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MessageKey {
    tenant: Tenant,
    provider: String,
    account: Account,
    id: String,
}

impl MessageKey {
    fn of(message: &Incoming) -> Self {
        let id = match faults::planted(faults::Bug::NoDedupe) {
            true => Uuid::now_v7().to_string(),
            false => message.provider_message_id.clone(),
        };
        Self {
            tenant: message.tenant.clone(),
            provider: message.provider.clone(),
            account: message.account.clone(),
            id,
        }
    }
}

impl Store {
    /// Accepts messages in one transaction, in their order; they are on disk when this returns. The answers have the
    /// order of `messages`. A message that was accepted before takes no new seq.
    ///
    /// # Errors
    /// [`StoreError::Busy`] for a lock, [`StoreError::Payload`] for a message that can never go in; nothing of the
    /// whole group was kept then, so that a caller with several webhooks tries them one by one.
    pub async fn accept(&self, messages: &[Incoming]) -> Result<Vec<Accepted>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        messages.iter().try_for_each(check)?;
        let payloads = messages.iter().map(payload).collect::<Result<Vec<_>, _>>()?;

        self.at("accept.before").await;
        if self.is_postgres()
            && let Some(accepted) = self.accept_known(messages, &payloads).await?
        {
            self.answered("accept.after").await?;
            return Ok(accepted);
        }
        for _ in 0..ATTEMPTS {
            if let Some(accepted) = self.accept_once(messages, &payloads).await? {
                return Ok(accepted);
            }
        }
        Err(StoreError::Busy)
    }

    /// None when a message of the group was accepted by somebody else meanwhile: what is looked up together with the lock
    /// does not show what was committed while it waited for the lock.
    async fn accept_once(
        &self,
        messages: &[Incoming],
        payloads: &[String],
    ) -> Result<Option<Vec<Accepted>>, StoreError> {
        let mut tx = self.begin().await?;
        let keys = Keys::of(&mut tx, messages).await?;
        let (mut next, mut known) = lock(&mut tx, keys.conversations(), messages).await?;

        let mut order: Vec<usize> = (0..messages.len()).collect();
        order.sort_by_key(|&i| keys.conversation(&messages[i])); // stable: the order of arrival within each conversation
        let mut accepted: Vec<Option<Accepted>> = vec![None; messages.len()];
        let (mut grown, mut rows) = (BTreeSet::new(), Vec::new());
        for i in order {
            let message = &messages[i];
            let conversation = keys.conversation(message);
            let key = MessageKey::of(message);
            if let Some(first) = known.get(&key) {
                accepted[i] = Some(*first);
                continue;
            }
            let person = keys.person(message);
            let seq = next.entry(conversation).or_default();
            *seq += 1;
            let row = Accepted { conversation, seq: *seq, duplicate: false, ring: true };
            let body =
                serde_json::to_string(&message.content).map_err(|error| StoreError::Payload(error.to_string()))?;
            rows.push(NewMessage {
                conversation: conversation.0,
                seq: *seq,
                tenant: message.tenant.as_str(),
                person: person.0,
                provider: &message.provider,
                account: key.account.to_string(),
                provider_message_id: key.id.clone(),
                payload: &payloads[i],
                body,
            });
            grown.insert(conversation);
            // A repeat inside the group waits just as its first copy does.
            known.insert(key, Accepted { duplicate: true, ..row });
            accepted[i] = Some(row);
        }
        if !rows.is_empty() && !insert_all(&mut tx, &rows, &grown, &next).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        for (message, row) in messages.iter().zip(&accepted) {
            if let (Content::Moved { to, .. }, Some(Accepted { conversation, duplicate: false, .. })) =
                (&message.content, row)
            {
                peers::follow(&mut tx, message, *conversation, to).await?;
            }
        }
        self.at("accept.inside").await;
        tx.commit().await?;
        self.answered("accept.after").await?;
        let ring = |a: Accepted| Accepted { ring: a.ring || grown.contains(&a.conversation), ..a };
        Ok(Some(accepted.into_iter().flatten().map(ring).collect()))
    }

    /// True when a message of this key was accepted before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn was_accepted(
        &self,
        tenant: &Tenant,
        account: &Account,
        provider: &str,
        message: &str,
    ) -> Result<bool, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select seq from inbox "
                    "where tenant = $1 and provider = $2 and account = $3 and provider_message_id = $4"
                ),
                args![tenant, provider, account, clean(message)],
            )
            .await?;
        Ok(row.is_some())
    }
}

fn check(message: &Incoming) -> Result<(), StoreError> {
    let keys = [
        ("peer", &message.peer),
        ("user", &message.user),
        ("provider", &message.provider),
        ("message id", &message.provider_message_id),
    ];
    for (what, text) in keys {
        if text.is_empty() || text.len() > MAX_KEY_BYTES || text.contains('\0') {
            return Err(StoreError::Payload(format!("its {what} is empty, over {MAX_KEY_BYTES} bytes or has a NUL")));
        }
    }
    Ok(())
}

fn payload(message: &Incoming) -> Result<String, StoreError> {
    let text = serde_json::to_string(message).map_err(|error| StoreError::Payload(error.to_string()))?;
    if text.len() > MAX_PAYLOAD_BYTES {
        return Err(StoreError::Payload(format!("it has {} bytes; the limit is {MAX_PAYLOAD_BYTES}", text.len())));
    }
    Ok(text)
}

/// A message under its number.
#[derive(Serialize)]
struct NewMessage<'a> {
    #[serde(with = "uuid::serde::simple")]
    conversation: Uuid,
    seq: i64,
    tenant: &'a str,
    #[serde(with = "uuid::serde::simple")]
    person: Uuid,
    provider: &'a str,
    account: String,
    provider_message_id: String,
    payload: &'a str,
    body: String,
}

#[derive(Serialize)]
struct KnownAs {
    tenant: String,
    provider: String,
    account: String,
    id: String,
}

#[derive(Serialize)]
struct Count {
    #[serde(with = "uuid::serde::simple")]
    id: Uuid,
    seq: i64,
}

/// The argument of a statement that takes many rows.
fn in_json<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|error| StoreError::Payload(error.to_string()))
}

/// Locks the conversations in the order of their ids. Gives the last seq of each, and where messages stand that were
/// accepted before, which may be in other conversations than their keys lead to now.
async fn lock(
    tx: &mut Tx,
    ids: BTreeSet<ConversationId>,
    messages: &[Incoming],
) -> Result<(HashMap<ConversationId, i64>, HashMap<MessageKey, Accepted>), StoreError> {
    let keys: Vec<KnownAs> = messages
        .iter()
        .map(MessageKey::of)
        .map(|key| KnownAs {
            tenant: key.tenant.as_str().to_owned(),
            provider: key.provider,
            account: key.account.to_string(),
            id: key.id,
        })
        .collect();
    let rows = tx
        .all(
            sql!(
                "with locked as " ("materialized " | "") "(select id, next_seq, done_seq from conversations where id" in_uuids_1
                " order by id" for_update ") "
                "select id as conversation, next_seq as seq, done_seq, null as tenant, null as provider, null as account, null as message from locked "
                "union all "
                "select i.conversation, i.seq, c.done_seq, i.tenant, i.provider, i.account, i.provider_message_id from "
                ("json_to_recordset($2::json) as n(tenant text, provider text, account text, id text)"
                    | "(select value ->> 'tenant' as tenant, value ->> 'provider' as provider, value ->> 'account' as account, value ->> 'id' as id from json_each($2)) as n")
                " join inbox i on i.tenant = n.tenant and i.provider = n.provider and i.account = n.account and i.provider_message_id = n.id"
                " join conversations c on c.id = i.conversation"
            ),
            args![ids.iter().map(|id| id.0).collect::<Vec<_>>(), in_json(&keys)?],
        )
        .await?;
    let (mut next, mut known) = (HashMap::new(), HashMap::new());
    for row in rows {
        let (conversation, seq) = (ConversationId(row.uuid("conversation")?), row.int("seq")?);
        let Some(id) = row.opt_text("message")? else {
            next.insert(conversation, seq);
            continue;
        };
        let key = MessageKey {
            tenant: row.tenant("tenant")?,
            provider: row.text("provider")?,
            account: row.parse("account")?,
            id,
        };
        known.insert(key, Accepted { conversation, seq, duplicate: true, ring: seq > row.int("done_seq")? });
    }
    Ok((next, known))
}

/// Inserts rows under their numbers, with the lines of the history of what people said, and counts them; false if the key of one is there
/// already. The conflict clause names the message key alone: a conflict on (conversation, seq) is an error, never a skip.
async fn insert_all(
    tx: &mut Tx,
    rows: &[NewMessage<'_>],
    grown: &BTreeSet<ConversationId>,
    next: &HashMap<ConversationId, i64>,
) -> Result<bool, StoreError> {
    let count = rows.len();
    let rows = in_json(rows)?;
    // On PostgreSQL one statement: each round trip of a group is waited for by all of it.
    let all = sql!(
        ("with n as materialized (select * from json_to_recordset($1::json) as n(conversation uuid, seq bigint, tenant text, person uuid, provider text, account text, provider_message_id text, payload text, body text)), i as ("
            | "")
        "insert into inbox (conversation, seq, tenant, person, provider, account, provider_message_id, payload, accepted_at) "
        "select conversation, seq, tenant, person, provider, account, provider_message_id, payload, (select " now ") from "
        ("n" | "(select unhex(value ->> 'conversation') as conversation, value ->> 'seq' as seq, value ->> 'tenant' as tenant, unhex(value ->> 'person') as person, value ->> 'provider' as provider, value ->> 'account' as account, value ->> 'provider_message_id' as provider_message_id, value ->> 'payload' as payload from json_each($1)) as n")
        " where true order by tenant, provider, account, provider_message_id"
        " on conflict (tenant, provider, account, provider_message_id) do nothing returning 1 as one"
        ("), m as (insert into messages (conversation, seq, part, tenant, direction, person, body, created_at) \
            select conversation, seq, -1, tenant, 'inbound', person, body, (select (extract(epoch from clock_timestamp()) * 1000000)::bigint) from n where provider <> 'internal'), \
            c as (update conversations set next_seq = g.seq, wake_at = g.at, rung_at = g.at from \
            (select conversation, max(seq) as seq, (extract(epoch from clock_timestamp()) * 1000000)::bigint as at from n group by conversation) as g \
            where conversations.id = g.conversation) select 1 as one from i"
            | "")
    );
    let inserted = tx.all(all, args![&rows]).await?.len();
    if inserted < count {
        return Ok(false);
    }
    if tx.is_postgres() {
        return Ok(true);
    }
    tx.execute(
        sql!(
            "insert into messages (conversation, seq, part, tenant, direction, person, body, created_at) "
            "select unhex(value ->> 'conversation'), value ->> 'seq', -1, value ->> 'tenant', 'inbound', unhex(value ->> 'person'), value ->> 'body', "
            "(select " now ") from json_each($1) where value ->> 'provider' <> 'internal'"
        ),
        args![&rows],
    )
    .await?;
    let counts: Vec<Count> =
        grown.iter().map(|id| Count { id: id.0, seq: next.get(id).copied().unwrap_or_default() }).collect();
    tx.execute(
        sql!(
            "update conversations set next_seq = n.seq, wake_at = " now ", rung_at = " now " from "
            "(select unhex(value ->> 'id') as id, value ->> 'seq' as seq from json_each($1)) as n where conversations.id = n.id"
        ),
        args![in_json(&counts)?],
    )
    .await?;
    Ok(true)
}

/// A row of the inbox before it has its number.
pub(crate) struct NewRow {
    pub tenant: Tenant,
    pub person: PersonId,
    pub provider: String,
    pub account: Account,
    pub provider_message_id: String,
    pub payload: String,
}

/// Inserts a row under its number; false if its key is there already. The conflict clause names the message key alone: a
/// conflict on (conversation, seq) is an error, never a skip.
pub(crate) async fn insert_row(
    tx: &mut Tx,
    conversation: ConversationId,
    seq: i64,
    row: &NewRow,
) -> Result<bool, StoreError> {
    let inserted = tx
        .execute(
            sql!(
                "insert into inbox (conversation, seq, tenant, person, provider, account, provider_message_id, payload, accepted_at) "
                "values ($1, $2, $3, $4, $5, $6, $7, $8, " now ") "
                "on conflict (tenant, provider, account, provider_message_id) do nothing"
            ),
            args![
                conversation,
                seq,
                &row.tenant,
                row.person,
                &row.provider,
                &row.account,
                &row.provider_message_id,
                &row.payload
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// Inserts one message under its number, and its line of the history if a person said it; false if its key is there
/// already.
pub(crate) async fn insert(
    tx: &mut Tx,
    message: &Incoming,
    payload: &str,
    conversation: ConversationId,
    seq: i64,
    person: PersonId,
) -> Result<bool, StoreError> {
    let row = NewRow {
        tenant: message.tenant.clone(),
        person,
        provider: message.provider.clone(),
        account: message.account.clone(),
        provider_message_id: match faults::planted(faults::Bug::NoDedupe) {
            true => Uuid::now_v7().to_string(),
            false => message.provider_message_id.clone(),
        },
        payload: payload.to_owned(),
    };
    if !insert_row(tx, conversation, seq, &row).await? {
        return Ok(false);
    }
    if matches!(message.content, Content::Notification { .. }) {
        return Ok(true);
    }
    let body = serde_json::to_string(&message.content).map_err(|error| StoreError::Payload(error.to_string()))?;
    tx.execute(
        sql!(
            "insert into messages (conversation, seq, part, tenant, direction, person, body, created_at) "
            "values ($1, $2, -1, $3, 'inbound', $4, $5, " now ")"
        ),
        args![conversation, seq, &message.tenant, person, body],
    )
    .await?;
    Ok(true)
}
