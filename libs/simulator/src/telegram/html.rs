//! `parse_mode` HTML: the tags that Telegram knows, and its words when they do not fit together.

use serde_json::{Value, json};

use super::text::Formatted;

struct Open {
    tag: String,
    kind: &'static str,
    extra: Option<(&'static str, String)>,
    /// UTF-16 units.
    offset: usize,
}

/// Text without its tags, and the entities they were.
///
/// # Errors
/// The words that follow `can't parse entities: `.
pub(super) fn parse(given: &str) -> Result<Formatted, String> {
    let (mut text, mut entities, mut open) = (String::new(), Vec::new(), Vec::<Open>::new());
    let mut units = 0;
    let mut at = 0;
    while let Some(rest) = given.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(inside) = rest.strip_prefix('<') {
            let wrong = if inside.starts_with('/') { "end" } else { "start" };
            let unclosed = || format!("Unclosed {wrong} tag at byte offset {at}");
            // The name is judged before the tag's end is looked for: `1 < 2` is a tag without a name.
            let name = inside.find(|letter: char| letter.is_whitespace() || letter == '>').ok_or_else(unclosed)?;
            let known = inside.starts_with('/') || known(inside.get(..name).unwrap_or_default());
            let length = if known { end(inside).ok_or_else(unclosed)? } else { name };
            let tag = inside.get(..length).unwrap_or_default();
            match tag.strip_prefix('/') {
                Some(name) => {
                    let name = name.trim().to_ascii_lowercase();
                    let Some(top) = open.pop() else {
                        return Err(format!("Unexpected end tag at byte offset {at}"));
                    };
                    if !name.is_empty() && name != top.tag {
                        let expected = top.tag;
                        return Err(format!(
                            "Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{name}>\""
                        ));
                    }
                    if units > top.offset {
                        entities.push(entity(&top, units));
                    }
                }
                None => open.push(start(tag, at, units)?),
            }
            at += length + 2;
            continue;
        }
        let (letter, length) = one(rest);
        text.push(letter);
        units += letter.len_utf16();
        at += length;
    }
    if let Some(left) = open.pop() {
        return Err(format!("Can't find end tag corresponding to start tag \"{}\"", left.tag));
    }
    entities.sort_by_key(|entity| entity["offset"].as_u64());
    Ok(Formatted { text, entities })
}

fn known(name: &str) -> bool {
    start(&name.to_ascii_lowercase(), 0, 0).is_ok() || name.eq_ignore_ascii_case("span")
}

/// Where a tag ends: at a `>` outside of quotes.
fn end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in tag.char_indices() {
        match (quote, letter) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if letter == open => quote = None,
            _ => {}
        }
    }
    None
}

fn start(tag: &str, at: usize, offset: usize) -> Result<Open, String> {
    let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let name = name.to_ascii_lowercase();
    let attribute = |key: &str| {
        let (_, rest) = attributes.split_once(&format!("{key}="))?;
        let quote = rest.chars().next().filter(|mark| matches!(mark, '"' | '\''));
        let value = match quote {
            Some(mark) => rest.get(1..)?.split(mark).next(),
            None => rest.split_whitespace().next(),
        };
        value.map(str::to_owned)
    };
    let (kind, extra) = match name.as_str() {
        "b" | "strong" => ("bold", None),
        "i" | "em" => ("italic", None),
        "u" | "ins" => ("underline", None),
        "s" | "strike" | "del" => ("strikethrough", None),
        "tg-spoiler" => ("spoiler", None),
        "span" if attribute("class").as_deref() == Some("tg-spoiler") => ("spoiler", None),
        "span" => return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}")),
        "code" => ("code", None),
        "pre" => ("pre", None),
        "blockquote" if attributes.contains("expandable") => ("expandable_blockquote", None),
        "blockquote" => ("blockquote", None),
        "a" => ("text_link", attribute("href").map(|url| ("url", url))),
        "tg-emoji" => ("custom_emoji", attribute("emoji-id").map(|id| ("custom_emoji_id", id))),
        "tg-time" => ("date_time", attribute("unix").map(|time| ("unix_time", time))),
        _ => return Err(format!("Unsupported start tag \"{name}\" at byte offset {at}")),
    };
    Ok(Open { tag: name, kind, extra, offset })
}

fn entity(open: &Open, end: usize) -> Value {
    let mut entity = json!({"offset": open.offset, "length": end - open.offset, "type": open.kind});
    if let Some((key, value)) = &open.extra {
        entity[*key] = json!(value);
    }
    entity
}

/// The next letter and how many bytes it took; `&lt;` and the like are one letter.
fn one(rest: &str) -> (char, usize) {
    for (name, letter) in [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')] {
        if rest.starts_with(name) {
            return (letter, name.len());
        }
    }
    if let Some((number, _)) = rest.strip_prefix("&#").and_then(|rest| rest.split_once(';')) {
        let code = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        };
        if let Some(letter) = code.and_then(char::from_u32).filter(|letter| *letter != '\0') {
            return (letter, number.len() + 3);
        }
    }
    let letter = rest.chars().next().unwrap_or_default();
    (letter, letter.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_entities_in_utf16_units() {
        let parsed = parse("🚗 <b>a&lt;<i>b</i></b><a href=\"https://a.b/\">c</a>").expect("lawful");
        assert_eq!(parsed.text, "🚗 a<bc");
        let expected = json!([
            {"offset": 3, "length": 3, "type": "bold"},
            {"offset": 5, "length": 1, "type": "italic"},
            {"offset": 6, "length": 1, "type": "text_link", "url": "https://a.b/"},
        ]);
        assert_eq!(Value::Array(parsed.entities), expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (given, expected) in [
            ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
            ("x</b>", "Unexpected end tag at byte offset 1"),
            ("<b>x</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""),
            ("<div>x</div>", "Unsupported start tag \"div\" at byte offset 0"),
            ("1 < 2", "Unsupported start tag \"\" at byte offset 2"),
            ("1 <2", "Unclosed start tag at byte offset 2"),
            ("<b>1</b", "Unclosed end tag at byte offset 4"),
            ("<a href=\">", "Unclosed start tag at byte offset 0"),
        ] {
            assert_eq!(parse(given).map(|parsed| parsed.text), Err(expected.to_owned()), "{given}");
        }
    }
}
