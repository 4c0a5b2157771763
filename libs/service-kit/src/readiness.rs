//! Whether a service can do its work: gates that its parts open and close, and heartbeats of its loops.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// Shared by the parts of one service; cheap to clone. Ready = started, not draining, every gate open.
#[derive(Clone, Debug)]
pub struct Readiness {
    service: &'static str,
    inner: Arc<Mutex<Inner>>,
    ready: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct Inner {
    gates: BTreeMap<&'static str, GateState>,
    heartbeats: BTreeMap<&'static str, (Instant, Duration)>,
    draining: bool,
    started: bool,
}

#[derive(Clone, Debug, Default)]
struct GateState {
    open: bool,
    optional: bool,
    reason: Option<String>,
}

/// What [`Readiness::state`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Every gate is open and the service is not draining.
    pub ready: bool,
    /// It was ready at least once.
    pub started: bool,
    /// It stops.
    pub draining: bool,
    /// Gate -> none when open, else why it is closed.
    pub gates: BTreeMap<&'static str, Option<String>>,
    /// Loops whose last heartbeat is too old.
    pub stalled: Vec<&'static str>,
}

impl Readiness {
    /// Ready until a gate is registered. `service` is the name that health answers carry.
    pub fn new(service: &'static str) -> Self {
        Self { service, inner: Arc::default(), ready: Arc::new(watch::Sender::new(true)) }
    }

    /// The service's name.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// Adds a gate, closed at first; a second one of the same name is the same gate.
    pub fn register(&self, name: &'static str) -> Gate {
        self.change(|inner| {
            inner.gates.entry(name).or_default();
        });
        Gate { name, readiness: self.clone() }
    }

    /// Adds a gate that is shown but does not count: losing it costs latency only.
    pub fn register_optional(&self, name: &'static str) -> Gate {
        self.change(|inner| inner.gates.entry(name).or_default().optional = true);
        Gate { name, readiness: self.clone() }
    }

    /// Adds a loop that has to beat at least every `age_max`; when it does not, `/livez` fails.
    pub fn heartbeat(&self, name: &'static str, age_max: Duration) -> Heartbeat {
        let heartbeat = Heartbeat { name, age_max, readiness: self.clone() };
        heartbeat.beat();
        heartbeat
    }

    /// Closes for good: the service stops.
    pub fn drain(&self) {
        self.change(|inner| inner.draining = true);
    }

    /// True when every gate is open and the service is not draining.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until it is ready; never ends if that never comes.
    pub async fn wait_ready(&self) {
        // The sender lives in `self`, so the channel cannot close under us.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Told of each change between ready and not ready.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Everything at once.
    pub fn state(&self) -> State {
        let inner = self.lock();
        let closed = |gate: &GateState| match gate.open {
            true => None,
            false => Some(gate.reason.clone().unwrap_or_else(|| "not ready yet".to_owned())),
        };
        State {
            ready: inner.is_ready(),
            started: inner.started || inner.is_ready(),
            draining: inner.draining,
            gates: inner.gates.iter().map(|(name, gate)| (*name, closed(gate))).collect(),
            stalled: inner
                .heartbeats
                .iter()
                .filter(|(_, (last, age_max))| last.elapsed() > *age_max)
                .map(|(name, _)| *name)
                .collect(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let ready = inner.is_ready();
        inner.started |= ready && !inner.gates.is_empty();
        // Sent under the lock, so that two changes cannot be told in the wrong order.
        self.ready.send_if_modified(|present| std::mem::replace(present, ready) != ready);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_ready(&self) -> bool {
        !self.draining && self.gates.values().all(|gate| gate.open || gate.optional)
    }
}

/// One thing a service needs.
#[derive(Clone, Debug)]
pub struct Gate {
    name: &'static str,
    readiness: Readiness,
}

impl Gate {
    /// Opens or closes it.
    pub fn set(&self, open: bool) {
        self.change(open, None);
    }

    /// Closes it and says why, in words for an operator and without secrets.
    pub fn set_reason(&self, reason: impl Into<String>) {
        self.change(false, Some(reason.into()));
    }

    fn change(&self, open: bool, reason: Option<String>) {
        self.readiness.change(|inner| {
            let gate = inner.gates.entry(self.name).or_default();
            gate.open = open;
            gate.reason = reason;
        });
    }
}

/// Shows that a loop goes round.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    name: &'static str,
    age_max: Duration,
    readiness: Readiness,
}

impl Heartbeat {
    /// The loop went round once more.
    pub fn beat(&self) {
        self.readiness.lock().heartbeats.insert(self.name, (Instant::now(), self.age_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_every_gate_open_and_not_draining() {
        let readiness = Readiness::new("x");
        assert!(readiness.is_ready());
        let (database, catalog) = (readiness.register("database"), readiness.register("catalog"));
        assert!(!readiness.is_ready());
        database.set(true);
        catalog.set_reason("0 of 2 documents");
        assert_eq!(readiness.state().gates["catalog"].as_deref(), Some("0 of 2 documents"));
        assert!(!readiness.state().started);
        catalog.set(true);
        assert!(readiness.is_ready());
        database.set(false);
        assert!(!readiness.is_ready() && readiness.state().started);
        database.set(true);
        readiness.drain();
        assert!(!readiness.is_ready() && readiness.state().draining);
    }

    #[test]
    fn an_optional_gate_is_shown_but_does_not_count() {
        let readiness = Readiness::new("x");
        let cache = readiness.register_optional("cache");
        cache.set_reason("no answer");
        assert!(readiness.is_ready());
        assert_eq!(readiness.state().gates["cache"].as_deref(), Some("no answer"));
    }

    #[tokio::test]
    async fn waiting_ends_when_the_last_gate_opens() {
        let readiness = Readiness::new("x");
        let gate = readiness.register("database");
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.wait_ready().await }
        });
        gate.set(true);
        waiting.await.expect("it ends");
    }

    #[test]
    fn a_loop_that_stands_still_is_told() {
        let readiness = Readiness::new("x");
        let _slow = readiness.heartbeat("slow", Duration::ZERO);
        let _quick = readiness.heartbeat("quick", Duration::from_secs(60));
        std::thread::yield_now();
        while readiness.state().stalled.is_empty() {}
        assert_eq!(readiness.state().stalled, ["slow"]);
    }
}
