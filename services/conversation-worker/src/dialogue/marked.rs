//! Words with parts that platforms may show in another way.

use domain::{Span, Style};

/// A text and its marked parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    pub text: String,
    pub spans: Vec<Span>,
}

impl Marked {
    /// All of a text in one style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        let text = text.into();
        let spans = vec![Span { start: 0, end: text.len(), style }];
        Self { text, spans }
    }

    /// A title or a label.
    pub fn bold(text: impl Into<String>) -> Self {
        Self::styled(text, Style::Bold)
    }

    /// A text that ends with a number to quote, such as "Number 4711.".
    pub fn quoting(text: String, number: &str) -> Self {
        let start = text.rfind(number).filter(|_| !number.is_empty());
        let spans = start.map(|start| Span { start, end: start + number.len(), style: Style::Code });
        Self { text, spans: spans.into_iter().collect() }
    }

    /// With more behind it.
    #[must_use]
    pub fn with(mut self, more: impl Into<Self>) -> Self {
        let more = more.into();
        let at = self.text.len();
        self.text.push_str(&more.text);
        let moved = |span: Span| Span { start: span.start + at, end: span.end + at, style: span.style };
        self.spans.extend(more.spans.into_iter().map(moved));
        self
    }

    /// Texts with `between` between them.
    pub fn join(texts: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let joined = texts.into_iter().reduce(|all, next| all.with(between).with(next));
        joined.unwrap_or_default()
    }
}

impl From<String> for Marked {
    fn from(text: String) -> Self {
        Self { text, spans: Vec::new() }
    }
}

impl From<&str> for Marked {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_parts_stay_where_they_are() {
        let number = Marked::quoting("Number 4711.".to_owned(), "4711");
        let all = Marked::join([Marked::bold("Überschrift").with(": x"), "y".into(), number], "\n");
        assert_eq!(all.text, "Überschrift: x\ny\nNumber 4711.");
        let shown: Vec<(&str, Style)> =
            all.spans.iter().map(|span| (&all.text[span.start..span.end], span.style)).collect();
        assert_eq!(shown, [("Überschrift", Style::Bold), ("4711", Style::Code)]);
        assert_eq!(Marked::quoting("Done.".to_owned(), "4711").spans, []);
        assert_eq!(Marked::join([], "\n"), Marked::default());
    }
}
