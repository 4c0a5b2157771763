//! Reply buttons and lists.

use serde_json::Value;

use super::{INVALID, Object, Refusal, VALUE, array, content, given, object, path, required, text};

pub(super) fn check(content: &Value) -> Result<(), Refusal> {
    let at = "interactive";
    let message = object(content, at, &["type", "header", "body", "footer", "action"])?;
    match required(message, at, "type")?.as_str() {
        Some("button") => {
            frame(message, 1024, true)?;
            buttons(message)
        }
        Some("list") => {
            frame(message, 4096, false)?;
            list(message)
        }
        // The platform has more of them; whoever needs one adds it here.
        _ => Err(Refusal::new(INVALID, "Param interactive['type'] must be one of {BUTTON, LIST}.")),
    }
}

/// Body, header and footer that buttons and lists share.
fn frame(message: &Object, most: usize, media_header: bool) -> Result<(), Refusal> {
    let at = "interactive";
    let part = |key: &str, most: usize| {
        let at = path(at, key);
        text(object(required(message, "interactive", key)?, &at, &["text"])?, &at, "text", most, VALUE).map(|_| ())
    };
    part("body", most)?;
    if given(message, "footer").is_some() {
        part("footer", 60)?;
    }
    let Some(header) = given(message, "header") else {
        return Ok(());
    };
    let at = path(at, "header");
    let kind = header.get("type").and_then(Value::as_str);
    match kind {
        Some("text") => text(object(header, &at, &["type", "text"])?, &at, "text", 60, VALUE).map(|_| ()),
        Some(kind @ ("image" | "video" | "document")) if media_header => {
            let header = object(header, &at, &["type", kind])?;
            content::file(required(header, &at, kind)?, &path(&at, kind), &["id", "link", "filename"])
        }
        _ => Err(Refusal::new(VALUE, "Header type is not valid for this interactive message")),
    }
}

fn buttons(message: &Object) -> Result<(), Refusal> {
    let at = path("interactive", "action");
    let action = object(required(message, "interactive", "action")?, &at, &["buttons"])?;
    let (mut ids, mut titles) = (Vec::new(), Vec::new());
    for (index, button) in array(action, &at, "buttons", 1, 3)?.iter().enumerate() {
        let at = format!("{at}['buttons'][{index}]");
        let button = object(button, &at, &["type", "reply"])?;
        if required(button, &at, "type")? != "reply" {
            return Err(Refusal::new(INVALID, format!("Param {at}['type'] must be one of {{REPLY}}.")));
        }
        let reply = object(required(button, &at, "reply")?, &path(&at, "reply"), &["id", "title"])?;
        let at = path(&at, "reply");
        once(&mut ids, text(reply, &at, "id", 256, VALUE)?, "Duplicated button ids")?;
        once(&mut titles, text(reply, &at, "title", 20, VALUE)?, "Duplicated button titles")?;
    }
    Ok(())
}

fn list(message: &Object) -> Result<(), Refusal> {
    let at = path("interactive", "action");
    let action = object(required(message, "interactive", "action")?, &at, &["button", "sections"])?;
    text(action, &at, "button", 20, VALUE)?;
    let sections = array(action, &at, "sections", 1, 10)?;
    let mut ids = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let at = format!("{at}['sections'][{index}]");
        let section = object(section, &at, &["title", "rows"])?;
        if sections.len() > 1 || given(section, "title").is_some() {
            text(section, &at, "title", 24, VALUE)?;
        }
        for (index, row) in array(section, &at, "rows", 1, 10)?.iter().enumerate() {
            let at = format!("{at}['rows'][{index}]");
            let row = object(row, &at, &["id", "title", "description"])?;
            once(&mut ids, text(row, &at, "id", 200, VALUE)?, "Duplicated row ids")?;
            text(row, &at, "title", 24, VALUE)?;
            super::optional_text(row, &at, "description", 72, VALUE)?;
        }
    }
    if ids.len() > 10 {
        return Err(Refusal::new(VALUE, "Total row count exceed max allowed count: 10"));
    }
    Ok(())
}

fn once<'a>(seen: &mut Vec<&'a str>, value: &'a str, wrong: &str) -> Result<(), Refusal> {
    if seen.contains(&value) {
        return Err(Refusal::new(VALUE, wrong));
    }
    seen.push(value);
    Ok(())
}
