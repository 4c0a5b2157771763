//! Hears bells and takes the conversations they name; polls the store while the bells are away.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use coordination::{Away, Bell, Listener};
use domain::telemetry::{metric, span};
use faults::{Bug, planted};
use futures::FutureExt as _;
use service_kit::{Heartbeat, telemetry};
use store::{Lease, Snapshot};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinSet,
    time::Instant,
};
use tracing::{Instrument as _, field};

use crate::{
    drain,
    lease::{Held, count},
    worker::{Worker, jitter},
};

/// Pause between two polls of the store.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// While a turn runs alone, how often the listener looks again.
const ALONE_PAUSE: Duration = Duration::from_millis(100);
/// Bells that nobody acknowledged for so long are taken over: longer than a lease.
const BELL_IDLE_MIN: Duration = Duration::from_secs(60);
/// While it waits for a slot, how often the listener says that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How often dead consumers' bells are looked for.
const AUTOCLAIM_EVERY: Duration = Duration::from_secs(15);

/// Listens until the worker stops, then waits for the conversations that are still worked on.
pub async fn run(worker: Arc<Worker>, heartbeat: Heartbeat) {
    let mut listener = worker.coordination.listen(&worker.leases.owner.to_string());
    let (done, mut to_ack) = mpsc::unbounded_channel::<Bell>();
    let mut drains = JoinSet::new();
    let mut autoclaim_at = Instant::now() + AUTOCLAIM_EVERY;
    if let Err(error) = worker.coordination.ensure_group().await {
        tracing::debug!(%error, "the group was not made; the store is polled");
    }
    while !worker.stop.is_cancelled() {
        heartbeat.beat();
        while drains.try_join_next().is_some() {}
        acknowledge(&listener, &mut to_ack).await;
        let free = worker.slots.available_permits();
        if free == 0 || worker.alone.is_taken() {
            tokio::select! {
                () = tokio::time::sleep(ALONE_PAUSE) => {}
                Some(bell) = to_ack.recv() => ack(&listener, &bell).await,
                () = worker.stop.cancelled() => {}
            }
            continue;
        }
        let heard = tokio::select! {
            heard = listener.next(free) => heard,
            Some(bell) = to_ack.recv() => {
                ack(&listener, &bell).await;
                continue;
            }
            () = worker.stop.cancelled() => break,
        };
        let mut bells = match heard {
            Ok(bells) => bells,
            Err(away) => {
                poll(&worker, &mut drains, free, &away).await;
                continue;
            }
        };
        if autoclaim_at <= Instant::now() {
            autoclaim_at = Instant::now() + AUTOCLAIM_EVERY;
            match listener.autoclaim(BELL_IDLE_MIN, free.saturating_sub(bells.len())).await {
                // The bell of a long turn of ours is acknowledged at its end.
                Ok(more) => bells.extend(more.into_iter().filter(|bell| !worker.leases.holds(bell.conversation))),
                Err(away) => tracing::debug!(error = %away, "bells of dead consumers were not looked for"),
            }
        }
        for bell in bells {
            // More than was asked for may come after a cancelled call: those wait here for their slot.
            let Some(permit) = slot(&worker, &heartbeat).await else { break };
            drains.spawn(answer_bell(Arc::clone(&worker), bell, permit, done.clone()));
        }
    }
    while !drains.is_empty() {
        heartbeat.beat();
        tokio::select! {
            _ = drains.join_next() => {}
            Some(bell) = to_ack.recv() => ack(&listener, &bell).await,
        }
    }
    acknowledge(&listener, &mut to_ack).await;
}

/// A free slot, waited for with a beating heart; none when the worker stops first.
async fn slot(worker: &Worker, heartbeat: &Heartbeat) -> Option<OwnedSemaphorePermit> {
    loop {
        tokio::select! {
            permit = Arc::clone(&worker.slots).acquire_owned() => return permit.ok(),
            () = tokio::time::sleep(BEAT_EVERY) => heartbeat.beat(),
            () = worker.stop.cancelled() => return None, // the bell stays pending: another worker takes it
        }
    }
}

async fn acknowledge(listener: &Listener, to_ack: &mut mpsc::UnboundedReceiver<Bell>) {
    while let Ok(bell) = to_ack.try_recv() {
        ack(listener, &bell).await;
    }
}

async fn ack(listener: &Listener, bell: &Bell) {
    if let Err(away) = listener.ack(bell).await {
        tracing::debug!(error = %away, "a bell was not acknowledged; another worker will look");
    }
}

