//! A strict, scripted model server in OpenAI's wire format: chat with tools and streams, embeddings, models.
//!
//! What it answers is scripted with [`Server::script`]; what it is sent is checked as OpenAI checks it, and refused with
//! OpenAI's statuses and error bodies. [`BadAnswer`] and [`BadVectors`] list what models and their servers do wrong, for
//! tests that go through [`BadAnswer::ALL`]; [`Server::faults`] has delays, statuses and cuts as every fake has.
//!
//! Routes: `POST /v1/chat/completions`, `POST /v1/embeddings`, `GET /v1/models`, `GET /v1/models/{model}`, and Azure's
//! `POST /openai/deployments/{deployment}/{chat/completions|embeddings}?api-version=`, `GET /openai/models`.

mod answer;
mod bad;
mod bad_vectors;
mod chat;
mod check;
mod embeddings;
mod http;
mod script;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use domain::{Clock, Micros, SystemClock};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::script::Script;
pub use self::{
    bad::BadAnswer,
    bad_vectors::BadVectors,
    embeddings::vector,
    script::{Call, Reply, When},
};
use crate::{faults::Faults, serve};

/// What an endpoint does not take, as compatible servers differ. All off: OpenAI.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refuses {
    /// `stream: true`.
    pub stream: bool,
    /// `stream_options`, as older Mistral and vLLM.
    pub stream_options: bool,
    /// `max_tokens`, as OpenAI's reasoning models, which want `max_completion_tokens`.
    pub max_tokens: bool,
    /// Any temperature.
    pub temperature: bool,
}

/// Azure's routes.
#[derive(Clone, Debug)]
pub struct Azure {
    /// The one version of the API that is there.
    pub api_version: String,
    /// Deployments and the models that they serve.
    pub deployments: Vec<(String, String)>,
}

/// Configuration of [`Server`].
#[derive(Clone)]
pub struct Config {
    /// Key that requests must show; `None` takes all, as Ollama does.
    pub api_key: Option<String>,
    /// Chat models.
    pub models: Vec<String>,
    /// Embedding models with the length of their vectors, which a request may shorten.
    pub embedding_models: Vec<(String, usize)>,
    /// Azure's routes, if it has them.
    pub azure: Option<Azure>,
    /// See [`Refuses`].
    pub refuses: Refuses,
    /// Largest body.
    pub max_body_bytes: usize,
    /// Largest prompt, by the server's own count of a token per four bytes.
    pub max_prompt_tokens: usize,
    /// Wait between the pieces of a stream.
    pub pace: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// OpenAI with `gpt-4o-mini` and `text-embedding-3-small` (256 dimensions instead of 1,536), and the same on Azure as
    /// deployments `chat` and `embeddings`, version `2024-10-21`.
    pub fn new(api_key: &str) -> Self {
        let (chat, embedding) = ("gpt-4o-mini".to_owned(), "text-embedding-3-small".to_owned());
        Self {
            api_key: Some(api_key.to_owned()),
            models: vec![chat.clone()],
            embedding_models: vec![(embedding.clone(), 256)],
            azure: Some(Azure {
                api_version: "2024-10-21".to_owned(),
                deployments: vec![("chat".to_owned(), chat), ("embeddings".to_owned(), embedding)],
            }),
            refuses: Refuses::default(),
            max_body_bytes: 4 * 1024 * 1024,
            max_prompt_tokens: 128_000,
            pace: Duration::ZERO,
            clock: Arc::new(SystemClock),
        }
    }
}

/// The server. Cheap to clone; clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

struct Shared {
    config: Config,
    faults: Faults,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    script: Script,
    bad_answers: VecDeque<(BadAnswer, usize)>,
    bad_vectors: VecDeque<(BadVectors, usize)>,
    refused_part: Option<String>,
    asked: Vec<Asked>,
    embedded: Vec<EmbeddingRequest>,
    next_id: u64,
}

/// One request for a chat completion, as it came.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Asked {
    /// Path without the query.
    pub path: String,
    /// The body; `null` if it was no JSON.
    pub body: Value,
    /// Its size.
    pub bytes: usize,
    /// The server's count: messages and tools, a token per four bytes.
    pub prompt_tokens: usize,
    /// Why it was refused: the error's message.
    pub refused: Option<String>,
    /// When.
    pub at: Micros,
}

impl Asked {
    /// The messages.
    pub fn messages(&self) -> &[Value] {
        self.body.get("messages").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Text of the system messages.
    pub fn system(&self) -> String {
        let system = self.messages().iter().filter(|message| message["role"] == "system");
        system.map(text).collect::<Vec<_>>().join("\n")
    }

    /// Text of the last user message.
    pub fn last_user(&self) -> String {
        self.messages().iter().rfind(|message| message["role"] == "user").map(text).unwrap_or_default()
    }

    /// Tool results since the last user message, in order.
    pub fn results(&self) -> Vec<String> {
        let from = self.messages().iter().rposition(|message| message["role"] == "user").unwrap_or(0);
        self.messages()[from..].iter().filter(|message| message["role"] == "tool").map(text).collect()
    }

    /// Names of the tools offered.
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.body.get("tools").and_then(Value::as_array).into_iter().flatten();
        tools.filter_map(|tool| tool.pointer("/function/name")?.as_str()).collect()
    }

