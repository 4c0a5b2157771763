//! An answer out of its pieces, with every limit kept. Pure: bytes were read elsewhere.
//!
//! The pieces are read leniently, since compatible servers differ: unknown fields and reasons are fine, `index` may be
//! absent or always 0 (Google), arguments may be an object, content may be a list of parts (Mistral), a whole message
//! may stand where a delta is expected.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use crate::{ChatAnswer, Finish, LlmError, ToolCall, Usage};

/// Longest name of a tool that is kept.
const MAX_NAME_BYTES: usize = 256;
/// Longest id that is sent back; OpenAI takes 40 or 64, by version.
const MAX_ID_BYTES: usize = 40;
/// No call has more tokens; what a server tells beyond it is not believed.
const MAX_TOKENS: u64 = 10_000_000;

/// What an answer may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    pub answer_bytes: usize,
    pub tool_calls: usize,
}

/// The answer so far.
#[derive(Debug)]
pub(crate) struct Assembler {
    caps: Caps,
    text: String,
    calls: Vec<Part>,
    dropped: usize,
    /// The last piece of a call belonged to one that was dropped.
    in_dropped: bool,
    dropped_indexes: HashSet<i64>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    model: Option<String>,
    bytes: usize,
    is_alive: bool,
    has_choice: bool,
}

#[derive(Debug)]
struct Part {
    index: Option<i64>,
    id: String,
    name: String,
    arguments: String,
}

/// Why a piece cannot be taken.
#[derive(Debug)]
pub(crate) enum Bad {
    /// An error object of the server.
    Told(Value),
    /// Anything else.
    Nonsense(String),
}

#[derive(Deserialize)]
struct Piece {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    model: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<i64>,
    #[serde(default)]
    delta: Option<Said>,
    #[serde(default)]
    message: Option<Said>,
    #[serde(default)]
    finish_reason: Option<Value>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    refusal: Option<Value>,
    #[serde(default, alias = "reasoning")]
    reasoning_content: Option<Value>,
    #[serde(default)]
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Deserialize)]
struct CallPiece {
    #[serde(default)]
    index: Option<i64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<FunctionPiece>,
}

#[derive(Deserialize)]
struct FunctionPiece {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<Value>,
}

impl Assembler {
    pub fn new(caps: Caps) -> Self {
        Self {
            caps,
            text: String::new(),
            calls: Vec::new(),
            dropped: 0,
            in_dropped: false,
            dropped_indexes: HashSet::new(),
            finish: None,
            usage: None,
            model: None,
            bytes: 0,
            is_alive: false,
            has_choice: false,
        }
    }

    /// Takes a chunk of a stream, or a whole completion. Gives the text that it adds.
    pub fn push(&mut self, json: &[u8]) -> Result<String, Bad> {
        let text = std::str::from_utf8(json).map_err(|_| Bad::Nonsense("it is no UTF-8".to_owned()))?;
        let piece: Piece = serde_json::from_str(text).map_err(|error| {
            let what = if error.is_data() { "is JSON of another shape" } else { "is no JSON" };
            Bad::Nonsense(format!("a part of it {what}"))
        })?;
        if let Some(error) = piece.error.filter(|error| !error.is_null()) {
            return Err(Bad::Told(error));
        }
        self.usage = piece.usage.as_ref().and_then(usage).or(self.usage);
        if self.model.is_none() {
            let model = piece.model.as_ref().and_then(Value::as_str).filter(|model| !model.is_empty());
            self.model = model.map(|model| model.chars().take(128).collect());
        }
        let mut added = String::new();
        for choice in piece.choices.unwrap_or_default() {
            if choice.index.unwrap_or(0) != 0 {
                continue;
            }
            self.has_choice = true;
            for said in choice.delta.into_iter().chain(choice.message) {
                self.said(said, &mut added)?;
            }
            match choice.finish_reason.as_ref().and_then(Value::as_str) {
                None | Some("") => {}
                Some("error") => return Err(Bad::Nonsense("it ends with an error".to_owned())),
                Some(reason) => self.finish = Some(finish(reason)),
            }
        }
        Ok(added)
    }

    /// The model has begun, be it to think: from now on only the whole deadline counts.
    pub fn is_alive(&self) -> bool {
        self.is_alive || self.has_output()
    }

    /// The first token is here: nothing is asked again from now on.
    pub fn has_output(&self) -> bool {
        !self.text.is_empty() || !self.calls.is_empty()
    }

