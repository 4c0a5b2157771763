//! Text, files, places, contact cards and reactions.

use serde_json::Value;
use url::Url;

use super::{INVALID, MISSING, Object, Refusal, VALUE, flag, given, object, optional_text, path, required, text};

/// Longest caption.
const CAPTION: usize = 1024;

pub(super) fn text_message(content: &Value) -> Result<(), Refusal> {
    let message = object(content, "text", &["body", "preview_url"])?;
    text(message, "text", "body", 4096, INVALID)?;
    flag(message, "text", "preview_url")
}

pub(super) fn media(kind: &str, content: &Value) -> Result<(), Refusal> {
    let known: &[&str] = match kind {
        "sticker" => &["id", "link"],
        "audio" => &["id", "link", "voice"],
        "document" => &["id", "link", "caption", "filename"],
        _ => &["id", "link", "caption"],
    };
    file(content, kind, known)?;
    let media = object(content, kind, known)?;
    optional_text(media, kind, "caption", CAPTION, INVALID)?;
    flag(media, kind, "voice")
}

/// A file by id or by link, not both.
pub(super) fn file(content: &Value, at: &str, known: &[&str]) -> Result<(), Refusal> {
    let media = object(content, at, known)?;
    optional_text(media, at, "filename", 240, INVALID)?;
    let id = optional_text(media, at, "id", 128, VALUE)?;
    match (id, optional_text(media, at, "link", 2048, VALUE)?) {
        (Some(_), None) => Ok(()),
        (None, Some(link)) => {
            let lawful = Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if lawful { Ok(()) } else { Err(Refusal::new(VALUE, format!("{at}['link'] is not a valid URL"))) }
        }
        (None, None) => Err(Refusal::new(MISSING, format!("One of {at}['id'] and {at}['link'] is required."))),
        (Some(_), Some(_)) => {
            Err(Refusal::new(INVALID, format!("Only one of {at}['id'] and {at}['link'] is allowed.")))
        }
    }
}

pub(super) fn location(content: &Value) -> Result<(), Refusal> {
    let at = "location";
    let place = object(content, at, &["latitude", "longitude", "name", "address"])?;
    for (key, most) in [("latitude", 90.0), ("longitude", 180.0)] {
        let value = required(place, at, key)?;
        let degrees = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        if !degrees.is_some_and(|degrees: f64| degrees.abs() <= most) {
            return Err(Refusal::new(VALUE, format!("{} is not valid", path(at, key))));
        }
    }
    optional_text(place, at, "name", 1000, INVALID)?;
    optional_text(place, at, "address", 1000, INVALID)?;
    Ok(())
}

pub(super) fn contacts(content: &Value) -> Result<(), Refusal> {
    let cards = content.as_array().filter(|cards| !cards.is_empty() && cards.len() <= 257);
    let cards = cards.ok_or_else(|| Refusal::new(INVALID, "Param contacts must be an array of 1 to 257."))?;
    for (index, card) in cards.iter().enumerate() {
        let at = format!("contacts[{index}]");
        let card = object(card, &at, &["name", "phones", "emails", "addresses", "urls", "org", "birthday"])?;
        name(required(card, &at, "name")?, &path(&at, "name"))?;
        for (key, known) in [
            ("phones", ["phone", "type", "wa_id"].as_slice()),
            ("emails", &["email", "type"]),
            ("addresses", &["street", "city", "state", "zip", "country", "country_code", "type"]),
            ("urls", &["url", "type"]),
        ] {
            texts(card, &at, key, known)?;
        }
        if let Some(org) = given(card, "org") {
            object(org, &path(&at, "org"), &["company", "department", "title"])?;
        }
        optional_text(card, &at, "birthday", 10, VALUE)?;
    }
    Ok(())
}

/// A name in whole and at least one of its parts.
fn name(value: &Value, at: &str) -> Result<(), Refusal> {
    let parts = ["first_name", "last_name", "middle_name", "suffix", "prefix"];
    let known: Vec<&str> = parts.into_iter().chain(["formatted_name"]).collect();
    let name = object(value, at, &known)?;
    text(name, at, "formatted_name", 1000, INVALID)?;
    let mut given = 0;
    for part in parts {
        given += usize::from(optional_text(name, at, part, 1000, INVALID)?.is_some());
    }
    if given == 0 {
        return Err(Refusal::new(MISSING, format!("At least one more field of {at} is required.")));
    }
    Ok(())
}

/// A list of objects whose fields are texts.
fn texts(card: &Object, at: &str, key: &str, known: &[&str]) -> Result<(), Refusal> {
    if given(card, key).is_none() {
        return Ok(());
    }
    for (index, item) in super::array(card, at, key, 0, 100)?.iter().enumerate() {
        let at = format!("{}[{index}]", path(at, key));
        let item = object(item, &at, known)?;
        for key in known {
            optional_text(item, &at, key, 1000, INVALID)?;
        }
    }
    Ok(())
}

pub(super) fn reaction(content: &Value) -> Result<(), Refusal> {
    let reaction = object(content, "reaction", &["message_id", "emoji"])?;
    text(reaction, "reaction", "message_id", 512, INVALID)?;
    let emoji = required(reaction, "reaction", "emoji")?.as_str();
    // Empty takes the reaction back. No letters; the longest joined emoji have some 35 bytes.
    let lawful = |emoji: &&str| emoji.len() <= 64 && !emoji.chars().any(|char| char.is_alphabetic() || char == ' ');
    emoji.filter(lawful).map(|_| ()).ok_or_else(|| Refusal::new(VALUE, "reaction['emoji'] is not an emoji"))
}
