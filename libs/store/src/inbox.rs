//! Accept: what a platform posted becomes inbox rows with a seq, once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{Account, ConversationId, Incoming, PersonId, Tenant};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    engine::{Tx, args, clean, sql},
};

/// Longest text that may be part of a key, in bytes: an index row has its limit.
const MAX_KEY_BYTES: usize = 512;
/// Longest stored message, in bytes.
const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

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
        let mut tx = self.begin().await?;
        let conversations = find_or_create(&mut tx, messages).await?;
        // Locked before anything is looked up, in a statement of its own: a snapshot taken before the lock does not
        // see the repeat that is being committed.
        let mut next = lock(&mut tx, conversations.values().copied().collect()).await?;
        let people = people(&mut tx, messages).await?;

        let mut order: Vec<usize> = (0..messages.len()).collect();
        let conversation_of = |i: usize| {
            let message: &Incoming = &messages[i];
            conversations[&(message.tenant.clone(), message.account.clone(), message.peer.clone())]
        };
        order.sort_by_key(|&i| conversation_of(i)); // stable: the order of arrival within each conversation
        let mut accepted: Vec<Option<Accepted>> = vec![None; messages.len()];
        let mut grown = BTreeSet::new();
        for i in order {
            let (message, conversation) = (&messages[i], conversation_of(i));
            let person = people[&(message.tenant.clone(), message.account.channel().to_owned(), message.user.clone())];
            let seq = next.entry(conversation).or_default();
            if insert(&mut tx, message, &payloads[i], conversation, *seq + 1, person).await? {
                *seq += 1;
                grown.insert(conversation);
                accepted[i] = Some(Accepted { conversation, seq: *seq, duplicate: false, ring: true });
            } else {
                accepted[i] = Some(repeat(&mut tx, message).await?);
            }
        }
        for conversation in &grown {
            tx.execute(
                sql!("update conversations set next_seq = $2, wake_at = " now ", rung_at = " now " where id = $1"),
                args![*conversation, next[conversation]],
            )
            .await?;
        }
        self.at("accept.inside").await;
        tx.commit().await?;
        self.at("accept.after").await;
        Ok(accepted
            .into_iter()
            .flatten()
            // A repeat inside the group waits just as its first copy does.
            .map(|a| Accepted { ring: a.ring || grown.contains(&a.conversation), ..a })
            .collect())
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
    let keys: BTreeSet<Key> = messages.iter().map(|m| (m.tenant.clone(), m.account.clone(), m.peer.clone())).collect();
    let mut found = BTreeMap::new();
    for key in keys {
        let (tenant, account, peer) = &key;
        let find = sql!("select conversation from conversation_keys where tenant = $1 and account = $2 and peer = $3");
        let mut id = tx.optional(find, args![tenant, account, peer]).await?;
        if id.is_none() {
            let new = ConversationId::new();
            let inserted = tx
                .execute(
                    sql!(
                        "insert into conversation_keys (tenant, account, peer, conversation) values ($1, $2, $3, $4) "
                        "on conflict (tenant, account, peer) do nothing"
                    ),
                    args![tenant, account, peer, new],
                )
                .await?;
            if inserted == 1 {
                tx.execute(
                    sql!("insert into conversations (id, tenant, account, peer, created_at) values ($1, $2, $3, $4, " now ")"),
                    args![new, tenant, account, peer],
                )
                .await?;
            }
            id = tx.optional(find, args![tenant, account, peer]).await?;
        }
        let row = id.ok_or(StoreError::NotFound("conversation key"))?;
        found.insert(key, ConversationId(row.uuid("conversation")?));
    }
    Ok(found)
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
    let names: BTreeMap<(Tenant, String, String), Option<String>> = messages
        .iter()
        .map(|m| {
            let name = m.contact_name.as_ref().map(|name| name.replace('\0', "").chars().take(200).collect());
            ((m.tenant.clone(), m.account.channel().to_owned(), m.user.clone()), name)
        })
        .collect();
    let mut found = HashMap::new();
    for (key, name) in names {
        let (tenant, channel, user) = &key;
        let find = sql!("select person from person_keys where tenant = $1 and channel = $2 and user_id = $3");
        let mut row = tx.optional(find, args![tenant, channel, user]).await?;
        if row.is_none() {
            let new = PersonId::new();
            let inserted = tx
                .execute(
                    sql!(
                        "insert into person_keys (tenant, channel, user_id, person) values ($1, $2, $3, $4) "
                        "on conflict (tenant, channel, user_id) do nothing"
                    ),
                    args![tenant, channel, user, new],
                )
                .await?;
            if inserted == 1 {
                tx.execute(
                    sql!("insert into person (id, tenant, contact_name, created_at) values ($1, $2, $3, " now ")"),
                    args![new, tenant, name],
                )
                .await?;
            }
            row = tx.optional(find, args![tenant, channel, user]).await?;
        }
        let row = row.ok_or(StoreError::NotFound("person key"))?;
        found.insert(key, PersonId(row.uuid("person")?));
    }
    Ok(found)
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

/// Where a message stands that was accepted before. It may be in another conversation than its key leads to now.
async fn repeat(tx: &mut Tx, message: &Incoming) -> Result<Accepted, StoreError> {
    let row = tx
        .optional(
            sql!(
                "select i.conversation, i.seq, c.done_seq from inbox i join conversations c on c.id = i.conversation "
                "where i.tenant = $1 and i.provider = $2 and i.account = $3 and i.provider_message_id = $4"
            ),
            args![&message.tenant, &message.provider, &message.account, &message.provider_message_id],
        )
        .await?
        .ok_or(StoreError::Busy)?;
    let seq = row.int("seq")?;
    Ok(Accepted {
        conversation: ConversationId(row.uuid("conversation")?),
        seq,
        duplicate: true,
        ring: seq > row.int("done_seq")?,
    })
}
