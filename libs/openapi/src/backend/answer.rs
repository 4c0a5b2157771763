//! What came back: an answer within limits, or what is known about its absence.

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

use super::{
    BackendConfig, CallError,
    parameters::{disposition, header_text, western},
};
use crate::{
    guard::Refused,
    media::{ANY_BYTES, essence, is_media_type},
    model::File,
};

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
    /// JSON; lines of JSON (NDJSON, JSON text sequences) are an array.
    Json(Value),
    /// Anything else that can be read: HTML, XML, plain text, broken JSON. Of a file, one line with its name, media
    /// type and size: the file itself comes from [`Backend::send_with_files`](crate::Backend::send_with_files) and
    /// [`Pages::file`](crate::Pages::file).
    Text(String),
    /// No bytes.
    Empty,
}

/// What else came with an answer.
pub(super) struct Rest {
    /// Bytes, or a text that the backend gives to be kept (`Content-Disposition: attachment`).
    pub file: Option<File>,
    /// Values of `Link`.
    pub links: Vec<String>,
    /// Bytes of the body.
    pub size_bytes: usize,
}

/// Most `Link` headers looked at.
const MAX_LINK_HEADERS: usize = 20;

/// Reads an answer within the limits of `config`.
pub(super) async fn read(
    mut response: reqwest::Response,
    config: &BackendConfig,
) -> Result<(Response, Rest), CallError> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let media_type = headers.get(header::CONTENT_TYPE).map(header_text).unwrap_or_default().to_ascii_lowercase();
    let disposition =
        headers.get(header::CONTENT_DISPOSITION).map(|value| disposition(&header_text(value))).unwrap_or_default();
    let kind = Kind::of(&media_type, disposition.attachment);
    let limit_bytes = if kind == Kind::File { config.max_file_bytes } else { config.max_response_bytes };
    let too_large = CallError::TooLarge { status, limit_bytes, file: kind == Kind::File };
    let retry_after = retry_after(headers);
    let links = headers.get_all(header::LINK).iter().take(MAX_LINK_HEADERS).map(header_text).collect();
    if response.content_length().is_some_and(|length| length > limit_bytes as u64) {
        return Err(too_large);
    }
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
    let size_bytes = bytes.len();
    let (body, file) = match body(kind, &media_type, disposition.name, bytes) {
        _ if matches!(status, 204 | 205 | 304) => (ResponseBody::Empty, None),
        Body::Read(body) => (body, None),
        Body::File(file) => (ResponseBody::Text(in_words(&file)), Some(file)),
    };
    Ok((Response { status, body, retry_after }, Rest { file, links, size_bytes }))
}

/// What a body claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    /// One JSON value a line.
    Lines,
    /// HTML and XML: never taken for JSON.
    Markup,
    Text,
    File,
    Unsaid,
}

impl Kind {
    fn of(media_type: &str, attachment: bool) -> Self {
        let essence = essence(media_type);
        let has = |part: &str| essence.contains(part);
        let is_image = essence.starts_with("image/");
        if ["ndjson", "jsonl", "json-seq", "stream+json", "json-lines"].iter().any(|part| has(part)) {
            Self::Lines
        } else if has("json") {
            Self::Json
        } else if attachment {
            Self::File
        } else if (has("html") || has("xml")) && !is_image && !has("openxml") {
            Self::Markup
        } else if essence.starts_with("text/") || TEXTS.iter().any(|part| has(part)) {
            Self::Text
        } else if !is_media_type(&essence) {
            Self::Unsaid
        } else {
            Self::File
        }
    }
}

/// Parts of the names of texts that are not called `text/...`.
const TEXTS: [&str; 6] = ["yaml", "javascript", "x-www-form-urlencoded", "graphql", "sql", "csv"];

/// A body that was read, or is to be kept.
#[derive(Debug, PartialEq)]
enum Body {
    Read(ResponseBody),
    File(File),
}

/// `report.pdf (application/pdf, 12345 bytes)`, in words of no language.
fn in_words(file: &File) -> String {
    let facts = format!("{}, {} bytes", file.media_type, file.content.len());
    file.name.as_ref().map_or(facts.clone(), |name| format!("{name} ({facts})"))
}

