//! A model's answer on the wire: whole, or in the pieces of a stream.

use std::time::Duration;

use axum::{Json, response::IntoResponse as _, response::Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::http;

/// No body outlasts this: a forgotten stream must not hang a test run.
const LONGEST: Duration = Duration::from_secs(600);

/// What the model says.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub id: String,
    pub created: i64,
    pub model: String,
    pub text: String,
    pub calls: Vec<WireCall>,
    /// `finish_reason`.
    pub finish: Value,
    pub prompt_tokens: usize,
    /// In place of the true usage; null for none.
    pub usage: Option<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct WireCall {
    pub id: Value,
    pub name: String,
    pub arguments: String,
    /// `index` in a stream.
    pub index: Value,
}

/// One step of a body.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Bytes.
    Bytes(Bytes),
    /// The connection breaks.
    Cut,
    /// Nothing more comes, and no end.
    Hang,
    /// These bytes again and again.
    Forever(Bytes),
}

impl Answer {
    fn usage(&self) -> Value {
        if let Some(usage) = &self.usage {
            return usage.clone();
        }
        let bytes: usize =
            self.text.len() + self.calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>();
        let completion_tokens = bytes.div_ceil(4);
        json!({
            "prompt_tokens": self.prompt_tokens, "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        })
    }

    /// A whole completion.
    pub fn whole(&self) -> Value {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|call| {
                json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
            })
            .collect();
        let content = if self.text.is_empty() && !calls.is_empty() { Value::Null } else { json!(self.text) };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        let mut body = json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish}],
            "usage": self.usage(), "system_fingerprint": null,
        });
        if body["usage"].is_null() {
            body.as_object_mut().map(|map| map.shift_remove("usage"));
        }
        body
    }

    /// A chunk of the stream with this choice; `None` for the one with usage.
    pub fn chunk(&self, choice: Option<(Value, Value)>, include_usage: bool) -> Value {
        let choices = match &choice {
            Some((delta, finish)) => json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]),
            None => json!([]),
        };
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "system_fingerprint": null, "choices": choices,
        });
        if include_usage {
            chunk["usage"] = if choice.is_none() { self.usage() } else { Value::Null };
        }
        chunk
    }

    /// All chunks, in order.
    pub fn chunks(&self, include_usage: bool) -> Vec<Value> {
        let mut deltas = vec![json!({"role": "assistant", "content": "", "refusal": null})];
        deltas.extend(pieces(&self.text, 8).map(|piece| json!({"content": piece})));
        for call in &self.calls {
            deltas.push(json!({"tool_calls": [{
                "index": call.index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""},
            }]}));
            deltas.extend(
                pieces(&call.arguments, 16)
                    .map(|piece| json!({"tool_calls": [{"index": call.index, "function": {"arguments": piece}}]})),
            );
        }
        let mut chunks: Vec<Value> =
            deltas.into_iter().map(|delta| self.chunk(Some((delta, Value::Null)), include_usage)).collect();
        chunks.push(self.chunk(Some((json!({}), self.finish.clone())), include_usage));
        if include_usage && self.usage.as_ref().is_none_or(|usage| !usage.is_null()) {
            chunks.push(self.chunk(None, true));
        }
        chunks
    }
}

/// Pieces of about `length` bytes, never more than some 200 of them, cut between characters.
fn pieces(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let length = length.max(text.len() / 200);
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(length.min(rest.len())));
        rest = after;
        Some(piece)
    })
}

/// An event.
pub(super) fn event(data: &str) -> Step {
    Step::Bytes(format!("data: {data}\n\n").into())
}

/// The events of a lawful stream.
pub(super) fn events(chunks: &[Value]) -> Vec<Step> {
    let mut steps: Vec<Step> = chunks.iter().map(|chunk| event(&chunk.to_string())).collect();
    steps.push(event("[DONE]"));
    steps
}

/// A lawful whole answer.
pub(super) fn whole(answer: &Answer) -> Response {
    Json(answer.whole()).into_response()
}

/// A body of these steps, `pace` apart.
pub(super) fn body(content_type: &'static str, steps: Vec<Step>, pace: Duration) -> Response {
    let pieces = futures::stream::unfold(steps.into_iter().peekable(), move |mut steps| async move {
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        let piece = match steps.next_if(|step| !matches!(step, Step::Forever(_))) {
            Some(Step::Bytes(bytes)) => Ok(bytes),
            Some(Step::Cut) => {
                // What was sent before it has to be on its way.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("cut on command"))
            }
            Some(Step::Hang | Step::Forever(_)) => {
                tokio::time::sleep(LONGEST).await;
                return None;
            }
            None => match steps.peek() {
                Some(Step::Forever(bytes)) => {
                    tokio::task::yield_now().await;
                    Ok(bytes.clone())
                }
                _ => return None,
            },
        };
        Some((piece, steps))
    });
    http::streamed(content_type, pieces)
}
