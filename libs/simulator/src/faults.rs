//! What a fake can be told to do wrong: once, a few times, or until told otherwise.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// No fault outlasts this: a forgotten hold must not hang a test run.
const LONGEST: Duration = Duration::from_secs(600);

/// One wrong behaviour of one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Waits, then answers as always.
    Delay(Duration),
    /// Answers with this status and does not act.
    Status {
        /// HTTP status.
        status: u16,
        /// Value of `Retry-After`, seconds.
        retry_after: Option<u64>,
    },
    /// Acts, then answers with this status all the same.
    StatusAfter(u16),
    /// Never answers and does not act; the caller has to give up.
    Hang,
    /// Closes the connection and does not act.
    CutBefore,
    /// Acts, then closes the connection without an answer.
    CutAfter,
    /// Acts, then holds the answer until it is released.
    Hold(Hold),
}

/// A held answer: tells when the call has acted and waits, and lets it go.
#[derive(Clone, Debug)]
pub struct Hold {
    reached: Arc<watch::Sender<bool>>,
    released: Arc<watch::Sender<bool>>,
}

impl Default for Hold {
    fn default() -> Self {
        Self { reached: Arc::new(watch::channel(false).0), released: Arc::new(watch::channel(false).0) }
    }
}

impl Hold {
    /// Waits until a call has acted and is being held.
    pub async fn reached(&self) {
        let _ = self.reached.subscribe().wait_for(|reached| *reached).await;
    }

    /// Lets the answer go.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    async fn wait(&self) {
        self.reached.send_replace(true);
        let mut released = self.released.subscribe();
        let _ = tokio::time::timeout(LONGEST, released.wait_for(|released| *released)).await;
    }
}

#[derive(Debug)]
struct Order {
    operation: String,
    times: usize,
    fault: Fault,
}

/// The orders of one fake, in the order they were given. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<VecDeque<Order>>>);

impl Faults {
    /// The next call of `operation` goes wrong. `operation` is `<METHOD> <path template>`, or empty for any.
    pub fn next(&self, operation: &str, fault: Fault) {
        self.times(operation, 1, fault);
    }

    /// The next `times` calls of `operation` go wrong.
    pub fn times(&self, operation: &str, times: usize, fault: Fault) {
        self.lock().push_back(Order { operation: operation.to_owned(), times, fault });
    }

    /// The next call of `operation` acts and is then held until [`Hold::release`].
    pub fn hold(&self, operation: &str) -> Hold {
        let hold = Hold::default();
        self.next(operation, Fault::Hold(hold.clone()));
        hold
    }

    /// Forgets all orders; a held call stays held.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// No order waits for its call.
    pub fn is_clear(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many orders wait for their calls.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Takes the first order that names this operation.
    pub(crate) fn take(&self, operation: &str) -> Option<Fault> {
        let mut orders = self.lock();
        let at = orders.iter().position(|order| order.operation.is_empty() || order.operation == operation)?;
        let order = orders.get_mut(at)?;
        let fault = order.fault.clone();
        order.times = order.times.saturating_sub(1);
        if order.times == 0 {
            orders.remove(at);
        }
        Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fault leaves of a call before it acts.
pub(crate) enum Before {
    /// Act.
    Act,
    /// Answer with this status instead.
    Refuse { status: u16, retry_after: Option<u64> },
    /// Close the connection.
    Cut,
}

/// What a fault leaves of the answer.
pub(crate) enum After {
    Answer,
    Refuse(u16),
    Cut,
}

impl Fault {
    pub(crate) async fn before(&self) -> Before {
        match self {
            Self::Delay(wait) => {
                tokio::time::sleep((*wait).min(LONGEST)).await;
                Before::Act
            }
            Self::Status { status, retry_after } => Before::Refuse { status: *status, retry_after: *retry_after },
            Self::Hang => {
                tokio::time::sleep(LONGEST).await;
                Before::Cut
            }
            Self::CutBefore => Before::Cut,
            Self::StatusAfter(_) | Self::CutAfter | Self::Hold(_) => Before::Act,
        }
    }

    pub(crate) async fn after(&self) -> After {
        match self {
            Self::StatusAfter(status) => After::Refuse(*status),
            Self::CutAfter => After::Cut,
            Self::Hold(hold) => {
                hold.wait().await;
                After::Answer
            }
            Self::Delay(_) | Self::Status { .. } | Self::Hang | Self::CutBefore => After::Answer,
        }
    }
}
