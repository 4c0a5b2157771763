//! What the real API refuses in a send by its shape: missing and unknown fields, types, limits. The first fault counts.

mod content;
mod interactive;
mod template;

use serde_json::{Map, Value};

use super::error::{INVALID, MISSING, Refusal, VALUE};

type Object = Map<String, Value>;

/// The fields of a send beside the one named as its type.
const ENVELOPE: [&str; 7] =
    ["messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"];
/// The types of a send; each has a field of its own name.
const TYPES: [&str; 11] = [
    "audio",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
];

/// Whom a send names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum To<'a> {
    /// A number in digits.
    Number(&'a str),
    /// A business-scoped id.
    UserId(&'a str),
}

/// A send of a lawful shape.
#[derive(Debug)]
pub(super) struct Lawful<'a> {
    pub(super) to: To<'a>,
    pub(super) kind: &'a str,
    /// The field of the type's name.
    pub(super) content: &'a Value,
    /// `context.message_id`.
    pub(super) quoted: Option<&'a str>,
    pub(super) callback_data: Option<&'a str>,
}

/// Reads a send, or tells the first thing that is wrong with it.
pub(super) fn check(body: &Value) -> Result<Lawful<'_>, Refusal> {
    let message = body.as_object().ok_or_else(product_missing)?;
    product(message)?;
    let kind = match given(message, "type") {
        None => "text",
        Some(kind) => kind.as_str().filter(|kind| TYPES.contains(kind)).ok_or_else(|| {
            let types = TYPES.map(str::to_uppercase).join(", ");
            Refusal::new(INVALID, format!("Param type must be one of {{{types}}} - got {kind}."))
        })?,
    };
    let known: Vec<&str> = ENVELOPE.into_iter().chain([kind]).collect();
    no_others(message, "", &known)?;
    if given(message, "recipient_type").is_some_and(|kind| kind != "individual") {
        return Err(Refusal::new(INVALID, "Param recipient_type must be one of {INDIVIDUAL}."));
    }
    let to = recipient(message)?;
    let callback_data = optional_text(message, "", "biz_opaque_callback_data", 512, INVALID)?;
    let quoted = match given(message, "context") {
        None => None,
        Some(context) => {
            let context = object(context, "context", &["message_id"])?;
            Some(text(context, "context", "message_id", 512, INVALID)?)
        }
    };
    let content = required(message, "", kind)?;
    match kind {
        "text" => content::text_message(content)?,
        "interactive" => interactive::check(content)?,
        "location" => content::location(content)?,
        "contacts" => content::contacts(content)?,
        "reaction" => content::reaction(content)?,
        "template" => template::check(content)?,
        media => content::media(media, content)?,
    }
    Ok(Lawful { to, kind, content, quoted, callback_data })
}

/// A read mark: the message it names, and whether typing is to be shown.
pub(super) fn check_read(body: &Value) -> Result<(&str, bool), Refusal> {
    let mark = body.as_object().ok_or_else(product_missing)?;
    product(mark)?;
    no_others(mark, "", &["messaging_product", "status", "message_id", "typing_indicator"])?;
    if required(mark, "", "status")? != "read" {
        return Err(Refusal::new(INVALID, "Param status must be one of {READ}."));
    }
    let message_id = text(mark, "", "message_id", 512, INVALID)?;
    let typing = given(mark, "typing_indicator");
    if let Some(typing) = typing {
        let typing = object(typing, "typing_indicator", &["type"])?;
        if required(typing, "typing_indicator", "type")? != "text" {
            return Err(Refusal::new(INVALID, "Param typing_indicator['type'] must be one of {TEXT}."));
        }
    }
    Ok((message_id, typing.is_some()))
}

fn product_missing() -> Refusal {
    Refusal::new(INVALID, "The parameter messaging_product is required.")
}

fn product(message: &Object) -> Result<(), Refusal> {
    match given(message, "messaging_product") {
        None => Err(product_missing()),
        Some(product) if product == "whatsapp" => Ok(()),
        Some(_) => Err(Refusal::new(INVALID, "Param messaging_product must be one of {WHATSAPP}.")),
    }
}

