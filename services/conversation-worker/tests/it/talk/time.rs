//! Times of a conversation, in Zagreb.

use conversation_worker::turn::Call;
use domain::Micros;

/// When a message was accepted and, by the platform's clock, written; for those who care.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Accepted.
    pub accepted: Micros,
    /// Written.
    pub written: Option<Micros>,
}

/// A time in Zagreb, `2026-11-22T09:00:00`.
pub fn local(text: &str) -> Micros {
    Micros(instant(text).as_microsecond())
}

/// A time in Zagreb, `2026-11-22T09:00:00`.
pub fn instant(text: &str) -> jiff::Timestamp {
    let civil: jiff::civil::DateTime = text.parse().expect("a date and time");
    civil.in_tz("Europe/Zagreb").expect("a known zone").timestamp()
}

/// The time that a call gives for a field.
#[track_caller]
pub fn time_of(call: &Call, key: &str) -> jiff::Timestamp {
    let value = call.arguments.get(key).and_then(serde_json::Value::as_str);
    super::backend::moment(value.unwrap_or_else(|| panic!("{key} is no text in {call:?}")))
}
