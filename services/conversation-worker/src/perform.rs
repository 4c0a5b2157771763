//! Performs what a turn asks for, and journals it: a decision with its result, a call before its first byte and after.

use std::{sync::Arc, time::Duration};

use domain::{PersonId, telemetry::metric};
use openapi::{File, Operation, PageLimits, PagesEnd, PrepareError, Risk};
use serde_json::{Value, json};
use store::{Step, StoreError};

use crate::{
    backends::{self, ANSWER_BYTES_MAX, Ended, WHOLE_BYTES_MAX, trim},
    catalog::CatalogError,
    files,
    journal::{self, Journal, Lookup},
    lease::Held,
    turn::{Action, Call, CallOutcome, CallRef, Fetch, Outcome, Question, SearchQuery},
    worker::{Worker, jitter},
};

/// Requests of one call at most.
const TRIES_MAX: u32 = 3;
/// Pause before the second request; doubled before the third.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// A backend that asks for a longer pause is told to be away.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(3);

/// Why a turn could not go on.
#[derive(Debug)]
pub enum Broken {
    /// The store failed, or the lease is lost.
    Store(StoreError),
    /// A service of ours is away: later again.
    Infrastructure(String),
    /// The turn never came to an end.
    Endless,
    /// The worker stops: what is journaled stands, and another goes on.
    Stopping,
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CatalogError> for Broken {
    fn from(error: CatalogError) -> Self {
        Self::Infrastructure(error.to_string())
    }
}

/// Performs the actions of one turn.
pub struct Performer<'a> {
    /// The shared parts.
    pub worker: &'a Arc<Worker>,
    /// The lease under which it runs.
    pub held: &'a Arc<Held>,
    /// First seq of the turn.
    pub seq: i64,
    /// Whose turn it is.
    pub person: PersonId,
    /// Decisions without an effect that are not journaled yet. They are before the next question to a model, before the
    /// next step that has an effect, and with the turn's end; a process that ends before decides them anew.
    pub decided: Vec<Step>,
}

/// A call with all that it needs.
struct Ready<'a> {
    backend: &'a openapi::Backend,
    operation: Arc<Operation>,
    prepared: openapi::Prepared,
    deadline: Duration,
}

/// Only the first page, with a look whether there are others.
const FIRST_PAGE: PageLimits = PageLimits { pages: 1, rows: usize::MAX, size_bytes: usize::MAX };

impl Ready<'_> {
    /// How far the pages of a look-up are followed; none where there are no pages.
    fn pages(&self, call: &Call) -> Option<PageLimits> {
        let reads = self.operation.risk == Risk::Safe && self.prepared.method == reqwest::Method::GET;
        reads.then(|| if call.whole { PageLimits::default() } else { FIRST_PAGE })
    }
}

impl<'a> Performer<'a> {
    async fn operation(&self, id: &str, content_hash: &str) -> Result<Result<Arc<Operation>, String>, Broken> {
        let catalog = self.worker.tenants.catalog(&self.held.lease.tenant);
        let Some(catalog) = catalog else { return Ok(Err("the tenant is not configured".to_owned())) };
        Ok(catalog.operation(id, content_hash).await?)
    }

    /// Looks operations up; what a journal keeps is as it was when it was written. No step of its own: a call with an
    /// effect keeps the look-ups that led to it.
    ///
    /// # Errors
    /// [`Broken::Infrastructure`] when the catalogue is away, [`Broken::Stopping`] when the worker stops meanwhile.
    pub async fn operations(&self, wanted: Vec<(String, String)>, journal: &Journal) -> Result<Vec<Lookup>, Broken> {
        let mut all = Vec::with_capacity(wanted.len());
        for (id, content_hash) in wanted {
            if self.worker.stop.is_cancelled() {
                return Err(Broken::Stopping);
            }
            let found = match journal.operation(&id, &content_hash) {
                Some(kept) => kept,
                None => self.operation(&id, &content_hash).await?,
            };
            all.push((id, content_hash, found));
        }
        Ok(all)
    }

    /// Does step `n` for the first time, after these look-ups.
    ///
    /// # Errors
    /// [`StoreError::JournalConflict`] when it stands in the journal already; [`Broken::Endless`] for look-ups, which are
    /// no step.
    pub async fn perform(&mut self, n: i32, action: &Action, lookups: &[Lookup]) -> Result<Outcome, Broken> {
        match action {
            Action::Search(query) => self.search(n, query).await,
            Action::Call(call) => self.call(n, call.clone(), lookups).await,
            Action::Operations { .. } => Err(Broken::Endless),
            Action::Chat(question) => self.chat(n, request_hash(action), question).await,
            Action::Fetch(fetch) => self.fetch(n, fetch).await,
        }
    }

