//! What the retrieval knows of an operation: names and texts, no schema.

use super::text;

/// An operation as it is indexed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// `<document id>/<METHOD> <path template>`.
    pub id: String,
    /// Document it belongs to.
    pub document: String,
    /// HTTP method in upper case.
    pub method: String,
    /// Path template.
    pub path: String,
    /// `operationId`; stands in for a missing summary.
    pub label: String,
    /// Summary.
    pub summary: String,
    /// Description; the first 400 characters count.
    pub description: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Names of the path and query parameters; the first 15 count.
    pub parameters: Vec<String>,
    /// Names of the body's fields; the first 15 count.
    pub body: Vec<String>,
    /// Words that parameters allow as values.
    pub values: Vec<String>,
    /// Names of the answer's fields, of a row where it is a list.
    pub answer: Vec<String>,
    /// Resources that it yields.
    pub yields: Vec<String>,
    /// Resources whose ids it needs, beside those of its path.
    pub needs: Vec<String>,
    /// Aliases and example sentences of the overlay, any language.
    pub others: Vec<String>,
}

impl Entry {
    /// Summary, or the words of the label.
    pub fn title(&self) -> String {
        let summary = text::plain(&self.summary);
        if summary.is_empty() { spaced(&self.label) } else { summary }
    }

    /// The words of the path without its parameters.
    pub fn path_words(&self) -> String {
        let words = self.segments().filter(|segment| !segment.starts_with('{')).map(spaced);
        words.collect::<Vec<_>>().join(" ")
    }

    /// The non-empty segments of the path.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|segment| !segment.is_empty())
    }

    /// Title, path words and the beginning of the description.
    pub fn short_text(&self) -> String {
        let title = self.title();
        let description = text::plain(&self.description);
        let mut parts = vec![title, self.path_words()];
        if description != text::plain(&self.summary) {
            parts.push(text::first_chars(&description, 400).to_owned());
        }
        join(parts)
    }

    /// The [short text](Self::short_text) with tags and the names of parameters and body fields.
    pub fn long_text(&self, short: &str) -> String {
        let parameters = self.parameters.iter().take(15).map(|name| spaced(name)).collect::<Vec<_>>().join(" ");
        let body = self.body.iter().take(15).map(|name| spaced(name)).collect::<Vec<_>>().join(" ");
        join(vec![short.to_owned(), self.tags.join(" "), parameters, body])
    }
}

/// A name of code as words.
pub fn spaced(name: &str) -> String {
    let split = text::split_case(name);
    split.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn join(mut parts: Vec<String>) -> String {
    parts.retain(|part| !part.is_empty());
    parts.join(". ")
}