/// `to` wins over `recipient`, as the platform has it.
fn recipient(message: &Object) -> Result<To<'_>, Refusal> {
    if let Some(user_id) = given(message, "recipient").filter(|_| given(message, "to").is_none()) {
        let lawful = |id: &&str| {
            id.split_once('.').is_some_and(|(country, rest)| {
                country.len() == 2
                    && country.bytes().all(|byte| byte.is_ascii_uppercase())
                    && (1..=128).contains(&rest.len())
                    && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
            })
        };
        let user_id = user_id.as_str().filter(lawful);
        return user_id.map(To::UserId).ok_or_else(|| Refusal::new(VALUE, "recipient is not a valid user id"));
    }
    let to = required(message, "", "to")?.as_str();
    let number = |to: &&str| (7..=15).contains(&to.len()) && to.bytes().all(|byte| byte.is_ascii_digit());
    to.filter(number).map(To::Number).ok_or_else(|| Refusal::new(VALUE, "to is not a valid phone number"))
}

/// `interactive` and `action` give `interactive['action']`, as the platform writes paths.
fn path(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}['{key}']") }
}

fn no_others(object: &Object, at: &str, known: &[&str]) -> Result<(), Refusal> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) if at.is_empty() => Err(Refusal::new(INVALID, format!("Unexpected key \"{key}\"."))),
        Some(key) => Err(Refusal::new(INVALID, format!("Unexpected key \"{key}\" on param \"{at}\"."))),
    }
}

/// An object with no other than these fields.
fn object<'a>(value: &'a Value, at: &str, known: &[&str]) -> Result<&'a Object, Refusal> {
    let object =
        value.as_object().ok_or_else(|| Refusal::new(INVALID, format!("Param {at} must be a JSON object.")))?;
    no_others(object, at, known)?;
    Ok(object)
}

/// A field that is there; `null` is as good as absent, and known clients send it.
fn given<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn required<'a>(object: &'a Object, at: &str, key: &str) -> Result<&'a Value, Refusal> {
    given(object, key).ok_or_else(|| Refusal::new(MISSING, format!("The parameter {} is required.", path(at, key))))
}

/// An array of `least` to `most`.
fn array<'a>(object: &'a Object, at: &str, key: &str, least: usize, most: usize) -> Result<&'a [Value], Refusal> {
    let at = path(at, key);
    let Some(items) = given(object, key) else {
        return Err(Refusal::new(MISSING, format!("The parameter {at} is required.")));
    };
    let items = items.as_array().ok_or_else(|| Refusal::new(INVALID, format!("Param {at} must be an array.")))?;
    if items.len() < least || items.len() > most {
        let wrong = format!("Invalid {at} count. Min allowed: {least}, Max allowed: {most}");
        return Err(Refusal::new(VALUE, wrong));
    }
    Ok(items)
}

/// Text that is not blank, of at most `most` UTF-16 units: never fewer than characters, so the stricter count. `code` is
/// the error of a wrong length.
fn text<'a>(object: &'a Object, at: &str, key: &str, most: usize, code: u32) -> Result<&'a str, Refusal> {
    required(object, at, key)?;
    optional_text(object, at, key, most, code)?
        .ok_or_else(|| Refusal::new(MISSING, format!("The parameter {} is required.", path(at, key))))
}

/// The same of a field that may be absent, though not blank.
fn optional_text<'a>(
    object: &'a Object,
    at: &str,
    key: &str,
    most: usize,
    code: u32,
) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = given(object, key) else {
        return Ok(None);
    };
    let at = path(at, key);
    let text = value.as_str().ok_or_else(|| Refusal::new(INVALID, format!("Param {at} must be a string.")))?;
    if text.trim().is_empty() {
        return Err(Refusal::new(code, format!("{at} length invalid. Min length: 1, Max length: {most}")));
    }
    if text.encode_utf16().count() > most {
        return Err(Refusal::new(code, format!("Param {at} must be at most {most} characters long.")));
    }
    Ok(Some(text))
}

fn flag(object: &Object, at: &str, key: &str) -> Result<(), Refusal> {
    match given(object, key) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err(Refusal::new(INVALID, format!("Param {} must be a boolean.", path(at, key)))),
    }
}
