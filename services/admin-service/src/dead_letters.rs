//! What both doors, gRPC and console, do with dead letters.

use coordination::Coordination;
use domain::Tenant;
use service_kit::telemetry;
use store::{Store, StoreError, audit::Actor, dead_letters::Replayed};
use tracing::Instrument as _;
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
    /// Puts a dead letter's messages in again and rings for a worker. A replay is a trace of its own, with links to
    /// those of the messages.
    pub async fn replay(
        &self,
        tenant: &Tenant,
        id: Uuid,
        accept_unknown_effects: bool,
        actor: &Actor,
    ) -> Result<Replayed, StoreError> {
        let span = telemetry::send_inbox(1);
        let trace = telemetry::traceparent_of(&span);
        let replaying =
            self.store.replay_dead_letter(tenant, id, accept_unknown_effects, actor.clone(), trace.as_deref());
        let replayed = replaying.instrument(span.clone()).await?;
        for first in &replayed.traceparents {
            telemetry::link(&span, first);
        }
        self.coordination.ring(replayed.conversation, trace.as_deref());
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