    /// The model has said why it ends; only usage may follow.
    pub fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Tokens are told.
    pub fn has_usage(&self) -> bool {
        self.usage.is_some()
    }

    /// The whole answer. `fresh_id` gives ids for calls that have none of their own.
    pub fn into_answer(
        self,
        model: &str,
        estimated_input: impl FnOnce() -> u64,
        mut fresh_id: impl FnMut() -> String,
    ) -> Result<ChatAnswer, LlmError> {
        if !self.has_choice {
            return Err(LlmError::Nonsense("it has no choices".to_owned()));
        }
        let mut seen = HashSet::new();
        let mut tool_calls = Vec::with_capacity(self.calls.len());
        for Part { id, name, arguments, .. } in self.calls {
            let usable = !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic());
            let mut id = if usable { id } else { fresh_id() };
            while !seen.insert(id.clone()) {
                id = fresh_id();
            }
            // No arguments at all is how several servers write an empty object.
            let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
            tool_calls.push(ToolCall { id, name, arguments });
        }
        let finish = match (self.finish, tool_calls.is_empty()) {
            (Some(Finish::Stop | Finish::Other) | None, false) => Finish::ToolCalls,
            (Some(Finish::ToolCalls), true) if !self.text.is_empty() => Finish::Stop,
            (Some(Finish::Length), _) => Finish::Length,
            (Some(Finish::Filtered), _) => Finish::Filtered,
            (finish, _) => finish.unwrap_or(Finish::Other),
        };
        let is_empty = self.text.is_empty() && tool_calls.is_empty();
        if is_empty && !matches!(finish, Finish::Length | Finish::Filtered) {
            return Err(LlmError::Nonsense("it is empty".to_owned()));
        }
        let usage = self.usage.unwrap_or_else(|| Usage {
            input_tokens: estimated_input(),
            output_tokens: tokens(&self.text)
                + tool_calls.iter().map(|call| tokens(&call.name) + tokens(&call.arguments)).sum::<u64>(),
            estimated: true,
        });
        let model = self.model.unwrap_or_else(|| model.to_owned());
        Ok(ChatAnswer { text: self.text, tool_calls, tool_calls_dropped: self.dropped, usage, finish, model })
    }

    fn said(&mut self, said: Said, added: &mut String) -> Result<(), Bad> {
        self.is_alive |=
            said.reasoning_content.as_ref().is_some_and(|value| value.as_str() != Some("") && !value.is_null());
        for value in said.content.iter().chain(&said.refusal) {
            let before = added.len();
            text_of(value, added);
            self.count(added.len() - before)?;
            self.text.push_str(&added[before..]);
        }
        for piece in said.tool_calls.into_iter().flatten() {
            self.call(piece)?;
        }
        Ok(())
    }

    fn call(&mut self, piece: CallPiece) -> Result<(), Bad> {
        let (name, arguments) = piece.function.map(|function| (function.name, function.arguments)).unwrap_or_default();
        let name = name.unwrap_or_default();
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        let id = piece.id.unwrap_or_default();
        self.count(name.len() + arguments.len() + id.len())?;

        let known = match piece.index {
            Some(_) => self.calls.iter().rposition(|call| call.index == piece.index),
            None => self.calls.len().checked_sub(1),
        };
        // An id of its own together with a name begins a call, whatever its index says.
        let begins = |call: &Part| {
            let new_id = !id.is_empty() && id != call.id;
            let other = !call.name.is_empty() && !call.name.starts_with(&name);
            !name.is_empty() && (piece.index.is_none() || new_id || other || is_object(&call.arguments))
        };
        let continued = known.filter(|at| self.calls.get(*at).is_some_and(|call| !begins(call)));
        let of_dropped = match piece.index {
            Some(index) => continued.is_none() && name.is_empty() && self.dropped_indexes.contains(&index),
            None => self.in_dropped && name.is_empty(),
        };
        if of_dropped {
            return Ok(());
        }
        if let Some(call) = continued.and_then(|at| self.calls.get_mut(at)) {
            self.in_dropped = false;
            if call.id.is_empty() {
                call.id = id;
            }
            // Some servers repeat the name with each piece; a name never comes in two pieces.
            if call.name.is_empty() {
                call.name = cut(name);
            }
            call.arguments.push_str(&arguments);
        } else if self.calls.len() < self.caps.tool_calls {
            self.in_dropped = false;
            self.calls.push(Part { index: piece.index, id, name: cut(name), arguments });
        } else {
            self.in_dropped = true;
            self.dropped += 1;
            self.dropped_indexes.extend(piece.index);
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Bad> {
        self.bytes += bytes;
        if self.bytes > self.caps.answer_bytes {
            return Err(Bad::Nonsense(format!("it is longer than {} bytes", self.caps.answer_bytes)));
        }
        Ok(())
    }
}

fn tokens(text: &str) -> u64 {
    u64::try_from(crate::estimate::text(text)).unwrap_or(u64::MAX)
}

/// A call whose arguments are whole: a name after it begins the next one. Long arguments are not looked into again and
/// again; only servers that count calls send them.
fn is_object(arguments: &str) -> bool {
    arguments.len() <= 4_096
        && arguments.ends_with('}')
        && serde_json::from_str::<serde_json::Map<String, Value>>(arguments).is_ok()
}

fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}

