//! What goes wrong with webhooks until told otherwise: signatures, delays, copies, batches, order.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest delay and longest gathering, in milliseconds.
const LONGEST_MS: u64 = 600_000;
/// Copies of one webhook at most.
const MOST_COPIES: usize = 100;

/// How webhooks are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// As the platform does.
    #[default]
    Right,
    /// With a signature of something else, or another secret.
    Wrong,
    /// Not at all.
    Missing,
}

/// How gathered webhooks go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gathered {
    /// As few bodies as the platform can make of them. Telegram posts one update at a time; a poll gets them together.
    #[default]
    Batch,
    /// The last first. On Telegram every chat keeps its own order.
    Reverse,
}

/// Orders for the webhooks of one fake; by default nothing goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trouble {
    /// How they are signed.
    pub sign: Sign,
    /// Each goes out this much later, up to 600,000 milliseconds.
    pub delay_ms: u64,
    /// Each is posted this many times at once, 1 to 100.
    pub copies: usize,
    /// Webhooks are gathered for this long from the first of them, up to 600,000 milliseconds; 0: they are not.
    pub gather_ms: u64,
    /// How they go out then.
    pub gathered: Gathered,
}

impl Default for Trouble {
    fn default() -> Self {
        Self { sign: Sign::Right, delay_ms: 0, copies: 1, gather_ms: 0, gathered: Gathered::Batch }
    }
}

impl Trouble {
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.delay_ms > LONGEST_MS || self.gather_ms > LONGEST_MS {
            return Err(format!("delay_ms and gather_ms are at most {LONGEST_MS}"));
        }
        if !(1..=MOST_COPIES).contains(&self.copies) {
            return Err(format!("copies is 1 to {MOST_COPIES}"));
        }
        Ok(())
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.min(LONGEST_MS))
    }

    /// How long to gather, if at all.
    pub(crate) fn window(&self) -> Option<Duration> {
        (self.gather_ms > 0).then(|| Duration::from_millis(self.gather_ms.min(LONGEST_MS)))
    }

    pub(crate) fn copies(&self) -> usize {
        self.copies.clamp(1, MOST_COPIES)
    }
}
