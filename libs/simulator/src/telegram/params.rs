//! Parameters of a call, however they came: query, JSON, form or multipart. As on the real server all become texts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::refusal::Refusal;
use crate::parts::{self, FilePart};

/// The parameters of one call, and what was odd about them.
#[derive(Default)]
pub(super) struct Params {
    values: BTreeMap<String, String>,
    pub(super) files: Vec<FilePart>,
    /// What the real server passes over in silence; without values.
    pub(super) odd: Vec<String>,
}

impl Params {
    /// Reads the query and the body.
    ///
    /// # Errors
    /// When the body is not what its type says. A body of any other type is passed over, as there.
    pub(super) fn read(query: Option<&str>, content_type: &str, body: &[u8]) -> Result<Self, Refusal> {
        let mut params = Self::default();
        params.form(query.unwrap_or_default().as_bytes());
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            _ if body.is_empty() => {}
            "application/json" => match serde_json::from_slice::<Value>(body) {
                Ok(Value::Object(object)) => {
                    params.values.extend(object.into_iter().map(|(key, value)| (key, written(value))));
                }
                _ => return Err(Refusal::bad("Can't parse request body as a JSON object")),
            },
            "application/x-www-form-urlencoded" => params.form(body),
            "multipart/form-data" => {
                let (values, files) = parts::read(content_type, body).map_err(Refusal::bad)?;
                let is_file = |key: &str| files.iter().any(|file| file.field == key);
                let Value::Object(values) = values else { return Ok(params) };
                let texts = values.into_iter().filter(|(key, _)| !is_file(key));
                params.values.extend(texts.map(|(key, value)| (key, written(value))));
                params.files = files;
            }
            _ => params.odd.push("a body of a type that is not read".to_owned()),
        }
        Ok(params)
    }

    fn form(&mut self, text: &[u8]) {
        let pairs = url::form_urlencoded::parse(text);
        self.values.extend(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())));
    }

    /// Names of everything that came.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str).chain(self.files.iter().map(|file| file.field.as_str()))
    }

    /// A parameter points at the part of this name.
    pub(super) fn attaches(&self, part: &str) -> bool {
        self.values.values().any(|text| text.strip_prefix("attach://") == Some(part))
    }

    /// The text of a parameter; empty when it did not come.
    pub(super) fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.text(key).trim().to_ascii_lowercase().as_str(), "true" | "yes" | "1")
    }

    /// A number. The real server takes the nearest lawful one in silence; so does this, and notes it.
    pub(super) fn integer(&mut self, key: &str, default: i64, least: i64, most: i64) -> i64 {
        let text = self.text(key).trim();
        if text.is_empty() {
            return default;
        }
        let given = text.parse::<i64>().ok();
        let taken = given.unwrap_or(0).clamp(least, most);
        if given != Some(taken) {
            self.odd.push(format!("{key} is not between {least} and {most}"));
        }
        taken
    }

    /// A parameter that is JSON inside; `None` when it did not come.
    pub(super) fn json(&self, key: &str) -> Option<Result<Value, serde_json::Error>> {
        let text = self.text(key);
        (!text.is_empty()).then(|| serde_json::from_str(text))
    }

    /// Notes each field of `object` that is not known.
    pub(super) fn only(&mut self, object: &serde_json::Map<String, Value>, what: &str, known: &[&str]) {
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            self.odd.push(format!("{what} has an unknown field {key}"));
        }
    }

    /// The texts as one object, for records of what was sent.
    pub(super) fn to_json(&self) -> Value {
        self.values.iter().map(|(key, text)| (key.clone(), Value::String(text.clone()))).collect()
    }
}

fn written(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_ways_give_the_same() {
        let parts = "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n5\r\n--b\r\n\
                     Content-Disposition: form-data; name=\"text\"\r\n\r\na b\r\n--b--\r\n";
        for (query, kind, body) in [
            (Some("chat_id=5&text=a%20b"), "", ""),
            (None, "application/json; charset=utf-8", r#"{"chat_id":5,"text":"a b"}"#),
            (None, "application/x-www-form-urlencoded", "chat_id=5&text=a+b"),
            (Some("chat_id=5"), "multipart/form-data; boundary=b", parts),
        ] {
            let params = Params::read(query, kind, body.as_bytes()).expect("parameters");
            assert_eq!((params.text("chat_id"), params.text("text")), ("5", "a b"), "{kind}");
        }
        assert!(Params::read(None, "application/json", b"[]").is_err());
        assert!(Params::read(None, "multipart/form-data; boundary=b", b"x").is_err());
    }

    #[test]
    fn numbers_out_of_range_are_taken_nearest_and_noted() {
        let mut params = Params::read(Some("a=500&b=x&c=7"), "", b"").expect("parameters");
        assert_eq!((params.integer("a", 1, 1, 100), params.integer("b", 1, 0, 9)), (100, 0));
        assert_eq!(params.odd.len(), 2);
        assert_eq!((params.integer("c", 1, 0, 9), params.integer("d", 3, 0, 9)), (7, 3));
        assert_eq!(params.odd.len(), 2);
    }
}
