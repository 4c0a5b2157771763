//! What the parts of the worker share.

use std::{sync::Arc, time::Duration};

use ai::Switches;
use coordination::Coordination;
use domain::ConversationId;
use file_store::FileStore;
use rand::RngExt as _;
use store::Store;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    alone::Alone,
    breaker::Breakers,
    config::{MediaConfig, WorkerConfig},
    lease::Leases,
    model::Models,
    tenants::Tenants,
    turn::{Input, Next, Outcome},
};

/// Decides what a turn does next: [`crate::turn::turn`], or what a test puts in its place.
pub type Decide = Arc<dyn Fn(&Input, &[Outcome]) -> Next + Send + Sync>;

/// A ring after a park shorter than this is timed by the worker itself.
pub const PARK_TIMER_MAX: Duration = Duration::from_secs(5);

/// The shared parts.
pub struct Worker {
    /// The truth.
    pub store: Store,
    /// Where the bytes of people's files are; none: in the database.
    pub files: Option<FileStore>,
    /// How large they may be.
    pub media: MediaConfig,
    /// Bells, feed, limits.
    pub coordination: Coordination,
    /// Accounts whose platform fails.
    pub breakers: Breakers,
    /// What is held.
    pub leases: Leases,
    /// Accounts, documents and catalogue by tenant.
    pub tenants: Arc<Tenants>,
    /// The model, if there is one.
    pub models: Models,
    /// What operators may change meanwhile.
    pub switches: Switches,
    /// The turn.
    pub decide: Decide,
    /// Settings.
    pub config: WorkerConfig,
    /// One permit for each conversation that is worked on.
    pub slots: Arc<Semaphore>,
    /// How many conversations are worked on.
    pub busy: watch::Sender<usize>,
    /// The one turn that runs alone.
    pub alone: Alone,
    /// Cancelled when no new work begins.
    pub stop: CancellationToken,
}

impl Worker {
    /// Rings for `conversation` after `wait`, unless the worker stops before; in the trace of whoever asks for it.
    pub fn ring_after(self: &Arc<Self>, conversation: ConversationId, wait: Duration) {
        let worker = Arc::clone(self);
        let traceparent = service_kit::telemetry::traceparent();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(wait) => worker.coordination.ring(conversation, traceparent.as_deref()),
                () = worker.stop.cancelled() => {} // the sweeper of another worker rings
            }
        });
    }
}

/// `base` times 0.5 to 1.5, so that many who wait do not come back together.
pub fn jitter(base: Duration) -> Duration {
    base.mul_f64(0.5 + faults::unit().unwrap_or_else(|| rand::rng().random::<f64>()))
}
