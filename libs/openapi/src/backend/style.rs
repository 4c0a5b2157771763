//! Values in their place: the serialisation styles of OpenAPI 3 and the collection formats of Swagger 2.0.
//!
//! As in RFC 6570, on which the specification builds, a null (and a list or object of nothing else) is not there.

use serde_json::Value;

use crate::{
    model::{Field, Style},
    schema::scalar_text,
};

/// Deepest object that `deepObject` writes: `k[a][b]...`; deeper ones are a mistake or an attack.
const MAX_DEEP: usize = 8;

/// How a text is made safe for its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Percent-encoded but for the unreserved characters of RFC 3986.
    All,
    /// As `All`, but reserved characters stay where they can't end the value or start another one.
    Reserved,
    /// As it is (header and multipart).
    Nothing,
}

impl Escape {
    pub fn text(self, text: &str) -> String {
        match self {
            Self::All => encode(text, |_| false),
            // `&`, `+` and `#` would change the query; brackets may not stand in one (OpenAPI 3.1.1, appendix E).
            Self::Reserved => encode(text, |byte| b":/?@!$'()*,;=".contains(&byte)),
            Self::Nothing => text.to_owned(),
        }
    }

    /// For names, and for the items of a joined list, whose delimiter must stay the only one.
    fn strict(self) -> Self {
        if self == Self::Reserved { Self::All } else { self }
    }
}

fn encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || keep(byte) {
            out.push(char::from(byte));
        } else {
            let digit = |half: u8| char::from(HEX[usize::from(half)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

/// A value whose parts are scalars, escaped, without nulls.
enum Parts {
    One(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

impl Parts {
    /// `None` when lists or objects stand inside.
    fn of(value: &Value, escape: Escape) -> Option<Self> {
        let scalar = |value: &Value, escape: Escape| match value {
            Value::Array(_) | Value::Object(_) => None,
            value => Some(escape.text(&scalar_text(value))),
        };
        Some(match value {
            Value::Null => Self::List(Vec::new()),
            Value::Array(items) => Self::List(
                items.iter().filter(|item| !item.is_null()).map(|item| scalar(item, escape)).collect::<Option<_>>()?,
            ),
            Value::Object(map) => Self::Map(
                map.iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| Some((escape.strict().text(key), scalar(value, escape)?)))
                    .collect::<Option<_>>()?,
            ),
            value => Self::One(scalar(value, escape)?),
        })
    }

    /// One text: `a,b`, `k,v`, or `k=v` with explode.
    fn joined(self, delimiter: &str, explode: bool) -> String {
        match self {
            Self::One(text) => text,
            Self::List(items) => items.join(delimiter),
            Self::Map(members) => {
                let between = if explode { "=" } else { delimiter };
                let members: Vec<_> =
                    members.into_iter().map(|(key, value)| format!("{key}{between}{value}")).collect();
                members.join(delimiter)
            }
        }
    }
}

fn delimiter(style: Style, escape: Escape) -> &'static str {
    match (style, escape) {
        (Style::SpaceDelimited, Escape::Nothing) => " ",
        (Style::SpaceDelimited, _) => "%20",
        (Style::PipeDelimited, Escape::Nothing) => "|",
        (Style::PipeDelimited, _) => "%7C",
        (Style::TabDelimited, Escape::Nothing) => "\t",
        (Style::TabDelimited, _) => "%09",
        _ => ",",
    }
}

/// What stands in the path for the value; `None` when its style can't write it.
pub(super) fn in_path(field: &Field, value: &Value) -> Option<String> {
    let escape = Escape::All;
    if field.style == Style::Json {
        return Some(escape.text(&value.to_string()));
    }
    let parts = Parts::of(value, escape)?;
    Some(match field.style {
        Style::Label => format!(".{}", parts.joined(if field.explode { "." } else { "," }, field.explode)),
        Style::Matrix => {
            let name = escape.text(&field.name);
            let pair = |(key, value): (String, String)| {
                if value.is_empty() { format!(";{key}") } else { format!(";{key}={value}") }
            };
            match parts {
                Parts::List(items) if field.explode => {
                    items.into_iter().map(|item| pair((name.clone(), item))).collect()
                }
                Parts::Map(members) if field.explode => members.into_iter().map(pair).collect(),
                parts => pair((name, parts.joined(",", false))),
            }
        }
        style => parts.joined(delimiter(style, escape), field.explode),
    })
}

/// The text of a header; `None` when its style can't write it.
pub(super) fn in_header(field: &Field, value: &Value) -> Option<String> {
    if field.style == Style::Json {
        return Some(value.to_string());
    }
    let escape = Escape::Nothing;
    Some(Parts::of(value, escape)?.joined(delimiter(field.style, escape), field.explode))
}

/// The pairs of a query, a cookie or a form, names included; `None` when the style can't write the value.
pub(super) fn pairs(field: &Field, value: &Value, escape: Escape) -> Option<Vec<(String, String)>> {
    let name = escape.strict().text(&field.name);
    match (field.style, value) {
        (_, Value::Null) => return Some(Vec::new()),
        (Style::Json, _) => return Some(vec![(name, escape.text(&value.to_string()))]),
        (Style::DeepObject, Value::Object(_) | Value::Array(_)) => {
            let mut out = Vec::new();
            deep(name, value, escape, 0, &mut out)?;
            return Some(out);
        }
        _ => {}
    }
    let one_each = field.explode && !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    let scalar = !matches!(value, Value::Array(_) | Value::Object(_));
    let parts = Parts::of(value, if one_each || scalar { escape } else { escape.strict() })?;
    Some(match parts {
        Parts::One(text) => vec![(name, text)],
        Parts::List(items) if items.is_empty() => Vec::new(),
        Parts::Map(members) if members.is_empty() => Vec::new(),
        Parts::List(items) if one_each => items.into_iter().map(|item| (name.clone(), item)).collect(),
        Parts::Map(members) if one_each => members,
        parts => vec![(name, parts.joined(delimiter(field.style, escape), false))],
    })
}

/// `k[p]=v`, `k[p][q]=v`. Lists, which the specification leaves open, are written as Rails, PHP and qs read them:
/// `k[]=v`, and `k[0][p]=v` for objects.
fn deep(prefix: String, value: &Value, escape: Escape, depth: usize, out: &mut Vec<(String, String)>) -> Option<()> {
    if depth > MAX_DEEP {
        return None;
    }
    let (open, close) = if escape == Escape::Nothing { ("[", "]") } else { ("%5B", "%5D") };
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, member) in map {
                let name = format!("{prefix}{open}{}{close}", escape.strict().text(key));
                deep(name, member, escape, depth + 1, out)?;
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let index = if item.is_object() || item.is_array() { at.to_string() } else { String::new() };
                deep(format!("{prefix}{open}{index}{close}"), item, escape, depth + 1, out)?;
            }
        }
        scalar => out.push((prefix, escape.text(&scalar_text(scalar)))),
    }
    Some(())
}

/// The pairs of a form member without a style of its own: scalars plainly, lists one by one, objects as JSON text.
pub(super) fn plain_pairs(name: &str, value: &Value, escape: Escape) -> Vec<(String, String)> {
    let name = escape.strict().text(name);
    let one = |value: &Value| (name.clone(), escape.text(&scalar_text(value)));
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(one).collect(),
        value => vec![one(value)],
    }
}
