//! Words with their entities: what is refused before a chat is looked for, and what after.

use serde_json::{Map, Value};

use super::{html, markdown, params::Params, refusal::Refusal};

/// Bytes of text that are looked at.
const MOST_BYTES: usize = 1 << 15;

/// Entities that a bot may give.
const STYLES: &[&str] = &[
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "blockquote",
    "expandable_blockquote",
    "code",
    "pre",
    "text_link",
    "text_mention",
    "custom_emoji",
    "date_time",
];

/// Entities that the server finds itself; given ones are passed over.
const FOUND: &[&str] =
    &["mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number"];

/// Words and entities, not yet checked against each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Formatted {
    pub(super) text: String,
    /// Objects with `type`, `offset` and `length`; the latter in UTF-16 units.
    pub(super) entities: Vec<Value>,
}

/// Reads words, with `parse_mode` or entities.
pub(super) fn parse(params: &mut Params, text: &str, entities: &str) -> Result<Formatted, Refusal> {
    let given = params.text(text).to_owned();
    if given.len() > MOST_BYTES {
        return Err(Refusal::bad("Text is too long"));
    }
    let mode = params.text("parse_mode").to_ascii_lowercase();
    let parsed = match mode.as_str() {
        _ if given.is_empty() => Ok(Formatted { text: given, entities: Vec::new() }),
        "" | "none" => return Ok(Formatted { text: given, entities: read(params, entities)? }),
        "html" => html::parse(&given),
        "markdownv2" => markdown::parse(&given),
        "markdown" => markdown::parse_legacy(&given),
        _ => return Err(Refusal::bad("Unsupported parse_mode")),
    };
    if !params.text(entities).is_empty() {
        params.odd.push(format!("{entities} beside parse_mode"));
    }
    parsed.map_err(|wrong| Refusal::bad(format!("Can't parse entities: {wrong}")))
}

fn read(params: &mut Params, key: &str) -> Result<Vec<Value>, Refusal> {
    let given = match params.json(key) {
        None => return Ok(Vec::new()),
        Some(Ok(Value::Array(given))) => given,
        Some(_) => {
            params.odd.push(format!("{key} is no array")); // the real server sends the words without
            return Ok(Vec::new());
        }
    };
    let mut entities = Vec::new();
    for entity in given {
        let wrong = |text: &str| Refusal::bad(format!("Can't parse MessageEntity: {text}"));
        let Value::Object(entity) = entity else { return Err(wrong("expected an Object")) };
        let number = |key: &str| match entity.get(key) {
            None => Err(wrong(&format!("Can't find field \"{key}\""))),
            Some(value) => value.as_i64().ok_or_else(|| wrong(&format!("Field \"{key}\" must be of type Number"))),
        };
        let (offset, length) = (number("offset")?, number("length")?);
        let Some(Value::String(kind)) = entity.get("type") else { return Err(wrong("Can't find field \"type\"")) };
        let extra: &[&str] = match kind.as_str() {
            "text_link" => &["url"],
            "text_mention" => &["user"],
            "custom_emoji" => &["custom_emoji_id"],
            "date_time" => &["unix_time"],
            kind if STYLES.contains(&kind) || FOUND.contains(&kind) => &[],
            _ => return Err(wrong("Unsupported type specified")),
        };
        if let Some(missing) = extra.iter().find(|key| !entity.contains_key(**key)) {
            return Err(wrong(&format!("Can't find field \"{missing}\"")));
        }
        if offset < 0 || length <= 0 {
            // The real server drops some of these in silence; nobody sends them on purpose.
            return Err(wrong("offset and length must be positive"));
        }
        let known = ["type", "offset", "length", "language", "date_time_format"];
        let unknown: Map<String, Value> =
            entity.clone().into_iter().filter(|(key, _)| !extra.contains(&key.as_str())).collect();
        params.only(&unknown, "MessageEntity", &known);
        if STYLES.contains(&kind.as_str()) {
            entities.push(Value::Object(entity));
        }
    }
    Ok(entities)
}

impl Formatted {
    /// Checks the entities against the words, and takes white space off both ends.
    pub(super) fn fixed(self) -> Result<Self, Refusal> {
        self.check()?;
        let text = self.text.trim();
        let lead = units(&self.text) - units(self.text.trim_start());
        let end = units(text);
        let mut entities = Vec::new();
        for mut entity in self.entities {
            let (from, to) = bounds(&entity);
            let (from, to) = (from.saturating_sub(lead).min(end), to.saturating_sub(lead).min(end));
            if to > from {
                entity["offset"] = from.into();
                entity["length"] = (to - from).into();
                entities.push(entity);
            }
        }
        Ok(Self { text: text.to_owned(), entities })
    }

