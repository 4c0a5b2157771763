//! What every fake backend does before and after it acts: credentials, contract, faults, idempotency keys, records.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{Clock, Micros};
use serde_json::{Value, json};

use crate::{
    contract::{Arguments, Contract, Found, Operation},
    faults::{After, Before, Faults},
    oauth2,
    parts::{self, FilePart},
    serve,
};

const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;
const MAX_CALLS: usize = 100_000;

/// Who may call a fake backend.
#[derive(Clone, Default)]
pub enum Guard {
    /// Everybody.
    #[default]
    Open,
    /// Who shows an unexpired token of this server with this scope.
    OAuth2 {
        /// The server that gives tokens.
        server: oauth2::Server,
        /// The scope needed.
        scope: String,
    },
    /// Who sends exactly this header.
    Header {
        /// Header name, lower case.
        name: String,
        /// Its whole value.
        value: String,
    },
}

/// One call that a fake backend saw, for assertions.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Call {
    /// `<METHOD> <path template>`; method and plain path when no operation fits.
    pub operation: String,
    /// Path and query as sent.
    pub target: String,
    /// `Idempotency-Key` as sent.
    pub idempotency_key: Option<String>,
    /// Body as sent, of parts as an object in which the SHA-256 stands for a file; null when there was none or it could
    /// not be read.
    pub body: Value,
    /// The files among its parts.
    pub files: Vec<FilePart>,
    /// Status answered; 0 when the connection was cut or the caller gave up.
    pub status: u16,
    /// True when this call changed something.
    pub acted: bool,
    /// When it arrived.
    pub at: Micros,
    /// How long it took, in microseconds.
    pub took_micros: u64,
}

/// A refusal, sent as `application/problem+json`.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) more: Value,
}

impl Problem {
    pub(crate) fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), more: Value::Null }
    }

    fn into_answer(self) -> Answer {
        let mut body =
            json!({"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail});
        if let (Some(body), Some(more)) = (body.as_object_mut(), self.more.as_object()) {
            body.extend(more.clone());
        }
        Answer { status: self.status, body, effect: false, retry_after: None }
    }
}

/// What an operation answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// True when something was changed.
    pub(crate) effect: bool,
    pub(crate) retry_after: Option<u64>,
}

impl Answer {
    pub(crate) fn read(body: Value) -> Self {
        Self { status: 200, body, effect: false, retry_after: None }
    }

    pub(crate) fn changed(status: u16, body: Value) -> Self {
        Self { status, body, effect: true, retry_after: None }
    }
}

/// A lawful request.
pub(crate) struct Asked {
    pub(crate) operation: Arc<Operation>,
    pub(crate) arguments: Arguments,
    /// `hr` or `en`, from `Accept-Language`.
    pub(crate) language: &'static str,
    pub(crate) now: Micros,
}

/// What a backend does with a lawful request; runs under a lock, so it is atomic.
pub(crate) trait Acts: Send {
    fn act(&mut self, asked: &Asked) -> Result<Answer, Problem>;
}

pub(crate) struct Backend<A> {
    contract: Contract,
    guard: Guard,
    tenant: Option<(HeaderName, HeaderValue)>,
    /// Path before the templates, as a server URL may have it: `/api`.
    base_path: String,
    clock: Arc<dyn Clock>,
    pub(crate) faults: Faults,
    inner: Mutex<Inner<A>>,
}

struct Inner<A> {
    actor: A,
    calls: Vec<Call>,
    honour_keys: bool,
    keys: HashMap<String, Kept>,
    effects: HashMap<String, usize>,
}

struct Kept {
    operation: String,
    target: String,
    body: Value,
    answer: Answer,
}

impl<A: Acts + 'static> Backend<A> {
    pub(crate) fn new(
        contract: Contract,
        guard: Guard,
        tenant: Option<(HeaderName, HeaderValue)>,
        base_path: String,
        clock: Arc<dyn Clock>,
        actor: A,
    ) -> Self {
        let inner =
            Inner { actor, calls: Vec::new(), honour_keys: true, keys: HashMap::new(), effects: HashMap::new() };
        Self { contract, guard, tenant, base_path, clock, faults: Faults::default(), inner: Mutex::new(inner) }
    }

    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(handle::<A>).with_state(self.clone())
    }

    pub(crate) fn operations(&self) -> usize {
        self.contract.len()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    pub(crate) fn effects(&self, key: &str) -> usize {
        self.lock().effects.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn all_effects(&self) -> usize {
        self.lock().effects.values().sum()
    }

    pub(crate) fn honour_keys(&self, honour: bool) {
        self.lock().honour_keys = honour;
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut A) -> T) -> T {
        look(&mut self.lock().actor)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let refused = |detail: &str| Problem::new(401, "Unauthorized", detail);
        match &self.guard {
            Guard::Open => {}
            Guard::OAuth2 { server, scope } => {
                let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let token =
                    token.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| refused("No token."))?;
                if !server.admits(token, scope) {
                    return Err(refused("The token is unknown or has expired."));
                }
            }
            Guard::Header { name, value } => {
                if headers.get(name).map(HeaderValue::as_bytes) != Some(value.as_bytes()) {
                    return Err(refused("No or wrong credentials."));
                }
            }
        }
        match &self.tenant {
            Some((name, value)) if headers.get(name) != Some(value) => {
                Err(Problem::new(403, "Forbidden", "The tenant is missing or unknown."))
            }
            _ => Ok(()),
        }
    }

    /// Contract, key and effect, in one go under the lock.
    fn act(
        &self,
        operation: Arc<Operation>,
        path: &std::collections::BTreeMap<String, String>,
        query: &str,
        key: Option<&str>,
        body: Option<Value>,
        language: &'static str,
    ) -> Answer {
        let sent = body.clone().unwrap_or(Value::Null);
        let target = format!("{path:?}?{query}");
        let arguments = match operation.check(&self.contract.document, path, query, body) {
            Ok(arguments) => arguments,
            Err(wrong) => {
                let (status, title) = if wrong.iter().all(|wrong| wrong.in_body) {
                    (422, "Unprocessable Content")
                } else {
                    (400, "Bad Request")
                };
                let detail = wrong.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.detail)).collect::<Vec<_>>();
                let more = json!({ "errors": wrong });
                return Problem { status, title, detail: detail.join("; "), more }.into_answer();
            }
        };
        let mut inner = self.lock();
        if let Some(key) = key.filter(|_| inner.honour_keys)
            && let Some(kept) = inner.keys.get(key)
        {
            if kept.operation == operation.id && kept.target == target && kept.body == sent {
                return Answer { effect: false, ..kept.answer.clone() };
            }
            return Problem::new(422, "Unprocessable Content", "This key was used for another request.").into_answer();
        }
        let asked = Asked { operation: operation.clone(), arguments, language, now: self.clock.now() };
        let answer = inner.actor.act(&asked).unwrap_or_else(Problem::into_answer);
        if answer.effect {
            *inner.effects.entry(key.unwrap_or_default().to_owned()).or_default() += 1;
        }
        // Refusals are not kept: the same call may succeed later.
        if let Some(key) = key.filter(|_| answer.effect) {
            let kept = Kept { operation: operation.id.clone(), target, body: sent, answer: answer.clone() };
            inner.keys.insert(key.to_owned(), kept);
        }
        answer
    }
}