    /// Uses what is journaled, whatever would be decided now; finishes a call that was begun and has no result.
    ///
    /// # Errors
    /// As [`Self::perform`].
    pub async fn replay(&self, step: &Step, action: &Action) -> Result<Outcome, Broken> {
        if request_hash(action) != step.request_hash {
            tracing::warn!(seq = self.seq, n = step.n, "the turn would decide otherwise now; the journal stands");
        }
        if let Some(recorded) = journal::recorded(step) {
            return Ok(recorded.unwrap_or_else(|error| {
                tracing::error!(seq = self.seq, n = step.n, %error, "a journaled result cannot be read");
                Outcome::Call(CallOutcome::Unknown { reason: "its journaled result cannot be read".to_owned() })
            }));
        }
        metrics::counter!(metric::CALLS_RESUMED).increment(1);
        let call = serde_json::from_value::<Call>(step.request.clone());
        let whole = call.as_ref().is_ok_and(|call| call.whole);
        let outcome = match call {
            Err(error) => CallOutcome::Unknown { reason: format!("its journaled request cannot be read: {error}") },
            Ok(call) if call.risk == Risk::Once => {
                CallOutcome::Unknown { reason: "it was begun by a worker that ended".to_owned() }
            }
            Ok(call) => match self.ready(&call).await? {
                Ok(ready) => self.execute(&ready, &call, step.idempotency_key.as_deref(), true).await?,
                Err(refused) if call.risk == Risk::Safe => refused,
                Err(_) => CallOutcome::Unknown { reason: "it was begun and cannot be repeated".to_owned() },
            },
        };
        self.finish(step.n, outcome, whole).await
    }

    /// Writes down what was decided so far.
    ///
    /// # Errors
    /// As [`store::Store::journal`].
    pub async fn journal(&mut self) -> Result<(), StoreError> {
        let steps = std::mem::take(&mut self.decided);
        if steps.is_empty() {
            return Ok(());
        }
        self.worker.store.journal(&self.held.lease, self.seq, &steps).await
    }

    async fn search(&mut self, n: i32, query: &SearchQuery) -> Result<Outcome, Broken> {
        let tenant = &self.held.lease.tenant;
        let catalog = self.worker.tenants.catalog(tenant);
        let catalog = catalog.ok_or_else(|| Broken::Infrastructure(format!("tenant {tenant} is not configured")))?;
        let mut allowed = query.clone();
        if allowed.documents.is_empty() {
            allowed.documents = self.worker.tenants.documents(tenant);
        }
        let answer = catalog.search(&allowed).await?;
        let result = serde_json::to_value(&answer).map_err(unwritable)?;
        let request = action_json(&Action::Search(query.clone()));
        self.decided.push(journal::decision(n, journal::hash(&request), request, result));
        Ok(Outcome::Search(answer))
    }

    /// Asks the model. What it decides is journaled before anything is done with it.
    async fn chat(&mut self, n: i32, hash: String, question: &Question) -> Result<Outcome, Broken> {
        // A model thinks for seconds: a process that ends meanwhile was not ended by this message.
        self.journal().await?;
        let outcome = self.worker.models.ask(self, question).await;
        let tools: Vec<&str> = question.request.tools.iter().map(|tool| tool.name.as_str()).collect();
        // The hash is of all of it; what stands here is for people, and holds no words of anybody.
        let request = json!({
            "action": "chat",
            "model": self.worker.models.name(),
            "messages": question.request.messages.len(),
            "tokens_estimated": llm::estimate::request(&question.request),
            "tools": tools,
        });
        let result = serde_json::to_value(&outcome).map_err(unwritable)?;
        self.decided.push(journal::decision(n, hash, request, result));
        Ok(Outcome::Chat(outcome))
    }

    /// Fetches a file and keeps it. A replay has what is kept, and asks the platform nothing.
    async fn fetch(&mut self, n: i32, fetch: &Fetch) -> Result<Outcome, Broken> {
        let outcome = files::fetch(self.worker, self.held, fetch).await?;
        let result = serde_json::to_value(&outcome).map_err(unwritable)?;
        let request = action_json(&Action::Fetch(fetch.clone()));
        self.decided.push(journal::decision(n, journal::hash(&request), request, result));
        self.journal().await?;
        Ok(Outcome::File(outcome))
    }

