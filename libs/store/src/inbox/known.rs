//! The short way into the inbox: one statement for messages whose conversations and people are known, and which are new.
//!
//! Nearly all are. The long way asks five times (begin, keys, lock, rows, commit), and all webhooks of a group wait for each
//! answer. The statement writes all or nothing, so whatever it does not expect goes the long way afterwards.

use std::collections::HashSet;

use domain::{Content, ConversationId, Incoming};

use super::{Accepted, MessageKey};
use crate::{
    Store, StoreError,
    engine::{args, sql},
};

/// What is unique in `inbox` besides the numbers.
const MESSAGE_KEY: &str = "inbox_message_key";

impl Store {
    /// Accepts messages on PostgreSQL. None, and nothing is kept, when one of them was accepted before, is there twice,
    /// moves a conversation, or has somebody new to be made or named.
    pub(super) async fn accept_known(
        &self,
        messages: &[Incoming],
        payloads: &[String],
    ) -> Result<Option<Vec<Accepted>>, StoreError> {
        let keys: Vec<MessageKey> = messages.iter().map(MessageKey::of).collect();
        let moves = messages.iter().any(|message| matches!(message.content, Content::Moved { .. }));
        if moves || keys.iter().collect::<HashSet<_>>().len() < keys.len() {
            return Ok(None);
        }
        let bodies = messages.iter().map(|message| serde_json::to_string(&message.content)).collect::<Result<_, _>>();
        let bodies: Vec<String> = bodies.map_err(|error| StoreError::Payload(error.to_string()))?;
        let texts = |of: fn(&Incoming) -> &str| messages.iter().map(|m| of(m).to_owned()).collect::<Vec<String>>();
        // A row is locked and read as it stands then, so its next number is right whoever counted meanwhile. What was
        // accepted meanwhile is not seen, and its key refuses the whole statement. Rows go in by their keys' order, as on
        // the long way: two groups with the same messages would wait for each other.
        let accept = sql!(
            "with n as (select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) with ordinality "
            "as n(tenant, account, peer, channel, user_id, provider, message, is_named, payload, body, n)), "
            "k as materialized (select n.*, (select c.conversation from conversation_keys c "
            "where c.tenant = n.tenant and c.account = n.account and c.peer = n.peer) as conversation, "
            "(select p.person from person_keys p where p.tenant = n.tenant and p.channel = n.channel and p.user_id = n.user_id) "
            "as person from n), "
            "f as materialized (select * from k where conversation is not null and person is not null "
            "and not (is_named and (select q.contact_name is null from person q where q.id = k.person)) "
            "and not exists (select 1 from inbox i where i.tenant = k.tenant and i.provider = k.provider "
            "and i.account = k.account and i.provider_message_id = k.message)), "
            "l as materialized (select f.*, c.next_seq from f join conversations c on c.id = f.conversation "
            "order by c.id for update of c), "
            "g as materialized (select l.*, next_seq + row_number() over (partition by conversation order by n) as seq, "
            "(select " now ") as at from l), "
            "whole as materialized (select count(*) = cardinality($1) as yes from g), "
            "i as (insert into inbox (conversation, seq, tenant, person, provider, account, provider_message_id, payload, accepted_at) "
            "select conversation, seq, tenant, person, provider, account, message, payload, at from g "
            "where (select yes from whole) order by tenant, provider, account, message), "
            "m as (insert into messages (conversation, seq, part, tenant, direction, person, body, created_at) "
            "select conversation, seq, -1, tenant, 'inbound', person, body, at from g "
            "where (select yes from whole) and provider <> 'internal'), "
            "c as (update conversations set next_seq = t.seq, wake_at = t.at, rung_at = t.at from "
            "(select conversation, max(seq) as seq, max(at) as at from g where (select yes from whole) group by conversation) as t "
            "where conversations.id = t.conversation) "
            "select conversation, seq from g where (select yes from whole) order by n"
        );
        let rows = self
            .write(
                accept,
                args![
                    texts(|m| m.tenant.as_str()),
                    messages.iter().map(|m| m.account.to_string()).collect::<Vec<_>>(),
                    texts(|m| &m.peer),
                    texts(|m| m.account.channel()),
                    texts(|m| &m.user),
                    texts(|m| &m.provider),
                    keys.into_iter().map(|key| key.id).collect::<Vec<_>>(),
                    messages.iter().map(|m| m.contact_name.is_some()).collect::<Vec<_>>(),
                    payloads.to_vec(),
                    bodies,
                ],
            )
            .await;
        let rows = match rows {
            Ok(rows) if rows.is_empty() => return Ok(None),
            Ok(rows) => rows,
            Err(error) if error.is_conflict_of(MESSAGE_KEY) => return Ok(None),
            Err(error) => return Err(error),
        };
        let accepted = rows.iter().map(|row| {
            let conversation = ConversationId(row.uuid("conversation")?);
            Ok(Accepted { conversation, seq: row.int("seq")?, duplicate: false, ring: true })
        });
        accepted.collect::<Result<_, _>>().map(Some)
    }
}
