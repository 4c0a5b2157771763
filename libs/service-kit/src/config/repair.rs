//! Reads the merged tree as a type, and goes on after an error to find the next one.
//!
//! serde stops at the first error. So each one is noted, its value replaced by something that fits, and the tree is
//! read again: the reader sees everything at once. The repaired settings are never used to run.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_path_to_error::Segment;

use super::{
    Problems,
    layers::{Layers, Origin},
    mask,
    tree::dotted,
};

/// More errors than this are not worth reading.
const MAX_ERRORS: usize = 100;

#[derive(Debug, PartialEq, Eq)]
struct Failure {
    path: Vec<String>,
    message: String,
}

/// The settings; none when reading could not go on. Errors are in `problems` either way.
pub fn read<T: DeserializeOwned>(layers: &mut Layers, problems: &mut Problems) -> Option<T> {
    for _ in 0..MAX_ERRORS {
        match attempt::<T>(&layers.tree) {
            Ok(settings) => return Some(settings),
            Err(failure) => {
                let fails = |tree: &Value| attempt::<T>(tree).err();
                if read_text_otherwise(layers, &failure, &fails) {
                    continue;
                }
                note(layers, &failure, problems);
                if !repair(layers, &failure, &fails) {
                    return None;
                }
            }
        }
    }
    None
}

fn attempt<T: DeserializeOwned>(tree: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(tree.clone()).map_err(|error| {
        let path = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Map { key } => Some(key.clone()),
                Segment::Seq { index } => Some(index.to_string()),
                Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        Failure { path, message: error.inner().to_string() }
    })
}

/// Texts of the environment are read as number, truth value or list where the type asks for one.
fn read_text_otherwise(layers: &mut Layers, failure: &Failure, fails: &dyn Fn(&Value) -> Option<Failure>) -> bool {
    for path in layers.environment_texts(&failure.path) {
        let Some(Value::String(text)) = layers.get(&path).cloned() else {
            continue;
        };
        if !failure.message.starts_with(&format!("invalid type: string {text:?}")) {
            continue;
        }
        let origin = layers.origin(&path).cloned().unwrap_or(Origin::Program);
        for reading in readings(&text) {
            layers.set(&path, reading, origin.clone());
            match fails(&layers.tree) {
                // A variant's settings have no path of their own: there only the message tells.
                Some(next) if next.path.starts_with(&failure.path) && is_refusal(&next.message) => {}
                _ => return true,
            }
        }
        layers.set(&path, Value::String(text), origin);
    }
    false
}

/// True for an error about a value that is no text: the reading did not fit either.
fn is_refusal(message: &str) -> bool {
    let about = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    about.is_some_and(|rest| !rest.starts_with("string "))
}

fn readings(text: &str) -> Vec<Value> {
    let literal =
        toml::from_str::<Value>(&format!("v = {text}")).ok().and_then(|mut v| v.get_mut("v").map(Value::take));
    let list = text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect();
    literal.filter(|value| !value.is_string()).into_iter().chain([Value::Array(list)]).collect()
}

fn note(layers: &Layers, failure: &Failure, problems: &mut Problems) {
    let mut path = failure.path.clone();
    let named = field(&failure.message);
    let message = match named {
        Some((Named::Missing, name)) => {
            path.push(name.to_owned());
            format!("is missing; {}", layers.hint(&path))
        }
        Some((Named::Unknown, name)) => {
            if path.last().is_none_or(|last| last != name) {
                path.push(name.to_owned());
            }
            let known = failure.message.split_once(", ").map_or(String::new(), |(_, rest)| format!(": {rest}"));
            format!("is no known key{known}{}", layers.from(&path))
        }
        None => {
            let value = layers.get(&failure.path).cloned().unwrap_or_default();
            let hidden = |at: &[String]| matches!(layers.origin(at), Some(Origin::Variable(_)));
            let message = mask::scrub(&failure.message, &mut failure.path.clone(), &value, &hidden);
            format!("{message}{}", layers.from(&failure.path))
        }
    };
    problems.add(&dotted(&path), message);
}

#[derive(Clone, Copy)]
enum Named {
    Missing,
    Unknown,
}

fn field(message: &str) -> Option<(Named, &str)> {
    let (named, rest) = match (message.strip_prefix("missing field `"), message.strip_prefix("unknown field `")) {
        (Some(rest), _) => (Named::Missing, rest),
        (_, Some(rest)) => (Named::Unknown, rest),
        _ => return None,
    };
    Some((named, rest.split('`').next()?))
}

/// Puts something in the place of what failed so that reading gets further; false when nothing helps.
fn repair(layers: &mut Layers, failure: &Failure, fails: &dyn Fn(&Value) -> Option<Failure>) -> bool {
    // The text of an error quotes the value, so at the same place another text is no progress.
    let helped = |layers: &Layers| {
        fails(&layers.tree).is_none_or(|next| {
            let named = field(&failure.message).is_some() || field(&next.message).is_some();
            if named { next != *failure } else { next.path != failure.path }
        })
    };
    let mut place = failure.path.clone();
    match field(&failure.message) {
        Some((Named::Unknown, name)) => {
            if place.last().is_none_or(|last| last != name) {
                place.push(name.to_owned());
            }
            layers.remove(&place);
            return helped(layers);
        }
        Some((Named::Missing, name)) => place.push(name.to_owned()),
        None => {}
    }
    let fallback = layers.default_at(&place);
    // What stands there as a table failed as a whole (a variant): nothing else fits, so it is taken out.
    let is_table = layers.get(&place).is_some_and(Value::is_object);
    let others = placeholders().filter(|_| !is_table);
    for candidate in fallback.into_iter().chain(others) {
        layers.set(&place, candidate, Origin::Program);
        // What is refused itself is no repair: it would be missed again once it is taken out.
        let refused = fails(&layers.tree).is_some_and(|next| next.path == place);
        if !refused && helped(layers) {
            return true;
        }
    }
    layers.remove(&place);
    if helped(layers) {
        return true;
    }
    layers.remove(&failure.path);
    !failure.path.is_empty() && helped(layers)
}

fn placeholders() -> impl Iterator<Item = Value> {
    [
        json!("http://placeholder.invalid/"),
        json!("127.0.0.1:0"),
        json!("1s"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!(1),
        json!(true),
        json!([]),
        json!({}),
    ]
    .into_iter()
}
