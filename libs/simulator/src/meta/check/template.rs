//! Sends of a template: its name, its language and what is put into it.

use serde_json::Value;

use super::{INVALID, Refusal, VALUE, array, content, given, object, path, required, text};

pub(super) fn check(content: &Value) -> Result<(), Refusal> {
    let at = "template";
    let template = object(content, at, &["name", "language", "components"])?;
    let name = text(template, at, "name", 512, VALUE)?;
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(Refusal::new(VALUE, "template['name'] may hold lower-case letters, digits and underscores only"));
    }
    let language = object(required(template, at, "language")?, "template['language']", &["code", "policy"])?;
    text(language, "template['language']", "code", 15, VALUE)?;
    if given(language, "policy").is_some_and(|policy| policy != "deterministic") {
        return Err(Refusal::new(INVALID, "Param template['language']['policy'] must be one of {DETERMINISTIC}."));
    }
    if given(template, "components").is_none() {
        return Ok(());
    }
    for (index, component) in array(template, at, "components", 0, 15)?.iter().enumerate() {
        let at = format!("template['components'][{index}]");
        self::component(component, &at)?;
    }
    Ok(())
}

fn component(component: &Value, at: &str) -> Result<(), Refusal> {
    let part = object(component, at, &["type", "sub_type", "index", "parameters"])?;
    let kind = required(part, at, "type")?.as_str().map(str::to_lowercase);
    let button = match kind.as_deref() {
        Some("header" | "body") => false,
        Some("button") => true,
        _ => return Err(Refusal::new(INVALID, format!("Param {at}['type'] must be one of {{HEADER, BODY, BUTTON}}."))),
    };
    if button {
        let sub_type = text(part, at, "sub_type", 20, INVALID)?;
        if !["quick_reply", "url"].contains(&sub_type.to_lowercase().as_str()) {
            let wrong = format!("Param {at}['sub_type'] must be one of {{QUICK_REPLY, URL}}.");
            return Err(Refusal::new(INVALID, wrong));
        }
        let index = required(part, at, "index")?;
        let index = index.as_u64().or_else(|| index.as_str()?.parse().ok());
        if index.is_none_or(|index| index >= 10) {
            return Err(Refusal::new(VALUE, format!("{at}['index'] is not valid")));
        }
    }
    for (index, parameter) in array(part, at, "parameters", 0, 100)?.iter().enumerate() {
        self::parameter(parameter, &format!("{at}['parameters'][{index}]"), button)?;
    }
    Ok(())
}

fn parameter(value: &Value, at: &str, button: bool) -> Result<(), Refusal> {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "payload" if button => text(object(value, at, &["type", "payload"])?, at, "payload", 256, VALUE).map(|_| ()),
        "text" => {
            let parameter = object(value, at, &["type", "text", "parameter_name"])?;
            let words = text(parameter, at, "text", 1024, VALUE)?;
            if words.contains(['\n', '\t', '\r']) || words.contains("     ") {
                let wrong = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces";
                return Err(Refusal::new(INVALID, wrong));
            }
            Ok(())
        }
        "image" | "video" | "document" if !button => {
            let parameter = object(value, at, &["type", kind])?;
            content::file(required(parameter, at, kind)?, &path(at, kind), &["id", "link", "filename"])
        }
        "currency" | "date_time" if !button => object(
            required(object(value, at, &["type", kind])?, at, kind)?,
            &path(at, kind),
            &["fallback_value", "code", "amount_1000"],
        )
        .map(|_| ()),
        _ => Err(Refusal::new(INVALID, format!("Param {at}['type'] is not a known type of parameters."))),
    }
}
