//! Personal data is replaced by its kind: mail and IP addresses, bank accounts, cards, long numbers, known names, and
//! whatever stands in a field that names such a thing.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// Shown in place of a value whose field names personal data.
const HIDDEN: &str = "[hidden]";
/// Shorter parts of a name are words like others.
const NAME_CHARS_MIN: usize = 3;

/// What is replaced, in this order.
static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"(?i)[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
        (r"(?i)\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,4})?\b", "[iban]"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "[ip]"),
        (r"(?i)\b(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b", "[ip]"),
        (r"\+?\d(?:[ ()/.-]{0,2}\d){7,}", "[number]"),
    ]
    .into_iter()
    .filter_map(|(pattern, word)| Regex::new(pattern).ok().map(|regex| (regex, word)))
    .collect()
});

/// A date, with or without its time: a number of many digits that is no personal data.
static MOMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d{2}-\d{2}(?:[ T]\d{1,2}(?:[:.]?\d{2})*)?$|^\d{1,2}\.\d{1,2}\.\d{4}$").ok());

/// Fields whose value is personal data, whatever it looks like: parts of their names.
const PERSONAL_FIELDS: [&str; 20] = [
    "name",
    "mail",
    "phone",
    "mobile",
    "address",
    "street",
    "iban",
    "card",
    "birth",
    "passport",
    "oib",
    "ssn",
    "tax_id",
    "licence",
    "license",
    "contact",
    "latitude",
    "longitude",
    "token",
    "secret",
];
/// Fields that name things, not people.
const PLAIN_FIELDS: [&str; 7] =
    ["filename", "document_name", "operation_name", "model_name", "hostname", "template_name", "templatename"];

/// Fields of webhooks that name an account of ours.
const OWN_FIELDS: [&str; 3] = ["phone_number_id", "display_phone_number", "waba_id"];

/// Replaces personal data, or shows it all.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    names: Vec<Regex>,
    /// [`OWN_FIELDS`] are shown.
    webhook: bool,
    off: bool,
}

impl Mask {
    /// Replaces personal data, these names among it.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut known: Vec<String> = Vec::new();
        for name in names {
            known.push(name.trim().to_owned());
            known.extend(name.split_whitespace().map(str::to_owned));
        }
        known.retain(|name| name.chars().count() >= NAME_CHARS_MIN);
        // A whole name before its parts.
        known.sort_by_key(|name| std::cmp::Reverse(name.len()));
        known.dedup();
        let names = known.iter().filter_map(|name| Regex::new(&format!(r"(?i)\b{}\b", regex::escape(name))).ok());
        Self { names: names.collect(), ..Self::default() }
    }

    /// Shows everything.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// For a webhook: the names that its fields hold are replaced in its texts as well, and what names an account of
    /// ours is shown.
    pub fn of_webhook(body: &Value) -> Self {
        let mut names = Vec::new();
        names_in(body, false, &mut names);
        Self { webhook: true, ..Self::new(names.iter().map(String::as_str)) }
    }

    /// True when everything is shown.
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// A text.
    pub fn text(&self, text: &str) -> String {
        if self.off {
            return text.to_owned();
        }
        let known = |text: String, (regex, word): &(Regex, &'static str)| {
            regex
                .replace_all(&text, |found: &Captures<'_>| {
                    let value = &found[0];
                    let is_moment = *word == "[number]" && MOMENT.as_ref().is_some_and(|moment| moment.is_match(value));
                    if is_moment { value.to_owned() } else { (*word).to_owned() }
                })
                .into_owned()
        };
        let text = PATTERNS.iter().fold(text.to_owned(), known);
        self.names.iter().fold(text, |text, name| name.replace_all(&text, "[name]").into_owned())
    }

    /// Who is written to: the last three signs tell chats apart.
    pub fn peer(&self, peer: &str) -> String {
        if self.off {
            return peer.to_owned();
        }
        let chars: Vec<char> = peer.chars().collect();
        let shown = if chars.len() >= 8 { 3 } else { 0 };
        format!("…{}", chars[chars.len() - shown..].iter().collect::<String>())
    }

    /// The name of a person.
    pub fn name(&self, name: &str) -> String {
        if self.off { name.to_owned() } else { "[name]".to_owned() }
    }

    /// A JSON value, deep inside.
    pub fn json(&self, value: &Value) -> Value {
        if self.off {
            return value.clone();
        }
        match value {
            Value::String(text) => match inside(text) {
                Some(inner) => Value::from(self.json(&inner).to_string()),
                None => Value::from(self.text(text)),
            },
            Value::Number(number) => match self.text(&number.to_string()) {
                text if text == number.to_string() => value.clone(),
                text => Value::from(text),
            },
            Value::Array(all) => all.iter().map(|one| self.json(one)).collect(),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, value)| {
                        if self.webhook && OWN_FIELDS.contains(&key.as_str()) {
                            return (key.clone(), value.clone());
                        }
                        let hidden = is_personal(key) && !matches!(value, Value::Null | Value::Bool(_));
                        (self.text(key), if hidden { Value::from(HIDDEN) } else { self.json(value) })
                    })
                    .collect(),
            ),
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }
}

