//! Stops sending to an account whose platform fails, until one try succeeds: each attempt that meets a broken platform
//! may leave an answer of which nobody knows whether it arrived.
//!
//! Each worker judges by what it saw itself. A platform that asks for a pause is not broken; that pause is shared.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{Account, Tenant, telemetry::metric};
use tokio::time::Instant;

/// Failures in a row after which nothing more is sent for a while.
const FAILURES_MAX: u32 = 5;
/// The first pause; each try that fails after it doubles the next one ...
const PAUSE: Duration = Duration::from_secs(5);
/// ... up to this.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// While one try is on its way, others look again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a send told about the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered.
    Answered,
    /// It could not be reached, answered late, or with an error of its own.
    Failed,
}

/// A breaker for each account.
#[derive(Default)]
pub struct Breakers(Mutex<HashMap<(Tenant, Account), Breaker>>);

#[derive(Clone, Copy)]
enum Breaker {
    /// Sends go out.
    Closed { failures: u32 },
    /// Nothing is sent before this time.
    Open { until: Instant, pause: Duration },
    /// One send tries; when it is not heard of by this time, the next may.
    Trying { until: Instant, pause: Duration },
}

impl Breakers {
    /// Whether something may be sent now. Who may, tells by [`Breakers::tell`] how it ended, within `deadline`.
    ///
    /// # Errors
    /// How long to wait.
    pub fn permit(&self, tenant: &Tenant, account: &Account, deadline: Duration) -> Result<(), Duration> {
        let now = Instant::now();
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(breaker) = breakers.get_mut(&(tenant.clone(), account.clone())) else {
            return Ok(());
        };
        match *breaker {
            Breaker::Closed { .. } => Ok(()),
            Breaker::Open { until, .. } if now < until => Err(until - now),
            Breaker::Trying { until, .. } if now < until => Err(LOOK_AGAIN),
            Breaker::Open { pause, .. } | Breaker::Trying { pause, .. } => {
                *breaker = Breaker::Trying { until: now + deadline, pause };
                Ok(())
            }
        }
    }

    /// Takes the end of a send in.
    pub fn tell(&self, tenant: &Tenant, account: &Account, health: Health) {
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), account.clone());
        if health == Health::Answered {
            if matches!(breakers.remove(&key), Some(Breaker::Open { .. } | Breaker::Trying { .. })) {
                tracing::info!(%account, "the platform answers again");
            }
            return;
        }
        let breaker = breakers.entry(key).or_insert(Breaker::Closed { failures: 0 });
        let pause = match breaker {
            Breaker::Closed { failures } if *failures + 1 < FAILURES_MAX => {
                *failures += 1;
                return;
            }
            Breaker::Closed { .. } => PAUSE,
            Breaker::Open { .. } => return, // it had been on its way already
            Breaker::Trying { pause, .. } => (*pause * 2).min(PAUSE_MAX),
        };
        *breaker = Breaker::Open { until: Instant::now() + pause, pause };
        let channel = account.channel().to_owned();
        metrics::counter!(metric::OUTBOUND_PAUSES, "channel" => channel).increment(1);
        tracing::error!(%account, pause_s = pause.as_secs(), "the platform fails; answers wait");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    struct One(Breakers, Tenant, Account);

    impl One {
        fn new() -> Self {
            let account = "infobip:385990000000".parse().expect("an account");
            Self(Breakers::default(), Tenant::new("t").expect("a tenant"), account)
        }

        fn permit(&self) -> Result<(), Duration> {
            self.0.permit(&self.1, &self.2, DEADLINE)
        }

        fn tell(&self, healths: &[Health]) {
            healths.iter().for_each(|health| self.0.tell(&self.1, &self.2, *health));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_one_answer_between_them_does_not_let_it() {
        let one = One::new();
        one.tell(&[Health::Failed; 4]);
        one.tell(&[Health::Answered]);
        one.tell(&[Health::Failed; 4]);
        assert_eq!(one.permit(), Ok(()));
        one.tell(&[Health::Failed]);
        assert_eq!(one.permit(), Err(PAUSE));
        let other = "infobip:385990000001".parse().expect("an account");
        assert_eq!(one.0.permit(&one.1, &other, DEADLINE), Ok(()), "another account");
    }

    #[tokio::test(start_paused = true)]
    async fn one_send_tries_and_each_failure_doubles_the_pause_up_to_a_minute() {
        let one = One::new();
        one.tell(&[Health::Failed; 7]); // the last two had been on their way
        for pause in [5, 10, 20, 40, 60, 60] {
            let pause = Duration::from_secs(pause);
            assert_eq!(one.permit(), Err(pause));
            tokio::time::advance(pause).await;
            assert_eq!(one.permit(), Ok(()));
            assert_eq!(one.permit(), Err(LOOK_AGAIN), "while it tries");
            one.tell(&[Health::Failed]);
        }
        tokio::time::advance(PAUSE_MAX).await;
        assert_eq!(one.permit(), Ok(()));
        one.tell(&[Health::Answered]);
        assert_eq!((one.permit(), one.permit()), (Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_is_never_heard_of_again_makes_room_for_the_next() {
        let one = One::new();
        one.tell(&[Health::Failed; 5]);
        tokio::time::advance(PAUSE).await;
        assert_eq!(one.permit(), Ok(()));
        tokio::time::advance(DEADLINE).await;
        assert_eq!(one.permit(), Ok(()));
    }
}
