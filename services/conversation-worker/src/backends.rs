//! The backends of a tenant's documents, and how their answers are judged.

use std::{collections::BTreeMap, time::Duration};

use openapi::{Backend, CallError, Response, ResponseBody, Risk};
use serde_json::Value;

use crate::turn::{AnswerFile, CallOutcome, Cut, FileOutcome};

/// Bytes of an answer that a turn sees at most.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a list with all its pages.
pub const WHOLE_BYTES_MAX: usize = 256 * 1024;
/// Characters of one text in it at most.
const TEXT_CHARS_MAX: usize = 4_000;

/// Backends by document, each with the deadline of a call.
pub type Backends = BTreeMap<String, (Backend, Duration)>;

/// How one request ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// There is nothing to repeat.
    Final(CallOutcome),
    /// The same request may be made again; this is the outcome if it is not.
    Again {
        /// If it stays so.
        outcome: CallOutcome,
        /// The backend's own wish.
        wait: Option<Duration>,
    },
}

impl Ended {
    /// Judges an answer by how much harm a repetition can do.
    pub fn of(risk: Risk, answer: Result<Response, CallError>) -> Self {
        match answer {
            Ok(response) if response.status == 429 => {
                Self::Again { outcome: untaken(risk, &response), wait: response.retry_after }
            }
            // Who names a time to come back has not begun.
            Ok(response) if response.status == 503 && response.retry_after.is_some() => {
                let outcome = untaken(risk, &response);
                if risk == Risk::Once {
                    Self::Final(outcome)
                } else {
                    Self::Again { outcome, wait: response.retry_after }
                }
            }
            Ok(response) if response.status >= 500 || response.status == 408 => {
                Self::ambiguous(risk, format!("the backend answered {}", response.status), response.retry_after)
            }
            Ok(response) => {
                let body = match response.body {
                    ResponseBody::Json(value) => value,
                    ResponseBody::Text(text) => Value::String(text),
                    ResponseBody::Empty => Value::Null,
                };
                Self::Final(CallOutcome::Answered { status: response.status, body, cut: None, file: None })
            }
            Err(CallError::NotSent(reason)) => {
                Self::Again { outcome: CallOutcome::Away { reason, again: true, wait_s: None }, wait: None }
            }
            Err(CallError::Credentials(reason)) => Self::Final(CallOutcome::NoCredentials { reason }),
            Err(CallError::Ambiguous(reason)) => Self::ambiguous(risk, reason, None),
            Err(CallError::TooLarge { status, limit_bytes, file: true }) => {
                let kept = FileOutcome::TooLarge { limit_bytes: u64::try_from(limit_bytes).unwrap_or(u64::MAX) };
                let file = Some(AnswerFile { name: None, kept });
                Self::Final(CallOutcome::Answered { status, body: Value::Null, cut: None, file })
            }
            // It happened; only its words are lost, and without them a look-up is worth nothing.
            Err(error @ CallError::TooLarge { .. }) if risk == Risk::Safe => Self::Final(away(error.to_string())),
            Err(CallError::TooLarge { status, .. }) => {
                Self::Final(CallOutcome::Answered { status, body: Value::Null, cut: None, file: None })
            }
        }
    }

    /// The same, of a list that may have further pages.
    pub fn with_more(mut self, more: bool) -> Self {
        let (Self::Final(outcome) | Self::Again { outcome, .. }) = &mut self;
        if let (true, CallOutcome::Answered { cut, .. }) = (more, outcome) {
            *cut = Some(Cut { rows: 0, kept: 0, more });
        }
        self
    }

    fn ambiguous(risk: Risk, reason: String, wait: Option<Duration>) -> Self {
        match risk {
            Risk::Safe => Self::Again { outcome: away(reason), wait },
            Risk::Idempotent | Risk::Keyed => Self::Again { outcome: CallOutcome::Unknown { reason }, wait },
            Risk::Once => Self::Final(CallOutcome::Unknown { reason }),
        }
    }

