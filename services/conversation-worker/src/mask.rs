//! Personal data in words that auditors read is replaced by its kind.

use std::sync::LazyLock;

use regex::Regex;

/// What is masked, in this order.
static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
        (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", "[iban]"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "[ip]"),
        (r"\+?\d(?:[ ()/.-]?\d){7,}", "[number]"),
    ]
    .into_iter()
    .filter_map(|(pattern, word)| Regex::new(pattern).ok().map(|regex| (regex, word)))
    .collect()
});

/// `text` without e-mail addresses, account numbers, IP addresses and numbers of eight or more digits.
pub fn mask(text: &str) -> String {
    PATTERNS.iter().fold(text.to_owned(), |text, (regex, word)| regex.replace_all(&text, *word).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
