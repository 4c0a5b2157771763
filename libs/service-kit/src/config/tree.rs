//! The tree of settings: finding, merging, walking, writing it.

use serde_json::{Map, Value};

use super::mask;

/// Keys that choose a variant: another choice replaces the table instead of being merged into it.
pub const TAGS: [&str; 4] = ["channel", "kind", "mode", "type"];

/// The value below `key`, made if there is none; what is no table becomes one.
pub fn child<'v>(value: &'v mut Value, key: &str) -> &'v mut Value {
    let item = key.parse::<usize>().ok().filter(|index| value.as_array().is_some_and(|items| *index < items.len()));
    if let Some(index) = item {
        return &mut value[index];
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    // Indexing an object inserts null where there is nothing.
    &mut value[key]
}

/// The value at `path`.
pub fn get<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match value {
        Value::Object(map) => map.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The value at `path`, to change it.
pub fn get_mut<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, segment| match value {
        Value::Object(map) => map.get_mut(segment),
        Value::Array(items) => items.get_mut(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Puts `above` over `below`; another variant replaces the table.
pub fn merge(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            let other_variant =
                TAGS.iter().any(|tag| matches!((below.get(*tag), above.get(*tag)), (Some(b), Some(a)) if a != b));
            if other_variant {
                below.clear();
            }
            for (key, value) in above {
                match below.get_mut(key) {
                    Some(present) => merge(present, value),
                    None => drop(below.insert(key.clone(), value.clone())),
                }
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// Visits every text, in lists too.
pub fn walk(value: &Value, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], &str)) {
    match value {
        Value::String(text) => visit(path, text),
        Value::Object(map) => {
            for (key, value) in map {
                path.push(key.clone());
                walk(value, path, visit);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(value, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Visits everything that is no table; lists as a whole.
pub fn leaves(value: &Value, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], &Value)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(key.clone());
                leaves(value, path, visit);
                path.pop();
            }
        }
        value => visit(path, value),
    }
}

/// A path as TOML writes it.
pub fn dotted(path: &[String]) -> String {
    let bare = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let keys: Vec<String> = path.iter().map(|key| if bare(key) { key.clone() } else { format!("\"{key}\"") }).collect();
    keys.join(".")
}

/// A value as TOML writes it on one line, secrets masked.
pub fn inline(path: &[String], value: &Value) -> String {
    let below = |key: String| [path, &[key]].concat();
    match value {
        Value::String(text) => Value::String(mask::shown(path, text)).to_string(),
        Value::Array(items) => {
            let items: Vec<String> =
                items.iter().enumerate().map(|(index, item)| inline(&below(index.to_string()), item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key} = {}", inline(&below(key.clone()), value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}
