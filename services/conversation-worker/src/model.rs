//! The model behind free speech: asked within its deadlines, its text passed on sentence by sentence to those who watch.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use ai::Health;
use coordination::FeedEvent;
use domain::telemetry::metric;
use futures::FutureExt as _;
use llm::{Chat, ChatConfig, ConfigError, LlmError, Provider};
use secrecy::SecretString;
use serde_json::{Value, json};
use service_kit::models::{AZURE_API_VERSION, ModelConfig, ModelProvider};
use tokio::sync::mpsc;

use crate::{
    dialogue::free::Speak,
    perform::Performer,
    turn::{ChatOutcome, Question},
};

/// Longest wait for an answer that costs no tokens.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// Pieces of text that may wait to be passed on.
const DELTAS: usize = 64;
/// Longest sentence that is waited for; a longer one is not passed on piece by piece.
const SENTENCE_MAX: usize = 600;

/// The model of this installation.
pub struct Models {
    chat: Option<Chat>,
    provider: ModelProvider,
    health: Arc<Health>,
}

impl Models {
    /// Checks the configuration; connects to nothing.
    ///
    /// # Errors
    /// When the model cannot be asked as configured.
    pub fn new(config: &ModelConfig) -> Result<Self, ConfigError> {
        let health = Arc::default();
        let Some(provider) = provider(config) else {
            return Ok(Self { chat: None, provider: config.provider, health });
        };
        let mut chat = ChatConfig::new(provider);
        if let Some(first_token) = config.first_token {
            chat.limits.first_token = first_token;
        }
        if let Some(whole) = config.timeout {
            chat.limits.whole = whole;
        }
        Ok(Self { chat: Some(Chat::new(chat)?), provider: config.provider, health })
    }

    /// The model as `GET /health/ai` looks after it, where there is one.
    pub fn watched(&self) -> Option<ai::Model> {
        let chat = self.chat.clone()?;
        let probe = move || {
            let chat = chat.clone();
            async move { chat.probe(PROBE_MAX).await.map_err(|error| error.to_string()) }.boxed()
        };
        Some(ai::Model { provider: self.provider.name(), health: Arc::clone(&self.health), probe: Box::new(probe) })
    }

    /// True when there is a model to ask.
    pub fn is_on(&self) -> bool {
        self.chat.is_some()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.chat.as_ref().map_or("none", Chat::model)
    }

    /// Asks it. Every end is an outcome.
    pub async fn ask(&self, performer: &Performer<'_>, question: &Question) -> ChatOutcome {
        let began = Instant::now();
        let took = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Some(chat) = &self.chat else {
            return ChatOutcome::Failed { class: "none".to_owned(), reason: "no model".to_owned(), took_ms: 0 };
        };
        let answered = match &question.speak {
            None => within(question.within, chat.complete(&question.request, None)).await,
            Some(speak) => {
                let (deltas, received) = mpsc::channel(DELTAS);
                let asking = async {
                    let answered = chat.complete(&question.request, Some(&deltas)).await;
                    drop(deltas);
                    answered
                };
                let (answered, shown) = tokio::join!(asking, pass_on(performer, speak, received));
                // Text that goes before a call, or before a failure, was no answer.
                if shown && answered.as_ref().map_or(true, |answer| !answer.tool_calls.is_empty()) {
                    take_back(performer);
                }
                answered
            }
        };
        match answered {
            Ok(answer) => {
                self.health.answered();
                let tokens = metrics::counter!(metric::AI_TOKENS_USED, "model" => chat.model().to_owned());
                tokens.increment(answer.usage.input_tokens + answer.usage.output_tokens);
                ChatOutcome::Answered { answer, took_ms: took() }
            }
            Err(error) => {
                self.health.failed(&error.to_string());
                metrics::counter!(metric::AI_ERRORS, "model" => chat.model().to_owned(), "class" => error.class())
                    .increment(1);
                tracing::warn!(%error, class = error.class(), "the model gave no answer; the dialogue goes on");
                ChatOutcome::Failed { class: error.class().to_owned(), reason: error.to_string(), took_ms: took() }
            }
        }
    }
}

/// An answer in this time, or an error as of a slow model.
async fn within<T>(limit: Option<Duration>, asking: impl Future<Output = Result<T, LlmError>>) -> Result<T, LlmError> {
    let Some(limit) = limit else { return asking.await };
    tokio::time::timeout(limit, asking).await.unwrap_or(Err(LlmError::Slow { limit }))
}

/// Passes finished sentences on that may be shown; true when any was. After one that may not, nothing more is.
async fn pass_on(performer: &Performer<'_>, speak: &Speak, mut deltas: mpsc::Receiver<String>) -> bool {
    let (mut waiting, mut shown, mut open) = (String::new(), false, true);
    while let Some(delta) = deltas.recv().await {
        if !open {
            continue; // the model is not slowed down
        }
        waiting.push_str(&delta);
        while let Some(end) = sentence_end(&waiting) {
            let rest = waiting.split_off(end);
            let sentence = std::mem::replace(&mut waiting, rest);
            match speak.sentence(&sentence) {
                Some(text) => {
                    // A turn that met an error of the store runs again and may say it once more.
                    if !shown {
                        take_back(performer);
                        performer.held.shown.store(performer.seq, Ordering::Relaxed);
                    }
                    publish(performer, "delta", json!({ "text": text }));
                    shown = true;
                }
                None => {
                    open = false;
                    break;
                }
            }
        }
        open &= waiting.len() <= SENTENCE_MAX;
    }
    shown
}

/// Tells watchers that the words of this turn that they see live are void, if they see any.
fn take_back(performer: &Performer<'_>) {
    if performer.held.shown.swap(0, Ordering::Relaxed) == performer.seq {
        publish(performer, "reset", json!({}));
    }
}

/// Behind the first finished sentence or line.
fn sentence_end(text: &str) -> Option<usize> {
    let line = text.find('\n').map(|at| at + 1);
    let stop = [". ", "! ", "? "].iter().filter_map(|mark| text.find(mark).map(|at| at + mark.len())).min();
    line.into_iter().chain(stop).min()
}

fn publish(performer: &Performer<'_>, kind: &str, data: Value) {
    let lease = &performer.held.lease;
    let event = FeedEvent { kind: kind.to_owned(), seq: performer.seq, epoch: lease.epoch, data };
    performer.worker.coordination.publish(lease.conversation, event);
}

fn provider(config: &ModelConfig) -> Option<Provider> {
    if !config.is_on() {
        return None;
    }
    // Validated: what is missing here is refused by the provider itself.
    let endpoint = config.endpoint()?;
    let name = config.name.clone().unwrap_or_default();
    Some(match config.provider {
        ModelProvider::Azure => Provider::Azure {
            endpoint,
            api_key: config.api_key.clone().unwrap_or_else(|| SecretString::from("")),
            api_version: config.api_version.clone().unwrap_or_else(|| AZURE_API_VERSION.to_owned()),
            deployment: name,
        },
        _ => Provider::OpenAiCompatible { base_url: endpoint, api_key: config.api_key.clone(), model: name },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_marks_and_lines() {
        assert_eq!(sentence_end("It is free. And"), Some(12));
        assert_eq!(sentence_end("1. Octavia\n2."), Some(3));
        assert_eq!(sentence_end("at 9.30 it"), None);
        assert_eq!(sentence_end("a\nb. c"), Some(2));
    }
}