/// Texts in fields for names of people; `named`: of such a field.
fn names_in(value: &Value, named: bool, names: &mut Vec<String>) {
    match value {
        Value::String(text) => match inside(text) {
            Some(inner) => names_in(&inner, named, names),
            None if named => names.push(text.clone()),
            None => {}
        },
        Value::Array(all) => all.iter().for_each(|one| names_in(one, named, names)),
        Value::Object(fields) => {
            for (key, value) in fields {
                names_in(value, key.to_lowercase().contains("name") && is_personal(key), names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The JSON in a text, such as a form's answers.
fn inside(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|inner: &Value| inner.is_object() || inner.is_array())
}

fn is_personal(key: &str) -> bool {
    let key = key.to_lowercase();
    PERSONAL_FIELDS.iter().any(|part| key.contains(part)) && !PLAIN_FIELDS.iter().any(|plain| key.ends_with(plain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_data_is_masked_and_the_rest_stays() {
        assert_eq!(PATTERNS.len(), 5, "every pattern compiles");
        assert!(MOMENT.is_some());
        let mask = Mask::new(["Ana Horvat", "Li"]);
        for (text, expected) in [
            ("call me at +385 91 234 5678 please", "call me at [number] please"),
            ("+385 (0)91 234-5678", "[number]"),
            ("385911234567", "[number]"),
            ("ana.horvat@example.com", "[e-mail]"),
            ("https://x.example/p?mail=ana%40example.com", "https://x.example/p?mail=[e-mail]"),
            ("HR12 1001 0051 8630 0016 0", "[iban]"),
            ("hr1210010051863000160", "[iban]"),
            ("card 4111 1111 1111 1111", "card [number]"),
            ("from 10.1.2.3 and 2001:db8:0:0:0:0:0:1", "from [ip] and [ip]"),
            ("Ana Horvat and ANA, Horvat", "[name] and [name], [name]"),
            ("Anabel likes analysis, Li too", "Anabel likes analysis, Li too"),
            ("book ZG 1234-AB at 9:00, 84300 km", "book ZG 1234-AB at 9:00, 84300 km"),
            ("2026-11-22 09:00 to 2026-11-22T12:00:00", "2026-11-22 09:00 to 2026-11-22T12:00:00"),
            ("on 22.11.2026", "on 22.11.2026"),
        ] {
            assert_eq!(mask.text(text), expected);
        }
        assert_eq!(Mask::off().text("385911234567"), "385911234567");
    }

    #[test]
    fn senders_are_told_apart_by_three_signs() {
        let mask = Mask::default();
        for (peer, expected) in [("385911234567", "…567"), ("abcdefg", "…"), ("", "…"), ("žćžćžćžć", "…ćžć")]
        {
            assert_eq!(mask.peer(peer), expected);
        }
        assert_eq!(Mask::off().peer("385911234567"), "385911234567");
    }

    #[test]
    fn values_in_json_are_masked_by_look_and_by_field() {
        let value = json!({
            "query:driver_name": "Zo", "body": { "note": "ring 385911234567", "phones": ["1"], "km": 84300 },
            "id": 385_911_234_567_u64, "named": null, "385911234567": true, "filename": "a.pdf", "messageTemplateName": "order_sent",
        });
        assert_eq!(
            Mask::default().json(&value),
            json!({
                "query:driver_name": "[hidden]",
                "body": { "note": "ring [number]", "phones": "[hidden]", "km": 84300 },
                "id": "[number]", "named": null, "[number]": true, "filename": "a.pdf", "messageTemplateName": "order_sent",
            })
        );
        assert_eq!(Mask::off().json(&value), value);
        let form = json!({ "fields": r#"{"street":"Ilica 1"}"# });
        assert_eq!(Mask::default().json(&form), json!({ "fields": r#"{"street":"[hidden]"}"# }));
    }

    #[test]
    fn a_webhook_hides_the_names_it_holds_and_shows_our_own_account() {
        let body = json!({
            "metadata": { "phone_number_id": "106540352242922", "display_phone_number": 385_990_000_000_u64 },
            "profile": { "name": "Ana Horvat" }, "text": "Ana here", "display_phone": "385910000001",
        });
        let masked = json!({
            "metadata": { "phone_number_id": "106540352242922", "display_phone_number": 385_990_000_000_u64 },
            "profile": { "name": "[hidden]" }, "text": "[name] here", "display_phone": "[hidden]",
        });
        assert_eq!(Mask::of_webhook(&body).json(&body), masked);
        let form = json!({ "text": "Eva or Ivo here", "names": ["Ivo"], "fields": r#"{"full_name":"Eva Kos"}"# });
        let masked = Mask::of_webhook(&form).json(&form);
        assert_eq!(masked["text"], "[name] or [name] here");
        let otherwise = Mask::default().json(&body);
        assert_eq!(otherwise["metadata"], json!({ "phone_number_id": "[hidden]", "display_phone_number": "[hidden]" }));
    }
}
