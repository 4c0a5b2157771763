//! A chat model: one question, one answer or one error, within the deadlines.

use std::{sync::Arc, time::Duration};

use http::header::CONTENT_TYPE;
use rand::RngExt as _;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    ChatAnswer, ChatConfig, ChatRequest, ConfigError, Finish, LlmError, Usage,
    assemble::{Assembler, Bad, Caps},
    dialect::{Dialect, Settings},
    estimate,
    http::Endpoint,
    observe::Asked,
    retry, sse, wire,
};

/// How long usage and the stream's end are waited for once the model has said that it is done.
const END_GRACE: Duration = Duration::from_secs(2);

/// What may follow the answer, in chunks, for the connection to be kept.
const REST_MAX: usize = 16;

/// A chat model. Cheap to clone; clones share connections and what was learnt about the endpoint.
#[derive(Clone)]
pub struct Chat(Arc<Inner>);

struct Inner {
    config: ChatConfig,
    endpoint: Endpoint,
    dialect: Dialect,
}

/// The deadlines of one call.
#[derive(Clone, Copy)]
struct Ends {
    first_token: Instant,
    whole: Instant,
}

/// Why an attempt has no answer.
enum Failed {
    /// Nothing of an answer was seen: it may be tried again, if the error is one that passes.
    Before(LlmError),
    /// No other attempt.
    ForGood(LlmError),
    /// The endpoint does not take a setting; without it, it may.
    Dialect(&'static str),
}

impl Chat {
    /// Checks the configuration and makes the HTTP client; connects to nothing. The process must have installed a
    /// rustls crypto provider.
    ///
    /// # Errors
    /// [`ConfigError`] when URL, key or names cannot be used.
    pub fn new(config: ChatConfig) -> Result<Self, ConfigError> {
        let endpoint = Endpoint::new(&config.provider, &["chat", "completions"])?;
        let dialect = Dialect::new(config.streaming);
        Ok(Self(Arc::new(Inner { config, endpoint, dialect })))
    }

    /// The model or deployment that is asked.
    pub fn model(&self) -> &str {
        self.0.config.provider.model()
    }

    /// The value of `gen_ai.provider.name`.
    pub fn provider_name(&self) -> &'static str {
        self.0.config.provider.name()
    }

