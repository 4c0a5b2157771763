//! Points in time and the clock that gives them.

use std::{
    ops::{Add, Sub},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, as the database stores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Micros) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The same time rounded down to its second, as platforms give theirs.
    pub fn floor_second(self) -> Micros {
        Micros(self.seconds() * 1_000_000)
    }
}

impl Add<Duration> for Micros {
    type Output = Micros;

    /// Saturates at the end of time.
    fn add(self, wait: Duration) -> Micros {
        Micros(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Micros {
    type Output = Micros;

    fn sub(self, wait: Duration) -> Micros {
        Micros(self.0.saturating_sub(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Gives the time; an argument wherever time matters, so that tests can choose it.
pub trait Clock: Send + Sync {
    /// Now, by this machine's wall clock. Leases use the database's clock instead.
    fn now(&self) -> Micros;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        Micros(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