    async fn call(&mut self, n: i32, mut call: Call, lookups: &[Lookup]) -> Result<Outcome, Broken> {
        let request_hash = request_hash(&Action::Call(call.clone()));
        let CallRef { seq, n: step } = call.repeats.unwrap_or(CallRef { seq: self.seq, n });
        let key = journal::idempotency_key(self.held.lease.conversation, seq, step);
        let ready = self.ready(&call).await?;
        if let Ok(ready) = &ready {
            call.risk = ready.operation.risk; // what the catalogue says, not what the turn believes
        }
        let mut request = serde_json::to_value(&call).map_err(unwritable)?;
        if let (Ok(ready), Some(request)) = (&ready, request.as_object_mut()) {
            request.insert("method".to_owned(), json!(ready.operation.method));
            request.insert("url".to_owned(), json!(ready.prepared.url.as_str()));
        }
        if call.risk != Risk::Safe
            && let Some(request) = request.as_object_mut()
        {
            request.insert("operations".to_owned(), journal::lookups(lookups));
        }
        self.decided.push(journal::call(n, key.clone(), request_hash, request));
        if !faults::planted(faults::Bug::ResultOnlyJournal) {
            self.journal().await?;
        }
        let outcome = match ready {
            Ok(ready) => self.execute(&ready, &call, Some(&key), false).await?,
            Err(refused) => refused,
        };
        if faults::planted(faults::Bug::ResultOnlyJournal) {
            self.journal().await?;
        }
        self.finish(n, outcome, call.whole).await
    }

    async fn finish(&self, n: i32, outcome: CallOutcome, whole: bool) -> Result<Outcome, Broken> {
        let outcome = match outcome {
            CallOutcome::Answered { status, body, cut, file } => {
                let most_bytes = if whole { WHOLE_BYTES_MAX } else { ANSWER_BYTES_MAX };
                let (body, cut) = trim(body, most_bytes, cut.is_some_and(|cut| cut.more));
                CallOutcome::Answered { status, body, cut, file }
            }
            other => other,
        };
        let result = serde_json::to_value(&outcome).map_err(unwritable)?;
        self.worker.store.finish_step(&self.held.lease, self.seq, n, &result).await?;
        Ok(Outcome::Call(outcome))
    }

