//! Works on one conversation until nothing can be done: a due send first, then turns.

use std::{sync::Arc, time::Duration};

use domain::{Micros, OutboxId, telemetry::metric};
use store::{OutboxRow, OutboxStatus, Outcome, Seen, Snapshot, StoreError, outbox::IN_FLIGHT};
use tokio::time::Instant;

use crate::{
    lease::Held,
    run_turn::{self, TurnError, Turned},
    send,
    worker::{PARK_TIMER_MAX, Worker},
};

/// A conversation that has more to do lets others go first after so many turns ...
const TURNS_MAX: u32 = 20;
/// ... or after so long.
const TIME_MAX: Duration = Duration::from_secs(30);
/// Errors of the store in a row, after which the conversation is left until its lease has run out.
const ERRORS_MAX: u32 = 12;
/// Pause when the counter of rows to send and the rows contradict each other.
const GAP_PAUSE: Duration = Duration::from_secs(30);
/// Pause after the first error; it grows with each.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// What one step came to.
pub enum Step {
    /// Look again.
    Again,
    /// Nothing is to be done any more, and the conversation was let go.
    Released,
    /// Nothing before this time, by the database's clock.
    Wait(Micros),
}

/// Works until the conversation is released, parked or lost. `seen`: what the claim saw.
pub async fn run(worker: Arc<Worker>, held: Arc<Held>, seen: Option<Snapshot>) {
    let mut drain = Drain {
        worker: &worker,
        held: &held,
        seen,
        started: Instant::now(),
        turns: 0,
        broken_off: None,
        unheard: None,
    };
    let mut errors = 0;
    while !held.is_fenced() {
        match drain.step().await {
            Ok(true) => return,
            Ok(false) => errors = 0,
            Err(StoreError::Fenced) => {
                metrics::counter!(metric::WRITES_FENCED).increment(1);
                tracing::info!("another worker has taken the conversation over");
                return;
            }
            Err(StoreError::NotFound("conversation")) => return, // erased
            Err(error) => {
                errors += 1;
                tracing::warn!(%error, errors, "the conversation's work met an error of the store");
                if errors >= ERRORS_MAX {
                    return; // the sweeper rings when the lease has run out
                }
                tokio::time::sleep(ERROR_PAUSE * errors).await;
            }
        }
    }
}

struct Drain<'a> {
    worker: &'a Arc<Worker>,
    held: &'a Arc<Held>,
    /// A look that nothing was done after.
    seen: Option<Snapshot>,
    started: Instant,
    turns: u32,
    /// A seq whose attempt was counted and ended with an error of the store: an orderly end, to be noted.
    broken_off: Option<i64>,
    /// A part and its attempt, of which we did not hear that it was begun: it was not sent then.
    unheard: Option<(OutboxId, i32)>,
}

