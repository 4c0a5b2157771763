//! Coordination inside one process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use domain::{ConversationId, Micros, telemetry::metric};
use moka::{Expiry, sync::Cache};
use tokio::{sync::Notify, time::Instant};

use crate::{Bell, GroupState, bell::time_of, feed::Hub, limits::Limits};

/// Bells waiting at most.
pub(crate) const QUEUE_MAX: usize = 10_000;
/// How long a listener waits for a bell before it looks up.
pub(crate) const LISTEN_WAIT: Duration = Duration::from_secs(1);
const CACHE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// All of it.
pub struct Memory {
    queue: Mutex<Queue>,
    rung: Notify,
    dropped: AtomicU64,
    pub(crate) hub: Hub,
    pub(crate) limits: Limits,
    cache: Cache<String, (Bytes, Duration)>,
    #[cfg(feature = "faults")]
    trouble: Option<Trouble>,
}

/// What a test does to bells.
#[cfg(feature = "faults")]
pub struct Trouble {
    /// The time that goes into their ids.
    pub now: Box<dyn Fn() -> Micros + Send + Sync>,
    /// How many of a ring are heard: 0 is a lost one.
    pub copies: Box<dyn Fn(ConversationId) -> usize + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Bell>,
    pending: BTreeMap<String, Pending>,
    last_id: (i64, u64),
    last_delivered_at: Option<Micros>,
}

struct Pending {
    consumer: String,
    bell: Bell,
    since: Instant,
}

struct OwnLifetime;

impl Expiry<String, (Bytes, Duration)> for OwnLifetime {
    fn expire_after_create(
        &self,
        _key: &String,
        value: &(Bytes, Duration),
        _at: std::time::Instant,
    ) -> Option<Duration> {
        Some(value.1)
    }

    fn expire_after_update(
        &self,
        _key: &String,
        value: &(Bytes, Duration),
        _at: std::time::Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.1)
    }
}

impl Default for Memory {
    fn default() -> Self {
        let weight =
            |key: &String, value: &(Bytes, Duration)| u32::try_from(key.len() + value.0.len()).unwrap_or(u32::MAX);
        Self {
            queue: Mutex::default(),
            rung: Notify::new(),
            dropped: AtomicU64::new(0),
            hub: Hub::default(),
            limits: Limits::default(),
            cache: Cache::builder().max_capacity(CACHE_BYTES_MAX).weigher(weight).expire_after(OwnLifetime).build(),
            #[cfg(feature = "faults")]
            trouble: None,
        }
    }
}

impl Memory {
    #[cfg(feature = "faults")]
    pub fn troubled(trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }

    pub fn ring(&self, conversation: ConversationId, traceparent: Option<&str>) {
        #[cfg(feature = "faults")]
        let copies = self.trouble.as_ref().map_or(1, |trouble| (trouble.copies)(conversation));
        #[cfg(not(feature = "faults"))]
        let copies = 1;
        for _ in 0..copies {
            self.ring_once(conversation, traceparent);
        }
    }

    fn ring_once(&self, conversation: ConversationId, traceparent: Option<&str>) {
        let mut queue = self.lock();
        if queue.waiting.len() >= QUEUE_MAX {
            drop(queue);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            metrics::counter!(metric::BELLS_DROPPED).increment(1);
            return;
        }
        let id = queue.next_id(self.now_ms());
        queue.waiting.push_back(Bell { conversation, traceparent: traceparent.map(str::to_owned), id });
        drop(queue);
        self.rung.notify_one();
    }

    pub fn bells_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Up to `free_slots` bells; none after [`LISTEN_WAIT`]. Safe to cancel: bells are taken without waiting between.
    pub async fn next(&self, consumer: &str, free_slots: usize) -> Vec<Bell> {
        let until = tokio::time::Instant::now() + LISTEN_WAIT;
        if free_slots == 0 {
            tokio::time::sleep_until(until).await;
            return Vec::new();
        }
        loop {
            let bells = self.take(consumer, free_slots);
            if !bells.is_empty() || tokio::time::timeout_at(until, self.rung.notified()).await.is_err() {
                return bells;
            }
        }
    }

    fn take(&self, consumer: &str, free_slots: usize) -> Vec<Bell> {
        let mut queue = self.lock();
        let count = queue.waiting.len().min(free_slots);
        let bells: Vec<Bell> = queue.waiting.drain(..count).collect();
        for bell in &bells {
            let pending = Pending { consumer: consumer.to_owned(), bell: bell.clone(), since: Instant::now() };
            queue.pending.insert(bell.id.clone(), pending);
        }
        if let Some(last) = bells.last() {
            queue.last_delivered_at = time_of(&last.id);
        }
        if !queue.waiting.is_empty() {
            self.rung.notify_one();
        }
        bells
    }

    pub fn ack(&self, id: &str) {
        self.lock().pending.remove(id);
    }

    pub fn claim_idle(&self, consumer: &str, idle_min: Duration, limit: usize) -> Vec<Bell> {
        let mut queue = self.lock();
        queue
            .pending
            .values_mut()
            .filter(|pending| pending.consumer != consumer && pending.since.elapsed() >= idle_min)
            .take(limit)
            .map(|pending| {
                pending.consumer = consumer.to_owned();
                pending.since = Instant::now();
                pending.bell.clone()
            })
            .collect()
    }

    pub fn group_state(&self) -> GroupState {
        let queue = self.lock();
        GroupState {
            last_delivered_at: queue.last_delivered_at,
            lag: i64::try_from(queue.waiting.len()).ok(),
            recreated: false,
        }
    }

    pub fn cached(&self, key: &str) -> Option<Bytes> {
        self.cache.get(key).map(|(value, _)| value)
    }

    pub fn cache(&self, key: &str, value: Bytes, lifetime: Duration) {
        self.cache.insert(key.to_owned(), (value, lifetime));
    }

    fn now_ms(&self) -> i64 {
        #[cfg(feature = "faults")]
        if let Some(trouble) = &self.trouble {
            return (trouble.now)().0 / 1_000;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Ids like those of a stream: milliseconds and a number, always rising.
    fn next_id(&mut self, millis: i64) -> String {
        self.last_id = if millis > self.last_id.0 { (millis, 0) } else { (self.last_id.0, self.last_id.1 + 1) };
        format!("{}-{}", self.last_id.0, self.last_id.1)
    }
}
