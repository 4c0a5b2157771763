//! A remote embedding model behind caches and limits: each text is asked for once, by whoever wants it first.
//!
//! A vector's key is the hash of model, asked dimension, version of our text and the text, and each model and length has
//! files of its own, so vectors of two models are never mixed; where a model has other vectors for questions, these have
//! other keys. Operations' vectors have a file of their own: nobody's texts push them out. What persons say is kept in
//! memory only. A text that the provider does not take is not sent again for an hour.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use coordination::SharedCache;
use domain::{Clock, telemetry::metric};
use futures::{
    FutureExt as _,
    future::{self, BoxFuture, join_all},
};
use llm::LlmError;
use retrieval::{meaning::NEUTRAL, sentence::Sentence};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    cache::{About, Cache, Key, Shelf},
    limits::{Admission, Limits, Purpose, Spent},
    shared::Shared,
    source::{Source, SourceConfig},
};

/// Of what is sent for a text; another version makes all vectors anew.
const TEXT_VERSION: u8 = 1;
/// How long a text that the provider did not take is not sent again.
const REFUSED_PAUSE: Duration = Duration::from_secs(3_600);
/// Texts that are known to be refused.
const REFUSED_MAX: usize = 10_000;
/// Sentences whose vectors are remembered.
const QUESTIONS_MAX: usize = 5_000;
/// Longest wait of a call for its turn.
const CALL_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for an answer that costs no tokens.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// How a remote model is used.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// The model.
    pub source: SourceConfig,
    /// Requests of a minute; 0 = without a limit.
    pub requests_per_minute: usize,
    /// Texts of a day (UTC); 0 = without a limit.
    pub texts_per_day: u64,
    /// How long a search waits for its sentence's vector.
    pub query_timeout: Duration,
}

/// Why there is no vector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The minute's requests are made, or the provider wants or needs a pause.
    #[error("the embedding model takes no request now")]
    NotNow(Duration),
    /// The day's texts are used up.
    #[error("the day's embeddings are used up")]
    QuotaSpent(Duration),
    /// The model gave none.
    #[error("the embedding model gave no vector")]
    Llm(#[from] LlmError),
    /// The provider takes requests, but not this text.
    #[error("the embedding model does not take this text")]
    Refused(#[source] LlmError),
    /// Operators have switched AI off for the tenant: nothing is asked.
    #[error("AI is switched off")]
    Off,
    /// The task ended early: our bug.
    #[error("a request for embeddings ended early")]
    Ended,
}

/// A vector of unit length.
#[derive(Clone, Debug)]
pub struct Found {
    /// It.
    pub vector: Arc<[f32]>,
    /// It was there already.
    pub cached: bool,
}

type Outcome = Result<Arc<[f32]>, RemoteError>;
type Flight = future::Shared<BoxFuture<'static, Outcome>>;

/// The model.
pub struct Remote {
    config: RemoteConfig,
    source: Source,
    shelf: Arc<Shelf>,
    shared: Option<Shared>,
    /// Once the length of the vectors is known.
    kept: OnceLock<Kept>,
    learning: tokio::sync::Mutex<()>,
    questions: Mutex<HashMap<Key, Arc<[f32]>>>,
    refused: Mutex<HashMap<Key, (Instant, LlmError)>>,
    is_asked: AtomicBool,
    asked: Notify,
    in_flight: Mutex<HashMap<Key, Flight>>,
    /// Requests under way, which end with `stop`.
    flights: TaskTracker,
    stop: CancellationToken,
    limits: Mutex<Limits>,
    health: Arc<ai::Health>,
    ledger: PathBuf,
    clock: Arc<dyn Clock>,
}

/// The vectors on disk.
struct Kept {
    dimension: usize,
    operations: Cache,
    /// Of what EmbeddingService is asked for.
    calls: Cache,
}

/// What a restart must not forget.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ledger {
    /// For people.
    model: String,
    /// Length of its vectors.
    dimension: Option<usize>,
    spent: Spent,
}

/// A text that is to be sent.
struct Wanted {
    key: Key,
    text: String,
    answer: oneshot::Sender<Outcome>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("id", &self.source.id()).finish_non_exhaustive()
    }
}

