//! What the real API refuses: shapes, unknown fields, limits.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use crate::template::Templates;

/// Violations by property path, as the error bodies list them.
#[derive(Debug, Default)]
pub(super) struct Violations(pub(super) BTreeMap<String, Vec<String>>);

impl Violations {
    pub(super) fn add(&mut self, property: &str, text: impl Into<String>) {
        self.0.entry(property.to_owned()).or_default().push(text.into());
    }

    /// An object with no other than these fields.
    fn object<'a>(
        &mut self,
        value: Option<&'a Value>,
        at: &str,
        known: &[&str],
    ) -> Option<&'a serde_json::Map<String, Value>> {
        let Some(value) = value else {
            self.add(at, "must not be null");
            return None;
        };
        let Some(object) = value.as_object() else {
            self.add(at, "must be an object");
            return None;
        };
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            self.add(&join(at, key), "is not a known property");
        }
        Some(object)
    }

    /// Text of 1 to `most` characters (UTF-16 units, as Java counts), `least` 0 allowing none.
    fn text(&mut self, value: Option<&Value>, at: &str, least: usize, most: usize, required: bool) {
        match value {
            None | Some(Value::Null) if required => self.add(at, "must not be blank"),
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                let length = text.encode_utf16().count();
                if least > 0 && text.trim().is_empty() {
                    self.add(at, "must not be blank");
                } else if length > most {
                    self.add(at, format!("size must be between {least} and {most}"));
                }
            }
            Some(_) => self.add(at, "must be a string"),
        }
    }

    fn flag(&mut self, value: Option<&Value>, at: &str) {
        if value.is_some_and(|value| !value.is_boolean()) {
            self.add(at, "must be a boolean");
        }
    }

    /// An array of `least` to `most`; each id once.
    fn array<'a>(&mut self, value: Option<&'a Value>, at: &str, least: usize, most: usize) -> &'a [Value] {
        let Some(items) = value.and_then(Value::as_array) else {
            self.add(at, "must be an array");
            return &[];
        };
        if items.len() < least || items.len() > most {
            self.add(at, format!("size must be between {least} and {most}"));
        }
        items
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// Everything wrong with a send; `path` is what stands after `/whatsapp/1/message/`.
pub(super) fn check(path: &str, body: &Value, sender: &str) -> Violations {
    let mut wrong = Violations::default();
    let known = [
        "from",
        "to",
        "messageId",
        "content",
        "callbackData",
        "notifyUrl",
        "urlOptions",
        "entityId",
        "applicationId",
        "context",
    ];
    let Some(message) = wrong.object(Some(body), "", &known) else {
        return wrong;
    };
    wrong.text(message.get("from"), "from", 1, 24, true);
    wrong.text(message.get("to"), "to", 1, 24, true);
    wrong.text(message.get("messageId"), "messageId", 0, 200, false);
    wrong.text(message.get("callbackData"), "callbackData", 0, 4000, false);
    wrong.text(message.get("notifyUrl"), "notifyUrl", 0, 2048, false);
    wrong.text(message.get("entityId"), "entityId", 0, 255, false);
    wrong.text(message.get("applicationId"), "applicationId", 0, 255, false);
    if let Some(context) = message.get("context")
        && let Some(context) = wrong.object(Some(context), "context", &["replyToMessageId"])
    {
        wrong.text(context.get("replyToMessageId"), "context.replyToMessageId", 1, 200, true);
    }
    if message.get("from").and_then(Value::as_str).is_some_and(|from| from != sender) {
        wrong.add("from", "is not a registered sender");
    }
    let number = |to: &str| (7..=15).contains(&to.len()) && to.bytes().all(|byte| byte.is_ascii_digit());
    if message.get("to").and_then(Value::as_str).is_some_and(|to| !number(to.trim_start_matches('+'))) {
        wrong.add("to", "must be a number in international format");
    }
    let content = message.get("content");
    match path {
        "text" => text(&mut wrong, content),
        "template" => template(&mut wrong, content),
        "location" => location(&mut wrong, content),
        "image" => media(&mut wrong, content, &["mediaUrl", "caption"]),
        "document" => media(&mut wrong, content, &["mediaUrl", "caption", "filename"]),
        "interactive/buttons" => buttons(&mut wrong, content),
        _ => list(&mut wrong, content),
    }
    wrong
}

