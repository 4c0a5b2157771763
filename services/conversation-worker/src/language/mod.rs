//! Words: folding, languages, control words, dates, numbers, and the product's own texts. Pure.

pub mod choose;
pub mod consent;
pub mod control;
pub mod dates;
pub mod fold;
pub mod format;
mod function_words;
pub mod numbers;
pub mod ordinal;
mod phrases;
pub mod texts;
pub mod token;
pub mod verbs;
pub mod when;
mod whether;

pub use fold::fold;
pub use token::{Token, tokens};
pub use whether::asks_whether;

/// A dialogue language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Croatian.
    Hr,
    /// German.
    De,
    /// Spanish.
    Es,
}

impl Lang {
    /// All of them.
    pub const ALL: [Lang; 4] = [Lang::En, Lang::Hr, Lang::De, Lang::Es];

    /// BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Hr => "hr",
            Lang::De => "de",
            Lang::Es => "es",
        }
    }

    /// Its English name.
    pub fn english(self) -> &'static str {
        match self {
            Lang::En => "English",
            Lang::Hr => "Croatian",
            Lang::De => "German",
            Lang::Es => "Spanish",
        }
    }

    /// The language of a tag; `None` for one we don't speak.
    pub fn from_tag(tag: &str) -> Option<Lang> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        Lang::ALL.into_iter().find(|lang| lang.tag() == primary)
    }
}
