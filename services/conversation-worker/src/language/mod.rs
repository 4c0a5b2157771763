//! Words: folding, languages, control words, dates, numbers, and the product's own texts. Pure.

pub mod choose;
pub mod control;
pub mod dates;
pub mod fold;
pub mod format;
pub mod numbers;
pub mod ordinal;
pub mod texts;
pub mod token;
pub mod verbs;
pub mod when;

pub use fold::fold;
pub use token::{Token, tokens};

/// A dialogue language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Croatian.
    Hr,
}

impl Lang {
    /// All of them.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Hr];

    /// BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Hr => "hr",
        }
    }

    /// The language of a tag; `None` for one we don't speak.
    pub fn from_tag(tag: &str) -> Option<Lang> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        Lang::ALL.into_iter().find(|lang| lang.tag() == primary)
    }
}