    /// The first tool offered whose name or description has `part`, in any case.
    pub fn find_tool(&self, part: &str) -> Option<&str> {
        let part = part.to_lowercase();
        let tools = self.body.get("tools").and_then(Value::as_array)?;
        tools.iter().find_map(|tool| {
            let function = tool.get("function")?;
            let name = function.get("name")?.as_str()?;
            let description = function.get("description").and_then(Value::as_str).unwrap_or_default();
            format!("{name} {description}").to_lowercase().contains(&part).then_some(name)
        })
    }
}

/// One request for vectors.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EmbeddingRequest {
    /// The model it names.
    pub model: String,
    /// The texts.
    pub inputs: Vec<String>,
    /// Why it was refused.
    pub refused: Option<String>,
    /// When.
    pub at: Micros,
}

impl Server {
    /// A server that was asked nothing yet and answers everything with a sentence that says so.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Shared { config, faults: Faults::default(), inner: Mutex::default() }))
    }

    /// The API. Closed connections before an answer need [`Server::serve`].
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Serves until `shutdown`.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(self.router(), listener, shutdown).await;
    }

    /// Orders for requests that go wrong before the model sees them. Operations are `POST /v1/chat/completions`,
    /// `POST /v1/embeddings` and `GET /v1/models`, on Azure's routes too.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Questions that fit `when` are answered with `reply`, always. Earlier scripts come first.
    pub fn script(&self, when: When, reply: impl Into<Reply>) {
        self.lock().script.add(when, reply.into(), usize::MAX);
    }

    /// As [`Server::script`], but only `times` times.
    pub fn script_times(&self, when: When, times: usize, reply: impl Into<Reply>) {
        self.lock().script.add(when, reply.into(), times);
    }

    /// The answer to questions that fit no script.
    pub fn otherwise(&self, reply: impl Into<Reply>) {
        self.lock().script.otherwise = Some(reply.into());
    }

    /// Forgets the scripts.
    pub fn forget(&self) {
        self.lock().script = Script::default();
    }

    /// The next `times` lawful questions get this bad answer, after those ordered before; `usize::MAX` for all.
    pub fn answer_badly(&self, bad: BadAnswer, times: usize) {
        self.lock().bad_answers.push_back((bad, times));
    }

    /// The next `times` lawful requests for vectors get these; `usize::MAX` for all.
    pub fn embed_badly(&self, bad: BadVectors, times: usize) {
        self.lock().bad_vectors.push_back((bad, times));
    }

    /// Requests for vectors with a text that holds this are refused with 400, until [`Self::behave`].
    pub fn refuse_texts_with(&self, part: &str) {
        self.lock().refused_part = Some(part.to_owned());
    }

    /// No more bad answers and vectors, and no more faults.
    pub fn behave(&self) {
        let mut inner = self.lock();
        inner.bad_answers.clear();
        inner.bad_vectors.clear();
        inner.refused_part = None;
        self.0.faults.clear();
    }

    /// Every question so far, refused ones included.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// Questions that were refused for what they were.
    pub fn refused(&self) -> Vec<Asked> {
        self.lock().asked.iter().filter(|asked| asked.refused.is_some()).cloned().collect()
    }

    /// The largest prompt so far, in the server's own count.
    pub fn prompt_tokens_max(&self) -> usize {
        self.lock().asked.iter().map(|asked| asked.prompt_tokens).max().unwrap_or(0)
    }

    /// Every request for vectors so far, refused ones included.
    pub fn embedding_requests(&self) -> Vec<EmbeddingRequest> {
        self.lock().embedded.clone()
    }

    /// How many texts lawful requests held.
    pub fn embedded_inputs(&self) -> usize {
        self.lock().embedded.iter().filter(|request| request.refused.is_none()).map(|one| one.inputs.len()).sum()
    }

    /// Forgets what was asked so far, so that counts begin at zero.
    pub fn forget_requests(&self) {
        let mut inner = self.lock();
        inner.asked.clear();
        inner.embedded.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Micros {
        self.0.config.clock.now()
    }

    fn next_id(&self) -> u64 {
        let mut inner = self.lock();
        inner.next_id += 1;
        inner.next_id
    }
}

/// Text of a message's content: a string, or the parts that are text.
fn text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("")
        }
        _ => String::new(),
    }
}

/// Takes the first order of a queue.
fn take<T: Copy>(orders: &mut VecDeque<(T, usize)>) -> Option<T> {
    let (order, times) = orders.front_mut()?;
    let order = *order;
    if *times != usize::MAX {
        *times = times.saturating_sub(1);
    }
    if *times == 0 {
        orders.pop_front();
    }
    Some(order)
}