fn text_of(value: &Value, into: &mut String) {
    match value {
        Value::String(text) => into.push_str(text),
        // Parts: `{"type": "text", "text": ..}`; those of other types are not for the person.
        Value::Array(parts) => {
            for part in
                parts.iter().filter(|part| matches!(part.get("type").and_then(Value::as_str), None | Some("text")))
            {
                into.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
        _ => {}
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "stop" | "end_turn" | "eos" => Finish::Stop,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "content_filter" | "safety" => Finish::Filtered,
        _ => Finish::Other,
    }
}

/// Usage, if both numbers can be believed.
fn usage(value: &Value) -> Option<Usage> {
    let tokens = |key: &str| value.get(key)?.as_u64().filter(|tokens| *tokens <= MAX_TOKENS);
    let input_tokens = tokens("prompt_tokens")?;
    // Vectors have no completion.
    let output_tokens = match value.get("completion_tokens") {
        None => 0,
        Some(_) => tokens("completion_tokens")?,
    };
    Some(Usage { input_tokens, output_tokens, estimated: false })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn assemble(pieces: &[Value]) -> Result<ChatAnswer, LlmError> {
        let mut assembler = Assembler::new(Caps { answer_bytes: 1_000, tool_calls: 3 });
        for piece in pieces {
            assembler.push(piece.to_string().as_bytes()).map_err(|bad| LlmError::Nonsense(format!("{bad:?}")))?;
        }
        let mut next = 0;
        let fresh = || {
            next += 1;
            format!("fresh{next}")
        };
        assembler.into_answer("m", || 7, fresh)
    }

    fn delta(delta: Value) -> Value {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    fn end(reason: &str) -> Value {
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    }

    fn check_calls(pieces: &[Value], expected: &[(&str, &str, &str)]) {
        let answer = assemble(pieces).expect("an answer");
        let calls: Vec<_> = answer
            .tool_calls
            .iter()
            .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
            .collect();
        assert_eq!(calls, expected);
        assert_eq!(answer.finish, Finish::ToolCalls);
    }

    fn call(value: Value) -> Value {
        delta(json!({"tool_calls": [value]}))
    }

    #[test]
    fn calls_are_joined_however_a_server_counts_them() {
        let function = |name: &str, arguments: &str| json!({"name": name, "arguments": arguments});
        // OpenAI: by index, interleaved.
        check_calls(
            &[
                call(json!({"index": 0, "id": "a", "type": "function", "function": function("f", "")})),
                call(json!({"index": 1, "id": "b", "function": function("g", "{\"y\"")})),
                call(json!({"index": 0, "function": {"arguments": "{\"x\":1}"}})),
                call(json!({"index": 1, "function": {"arguments": ":2}"}})),
                end("tool_calls"),
            ],
            &[("a", "f", "{\"x\":1}"), ("b", "g", "{\"y\":2}")],
        );
        // Google: whole calls, index always 0, "stop".
        check_calls(
            &[
                call(json!({"index": 0, "id": "a", "function": function("f", "{}")})),
                call(json!({"index": 0, "id": "b", "function": function("f", "{}")})),
                end("stop"),
            ],
            &[("a", "f", "{}"), ("b", "f", "{}")],
        );
        // The same without ids; and a server that repeats the name with each piece.
        check_calls(
            &[
                call(json!({"index": 0, "function": function("f", "{\"x\":1}")})),
                call(json!({"index": 0, "function": function("f", "{\"x\":2}")})),
                call(json!({"index": 0, "function": function("g", "")})),
                call(json!({"index": 0, "function": function("g", "{}")})),
            ],
            &[("fresh1", "f", "{\"x\":1}"), ("fresh2", "f", "{\"x\":2}"), ("fresh3", "g", "{}")],
        );
        // No index, no id, arguments as an object.
        check_calls(
            &[
                call(json!({"function": {"name": "f", "arguments": {"x": 1}}})),
                call(json!({"function": {"name": "f"}})),
            ],
            &[("fresh1", "f", "{\"x\":1}"), ("fresh2", "f", "{}")],
        );
        // Ids that cannot be used.
        check_calls(
            &[
                call(json!({"index": 0, "id": "a", "function": function("f", "{}")})),
                call(json!({"index": 1, "id": "a", "function": function("g", "{}")})),
                call(json!({"index": 2, "id": "x\ny", "function": function("", "{}")})),
                end("tool_calls"),
            ],
            &[("a", "f", "{}"), ("fresh1", "g", "{}"), ("fresh2", "", "{}")],
        );
    }

    #[test]
    fn too_many_calls_are_dropped_with_their_pieces() {
        let mut pieces = Vec::new();
        for index in 0..100 {
            pieces.push(call(json!({"index": index, "id": format!("c{index}"), "function": {"name": "f"}})));
            pieces.push(call(json!({"index": index, "function": {"arguments": "[1]"}})));
        }
        let mut assembler = Assembler::new(Caps { answer_bytes: 10_000, tool_calls: 3 });
        for piece in &pieces {
            assembler.push(piece.to_string().as_bytes()).expect("a piece");
        }
        let answer = assembler.into_answer("m", || 0, String::new).expect("an answer");
        assert_eq!((answer.tool_calls.len(), answer.tool_calls_dropped), (3, 97));
        assert!(answer.tool_calls.iter().all(|call| call.arguments == "[1]"));
    }

    #[test]
    fn ends_are_what_they_mean() {
        let text = || delta(json!({"content": "hi"}));
        for (pieces, expected) in [
            (vec![text(), end("stop")], Ok(Finish::Stop)),
            (vec![text(), end("tool_calls")], Ok(Finish::Stop)),
            (vec![text(), end("length")], Ok(Finish::Length)),
            (vec![end("length")], Ok(Finish::Length)),
            (vec![end("content_filter")], Ok(Finish::Filtered)),
            (vec![text(), end("weird")], Ok(Finish::Other)),
            (vec![text()], Ok(Finish::Other)),
            (vec![end("stop")], Err("it is empty")),
            (vec![json!({"choices": []})], Err("it has no choices")),
            (vec![json!({})], Err("it has no choices")),
        ] {
            let found = assemble(&pieces).map(|answer| answer.finish);
            assert_eq!(found, expected.map_err(|reason| LlmError::Nonsense(reason.to_owned())), "{pieces:?}");
        }
    }

    #[test]
    fn usage_is_believed_within_reason_and_else_estimated() {
        for (usage, expected) in [
            (json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}), (3, 4, false)),
            (json!({"prompt_tokens": -3, "completion_tokens": 4}), (7, 1, true)),
            (json!({"prompt_tokens": 3, "completion_tokens": 1e300}), (7, 1, true)),
            (json!("many"), (7, 1, true)),
            (json!(null), (7, 1, true)),
        ] {
            let pieces =
                [json!({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": usage})];
            let usage = assemble(&pieces).expect("an answer").usage;
            assert_eq!((usage.input_tokens, usage.output_tokens, usage.estimated), expected);
        }
    }

    #[test]
    fn parts_and_refusals_are_text_and_thoughts_are_not() {
        let answer = assemble(&[
            delta(json!({"role": "assistant", "content": null, "reasoning_content": "hmm"})),
            delta(json!({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}]})),
            delta(json!({"content": "b", "refusal": "c"})),
            json!({"choices": [{"index": 1, "delta": {"content": "other choice"}}]}),
            end("stop"),
        ]);
        assert_eq!(answer.expect("an answer").text, "abc");
    }

    proptest! {
        #[test]
        fn no_piece_makes_it_panic(pieces in proptest::collection::vec("[\\PC]{0,40}", 0..6)) {
            let mut assembler = Assembler::new(Caps { answer_bytes: 100, tool_calls: 2 });
            for piece in &pieces {
                let _ = assembler.push(piece.as_bytes());
            }
            let _ = assembler.into_answer("m", || 0, || "x".to_owned());
        }
    }
}
