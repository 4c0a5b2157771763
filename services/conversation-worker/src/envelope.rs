//! What `conversations.state` holds: the dialogue's state and which answer asked the open question.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::turn::State;

/// The stored state of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// `in_seq` of the answer that asked the open question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question_seq: Option<i64>,
    /// The dialogue's own.
    #[serde(default)]
    pub dialogue: Value,
}

impl Envelope {
    /// From the column; a conversation that has just begun has none.
    pub fn read(state: &Value) -> Self {
        serde_json::from_value(state.clone()).unwrap_or_default()
    }

    /// For the column.
    pub fn write(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// The dialogue's state; a state that no release of ours can read is begun anew.
    pub fn dialogue(&self) -> State {
        if self.dialogue.is_null() {
            return State::default();
        }
        serde_json::from_value(self.dialogue.clone()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the dialogue's state cannot be read; it begins anew");
            State::default()
        })
    }

    /// The state after an answer to `seq`. An open question that this answer does not ask again keeps its place, and
    /// with it the time from which it was seen.
    pub fn after(&self, seq: i64, asks: bool, question: bool, state: &State) -> Self {
        let question_seq = match (question, asks) {
            (false, _) => None,
            (true, true) => Some(seq),
            (true, false) => self.question_seq,
        };
        Self { question_seq, dialogue: serde_json::to_value(state).unwrap_or(Value::Null) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_open_question_keeps_its_place_until_it_is_asked_again() {
        let begun = Envelope::read(&json!({}));
        assert_eq!(begun, Envelope::default());
        let asked = begun.after(3, true, true, &State::default());
        assert_eq!(asked.question_seq, Some(3));
        assert_eq!(asked.after(4, false, true, &State::default()).question_seq, Some(3));
        assert_eq!(asked.after(4, true, true, &State::default()).question_seq, Some(4));
        assert_eq!(asked.after(4, true, false, &State::default()).question_seq, None);
        assert_eq!(Envelope::read(&asked.write()), asked);
    }
}