    /// For the metric.
    pub fn label(&self) -> &'static str {
        let (Self::Final(outcome) | Self::Again { outcome, .. }) = self;
        match outcome {
            CallOutcome::Answered { status: 200..400, .. } => "ok",
            CallOutcome::Answered { .. } => "refused",
            CallOutcome::Away { .. } => "away",
            CallOutcome::Unknown { .. } => "unknown",
            CallOutcome::NoCredentials { .. } => "no_credentials",
        }
    }
}

/// Nothing happened, and nothing will by itself.
pub fn away(reason: impl Into<String>) -> CallOutcome {
    CallOutcome::Away { reason: reason.into(), again: false, wait_s: None }
}

/// The backend had the request and did not take it. What must happen once only is not sent twice on its word alone.
fn untaken(risk: Risk, response: &Response) -> CallOutcome {
    CallOutcome::Away {
        reason: format!("the backend is busy ({})", response.status),
        again: risk != Risk::Once,
        wait_s: response.retry_after.map(|wait| wait.as_secs()),
    }
}

/// An answer that fits into so many bytes, and what it lost: long texts are cut, then lists lose their last rows, the
/// longest lists first. `more`: the backend has further pages.
pub fn trim(mut body: Value, most_bytes: usize, more: bool) -> (Value, Option<Cut>) {
    cut_texts(&mut body);
    let rows = longest(&body);
    let mut kept = rows;
    loop {
        let size = size(&body);
        if size <= most_bytes {
            return (body, (kept < rows || more).then_some(Cut { rows, kept, more }));
        }
        if kept == 0 {
            return (Value::Null, None); // one object of a size that nobody can read
        }
        // Each round is one pass and takes a fifth at least, so that there are few of them.
        let share = (most_bytes as f64 / size as f64).min(0.8);
        kept = (kept as f64 * share) as usize;
        shorten(&mut body, kept);
    }
}

/// Bytes of a value as JSON.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX, // a value that cannot be written fits nowhere
    }
}

fn cut_texts(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
                text.truncate(end);
            }
        }
        Value::Array(rows) => rows.iter_mut().for_each(cut_texts),
        Value::Object(fields) => fields.values_mut().for_each(cut_texts),
        _ => {}
    }
}

/// Rows of the longest list in a value.
fn longest(value: &Value) -> usize {
    match value {
        Value::Array(rows) => rows.iter().map(longest).max().unwrap_or(0).max(rows.len()),
        Value::Object(fields) => fields.values().map(longest).max().unwrap_or(0),
        _ => 0,
    }
}

