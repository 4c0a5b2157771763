//! The rate limit as a formula: a token bucket kept as one time ("generic cell rate algorithm", ATM Forum, 1994).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Keys held before those that are full again are forgotten.
const KEYS_MAX: usize = 10_000;

/// Whether one more is allowed at `now`, when `burst` may come at once and `burst` come back every `per`.
///
/// `full_at` is the time at which the bucket will be full again, if known; all in microseconds on one clock. Gives the
/// new `full_at`, or the wait.
pub(crate) fn take(full_at: Option<u64>, now: u64, burst: u32, per: Duration) -> Result<u64, Duration> {
    let per = u64::try_from(per.as_micros()).unwrap_or(u64::MAX).max(1);
    let one = (per / u64::from(burst.max(1))).max(1);
    let next = full_at.unwrap_or(now).max(now).saturating_add(one);
    match next.saturating_sub(now).saturating_sub(per) {
        0 => Ok(next),
        wait => Err(Duration::from_micros(wait)),
    }
}

/// Limits of this process.
pub(crate) struct Limits {
    start: Instant,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    full_at: HashMap<String, u64>,
    paused_until: HashMap<String, u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { start: Instant::now(), keys: Mutex::default() }
    }
}

impl Limits {
    pub fn allow(&self, key: &str, burst: u32, per: Duration) -> Result<(), Duration> {
        let now = self.now();
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.full_at.len() + keys.paused_until.len() >= KEYS_MAX {
            keys.full_at.retain(|_, at| *at > now);
            keys.paused_until.retain(|_, until| *until > now);
        }
        if let Some(until) = keys.paused_until.get(key).filter(|until| **until > now) {
            return Err(Duration::from_micros(until - now));
        }
        let next = take(keys.full_at.get(key).copied(), now, burst, per)?;
        keys.full_at.insert(key.to_owned(), next);
        Ok(())
    }

    pub fn pause(&self, key: &str, wait: Duration) {
        let until = self.now().saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let present = keys.paused_until.entry(key.to_owned()).or_default();
        *present = until.max(*present);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let per = Duration::from_secs(10);
        let mut full_at = None;
        for _ in 0..5 {
            full_at = Some(take(full_at, 100 * SECOND, 5, per).expect("in the burst"));
        }
        assert_eq!(take(full_at, 100 * SECOND, 5, per), Err(Duration::from_secs(2)));
        assert_eq!(take(full_at, 101 * SECOND, 5, per), Err(Duration::from_secs(1)));
        full_at = Some(take(full_at, 102 * SECOND, 5, per).expect("one came back"));
        assert!(take(full_at, 102 * SECOND, 5, per).is_err());
        assert!(take(full_at, 1_000 * SECOND, 5, per).is_ok(), "idle buckets are full, not overfull");
    }

    #[test]
    fn odd_figures_do_no_harm() {
        assert!(take(None, 0, 0, Duration::ZERO).is_ok());
        assert!(take(Some(u64::MAX), 0, 1, Duration::from_secs(1)).is_err());
        assert!(take(None, u64::MAX, 1, Duration::MAX).is_ok());
    }

    #[test]
    fn the_longer_of_two_pauses_holds() {
        let limits = Limits::default();
        limits.pause("a", Duration::from_secs(60));
        limits.pause("a", Duration::from_secs(1));
        let wait = limits.allow("a", 10, Duration::from_secs(1)).expect_err("paused");
        assert!(wait > Duration::from_secs(30), "{wait:?}");
        assert_eq!(limits.allow("b", 10, Duration::from_secs(1)), Ok(()));
    }
}
