//! An embedding model: texts to vectors, in order, each one checked.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rand::RngExt as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{ConfigError, EmbedderConfig, LlmError, Usage, estimate, http::Endpoint, observe::Asked, retry, wire};

/// An embedding model. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Embedder(Arc<Inner>);

struct Inner {
    config: EmbedderConfig,
    endpoint: Endpoint,
    /// Length of the first vector ever; all others have the same.
    dimensions: OnceLock<usize>,
}

/// Vectors of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// In the order of the texts; all of one length, finite, none of them zero.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all batches; `output_tokens` is 0.
    pub usage: Usage,
    /// Requests made, repeats included, for the provider's limits.
    pub requests: u32,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Embedder {
    /// Checks the configuration and makes the HTTP client; connects to nothing. The process must have installed a
    /// rustls crypto provider.
    ///
    /// # Errors
    /// [`ConfigError`] when URL, key or names cannot be used.
    pub fn new(config: EmbedderConfig) -> Result<Self, ConfigError> {
        let endpoint = Endpoint::new(&config.provider, &["embeddings"])?;
        Ok(Self(Arc::new(Inner { config, endpoint, dimensions: OnceLock::new() })))
    }

    /// The model or deployment that is asked: part of a cache's key, with [`Embedder::dimensions`].
    pub fn model(&self) -> &str {
        self.0.config.provider.model()
    }

    /// The value of `gen_ai.provider.name`.
    pub fn provider_name(&self) -> &'static str {
        self.0.config.provider.name()
    }

    /// The length asked for, if one is configured.
    pub fn dimensions(&self) -> Option<u32> {
        self.0.config.dimensions
    }

    /// How [`Embedder::embed`] divides these texts into requests: each within the limits of count and characters. For
    /// callers that keep what a batch gave, or count requests against a quota, before the next one.
    pub fn batches(&self, texts: &[String]) -> Vec<Range<usize>> {
        let limits = &self.0.config.limits;
        let mut batches = Vec::new();
        let (mut from, mut chars) = (0, 0_usize);
        for (at, text) in texts.iter().enumerate() {
            let length = text.chars().take(limits.max_text_chars).count();
            let is_full = at - from >= limits.max_batch_texts.max(1) || chars + length > limits.max_batch_chars;
            if at > from && is_full {
                batches.push(from..at);
                (from, chars) = (at, 0);
            }
            chars += length;
        }
        if from < texts.len() {
            batches.push(from..texts.len());
        }
        batches
    }

    /// The vectors of `texts`, one batch after the other; each has the whole deadline for itself.
    ///
    /// # Errors
    /// [`LlmError`] of the first batch that failed; what earlier ones gave is lost, see [`Embedder::batches`]. An empty
    /// text is refused here, since providers refuse the whole batch for it.
    pub async fn embed(&self, texts: &[String]) -> Result<Embedded, LlmError> {
        if let Some(at) = texts.iter().position(|text| text.trim().is_empty()) {
            return Err(LlmError::Refused { status: 400, reason: format!("text {at} is empty; nothing was sent") });
        }
        let mut all = Embedded::default();
        for batch in self.batches(texts) {
            let Some(texts) = texts.get(batch) else { continue };
            let one = self.embed_batch(texts).await?;
            all.vectors.extend(one.vectors);
            all.usage.input_tokens += one.usage.input_tokens;
            all.usage.estimated |= one.usage.estimated;
            all.requests += one.requests;
        }
        Ok(all)
    }

    /// Asks the endpoint for its models, which costs no tokens: `Ok` if it is there and takes the key.
    ///
    /// # Errors
    /// [`LlmError`] as for a request.
    pub async fn probe(&self, timeout: Duration) -> Result<(), LlmError> {
        self.0.endpoint.probe(timeout).await
    }

    #[tracing::instrument(
        skip_all,
        fields(
            otel.name = format!("embeddings {}", self.model()),
            otel.kind = "client",
            otel.status_code,
            gen_ai.operation.name = "embeddings",
            gen_ai.provider.name = self.provider_name(),
            gen_ai.request.model = self.model(),
            gen_ai.usage.input_tokens,
            texts = texts.len(),
            error.type,
        )
    )]
    async fn embed_batch(&self, texts: &[String]) -> Result<Embedded, LlmError> {
        let span = tracing::Span::current();
        let begun = Instant::now();
        let embedded = self.ask(texts).await;
        let asked = Asked { operation: "embeddings", provider: self.provider_name(), model: self.model() };
        asked.measure(begun.elapsed(), embedded.as_ref().map(|embedded| &embedded.usage));
        match embedded {
            Ok(embedded) => {
                span.record("gen_ai.usage.input_tokens", embedded.usage.input_tokens);
                Ok(embedded)
            }
            Err(error) => {
                span.record("error.type", error.class());
                span.record("otel.status_code", "ERROR");
                Err(error)
            }
        }
    }

    async fn ask(&self, texts: &[String]) -> Result<Embedded, LlmError> {
        let config = &self.0.config;
        let beginning = |text: &String| text.chars().take(config.limits.max_text_chars).collect::<String>();
        let texts: Vec<String> = texts.iter().map(beginning).collect();
        let ends = Instant::now() + config.limits.whole;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&texts, ends).await {
                Ok((vectors, usage)) => return Ok(Embedded { vectors, usage, requests: attempt }),
                Err(error) => error,
            };
            let left = ends.saturating_duration_since(Instant::now());
            let Some(wait) = retry::next_wait(&config.retry, attempt, &error, left, rand::rng().random()) else {
                return Err(error);
            };
            tracing::warn!(gen_ai.request.model = self.model(), %error, attempt, "no vectors; will ask again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, texts: &[String], ends: Instant) -> Result<(Vec<Vec<f32>>, Usage), LlmError> {
        let Inner { config, endpoint, .. } = &*self.0;
        let body = wire::embeddings(self.model(), texts.to_vec(), config.dimensions);
        let mut response = endpoint.post(body, ends).await?.map_err(|refusal| endpoint.error(&refusal))?;
        let mut body = Vec::new();
        loop {
            match tokio::time::timeout_at(ends, response.chunk()).await {
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() > config.limits.max_response_bytes => {
                    let limit_bytes = config.limits.max_response_bytes;
                    return Err(LlmError::Nonsense(format!("it is longer than {limit_bytes} bytes")));
                }
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => break,
                // Vectors have no first token: asking again is as good as asking.
                Ok(Err(error)) => return Err(endpoint.away(&error)),
                Err(_) => return Err(LlmError::Slow { limit: config.limits.whole }),
            }
        }
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| LlmError::Nonsense("it is no list of vectors".to_owned()))?;
        if let Some(error) = answer.error.filter(|error| !error.is_null()) {
            return Err(endpoint.told_error(&error));
        }
        let vectors = ordered(answer.data, texts.len())?;
        self.check(&vectors)?;
        let told = answer.usage.as_ref().and_then(|usage| usage.get("prompt_tokens")?.as_u64());
        let usage = match told.filter(|tokens| *tokens <= 10_000_000) {
            Some(input_tokens) => Usage { input_tokens, output_tokens: 0, estimated: false },
            None => {
                let tokens: usize = texts.iter().map(|text| estimate::text(text)).sum();
                Usage { input_tokens: u64::try_from(tokens).unwrap_or(u64::MAX), output_tokens: 0, estimated: true }
            }
        };
        Ok((vectors, usage))
    }

    /// Lengths and numbers: one wrong vector spoils an index for good.
    fn check(&self, vectors: &[Vec<f32>]) -> Result<(), LlmError> {
        let Inner { config, dimensions, .. } = &*self.0;
        for vector in vectors {
            if vector.is_empty() {
                return Err(LlmError::Nonsense("a vector is empty".to_owned()));
            }
            if vector.iter().any(|value| !value.is_finite()) {
                return Err(LlmError::Nonsense("a vector holds a number that is none".to_owned()));
            }
            if vector.iter().all(|value| *value == 0.0) {
                return Err(LlmError::Nonsense("a vector is zero".to_owned()));
            }
        }
        let Some(first) = vectors.first() else { return Ok(()) };
        let asked = config.dimensions.and_then(|asked| usize::try_from(asked).ok());
        let expected = asked.or_else(|| dimensions.get().copied()).unwrap_or(first.len());
        if let Some(other) = vectors.iter().find(|vector| vector.len() != expected) {
            return Err(LlmError::Nonsense(format!("a vector has {} dimensions, not {expected}", other.len())));
        }
        let _ = dimensions.set(expected); // the first one counts
        Ok(())
    }
}

