//! `[ai]`: the switches' values at the start, and what holds for a tenant.

use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{BadValue, Switch, switch::rate_limit as checked};

/// A value for each switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Values {
    /// Off: no model is asked, and the web chat takes no new messages.
    #[serde(deserialize_with = "enabled")]
    pub enabled: bool,
    /// On: no chat model is asked; the dialogue answers everywhere.
    pub fallback_mode: bool,
    /// Web chat messages of one user in 60 s.
    #[serde(deserialize_with = "rate_limit")]
    pub rate_limit: NonZeroU32,
    /// On: a line in the log for each turn.
    pub debug: bool,
}

impl Default for Values {
    fn default() -> Self {
        Self { enabled: true, fallback_mode: false, rate_limit: NonZeroU32::MIN.saturating_add(59), debug: false }
    }
}

impl Values {
    /// The switch that keeps the chat model from being asked, if one does.
    pub fn forbids_chat(&self) -> Option<Switch> {
        match self {
            Self { enabled: false, .. } => Some(Switch::Enabled),
            Self { fallback_mode: true, .. } => Some(Switch::FallbackMode),
            _ => None,
        }
    }
}

/// `AI_ENABLED` as operators set it: anything but true, in any case, is off.
fn enabled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Bool(bool),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    match Written::deserialize(deserializer)? {
        Written::Bool(on) => Ok(on),
        Written::Text(text) => Ok(text.trim().eq_ignore_ascii_case("true")),
        Written::Other(_) => Ok(false),
    }
}

fn rate_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroU32, D::Error> {
    checked(u32::deserialize(deserializer)?).ok_or_else(|| D::Error::custom(BadValue::Number))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(section: Value) -> Result<Values, String> {
        serde_json::from_value(section).map_err(|error| error.to_string())
    }

    #[test]
    fn anything_but_true_is_off() {
        assert_eq!(read(json!({})), Ok(Values::default()));
        for (written, on) in [
            (json!(true), true),
            (json!(" TRUE"), true),
            (json!(false), false),
            (json!("yes"), false),
            (json!(""), false),
            (json!(1), false),
            (json!(null), false),
        ] {
            assert_eq!(read(json!({ "enabled": written })).map(|values| values.enabled), Ok(on), "{written}");
        }
    }

    #[test]
    fn a_limit_is_a_number_that_lets_somebody_in() {
        assert_eq!(read(json!({ "rate_limit": 1 })).map(|values| values.rate_limit.get()), Ok(1));
        for wrong in [json!(0), json!(100_001), json!(-1), json!("60")] {
            assert!(read(json!({ "rate_limit": wrong })).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_chat_model_is_asked_only_while_neither_switch_forbids_it() {
        for (enabled, fallback_mode, forbidden_by) in [
            (true, false, None),
            (true, true, Some(Switch::FallbackMode)),
            (false, false, Some(Switch::Enabled)),
            (false, true, Some(Switch::Enabled)),
        ] {
            let values = Values { enabled, fallback_mode, ..Values::default() };
            assert_eq!(values.forbids_chat(), forbidden_by);
        }
    }
}
