//! Finds conversations whose bell was lost, and rings for them; any worker may, one at a time does. Turns due alarms into
//! messages and removes the content of old files, too.

use std::{sync::Arc, time::Duration};

use coordination::Away;
use domain::telemetry::metric;
use service_kit::{Gate, Heartbeat};
use store::{StoreError, SweepInput};
use tokio::task::JoinHandle;

use crate::{files, worker::Worker};

/// How often.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Bells rung in one go.
const RINGS_MAX: i64 = 1_000;
/// Due alarms turned into messages in one go.
const ALARMS_MAX: i64 = 200;
/// Files whose content is removed in one go.
const FILES_MAX: i64 = 20;
/// Files of the file store removed in one go; each takes seconds at most.
const UNUSED_MAX: usize = 50;
/// Every so many sweeps files that nobody has any more are removed from the file store.
const UNUSED_EVERY: u32 = 5;
/// Every so many of these what killed processes left of files is looked for, and soon after a start.
const STALE_EVERY: u32 = 360;
/// Every so many sweeps the stream is trimmed and silent consumers are removed.
const TIDY_EVERY: u32 = 30;
/// A consumer that was silent for so long is gone.
const CONSUMER_IDLE_MIN: Duration = Duration::from_secs(10 * 60);

/// What the sweeper tells of the world.
pub struct Gates {
    /// Whether the database has the tables we need.
    pub database: Gate,
    /// Whether bells are heard; without them the store is polled.
    pub doorbell: Gate,
}

/// Sweeps until the worker stops.
pub async fn run(worker: Arc<Worker>, gates: Gates, heartbeat: Heartbeat) {
    let mut round: u32 = 0;
    let mut removing = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = worker.stop.cancelled() => return gates.doorbell.set_reason("the worker stops"),
        }
        heartbeat.beat();
        round = round.wrapping_add(1);
        match worker.store.ping().await {
            Ok(()) => gates.database.set(true),
            Err(error) => {
                gates.database.set_reason(format!("{error}"));
                continue;
            }
        }
        // Before the look at the doorbell: an alarm needs none.
        if let Err(error) = ripen(&worker).await {
            tracing::warn!(%error, "due alarms were not turned into messages");
        }
        if let Err(error) = worker.store.expire_files(FILES_MAX).await {
            tracing::warn!(%error, "the content of old files was not removed");
        }
        match sweep(&worker).await {
            Ok(()) => gates.doorbell.set(true),
            Err(Failed::Away(away)) => gates.doorbell.set_reason(away.to_string()),
            Err(Failed::Store(error)) => tracing::warn!(%error, "the sweep failed"),
        }
        if let Err(error) = measure(&worker).await {
            tracing::warn!(%error, "the backlog was not measured");
        }
        // Apart from the sweep: a file store may take its time.
        if round.is_multiple_of(UNUSED_EVERY) && removing.as_ref().is_none_or(JoinHandle::is_finished) {
            let stale = (round / UNUSED_EVERY) % STALE_EVERY == 1;
            removing = Some(tokio::spawn(remove_unused(Arc::clone(&worker), stale)));
        }
        if round.is_multiple_of(TIDY_EVERY) {
            tidy(&worker).await;
            worker.tenants.refresh_titles().await;
        }
    }
}

async fn remove_unused(worker: Arc<Worker>, stale: bool) {
    if stale {
        files::remove_stale(&worker).await;
    }
    if let Err(error) = files::remove_unused(&worker, UNUSED_MAX).await {
        tracing::warn!(%error, "unused files were not removed");
    }
}

/// Turns due alarms into messages and rings for them.
async fn ripen(worker: &Worker) -> Result<(), StoreError> {
    for conversation in worker.store.ripen_alarms(ALARMS_MAX).await? {
        worker.coordination.ring(conversation, None);
    }
    Ok(())
}

enum Failed {
    Away(Away),
    Store(StoreError),
}

/// One sweep: reads the group's state, asks the store, rings.
async fn sweep(worker: &Worker) -> Result<(), Failed> {
    let group = worker.coordination.group_state().await.map_err(Failed::Away)?;
    let input = SweepInput {
        last_delivered_at: group.last_delivered_at,
        lag: group.lag,
        recreated: group.recreated,
        limit: RINGS_MAX,
    };
    let swept = worker.store.sweep(&input).await;
    if group.recreated && !matches!(swept, Ok(Some(_))) {
        worker.coordination.bells_were_lost(); // only this process knows: the next sweep rings for them
    }
    let lost = swept.map_err(Failed::Store)?.unwrap_or_default();
    for conversation in &lost {
        worker.coordination.ring(*conversation, None);
    }
    if !lost.is_empty() {
        metrics::counter!(metric::SWEEPER_RINGS).increment(u64::try_from(lost.len()).unwrap_or(0));
        tracing::debug!(conversations = lost.len(), "rang again");
    }
    if let Some(lag) = group.lag {
        metrics::gauge!(metric::DOORBELL_LAG).set(gauge(lag));
    }
    Ok(())
}

/// The true backlog, from the database; an alert compares it with the lag.
async fn measure(worker: &Worker) -> Result<(), StoreError> {
    metrics::gauge!(metric::BACKLOG_CONVERSATIONS).set(gauge(worker.store.runnable_count().await?));
    metrics::gauge!(metric::OUTBOUND_HELD).set(gauge(worker.store.held_count().await?));
    Ok(())
}

async fn tidy(worker: &Worker) {
    if let Err(away) = worker.coordination.trim().await {
        tracing::debug!(error = %away, "the stream was not trimmed");
    }
    if let Err(away) = worker.coordination.remove_consumers(CONSUMER_IDLE_MIN).await {
        tracing::debug!(error = %away, "silent consumers were not removed");
    }
}

fn gauge(n: i64) -> f64 {
    i32::try_from(n).map_or(f64::MAX, f64::from)
}