impl Remote {
    /// Opens the model's caches on the shelf, and its count of texts in `folder`; connects to nothing.
    ///
    /// # Errors
    /// When the model's configuration or the files cannot be used.
    pub fn open(
        config: RemoteConfig,
        folder: &Path,
        shelf: Arc<Shelf>,
        shared: Option<SharedCache>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Arc<Self>> {
        let source = Source::open(&config.source)?;
        let name = hex::encode(&Sha256::digest(source.id())[..8]);
        let path = folder.join(format!("embeddings-{name}.json"));
        let ledger = read_ledger(&path)?;
        let remote = Self {
            shared: shared.map(|cache| Shared::new(cache, source.id())),
            shelf,
            kept: OnceLock::new(),
            learning: tokio::sync::Mutex::default(),
            questions: Mutex::default(),
            refused: Mutex::default(),
            is_asked: AtomicBool::new(false),
            asked: Notify::new(),
            in_flight: Mutex::default(),
            flights: TaskTracker::new(),
            stop: CancellationToken::new(),
            limits: Mutex::new(Limits::new(config.requests_per_minute, config.texts_per_day, ledger.spent)),
            health: Arc::default(),
            ledger: path,
            clock,
            source,
            config,
        };
        if let Some(dimension) = remote.source.dimension().or(ledger.dimension) {
            remote.know(dimension);
        }
        Ok(Arc::new(remote))
    }

    /// The length of its vectors, once it is known.
    pub fn dimension(&self) -> Option<usize> {
        self.kept.get().map(|kept| kept.dimension)
    }

    fn know(&self, dimension: usize) {
        let about = About { model: self.source.id().to_owned(), version: TEXT_VERSION.into(), dimension };
        let open = |kind| self.shelf.cache(kind, &about);
        self.kept.get_or_init(|| Kept { dimension, operations: open("operations"), calls: open("texts") });
    }

    /// Keeps the vectors of operations' texts that were made elsewhere, by this model; all have this length. Writes the
    /// files.
    ///
    /// # Errors
    /// When the model's vectors are known to have another length; when a vector has no length.
    pub fn adopt(&self, dimension: usize, vectors: &[(String, Vec<f32>)]) -> anyhow::Result<()> {
        let known = self.dimension().unwrap_or(dimension);
        anyhow::ensure!(
            known == dimension,
            "its vectors have {dimension} values; those of `{}` have {known}",
            self.name()
        );
        let units: Option<Vec<Arc<[f32]>>> = vectors.iter().map(|(_, vector)| unit(vector)).collect();
        let units = units.context("a vector has nothing but zeros")?;
        self.know(dimension);
        for ((text, _), vector) in vectors.iter().zip(&units) {
            self.keep(self.key(&normalised(text), Purpose::WarmUp), vector, Purpose::WarmUp);
        }
        self.write_ledger(lock(&self.limits).spent());
        Ok(())
    }

    /// Ends the requests under way and waits for that: the files are free then. Nothing is asked afterwards.
    pub async fn close(&self) {
        self.stop.cancel();
        self.flights.close();
        self.flights.wait().await;
    }

    /// Names model, place and asked length of vectors.
    pub fn id(&self) -> &str {
        self.source.id()
    }

    /// The model's name, as configured.
    pub fn name(&self) -> &Arc<str> {
        self.source.name()
    }

    /// How it is, as `GET /health/ai` looks after it; `provider` is its provider's name, if it has one.
    pub fn watched(self: &Arc<Self>, provider: &'static str) -> ai::Model {
        let provider = if self.source.is_local() { "local" } else { provider };
        let remote = Arc::clone(self);
        let probe = move || {
            let remote = Arc::clone(&remote);
            async move { remote.source.probe(PROBE_MAX).await.map_err(|error| error.to_string()) }.boxed()
        };
        ai::Model { provider, health: Arc::clone(&self.health), probe: Box::new(probe) }
    }

    /// The vector of an operation's text, if it is kept.
    pub fn find_operation(&self, text: &str) -> Option<Arc<[f32]>> {
        self.kept.get()?.operations.find(&self.key(&normalised(text), Purpose::WarmUp))
    }

    /// True when the vector of an operation's text is kept.
    pub fn has_operation(&self, text: &str) -> bool {
        self.kept.get().is_some_and(|kept| kept.operations.has(&self.key(&normalised(text), Purpose::WarmUp)))
    }

    /// True when the provider did not take the text, and it is too early to try again.
    pub fn is_refused(&self, text: &str) -> bool {
        self.refusal(&self.key(&normalised(text), Purpose::WarmUp)).is_some()
    }

    /// Somebody searched.
    pub fn note_question(&self) {
        if !self.is_asked.swap(true, Ordering::Relaxed) {
            self.asked.notify_one();
        }
    }

    /// True when somebody searched since the start.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Waits for the first search after the start; for one waiter.
    pub async fn first_question(&self) {
        self.asked.notified().await;
    }

    /// Gives the vectors of operations' texts that are kept to other replicas, where there is a shared cache.
    pub async fn share_operations(&self, texts: &[String]) {
        let Some(shared) = &self.shared else { return };
        let keyed = texts.iter().map(|text| self.key(&normalised(text), Purpose::WarmUp));
        let vectors = keyed.filter_map(|key| Some((key, self.kept.get()?.operations.find(&key)?))).collect();
        shared.keep(vectors).await;
    }

    fn refusal(&self, key: &Key) -> Option<LlmError> {
        let mut refused = lock(&self.refused);
        if refused.get(key)?.0 <= Instant::now() {
            refused.remove(key);
            return None;
        }
        refused.get(key).map(|(_, error)| error.clone())
    }

    fn refuse(&self, key: Key, error: LlmError) {
        let mut refused = lock(&self.refused);
        let now = Instant::now();
        if refused.len() >= REFUSED_MAX {
            refused.retain(|_, (until, _)| *until > now);
        }
        if refused.len() < REFUSED_MAX {
            refused.insert(key, (now + REFUSED_PAUSE, error));
        }
    }

    /// How the texts are best divided into requests.
    pub fn batches(&self, texts: &[String]) -> Vec<std::ops::Range<usize>> {
        self.source.batches(texts)
    }

    /// The vector of what a person says, or none when it is not there in time: the words alone decide then. Numbers,
    /// addresses and quoted text are not sent.
    pub async fn question(self: &Arc<Self>, text: &str, left: Option<Duration>) -> Option<Arc<[f32]>> {
        let sentence = Sentence::new(text).text;
        let kept = sentence.split_whitespace().filter(|word| !word.contains(|c: char| c.is_numeric() || c == '@'));
        let sentence = kept.collect::<Vec<_>>().join(" ");
        if !sentence.contains(char::is_alphabetic) {
            return None;
        }
        let wait = left.map_or(self.config.query_timeout, |left| left.min(self.config.query_timeout));
        let texts = [sentence];
        let found = tokio::time::timeout(wait, self.vectors(&texts, Purpose::Question)).await;
        let (found, result) = match found.map(|mut found| found.pop()) {
            Ok(Some(Ok(found))) => (Some(found.vector), if found.cached { "cached" } else { "embedded" }),
            Ok(Some(Err(error))) => (None, class(&error)),
            Ok(None) => (None, "ended"),
            Err(_) => {
                // Those who come next need not wait for it as well; the request itself goes on.
                self.failed(None);
                (None, "late")
            }
        };
        metrics::counter!(metric::EMBEDDING_QUESTIONS, "result" => result).increment(1);
        found
    }

    /// The vectors of texts, in their order. What is on its way already is not asked for again; what nobody waits for any
    /// more is kept all the same.
    pub async fn vectors(self: &Arc<Self>, texts: &[String], purpose: Purpose) -> Vec<Result<Found, RemoteError>> {
        let mut wanted = Vec::new();
        let mut flights = Vec::with_capacity(texts.len());
        {
            let mut in_flight = lock(&self.in_flight);
            for text in texts {
                let text = normalised(text);
                let key = self.key(&text, purpose);
                if let Some(vector) = self.find(&key, purpose) {
                    flights.push((future::ready(Ok(vector)).boxed().shared(), true));
                } else if let Some(error) = self.refusal(&key) {
                    flights.push((future::ready(Err(RemoteError::Refused(error))).boxed().shared(), false));
                } else if let Some(flight) = in_flight.get(&key) {
                    flights.push((flight.clone(), false));
                } else {
                    let (answer, answered) = oneshot::channel();
                    let flight = answered.map(|outcome| outcome.unwrap_or(Err(RemoteError::Ended))).boxed().shared();
                    in_flight.insert(key, flight.clone());
                    flights.push((flight, false));
                    wanted.push(Wanted { key, text, answer });
                }
            }
        }
        if !wanted.is_empty() {
            let landing = Landing { remote: Arc::clone(self), wanted };
            self.flights.spawn(landing.fly(purpose));
        }
        let all = flights
            .into_iter()
            .map(|(flight, cached)| async move { flight.await.map(|vector| Found { vector, cached }) });
        join_all(all).await
    }

    /// From any of the places; kept where this purpose wants it.
    fn find(&self, key: &Key, purpose: Purpose) -> Option<Arc<[f32]>> {
        let kept = self.kept.get()?;
        let of_operation = kept.operations.find(key);
        let elsewhere = || kept.calls.find(key).or_else(|| lock(&self.questions).get(key).cloned());
        let is_kept = of_operation.is_some() || purpose == Purpose::Question;
        let found = of_operation.or_else(elsewhere)?;
        if !is_kept {
            self.keep(*key, &found, purpose);
        }
        Some(found)
    }

    fn keep(&self, key: Key, vector: &Arc<[f32]>, purpose: Purpose) {
        match (purpose, self.kept.get()) {
            (Purpose::WarmUp, Some(kept)) => kept.operations.keep(key, vector),
            (Purpose::Call, Some(kept)) => kept.calls.keep(key, vector),
            (Purpose::Question, _) => {
                let mut questions = lock(&self.questions);
                if questions.len() >= QUESTIONS_MAX {
                    questions.clear();
                }
                questions.insert(key, Arc::clone(vector));
            }
            (_, None) => {}
        }
    }

    fn key(&self, text: &str, purpose: Purpose) -> Key {
        let is_question = u8::from(self.source.tells_questions() && is_question(text, purpose));
        let head = Sha256::new().chain_update(self.source.id()).chain_update([0, TEXT_VERSION, is_question]);
        head.chain_update(text).finalize().into()
    }

    /// Waits for its turn where a call may; how many of the texts may be sent.
    async fn admitted(self: &Arc<Self>, purpose: Purpose, texts: usize) -> Result<usize, RemoteError> {
        let until = Instant::now() + CALL_WAIT_MAX;
        loop {
            let remote = Arc::clone(self);
            let asked = move || {
                let mut limits = lock(&remote.limits);
                let admission = limits.admit(purpose, texts, Instant::now().into_std(), remote.clock.now());
                // Before the request: one that is cut off by a crash was made.
                if limits.has_quota() && matches!(admission, Admission::Go(_)) {
                    remote.write_ledger(limits.spent());
                }
                admission
            };
            match tokio::task::spawn_blocking(asked).await.map_err(|_| RemoteError::Ended)? {
                Admission::Go(texts) => return Ok(texts),
                Admission::QuotaSpent(wait) => return Err(RemoteError::QuotaSpent(wait)),
                Admission::NotNow(wait) if purpose == Purpose::Call && Instant::now() + wait <= until => {
                    tokio::time::sleep(wait).await;
                }
                Admission::NotNow(wait) => return Err(RemoteError::NotNow(wait)),
            }
        }
    }

    /// One request; its vectors of unit length, all of the one dimension.
    async fn ask(&self, texts: &[String], purpose: Purpose) -> Result<Vec<Arc<[f32]>>, RemoteError> {
        let are_questions: Vec<bool> = texts.iter().map(|text| is_question(text, purpose)).collect();
        let outcome = self.source.embed(texts, &are_questions).await.and_then(|embedded| {
            let vectors: Option<Vec<Arc<[f32]>>> = embedded.iter().map(|vector| unit(vector)).collect();
            let vectors = vectors.ok_or_else(|| LlmError::Nonsense("a vector has no length".to_owned()))?;
            let expected = self.dimension();
            match vectors.iter().find(|vector| expected.is_some_and(|expected| expected != vector.len())) {
                None => Ok(vectors),
                Some(other) => Err(LlmError::Nonsense(format!(
                    "a vector has {} dimensions, not {}; if the model is another one now, set embedding.dimensions",
                    other.len(),
                    expected.unwrap_or_default()
                ))),
            }
        });
        let result = outcome.as_ref().err().map_or("ok", LlmError::class);
        metrics::counter!(metric::EMBEDDING_REQUESTS, "purpose" => purpose.name(), "result" => result).increment(1);
        match outcome {
            Ok(vectors) => {
                let texts = u64::try_from(vectors.len()).unwrap_or_default();
                metrics::counter!(metric::EMBEDDING_TEXTS, "purpose" => purpose.name()).increment(texts);
                lock(&self.limits).succeeded();
                self.health.answered();
                Ok(vectors)
            }
            Err(error) => {
                if let LlmError::Nonsense(_) = error {
                    self.source.forget();
                }
                if !is_about_texts(&error) {
                    self.health.failed(&error.to_string());
                    let asked = if let LlmError::Busy { retry_after } = error { retry_after } else { None };
                    self.failed(asked);
                }
                Err(error.into())
            }
        }
    }

    fn failed(&self, asked: Option<Duration>) {
        lock(&self.limits).failed(asked, Instant::now().into_std());
    }

    /// Finds out how long the model's vectors are, where neither the configuration nor an earlier start says so: two
    /// requests have to agree, since one wrong answer would spoil all that follow.
    async fn learn(self: &Arc<Self>, purpose: Purpose) -> Result<(), RemoteError> {
        if self.dimension().is_some() {
            return Ok(());
        }
        let _one_at_a_time = self.learning.lock().await;
        if self.dimension().is_some() {
            return Ok(());
        }
        let mut seen = Vec::new();
        for line in &NEUTRAL[..2] {
            self.admitted(purpose, 1).await?;
            seen.extend(self.ask(&[normalised(line)], purpose).await?);
            self.source.forget();
        }
        let [first, second] = seen.as_slice() else { return Err(RemoteError::Ended) };
        if first.len() != second.len() {
            self.failed(None);
            let reason = format!("vectors have {} and {} dimensions", first.len(), second.len());
            return Err(LlmError::Nonsense(reason).into());
        }
        let remote = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            remote.know(seen.first().map_or(0, |vector| vector.len()));
            for (line, vector) in NEUTRAL.iter().zip(&seen) {
                remote.keep(remote.key(&normalised(line), Purpose::WarmUp), vector, Purpose::WarmUp);
            }
            remote.write_ledger(lock(&remote.limits).spent());
        })
        .await;
        written.map_err(|_| RemoteError::Ended)
    }

    fn write_ledger(&self, spent: Spent) {
        let ledger = Ledger { model: self.source.id().to_owned(), dimension: self.dimension(), spent };
        let beside = self.ledger.with_extension("new");
        let bytes = serde_json::to_vec(&ledger).unwrap_or_default();
        let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &self.ledger));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.ledger.display(), "cannot keep count of the day's embeddings");
        }
    }
}