/// Leaves every list its first `kept` rows.
fn shorten(value: &mut Value, kept: usize) {
    match value {
        Value::Array(rows) => {
            rows.truncate(kept);
            rows.iter_mut().for_each(|row| shorten(row, kept));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| shorten(field, kept)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trim_answer(body: Value) -> (Value, Option<Cut>) {
        trim(body, ANSWER_BYTES_MAX, false)
    }

    fn rows(count: usize) -> Value {
        (0..count).map(|n| json!({ "id": n, "name": "a name of some length" })).collect()
    }

    #[test]
    fn a_large_answer_loses_its_last_rows_and_tells_how_many_there_were() {
        let (trimmed, cut) = trim_answer(json!({ "total": 5_000, "items": rows(5_000) }));
        assert!(trimmed.to_string().len() <= ANSWER_BYTES_MAX);
        assert_eq!(trimmed["total"], 5_000);
        assert_eq!(trimmed["items"][0]["id"], 0);
        let kept = trimmed["items"].as_array().map_or(0, Vec::len);
        assert!(kept > 500, "{kept}");
        assert_eq!(cut, Some(Cut { rows: 5_000, kept, more: false }));
        let (trimmed, cut) = trim_answer(rows(5_000));
        assert_eq!(cut, Some(Cut { rows: 5_000, kept: trimmed.as_array().map_or(0, Vec::len), more: false }));
    }

    #[test]
    fn an_answer_with_further_pages_says_so() {
        let (trimmed, cut) = trim(rows(20), ANSWER_BYTES_MAX, true);
        assert_eq!((trimmed, cut), (rows(20), Some(Cut { rows: 20, kept: 20, more: true })));
        let (trimmed, cut) = trim(rows(20_000), WHOLE_BYTES_MAX, false);
        let kept = trimmed.as_array().map_or(0, Vec::len);
        assert!(kept > 3_000, "{kept}");
        assert_eq!(cut, Some(Cut { rows: 20_000, kept, more: false }));
    }

    #[test]
    fn a_small_answer_stays_as_it_is_and_a_huge_object_is_dropped() {
        let small = json!({ "a": [1, 2], "b": "x" });
        assert_eq!(trim_answer(small.clone()), (small, None));
        let huge: serde_json::Map<_, _> = (0..10_000).map(|n| (format!("key{n}"), json!("value"))).collect();
        assert_eq!(trim_answer(Value::Object(huge)), (Value::Null, None));
        assert_eq!(trim_answer(json!("x".repeat(100_000))).0.as_str().map(str::len), Some(TEXT_CHARS_MAX));
    }

    /// One list in another, over and over, and thousands of lists of one row each.
    #[test]
    fn the_shape_of_an_answer_costs_no_time() {
        let nested: serde_json::Map<_, _> =
            (0..20_000).map(|n| (format!("key{n}"), json!([["a text of some length"]]))).collect();
        let began = std::time::Instant::now();
        assert_eq!(trim_answer(json!({ "rows": nested.clone() })), (Value::Null, None));
        let (trimmed, cut) = trim_answer(json!([nested, rows(30_000)]));
        assert_eq!((trimmed, cut), (json!([]), Some(Cut { rows: 30_000, kept: 0, more: false })));
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }

    #[test]
    fn only_what_surely_did_not_happen_may_be_called_again_later() {
        let response = |status, wait: Option<u64>| {
            Ok(Response { status, body: ResponseBody::Empty, retry_after: wait.map(Duration::from_secs) })
        };
        let not_sent = || Err(CallError::NotSent("refused".to_owned()));
        for (risk, answer, expected) in [
            (Risk::Once, not_sent(), Some((true, None))),
            (Risk::Keyed, not_sent(), Some((true, None))),
            (Risk::Once, response(429, Some(7)), Some((false, Some(7)))),
            (Risk::Keyed, response(429, Some(7)), Some((true, Some(7)))),
            (Risk::Once, response(503, Some(30)), Some((false, Some(30)))),
            (Risk::Idempotent, response(503, Some(30)), Some((true, Some(30)))),
            (Risk::Keyed, response(503, None), None),
            (Risk::Once, Err(CallError::Ambiguous("reset".to_owned())), None),
        ] {
            let ended = Ended::of(risk, answer.clone());
            let (Ended::Final(outcome) | Ended::Again { outcome, .. }) = &ended;
            let again = match outcome {
                CallOutcome::Away { again, wait_s, .. } => Some((*again, *wait_s)),
                _ => None,
            };
            assert_eq!(again, expected, "{risk:?} {answer:?}");
            assert!(
                risk != Risk::Once || !matches!((&ended, &answer), (Ended::Again { .. }, Ok(r)) if r.status == 503)
            );
        }
    }

    #[test]
    fn answers_are_judged_by_the_harm_of_a_repetition() {
        let response = |status| Ok(Response { status, body: ResponseBody::Empty, retry_after: None });
        let answered =
            |status| Ended::Final(CallOutcome::Answered { status, body: Value::Null, cut: None, file: None });
        assert_eq!(Ended::of(Risk::Once, response(201)), answered(201));
        assert_eq!(Ended::of(Risk::Once, response(409)), answered(409));
        for (risk, status, label, again) in [
            (Risk::Safe, 503, "away", true),
            (Risk::Keyed, 503, "unknown", true),
            (Risk::Idempotent, 500, "unknown", true),
            (Risk::Once, 500, "unknown", false),
            (Risk::Once, 408, "unknown", false),
            (Risk::Once, 429, "away", true),
        ] {
            let ended = Ended::of(risk, response(status));
            assert_eq!(ended.label(), label, "{risk:?} {status}");
            assert_eq!(matches!(ended, Ended::Again { .. }), again, "{risk:?} {status}");
        }
    }
}
