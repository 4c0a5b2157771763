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
    /// Accepts messages on PostgreSQL. None, and nothing is kept or locked, when one of them was accepted before, is there
    /// twice, moves a conversation, or has somebody new to be made or named.
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
        // A conversation is locked and read as it stands then, so its next number is right whoever counted meanwhile. What
        // was accepted meanwhile is not seen, and its key refuses the whole statement. Conversations are locked, and rows
        // go in, in one order, as on the long way: two groups would wait for each other. Each look is a subquery of its
        // own, and what is updated is named by an array, as a join lets the planner of a young table read all of it.
        let accept = sql!(
            "with n as (select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) with ordinality "
            "as n(tenant, account, peer, channel, user_id, provider, message, is_named, payload, body, n)), "
            "k as materialized (select n.*, (select c.conversation from conversation_keys c "
            "where c.tenant = n.tenant and c.account = n.account and c.peer = n.peer) as conversation, "
            "(select p.person from person_keys p where p.tenant = n.tenant and p.channel = n.channel and p.user_id = n.user_id) "
            "as person from n), "
            "f as materialized (select * from k where conversation is not null and person is not null "
            "and not (is_named and (select q.contact_name is null from person q where q.id = k.person)) "
            "and (select true from inbox i where i.tenant = k.tenant and i.provider = k.provider "
            "and i.account = k.account and i.provider_message_id = k.message) is null), "
            "l as materialized (select f.*, c.next_seq from "
            "(select * from f where (select count(*) from f) = cardinality($1) order by conversation) as f "
            "cross join lateral (select next_seq from conversations where id = f.conversation for update) as c), "
            "g as materialized (select l.*, next_seq + row_number() over (partition by conversation order by n) as seq, "
            "(select " now ") as at from l), "
            "whole as materialized (select count(*) = cardinality($1) as yes from g), "
            "i as (insert into inbox (conversation, seq, tenant, person, provider, account, provider_message_id, payload, accepted_at) "
            "select conversation, seq, tenant, person, provider, account, message, payload, at from g "
            "where (select yes from whole) order by tenant, provider, account, message), "
            "m as (insert into messages (conversation, seq, part, tenant, direction, person, body, created_at) "
            "select conversation, seq, -1, tenant, 'inbound', person, body, at from g "
            "where (select yes from whole) and provider <> 'internal'), "
            "t as materialized (select array_agg(conversation) as ids, array_agg(seq) as seqs, max(at) as at from "
            "(select conversation, max(seq) as seq, max(at) as at from g where (select yes from whole) group by conversation) as t), "
            "c as (update conversations set next_seq = (select seqs from t)[array_position((select ids from t), id)], "
            "wake_at = (select at from t), rung_at = (select at from t) where id = any ((select ids from t)::uuid[])) "
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Account, Tenant};

    use super::*;
    use crate::{Role, StoreConfig};

    fn says(peer: &str, id: &str) -> Incoming {
        Incoming {
            tenant: Tenant::new("acme").expect("a tenant"),
            account: "infobip:main".parse::<Account>().expect("an account"),
            peer: peer.to_owned(),
            user: peer.to_owned(),
            provider: "infobip".to_owned(),
            provider_message_id: id.to_owned(),
            written_at: None,
            contact_name: Some("Ana".to_owned()),
            phone: None,
            quoted: None,
            content: Content::Text { text: id.to_owned() },
            traceparent: None,
        }
    }

    #[tokio::test]
    async fn what_is_known_goes_the_short_way_and_anything_else_the_long_one() {
        let server = testkit::Postgres::shared().await.expect("a PostgreSQL server");
        let url = server.database().await.expect("a database");
        let connect_wait = Duration::from_secs(5);
        let config = StoreConfig { url, max_connections: 2, connect_wait, role: Role::Gateway };
        let store = Store::connect(&config).await.expect("a connection");
        store.migrate_up().await.expect("the schema");
        let short = async |group: &[Incoming]| {
            let payloads: Vec<String> = group.iter().map(|_| "{}".to_owned()).collect();
            let accepted = store.accept_known(group, &payloads).await.expect("an answer");
            accepted.map(|accepted| accepted.iter().map(|accepted| accepted.seq).collect::<Vec<_>>())
        };
        assert_eq!(short(&[says("p", "m1")]).await, None, "a stranger");
        let mut nameless = says("q", "m2");
        nameless.contact_name = None;
        store.accept(&[says("p", "m1"), nameless]).await.expect("accepted");
        assert_eq!(short(&[says("p", "m3"), says("p", "m4")]).await, Some(vec![2, 3]));
        assert_eq!(short(&[says("p", "m5"), says("r", "m6")]).await, None, "a stranger among them");
        assert_eq!(short(&[says("p", "m5"), says("p", "m1")]).await, None, "a repeat");
        assert_eq!(short(&[says("p", "m5"), says("p", "m5")]).await, None, "twice");
        assert_eq!(short(&[says("p", "m5"), says("q", "m6")]).await, None, "somebody who has a name now");
        let to = "s".to_owned();
        let moved = Incoming { content: Content::Moved { kind: "changed_number".to_owned(), to }, ..says("p", "m7") };
        assert_eq!(short(&[moved]).await, None, "a chat that moves");
        assert_eq!(short(&[says("p", "m5")]).await, Some(vec![4]), "nothing of the others was kept");
    }
}
