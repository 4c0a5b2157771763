//! `getUpdates`: long polling, by one at a time.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Inner, Telegram,
    params::Params,
    refusal::Refusal,
    webhook::{allow, ticked},
};

/// Seconds that a poll waits at most.
const LONGEST: i64 = 50;

fn conflict(text: &str) -> Refusal {
    Refusal::new(409, format!("Conflict: {text}"))
}

/// Waits for updates. Whoever polls while another still waits ends the other's wait with 409, as the real server does.
pub(super) async fn get_updates(telegram: &Telegram, params: &mut Params) -> Result<Value, Refusal> {
    let offset = params.integer("offset", 0, i64::MIN, i64::MAX);
    let limit = usize::try_from(params.integer("limit", 100, 1, 100)).unwrap_or(100);
    let wait = params.integer("timeout", 0, 0, LONGEST).unsigned_abs();
    let until = Instant::now() + Duration::from_secs(wait);
    let mut changes = telegram.changes();
    let mine = {
        let mut inner = telegram.lock();
        if inner.hook.is_some() {
            return Err(conflict(
                "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            ));
        }
        allow(&mut inner, params);
        for update in inner.updates.confirm(offset) {
            ticked(&mut inner, &update, true);
        }
        telegram.count(&inner);
        inner.polls += 1;
        inner.polls
    };
    telegram.changed();
    loop {
        changes.mark_unchanged();
        let now = telegram.now();
        {
            let mut inner = telegram.lock();
            let Inner { updates, hook, paused, polls, .. } = &mut *inner;
            if *polls != mine {
                return Err(conflict(
                    "terminated by other getUpdates request; make sure that only one bot instance is running",
                ));
            }
            if hook.is_some() {
                return Err(conflict("terminated by setWebhook request"));
            }
            let waiting = updates.pending(now).filter(|update| offset <= 0 || update.id >= offset);
            let found: Vec<Value> = waiting.take(limit).map(|update| update.body.clone()).collect();
            if !(found.is_empty() || *paused) {
                return Ok(Value::Array(found));
            }
        }
        if until <= Instant::now() || tokio::time::timeout_at(until, changes.changed()).await.is_err() {
            return Ok(json!([]));
        }
    }
}
