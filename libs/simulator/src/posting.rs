//! Webhooks on their way: posted until they are answered 2xx, with every attempt on record.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use url::Url;

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
    /// Besides the content type.
    pub(crate) headers: Vec<(String, String)>,
    /// The bytes that were signed.
    pub(crate) text: String,
}

/// One platform's outgoing webhooks.
pub(crate) struct Posting {
    pub(crate) client: reqwest::Client,
    attempts: u32,
    retry_wait: Duration,
    records: Mutex<Records>,
    under_way: watch::Sender<usize>,
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
    pub(crate) fn new(attempts: u32, retry_wait: Duration) -> Result<Self, reqwest::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another one is as good
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(15))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, attempts, retry_wait, records: Mutex::default(), under_way: watch::channel(0).0 })
    }

    /// Posts in the background after `wait`; `done` hears whether it was taken in the end. Without a letter there is
    /// nowhere to post it to.
    pub(crate) fn post(
        self: &Arc<Self>,
        body: Value,
        letter: Option<Letter>,
        wait: Duration,
        done: impl FnOnce(bool) + Send + 'static,
    ) {
        let number = self.lock().add(body);
        let Some(letter) = letter else {
            return done(false);
        };
        let begun = self.under_way.send_if_modified(|count| {
            let room = *count < MOST_UNDER_WAY;
            *count += usize::from(room);
            room
        });
        if !begun {
            tracing::warn!("too many webhooks are on their way; one was given up");
            return done(false);
        }
        let posting = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let taken = posting.deliver(&letter, number).await;
            done(taken);
            posting.under_way.send_modify(|count| *count -= 1);
        });
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
