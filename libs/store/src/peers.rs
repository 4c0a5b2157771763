//! Other names of a chat: the platform calls it otherwise than we do.

use crate::{
    Lease, Store, StoreError,
    engine::{args, clean, sql},
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