fn text(wrong: &mut Violations, content: Option<&Value>) {
    if let Some(content) = wrong.object(content, "content", &["text", "previewUrl"]) {
        wrong.text(content.get("text"), "content.text", 1, 4096, true);
        wrong.flag(content.get("previewUrl"), "content.previewUrl");
    }
}

fn location(wrong: &mut Violations, content: Option<&Value>) {
    let known = ["latitude", "longitude", "name", "address"];
    let Some(content) = wrong.object(content, "content", &known) else { return };
    for (field, most) in [("latitude", 90.0), ("longitude", 180.0)] {
        if !content.get(field).and_then(Value::as_f64).is_some_and(|degrees: f64| degrees.abs() <= most) {
            wrong.add(&join("content", field), format!("must be between -{most} and {most}"));
        }
    }
    wrong.text(content.get("name"), "content.name", 0, 1000, false);
    wrong.text(content.get("address"), "content.address", 0, 1000, false);
}

/// A file by an address that the platform can fetch.
fn media(wrong: &mut Violations, content: Option<&Value>, known: &[&str]) {
    let Some(content) = wrong.object(content, "content", known) else { return };
    wrong.text(content.get("mediaUrl"), "content.mediaUrl", 1, 2048, true);
    let lawful = |url: &str| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if content.get("mediaUrl").and_then(Value::as_str).is_some_and(|url| !lawful(url)) {
        wrong.add("content.mediaUrl", "must be a valid URL");
    }
    wrong.text(content.get("caption"), "content.caption", 0, 3000, false);
    wrong.text(content.get("filename"), "content.filename", 0, 240, false);
}

