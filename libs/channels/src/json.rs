//! Reading JSON of strangers: bounded in depth, forgiving of the damages that platforms really send.

use std::borrow::Cow;

use serde_json::Value;

use crate::ParseError;

/// Deepest nesting of arrays and objects that is read.
pub const MAX_DEPTH: usize = 64;

/// Reads `body`; a byte order mark, invalid UTF-8 and half surrogate pairs are mended rather than refused.
pub(crate) fn read(body: &[u8]) -> Result<Value, ParseError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if depth(body) > MAX_DEPTH {
        return Err(ParseError::TooDeep);
    }
    serde_json::from_slice(body)
        .or_else(|error| {
            let text = String::from_utf8_lossy(body);
            match mend_surrogates(&text) {
                Cow::Borrowed(_) if matches!(text, Cow::Borrowed(_)) => Err(error),
                mended => serde_json::from_str(&mended),
            }
        })
        .map_err(ParseError::NotJson)
}

/// A string or a whole number as text without NUL (PostgreSQL refuses it), `None` when blank or anything else.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => clean(text),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if text.trim().is_empty() { None } else { Some(text) }
}

/// `text` if it is JSON, else the JSON string that says it.
pub(crate) fn written(text: String) -> String {
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => text,
        Err(_) => Value::String(text).to_string(),
    }
}

/// `text` without NUL.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// Deepest nesting of brackets outside strings. One pass, no recursion.
fn depth(body: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Replaces `\uD800`..`\uDFFF` escapes that have no partner by `\uFFFD`.
fn mend_surrogates(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut mended = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let Some(unit) = unicode_escape(bytes, at) else {
            at += 2; // any other escape, an escaped backslash included
            continue;
        };
        let paired = (0xD800..0xDC00).contains(&unit)
            && unicode_escape(bytes, at + 6).is_some_and(|low| (0xDC00..0xE000).contains(&low));
        if paired {
            at += 12;
        } else {
            if (0xD800..0xE000).contains(&unit) {
                mended.push_str(&text[copied..at]);
                mended.push_str("\\uFFFD");
                copied = at + 6;
            }
            at += 6;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    mended.push_str(&text[copied..]);
    Cow::Owned(mended)
}

/// The value of `\uXXXX` at `at`.
fn unicode_escape(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn damaged_text_is_mended() {
        for (body, expected) in [
            (&b"\xef\xbb\xbf{\"a\":1}"[..], json!({"a": 1})),
            (br#"{"a":"\ud83d\ude00"}"#, json!({"a": "😀"})),
            (br#"{"a":"x\ud83dy"}"#, json!({"a": "x\u{fffd}y"})),
            (br#"{"a":"\ude00\\ud83d"}"#, json!({"a": "\u{fffd}\\ud83d"})),
            (b"{\"a\":\"\xff\"}", json!({"a": "\u{fffd}"})),
        ] {
            assert_eq!(read(body).expect("readable"), expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(matches!(read(nested(MAX_DEPTH + 1).as_bytes()), Err(ParseError::TooDeep)));
        assert!(matches!(read("[".repeat(10_000).as_bytes()), Err(ParseError::TooDeep)));
        let brackets_in_text = format!(r#"["{}\"{}"]"#, "[".repeat(100), "{".repeat(100));
        assert!(read(brackets_in_text.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for body in ["", "{", "<xml/>", "{\"a\":1e999}", "nul"] {
            assert!(matches!(read(body.as_bytes()), Err(ParseError::NotJson(_))), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }

        #[test]
        fn any_escapes_are_read_or_refused(text in r#"(\\u[dD][89a-fA-F][0-9]{2}|\\\\|\\u|x|"){0,12}"#) {
            let _ = read(format!("\"{text}\"").as_bytes());
        }
    }
}
