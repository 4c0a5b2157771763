//! Message templates that a platform has approved.

use serde::{Deserialize, Serialize};

/// Templates kept.
const MOST_TEMPLATES: usize = 1_000;

/// A message template that the platform has approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Name.
    pub name: String,
    /// Language, such as `en_US`.
    pub language: String,
    /// The words; `{{1}}`, `{{2}}`, ... stand for its parameters.
    pub body: String,
    /// Titles of its quick-reply buttons.
    #[serde(default)]
    pub buttons: Vec<String>,
}

impl Template {
    /// How many parameters it takes.
    pub(crate) fn parameters(&self) -> usize {
        (1..=100).take_while(|number| self.body.contains(&format!("{{{{{number}}}}}"))).count()
    }

    /// The words with its parameters.
    pub(crate) fn filled<'a>(&self, words: impl Iterator<Item = &'a str>) -> String {
        let mut text = self.body.clone();
        for (index, word) in words.enumerate() {
            text = text.replace(&format!("{{{{{}}}}}", index + 1), word);
        }
        text
    }

    /// Tells what the platform would not approve.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let within = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !within(&self.name, 512) || !self.name.bytes().all(named) {
            return Err("name is 1 to 512 of a-z, 0-9 and _");
        }
        if !(2..=15).contains(&self.language.len()) || !self.language.bytes().all(tag) {
            return Err("language is a language such as hr or en_US");
        }
        if !within(&self.body, 1_024) {
            return Err("body is 1 to 1,024 characters");
        }
        if self.buttons.len() > 10 || !self.buttons.iter().all(|title| within(title, 25)) {
            return Err("buttons are at most 10, each 1 to 25 characters");
        }
        Ok(())
    }
}

/// The templates of a platform.
#[derive(Default)]
pub(crate) struct Templates(Vec<Template>);

impl Templates {
    /// One of the same name and language is replaced. False: there is no room.
    pub(crate) fn add(&mut self, template: Template) -> bool {
        self.remove(&template.name, &template.language);
        let room = self.0.len() < MOST_TEMPLATES;
        if room {
            self.0.push(template);
        }
        room
    }

    /// False: there is none of this name and language.
    pub(crate) fn remove(&mut self, name: &str, language: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|one| (one.name.as_str(), one.language.as_str()) != (name, language));
        self.0.len() < before
    }

    pub(crate) fn find(&self, name: &str, language: &str) -> Option<&Template> {
        self.0.iter().find(|one| one.name == name && one.language == language)
    }

    pub(crate) fn all(&self) -> &[Template] {
        &self.0
    }
}
