//! Webhooks on their way: posted until they are answered 2xx, with every attempt on record.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use url::Url;

use crate::trouble::{Gathered, Sign, Trouble};

/// Records kept; the oldest go first.
const MOST_RECORDS: usize = 1_000_000;
/// Webhooks on their way at one time; more are given up at once.
const MOST_UNDER_WAY: usize = 200_000;

/// One webhook and what became of it.
#[derive(Clone, Debug, Serialize)]
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