/// Vectors by their index; without indexes (Google leaves out 0) as they stand.
fn ordered(data: Vec<Item>, count: usize) -> Result<Vec<Vec<f32>>, LlmError> {
    if data.len() != count {
        return Err(LlmError::Nonsense(format!("it has {} vectors for {count} texts", data.len())));
    }
    let mut vectors = vec![Vec::new(); count];
    let mut is_set = vec![false; count];
    for (position, item) in data.into_iter().enumerate() {
        let at = item.index.unwrap_or(position);
        match (vectors.get_mut(at), is_set.get_mut(at)) {
            (Some(slot), Some(is_set)) if !*is_set => {
                *slot = item.embedding;
                *is_set = true;
            }
            _ => return Err(LlmError::Nonsense("its vectors are counted wrong".to_owned())),
        }
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::{EmbedderLimits, Provider};

    fn embedder(limits: EmbedderLimits) -> Embedder {
        rustls::crypto::ring::default_provider().install_default().ok();
        let provider = Provider::OpenAiCompatible {
            base_url: Url::parse("http://127.0.0.1:1/v1").expect("a URL"),
            api_key: None,
            model: "m".to_owned(),
        };
        Embedder::new(EmbedderConfig { limits, ..EmbedderConfig::new(provider) }).expect("an embedder")
    }

    fn check(lengths: &[usize], expected: &[Range<usize>]) {
        let limits =
            EmbedderLimits { max_batch_texts: 3, max_batch_chars: 10, max_text_chars: 8, ..EmbedderLimits::default() };
        let texts: Vec<String> = lengths.iter().map(|length| "ž".repeat(*length)).collect();
        assert_eq!(embedder(limits).batches(&texts), expected, "{lengths:?}");
    }

    #[test]
    fn batches_keep_both_limits_and_the_order() {
        check(&[], &[]);
        check(&[1, 1, 1, 1], &[0..3, 3..4]);
        check(&[5, 5, 1], &[0..2, 2..3]);
        check(&[100, 2, 1], &[0..2, 2..3]);
        check(&[100, 100], &[0..1, 1..2]);
    }

    #[test]
    fn numbers_that_are_none_zeros_and_other_lengths_are_told() {
        let embedder = embedder(EmbedderLimits::default());
        let class = |vectors: &[Vec<f32>]| embedder.check(vectors).map_err(|error| error.class());
        assert_eq!(class(&[vec![0.5, f32::NAN]]), Err("nonsense"));
        assert_eq!(class(&[vec![0.5, f32::INFINITY]]), Err("nonsense"));
        assert_eq!(class(&[vec![0.0, 0.0]]), Err("nonsense"));
        assert_eq!(class(&[vec![]]), Err("nonsense"));
        assert_eq!(class(&[vec![0.5], vec![0.5, 0.5]]), Err("nonsense"));
        assert_eq!(class(&[vec![0.5, 0.0]]), Ok(()));
        // The first length counts for all calls.
        assert_eq!(class(&[vec![0.5]]), Err("nonsense"));
    }

    #[test]
    fn vectors_are_put_in_order_and_wrong_counts_are_told() {
        let item = |index, value| Item { index, embedding: vec![value] };
        let values = |data: Vec<Item>| ordered(data, 2).map(|vectors| vectors.concat()).map_err(|error| error.class());
        assert_eq!(values(vec![item(Some(1), 1.0), item(Some(0), 0.5)]), Ok(vec![0.5, 1.0]));
        assert_eq!(values(vec![item(None, 0.5), item(Some(1), 1.0)]), Ok(vec![0.5, 1.0]));
        assert_eq!(values(vec![item(Some(1), 0.5), item(Some(1), 1.0)]), Err("nonsense"));
        assert_eq!(values(vec![item(Some(2), 0.5), item(Some(0), 1.0)]), Err("nonsense"));
        assert_eq!(values(vec![item(None, 0.5)]), Err("nonsense"));
    }
}