    /// Operation, backend and request; or the outcome of a call that cannot be made.
    async fn ready(&self, call: &Call) -> Result<Result<Ready<'a>, CallOutcome>, Broken> {
        let away = |reason: String| Ok(Err(backends::away(reason)));
        let (worker, tenant) = (self.worker, &self.held.lease.tenant);
        let (Some(catalog), Some(backends)) = (worker.tenants.catalog(tenant), worker.tenants.backends(tenant)) else {
            return away(format!("tenant {tenant} is not configured"));
        };
        let operation = match catalog.operation(&call.operation_id, &call.content_hash).await? {
            Ok(operation) => operation,
            Err(reason) => return away(reason),
        };
        if let Some(reason) = &operation.not_callable {
            return away(format!("it cannot be called: {reason}"));
        }
        let Some((backend, deadline)) = backends.get(&operation.document) else {
            return away(format!("no backend is configured for document {}", operation.document));
        };
        let files = files::of_call(self.worker, self.held, &operation, &call.arguments).await?;
        match backend.prepare_with_files(&operation, &call.arguments, &files) {
            Ok(mut prepared) => {
                if let Ok(language) = call.language.parse() {
                    prepared.headers.insert(reqwest::header::ACCEPT_LANGUAGE, language);
                }
                Ok(Ok(Ready { backend, operation, prepared, deadline: *deadline }))
            }
            Err(PrepareError::Credentials(reason)) => {
                let refused = CallOutcome::NoCredentials { reason };
                self.complain_of_credentials(&operation.document, &refused);
                Ok(Err(refused))
            }
            Err(error) => {
                let document = &operation.document;
                tracing::warn!(%error, "a call cannot be made: check tenants.{tenant}.documents.{document}");
                away(format!("the request cannot be built: {error}"))
            }
        }
    }

    /// Makes the call, repeating what may be repeated. `resumed`: an earlier worker may have made it already.
    async fn execute(
        &self,
        ready: &Ready<'_>,
        call: &Call,
        key: Option<&str>,
        resumed: bool,
    ) -> Result<CallOutcome, Broken> {
        let risk = call.risk;
        let mut maybe_happened = resumed;
        let mut try_number = 1;
        loop {
            // Directly before the first byte: the lease has to outlive the answer.
            self.worker.leases.ensure(self.held, ready.deadline).await?;
            let key = key.filter(|_| risk != Risk::Safe);
            self.worker.store.at("call.before").await;
            let began = std::time::Instant::now();
            let (ended, file) = match ready.pages(call) {
                Some(limits) => self.pages(ready, &limits).await,
                None => match ready.backend.send_with_files(ready.prepared.clone(), key, ready.deadline).await {
                    Ok((response, file)) => (Ended::of(risk, Ok(response)), file),
                    Err(error) => (Ended::of(risk, Err(error)), None),
                },
            };
            self.worker.store.at("call.after").await;
            metrics::histogram!(metric::BACKEND_CALL_DURATION, "document" => ready.operation.document.clone())
                .record(began.elapsed());
            metrics::counter!(metric::BACKEND_CALLS, "document" => ready.operation.document.clone(), "end" => ended.label())
                .increment(1);
            let (outcome, wait) = match ended {
                Ended::Final(outcome) => (outcome, None),
                Ended::Again { outcome, wait } => (outcome, Some(wait.unwrap_or(RETRY_PAUSE * try_number))),
            };
            maybe_happened |= matches!(outcome, CallOutcome::Unknown { .. });
            match wait {
                Some(wait) if try_number < TRIES_MAX && wait <= RETRY_PAUSE_MAX && !self.worker.stop.is_cancelled() => {
                    tracing::info!(operation.id = %ready.operation.id, try_number, "a call failed; will retry");
                    tokio::time::sleep(jitter(wait)).await;
                    try_number += 1;
                }
                _ => {
                    self.complain_of_credentials(&ready.operation.document, &outcome);
                    return self.with_file(honest(outcome, risk, maybe_happened), file).await;
                }
            }
        }
    }

    /// Keeps the file that a good answer is: what is journaled refers to it.
    async fn with_file(&self, outcome: CallOutcome, came: Option<File>) -> Result<CallOutcome, Broken> {
        match (outcome, came) {
            (CallOutcome::Answered { status: status @ 200..=299, body, cut, file: None }, Some(came)) => {
                let file = Some(files::keep_answer(self.worker, self.held, self.person, came).await?);
                Ok(CallOutcome::Answered { status, body, cut, file })
            }
            (outcome, _) => Ok(outcome),
        }
    }

    /// A list, as far as the limits go, and whether there is more of it; or a file.
    async fn pages(&self, ready: &Ready<'_>, limits: &PageLimits) -> (Ended, Option<File>) {
        let prepared = ready.prepared.clone();
        match ready.backend.send_pages(&ready.operation, prepared, limits, ready.deadline).await {
            Ok(pages) => {
                let more = pages.end != PagesEnd::Complete;
                (Ended::of(Risk::Safe, Ok(pages.response)).with_more(more), pages.file)
            }
            Err(error) => (Ended::of(Risk::Safe, Err(error)), None),
        }
    }

    /// Only an operator can mend it, so the log names the setting.
    fn complain_of_credentials(&self, document: &str, outcome: &CallOutcome) {
        if let Some(reason) = closed(outcome) {
            let tenant = &self.held.lease.tenant;
            tracing::warn!(reason, "no access to the backend: check tenants.{tenant}.documents.{document}.credentials");
        }
    }
}

/// Why the backend's door stays closed, where that is so.
fn closed(outcome: &CallOutcome) -> Option<&str> {
    match outcome {
        CallOutcome::NoCredentials { reason } => Some(reason),
        CallOutcome::Answered { status: 401, .. } => Some("the backend answered 401"),
        _ => None,
    }
}

/// An effect that an earlier request may have had is unknown, even if the last one certainly never left.
fn honest(outcome: CallOutcome, risk: Risk, maybe_happened: bool) -> CallOutcome {
    match outcome {
        CallOutcome::Away { reason, .. } | CallOutcome::NoCredentials { reason }
            if maybe_happened && risk != Risk::Safe =>
        {
            CallOutcome::Unknown { reason }
        }
        other => other,
    }
}

fn action_json(action: &Action) -> Value {
    serde_json::to_value(action).unwrap_or(Value::Null)
}

fn request_hash(action: &Action) -> String {
    journal::hash(&action_json(action))
}

fn unwritable(error: serde_json::Error) -> Broken {
    Broken::Store(StoreError::Payload(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_never_told_as_not_done() {
        let away = || backends::away("x");
        let unknown = CallOutcome::Unknown { reason: "x".to_owned() };
        assert_eq!(honest(away(), Risk::Keyed, true), unknown);
        assert_eq!(honest(away(), Risk::Once, true), unknown);
        assert_eq!(honest(away(), Risk::Keyed, false), away());
        assert_eq!(honest(away(), Risk::Safe, true), away());
    }
}
