//! How fast one business may write to one person: error 131056.

use std::time::Duration;

use domain::Micros;

/// The limit of sends to one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairRate {
    /// One message in this time, in the long run.
    pub every: Duration,
    /// So many at once after a pause; at least 1.
    pub burst: u32,
}

impl Default for PairRate {
    /// One message in 6 s, and 45 at once.
    fn default() -> Self {
        Self { every: Duration::from_secs(6), burst: 45 }
    }
}

/// What one pair has used of its limit: the time at which all of it is there again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(Micros);

impl Pace {
    /// Takes one message from the limit; false when none is left.
    pub(super) fn take(&mut self, rate: PairRate, now: Micros) -> bool {
        let free_at = self.0.max(now);
        let allowed = free_at.since(now) <= rate.every.saturating_mul(rate.burst.saturating_sub(1));
        if allowed {
            self.0 = free_at + rate.every;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_in_each_interval() {
        let rate = PairRate { every: Duration::from_secs(6), burst: 3 };
        let mut pace = Pace::default();
        let second = |seconds: i64| Micros(1_000_000_000 + seconds * 1_000_000);
        let taken: Vec<bool> =
            [0, 0, 0, 0, 5, 6, 6, 12, 60, 60, 60, 60].into_iter().map(|at| pace.take(rate, second(at))).collect();
        assert_eq!(taken, [true, true, true, false, false, true, false, true, true, true, true, false]);
    }
}
