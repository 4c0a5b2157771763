//! Where a message belongs: the conversation and the person that its account, peer and sender lead to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{Account, ConversationId, Incoming, PersonId, Tenant};
use serde::Serialize;
use uuid::Uuid;

use super::in_json;
use crate::{
    StoreError,
    engine::{Tx, args, sql},
};

type Key = (Tenant, Account, String);

type PersonKey = (Tenant, String, String);

#[derive(Serialize)]
struct Wanted<'a> {
    tenant: &'a str,
    account: String,
    peer: &'a str,
    channel: &'a str,
    user_id: &'a str,
}

#[derive(Serialize)]
struct NewConversation<'a> {
    tenant: &'a str,
    account: String,
    peer: &'a str,
    #[serde(with = "uuid::serde::simple")]
    conversation: Uuid,
}

#[derive(Serialize)]
struct NewPerson<'a> {
    tenant: &'a str,
    channel: &'a str,
    user_id: &'a str,
    name: Option<&'a str>,
    #[serde(with = "uuid::serde::simple")]
    person: Uuid,
}

/// What messages lead to.
#[derive(Default)]
pub(super) struct Keys {
    conversations: BTreeMap<Key, ConversationId>,
    people: HashMap<PersonKey, PersonId>,
    /// Those of the people who were there and have no name yet.
    nameless: BTreeSet<PersonId>,
}

impl Keys {
    /// Conversations and people of messages; what is new is made, in the order of the keys.
    pub async fn of(tx: &mut Tx, messages: &[Incoming]) -> Result<Self, StoreError> {
        let mut keys = find(tx, messages).await?;
        if !keys.have(messages) {
            make_conversations(tx, messages, &keys).await?;
            make_people(tx, messages, &keys).await?;
            // The second look finds what was made now, and what others made meanwhile.
            keys = find(tx, messages).await?;
        }
        if !keys.have(messages) {
            return Err(StoreError::NotFound("conversation or person key"));
        }
        keys.give_names(tx, messages).await?;
        Ok(keys)
    }

    pub fn conversations(&self) -> BTreeSet<ConversationId> {
        self.conversations.values().copied().collect()
    }

    /// Of one of the messages.
    pub fn conversation(&self, message: &Incoming) -> ConversationId {
        self.conversations[&key(message)]
    }

    /// Of one of the messages.
    pub fn person(&self, message: &Incoming) -> PersonId {
        self.people[&person_key(message)]
    }

    fn have(&self, messages: &[Incoming]) -> bool {
        messages.iter().all(|m| self.conversations.contains_key(&key(m)) && self.people.contains_key(&person_key(m)))
    }

    /// Whoever was first written to by us has no name before their own first message: it is kept then. In the order of their
    /// ids, as two groups may name the same people.
    async fn give_names(&self, tx: &mut Tx, messages: &[Incoming]) -> Result<(), StoreError> {
        if self.nameless.is_empty() {
            return Ok(());
        }
        let named = messages.iter().filter_map(|message| Some((self.person(message), name_of(message)?)));
        let named: BTreeMap<PersonId, String> = named.filter(|(person, _)| self.nameless.contains(person)).collect();
        for (person, name) in named {
            tx.execute(
                sql!("update person set contact_name = $2 where id = $1 and contact_name is null"),
                args![person, name],
            )
            .await?;
        }
        Ok(())
    }
}

fn key(message: &Incoming) -> Key {
    (message.tenant.clone(), message.account.clone(), message.peer.clone())
}

fn person_key(message: &Incoming) -> PersonKey {
    (message.tenant.clone(), message.account.channel().to_owned(), message.user.clone())
}

async fn find(tx: &mut Tx, messages: &[Incoming]) -> Result<Keys, StoreError> {
    let wanted: BTreeSet<(Key, PersonKey)> = messages.iter().map(|m| (key(m), person_key(m))).collect();
    let wanted: Vec<Wanted> = wanted
        .iter()
        .map(|((tenant, account, peer), (_, channel, user_id))| Wanted {
            tenant: tenant.as_str(),
            account: account.to_string(),
            peer,
            channel,
            user_id,
        })
        .collect();
    let rows = tx
        .all(
            sql!(
                "select n.tenant, n.account, n.peer, k.conversation, n.channel, n.user_id, p.person, q.id is not null and q.contact_name is null as nameless from "
                ("json_to_recordset($1::json) as n(tenant text, account text, peer text, channel text, user_id text)"
                    | "(select value ->> 'tenant' as tenant, value ->> 'account' as account, value ->> 'peer' as peer, value ->> 'channel' as channel, value ->> 'user_id' as user_id from json_each($1)) as n")
                " left join conversation_keys k on k.tenant = n.tenant and k.account = n.account and k.peer = n.peer"
                " left join person_keys p on p.tenant = n.tenant and p.channel = n.channel and p.user_id = n.user_id"
                " left join person q on q.id = p.person"
            ),
            args![in_json(&wanted)?],
        )
        .await?;
    let mut found = Keys::default();
    for row in rows {
        let tenant = row.tenant("tenant")?;
        if let Some(conversation) = row.opt_uuid("conversation")? {
            let key = (tenant.clone(), row.parse("account")?, row.text("peer")?);
            found.conversations.insert(key, ConversationId(conversation));
        }
        if let Some(person) = row.opt_uuid("person")? {
            if row.bool("nameless")? {
                found.nameless.insert(PersonId(person));
            }
            found.people.insert((tenant, row.text("channel")?, row.text("user_id")?), PersonId(person));
        }
    }
    Ok(found)
}

