//! When to ask again.

use std::time::Duration;

use crate::{LlmError, Retry};

/// Wait before the attempt after number `attempt` (counted from 1), or `None` when it is over.
///
/// Without a word of the endpoint: "full jitter", uniform in `[0, min(wait_max, wait_base * 2^(attempt-1)))` (M. Brooker,
/// *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015). With one: at least that, and up to `wait_base` more.
/// A wait that does not fit into `left` is not begun. `unit_random` is in `[0, 1)`.
pub(crate) fn next_wait(
    retry: &Retry,
    attempt: u32,
    error: &LlmError,
    left: Duration,
    unit_random: f64,
) -> Option<Duration> {
    if attempt >= retry.attempts {
        return None;
    }
    let wait = match error {
        LlmError::Busy { retry_after: Some(asked) } => asked.saturating_add(retry.wait_base.mul_f64(unit_random)),
        LlmError::Busy { retry_after: None } | LlmError::Away(_) => {
            let doubled = retry.wait_base.saturating_mul(1_u32 << (attempt - 1).min(20));
            doubled.min(retry.wait_max).mul_f64(unit_random)
        }
        LlmError::Slow { .. } | LlmError::Refused { .. } | LlmError::Cut(_) | LlmError::Nonsense(_) => return None,
    };
    (wait < left).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attempt: u32, error: LlmError, unit_random: f64, expected_ms: Option<u64>) {
        let retry = Retry { attempts: 4, wait_base: Duration::from_millis(100), wait_max: Duration::from_millis(300) };
        let wait = next_wait(&retry, attempt, &error, Duration::from_secs(10), unit_random);
        assert_eq!(wait, expected_ms.map(Duration::from_millis), "{attempt} {error}");
    }

    #[test]
    fn waits_double_up_to_their_limit_and_the_endpoint_s_word_counts() {
        let away = || LlmError::Away("x".to_owned());
        let busy = |seconds| LlmError::Busy { retry_after: Some(Duration::from_secs(seconds)) };
        check(1, away(), 0.5, Some(50));
        check(2, away(), 0.5, Some(100));
        check(3, away(), 0.5, Some(150));
        check(4, away(), 0.5, None);
        check(1, away(), 0.0, Some(0));
        check(1, busy(2), 0.5, Some(2_050));
        check(1, busy(11), 0.0, None);
        check(1, busy(u64::MAX), 0.9, None);
        check(1, LlmError::Busy { retry_after: None }, 0.5, Some(50));
        check(1, LlmError::Refused { status: 401, reason: String::new() }, 0.5, None);
        check(1, LlmError::Cut(String::new()), 0.5, None);
    }
}