    /// Asks the model. Pieces of its text go to `deltas` as they come, joined they are the answer's text; what was sent
    /// of an answer that ends in an error has to be taken back by the caller. A receiver that is gone is no matter; a
    /// slow one slows the model down.
    ///
    /// Asks again only as long as no token came. Dropping the future ends the request.
    ///
    /// # Errors
    /// [`LlmError`], by what the caller can do about it.
    #[tracing::instrument(
        skip_all,
        fields(
            otel.name = format!("chat {}", self.model()),
            otel.kind = "client",
            otel.status_code,
            gen_ai.conversation.id = request.conversation,
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = self.provider_name(),
            gen_ai.request.model = self.model(),
            gen_ai.response.model,
            gen_ai.response.finish_reasons,
            gen_ai.usage.input_tokens,
            gen_ai.usage.output_tokens,
            error.type,
        )
    )]
    pub async fn complete(
        &self,
        request: &ChatRequest,
        deltas: Option<&mpsc::Sender<String>>,
    ) -> Result<ChatAnswer, LlmError> {
        let begun = Instant::now();
        let answer = self.ask(request, deltas).await;
        let asked = Asked { operation: "chat", provider: self.provider_name(), model: self.model() };
        asked.measure(begun.elapsed(), answer.as_ref().map(|answer| &answer.usage));
        let span = tracing::Span::current();
        match &answer {
            Ok(answer) => {
                span.record("gen_ai.response.model", answer.model.as_str());
                span.record("gen_ai.response.finish_reasons", answer.finish.label());
                span.record("gen_ai.usage.input_tokens", answer.usage.input_tokens);
                span.record("gen_ai.usage.output_tokens", answer.usage.output_tokens);
            }
            Err(error) => {
                span.record("error.type", error.class());
                span.record("otel.status_code", "ERROR");
            }
        }
        answer
    }

    /// Asks the endpoint for its models, which costs no tokens: `Ok` if it is there and takes the key.
    ///
    /// # Errors
    /// [`LlmError`] as for a request.
    pub async fn probe(&self, timeout: Duration) -> Result<(), LlmError> {
        self.0.endpoint.probe(timeout).await
    }

    async fn ask(&self, request: &ChatRequest, deltas: Option<&mpsc::Sender<String>>) -> Result<ChatAnswer, LlmError> {
        let Inner { config, dialect, .. } = &*self.0;
        let begun = Instant::now();
        let ends = Ends {
            first_token: begun + config.limits.first_token.min(config.limits.whole),
            whole: begun + config.limits.whole,
        };
        let mut attempt = 1;
        loop {
            let settings = dialect.settings();
            let error = match self.attempt(request, deltas, settings, ends).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::Dialect(setting)) => {
                    tracing::info!(
                        gen_ai.request.model = self.model(),
                        setting,
                        "the endpoint does not take a setting; will do without"
                    );
                    continue;
                }
                Err(Failed::Before(error)) => error,
            };
            let until = if settings.stream { ends.first_token } else { ends.whole };
            let left = until.saturating_duration_since(Instant::now());
            let Some(wait) = retry::next_wait(&config.retry, attempt, &error, left, rand::rng().random()) else {
                return Err(error);
            };
            tracing::warn!(gen_ai.request.model = self.model(), %error, attempt, "no answer of the model; will ask again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        request: &ChatRequest,
        deltas: Option<&mpsc::Sender<String>>,
        settings: Settings,
        ends: Ends,
    ) -> Result<ChatAnswer, Failed> {
        let Inner { config, endpoint, dialect } = &*self.0;
        let body = wire::chat(request, self.model(), config.limits.max_output_tokens, settings);
        let until = if settings.stream { ends.first_token } else { ends.whole };
        let response = match endpoint.post(body, until).await.map_err(Failed::Before)? {
            Ok(response) => response,
            Err(refusal) if refusal.is_filter() => return Ok(self.filtered(request)),
            Err(refusal) => {
                return Err(match dialect.learn(settings, &refusal) {
                    Some(setting) => Failed::Dialect(setting),
                    None => Failed::Before(endpoint.error(&refusal)),
                });
            }
        };
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let assembler = if kind.to_ascii_lowercase().contains("event-stream") {
            let mut response = response;
            let assembler = self.read_stream(&mut response, deltas, ends).await?;
            tokio::spawn(read_out(response));
            assembler
        } else {
            self.read_whole(response, deltas, ends).await?
        };
        // Nine letters and digits: the one form of id that Mistral takes too.
        let fresh_id =
            || rand::rng().sample_iter(rand::distr::Alphanumeric).take(9).map(char::from).collect::<String>();
        let input = || u64::try_from(estimate::request(request)).unwrap_or(u64::MAX);
        assembler.into_answer(self.model(), input, fresh_id).map_err(Failed::ForGood)
    }

    /// Reads server-sent events until the answer is whole.
    async fn read_stream(
        &self,
        response: &mut reqwest::Response,
        deltas: Option<&mpsc::Sender<String>>,
        ends: Ends,
    ) -> Result<Assembler, Failed> {
        let Inner { config, endpoint, .. } = &*self.0;
        let mut assembler = self.assembler();
        let mut reader = sse::Reader::default();
        let mut bytes = 0;
        let mut grace: Option<Instant> = None;
        loop {
            let until = match grace {
                Some(grace) => grace.min(ends.whole),
                None if assembler.is_alive() => ends.whole,
                None => ends.first_token,
            };
            let (events, is_over, why) = match tokio::time::timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    bytes += chunk.len();
                    if bytes > config.limits.max_response_bytes {
                        return Err(self.too_large());
                    }
                    (reader.feed(&chunk), false, String::new())
                }
                Ok(Ok(None)) => (reader.finish().into_iter().collect(), true, "the stream ended early".to_owned()),
                Ok(Err(error)) => (Vec::new(), true, endpoint.reason(&error)),
                Err(_) if assembler.is_finished() => return Ok(assembler),
                Err(_) if assembler.is_alive() => return Err(Failed::ForGood(self.slow())),
                Err(_) => return Err(Failed::Before(LlmError::Away("no token in time".to_owned()))),
            };
            for event in events {
                if event.trim_ascii() == b"[DONE]" {
                    return self.ended(assembler, "the stream ended before it began");
                }
                match assembler.push(&event) {
                    Ok(text) => self.pass_on(text, deltas, ends).await?,
                    // What follows the end, or is the cut rest of a line, takes nothing away from the answer.
                    Err(_) if assembler.is_finished() => return Ok(assembler),
                    Err(Bad::Nonsense(_)) if is_over => break,
                    Err(bad) => return Err(self.bad(bad, &assembler)),
                }
            }
            if is_over {
                return if assembler.is_finished() { Ok(assembler) } else { Err(broken_off(&assembler, why)) };
            }
            if assembler.is_finished() {
                if assembler.has_usage() {
                    return Ok(assembler);
                }
                grace.get_or_insert(Instant::now() + END_GRACE);
            }
        }
    }

    /// `[DONE]` without a reason to finish: sound, if there is an answer.
    fn ended(&self, assembler: Assembler, why: &str) -> Result<Assembler, Failed> {
        if assembler.has_output() || assembler.is_finished() {
            return Ok(assembler);
        }
        Err(Failed::ForGood(LlmError::Nonsense(why.to_owned())))
    }

    /// Reads a whole completion; also of an endpoint that answers so although a stream was asked for.
    async fn read_whole(
        &self,
        mut response: reqwest::Response,
        deltas: Option<&mpsc::Sender<String>>,
        ends: Ends,
    ) -> Result<Assembler, Failed> {
        let Inner { config, endpoint, .. } = &*self.0;
        let mut body = Vec::new();
        loop {
            match tokio::time::timeout_at(ends.whole, response.chunk()).await {
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() > config.limits.max_response_bytes => {
                    return Err(self.too_large());
                }
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => break,
                Ok(Err(error)) if body.is_empty() => return Err(Failed::Before(endpoint.away(&error))),
                Ok(Err(error)) => return Err(Failed::ForGood(LlmError::Cut(endpoint.reason(&error)))),
                Err(_) => return Err(Failed::ForGood(self.slow())),
            }
        }
        let mut assembler = self.assembler();
        // A stream whose type is told wrong.
        let is_stream = [&b"data:"[..], b":", b"event:"].iter().any(|start| body.trim_ascii_start().starts_with(start));
        let pieces = if is_stream {
            let mut reader = sse::Reader::default();
            let mut events = reader.feed(&body);
            events.extend(reader.finish());
            events.retain(|event| event.trim_ascii() != b"[DONE]");
            events
        } else if body.trim_ascii().is_empty() {
            return Err(Failed::ForGood(LlmError::Nonsense("it is empty".to_owned())));
        } else {
            vec![body]
        };
        for piece in pieces {
            let text = assembler.push(&piece).map_err(|bad| self.bad(bad, &assembler))?;
            self.pass_on(text, deltas, ends).await?;
        }
        if is_stream && !assembler.is_finished() {
            return Err(broken_off(&assembler, "the stream ended early".to_owned()));
        }
        Ok(assembler)
    }

    async fn pass_on(&self, text: String, deltas: Option<&mpsc::Sender<String>>, ends: Ends) -> Result<(), Failed> {
        if let Some(deltas) = deltas.filter(|_| !text.is_empty()) {
            let sent = tokio::time::timeout_at(ends.whole, deltas.send(text)).await;
            // Ok(Err(_)) is a receiver that is gone: the answer is wanted all the same.
            let _gone = sent.map_err(|_| Failed::ForGood(self.slow()))?;
        }
        Ok(())
    }

    fn assembler(&self) -> Assembler {
        let limits = &self.0.config.limits;
        Assembler::new(Caps { answer_bytes: limits.max_answer_bytes, tool_calls: limits.max_tool_calls })
    }

    fn bad(&self, bad: Bad, so_far: &Assembler) -> Failed {
        let error = match bad {
            Bad::Nonsense(reason) => LlmError::Nonsense(reason),
            Bad::Told(error) => self.0.endpoint.told_error(&error),
        };
        match error {
            LlmError::Away(reason) if so_far.has_output() => Failed::ForGood(LlmError::Cut(reason)),
            LlmError::Busy { .. } if so_far.has_output() => {
                Failed::ForGood(LlmError::Cut("the endpoint got busy".to_owned()))
            }
            error => Failed::Before(error),
        }
    }

    fn slow(&self) -> LlmError {
        LlmError::Slow { limit: self.0.config.limits.whole }
    }

    fn too_large(&self) -> Failed {
        let limit_bytes = self.0.config.limits.max_response_bytes;
        Failed::ForGood(LlmError::Nonsense(format!("it is longer than {limit_bytes} bytes on the wire")))
    }

    /// What a filter on the prompt leaves: an answer without words, as a filter on the answer would.
    fn filtered(&self, request: &ChatRequest) -> ChatAnswer {
        let input_tokens = u64::try_from(estimate::request(request)).unwrap_or(u64::MAX);
        ChatAnswer {
            text: String::new(),
            tool_calls: Vec::new(),
            tool_calls_dropped: 0,
            usage: Usage { input_tokens, output_tokens: 0, estimated: true },
            finish: Finish::Filtered,
            model: self.model().to_owned(),
        }
    }
}

fn broken_off(so_far: &Assembler, why: String) -> Failed {
    if so_far.has_output() { Failed::ForGood(LlmError::Cut(why)) } else { Failed::Before(LlmError::Away(why)) }
}

/// Reads a stream to its end, which comes right behind the answer: otherwise its connection cannot be used again, and
/// the next question waits for a new one.
async fn read_out(mut response: reqwest::Response) {
    let rest = async {
        for _ in 0..REST_MAX {
            if !matches!(response.chunk().await, Ok(Some(_))) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(END_GRACE, rest).await;
}