fn body(kind: Kind, media_type: &str, name: Option<String>, bytes: Vec<u8>) -> Body {
    let is_blank = bytes.iter().all(u8::is_ascii_whitespace);
    if bytes.is_empty() || (is_blank && kind != Kind::File) {
        return Body::Read(ResponseBody::Empty);
    }
    let content = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let looks_like_json =
        content.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['));
    let may_be_json = match kind {
        Kind::Json => true,
        Kind::Markup | Kind::Lines => false,
        Kind::File => looks_like_json && name.is_none() && media_type.starts_with("application/"),
        Kind::Text | Kind::Unsaid => looks_like_json,
    };
    if may_be_json && let Ok(value) = serde_json::from_slice(content) {
        return Body::Read(ResponseBody::Json(value));
    }
    if kind == Kind::Lines
        && let Some(lines) = lines(content)
    {
        return Body::Read(ResponseBody::Json(lines));
    }
    let is_bytes = kind == Kind::File || (kind == Kind::Unsaid && (bytes.contains(&0) || !is_utf8(&bytes)));
    if is_bytes {
        let essence = essence(media_type);
        let media_type = if is_media_type(&essence) { essence } else { ANY_BYTES.to_owned() };
        return Body::File(File { name, media_type, content: Bytes::from(bytes) });
    }
    Body::Read(ResponseBody::Text(text(media_type, content)))
}

fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

/// The lines as an array; `None` when one of them is no JSON.
fn lines(bytes: &[u8]) -> Option<Value> {
    // JSON text sequences (RFC 7464) begin each text with a record separator.
    let lines =
        bytes.split(|byte| matches!(byte, b'\n' | b'\x1e')).filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    lines.map(|line| serde_json::from_slice(line).ok()).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn text(media_type: &str, bytes: &[u8]) -> String {
    let charset = media_type.split(';').skip(1).find_map(|part| part.trim().strip_prefix("charset="));
    let is_western = charset.is_some_and(|name| {
        matches!(name.trim_matches('"').trim(), "iso-8859-1" | "latin1" | "iso-8859-15" | "windows-1252")
    });
    if is_western { western(bytes) } else { String::from_utf8_lossy(bytes).into_owned() }
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

    fn read_body(media_type: &str, bytes: &[u8]) -> Body {
        body(Kind::of(media_type, false), media_type, None, bytes.to_vec())
    }

    #[test]
    fn bodies_are_what_they_are_not_what_they_claim() {
        let file = |media_type: &str, content: &'static [u8]| {
            Body::File(File { name: None, media_type: media_type.to_owned(), content: content.into() })
        };
        let text = |text: &str| Body::Read(ResponseBody::Text(text.to_owned()));
        let json = |value: Value| Body::Read(ResponseBody::Json(value));
        let empty = || Body::Read(ResponseBody::Empty);
        let xml = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        let cases: [(&str, &'static [u8], Body); 25] = [
            ("application/json", b"{\"a\":1}", json(json!({ "a": 1 }))),
            ("application/json", b"\xef\xbb\xbf[1]", json(json!([1]))),
            ("application/problem+json", b"{\"title\":\"No\"}", json(json!({ "title": "No" }))),
            ("", b" {\"a\":1}", json(json!({ "a": 1 }))),
            ("text/plain", b"{\"a\":1}", json(json!({ "a": 1 }))),
            ("application/octet-stream", b"[{}]", json(json!([{}]))),
            ("image/png", b"[{}]", file("image/png", b"[{}]")),
            ("application/json", b"<html>", text("<html>")),
            ("text/html", b"[1]", text("[1]")),
            ("application/soap+xml", b"<a/>", text("<a/>")),
            ("text/plain", b"42", text("42")),
            ("text/plain; charset=iso-8859-1", b"\xa3 1 \x80", text("£ 1 €")),
            ("application/json", b"42", json(json!(42))),
            ("application/json", b" \n", empty()),
            ("application/json", b"{\"a\":1e999}", text("{\"a\":1e999}")),
            ("application/x-ndjson", b"{\"a\":1}\n\n2\r\n", json(json!([{ "a": 1 }, 2]))),
            ("application/json-seq", b"\x1e{\"a\":1}\n\x1e3\n", json(json!([{ "a": 1 }, 3]))),
            ("application/x-ndjson", b"{\"a\":1}\n{", text("{\"a\":1}\n{")),
            ("application/pdf", b"%PDF-1.7", file("application/pdf", b"%PDF-1.7")),
            ("image/svg+xml", b"<svg/>", file("image/svg+xml", b"<svg/>")),
            (xml, b"PK", file(xml, b"PK")),
            ("", b"\x00\x01", file("application/octet-stream", b"\x00\x01")),
            ("nonsense", b"plain words", text("plain words")),
            ("text/csv", b"a,b", text("a,b")),
            ("application/pdf", b"", empty()),
        ];
        for (media_type, bytes, expected) in cases {
            assert_eq!(read_body(media_type, bytes), expected, "{media_type} {bytes:?}");
        }
        assert_eq!(Kind::of("text/csv", true), Kind::File, "an attachment is kept");
        assert_eq!(Kind::of("application/json", true), Kind::Json, "but JSON is read");
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