/// Writes the call down even when the caller goes away while it is held: the future is then dropped.
struct Record<A: Acts + 'static> {
    backend: Arc<Backend<A>>,
    call: Call,
    since: Instant,
}

impl<A: Acts + 'static> Drop for Record<A> {
    fn drop(&mut self) {
        self.call.took_micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut inner = self.backend.lock();
        if inner.calls.len() < MAX_CALLS {
            inner.calls.push(self.call.clone());
        }
    }
}

async fn handle<A: Acts + 'static>(State(backend): State<Arc<Backend<A>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let path = parts.uri.path();
    let path = path.strip_prefix(backend.base_path.as_str()).unwrap_or(path);
    let mut record = Record {
        call: Call {
            operation: format!("{} {path}", parts.method),
            target: parts.uri.to_string(),
            idempotency_key: text("idempotency-key"),
            body: Value::Null,
            files: Vec::new(),
            status: 0,
            acted: false,
            at: backend.clock.now(),
            took_micros: 0,
        },
        since: Instant::now(),
        backend: backend.clone(),
    };
    let Ok(bytes) = to_bytes(body, MAX_BODY_BYTES).await else {
        return send(&mut record, Problem::new(413, "Content Too Large", "The body is too large.").into_answer());
    };
    let kind = text("content-type").unwrap_or_default();
    let json = match bytes.is_empty() {
        true => None,
        false if kind.starts_with("multipart/form-data") => match parts::read(&kind, &bytes) {
            Ok((values, files)) => {
                record.call.files = files;
                Some(values)
            }
            Err(wrong) => return send(&mut record, Problem::new(400, "Bad Request", wrong).into_answer()),
        },
        false => match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) if kind.contains("json") => Some(value),
            Ok(_) => {
                return send(&mut record, Problem::new(415, "Unsupported Media Type", "Send JSON.").into_answer());
            }
            Err(_) => {
                return send(&mut record, Problem::new(400, "Bad Request", "The body is no JSON.").into_answer());
            }
        },
    };
    record.call.body = json.clone().unwrap_or(Value::Null);
    if let Err(problem) = backend.admit(&parts.headers) {
        return send(&mut record, problem.into_answer());
    }
    let (operation, values) = match backend.contract.find(parts.method.as_str(), path) {
        Found::Operation(operation, values) => (operation, values),
        Found::OtherMethod => {
            return send(&mut record, Problem::new(405, "Method Not Allowed", "Not that way.").into_answer());
        }
        Found::Nothing => {
            return send(&mut record, Problem::new(404, "Not Found", "There is no such thing.").into_answer());
        }
    };
    record.call.operation.clone_from(&operation.id);

    let fault = backend.faults.take(&operation.id);
    if let Some(fault) = &fault {
        match fault.before().await {
            Before::Act => {}
            Before::Refuse { status, retry_after } => {
                let problem = Problem::new(status, "Failed on command", "The backend cannot do that now.");
                return send(&mut record, Answer { retry_after, ..problem.into_answer() });
            }
            Before::Cut => return serve::cut(),
        }
    }
    let language = if text("accept-language").is_some_and(|value| value.starts_with("hr")) { "hr" } else { "en" };
    let key = record.call.idempotency_key.clone();
    let answer = backend.act(operation, &values, parts.uri.query().unwrap_or_default(), key.as_deref(), json, language);
    record.call.acted = answer.effect;
    if let Some(fault) = &fault {
        match fault.after().await {
            After::Answer => {}
            After::Refuse(status) => {
                return send(
                    &mut record,
                    Problem::new(status, "Failed on command", "Something went wrong.").into_answer(),
                );
            }
            After::Cut => return serve::cut(),
        }
    }
    send(&mut record, answer)
}

fn send<A: Acts + 'static>(record: &mut Record<A>, answer: Answer) -> Response {
    record.call.status = answer.status;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == StatusCode::NO_CONTENT {
        return status.into_response();
    }
    let kind = if answer.status < 400 { "application/json" } else { "application/problem+json" };
    let mut response = (status, [(header::CONTENT_TYPE, kind)], answer.body.to_string()).into_response();
    if let Some(wait) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
