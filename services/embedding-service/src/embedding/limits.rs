//! What a provider allows: requests a minute, texts a day, and pauses after it refused. Pure: time is an argument.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use domain::Micros;
use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Pauses after failures double from the one to the other.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A longer pause that the provider asks for is looked at again after this.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// What vectors are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Operations, in the background: leaves a fifth of a minute's requests and a tenth of a day's texts to the others.
    WarmUp,
    /// A sentence that somebody waits for.
    Question,
    /// A call of EmbeddingService.
    Call,
}

impl Purpose {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm_up",
            Self::Question => "question",
            Self::Call => "call",
        }
    }
}

/// Texts of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    /// Texts sent on it, refused ones included.
    pub texts: u64,
}

/// Whether a request may be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Now, with so many texts: one at least.
    Go(usize),
    /// Not before this has passed.
    NotNow(Duration),
    /// The day's texts are used up; there are new ones after this.
    QuotaSpent(Duration),
}

/// The limits and what was used of them.
#[derive(Debug)]
pub struct Limits {
    requests_per_minute: usize,
    texts_per_day: u64,
    spent: Spent,
    sent: VecDeque<Instant>,
    failures: u32,
    paused_until: Option<Instant>,
}

impl Limits {
    /// 0 means without a limit.
    pub fn new(requests_per_minute: usize, texts_per_day: u64, spent: Spent) -> Self {
        Self { requests_per_minute, texts_per_day, spent, sent: VecDeque::new(), failures: 0, paused_until: None }
    }

    /// What was used today.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// True when a day's texts are limited.
    pub fn has_quota(&self) -> bool {
        self.texts_per_day > 0
    }

    /// May a request of up to `texts` texts be made? If so it counts as made.
    pub fn admit(&mut self, purpose: Purpose, texts: usize, now: Instant, wall: Micros) -> Admission {
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Admission::NotNow(until - now);
        }
        while self.sent.front().is_some_and(|sent| now.saturating_duration_since(*sent) >= MINUTE) {
            self.sent.pop_front();
        }
        let is_warm_up = purpose == Purpose::WarmUp;
        if self.requests_per_minute > 0 {
            let reserve = if is_warm_up { self.requests_per_minute / 5 } else { 0 };
            let most = self.requests_per_minute - reserve;
            if let Some(oldest) = self.sent.len().checked_sub(most).and_then(|at| self.sent.get(at)) {
                return Admission::NotNow(MINUTE.saturating_sub(now.saturating_duration_since(*oldest)));
            }
        }
        let (day, tomorrow) = day(wall);
        if self.spent.day != day {
            self.spent = Spent { day, texts: 0 };
        }
        let mut granted = texts.max(1);
        if self.texts_per_day > 0 {
            let reserve = if is_warm_up { self.texts_per_day / 10 } else { 0 };
            let left = (self.texts_per_day - reserve).saturating_sub(self.spent.texts);
            if left == 0 {
                return Admission::QuotaSpent(tomorrow);
            }
            granted = granted.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        self.sent.push_back(now);
        self.spent.texts += granted as u64;
        Admission::Go(granted)
    }

    /// A request was answered well.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// A request failed: nothing is asked for the time the provider says, else for one that doubles with each failure.
    pub fn failed(&mut self, asked: Option<Duration>, now: Instant) {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        let until = now + asked.map_or(doubled, |asked| asked.min(ASKED_PAUSE_MAX));
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
    }
}

/// The day of a time in UTC, and how long it lasts from then on.
fn day(wall: Micros) -> (i64, Duration) {
    let seconds = i64::try_from(DAY.as_secs()).unwrap_or(i64::MAX);
    let day = wall.seconds().div_euclid(seconds);
    let next = Micros((day + 1).saturating_mul(seconds).saturating_mul(1_000_000));
    (day, next.since(wall))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Micros = Micros(20_000 * 86_400_000_000 + 43_200_000_000);

    #[test]
    fn requests_of_a_minute_are_limited_and_some_are_left_to_questions() {
        let start = Instant::now();
        let mut limits = Limits::new(5, 0, Spent::default());
        for _ in 0..4 {
            assert_eq!(limits.admit(Purpose::WarmUp, 9, start, NOON), Admission::Go(9));
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(limits.admit(Purpose::WarmUp, 9, later, NOON), Admission::NotNow(Duration::from_secs(40)));
        assert_eq!(limits.admit(Purpose::Question, 1, later, NOON), Admission::Go(1));
        assert_eq!(limits.admit(Purpose::Question, 1, later, NOON), Admission::NotNow(Duration::from_secs(40)));
        assert_eq!(limits.admit(Purpose::Question, 1, start + MINUTE, NOON), Admission::Go(1));
    }

    #[test]
    fn texts_of_a_day_are_limited_and_begin_anew_at_midnight() {
        let now = Instant::now();
        let mut limits = Limits::new(0, 100, Spent::default());
        assert_eq!(limits.admit(Purpose::WarmUp, 60, now, NOON), Admission::Go(60));
        assert_eq!(limits.admit(Purpose::WarmUp, 60, now, NOON), Admission::Go(30));
        let half_a_day = Duration::from_secs(43_200);
        assert_eq!(limits.admit(Purpose::WarmUp, 60, now, NOON), Admission::QuotaSpent(half_a_day));
        // A restart does not forget it.
        let mut limits = Limits::new(0, 100, limits.spent());
        assert_eq!(limits.admit(Purpose::WarmUp, 60, now, NOON), Admission::QuotaSpent(half_a_day));
        assert_eq!(limits.admit(Purpose::Question, 60, now, NOON), Admission::Go(10));
        assert_eq!(limits.admit(Purpose::Question, 1, now, NOON), Admission::QuotaSpent(half_a_day));
        assert_eq!(limits.admit(Purpose::WarmUp, 60, now, NOON + half_a_day), Admission::Go(60));
    }

    #[test]
    fn failures_pause_longer_and_longer_and_the_provider_s_word_counts() {
        let now = Instant::now();
        let mut limits = Limits::new(0, 0, Spent::default());
        let pause = |limits: &mut Limits, now| match limits.admit(Purpose::Call, 1, now, NOON) {
            Admission::NotNow(pause) => pause.as_secs(),
            other => panic!("{other:?}"),
        };
        limits.failed(None, now);
        assert_eq!(pause(&mut limits, now), 1);
        limits.failed(None, now);
        assert_eq!(pause(&mut limits, now), 2);
        for _ in 0..20 {
            limits.failed(None, now);
        }
        assert_eq!(pause(&mut limits, now), 60);
        limits.succeeded();
        limits.failed(Some(Duration::from_secs(90)), now);
        assert_eq!(pause(&mut limits, now), 90);
        limits.failed(None, now);
        assert_eq!(pause(&mut limits, now), 90);
        assert_eq!(limits.admit(Purpose::Call, 1, now + Duration::from_secs(90), NOON), Admission::Go(1));
    }
}
