//! Times and durations in words.

use std::time::Duration;

use domain::Micros;

/// A point in time: for machines, for people (UTC), and how long ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// RFC 3339.
    pub machine: String,
    /// `2026-11-21 07:47:37 UTC`.
    pub words: String,
    /// `3 min ago`.
    pub ago: String,
}

impl When {
    /// `at`, seen from `now`.
    pub fn new(at: Micros, now: Micros) -> Self {
        let time = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
        let ago = if at > now && at.since(now) > Duration::from_secs(1) {
            format!("in {}", span(at.since(now)))
        } else {
            format!("{} ago", span(now.since(at)))
        };
        Self {
            machine: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            words: time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ago,
        }
    }
}

/// A duration in its largest fitting unit: `840 ms`, `2.3 s`, `4 min`, `3 h`, `12 d`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds / 60),
        6_000..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Singular or plural: `1 message`, `2 messages`.
pub fn counted(count: i64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (millis, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (2_340, "2.3 s"),
            (59_000, "59 s"),
            (240_000, "4 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn times_are_told_from_now() {
        let now = Micros(1_763_711_257_000_000);
        let when = When::new(Micros(now.0 - 180_000_000), now);
        assert_eq!((when.words.as_str(), when.ago.as_str()), ("2025-11-21 07:44:37 UTC", "3 min ago"));
        assert_eq!(when.machine, "2025-11-21T07:44:37Z");
        assert_eq!(When::new(now + Duration::from_secs(20), now).ago, "in 20 s");
    }
}
