//! Fields of strangers' bodies, as they may become ours: ids, labels, numbers.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Event, Unparsed, json::text};

/// Longest message id that is used as it stands; a longer one is hashed.
pub(crate) const MAX_ID_BYTES: usize = 255;
/// Longest sender that is believed.
pub(crate) const MAX_SENDER_BYTES: usize = 128;
/// Longest name of a contact, and of a message type.
pub(crate) const MAX_LABEL_CHARS: usize = 100;

/// Most contacts and lines of an order that are kept of one message.
pub(crate) const LINES_MAX: usize = 100;

/// An id that is a key of ours: as it stands, or its hash when it is too long.
pub(crate) fn id(value: Option<&Value>) -> Option<String> {
    text(value).map(|id| if id.len() <= MAX_ID_BYTES { id } else { hashed(&id) })
}

/// Where on earth; degrees out of range are none.
pub(crate) fn degrees(value: Option<&Value>, most: f64) -> Option<f64> {
    value.and_then(Value::as_f64).filter(|degrees| degrees.abs() <= most)
}

pub(crate) fn hashed(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

/// Digits of a possible number; E.164 allows 15, and a little more is seen.
pub(crate) fn is_phone(text: &str) -> bool {
    (5..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A stranger's word, short enough for a label.
pub(crate) fn label(word: &str) -> String {
    word.trim().chars().filter(|c| !c.is_control()).take(MAX_LABEL_CHARS).collect()
}

pub(crate) fn unparsed(reason: &str, part: &Value) -> Unparsed {
    Unparsed { reason: reason.to_owned(), payload: part.to_string().into_bytes() }
}

pub(crate) fn event(kind: &str, part: &Value) -> Event {
    Event { kind: label(kind), payload: part.to_string().into_bytes() }
}

/// The elements of an array; none of anything else.
pub(crate) fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}
