//! A question: recorded, checked, and answered as the script says.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{
    Asked, BadAnswer, Reply, Server,
    answer::{self, Answer, WireCall},
    bad,
    check::{self, Refused},
    http::Door,
    take,
};

/// A script that answers with scripts ends here.
const MAX_REPLIES: usize = 16;

pub(super) fn answer(server: &Server, door: &Door, path: String, body: Value, bytes: usize) -> Response {
    let config = &server.0.config;
    let deployed = match door {
        Door::OpenAi => None,
        Door::Azure(model) => Some(model.as_str()),
    };
    let size = |key: &str| body.get(key).map_or(0, |value| value.to_string().len());
    let prompt_tokens = (size("messages") + size("tools")).div_ceil(4);
    let checked = check::check(&body, config, deployed).and_then(|()| {
        if prompt_tokens <= config.max_prompt_tokens {
            return Ok(());
        }
        let message = format!(
            "This model's maximum context length is {} tokens. However, your messages resulted in {prompt_tokens} tokens. Please reduce the length of the messages.",
            config.max_prompt_tokens
        );
        Err(Refused::new(message, "messages", Some("context_length_exceeded")))
    });
    let refused = checked.as_ref().err().map(|refused| refused.message.clone());
    let model = deployed.or(body.get("model").and_then(Value::as_str)).unwrap_or_default().to_owned();
    let asked = Asked { path, body, bytes, prompt_tokens, refused, at: server.now() };
    server.lock().asked.push(asked.clone());
    if let Err(refused) = checked {
        return (refused.status, Json(refused.body())).into_response();
    }

    let ordered = take(&mut server.lock().bad_answers);
    let mut reply = ordered.map_or_else(|| server.lock().script.take(&asked), Reply::Bad);
    for _ in 0..MAX_REPLIES {
        let Reply::By(make) = &reply else { break };
        reply = make(&asked);
    }
    let (text, calls, wrong) = match reply {
        Reply::Says { text, calls } => (text, calls, None),
        Reply::Bad(wrong) => bad::said(wrong, &asked),
        Reply::By(_) => ("This script answers with scripts only.".to_owned(), Vec::new(), None),
    };
    let number = server.next_id();
    let calls: Vec<WireCall> = calls
        .into_iter()
        .enumerate()
        .map(|(at, call)| WireCall {
            id: json!(format!("call_{number:08}{at:04}")),
            name: call.name,
            arguments: call.arguments,
            index: json!(at),
        })
        .collect();
    let answer = Answer {
        id: format!("chatcmpl-{number:08}"),
        created: server.now().seconds(),
        model,
        text,
        finish: json!(if calls.is_empty() { "stop" } else { "tool_calls" }),
        calls,
        prompt_tokens,
        usage: None,
    };
    play(server, &asked, answer, wrong)
}

fn play(server: &Server, asked: &Asked, mut answer: Answer, wrong: Option<BadAnswer>) -> Response {
    let pace = server.0.config.pace;
    let is_stream = asked.body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let include_usage = asked.body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false);
    if let Some(wrong) = wrong {
        if let Some(response) = bad::instead(wrong, server.now()) {
            return response;
        }
        bad::spoil(wrong, &mut answer);
        return if is_stream {
            bad::stream(wrong, &answer, include_usage, pace)
        } else {
            bad::whole(wrong, &answer, pace)
        };
    }
    if is_stream {
        answer::body("text/event-stream; charset=utf-8", answer::events(&answer.chunks(include_usage)), pace)
    } else {
        answer::whole(&answer)
    }
}
