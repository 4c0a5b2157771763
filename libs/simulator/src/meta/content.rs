//! What a lawful send refers to, and what it shows on the phone.

use serde_json::Value;

use super::{
    Inner,
    check::Lawful,
    error::{Refusal, VALUE},
    media::fits,
};
use crate::{
    phone::{Attached, Button, Kind, Row},
    template::Template,
};

/// Message, template and file of a send have to be there.
pub(super) fn find(inner: &Inner, peer: &str, send: &Lawful<'_>, now: domain::Micros) -> Result<(), Refusal> {
    let text = |pointer: &str| send.content.pointer(pointer).and_then(Value::as_str);
    let chat = inner.phones.find(peer);
    let is_there = |id: &str| chat.is_some_and(|chat| chat.bubbles.iter().any(|bubble| bubble.id == id));
    let named = send.quoted.or(if send.kind == "reaction" { text("/message_id") } else { None });
    if named.is_some_and(|id| !is_there(id)) {
        return Err(Refusal::new(VALUE, "message_id names no message of this chat"));
    }
    let header = text("/header/type").filter(|_| send.kind == "interactive");
    let kind = header.unwrap_or(send.kind);
    let id = match header {
        Some(kind) => text(&format!("/header/{kind}/id")),
        None => text("/id"),
    };
    if let Some(id) = id {
        let file = inner.media.find(id, now).ok_or_else(|| Refusal::new(VALUE, "Media id was not found"))?;
        if !fits(kind, &file.media_type) {
            return Err(Refusal::new(VALUE, format!("A file of type {} cannot be sent as {kind}", file.media_type)));
        }
    }
    if send.kind != "template" {
        return Ok(());
    }
    let (name, language) = (text("/name").unwrap_or_default(), text("/language/code").unwrap_or_default());
    let template = template(inner, send.content).ok_or_else(|| {
        Refusal::new(132_001, format!("template name ({name}) does not exist in the translation ({language})"))
    })?;
    let (given, expected) = (parameters(send.content).len(), template.parameters());
    if given != expected {
        let wrong = format!(
            "body: number of localizable_params ({given}) does not match the expected number of params ({expected})"
        );
        return Err(Refusal::new(132_000, wrong));
    }
    if buttons(send.content).any(|(index, _)| index >= template.buttons.len()) {
        return Err(Refusal::new(132_000, "buttons: an index names no button of the template"));
    }
    Ok(())
}

/// What the person sees: words, and what they are.
pub(super) fn read(inner: &Inner, send: &Lawful<'_>) -> (String, Kind) {
    let text = |pointer: &str| field(send.content, pointer);
    let array = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let other = |what: &str| Kind::Other { what: what.to_owned() };
    match send.kind {
        "text" => (text("/body"), Kind::Text),
        "interactive" if text("/type") == "button" => {
            let buttons = array(send.content.pointer("/action/buttons"));
            let button = |one: &Value| Button { id: field(one, "/reply/id"), title: field(one, "/reply/title") };
            (text("/body/text"), Kind::Buttons { buttons: buttons.iter().map(button).collect() })
        }
        "interactive" => {
            let sections = array(send.content.pointer("/action/sections"));
            let rows = sections.iter().flat_map(|section| array(section.get("rows")));
            let row = |row: Value| Row {
                id: field(&row, "/id"),
                title: field(&row, "/title"),
                description: row.get("description").and_then(Value::as_str).map(str::to_owned),
            };
            (text("/body/text"), Kind::List { button: text("/action/button"), rows: rows.map(row).collect() })
        }
        "template" => {
            template(inner, send.content).map_or((String::new(), Kind::Text), |template| fill(template, send.content))
        }
        "location" => (text("/name"), other("location")),
        "contacts" => (text("/0/name/formatted_name"), other("contacts")),
        "reaction" => (text("/emoji"), other("reaction")),
        "audio" if send.content.get("voice") == Some(&Value::Bool(true)) => (String::new(), other("voice")),
        media => (text("/caption"), other(media)),
    }
}

/// What hangs on a lawful send: its file, also above buttons, its place or its first contact card.
pub(super) fn attached(inner: &Inner, send: &Lawful<'_>, now: domain::Micros) -> Option<Attached> {
    let number = |pointer: &str| {
        let given = send.content.pointer(pointer)?;
        given.as_f64().or_else(|| given.as_str()?.parse().ok())
    };
    match send.kind {
        "location" => Some(Attached::Place { latitude: number("/latitude")?, longitude: number("/longitude")? }),
        "contacts" => Some(Attached::Contact {
            name: field(send.content, "/0/name/formatted_name"),
            phone: field(send.content, "/0/phones/0/phone"),
        }),
        kind => {
            let content = match kind {
                "interactive" => {
                    let header = send.content.get("header")?;
                    header.get(header.get("type")?.as_str()?)?
                }
                _ => send.content,
            };
            let id = content.get("id")?.as_str()?;
            let media_type = inner.media.find(id, now)?.media_type.clone();
            let name = content.get("filename").and_then(Value::as_str).map(str::to_owned);
            Some(Attached::File { id: id.to_owned(), media_type, name })
        }
    }
}

fn field(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn template<'a>(inner: &'a Inner, content: &Value) -> Option<&'a Template> {
    let (name, language) = (field(content, "/name"), field(content, "/language/code"));
    inner.templates.find(&name, &language)
}

fn components<'a>(content: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    let components = content.get("components").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    components.iter().filter(move |one| field(one, "/type").eq_ignore_ascii_case(kind))
}

/// What is put into the body.
fn parameters(content: &Value) -> Vec<String> {
    let body = components(content, "body").filter_map(|body| body.get("parameters")?.as_array());
    let word = |parameter: &Value| {
        let kind = field(parameter, "/type");
        let pointer = if kind == "text" { "/text".to_owned() } else { format!("/{kind}/fallback_value") };
        field(parameter, &pointer)
    };
    body.flatten().map(word).collect()
}

/// Index and payload of each button that is given one.
fn buttons(content: &Value) -> impl Iterator<Item = (usize, String)> {
    components(content, "button").filter_map(|button| {
        let index = button.get("index")?;
        let index = index.as_u64().or_else(|| index.as_str()?.parse().ok())?;
        Some((usize::try_from(index).ok()?, field(button, "/parameters/0/payload")))
    })
}

fn fill(template: &Template, content: &Value) -> (String, Kind) {
    let text = template.filled(parameters(content).iter().map(String::as_str));
    if template.buttons.is_empty() {
        return (text, Kind::Text);
    }
    let payloads: Vec<(usize, String)> = buttons(content).collect();
    let button = |(index, title): (usize, &String)| {
        let payload = payloads.iter().find(|(at, payload)| *at == index && !payload.is_empty());
        Button { id: payload.map_or_else(|| title.clone(), |(_, payload)| payload.clone()), title: title.clone() }
    };
    (text, Kind::Buttons { buttons: template.buttons.iter().enumerate().map(button).collect() })
}
