//! What both doors, gRPC and console, do with dead letters.

use coordination::Coordination;
use domain::Tenant;
use service_kit::telemetry;
use store::{Store, StoreError, audit::Actor, dead_letters::Replayed};
use uuid::Uuid;

/// Longest reason for putting one away, in characters.
pub(crate) const REASON_CHARS_MAX: usize = 300;

/// Replays and puts away.
#[derive(Clone)]
pub(crate) struct DeadLetters {
    pub store: Store,
    pub coordination: Coordination,
}

impl DeadLetters {
    /// Puts a dead letter's messages in again and rings for a worker.
    pub async fn replay(
        &self,
        tenant: &Tenant,
        id: Uuid,
        accept_unknown_effects: bool,
        actor: &Actor,
    ) -> Result<Replayed, StoreError> {
        let replayed = self.store.replay_dead_letter(tenant, id, accept_unknown_effects, actor.clone()).await?;
        self.coordination.ring(replayed.conversation, telemetry::traceparent().as_deref());
        tracing::info!(conversation.id = %replayed.conversation, seq = replayed.seq, "dead letter replayed");
        Ok(replayed)
    }

    /// Puts it away. False: it was dealt with before.
    pub async fn discard(&self, tenant: &Tenant, id: Uuid, reason: &str, actor: &Actor) -> Result<bool, StoreError> {
        let discarded = self.store.discard_dead_letter(tenant, id, reason, actor).await?;
        if discarded {
            tracing::info!(dead_letter.id = %id, "dead letter put away");
        }
        Ok(discarded)
    }
}
