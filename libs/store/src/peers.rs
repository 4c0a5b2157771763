//! Other names of a chat: the platform calls it otherwise than we do.

use domain::{ConversationId, Incoming};

use crate::{
    Lease, Store, StoreError,
    engine::{Tx, args, clean, sql},
};

impl Store {
    /// Has `peer` lead to the conversation as well, and as a user to the person of its own peer, where the platform says
    /// that it is the same chat of two. What leads elsewhere already stays.
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
        tx.commit().await
    }
}

/// Moves the conversation of `message` to the peer that the platform calls it by from now on, with what its people do not
/// want; in a chat of two the person goes with it. The old key stays. Where a conversation is there already, it stays as
/// well, and this one where it is. The conversation is locked.
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
    tx.execute(
        sql!(
            "insert into opt_outs (tenant, account, peer, scope, how, since, ended_at) "
            "select tenant, account, $4, scope, how, since, ended_at from opt_outs "
            "where tenant = $1 and account = $2 and peer = $3 on conflict (tenant, account, peer, scope) do nothing"
        ),
        args![tenant, account, &message.peer, &to],
    )
    .await?;
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
    }
    Ok(())
}
