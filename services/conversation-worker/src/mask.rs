//! Personal data in words that auditors or models read is replaced by its kind.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// What is masked, in this order.
static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "e-mail"),
        (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", "iban"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "ip"),
        (r"\+?\d(?:[ ()/.-]?\d){7,}", "number"),
    ]
    .into_iter()
    .filter_map(|(pattern, word)| Regex::new(pattern).ok().map(|regex| (regex, word)))
    .collect()
});

/// `text` without e-mail addresses, account numbers, IP addresses and numbers of eight or more digits.
pub fn mask(text: &str) -> String {
    PATTERNS
        .iter()
        .fold(text.to_owned(), |text, (regex, word)| regex.replace_all(&text, format!("[{word}]")).into_owned())
}

/// `text` without what [`mask`] masks.
pub fn without(text: &str) -> String {
    PATTERNS.iter().fold(text.to_owned(), |text, (regex, _)| regex.replace_all(&text, " ").into_owned())
}

/// `value` with every text in it masked.
pub fn mask_all(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask(text)),
        Value::Array(all) => all.iter().map(mask_all).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), mask_all(value))).collect(),
        other => other.clone(),
    }
}

/// Texts whose personal data is replaced by marks such as `[e-mail 1]`; the same value has the same mark.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Masked {
    text: String,
    values: Vec<(String, String)>,
}

impl Masked {
    pub fn new(text: &str) -> Self {
        let mut masked = Self::default();
        masked.text = masked.more(text);
        masked
    }

    /// The first text, masked.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A further text, masked with the same marks.
    pub fn more(&mut self, text: &str) -> String {
        PATTERNS.iter().fold(text.to_owned(), |text, (regex, word)| {
            regex
                .replace_all(&text, |found: &regex::Captures<'_>| {
                    // Dates and times are no personal data, and the model has to read them.
                    let value = &found[0];
                    if *word == "number" && is_moment(value) { value.to_owned() } else { self.mark(word, value) }
                })
                .into_owned()
        })
    }

    fn mark(&mut self, word: &str, value: &str) -> String {
        if let Some((mark, _)) = self.values.iter().find(|(_, known)| known == value) {
            return mark.clone();
        }
        let mark = format!("[{word} {}]", self.values.len() + 1);
        self.values.push((mark.clone(), value.to_owned()));
        mark
    }

    /// `text` with the values in place of their marks.
    pub fn restore(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }
}

/// `2026-11-22`, `2026-11-22 09:00`, `22.11.2026`: no run of more than four digits between its separators.
fn is_moment(text: &str) -> bool {
    let runs: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).collect();
    runs.len() >= 3
        && runs.iter().any(|run| run.len() == 4 && (run.starts_with("19") || run.starts_with("20")))
        && runs.iter().all(|run| run.len() <= 4)
        && runs.iter().filter(|run| run.len() > 2).count() == 1
        && !text.starts_with('+')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_of_a_report_is_masked_and_the_rest_stays() {
        let report =
            json!({ "words": "ask ana@example.com", "calls": ["library/GET /books 200", "+385 91 234 5678"], "n": 1 });
        let masked = json!({ "words": "ask [e-mail]", "calls": ["library/GET /books 200", "[number]"], "n": 1 });
        assert_eq!(mask_all(&report), masked);
    }

    #[test]
    fn personal_data_is_masked_and_the_rest_stays() {
        assert_eq!(PATTERNS.len(), 4, "every pattern compiles");
        for (text, expected) in [
            ("call me at +385 91 234 5678 please", "call me at [number] please"),
            ("ana.horvat@example.com", "[e-mail]"),
            ("HR12 1001 0051 8630 0016 0", "[iban]"),
            ("card 4111 1111 1111 1111", "card [number]"),
            ("from 10.1.2.3", "from [ip]"),
            ("book ZG 1234-AB at 9:00, 84300 km", "book ZG 1234-AB at 9:00, 84300 km"),
        ] {
            assert_eq!(mask(text), expected);
        }
    }

    #[test]
    fn values_leave_and_come_back() {
        let mut masked = Masked::new("write to ana@example.com or +385 91 234 5678 on 2026-11-22");
        assert_eq!(masked.text(), "write to [e-mail 1] or [number 2] on 2026-11-22");
        assert_eq!(masked.more("ana@example.com, ivo@example.com"), "[e-mail 1], [e-mail 3]");
        assert_eq!(
            masked.restore("{\"to\":\"[e-mail 3]\",\"phone\":\"[number 2]\"}"),
            "{\"to\":\"ivo@example.com\",\"phone\":\"+385 91 234 5678\"}"
        );
    }

    #[test]
    fn moments_stay_and_long_numbers_do_not() {
        for text in ["2026-11-22", "22.11.2026", "2026-11-22 09.00"] {
            assert_eq!(Masked::new(text).text(), text);
        }
        for text in ["4111 1111 1111 1111", "091 234 5678", "12345678901"] {
            assert!(Masked::new(text).text().starts_with("[number "), "{text}");
        }
    }
}
