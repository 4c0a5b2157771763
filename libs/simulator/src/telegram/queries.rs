//! Presses of buttons that wait for `answerCallbackQuery`.

use std::{collections::BTreeMap, time::Duration};

use domain::Micros;

use super::refusal::Refusal;

/// Presses that are remembered.
const MOST: usize = 100_000;
/// Ids look like the real ones: long numbers, written as texts.
const FIRST: u64 = 4_382_591_000_000_000_001;

#[derive(Default)]
pub(super) struct Queries {
    /// When each was pressed.
    open: BTreeMap<u64, Micros>,
    made: u64,
}

impl Queries {
    /// A press; gives its id.
    pub(super) fn open(&mut self, now: Micros) -> String {
        let id = FIRST + self.made;
        self.made += 1;
        if self.open.len() == MOST {
            self.open.pop_first();
        }
        self.open.insert(id, now);
        id.to_string()
    }

    /// Answers a press, once, while it is younger than `life`.
    pub(super) fn answer(&mut self, now: Micros, id: &str, life: Duration) -> Result<(), Refusal> {
        let pressed = id.trim().parse().ok().and_then(|id| self.open.remove(&id));
        match pressed {
            Some(pressed) if pressed + life > now => Ok(()),
            _ => Err(Refusal::bad("query is too old and response timeout expired or query ID is invalid")),
        }
    }

    /// Ids of presses that nobody answered.
    pub(super) fn unanswered(&self) -> Vec<String> {
        self.open.keys().map(u64::to_string).collect()
    }
}
