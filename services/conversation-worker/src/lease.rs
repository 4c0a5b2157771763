//! The leases that this worker holds: renewed together, fenced alone.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use domain::{ConversationId, telemetry::metric};
use store::{Lease, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use store::lease::LEASE;

/// All leases are renewed this often.
pub const RENEW_EVERY: Duration = Duration::from_secs(10);
/// What a lease has to outlive a request by.
pub const MARGIN: Duration = Duration::from_secs(5);
/// After a renewal that failed, before each is tried alone.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A lease and what this worker's monotonic clock knows of it.
#[derive(Debug)]
pub struct Held {
    /// The lease.
    pub lease: Lease,
    until: Mutex<Instant>,
    fenced: AtomicBool,
    /// Seq of the turn whose words watchers see live and that no `reset` took back; 0 for none.
    pub shown: AtomicI64,
}

impl Held {
    /// Another epoch has begun, or will not be noticed any more: no further step may begin.
    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// True while the lease outlives a request of `deadline` that begins now, with its margin.
    pub fn outlives(&self, deadline: Duration) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.is_fenced() && until.saturating_duration_since(Instant::now()) >= deadline + MARGIN
    }

    fn renewed(&self, asked_at: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = asked_at + LEASE;
    }

    fn fence(&self) {
        if !self.fenced.swap(true, Ordering::AcqRel) {
            metrics::counter!(metric::WORKER_LEASES_FENCED).increment(1);
        }
    }
}

/// All leases of this worker.
pub struct Leases {
    store: Store,
    /// Name of this worker, new at every start.
    pub owner: Uuid,
    held: Mutex<HashMap<ConversationId, Arc<Held>>>,
}

impl Leases {
    /// None yet.
    pub fn new(store: Store) -> Self {
        Self { store, owner: Uuid::now_v7(), held: Mutex::default() }
    }

    /// Takes note of a claim that was asked for at `asked_at`. An older drain of the same conversation is cancelled.
    pub fn hold(&self, lease: Lease, asked_at: Instant) -> Arc<Held> {
        let held = Arc::new(Held {
            lease,
            until: Mutex::new(asked_at + LEASE),
            fenced: AtomicBool::new(false),
            shown: AtomicI64::new(0),
        });
        if let Some(older) = self.lock().insert(held.lease.conversation, Arc::clone(&held)) {
            older.fence();
        }
        held
    }

    /// True while a drain of this worker has the conversation.
    pub fn holds(&self, conversation: ConversationId) -> bool {
        self.lock().contains_key(&conversation)
    }

    /// Forgets a lease whose drain has ended.
    pub fn forget(&self, held: &Arc<Held>) {
        let mut all = self.lock();
        if all.get(&held.lease.conversation).is_some_and(|present| Arc::ptr_eq(present, held)) {
            all.remove(&held.lease.conversation);
        }
    }

    /// Makes sure that the lease outlives a request of `deadline`, renewing it if need be.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; others when the renewal was not executed.
    pub async fn ensure(&self, held: &Arc<Held>, deadline: Duration) -> Result<(), StoreError> {
        if !held.outlives(deadline) && !held.is_fenced() {
            self.renew(vec![Arc::clone(held)]).await?;
        }
        if held.is_fenced() { Err(StoreError::Fenced) } else { Ok(()) }
    }

    /// Renews every lease every 10 s until `stop`.
    pub async fn renew_all(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(RENEW_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled() => return,
            }
            let mine: Vec<_> = self.lock().values().cloned().collect();
            metrics::gauge!(metric::WORKER_LEASES).set(count(mine.len()));
            if mine.is_empty() {
                continue;
            }
            if let Err(error) = self.renew(mine.clone()).await {
                // Nothing is known: only a statement that ran and gave no row fences.
                tracing::warn!(%error, leases = mine.len(), "leases were not renewed; trying each alone");
                tokio::time::sleep(RETRY_PAUSE).await;
                for one in mine {
                    let conversation = one.lease.conversation;
                    if let Err(error) = self.renew(vec![one]).await {
                        tracing::warn!(%error, conversation.id = %conversation, "a lease was not renewed");
                    }
                }
            }
        }
    }

    async fn renew(&self, mine: Vec<Arc<Held>>) -> Result<(), StoreError> {
        let asked_at = Instant::now();
        let mut wanted = Vec::with_capacity(mine.len());
        for held in &mine {
            wanted.push((held.lease.conversation, held.lease.epoch));
        }
        let back = self.store.renew(&wanted, self.owner).await?;
        for held in mine {
            if back.contains(&held.lease.conversation) {
                held.renewed(asked_at);
            } else {
                held.fence();
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count as a metric takes it.
pub fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}