/// Takes the conversation of a bell and works on it. A conversation that cannot be had is busy or finished: its
/// holder sees what is new, so that bell is acknowledged at once.
async fn answer_bell(worker: Arc<Worker>, bell: Bell, permit: OwnedSemaphorePermit, done: mpsc::UnboundedSender<Bell>) {
    let asked_at = Instant::now();
    if planted(Bug::AckBeforeCommit) {
        let _ = done.send(bell.clone());
    }
    // While a turn runs alone the bell is left to the sweeper.
    if !worker.alone.is_taken() {
        match worker.store.claim_and_look(bell.conversation, worker.leases.owner).await {
            Ok(Some((lease, seen))) => work(&worker, lease, seen, asked_at, bell.traceparent.as_deref()).await,
            Ok(None) => metrics::counter!(metric::WORKER_CLAIMS_LOST).increment(1),
            Err(error) => {
                tracing::warn!(conversation.id = %bell.conversation, %error, "a conversation was not claimed")
            }
        }
    }
    drop(permit);
    worker.store.at("ack.before").await;
    // The listener ended with the process: then nobody acknowledges, and another worker looks.
    let _ = done.send(bell);
}

/// Without a doorbell: takes whatever is runnable, as much as there are free slots.
async fn poll(worker: &Arc<Worker>, drains: &mut JoinSet<()>, free: usize, away: &Away) {
    tracing::debug!(error = %away, "polling the store");
    if *away == Away::GroupLost {
        // The sweeper says that bells were lost; here the group is only made again.
        if let Err(error) = worker.coordination.ensure_group().await {
            tracing::debug!(%error, "the group was not made");
        }
    }
    let asked_at = Instant::now();
    match worker.store.claim_any(worker.leases.owner, i64::try_from(free).unwrap_or(i64::MAX)).await {
        Ok(leases) => {
            for lease in leases {
                let Ok(permit) = Arc::clone(&worker.slots).acquire_owned().await else { return };
                let worker = Arc::clone(worker);
                drains.spawn(async move {
                    work(&worker, lease, None, asked_at, None).await;
                    drop(permit);
                });
            }
        }
        Err(error) => tracing::warn!(%error, "the store was not polled"),
    }
    tokio::select! {
        () = tokio::time::sleep(jitter(POLL_EVERY)) => {}
        () = worker.stop.cancelled() => {}
    }
}

async fn work(
    worker: &Arc<Worker>,
    lease: Lease,
    seen: Option<Snapshot>,
    asked_at: Instant,
    traceparent: Option<&str>,
) {
    let conversation = lease.conversation;
    let span = tracing::info_span!(
        "conversation",
        otel.name = span::PROCESS_BELLS,
        otel.kind = "consumer",
        conversation.id = %conversation,
        epoch = lease.epoch,
        trace_id = field::Empty,
    );
    telemetry::set_messaging(&span, span::MESSAGING_SYSTEM, "process", span::BELLS);
    match traceparent {
        Some(traceparent) => {
            telemetry::set_parent(&span, traceparent);
            telemetry::link(&span, traceparent);
        }
        None => telemetry::record_trace_id(&span),
    }
    let held = Working::begin(worker, lease, asked_at);
    let drained = AssertUnwindSafe(drain::run(Arc::clone(worker), Arc::clone(&held.held), seen))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    if drained.is_err() {
        // The attempt stays counted: a message that does this again and again becomes a dead letter.
        span.in_scope(|| tracing::error!("a turn panicked; handing the conversation on"));
        metrics::counter!(metric::TURNS_PANICKED).increment(1);
        match worker.store.yield_now(&held.held.lease).await {
            Ok(true) => worker.coordination.ring(conversation, None),
            Ok(false) => {}
            Err(error) => tracing::warn!(conversation.id = %conversation, %error, "not handed on; its lease runs out"),
        }
    }
}

/// Counts a conversation as worked on, and forgets its lease at the end, however that comes.
struct Working<'a> {
    worker: &'a Worker,
    held: Arc<Held>,
}

impl<'a> Working<'a> {
    fn begin(worker: &'a Worker, lease: Lease, asked_at: Instant) -> Self {
        let held = worker.leases.hold(lease, asked_at);
        worker.busy.send_modify(|busy| *busy += 1);
        metrics::gauge!(metric::WORKER_BUSY_CONVERSATIONS).set(count(*worker.busy.borrow()));
        Self { worker, held }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.worker.leases.forget(&self.held);
        self.worker.busy.send_modify(|busy| *busy = busy.saturating_sub(1));
        metrics::gauge!(metric::WORKER_BUSY_CONVERSATIONS).set(count(*self.worker.busy.borrow()));
    }
}
