//! How a model is: by the ends of its last calls, and in quiet times by a question that costs no tokens.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// So long the last call tells how the model is.
const BELIEVED: Duration = Duration::from_secs(60);
/// So many calls in a row that fail make a model that fails; fewer are an accident.
const FAILURES: u32 = 3;

/// The ends of a model's calls.
#[derive(Debug, Default)]
pub struct Health {
    calls: Mutex<Calls>,
    turned: Notify,
}

#[derive(Debug, Default)]
struct Calls {
    last: Option<Instant>,
    failures: u32,
    why: String,
}

impl Health {
    /// A call was answered.
    pub fn answered(&self) {
        self.ended(None);
    }

    /// A call was not; `why` holds no key and no URL.
    pub fn failed(&self, why: &str) {
        self.ended(Some(why));
    }

    fn ended(&self, failure: Option<&str>) {
        if self.lock().ended(Instant::now(), failure) {
            self.turned.notify_one();
        }
    }

    /// Waits until calls begin to fail or to be answered again; for one waiter.
    pub async fn turned(&self) {
        self.turned.notified().await;
    }

    /// How it is: as its last calls ended, if that was lately, else what `probe` says.
    ///
    /// # Errors
    /// Why it gives no answers.
    pub async fn now(&self, probe: impl Future<Output = Result<(), String>>) -> Result<(), String> {
        let known = self.lock().told(Instant::now());
        match known {
            Some(known) => known,
            None => probe.await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Counts are sound after a panic elsewhere.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// True when the model turned from well to failing, or back.
    fn ended(&mut self, now: Instant, failure: Option<&str>) -> bool {
        let was_failing = self.failures >= FAILURES;
        self.last = Some(now);
        match failure {
            None => self.failures = 0,
            Some(why) => {
                self.failures = self.failures.saturating_add(1);
                why.clone_into(&mut self.why);
            }
        }
        was_failing != (self.failures >= FAILURES)
    }

    /// What the calls tell; none when there was none lately.
    fn told(&self, now: Instant) -> Option<Result<(), String>> {
        self.last.filter(|last| now.saturating_duration_since(*last) < BELIEVED)?;
        Some(if self.failures >= FAILURES { Err(self.why.clone()) } else { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_tell_for_a_minute_and_one_failure_is_an_accident() {
        let (begun, mut calls) = (Instant::now(), Calls::default());
        let after = |seconds: u64| begun + Duration::from_secs(seconds);
        assert_eq!(calls.told(begun), None, "not asked yet");
        assert!(!calls.ended(after(1), None));
        for second in 2..4 {
            assert!(!calls.ended(after(second), Some("busy")));
            assert_eq!(calls.told(after(second)), Some(Ok(())));
        }
        assert!(calls.ended(after(4), Some("away")), "the third in a row");
        assert!(!calls.ended(after(5), Some("away")));
        assert_eq!(calls.told(after(64)), Some(Err("away".to_owned())));
        assert_eq!(calls.told(after(65)), None, "the provider may be back");
        assert!(calls.ended(after(70), None));
        assert_eq!(calls.told(after(70)), Some(Ok(())));
    }
}
