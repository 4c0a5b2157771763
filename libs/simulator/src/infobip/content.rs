//! What a lawful send shows on the phone.

use serde_json::Value;

use crate::{
    phone::{Attached, Button, Kind, Row},
    template::Templates,
};

/// The place of a lawful send of one; of a file its name, since the platform has not fetched it yet.
pub(super) fn attached(content: &Value) -> Option<Attached> {
    if content.get("mediaUrl").is_some() {
        let name = content.get("filename").and_then(Value::as_str).map(str::to_owned);
        return Some(Attached::File { id: String::new(), media_type: String::new(), name });
    }
    let degrees = |field: &str| content.get(field).and_then(Value::as_f64);
    Some(Attached::Place { latitude: degrees("latitude")?, longitude: degrees("longitude")? })
}

/// Reads the content of a lawful send.
pub(super) fn read(path: &str, content: &Value, templates: &Templates) -> (String, Kind) {
    let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let field = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let array = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    match path {
        "interactive/buttons" => {
            let buttons = array(content.pointer("/action/buttons"));
            let buttons =
                buttons.iter().map(|one| Button { id: field(one, "id"), title: field(one, "title") }).collect();
            (text("/body/text"), Kind::Buttons { buttons })
        }
        "interactive/list" => {
            let mut rows = Vec::new();
            for section in array(content.pointer("/action/sections")) {
                for row in array(section.get("rows")) {
                    let description = row.get("description").and_then(Value::as_str).map(str::to_owned);
                    rows.push(Row { id: field(&row, "id"), title: field(&row, "title"), description });
                }
            }
            (text("/body/text"), Kind::List { button: text("/action/title"), rows })
        }
        what @ ("image" | "document") => (text("/caption"), Kind::Other { what: what.to_owned() }),
        "location" => (text("/name"), Kind::Other { what: "location".to_owned() }),
        "template" => {
            let values = array(content.pointer("/templateData/body/placeholders"));
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            let words = match templates.find(&text("/templateName"), &text("/language")) {
                Some(template) => template.filled(values.iter().copied()),
                None => format!("[{}] {}", text("/templateName"), values.join(", ")),
            };
            (words, Kind::Text)
        }
        _ => (text("/text"), Kind::Text),
    }
}
