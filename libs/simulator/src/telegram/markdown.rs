//! `parse_mode` MarkdownV2, and the legacy Markdown: marks, and Telegram's words when one is not closed or not escaped.

use serde_json::{Value, json};

use super::text::Formatted;

/// What has to be escaped outside of code.
const RESERVED: &str = "_*[]()~`>#+-=|{}.!";

struct Open {
    mark: &'static str,
    name: &'static str,
    kind: &'static str,
    /// UTF-16 units.
    offset: usize,
    /// Bytes of what was given.
    at: usize,
}

const MARKS: &[(&str, &str, &str)] = &[
    ("__", "Underline", "underline"),
    ("||", "Spoiler", "spoiler"),
    ("*", "Bold", "bold"),
    ("_", "Italic", "italic"),
    ("~", "Strikethrough", "strikethrough"),
];

/// Text without its marks, and the entities they were.
///
/// # Errors
/// The words that follow `can't parse entities: `.
pub(super) fn parse(given: &str) -> Result<Formatted, String> {
    let mut reader = Reader { given, at: 0, text: String::new(), units: 0, entities: Vec::new() };
    let mut open = Vec::<Open>::new();
    while let Some(rest) = given.get(reader.at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with('`') {
            reader.code()?;
        } else if let Some(escaped) = rest.strip_prefix('\\') {
            // A backslash counts for the next letter where that is an ASCII one, else for itself.
            let next = escaped.chars().next().filter(char::is_ascii);
            reader.skip(usize::from(next.is_some()));
            reader.letter();
        } else if let Some((mark, name, kind)) = MARKS.iter().find(|(mark, ..)| rest.starts_with(mark)) {
            match open.last() {
                Some(top) if top.mark == *mark => {
                    let (kind, offset) = (top.kind, top.offset);
                    reader.entity(kind, offset, None);
                    open.pop();
                }
                _ => open.push(Open { mark, name, kind, offset: reader.units, at: reader.at }),
            }
            reader.skip(mark.len());
        } else if rest.starts_with("![") {
            reader.skip(1); // a custom emoji is written as a link
        } else if rest.starts_with('[') {
            open.push(Open { mark: "]", name: "TextUrl", kind: "text_link", offset: reader.units, at: reader.at });
            reader.skip(1);
        } else if rest.starts_with(']') && open.last().is_some_and(|top| top.mark == "]") {
            let offset = open.pop().map_or(0, |top| top.offset);
            reader.skip(1);
            let url = reader.url()?;
            reader.entity("text_link", offset, url);
        } else if rest.starts_with('>') && (reader.text.is_empty() || reader.text.ends_with('\n')) {
            reader.skip(1); // a quotation; its extent is not worked out here
        } else {
            let letter = rest.chars().next().unwrap_or_default();
            if RESERVED.contains(letter) {
                return Err(format!("Character '{letter}' is reserved and must be escaped with the preceding '\\'"));
            }
            reader.letter();
        }
    }
    if let Some(left) = open.pop() {
        return Err(format!("Can't find end of {} entity at byte offset {}", left.name, left.at));
    }
    let (text, mut entities) = (reader.text, reader.entities);
    entities.sort_by_key(|entity| entity["offset"].as_u64());
    Ok(Formatted { text, entities })
}

/// The legacy mode: `*`, `_`, `` ` `` and `[` open, nothing nests, and everything else is plain.
///
/// # Errors
/// The words that follow `can't parse entities: `.
pub(super) fn parse_legacy(given: &str) -> Result<Formatted, String> {
    let mut reader = Reader { given, at: 0, text: String::new(), units: 0, entities: Vec::new() };
    while let Some(rest) = given.get(reader.at..).filter(|rest| !rest.is_empty()) {
        let letter = rest.chars().next().unwrap_or_default();
        let kind = match letter {
            '*' => "bold",
            '_' => "italic",
            '`' if rest.starts_with("```") => "pre",
            '`' => "code",
            '[' => "text_link",
            '\\' if rest.chars().nth(1).is_some_and(|next| "*_`[".contains(next)) => {
                reader.skip(1);
                reader.letter();
                continue;
            }
            _ => {
                reader.letter();
                continue;
            }
        };
        let mark = match kind {
            "pre" => "```".to_owned(),
            "text_link" => "]".to_owned(),
            _ => letter.to_string(),
        };
        let start = if kind == "pre" { 3 } else { 1 };
        let Some(length) = rest.get(start..).and_then(|inside| inside.find(&mark)) else {
            return Err(format!("Can't find end of the entity starting at byte offset {}", reader.at));
        };
        let offset = reader.units;
        reader.skip(start);
        let end = reader.at + length;
        while reader.at < end {
            reader.letter();
        }
        reader.skip(mark.len());
        let url = if kind == "text_link" { reader.url()? } else { None };
        if kind != "text_link" || url.is_some() {
            reader.entity(kind, offset, url);
        }
    }
    Ok(Formatted { text: reader.text, entities: reader.entities })
}

