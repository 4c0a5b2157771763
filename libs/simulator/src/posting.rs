//! Webhooks on their way: posted until they are answered 2xx, with every attempt on record.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::watch;
use url::Url;

use crate::trouble::{Gathered, Sign, Trouble};

/// Records kept; the oldest go first.
const MOST_RECORDS: usize = 1_000_000;
/// Webhooks on their way at one time; more are given up at once.
const MOST_UNDER_WAY: usize = 200_000;

/// One webhook and what became of it.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The body.
    pub body: Value,
    /// Status of each attempt; 0 when there was no answer.
    pub statuses: Vec<u16>,
    /// Time until each answer, or until there was surely none.
    pub took: Vec<Duration>,
    /// Attempts that were answered with `Retry-After`.
    pub told_when: usize,
    /// True once it was answered 2xx.
    pub taken: bool,
}

/// Up to `limit` of what is kept with numbers below `before`, the newest of them, oldest first; the oldest that is kept
/// has the number `first`.
pub(crate) fn page<T>(
    kept: &VecDeque<T>,
    first: usize,
    before: Option<usize>,
    limit: usize,
) -> impl Iterator<Item = (usize, &T)> {
    let end = before.map_or(kept.len(), |before| before.saturating_sub(first).min(kept.len()));
    let begin = end.saturating_sub(limit);
    kept.range(begin..end).enumerate().map(move |(at, one)| (first + begin + at, one))
}

pub(crate) fn milliseconds(took: &[Duration]) -> Vec<u64> {
    took.iter().map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)).collect()
}

/// A signed webhook with its address.
pub(crate) struct Letter {
    pub(crate) url: Url,
    /// Besides content type and signature.
    pub(crate) headers: Vec<(String, String)>,
    /// The signature's header and value.
    pub(crate) signature: (String, String),
    /// The bytes that were signed.
    pub(crate) text: String,
}

/// Makes the letter of a body; `None`: there is nowhere to post it to.
type Seal = Arc<dyn Fn(&Value) -> Option<Letter> + Send + Sync>;
/// Hears whether a webhook was taken in the end.
type Done = Box<dyn FnOnce(bool) + Send>;

/// A webhook before it goes out.
struct Waiting {
    body: Value,
    seal: Seal,
    wait: Duration,
    done: Done,
}

/// One platform's outgoing webhooks.
pub(crate) struct Posting {
    pub(crate) client: reqwest::Client,
    attempts: u32,
    retry_wait: Duration,
    records: Mutex<Records>,
    under_way: watch::Sender<usize>,
    /// Puts the second body into the first; false when they do not fit together.
    merge: fn(&mut Value, &Value) -> bool,
    trouble: Mutex<Trouble>,
    gathered: Mutex<Vec<Waiting>>,
    /// Nobody serves the webhook's address.
    nobody: Seldom,
}

/// Says when something that goes on is to be logged: at once, and then at most once a minute.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    const PAUSE: Duration = Duration::from_secs(60);

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= Self::PAUSE);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[derive(Default)]
struct Records {
    /// Number of the oldest record still kept.
    first: usize,
    kept: VecDeque<Outgoing>,
}

