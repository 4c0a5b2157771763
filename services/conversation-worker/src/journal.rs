//! The journal of one turn: what it decided before, and what a replay uses instead of asking again.

use std::collections::BTreeMap;

use domain::{ConversationId, Micros};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::{Step, StepKind, StepStatus, steps::RESULT_FORMAT};

use crate::turn::{CallOutcome, Mapping, Outcome, SearchAnswer};

/// The steps of one turn by number.
#[derive(Debug, Default)]
pub struct Journal {
    steps: BTreeMap<i32, Step>,
}

/// What a turn knew when it began; kept with its range, so that a replay decides on the same ground.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ground {
    /// When the open question was recorded as sent.
    pub question_sent_at: Option<Micros>,
    /// Who the person is, by document.
    pub identity: BTreeMap<String, Mapping>,
}

impl Journal {
    /// From the store.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps: steps.into_iter().map(|step| (step.n, step)).collect() }
    }

    /// Step `n`, if it is written.
    pub fn find(&self, n: i32) -> Option<&Step> {
        self.steps.get(&n)
    }

    /// The last seq of the range, if it is fixed.
    pub fn last_seq(&self) -> Option<i64> {
        self.find(0).and_then(Step::last_seq)
    }

    /// What the turn knew when its range was fixed.
    pub fn ground(&self) -> Option<Ground> {
        let ground = self.find(0)?.request.get("ground")?.clone();
        serde_json::from_value(ground).ok()
    }

    /// True when something was decided: its range stands then.
    pub fn is_decided(&self) -> bool {
        self.steps.keys().any(|n| *n > 0)
    }

    /// True when a call with an effect may have had it.
    pub fn has_effect(&self) -> bool {
        self.steps.values().any(|step| {
            let safe = step.request.get("risk").and_then(Value::as_str) == Some("safe");
            let nothing =
                step.result.as_ref().and_then(|result| result.get("outcome")).and_then(Value::as_str) == Some("away");
            step.kind == StepKind::Call && !safe && !nothing
        })
    }
}

/// Step 0.
pub fn range(last_seq: i64, ground: &Ground) -> Step {
    let mut step = Step::range(last_seq);
    if let (Some(request), Ok(ground)) = (step.request.as_object_mut(), serde_json::to_value(ground)) {
        request.insert("ground".to_owned(), ground);
    }
    step
}

/// What stands in a finished step; none when it is not finished. A result that cannot be read is `Err`.
pub fn recorded(step: &Step) -> Option<Result<Outcome, serde_json::Error>> {
    if step.status != StepStatus::Done {
        return None;
    }
    let result = step.result.clone().unwrap_or(Value::Null);
    Some(match step.kind {
        StepKind::Call => serde_json::from_value::<CallOutcome>(result).map(Outcome::Call),
        StepKind::Decision | StepKind::Range => serde_json::from_value::<SearchAnswer>(result).map(Outcome::Search),
    })
}

/// A decision that is known with its result.
pub fn decision(n: i32, request: Value, result: Value) -> Step {
    Step {
        n,
        kind: StepKind::Decision,
        request_hash: hash(&request),
        idempotency_key: None,
        status: StepStatus::Done,
        request,
        result: Some(result),
        format: RESULT_FORMAT,
    }
}

/// A call whose first byte may leave from now on.
pub fn call(n: i32, key: String, request_hash: String, request: Value) -> Step {
    Step {
        n,
        kind: StepKind::Call,
        request_hash,
        idempotency_key: Some(key),
        status: StepStatus::Started,
        request,
        result: None,
        format: RESULT_FORMAT,
    }
}

/// SHA-256 of a request as JSON, lower-case hex.
pub fn hash(request: &Value) -> String {
    hex::encode(Sha256::digest(request.to_string().as_bytes()))
}

/// The key that makes step `n` of a turn happen once at a backend that honours it.
pub fn idempotency_key(conversation: ConversationId, seq: i64, n: i32) -> String {
    hex::encode(Sha256::digest(format!("{conversation}/{seq}/{n}").as_bytes()))
}

/// Seed of a turn's single-use tokens.
pub fn token_seed(conversation: ConversationId, seq: i64) -> String {
    hex::encode(Sha256::digest(format!("tokens/{conversation}/{seq}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_range_keeps_its_ground() {
        let ground = Ground { question_sent_at: Some(Micros(5)), identity: BTreeMap::new() };
        let journal = Journal::new(vec![range(7, &ground)]);
        assert_eq!(journal.last_seq(), Some(7));
        assert_eq!(journal.ground(), Some(ground));
        assert!(!journal.is_decided());
        let rewritten = Journal::new(vec![Step::range(1)]);
        assert_eq!(rewritten.ground(), None);
    }

    #[test]
    fn an_effect_may_have_happened_unless_the_call_was_safe_or_never_left() {
        let with = |risk: &str, result: Option<Value>| {
            let mut step = call(1, String::new(), String::new(), json!({ "risk": risk }));
            step.result = result;
            Journal::new(vec![step]).has_effect()
        };
        assert!(with("once", None));
        assert!(with("keyed", Some(json!({ "outcome": "answered", "status": 200, "body": null }))));
        assert!(!with("safe", None));
        assert!(!with("once", Some(json!({ "outcome": "away", "reason": "x" }))));
    }

    #[test]
    fn keys_differ_by_conversation_seq_and_step() {
        let one = ConversationId::new();
        let key = idempotency_key(one, 1, 1);
        assert_eq!(key.len(), 64);
        assert_eq!(key, idempotency_key(one, 1, 1));
        for other in
            [idempotency_key(one, 11, 1), idempotency_key(one, 1, 11), idempotency_key(ConversationId::new(), 1, 1)]
        {
            assert_ne!(key, other);
        }
    }
}