/// Texts on their way; whoever waits for one gets an answer however it ends.
struct Landing {
    remote: Arc<Remote>,
    wanted: Vec<Wanted>,
}

impl Landing {
    async fn fly(mut self, purpose: Purpose) {
        let stop = self.remote.stop.clone();
        let outcome = tokio::select! {
            outcome = self.all(purpose) => outcome,
            () = stop.cancelled() => Err(RemoteError::Ended),
        };
        if let Err(error) = outcome {
            for wanted in std::mem::take(&mut self.wanted) {
                lock(&self.remote.in_flight).remove(&wanted.key);
                let _ = wanted.answer.send(Err(error.clone()));
            }
        }
    }

    /// Asks until none is left.
    async fn all(&mut self, purpose: Purpose) -> Result<(), RemoteError> {
        let remote = Arc::clone(&self.remote);
        remote.learn(purpose).await?;
        // What was asked for to learn is there now.
        let there: Vec<Key> = self.wanted.iter().map(|wanted| wanted.key).collect();
        for (at, key) in there.iter().enumerate().rev() {
            if let Some(vector) = remote.find(key, purpose) {
                self.land(at..at + 1, &[vector], purpose);
            }
        }
        self.land_shared(purpose).await;
        // Where the provider does not take a batch's texts, smaller ones find out which it is.
        let mut most = usize::MAX;
        while !self.wanted.is_empty() {
            let texts: Vec<String> = self.wanted.iter().map(|wanted| wanted.text.clone()).collect();
            let first = remote.batches(&texts).first().map_or(texts.len(), |batch| batch.end).min(most);
            let admitted = remote.admitted(purpose, first).await?.min(first);
            match remote.ask(&texts[..admitted], purpose).await {
                Ok(vectors) => {
                    self.share(&vectors, purpose);
                    self.land(0..admitted, &vectors, purpose);
                    most = most.saturating_mul(2);
                }
                Err(RemoteError::Llm(error)) if is_about_texts(&error) => {
                    if admitted == 1 {
                        self.refuse_first(error);
                    }
                    most = (admitted / 2).max(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What another replica has asked for already. Not what persons say.
    async fn land_shared(&mut self, purpose: Purpose) {
        let remote = Arc::clone(&self.remote);
        let (Some(shared), Some(dimension)) = (&remote.shared, remote.dimension()) else { return };
        if purpose == Purpose::Question {
            return;
        }
        let keys: Vec<Key> = self.wanted.iter().map(|wanted| wanted.key).collect();
        for (at, vector) in shared.find(&keys, dimension).await.into_iter().enumerate().rev() {
            if let Some(vector) = vector {
                self.land(at..at + 1, &[vector], purpose);
            }
        }
    }

    /// Gives the first texts' vectors to other replicas, without waiting.
    fn share(&self, vectors: &[Arc<[f32]>], purpose: Purpose) {
        if let Some(shared) = self.remote.shared.as_ref().filter(|_| purpose != Purpose::Question) {
            let vectors = self.wanted.iter().zip(vectors).map(|(wanted, vector)| (wanted.key, Arc::clone(vector)));
            let (shared, vectors) = (shared.clone(), vectors.collect());
            tokio::spawn(async move { shared.keep(vectors).await });
        }
    }

    fn refuse_first(&mut self, error: LlmError) {
        let wanted = self.wanted.remove(0);
        self.remote.refuse(wanted.key, error.clone());
        lock(&self.remote.in_flight).remove(&wanted.key);
        let _ = wanted.answer.send(Err(RemoteError::Refused(error)));
    }

    fn land(&mut self, which: std::ops::Range<usize>, vectors: &[Arc<[f32]>], purpose: Purpose) {
        for (wanted, vector) in self.wanted.drain(which).zip(vectors) {
            // Kept before it is no longer on its way: there is no moment in which somebody would ask again.
            self.remote.keep(wanted.key, vector, purpose);
            lock(&self.remote.in_flight).remove(&wanted.key);
            let _ = wanted.answer.send(Ok(Arc::clone(vector)));
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        for wanted in &self.wanted {
            lock(&self.remote.in_flight).remove(&wanted.key);
        }
    }
}

/// True when the provider takes requests, but not these texts: fewer at once, or others, may do.
fn is_about_texts(error: &LlmError) -> bool {
    matches!(error, LlmError::Refused { status: 400 | 413 | 422, .. })
}

fn class(error: &RemoteError) -> &'static str {
    match error {
        RemoteError::NotNow(_) => "not_now",
        RemoteError::QuotaSpent(_) => "quota_spent",
        RemoteError::Llm(error) | RemoteError::Refused(error) => error.class(),
        RemoteError::Off => "off",
        RemoteError::Ended => "ended",
    }
}

/// What a person says; neutral lines are compared with that.
fn is_question(text: &str, purpose: Purpose) -> bool {
    purpose == Purpose::Question || NEUTRAL.contains(&text)
}

/// The text with its blanks joined.
fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The vector with length 1; none where that cannot be.
fn unit(vector: &[f32]) -> Option<Arc<[f32]>> {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "parts of a unit vector are at most 1")]
    let unit: Arc<[f32]> = vector.iter().map(|value| (f64::from(*value) / length) as f32).collect();
    (length > 0.0 && unit.iter().all(|value| value.is_finite())).then_some(unit)
}

fn read_ledger(path: &Path) -> io::Result<Ledger> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, file = %path.display(), "the count of the day's embeddings cannot be read; it begins anew");
            Ledger::default()
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ledger::default()),
        Err(error) => Err(error),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps and counts of finished values are sound after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
