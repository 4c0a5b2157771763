//! What holds for every reply: it can be shown to anybody, on the platform with the tightest limits.

use std::{collections::BTreeSet, sync::LazyLock};

use domain::Reply;
use regex::Regex;

/// Fails with the transcript when a reply breaks a limit or holds what is no person's language.
pub fn check(replies: &[Reply], transcript: &str) {
    assert!(replies.len() <= 3, "more than three messages at once\n{}", transcript);
    let mut ids = BTreeSet::new();
    for reply in replies {
        let first = reply.text.chars().find(|letter| !letter.is_whitespace());
        assert!(first.is_none_or(|letter| !letter.is_lowercase()), "{:?} begins small\n{transcript}", reply.text);
        check_words(&reply.text, transcript);
        for span in &reply.spans {
            let shown = reply.text.get(span.start..span.end);
            assert!(shown.is_some_and(|shown| !shown.trim().is_empty()), "{span:?} of {:?}\n{transcript}", reply.text);
        }
        assert!(!reply.text.trim().is_empty(), "an empty message\n{}", transcript);
        assert!(reply.text.chars().count() <= 2_000, "a message too long to read\n{}", transcript);
        let many = reply.choices.len() > 3;
        assert!(reply.choices.len() <= 10, "more than ten choices\n{}", transcript);
        let most = if many { 24 } else { 20 };
        let titles: BTreeSet<String> = reply.choices.iter().map(|choice| choice.title.to_lowercase()).collect();
        assert_eq!(titles.len(), reply.choices.len(), "two choices read the same\n{}", transcript);
        for choice in &reply.choices {
            check_words(&choice.title, transcript);
            let length = choice.title.chars().count();
            assert!((1..=most).contains(&length), "[{}] has {length} characters\n{}", choice.title, transcript);
            assert!((1..=64).contains(&choice.id.len()), "id {:?}\n{}", choice.id, transcript);
            assert!(ids.insert(choice.id.clone()), "two choices have one id\n{}", transcript);
            if let Some(description) = &choice.description {
                check_words(description, transcript);
                assert!(description.chars().count() <= 72, "{description:?} is too long\n{}", transcript);
            }
        }
        if let Some(title) = &reply.list_title {
            check_words(title, transcript);
            assert!((1..=20).contains(&title.chars().count()), "list title {title:?}\n{}", transcript);
        }
    }
}

/// No jargon, no ids, no machine's writing.
fn check_words(text: &str, transcript: &str) {
    for (what, pattern) in JARGON.iter() {
        if let Some(found) = pattern.find(text) {
            panic!("a reply holds {what}: {:?} in {text:?}\n{}", found.as_str(), transcript);
        }
    }
}

static JARGON: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    [
        ("JSON", r#"[{}]|\[\s*["{]|"\s*:"#),
        ("an id", r"\b(bok|rom|loa|mem|brn)_\d+"),
        ("a machine's name", r"\b[a-z]+_[a-z_]+\b"),
        ("a field key", r"\b(path|query|body|header|cookie):\w"),
        (
            "jargon",
            r"(?i)\b(null|undefined|parameters?|operations?|json|http|api|endpoint|enum|boolean|string|schema)\b",
        ),
        ("a machine's time", r"\d{4}-\d\d-\d\d"),
        ("a method and path", r"\b(GET|POST|PUT|PATCH|DELETE)\b|/\w+/\w"),
        ("marks of direction", r"[\u{2066}-\u{2069}]"),
        ("an unfilled text", r"\{ ?\$|\bSome\(|\bNone\b"),
        ("a small I", r": i |^i (can|found|do|don)"),
        ("jargon in Croatian", r"(?i)\bparametar\w*|\boperacij\w*"),
    ]
    .into_iter()
    .map(|(what, pattern)| (what, Regex::new(pattern).expect("a pattern")))
    .collect()
});
