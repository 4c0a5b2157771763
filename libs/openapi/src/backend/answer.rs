//! What came back: an answer within limits, or what is known about its absence.

use std::{error::Error as _, time::Duration};

use http::{HeaderMap, header};
use serde_json::Value;

use super::CallError;
use crate::guard::Refused;

/// Longest wait that a backend can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// An answer with any status.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: ResponseBody,
    /// From `Retry-After`, in seconds or as a date; at most a day.
    pub retry_after: Option<Duration>,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseBody {
    /// JSON.
    Json(Value),
    /// Anything else as text: HTML, plain text, broken JSON.
    Text(String),
    /// No bytes.
    Empty,
}

/// Reads an answer of at most `limit_bytes`.
pub(super) async fn read(mut response: reqwest::Response, limit_bytes: usize) -> Result<Response, CallError> {
    let status = response.status().as_u16();
    let too_large = CallError::TooLarge { status, limit_bytes };
    if response.content_length().is_some_and(|length| length > limit_bytes as u64) {
        return Err(too_large);
    }
    let retry_after = retry_after(response.headers());
    let media_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit_bytes => return Err(too_large),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                return Err(CallError::Ambiguous(format!(
                    "status {status}, then the answer broke off: {}",
                    reason(&error)
                )));
            }
        }
    }
    Ok(Response { status, body: body(&media_type, &bytes), retry_after })
}

fn body(media_type: &str, bytes: &[u8]) -> ResponseBody {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return ResponseBody::Empty;
    }
    let looks_like_json =
        || bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['));
    let said_json = media_type.contains("json");
    let may_be_json = said_json || (!media_type.contains("html") && !media_type.contains("xml") && looks_like_json());
    if may_be_json && let Ok(value) = serde_json::from_slice(bytes) {
        return ResponseBody::Json(value);
    }
    ResponseBody::Text(String::from_utf8_lossy(bytes).into_owned())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    // Against the backend's own clock where it tells it: the clocks may differ.
    let at = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let now = headers
        .get(header::DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(at)
        .unwrap_or_else(jiff::Timestamp::now);
    let wait = at(text)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO).min(MAX_RETRY_AFTER))
}

/// A failure before the first byte is told from all later ones, whose end is unknown.
pub(super) fn call_error(error: &reqwest::Error) -> CallError {
    if error.is_connect() || error.is_builder() {
        return CallError::NotSent(reason(error));
    }
    CallError::Ambiguous(reason(error))
}

/// The innermost causes without the URL, which may hold an API key.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return refused.to_string();
        }
        causes.push(cause.to_string());
        source = cause.source();
    }
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let last = causes.split_off(causes.len().saturating_sub(2)).join(": ");
    if last.is_empty() { "the request failed".to_owned() } else { last }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_what_they_are_not_what_they_claim() {
        for (media_type, bytes, expected) in [
            ("application/json", "{\"a\":1}", ResponseBody::Json(json!({ "a": 1 }))),
            ("application/problem+json", "[1]", ResponseBody::Json(json!([1]))),
            ("", " {\"a\":1}", ResponseBody::Json(json!({ "a": 1 }))),
            ("application/json", "<html>", ResponseBody::Text("<html>".to_owned())),
            ("text/html", "[1]", ResponseBody::Text("[1]".to_owned())),
            ("text/plain", "42", ResponseBody::Text("42".to_owned())),
            ("application/json", "42", ResponseBody::Json(json!(42))),
            ("application/json", " \n", ResponseBody::Empty),
            ("application/json", "{\"a\":1e999}", ResponseBody::Text("{\"a\":1e999}".to_owned())),
        ] {
            assert_eq!(body(media_type, bytes.as_bytes()), expected, "{media_type} {bytes}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_limited() {
        for (value, expected) in [
            ("120", Some(120)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("99999999", Some(24 * 3600)),
            ("soon", None),
            ("-3", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, "Wed, 21 Oct 2026 07:28:00 GMT".parse().expect("a header"));
            headers.insert(header::RETRY_AFTER, value.parse().expect("a header"));
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{value}");
        }
    }
}
