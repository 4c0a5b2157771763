//! What a tenant says about one operation, and how it is kept.

use openapi::Risk;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most aliases and examples of an operation together.
pub const TEXTS_MAX: usize = 100;
/// Longest alias or example, in characters.
pub const TEXT_CHARS_MAX: usize = 500;

/// An operation's overlay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overlay {
    /// Title for people, instead of the document's.
    pub title: Option<String>,
    /// Other names people use.
    pub aliases: Vec<String>,
    /// Sentences people say when they mean it.
    pub examples: Vec<String>,
    /// Instead of the derived risk class.
    pub risk: Option<Risk>,
    /// Never offered or called.
    pub hidden: bool,
    /// Callable by people whose identity is not known.
    pub public: bool,
    /// It came from a configured file, and goes on following it.
    pub from_file: bool,
}

/// Why an overlay was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    /// Too many texts.
    #[error("{0} aliases and examples; the limit is {TEXTS_MAX}")]
    TooMany(usize),
    /// A text is too long.
    #[error("a text has {0} characters; the limit is {TEXT_CHARS_MAX}")]
    TooLong(usize),
    /// A text is empty.
    #[error("a text is empty")]
    Empty,
}

impl Overlay {
    /// # Errors
    /// [`OverlayError`].
    pub fn check(&self) -> Result<(), OverlayError> {
        let texts = || self.aliases.iter().chain(&self.examples).chain(&self.title);
        let count = self.aliases.len() + self.examples.len();
        if count > TEXTS_MAX {
            return Err(OverlayError::TooMany(count));
        }
        if texts().any(|text| text.trim().is_empty()) {
            return Err(OverlayError::Empty);
        }
        match texts().map(|text| text.chars().count()).find(|chars| *chars > TEXT_CHARS_MAX) {
            Some(chars) => Err(OverlayError::TooLong(chars)),
            None => Ok(()),
        }
    }

    /// As it is kept.
    pub fn to_json(&self) -> Value {
        // Plain values cannot fail to serialise.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// What was kept; what this program cannot read counts as not said.
    pub fn of_json(json: &Value) -> Self {
        Self::deserialize(json).unwrap_or_else(|error| {
            tracing::warn!(%error, "an overlay cannot be read");
            Self::default()
        })
    }
}

/// A line of a configured overlay file: a JSON array of these.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLine {
    /// `<METHOD> <path template>`, without the document.
    pub operation: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    risk: Option<Risk>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    public: bool,
}

impl FileLine {
    /// Its operation and overlay.
    pub fn into_parts(self) -> (String, Overlay) {
        let Self { operation, title, aliases, examples, risk, hidden, public } = self;
        (operation, Overlay { title, aliases, examples, risk, hidden, public, from_file: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_checked() {
        let texts =
            |count: usize, length: usize| Overlay { aliases: vec!["x".repeat(length); count], ..Overlay::default() };
        assert_eq!(texts(100, 500).check(), Ok(()));
        assert_eq!(texts(101, 5).check(), Err(OverlayError::TooMany(101)));
        assert_eq!(texts(1, 501).check(), Err(OverlayError::TooLong(501)));
        assert_eq!(texts(1, 0).check(), Err(OverlayError::Empty));
    }

    #[test]
    fn overlay_is_kept_whole() {
        let overlay = Overlay {
            title: Some("Free rooms".into()),
            examples: vec!["što je slobodno".into()],
            risk: Some(Risk::Once),
            public: true,
            ..Overlay::default()
        };
        assert_eq!(Overlay::of_json(&overlay.to_json()), overlay);
        assert_eq!(Overlay::of_json(&Value::Null), Overlay::default());
    }
}
