//! Vectors of the operations, made in the background by the default model. Until they are there, an older model that is
//! still configured and has them goes on; without one, and whenever none can be had, the words alone decide.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use ai::Values;
use domain::{Clock, Micros, Tenant, telemetry::metric};
use retrieval::meaning::NEUTRAL;
use service_kit::Gate;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Catalogue, Generation, Snapshot};
use crate::{
    embedding::{Purpose, Remote, RemoteError},
    work::WorkError,
};

/// Longest sleep before the wall clock is looked at again.
const LOOK: Duration = Duration::from_secs(30);
/// Pause before a request that failed without a word about when to come back.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);
/// Pause when the machine has too much to do to build what came.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// Texts after which what came is used.
const TEXTS_OF_A_ROUND: usize = 4_096;

/// Makes what is missing, now and after each change of a catalogue or of a switch, until `stop`; nothing for a tenant
/// whose AI is off. The gate says what is waited for; it does not count for readiness.
pub async fn warm(
    catalogue: Catalogue,
    remote: Arc<Remote>,
    clock: Arc<dyn Clock>,
    gate: Gate,
    stop: CancellationToken,
) {
    let (complete, switched) = (HashMap::new(), catalogue.switches.changes());
    let mut warmer = Warmer { catalogue, remote, clock, gate, switched, complete, begun: None, told: String::new() };
    tokio::select! {
        () = stop.cancelled() => {}
        () = warmer.run() => {}
    }
}

struct Warmer {
    catalogue: Catalogue,
    remote: Arc<Remote>,
    clock: Arc<dyn Clock>,
    gate: Gate,
    switched: watch::Receiver<HashMap<Tenant, Values>>,
    /// Catalogues that have all there is.
    complete: HashMap<Tenant, Weak<Snapshot>>,
    /// Since vectors were missing: when that was, and how many came.
    begun: Option<(Instant, usize)>,
    told: String,
}

/// How a round ended that nothing stopped.
enum Round {
    /// There are no operations at all.
    Empty,
    /// All have vectors.
    Complete,
    /// All that may be asked for have; so many texts wait for AI to be switched on.
    Off(usize),
}

/// Why there is more to do, and when.
struct Stopped {
    wait: Duration,
    why: String,
    /// How people are served until then.
    meanwhile: String,
}

impl Warmer {
    async fn run(&mut self) {
        loop {
            match self.round().await {
                Ok(round) => {
                    let waiting = if let Round::Off(waiting) = round { waiting } else { 0 };
                    #[expect(clippy::cast_precision_loss, reason = "counts of texts are far below 2^52")]
                    metrics::gauge!(metric::EMBEDDING_PENDING_TEXTS).set(waiting as f64);
                    metrics::gauge!(metric::EMBEDDING_RESUMES_AT).set(0.0);
                    match round {
                        Round::Empty => self.gate.set_reason("there are no operations yet"),
                        Round::Complete => self.gate.set(true),
                        Round::Off(waiting) => self.gate.set_reason(format!(
                            "AI is switched off; {waiting} texts have no vector; searching by words meanwhile"
                        )),
                    }
                    if !matches!(round, Round::Off(_)) {
                        if let Some((began, texts)) = self.begun.take() {
                            let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                            tracing::info!(model = %self.remote.name(), texts, took_ms, "all operations have vectors");
                        }
                        self.told.clear();
                    }
                    tokio::select! {
                        () = self.catalogue.changed() => {}
                        // Neutral lines may be missing, which nobody needed until now.
                        () = self.remote.first_question() => {}
                        // The sender lives in the catalogue, so it cannot be gone.
                        _ = self.switched.changed() => {}
                    }
                }
                Err(stopped) => self.wait(stopped).await,
            }
        }
    }

