//! Accept: what a platform posted becomes inbox rows with a seq, once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{Account, ConversationId, Incoming, PersonId, Tenant};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    engine::{Tx, args, clean, sql},
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

type Key = (Tenant, Account, String);

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

        for _ in 0..ATTEMPTS {
            if let Some(accepted) = self.accept_once(messages, &payloads).await? {
                return Ok(accepted);
            }
        }
        Err(StoreError::Busy)
    }

    /// None when a message of the group was accepted by somebody else meanwhile, in another conversation than its key
    /// leads to now, which no lock of ours keeps away.
    async fn accept_once(
        &self,
        messages: &[Incoming],
        payloads: &[String],
    ) -> Result<Option<Vec<Accepted>>, StoreError> {
        self.at("accept.before").await;
        let mut tx = self.begin().await?;
        let conversations = find_or_create(&mut tx, messages).await?;
        // Locked before anything is looked up, in a statement of its own: a snapshot taken before the lock does not
        // see the repeat that is being committed.
        let mut next = lock(&mut tx, conversations.values().copied().collect()).await?;
        let people = people(&mut tx, messages).await?;
        let mut known = known(&mut tx, messages).await?;

        let mut order: Vec<usize> = (0..messages.len()).collect();
        let conversation_of = |i: usize| {
            let message: &Incoming = &messages[i];
            conversations[&(message.tenant.clone(), message.account.clone(), message.peer.clone())]
        };
        order.sort_by_key(|&i| conversation_of(i)); // stable: the order of arrival within each conversation
        let mut accepted: Vec<Option<Accepted>> = vec![None; messages.len()];
        let (mut grown, mut rows) = (BTreeSet::new(), Vec::new());
        for i in order {
            let (message, conversation) = (&messages[i], conversation_of(i));
            let key = MessageKey::of(message);
            if let Some(first) = known.get(&key) {
                accepted[i] = Some(*first);
                continue;
            }
            let person = people[&(message.tenant.clone(), message.account.channel().to_owned(), message.user.clone())];
            let seq = next.entry(conversation).or_default();
            *seq += 1;
            let row = Accepted { conversation, seq: *seq, duplicate: false, ring: true };
            let body =
                serde_json::to_string(&message.content).map_err(|error| StoreError::Payload(error.to_string()))?;
            rows.push(json!({
                "conversation": conversation.0.simple().to_string(), "seq": *seq, "tenant": message.tenant.as_str(),
                "person": person.0.simple().to_string(), "provider": &message.provider,
                "account": message.account.to_string(), "provider_message_id": &key.id, "payload": &payloads[i],
                "body": body,
            }));
            grown.insert(conversation);
            // A repeat inside the group waits just as its first copy does.
            known.insert(key, Accepted { duplicate: true, ..row });
            accepted[i] = Some(row);
        }
        if !rows.is_empty() && !insert_all(&mut tx, rows, &grown, &next).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        self.at("accept.inside").await;
        tx.commit().await?;
        self.at("accept.after").await;
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

    /// Keeps a webhook that had a good signature but cannot be read or stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn store_unreadable(
        &self,
        tenant: &Tenant,
        account: &Account,
        body: &[u8],
        reason: &str,
    ) -> Result<(), StoreError> {
        self.write(
            sql!("insert into unreadable (id, tenant, account, body, reason, received_at) values ($1, $2, $3, $4, $5, " now ")"),
            args![Uuid::now_v7(), tenant, account, body, reason.replace('\0', "")],
        )
        .await?;
        Ok(())
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

/// New conversations first, in the order of their keys.
async fn find_or_create(tx: &mut Tx, messages: &[Incoming]) -> Result<BTreeMap<Key, ConversationId>, StoreError> {
    let mut missing: BTreeSet<Key> =
        messages.iter().map(|m| (m.tenant.clone(), m.account.clone(), m.peer.clone())).collect();
    let mut found = BTreeMap::new();
    // The second look finds what the insert made, and what others made meanwhile.
    for made in [false, true] {
        let keys = missing.iter().map(|(tenant, account, peer)| json!({ "tenant": tenant.as_str(), "account": account.to_string(), "peer": peer }));
        let keys = Value::Array(keys.collect()).to_string();
        let rows = tx
            .all(
                sql!(
                    "select k.tenant, k.account, k.peer, k.conversation from "
                    ("jsonb_to_recordset($1::jsonb) as n(tenant text, account text, peer text)"
                        | "(select value ->> 'tenant' as tenant, value ->> 'account' as account, value ->> 'peer' as peer from json_each($1)) as n")
                    " join conversation_keys k on k.tenant = n.tenant and k.account = n.account and k.peer = n.peer"
                ),
                args![keys],
            )
            .await?;
        for row in rows {
            let key = (row.tenant("tenant")?, row.parse("account")?, row.text("peer")?);
            missing.remove(&key);
            found.insert(key, ConversationId(row.uuid("conversation")?));
        }
        if missing.is_empty() {
            return Ok(found);
        }
        if made {
            break;
        }
        let new = missing.iter().map(|(tenant, account, peer)| {
            json!({
                "tenant": tenant.as_str(), "account": account.to_string(), "peer": peer,
                "conversation": ConversationId::new().0.simple().to_string(),
            })
        });
        let new = Value::Array(new.collect()).to_string();
        let keys = sql!(
            "insert into conversation_keys (tenant, account, peer, conversation) select tenant, account, peer, conversation from "
            ("jsonb_to_recordset($1::jsonb) as n(tenant text, account text, peer text, conversation uuid)"
                | "(select value ->> 'tenant' as tenant, value ->> 'account' as account, value ->> 'peer' as peer, unhex(value ->> 'conversation') as conversation from json_each($1)) as n")
            " where true order by tenant, account, peer on conflict (tenant, account, peer) do nothing"
        );
        if tx.execute(keys, args![&new]).await? > 0 {
            // Only those whose key went in.
            let conversations = sql!(
                "insert into conversations (id, tenant, account, peer, created_at) select k.conversation, k.tenant, k.account, k.peer, " now " from "
                ("jsonb_to_recordset($1::jsonb) as n(tenant text, account text, peer text, conversation uuid)"
                    | "(select value ->> 'tenant' as tenant, value ->> 'account' as account, value ->> 'peer' as peer, unhex(value ->> 'conversation') as conversation from json_each($1)) as n")
                " join conversation_keys k on k.tenant = n.tenant and k.account = n.account and k.peer = n.peer and k.conversation = n.conversation"
            );
            tx.execute(conversations, args![&new]).await?;
        }
    }
    Err(StoreError::NotFound("conversation key"))
}

/// Locks the conversations in the order of their ids; gives the last seq of each.
async fn lock(tx: &mut Tx, ids: BTreeSet<ConversationId>) -> Result<HashMap<ConversationId, i64>, StoreError> {
    let rows = tx
        .all(
            sql!("select id, next_seq from conversations where id" in_uuids_1 " order by id" for_update),
            args![ids.iter().map(|id| id.0).collect::<Vec<_>>()],
        )
        .await?;
    rows.iter().map(|row| Ok((ConversationId(row.uuid("id")?), row.int("next_seq")?))).collect()
}

/// The people who wrote, new ones made, in the order of their keys.
async fn people(tx: &mut Tx, messages: &[Incoming]) -> Result<HashMap<(Tenant, String, String), PersonId>, StoreError> {
    let mut missing: BTreeMap<(Tenant, String, String), Option<String>> = messages
        .iter()
        .map(|m| {
            let name = m.contact_name.as_ref().map(|name| name.replace('\0', "").chars().take(200).collect());
            ((m.tenant.clone(), m.account.channel().to_owned(), m.user.clone()), name)
        })
        .collect();
    let mut found = HashMap::new();
    for made in [false, true] {
        let keys = missing
            .keys()
            .map(|(tenant, channel, user)| json!({ "tenant": tenant.as_str(), "channel": channel, "user_id": user }));
        let keys = Value::Array(keys.collect()).to_string();
        let rows = tx
            .all(
                sql!(
                    "select k.tenant, k.channel, k.user_id, k.person from "
                    ("jsonb_to_recordset($1::jsonb) as n(tenant text, channel text, user_id text)"
                        | "(select value ->> 'tenant' as tenant, value ->> 'channel' as channel, value ->> 'user_id' as user_id from json_each($1)) as n")
                    " join person_keys k on k.tenant = n.tenant and k.channel = n.channel and k.user_id = n.user_id"
                ),
                args![keys],
            )
            .await?;
        for row in rows {
            let key = (row.tenant("tenant")?, row.text("channel")?, row.text("user_id")?);
            missing.remove(&key);
            found.insert(key, PersonId(row.uuid("person")?));
        }
        if missing.is_empty() {
            return Ok(found);
        }
        if made {
            break;
        }
        let new = missing.iter().map(|((tenant, channel, user), name)| {
            json!({
                "tenant": tenant.as_str(), "channel": channel, "user_id": user, "name": name,
                "person": PersonId::new().0.simple().to_string(),
            })
        });
        let new = Value::Array(new.collect()).to_string();
        let keys = sql!(
            "insert into person_keys (tenant, channel, user_id, person) select tenant, channel, user_id, person from "
            ("jsonb_to_recordset($1::jsonb) as n(tenant text, channel text, user_id text, person uuid)"
                | "(select value ->> 'tenant' as tenant, value ->> 'channel' as channel, value ->> 'user_id' as user_id, unhex(value ->> 'person') as person from json_each($1)) as n")
            " where true order by tenant, channel, user_id on conflict (tenant, channel, user_id) do nothing"
        );
        if tx.execute(keys, args![&new]).await? > 0 {
            let people = sql!(
                "insert into person (id, tenant, contact_name, created_at) select k.person, k.tenant, n.name, " now " from "
                ("jsonb_to_recordset($1::jsonb) as n(tenant text, channel text, user_id text, name text, person uuid)"
                    | "(select value ->> 'tenant' as tenant, value ->> 'channel' as channel, value ->> 'user_id' as user_id, value ->> 'name' as name, unhex(value ->> 'person') as person from json_each($1)) as n")
                " join person_keys k on k.tenant = n.tenant and k.channel = n.channel and k.user_id = n.user_id and k.person = n.person"
            );
            tx.execute(people, args![&new]).await?;
        }
    }
    Err(StoreError::NotFound("person key"))
}

/// Where messages stand that were accepted before, which may be in other conversations than their keys lead to now.
async fn known(tx: &mut Tx, messages: &[Incoming]) -> Result<HashMap<MessageKey, Accepted>, StoreError> {
    let keys = messages.iter().map(MessageKey::of).map(|key| {
        json!({ "tenant": key.tenant.as_str(), "provider": key.provider, "account": key.account.to_string(), "id": key.id })
    });
    let rows = tx
        .all(
            sql!(
                "select i.tenant, i.provider, i.account, i.provider_message_id, i.conversation, i.seq, c.done_seq from "
                ("jsonb_to_recordset($1::jsonb) as n(tenant text, provider text, account text, id text)"
                    | "(select value ->> 'tenant' as tenant, value ->> 'provider' as provider, value ->> 'account' as account, value ->> 'id' as id from json_each($1)) as n")
                " join inbox i on i.tenant = n.tenant and i.provider = n.provider and i.account = n.account and i.provider_message_id = n.id"
                " join conversations c on c.id = i.conversation"
            ),
            args![Value::Array(keys.collect()).to_string()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let key = MessageKey {
                tenant: row.tenant("tenant")?,
                provider: row.text("provider")?,
                account: row.parse("account")?,
                id: row.text("provider_message_id")?,
            };
            let (conversation, seq) = (ConversationId(row.uuid("conversation")?), row.int("seq")?);
            Ok((key, Accepted { conversation, seq, duplicate: true, ring: seq > row.int("done_seq")? }))
        })
        .collect()
}

/// Inserts rows under their numbers, with their lines of the history, and counts them; false if the key of one is there
/// already. The conflict clause names the message key alone: a conflict on (conversation, seq) is an error, never a skip.
async fn insert_all(
    tx: &mut Tx,
    rows: Vec<Value>,
    grown: &BTreeSet<ConversationId>,
    next: &HashMap<ConversationId, i64>,
) -> Result<bool, StoreError> {
    let count = rows.len() as u64;
    let rows = Value::Array(rows).to_string();
    let inserted = tx
        .execute(
            sql!(
                "insert into inbox (conversation, seq, tenant, person, provider, account, provider_message_id, payload, accepted_at) "
                "select conversation, seq, tenant, person, provider, account, provider_message_id, payload, (select " now ") from "
                ("jsonb_to_recordset($1::jsonb) as n(conversation uuid, seq bigint, tenant text, person uuid, provider text, account text, provider_message_id text, payload text)"
                    | "(select unhex(value ->> 'conversation') as conversation, value ->> 'seq' as seq, value ->> 'tenant' as tenant, unhex(value ->> 'person') as person, value ->> 'provider' as provider, value ->> 'account' as account, value ->> 'provider_message_id' as provider_message_id, value ->> 'payload' as payload from json_each($1)) as n")
                " where true order by tenant, provider, account, provider_message_id"
                " on conflict (tenant, provider, account, provider_message_id) do nothing"
            ),
            args![&rows],
        )
        .await?;
    if inserted < count {
        return Ok(false);
    }
    tx.execute(
        sql!(
            "insert into messages (conversation, seq, part, tenant, direction, person, body, created_at) "
            "select conversation, seq, -1, tenant, 'inbound', person, body, (select " now ") from "
            ("jsonb_to_recordset($1::jsonb) as n(conversation uuid, seq bigint, tenant text, person uuid, body text)"
                | "(select unhex(value ->> 'conversation') as conversation, value ->> 'seq' as seq, value ->> 'tenant' as tenant, unhex(value ->> 'person') as person, value ->> 'body' as body from json_each($1)) as n")
        ),
        args![&rows],
    )
    .await?;
    let counts = grown.iter().map(|id| json!({ "id": id.0.simple().to_string(), "seq": next.get(id) }));
    tx.execute(
        sql!(
            "update conversations set next_seq = n.seq, wake_at = " now ", rung_at = " now " from "
            ("jsonb_to_recordset($1::jsonb) as n(id uuid, seq bigint)"
                | "(select unhex(value ->> 'id') as id, value ->> 'seq' as seq from json_each($1)) as n")
            " where conversations.id = n.id"
        ),
        args![Value::Array(counts.collect()).to_string()],
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

/// Inserts one message under its number, and its line of the history; false if its key is there already.
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