async fn make_conversations(tx: &mut Tx, messages: &[Incoming], found: &Keys) -> Result<(), StoreError> {
    let missing: BTreeSet<Key> =
        messages.iter().map(key).filter(|key| !found.conversations.contains_key(key)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let new: Vec<NewConversation> = missing
        .iter()
        .map(|(tenant, account, peer)| NewConversation {
            tenant: tenant.as_str(),
            account: account.to_string(),
            peer,
            conversation: ConversationId::new().0,
        })
        .collect();
    let new = in_json(&new)?;
    let keys = sql!(
        "insert into conversation_keys (tenant, account, peer, conversation) select tenant, account, peer, conversation from "
        ("json_to_recordset($1::json) as n(tenant text, account text, peer text, conversation uuid)"
            | "(select value ->> 'tenant' as tenant, value ->> 'account' as account, value ->> 'peer' as peer, unhex(value ->> 'conversation') as conversation from json_each($1)) as n")
        " where true order by tenant, account, peer on conflict (tenant, account, peer) do nothing"
    );
    if tx.execute(keys, args![&new]).await? > 0 {
        // Only those whose key went in.
        let conversations = sql!(
            "insert into conversations (id, tenant, account, peer, created_at) select k.conversation, k.tenant, k.account, k.peer, " now " from "
            ("json_to_recordset($1::json) as n(tenant text, account text, peer text, conversation uuid)"
                | "(select value ->> 'tenant' as tenant, value ->> 'account' as account, value ->> 'peer' as peer, unhex(value ->> 'conversation') as conversation from json_each($1)) as n")
            " join conversation_keys k on k.tenant = n.tenant and k.account = n.account and k.peer = n.peer and k.conversation = n.conversation"
        );
        tx.execute(conversations, args![&new]).await?;
    }
    Ok(())
}

async fn make_people(tx: &mut Tx, messages: &[Incoming], found: &Keys) -> Result<(), StoreError> {
    let missing: BTreeMap<PersonKey, Option<String>> = messages
        .iter()
        .filter(|m| !found.people.contains_key(&person_key(m)))
        .map(|m| (person_key(m), name_of(m)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let new: Vec<NewPerson> = missing
        .iter()
        .map(|((tenant, channel, user_id), name)| NewPerson {
            tenant: tenant.as_str(),
            channel,
            user_id,
            name: name.as_deref(),
            person: PersonId::new().0,
        })
        .collect();
    let new = in_json(&new)?;
    let keys = sql!(
        "insert into person_keys (tenant, channel, user_id, person) select tenant, channel, user_id, person from "
        ("json_to_recordset($1::json) as n(tenant text, channel text, user_id text, person uuid)"
            | "(select value ->> 'tenant' as tenant, value ->> 'channel' as channel, value ->> 'user_id' as user_id, unhex(value ->> 'person') as person from json_each($1)) as n")
        " where true order by tenant, channel, user_id on conflict (tenant, channel, user_id) do nothing"
    );
    if tx.execute(keys, args![&new]).await? > 0 {
        let people = sql!(
            "insert into person (id, tenant, contact_name, created_at) select k.person, k.tenant, n.name, " now " from "
            ("json_to_recordset($1::json) as n(tenant text, channel text, user_id text, name text, person uuid)"
                | "(select value ->> 'tenant' as tenant, value ->> 'channel' as channel, value ->> 'user_id' as user_id, value ->> 'name' as name, unhex(value ->> 'person') as person from json_each($1)) as n")
            " join person_keys k on k.tenant = n.tenant and k.channel = n.channel and k.user_id = n.user_id and k.person = n.person"
        );
        tx.execute(people, args![&new]).await?;
    }
    Ok(())
}

/// The sender's name as it is kept.
fn name_of(message: &Incoming) -> Option<String> {
    message.contact_name.as_ref().map(|name| name.replace('\0', "").chars().take(200).collect())
}