    /// Sleeps by the wall clock, which may jump.
    async fn wait(&mut self, stopped: Stopped) {
        let resumes = self.clock.now() + stopped.wait;
        if self.told != stopped.why {
            tracing::warn!(
                reason = stopped.why,
                resumes_at = utc(resumes),
                meanwhile = stopped.meanwhile,
                "operations wait for their vectors"
            );
            self.told.clone_from(&stopped.why);
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds of a date are far below 2^52")]
        metrics::gauge!(metric::EMBEDDING_RESUMES_AT).set(resumes.seconds() as f64);
        self.gate.set_reason(format!("{}; goes on at {}, {}", stopped.why, utc(resumes), stopped.meanwhile));
        loop {
            let left = resumes.since(self.clock.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    /// Looks at each tenant's catalogue once.
    async fn round(&mut self) -> Result<Round, Stopped> {
        let (mut is_any, mut off) = (false, 0);
        let tenants: BTreeSet<Tenant> = self.catalogue.known_tenants().into_iter().collect();
        for tenant in tenants {
            loop {
                let snapshot = Arc::clone(&self.catalogue.watch(&tenant).borrow());
                // As after a start with all vectors: nothing to look for, and nothing to build a second time.
                let has_all = |of: Arc<Generation>| of.is_whole && Arc::ptr_eq(&of.remote, &self.remote);
                if snapshot.generation().is_some_and(has_all) {
                    is_any = true;
                    metrics::gauge!(metric::EMBEDDING_PENDING_TEXTS).set(0.0);
                    break;
                }
                let missing = self.look(&snapshot).await?;
                is_any |= !snapshot.index().entries().is_empty();
                #[expect(clippy::cast_precision_loss, reason = "counts of texts are far below 2^52")]
                metrics::gauge!(metric::EMBEDDING_PENDING_TEXTS).set(missing.len() as f64);
                if missing.is_empty() {
                    // It may have been built while some were still on their way.
                    let is_complete = |known: &Weak<Snapshot>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(&snapshot));
                    if !self.complete.get(&tenant).is_some_and(is_complete) {
                        self.use_what_came(&snapshot).await?;
                        self.complete.insert(tenant.clone(), Arc::downgrade(&snapshot));
                    }
                    break;
                }
                if !self.catalogue.switches.of(&tenant).enabled {
                    off += missing.len();
                    self.use_what_came(&snapshot).await?;
                    break;
                }
                self.tell_progress(&tenant, &snapshot, missing.len());
                let part = &missing[..missing.len().min(TEXTS_OF_A_ROUND)];
                let outcome = self.embed(&tenant, part).await;
                self.use_what_came(&snapshot).await?;
                match outcome {
                    // Seen by the next look at this tenant.
                    Ok(()) | Err(RemoteError::Off) => {}
                    Err(error) => {
                        let missing = self.look(&snapshot).await?.len();
                        return Err(self.stopped(&error, missing, &snapshot));
                    }
                }
            }
        }
        Ok(match (is_any, off) {
            (_, off @ 1..) => Round::Off(off),
            (true, 0) => Round::Complete,
            (false, 0) => Round::Empty,
        })
    }

    /// The texts without a vector, each once: neutral lines first, since nothing works without them. Where these alone
    /// are missing, nobody needs them before the first search: a start with imported vectors asks for none.
    async fn look(&self, snapshot: &Arc<Snapshot>) -> Result<Vec<String>, Stopped> {
        let (snapshot, remote) = (Arc::clone(snapshot), Arc::clone(&self.remote));
        let look = move || {
            if snapshot.index().entries().is_empty() {
                return Vec::new();
            }
            let mut seen = HashSet::new();
            let of_operations: Vec<String> =
                snapshot.missing(&remote).filter(|text| seen.insert(text.clone())).collect();
            if of_operations.is_empty() && !remote.is_asked() {
                return Vec::new();
            }
            let neutral = NEUTRAL.iter().map(|line| (*line).to_owned());
            let is_missing = |line: &String| !remote.has_operation(line) && !remote.is_refused(line);
            neutral.filter(is_missing).chain(of_operations).collect()
        };
        self.catalogue.work().run(look).await.map_err(busy)
    }

    /// In the gate, and at its beginning in the log.
    fn tell_progress(&mut self, tenant: &Tenant, snapshot: &Snapshot, missing: usize) {
        if self.begun.is_none() {
            tracing::info!(tenant = %tenant, model = %self.remote.name(), texts = missing, "operations get their vectors");
            self.begun = Some((Instant::now(), 0));
        }
        self.gate.set_reason(format!("{missing} texts wait for their vectors, {}", self.meanwhile(snapshot)));
    }

    /// How people are served until all is there.
    fn meanwhile(&self, snapshot: &Snapshot) -> String {
        match snapshot.generation() {
            Some(generation) if !Arc::ptr_eq(&generation.remote, &self.remote) => {
                format!("searching by `{}` meanwhile", generation.remote.name())
            }
            Some(_) => "searching by those that there are meanwhile".to_owned(),
            None => "searching by words meanwhile".to_owned(),
        }
    }

    /// Batch after batch. What the provider does not take is left out.
    async fn embed(&mut self, tenant: &Tenant, texts: &[String]) -> Result<(), RemoteError> {
        let batches = self.remote.batches(texts);
        for batch in batches.into_iter().filter_map(|range| texts.get(range)) {
            if !self.catalogue.switches.of(tenant).enabled {
                return Err(RemoteError::Off);
            }
            for outcome in self.remote.vectors(batch, Purpose::WarmUp).await {
                match outcome {
                    Ok(_) => {
                        if let Some((_, came)) = &mut self.begun {
                            *came += 1;
                        }
                    }
                    Err(RemoteError::Refused(error)) => {
                        tracing::warn!(%error, "the embedding model does not take an operation's text; going on without");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn use_what_came(&self, snapshot: &Arc<Snapshot>) -> Result<(), Stopped> {
        let (snapshot, remotes) = (Arc::clone(snapshot), Arc::clone(&self.catalogue.remotes));
        let find = move || {
            let before = snapshot.generation();
            snapshot.find_meaning(&remotes, before.as_deref());
        };
        self.catalogue.work().run(find).await.map_err(busy)
    }

    fn stopped(&self, error: &RemoteError, missing: usize, snapshot: &Snapshot) -> Stopped {
        let (wait, why) = match error {
            RemoteError::QuotaSpent(wait) => (*wait, error.to_string()),
            RemoteError::NotNow(wait) => (*wait, error.to_string()),
            RemoteError::Llm(cause) | RemoteError::Refused(cause) => (FAILURE_PAUSE, cause.to_string()),
            RemoteError::Off | RemoteError::Ended => (FAILURE_PAUSE, error.to_string()),
        };
        Stopped { wait, why: format!("{why}; {missing} texts have no vector"), meanwhile: self.meanwhile(snapshot) }
    }
}

fn busy(error: WorkError) -> Stopped {
    Stopped { wait: BUSY_PAUSE, why: error.to_string(), meanwhile: "searching goes on meanwhile".to_owned() }
}

/// `2026-11-21T00:00:00Z`; civil from days by H. Hinnant, *chrono-Compatible Low-Level Date Algorithms*.
fn utc(at: Micros) -> String {
    let seconds = at.seconds();
    let (days, time) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3_600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_read_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_219_199, "2026-11-20T23:59:59Z"),
        ] {
            assert_eq!(utc(Micros(seconds * 1_000_000)), expected);
        }
    }
}
