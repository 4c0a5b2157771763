//! The journal of one turn: what it decided before, and what a replay uses instead of asking again.

use std::{collections::BTreeMap, sync::Arc};

use domain::{ConversationId, Micros};
use openapi::Operation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::{Step, StepKind, StepStatus, steps::RESULT_FORMAT};

use crate::turn::{Action, CallOutcome, ChatOutcome, FileOutcome, Mapping, Outcome, SearchAnswer};

/// The steps of one turn by number.
#[derive(Debug, Default)]
pub struct Journal {
    steps: BTreeMap<i32, Step>,
}

/// What a turn knew when it began; kept with its range, so that a replay decides on the same ground.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ground {
    /// When it was tried first, by the database's clock.
    #[serde(default)]
    pub began: Option<Micros>,
    /// A model may be asked.
    #[serde(default)]
    pub model: bool,
    /// The switch that forbids a model which is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden_by: Option<String>,
    /// When the last send of the open question began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question_begun_at: Option<Micros>,
    /// An earlier send of it may have been seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub question_resent: bool,
    /// When it was recorded as sent.
    pub question_sent_at: Option<Micros>,
    /// Who the person is, by document.
    pub identity: BTreeMap<String, Mapping>,
}

/// An operation as a turn looked it up: id and content hash that were asked for, and what was found.
pub type Lookup = (String, String, Result<Arc<Operation>, String>);

/// Look-ups as a call with an effect keeps them: the catalogue knows the present only.
pub fn lookups(all: &[Lookup]) -> Value {
    all.iter()
        .map(|(id, content_hash, found)| match found {
            Ok(operation) => json!({ "id": id, "content_hash": content_hash, "operation": **operation }),
            Err(reason) => json!({ "id": id, "content_hash": content_hash, "reason": reason }),
        })
        .collect()
}

impl Journal {
    /// From the store.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps: steps.into_iter().map(|step| (step.n, step)).collect() }
    }

    /// Adds a step that was written.
    pub fn add(&mut self, step: Step) {
        self.steps.insert(step.n, step);
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

    /// The first call after step `n` that may have had an effect.
    pub fn effect_after(&self, n: i32) -> Option<&Step> {
        self.steps.range(n + 1..).map(|(_, step)| step).find(|step| {
            let safe = step.request.get("risk").and_then(Value::as_str) == Some("safe");
            let end = step.result.as_ref().and_then(|result| result.get("outcome")).and_then(Value::as_str);
            step.kind == StepKind::Call && !safe && !matches!(end, Some("away" | "no_credentials"))
        })
    }

    /// What a look-up before a call with an effect gave.
    pub fn operation(&self, id: &str, content_hash: &str) -> Option<Result<Arc<Operation>, String>> {
        let kept = self.steps.values().filter_map(|step| step.request.get("operations")?.as_array()).flatten();
        let asked = |lookup: &&Value| lookup["id"] == id && lookup["content_hash"] == content_hash;
        let lookup = kept.into_iter().find(asked)?;
        match lookup.get("reason").and_then(Value::as_str) {
            Some(reason) => Some(Err(reason.to_owned())),
            None => Operation::deserialize(&lookup["operation"]).ok().map(|operation| Ok(Arc::new(operation))),
        }
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

/// False when a step is of another kind than what is wanted now.
pub fn fits(step: &Step, wanted: &Action) -> bool {
    match wanted {
        Action::Search(_) => step.kind == StepKind::Decision && !is(step, CHAT) && !is(step, FETCH),
        Action::Chat(_) => is(step, CHAT),
        Action::Fetch(_) => is(step, FETCH),
        Action::Call(_) => step.kind == StepKind::Call,
        Action::Operations { .. } => false,
    }
}

/// Word for a question to the model.
const CHAT: &str = "chat";
/// Word for a file that was fetched.
const FETCH: &str = "fetch";

fn is(step: &Step, action: &str) -> bool {
    step.kind == StepKind::Decision && step.request.get("action").and_then(Value::as_str) == Some(action)
}

/// The document that a call went to.
pub fn document(call: &Step) -> &str {
    let operation = call.request.get("operation_id").and_then(Value::as_str).unwrap_or_default();
    operation.split('/').next().unwrap_or_default()
}

/// What stands in a finished step; none when it is not finished. A result that cannot be read is `Err`.
pub fn recorded(step: &Step) -> Option<Result<Outcome, serde_json::Error>> {
    if step.status != StepStatus::Done {
        return None;
    }
    let result = step.result.clone().unwrap_or(Value::Null);
    Some(match step.kind {
        StepKind::Call => serde_json::from_value::<CallOutcome>(result).map(Outcome::Call),
        StepKind::Decision if is(step, CHAT) => serde_json::from_value::<ChatOutcome>(result).map(Outcome::Chat),
        StepKind::Decision if is(step, FETCH) => serde_json::from_value::<FileOutcome>(result).map(Outcome::File),
        StepKind::Decision | StepKind::Range => serde_json::from_value::<SearchAnswer>(result).map(Outcome::Search),
    })
}

/// A decision that is known with its result.
pub fn decision(n: i32, request_hash: String, request: Value, result: Value) -> Step {
    Step {
        n,
        kind: StepKind::Decision,
        request_hash,
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
    use super::*;

    #[test]
    fn a_range_keeps_its_ground() {
        let ground = Ground {
            began: Some(Micros(7)),
            model: false,
            forbidden_by: Some("AI_ENABLED".to_owned()),
            question_begun_at: Some(Micros(4)),
            question_resent: true,
            question_sent_at: Some(Micros(5)),
            identity: BTreeMap::new(),
        };
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
            Journal::new(vec![step]).effect_after(0).is_some()
        };
        assert!(with("once", None));
        assert!(with("keyed", Some(json!({ "outcome": "answered", "status": 200, "body": null }))));
        assert!(!with("safe", None));
        assert!(!with("once", Some(json!({ "outcome": "away", "reason": "x" }))));
        assert!(!with("once", Some(json!({ "outcome": "no_credentials", "reason": "x" }))));
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