impl Records {
    fn add(&mut self, body: Value) -> usize {
        if self.kept.len() >= MOST_RECORDS {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(Outgoing { body, statuses: Vec::new(), took: Vec::new(), told_when: 0, taken: false });
        self.first + self.kept.len() - 1
    }

    fn find(&mut self, number: usize) -> Option<&mut Outgoing> {
        self.kept.get_mut(number.checked_sub(self.first)?)
    }
}

impl Posting {
    /// At most `attempts` for each webhook; `retry_wait` before the second doubles up to 8 times that. Installs ring as
    /// the process's TLS provider if there is none.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub(crate) fn new(
        attempts: u32,
        retry_wait: Duration,
        merge: fn(&mut Value, &Value) -> bool,
    ) -> Result<Self, reqwest::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another one is as good
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(15))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            attempts,
            retry_wait,
            records: Mutex::default(),
            under_way: watch::channel(0).0,
            merge,
            trouble: Mutex::default(),
            gathered: Mutex::default(),
            nobody: Seldom::default(),
        })
    }

    /// Orders for what goes wrong from now on.
    pub(crate) fn set_trouble(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Posts in the background after `wait`, or gathers it first; `done` hears whether it was taken in the end.
    pub(crate) fn post(
        self: &Arc<Self>,
        body: Value,
        seal: impl Fn(&Value) -> Option<Letter> + Send + Sync + 'static,
        wait: Duration,
        done: impl FnOnce(bool) + Send + 'static,
    ) {
        let one = Waiting { body, seal: Arc::new(seal), wait, done: Box::new(done) };
        match self.trouble().window() {
            None => self.go(one),
            Some(window) => self.gather(one, window),
        }
    }

    /// The first one of a gathering starts its time; at the end all of them go.
    fn gather(self: &Arc<Self>, one: Waiting, window: Duration) {
        if !self.begin() {
            return (one.done)(false);
        }
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.push(one);
        if gathered.len() > 1 {
            return;
        }
        drop(gathered);
        let posting = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(window).await;
            let mut all = std::mem::take(&mut *posting.gathered.lock().unwrap_or_else(PoisonError::into_inner));
            let count = all.len();
            match posting.trouble().gathered {
                Gathered::Reverse => all.reverse(),
                Gathered::Batch => all = posting.batches(all),
            }
            for one in all {
                posting.go(one);
            }
            posting.under_way.send_modify(|under_way| *under_way -= count);
        });
    }

    /// As few webhooks as their bodies allow, in the order of the first of each.
    fn batches(&self, all: Vec<Waiting>) -> Vec<Waiting> {
        let mut batches: Vec<Waiting> = Vec::new();
        for one in all {
            let mut whole = Some(one);
            for batch in &mut batches {
                let Some(one) = whole.take_if(|one| (self.merge)(&mut batch.body, &one.body)) else { continue };
                let first = std::mem::replace(&mut batch.done, Box::new(|_| {}));
                batch.done = Box::new(move |taken| {
                    first(taken);
                    (one.done)(taken);
                });
                break;
            }
            batches.extend(whole);
        }
        batches
    }

    /// Counts one more on its way, if there is room.
    fn begin(&self) -> bool {
        let begun = self.under_way.send_if_modified(|count| {
            let room = *count < MOST_UNDER_WAY;
            *count += usize::from(room);
            room
        });
        if !begun {
            tracing::warn!("too many webhooks are on their way; one was given up");
        }
        begun
    }

    fn go(self: &Arc<Self>, one: Waiting) {
        let Waiting { body, seal, wait, done } = one;
        let trouble = self.trouble();
        let mut done = Some(done);
        for _ in 0..trouble.copies() {
            let done: Done = done.take().unwrap_or_else(|| Box::new(|_| {})); // the first copy tells
            let number = self.lock().add(body.clone());
            let Some(mut letter) = seal(&body) else {
                done(false);
                continue;
            };
            match trouble.sign {
                Sign::Right => letter.headers.push(letter.signature.clone()),
                Sign::Wrong => letter.headers.extend(seal(&json!({"not": body})).map(|other| other.signature)),
                Sign::Missing => {}
            }
            if !self.begin() {
                done(false);
                continue;
            }
            let posting = Arc::clone(self);
            let wait = wait + trouble.delay();
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let taken = posting.deliver(&letter, number).await;
                done(taken);
                posting.under_way.send_modify(|count| *count -= 1);
            });
        }
    }

    /// Every webhook so far, oldest first.
    pub(crate) fn outgoing(&self) -> Vec<Outgoing> {
        self.lock().kept.iter().cloned().collect()
    }

    /// As JSON, with its number and times in milliseconds: up to `limit` with numbers below `before`, the newest of them,
    /// oldest first.
    pub(crate) fn told(&self, before: Option<usize>, limit: usize) -> Vec<Value> {
        let records = self.lock();
        let told = |(number, one): (usize, &Outgoing)| {
            json!({
                "number": number, "body": one.body, "statuses": one.statuses, "took_ms": milliseconds(&one.took),
                "told_when": one.told_when, "taken": one.taken,
            })
        };
        page(&records.kept, records.first, before, limit).map(told).collect()
    }

    /// The newest body of which `is_it` is true.
    pub(crate) fn find_last(&self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        self.lock().kept.iter().rev().map(|one| &one.body).find(|body| is_it(body)).cloned()
    }

    /// Waits until every webhook was taken or given up, at most `limit`; false when the time is over.
    pub(crate) async fn settled(&self, limit: Duration) -> bool {
        let mut under_way = self.under_way.subscribe();
        tokio::time::timeout(limit, under_way.wait_for(|count| *count == 0)).await.is_ok_and(|seen| seen.is_ok())
    }

    async fn deliver(&self, letter: &Letter, number: usize) -> bool {
        let mut wait = self.retry_wait;
        for attempt in 1..=self.attempts {
            if attempt > 1 {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(self.retry_wait * 8);
            }
            let mut request = self.client.post(letter.url.clone()).header("content-type", "application/json");
            for (name, value) in &letter.headers {
                request = request.header(name, value);
            }
            let asked = Instant::now();
            let (status, told_when) = match request.body(letter.text.clone()).send().await {
                Ok(response) => (response.status().as_u16(), response.headers().contains_key("retry-after")),
                Err(error) => {
                    if error.is_connect() && self.nobody.is_due(Instant::now()) {
                        let attempts = self.attempts;
                        // Its path may hold a secret.
                        let origin = letter.url.origin().ascii_serialization();
                        tracing::warn!(origin, attempts, "nobody serves the webhook's address; each is tried again");
                    }
                    tracing::debug!(%error, attempt, "webhook got no answer");
                    (0, false)
                }
            };
            let taken = (200..300).contains(&status);
            if let Some(outgoing) = self.lock().find(number) {
                outgoing.statuses.push(status);
                outgoing.took.push(asked.elapsed());
                outgoing.told_when += usize::from(told_when);
                outgoing.taken = taken;
            }
            if taken {
                return true;
            }
        }
        tracing::warn!("a webhook was not taken; given up");
        false
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_logged_at_once_and_then_once_a_minute() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let due = |seconds: u64| seldom.is_due(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 119, 120].map(due), [true, false, false, true, false, false, true]);
    }

    #[tokio::test]
    async fn webhooks_are_told_by_pages_with_times_in_milliseconds() {
        let posting = Arc::new(Posting::new(1, Duration::ZERO, |_, _| false).expect("a client"));
        for n in 0..5 {
            posting.post(json!(n), |_| None, Duration::ZERO, |_| {});
        }
        posting.lock().find(4).expect("there").took = vec![Duration::from_micros(12_900)];
        let numbers = |before, limit| -> Vec<u64> {
            posting.told(before, limit).iter().filter_map(|one| one["number"].as_u64()).collect()
        };
        assert_eq!(numbers(None, 2), [3, 4]);
        assert_eq!(numbers(Some(3), 2), [1, 2]);
        assert_eq!(numbers(Some(1), 2), [0]);
        assert_eq!(numbers(Some(0), 2), [0; 0]);
        assert_eq!(numbers(Some(99), 9).len(), 5);
        let last = &posting.told(None, 1)[0];
        assert_eq!((&last["took_ms"], &last["body"]), (&json!([12]), &json!(4)));
    }
}
