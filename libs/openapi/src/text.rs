//! Markdown and HTML to plain lines for people and for search.

use std::sync::LazyLock;

use regex::Regex;

static DROPPED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?is)<script\b.*?</script\s*>|<style\b.*?</style\s*>|<!--.*?-->|```.*?```|!\[[^\]]*\]\([^)]*\)")
        .expect("a constant expression")
});
static TAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?s)</?[a-zA-Z][a-zA-Z0-9-]*(\s[^<>]*)?/?>"#).expect("a constant expression"));
static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[([^\]\[]*)\](\([^)]*\)|\[[^\]]*\])").expect("a constant expression"));
static LINE_START: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*(#{1,6}\s+|>\s?|[*+-]\s+|\|)").expect("a constant expression"));
static EMPHASIS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\*\*|\*\b|\b\*|`|(^|\s)_{1,2}\b|\b_{1,2}(\s|$)").expect("a constant expression"));

/// The text without markup, white space collapsed, at most `limit` characters (cut at a word, with `…`).
pub(crate) fn plain(text: &str, limit: usize) -> String {
    // Nothing after this can come into the result; some documents hold 60,000 characters of HTML.
    let head: String = text.chars().take(limit.saturating_mul(6).max(1_000)).collect();
    let text = if head.contains(['<', '`', '!']) { DROPPED.replace_all(&head, " ") } else { head.as_str().into() };
    let text = if text.contains('<') { TAG.replace_all(&text, " ").into_owned().into() } else { text };
    let text = if text.contains('[') { LINK.replace_all(&text, "$1").into_owned().into() } else { text };
    let text = LINE_START.replace_all(&text, " ");
    let text = if text.contains(['*', '`', '_']) { EMPHASIS.replace_all(&text, "$1$2") } else { text };
    let text = entities(&text);
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_rule(word)).collect();
    cut(&words.join(" "), limit)
}

/// Table and section rules: `---`, `|`, `:--:`.
fn is_rule(word: &str) -> bool {
    word.chars().all(|c| matches!(c, '|' | ':' | '=' | '-')) && (word.len() > 1 || word == "|")
}

fn entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn cut(text: &str, limit: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit) else { return text.to_owned() };
    let last_fit = text.char_indices().nth(limit.saturating_sub(1)).map_or(0, |(at, _)| at);
    let end = text[..last_fit].rfind(' ').filter(|at| *at > last_fit / 2).unwrap_or(last_fit.min(end));
    format!("{}…", text[..end].trim_end())
}

/// `getVehicleById`, `vehicle-types`, `some_name` -> lower-case words.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars.get(i + 1);
        let starts = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase() || b.is_numeric() || (b.is_uppercase() && after.is_some_and(|a| a.is_lowercase()))
            });
        if starts && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.extend(c.to_lowercase());
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The singular of an English noun by its ending; equal for both forms of the regular ones.
pub(crate) fn singular(word: &str) -> String {
    let strip = |n: usize| word[..word.len() - n].to_owned();
    match word {
        "people" => "person".to_owned(),
        "children" => "child".to_owned(),
        "series" | "news" | "status" | "address" | "access" | "process" => word.to_owned(),
        _ if !word.is_ascii() || word.len() < 4 => word.to_owned(),
        _ if word.ends_with("ies") => strip(3) + "y",
        _ if ["sses", "xes", "ches", "shes", "zzes", "uses"].iter().any(|end| word.ends_with(end)) => strip(2),
        _ if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") => word.to_owned(),
        _ if word.ends_with('s') => strip(1),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_goes_and_words_stay() {
        for (given, expected) in [
            ("Creates a **vehicle**.<br/>See [the guide](https://x.test/a_b).", "Creates a vehicle. See the guide."),
            ("# Title\n* one\n* `two`\n", "Title one two"),
            ("a < b and c > d, snake_case_name", "a < b and c > d, snake_case_name"),
            ("<script>alert(1)</script>ok &amp; fine", "ok & fine"),
            ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a b 1 2"),
            ("", ""),
        ] {
            assert_eq!(plain(given, 200), expected, "{given}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_word_within_the_limit() {
        let text = plain(&"word ".repeat(1000), 50);
        assert!(text.chars().count() <= 50 && text.ends_with("word…"), "{text}");
        assert_eq!(plain(&"x".repeat(60), 50).chars().count(), 50);
    }

    #[test]
    fn names_become_words_and_singulars() {
        assert_eq!(words("getHTTPVehicleById"), ["get", "http", "vehicle", "by", "id"]);
        assert_eq!(words("vehicle_types-2"), ["vehicle", "types", "2"]);
        for (given, expected) in [
            ("vehicles", "vehicle"),
            ("categories", "category"),
            ("boxes", "box"),
            ("status", "status"),
            ("people", "person"),
            ("cases", "case"),
            ("buses", "bus"),
        ] {
            assert_eq!(singular(given), expected);
        }
    }
}