    fn check(&self) -> Result<(), Refusal> {
        let end = units(&self.text);
        for entity in &self.entities {
            let (from, to) = bounds(entity);
            if from > end {
                return Err(Refusal::bad(format!("Entity begins after the end of the text at UTF-16 offset {from}")));
            }
            if to > end {
                let text = format!(
                    "Entity beginning at UTF-16 offset {from} ends after the end of the text at UTF-16 offset {to}"
                );
                return Err(Refusal::bad(text));
            }
            if let Some(byte) = self.middle(from) {
                return Err(Refusal::bad(format!(
                    "Entity begins in a middle of a UTF-16 symbol at byte offset {byte}"
                )));
            }
            if let Some(byte) = self.middle(to) {
                return Err(Refusal::bad(format!(
                    "Entity beginning at UTF-16 offset {from} ends in a middle of a UTF-16 symbol at byte offset {byte}"
                )));
            }
        }
        Ok(())
    }

    /// The byte of the letter that `offset` lies inside of.
    fn middle(&self, offset: usize) -> Option<usize> {
        let mut seen = 0;
        for (byte, letter) in self.text.char_indices() {
            if seen >= offset {
                return None;
            }
            seen += letter.len_utf16();
            if seen > offset {
                return Some(byte);
            }
        }
        None
    }

    /// UTF-16 units, as all limits count.
    pub(super) fn length(&self) -> usize {
        units(&self.text)
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn bounds(entity: &Value) -> (usize, usize) {
    let number = |key: &str| entity[key].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    (number("offset"), number("offset").saturating_add(number("length")))
}

/// `bot_command` entities of what a person wrote: `/word` at the start or after white space.
pub(super) fn commands(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut offset = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let name = word.strip_prefix('/').map(|name| name.find(|letter| !is_letter(letter)).unwrap_or(name.len()));
        if let Some(length) = name.filter(|length| (1..=64).contains(length)) {
            let rest = word.get(length + 1..).unwrap_or_default();
            let bot =
                rest.strip_prefix('@').map_or(0, |bot| bot.find(|letter| !is_letter(letter)).unwrap_or(bot.len()));
            let length = 1 + length + if bot > 0 { bot + 1 } else { 0 };
            found.push(serde_json::json!({"offset": offset, "length": length, "type": "bot_command"}));
        }
        offset += units(piece);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(text: &str, entities: Value) -> Result<Formatted, String> {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("text", text)
            .append_pair("entities", &entities.to_string())
            .finish();
        let mut params = Params::read(Some(&query), "", b"").expect("parameters");
        let parsed = parse(&mut params, "text", "entities");
        parsed.and_then(Formatted::fixed).map_err(|refusal| refusal.text)
    }

    #[test]
    fn entities_are_held_against_the_words_in_utf16_units() {
        let bold = |offset: i64, length: i64| json!([{"type": "bold", "offset": offset, "length": length}]);
        for (text, entities, wrong) in [
            ("🚗a", bold(0, 3), None),
            ("🚗a", bold(0, 4), Some("ends after the end of the text at UTF-16 offset 4")),
            ("🚗a", bold(4, 1), Some("begins after the end of the text at UTF-16 offset 4")),
            ("🚗a", bold(1, 1), Some("begins in a middle of a UTF-16 symbol at byte offset 0")),
            ("a🚗", bold(0, 2), Some("ends in a middle of a UTF-16 symbol at byte offset 1")),
            ("a", bold(-1, 1), Some("can't parse MessageEntity")),
            ("a", json!([{"type": "shiny", "offset": 0, "length": 1}]), Some("Unsupported type specified")),
            ("a", json!([{"type": "text_link", "offset": 0, "length": 1}]), Some("Can't find field \"url\"")),
            ("a", json!([{"type": "bold", "offset": "0", "length": 1}]), Some("must be of type Number")),
        ] {
            match (with(text, entities.clone()), wrong) {
                (Ok(_), None) => {}
                (Err(given), Some(wrong)) => assert!(given.contains(wrong), "{entities}: {given}"),
                (given, _) => panic!("{entities}: {given:?}"),
            }
        }
    }

    #[test]
    fn white_space_goes_and_entities_move_along() {
        let fixed = with("  ab \n", json!([{"type": "bold", "offset": 0, "length": 4}])).expect("lawful");
        assert_eq!(
            (fixed.text.as_str(), fixed.entities),
            ("ab", vec![json!({"type": "bold", "offset": 0, "length": 2})])
        );
    }

    #[test]
    fn commands_are_found_as_the_real_one_finds_them() {
        let at = |offset: usize, length: usize| json!({"offset": offset, "length": length, "type": "bot_command"});
        assert_eq!(commands("/test@bar"), [at(0, 9)]);
        assert_eq!(commands("🚗 /start now /x"), [at(3, 6), at(14, 2)]);
        assert!(commands("a/b and / or //").is_empty());
    }
}