/// A template has to be one of those that were approved, unless none was. How the real platform answers is not documented.
pub(super) fn has_template(templates: &Templates, content: &Value) -> Result<(), Violations> {
    if templates.all().is_empty() {
        return Ok(());
    }
    let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut wrong = Violations::default();
    match templates.find(text("/templateName"), text("/language")) {
        None => wrong.add("content.templateName", "no template of this name and language is approved"),
        Some(template) => {
            let given =
                content.pointer("/templateData/body/placeholders").and_then(Value::as_array).map_or(0, Vec::len);
            if given != template.parameters() {
                wrong.add("content.templateData.body.placeholders", "must be as many as the template has");
            }
        }
    }
    if wrong.0.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What can be seen of a template without knowing which there are.
fn template(wrong: &mut Violations, content: Option<&Value>) {
    let Some(content) = wrong.object(content, "content", &["templateName", "templateData", "language"]) else { return };
    wrong.text(content.get("templateName"), "content.templateName", 1, 512, true);
    let name = content.get("templateName").and_then(Value::as_str).unwrap_or_default();
    if name.bytes().any(|byte| !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')) {
        wrong.add("content.templateName", "must be lower case letters, digits and underscores");
    }
    wrong.text(content.get("language"), "content.language", 2, 15, true);
    let known = ["body", "header", "buttons"];
    let Some(data) = wrong.object(content.get("templateData"), "content.templateData", &known) else { return };
    let at = "content.templateData.body";
    if let Some(body) = wrong.object(data.get("body"), at, &["placeholders"]) {
        for placeholder in wrong.array(body.get("placeholders"), &join(at, "placeholders"), 0, 100) {
            wrong.text(Some(placeholder), &join(at, "placeholders"), 1, 1024, true);
        }
    }
}

/// Body, header and footer that buttons and lists share.
fn frame(wrong: &mut Violations, content: &serde_json::Map<String, Value>, most: usize) {
    if let Some(body) = wrong.object(content.get("body"), "content.body", &["text"]) {
        wrong.text(body.get("text"), "content.body.text", 1, most, true);
    }
    if let Some(header) = content.get("header")
        && let Some(header) = wrong.object(Some(header), "content.header", &["type", "text"])
    {
        if header.get("type").and_then(Value::as_str) != Some("TEXT") {
            wrong.add("content.header.type", "must be TEXT");
        }
        wrong.text(header.get("text"), "content.header.text", 1, 60, true);
    }
    if let Some(footer) = content.get("footer")
        && let Some(footer) = wrong.object(Some(footer), "content.footer", &["text"])
    {
        wrong.text(footer.get("text"), "content.footer.text", 1, 60, true);
    }
}

fn buttons(wrong: &mut Violations, content: Option<&Value>) {
    let Some(content) = wrong.object(content, "content", &["body", "action", "header", "footer"]) else {
        return;
    };
    frame(wrong, content, 1024);
    let Some(action) = wrong.object(content.get("action"), "content.action", &["buttons"]) else {
        return;
    };
    let mut ids = Vec::new();
    let mut titles = Vec::new();
    for (index, button) in wrong.array(action.get("buttons"), "content.action.buttons", 1, 3).iter().enumerate() {
        let at = format!("content.action.buttons[{index}]");
        let Some(button) = wrong.object(Some(button), &at, &["type", "id", "title"]) else {
            continue;
        };
        if button.get("type").and_then(Value::as_str) != Some("REPLY") {
            wrong.add(&format!("{at}.type"), "must be REPLY");
        }
        wrong.text(button.get("id"), &format!("{at}.id"), 1, 256, true);
        wrong.text(button.get("title"), &format!("{at}.title"), 1, 20, true);
        once(wrong, &mut ids, button.get("id"), &format!("{at}.id"));
        once(wrong, &mut titles, button.get("title"), &format!("{at}.title"));
    }
}

fn list(wrong: &mut Violations, content: Option<&Value>) {
    let Some(content) = wrong.object(content, "content", &["body", "action", "header", "footer"]) else {
        return;
    };
    frame(wrong, content, 4096);
    let Some(action) = wrong.object(content.get("action"), "content.action", &["title", "sections"]) else {
        return;
    };
    wrong.text(action.get("title"), "content.action.title", 1, 20, true);
    let mut ids = Vec::new();
    let mut total = 0;
    let sections = wrong.array(action.get("sections"), "content.action.sections", 1, 10);
    for (index, section) in sections.iter().enumerate() {
        let at = format!("content.action.sections[{index}]");
        let Some(section) = wrong.object(Some(section), &at, &["title", "rows"]) else {
            continue;
        };
        wrong.text(section.get("title"), &format!("{at}.title"), 1, 24, sections.len() > 1);
        for (index, row) in wrong.array(section.get("rows"), &format!("{at}.rows"), 1, 10).iter().enumerate() {
            total += 1;
            let at = format!("{at}.rows[{index}]");
            let Some(row) = wrong.object(Some(row), &at, &["id", "title", "description"]) else {
                continue;
            };
            wrong.text(row.get("id"), &format!("{at}.id"), 1, 200, true);
            wrong.text(row.get("title"), &format!("{at}.title"), 1, 24, true);
            wrong.text(row.get("description"), &format!("{at}.description"), 0, 72, false);
            once(wrong, &mut ids, row.get("id"), &format!("{at}.id"));
        }
    }
    if total > 10 {
        wrong.add("content.action.sections", "at most 10 rows in all");
    }
}

fn once<'a>(wrong: &mut Violations, seen: &mut Vec<&'a Value>, value: Option<&'a Value>, at: &str) {
    if let Some(value) = value {
        if seen.contains(&value) {
            wrong.add(at, "must be unique");
        }
        seen.push(value);
    }
}
