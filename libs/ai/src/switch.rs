//! The switches by name.

use std::num::NonZeroU32;

use crate::Values;

/// Most requests of one user in 60 s that a limit may allow.
const RATE_LIMIT_MAX: u32 = 100_000;

/// What operators may change while everything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Switch {
    /// Off: no model is asked, and the web chat takes no new messages.
    Enabled,
    /// On: no chat model is asked; the dialogue answers everywhere.
    FallbackMode,
    /// Web chat messages of one user in 60 s.
    RateLimit,
    /// On: a line in the log for each turn, with candidates and questions to the model, and nobody's words.
    Debug,
}

/// A value that a switch does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// It is on or off.
    #[error("is `true` or `false`")]
    Truth,
    /// It is a number.
    #[error("is a number from 1 to {RATE_LIMIT_MAX}")]
    Number,
}

impl Switch {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Enabled, Self::FallbackMode, Self::RateLimit, Self::Debug];

    /// Its name: that of the variable which gives the start value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "AI_ENABLED",
            Self::FallbackMode => "AI_FALLBACK_MODE",
            Self::RateLimit => "AI_RATE_LIMIT",
            Self::Debug => "AI_DEBUG",
        }
    }

    /// The switch of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|switch| switch.name() == name)
    }

    /// The value in the one way it is kept.
    ///
    /// # Errors
    /// [`BadValue`]: what it should be.
    pub fn normal(self, value: &str) -> Result<String, BadValue> {
        let mut values = Values::default();
        values.set(self, value)?;
        Ok(values.get(self))
    }
}

impl Values {
    /// The value of one switch, as text.
    pub fn get(&self, switch: Switch) -> String {
        match switch {
            Switch::Enabled => self.enabled.to_string(),
            Switch::FallbackMode => self.fallback_mode.to_string(),
            Switch::RateLimit => self.rate_limit.to_string(),
            Switch::Debug => self.debug.to_string(),
        }
    }

    pub(crate) fn set(&mut self, switch: Switch, value: &str) -> Result<(), BadValue> {
        let value = value.trim();
        let truth = || value.parse().map_err(|_| BadValue::Truth);
        match switch {
            Switch::Enabled => self.enabled = truth()?,
            Switch::FallbackMode => self.fallback_mode = truth()?,
            Switch::Debug => self.debug = truth()?,
            Switch::RateLimit => {
                let number = value.parse().map_err(|_| BadValue::Number)?;
                self.rate_limit = rate_limit(number).ok_or(BadValue::Number)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn rate_limit(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number).filter(|number| number.get() <= RATE_LIMIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_form_and_others_are_refused() {
        for (switch, value, expected) in [
            (Switch::Enabled, "false", Ok("false")),
            (Switch::Enabled, " true ", Ok("true")),
            (Switch::Enabled, "off", Err(BadValue::Truth)),
            (Switch::FallbackMode, "", Err(BadValue::Truth)),
            (Switch::Debug, "1", Err(BadValue::Truth)),
            (Switch::RateLimit, "007", Ok("7")),
            (Switch::RateLimit, "100000", Ok("100000")),
            (Switch::RateLimit, "100001", Err(BadValue::Number)),
            (Switch::RateLimit, "0", Err(BadValue::Number)),
            (Switch::RateLimit, "-1", Err(BadValue::Number)),
            (Switch::RateLimit, "true", Err(BadValue::Number)),
        ] {
            assert_eq!(switch.normal(value), expected.map(str::to_owned), "{switch:?} {value}");
        }
    }

    #[test]
    fn names_are_those_of_the_variables() {
        for switch in Switch::ALL {
            assert!(switch.name().starts_with("AI_"));
            assert_eq!(Switch::find(switch.name()), Some(switch));
        }
        assert_eq!(Switch::find("ai_enabled"), None);
    }
}