struct Reader<'a> {
    given: &'a str,
    /// Bytes read.
    at: usize,
    text: String,
    /// UTF-16 units written.
    units: usize,
    entities: Vec<Value>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.given.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes the next letter as it stands.
    fn letter(&mut self) {
        match self.rest().chars().next() {
            Some(letter) => {
                self.text.push(letter);
                self.units += letter.len_utf16();
                self.at += letter.len_utf8();
            }
            None => self.at = self.given.len(),
        }
    }

    /// Code up to its closing mark; a backslash escapes in it.
    fn code(&mut self) -> Result<(), String> {
        let (mark, name, kind) =
            if self.rest().starts_with("```") { ("```", "Pre", "pre") } else { ("`", "Code", "code") };
        let (from, offset) = (self.at, self.units);
        self.skip(mark.len());
        while !self.rest().starts_with(mark) {
            if self.rest().is_empty() {
                return Err(format!("Can't find end of {name} entity at byte offset {from}"));
            }
            if self.rest().starts_with('\\') && self.rest().len() > 1 {
                self.skip(1);
            }
            self.letter();
        }
        self.skip(mark.len());
        self.entity(kind, offset, None);
        Ok(())
    }

    /// `(address)` behind a link's words, if it stands there.
    fn url(&mut self) -> Result<Option<String>, String> {
        if !self.rest().starts_with('(') {
            return Ok(None);
        }
        let Some(length) = self.rest().find(')') else {
            return Err(format!("Can't find end of a URL at byte offset {}", self.at));
        };
        let url = self.rest().get(1..length).unwrap_or_default().replace('\\', "");
        self.skip(length + 1);
        Ok(Some(url).filter(|url| !url.is_empty()))
    }

    fn entity(&mut self, kind: &str, offset: usize, url: Option<String>) {
        if self.units > offset {
            let mut entity = json!({"offset": offset, "length": self.units - offset, "type": kind});
            if let Some(url) = url {
                entity["url"] = json!(url);
            }
            self.entities.push(entity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_entities_and_escapes_letters() {
        let parsed = parse("*a _b_* \\. `c\\`d` [e](https://f.g/) __h__").expect("lawful");
        assert_eq!(parsed.text, "a b . c`d e h");
        let kinds: Vec<_> = parsed.entities.iter().map(|one| (one["type"].as_str(), one["offset"].as_u64())).collect();
        let expected = [("bold", 0), ("italic", 2), ("code", 6), ("text_link", 10), ("underline", 12)];
        assert_eq!(kinds, expected.map(|(kind, offset)| (Some(kind), Some(offset))));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (given, expected) in [
            ("1.0", "Character '.' is reserved and must be escaped with the preceding '\\'"),
            ("ends!", "Character '!' is reserved and must be escaped with the preceding '\\'"),
            ("🏟 🏟_abacaba", "Can't find end of Italic entity at byte offset 9"),
            ("*a", "Can't find end of Bold entity at byte offset 0"),
            ("`a", "Can't find end of Code entity at byte offset 0"),
            ("[a](b", "Can't find end of a URL at byte offset 3"),
        ] {
            assert_eq!(parse(given).map(|parsed| parsed.text), Err(expected.to_owned()), "{given}");
        }
        assert_eq!(parse("\\").map(|parsed| parsed.text), Ok("\\".to_owned()));
    }

    #[test]
    fn the_legacy_mode_asks_only_for_ends() {
        let parsed = parse_legacy("*a* _b_. [c](d) \\*").expect("lawful");
        assert_eq!((parsed.text.as_str(), parsed.entities.len()), ("a b. c *", 3));
        let refused = parse_legacy("*unclosed").map(|parsed| parsed.text);
        assert_eq!(refused, Err("Can't find end of the entity starting at byte offset 0".to_owned()));
    }
}
