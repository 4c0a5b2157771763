//! Delivery reports, and the proof that some of them are.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConversationId, Failure, FailureClass, Receipt, Tenant};

use crate::{
    Store, StoreError,
    engine::{args, clean, sql},
    notifications, opt_outs, outbox,
};

/// Longest stored reason, in characters.
const REASON_CHARS_MAX: usize = 200;

fn reason(words: &str) -> String {
    clean(words).chars().take(REASON_CHARS_MAX).collect()
}

impl Store {
    /// Records a platform's reports in one transaction. One that names a message of ours is a proof that the platform
    /// took it: the message becomes `sent` and its conversation is woken. One that says that words came too late has a
    /// message with a template follow as that, once; one that says that a file did not arrive has the sentence in its place
    /// follow; one that says that the person wants nothing that sells is kept as an opt-out. Gives the conversations to
    /// ring.
    ///
    /// # Errors
    /// [`StoreError::Busy`] for a lock; nothing was kept then.
    pub async fn record_receipts(
        &self,
        tenant: &Tenant,
        receipts: &[Receipt],
    ) -> Result<Vec<ConversationId>, StoreError> {
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        if receipts.iter().any(|r| r.provider_message_id.len() > 512 || r.provider_message_id.contains('\0')) {
            return Err(StoreError::Payload("a report's message id is over 512 bytes or has a NUL".to_owned()));
        }
        let mut sorted: Vec<&Receipt> = receipts.iter().collect();
        sorted.sort_by(|a, b| {
            (a.outbox_id, &a.provider_message_id, a.status).cmp(&(b.outbox_id, &b.provider_message_id, b.status))
        });

        self.at("receipt.before").await;
        let mut tx = self.begin().await?;
        // An outbox row never changes its conversation, so this look needs no lock.
        let named = tx
            .all(
                sql!("select id, conversation from outbox where id" in_uuids_1 " and tenant = $2"),
                args![sorted.iter().filter_map(|r| r.outbox_id.map(|id| id.0)).collect::<Vec<_>>(), tenant],
            )
            .await?;
        let homes: BTreeMap<_, _> = named
            .iter()
            .map(|row| Ok((row.uuid("id")?, ConversationId(row.uuid("conversation")?))))
            .collect::<Result<_, StoreError>>()?;
        let locked: BTreeSet<_> = homes.values().map(|id| id.0).collect();
        if !locked.is_empty() {
            tx.all(
                sql!("select id from conversations where id" in_uuids_1 " order by id" for_update),
                args![locked.into_iter().collect::<Vec<_>>()],
            )
            .await?;
        }
        for receipt in &sorted {
            tx.execute(
                sql!(
                    "insert into receipts (tenant, provider, account, provider_message_id, status, rank, outbox_id, at, reason) "
                    "values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, " now "), $9) "
                    "on conflict (tenant, provider, account, provider_message_id, status) do nothing"
                ),
                args![
                    tenant,
                    &receipt.provider,
                    &receipt.account,
                    &receipt.provider_message_id,
                    receipt.status.as_str(),
                    receipt.status as i32,
                    receipt.outbox_id,
                    receipt.at,
                    receipt.failure.as_ref().map(|failure| reason(&failure.reason))
                ],
            )
            .await?;
        }
        let mut ring = BTreeSet::new();
        for receipt in &sorted {
            let Some((id, conversation)) = receipt.outbox_id.and_then(|id| Some((id, *homes.get(&id.0)?))) else {
                continue;
            };
            if outbox::prove(&mut tx, conversation, id, Some(&receipt.provider_message_id)).await? {
                ring.insert(conversation);
            }
            let followed = match &receipt.failure {
                Some(Failure { class: FailureClass::WindowClosed, .. }) => {
                    notifications::follow(&mut tx, conversation, id).await?
                }
                Some(Failure { class: FailureClass::Other, .. }) => {
                    notifications::follow_file(&mut tx, conversation, id).await?
                }
                Some(Failure { class: FailureClass::NoMarketing, reason }) => {
                    opt_outs::no_marketing(&mut tx, conversation, reason, receipt.at).await?;
                    false
                }
                None => false,
            };
            if followed {
                ring.insert(conversation);
            }
        }
        self.at("receipt.inside").await;
        tx.commit().await?;
        self.answered("receipt.after").await?;
        Ok(ring.into_iter().collect())
    }
}
