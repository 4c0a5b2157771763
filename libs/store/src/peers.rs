//! Other names of a chat: the platform calls it otherwise than we do.

use domain::{Account, ConversationId, Incoming, Tenant};

use crate::{
    Lease, Store, StoreError,
    engine::{Tx, args, clean, sql},
};

impl Store {
    /// Has `peer` lead to the conversation as well, and as a user to the person of its own peer, where the platform says
    /// that it is the same chat of two. What leads elsewhere already stays; what the person does not want there, they do
    /// not want here.
    ///
    /// # Errors
    /// When the database fails; nothing was kept then.
    pub async fn also_known_as(&self, lease: &Lease, peer: &str) -> Result<(), StoreError> {
        let peer = clean(peer);
        let mut tx = self.begin().await?;
        tx.execute(
            sql!(
                "insert into conversation_keys (tenant, account, peer, conversation) "
                "select tenant, account, $3, id from conversations where id = $1 and tenant = $2 "
                "on conflict (tenant, account, peer) do nothing"
            ),
            args![lease.conversation, &lease.tenant, &peer],
        )
        .await?;
        tx.execute(
            sql!(
                "insert into person_keys (tenant, channel, user_id, person) select tenant, channel, $4, person "
                "from person_keys where tenant = $1 and channel = $2 and user_id = $3 "
                "on conflict (tenant, channel, user_id) do nothing"
            ),
            args![&lease.tenant, lease.account.channel(), &lease.peer, &peer],
        )
        .await?;
        copy_opt_outs(&mut tx, (&lease.tenant, &lease.account), &peer, &lease.peer).await?;
        tx.commit().await
    }
}

/// Moves the conversation of `message` to the peer that the platform calls it by from now on, with what its people do not
/// want; in a chat of two the person goes with it. The old key of a group stays; that of one person ends, because the number
/// will be somebody else's. Where a conversation is there already, it stays as well, and this one where it is. Whoever works
/// on it sees that in the next snapshot and hands it over; no send begins to the old peer. The conversation is locked.
pub(crate) async fn follow(
    tx: &mut Tx,
    message: &Incoming,
    conversation: ConversationId,
    to: &str,
) -> Result<(), StoreError> {
    let (tenant, account, to) = (&message.tenant, &message.account, clean(to));
    tx.execute(
        sql!(
            "insert into conversation_keys (tenant, account, peer, conversation) values ($1, $2, $3, $4) "
            "on conflict (tenant, account, peer) do nothing"
        ),
        args![tenant, account, &to, conversation],
    )
    .await?;
    // What it was called by until now may be another name than the one in the message.
    let before = tx
        .optional(sql!("select peer from conversations where id = $1"), args![conversation])
        .await?
        .map(|row| row.text("peer"))
        .transpose()?;
    let moved = tx
        .execute(
            sql!(
                "update conversations set peer = $3 where id = $4 and exists (select 1 from conversation_keys k "
                "where k.tenant = $1 and k.account = $2 and k.peer = $3 and k.conversation = $4)"
            ),
            args![tenant, account, &to, conversation],
        )
        .await?;
    if moved == 0 {
        return Ok(());
    }
    for from in before.iter().chain([&message.peer]) {
        copy_opt_outs(tx, (tenant, account), from, &to).await?;
    }
    if message.user == message.peer {
        tx.execute(
            sql!(
                "insert into person_keys (tenant, channel, user_id, person) select tenant, channel, $4, person "
                "from person_keys where tenant = $1 and channel = $2 and user_id = $3 "
                "on conflict (tenant, channel, user_id) do nothing"
            ),
            args![tenant, account.channel(), &message.user, &to],
        )
        .await?;
        for old in before.iter().chain([&message.peer]).filter(|old| **old != to) {
            // Named anew, because this user of the database deletes nothing.
            let ended = format!("{old}#{}", message.provider_message_id);
            tx.execute(
                sql!(
                    "update conversation_keys set peer = $5 "
                    "where tenant = $1 and account = $2 and peer = $3 and conversation = $4"
                ),
                args![tenant, account, old, conversation, &ended],
            )
            .await?;
            tx.execute(
                sql!("update person_keys set user_id = $4 where tenant = $1 and channel = $2 and user_id = $3"),
                args![tenant, account.channel(), old, &ended],
            )
            .await?;
        }
    }
    Ok(())
}

async fn copy_opt_outs(
    tx: &mut Tx,
    (tenant, account): (&Tenant, &Account),
    from: &str,
    to: &str,
) -> Result<(), StoreError> {
    tx.execute(
        sql!(
            "insert into opt_outs (tenant, account, peer, scope, how, since, ended_at) "
            "select tenant, account, $4, scope, how, since, ended_at from opt_outs "
            "where tenant = $1 and account = $2 and peer = $3 on conflict (tenant, account, peer, scope) do nothing"
        ),
        args![tenant, account, from, to],
    )
    .await
    .map(drop)
}