impl Drain<'_> {
    /// True when the conversation was let go.
    async fn step(&mut self) -> Result<bool, StoreError> {
        let (worker, lease) = (self.worker, &self.held.lease);
        if worker.stop.is_cancelled() {
            if self.broken_off.is_some() || self.unheard.is_some() {
                let seen = worker.store.snapshot(lease).await?;
                self.settle(&seen).await?;
            }
            return self.hand_over().await;
        }
        let seen = match self.seen.take() {
            Some(seen) => seen,
            None => worker.store.snapshot(lease).await?,
        };
        let looked_at = Instant::now();
        if self.settle(&seen).await? {
            return Ok(false);
        }
        // The lease has the old peer.
        if seen.peer != lease.peer {
            return self.hand_over().await;
        }
        let mut due: Option<Micros> = None;
        if let Some(row) = &seen.first_unsent {
            match self.outbox(&seen, row).await? {
                Step::Released => return Ok(true),
                Step::Again => return Ok(false),
                Step::Wait(until) => due = Some(until),
            }
        } else if seen.unsent > 0 {
            tracing::error!(
                unsent = seen.unsent,
                "rows are counted as unsent and there is none: see conversations.unsent"
            );
            due = Some(seen.now + GAP_PAUSE);
        }
        if seen.next_seq > seen.done_seq {
            if self.turns >= TURNS_MAX || self.started.elapsed() > TIME_MAX {
                metrics::counter!(metric::WORKER_YIELDS).increment(1);
                return self.hand_over().await;
            }
            match self.turn(&seen).await? {
                Turned::Begun(row) => {
                    let step = send::transmit(worker, self.held, &row, row.attempt, (seen.now, looked_at)).await;
                    return Ok(matches!(step, Step::Released));
                }
                Turned::Again => return Ok(false),
                Turned::Wait(until) => due = Some(due.map_or(until, |due| due.min(until))),
            }
        }
        match due {
            None => worker.store.release_idle(lease).await,
            Some(due) => self.park(&seen, due).await,
        }
    }

    /// Puts right what a write of ours left whose end we did not hear. True: what was seen is not so any more.
    async fn settle(&mut self, seen: &Snapshot) -> Result<bool, StoreError> {
        let (store, lease) = (&self.worker.store, &self.held.lease);
        if seen.epoch != lease.epoch {
            return Err(StoreError::Fenced);
        }
        let never_left = seen.first_unsent.as_ref().filter(|row| self.never_left(row));
        if let Some(row) = never_left {
            let again = Outcome::Pending { due_at: seen.now };
            store.record_outcome(lease.conversation, row.id, row.attempt, &again).await?;
        }
        if let Some(seq) = self.broken_off {
            store.reset_attempts(lease, seq).await?;
            self.broken_off = None;
        }
        Ok(never_left.is_some())
    }

    /// True for a part whose sending began with a write of ours that we did not hear the end of: with the commit of a turn,
    /// or alone. It was not sent then.
    fn never_left(&self, row: &OutboxRow) -> bool {
        let by_commit = row.attempt == 1 && Some(row.in_seq) == self.broken_off;
        row.status == OutboxStatus::Sending && (by_commit || Some((row.id, row.attempt)) == self.unheard)
    }

    async fn outbox(&mut self, seen: &Snapshot, row: &OutboxRow) -> Result<Step, StoreError> {
        let due = match row.status {
            OutboxStatus::Sending => row.sending_at.unwrap_or(row.due_at) + IN_FLIGHT,
            _ => row.due_at,
        };
        if seen.now < due {
            return Ok(Step::Wait(due));
        }
        match row.status {
            OutboxStatus::Pending => {
                let sent = send::send(self.worker, self.held, row, seen.now).await;
                if sent.is_err() {
                    self.unheard = Some((row.id, row.attempt + 1));
                }
                sent
            }
            _ => {
                send::resolve(self.worker, self.held, row).await?;
                Ok(Step::Again)
            }
        }
    }

    async fn turn(&mut self, seen: &Snapshot) -> Result<Turned, StoreError> {
        match run_turn::run(self.worker, self.held, seen).await {
            Ok(Turned::Wait(until)) => Ok(Turned::Wait(until)),
            Ok(done) => {
                self.turns += 1;
                Ok(done)
            }
            Err(TurnError::Store(error)) => {
                if error.is_retryable() || matches!(error, StoreError::JournalConflict) {
                    self.broken_off = Some(seen.done_seq + 1);
                }
                Err(error)
            }
        }
    }

    async fn park(&self, seen: &Snapshot, due: Micros) -> Result<bool, StoreError> {
        let lease = &self.held.lease;
        let as_seen = Seen { next_seq: seen.next_seq, wake_at: seen.wake_at };
        let left = self.worker.store.park(lease, due, as_seen).await?;
        let wait = due.since(seen.now);
        if left && wait < PARK_TIMER_MAX {
            self.worker.ring_after(lease.conversation, wait + Duration::from_millis(1));
        }
        Ok(left)
    }

    /// For whoever comes next: another worker, or this one after others had their turn.
    async fn hand_over(&self) -> Result<bool, StoreError> {
        let lease = &self.held.lease;
        if self.worker.store.release_idle(lease).await? {
            return Ok(true);
        }
        if !self.worker.store.yield_now(lease).await? {
            return Err(StoreError::Fenced);
        }
        self.worker.coordination.ring(lease.conversation, service_kit::telemetry::traceparent().as_deref());
        Ok(true)
    }
}
