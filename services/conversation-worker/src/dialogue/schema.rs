//! What a schema says to people: titles, options, kinds. Knows no operation and no parameter by name.

use openapi::{Field, Location, Operation};
use serde_json::Value;

use crate::language::{
    fold,
    format::{cut, humanise},
    verbs,
};

/// How many references are followed.
const MAX_DEPTH: usize = 12;
/// How many parts of `allOf`, `anyOf`, `oneOf` are looked at for one word: a union may refer to itself.
const MAX_VISITS: usize = 300;

/// A schema with its local reference followed.
pub fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut at = schema;
    for _ in 0..MAX_DEPTH {
        let Some(reference) = at.get("$ref").and_then(Value::as_str) else { break };
        let Some(target) = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) else { break };
        at = target;
    }
    at
}

/// A word of the schema itself, or of the one part of `allOf`, `anyOf`, `oneOf` that has it.
fn find<'a>(root: &'a Value, schema: &'a Value, key: &str) -> Option<&'a Value> {
    let mut visits = MAX_VISITS;
    find_in(root, schema, key, 0, &mut visits)
}

fn find_in<'a>(root: &'a Value, schema: &'a Value, key: &str, depth: usize, visits: &mut usize) -> Option<&'a Value> {
    if depth > MAX_DEPTH || *visits == 0 {
        return None;
    }
    *visits -= 1;
    if let Some(found) = schema.get(key) {
        return Some(found);
    }
    let schema = resolve(root, schema);
    if let Some(found) = schema.get(key) {
        return Some(found);
    }
    ["allOf", "anyOf", "oneOf"]
        .into_iter()
        .filter_map(|group| schema.get(group)?.as_array())
        .flatten()
        .filter(|part| part.get("const").is_none() && part.get("type").and_then(Value::as_str) != Some("null"))
        .find_map(|part| find_in(root, part, key, depth + 1, visits))
}

fn text_of<'a>(root: &'a Value, schema: &'a Value, key: &str) -> Option<&'a str> {
    find(root, schema, key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// What a value is, as far as a dialogue cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Date,
    DateTime,
    Time,
    Email,
    Array,
    Object,
}

/// The kind of a field's value.
pub fn kind(schema: &Value) -> Kind {
    kind_in(schema, schema)
}

/// The kind of a value whose schema stands in `root`.
pub fn kind_in(root: &Value, schema: &Value) -> Kind {
    let named = match find(root, schema, "type") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("string")
        }
        Some(_) | None if find(root, schema, "properties").is_some() => "object",
        Some(_) | None if find(root, schema, "items").is_some() => "array",
        Some(_) | None => "string",
    };
    match named {
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        "array" => Kind::Array,
        "object" => Kind::Object,
        _ => match text_of(root, schema, "format") {
            Some("date") => Kind::Date,
            Some("date-time") => Kind::DateTime,
            Some("time") => Kind::Time,
            Some("email" | "idn-email") => Kind::Email,
            Some(_) | None => Kind::Text,
        },
    }
}

/// A value that may be chosen, and what people see.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub value: Value,
    pub title: String,
    pub description: String,
}

/// The allowed values of a field; empty when they are not listed.
pub fn options(schema: &Value) -> Vec<Choice> {
    options_in(schema, schema)
}

/// The allowed values of a schema that stands in `root`.
pub fn options_in(root: &Value, schema: &Value) -> Vec<Choice> {
    let resolved = resolve(root, schema);
    for group in ["oneOf", "anyOf"] {
        let parts = resolved.get(group).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let choices: Vec<Choice> = parts
            .iter()
            .filter_map(|part| {
                let value = part.get("const")?.clone();
                let title = part.get("title").and_then(Value::as_str).map_or_else(|| shown(&value), str::to_owned);
                let description = part.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
                Some(Choice { value, title, description })
            })
            .collect();
        if !choices.is_empty() && choices.len() == parts.len() {
            return choices;
        }
    }
    let listed = find(root, schema, "enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names =
        find(root, schema, "x-enum-varnames").or_else(|| find(root, schema, "x-enumNames")).and_then(Value::as_array);
    listed
        .iter()
        .enumerate()
        .filter(|(_, value)| !value.is_null())
        .map(|(at, value)| Choice {
            title: names.and_then(|names| names.get(at)?.as_str()).map_or_else(|| shown(value), humanise),
            value: value.clone(),
            description: String::new(),
        })
        .collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => humanise(text),
        other => other.to_string(),
    }
}

/// A field's name for people.
pub fn title(field: &Field) -> String {
    let base = text_of(&field.schema, &field.schema, "title").filter(|t| t.chars().count() <= 40);
    base.map_or_else(|| without_id(&humanise(&field.name)), str::to_owned)
}

/// "Vehicle id" -> "Vehicle".
fn without_id(name: &str) -> String {
    ["_id", " id", " ID", " Id"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .filter(|rest| !rest.is_empty())
        .map_or_else(|| name.to_owned(), str::to_owned)
}

/// A field's description, of the parameter or of its schema.
pub fn description(field: &Field) -> &str {
    let own = field.description.trim();
    if own.is_empty() { text_of(&field.schema, &field.schema, "description").unwrap_or_default() } else { own }
}

/// An example of a field's value, as a text.
pub fn example(field: &Field) -> Option<String> {
    let listed = find(&field.schema, &field.schema, "examples").and_then(|list| list.as_array()?.first());
    let value = listed.or_else(|| find(&field.schema, &field.schema, "example"))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A field's default.
pub fn default(field: &Field) -> Option<&Value> {
    find(&field.schema, &field.schema, "default").filter(|value| !value.is_null())
}

/// The regular expression of a text field.
pub fn pattern(field: &Field) -> Option<&str> {
    text_of(&field.schema, &field.schema, "pattern")
}

/// All words about a field, folded, to find units and names in.
pub fn about(field: &Field) -> String {
    fold(&format!("{} {} {}", humanise(&field.name), title(field), description(field)))
}

/// The fields that mark the begin and end of a span of time, found by format, order and the usual English words.
pub fn span(operation: &Operation) -> Option<(&Field, &Field)> {
    let temporal: Vec<&Field> =
        operation.fields.iter().filter(|field| matches!(kind(&field.schema), Kind::Date | Kind::DateTime)).collect();
    let has = |field: &Field, words: &[&str]| {
        let name = fold(&humanise(&field.name));
        let title = fold(&title(field));
        let says = |text: &str| text.split(' ').any(|word| words.contains(&word));
        says(&name) || says(&title)
    };
    let begins = |field: &&&Field| {
        has(field, &["from", "start", "starts", "since", "begin", "begins", "after", "min", "checkin", "starting"])
            || matches!(fold(&field.name).as_str(), "startdate" | "starttime" | "startsat" | "datefrom" | "fromdate")
    };
    let ends = |field: &&&Field| {
        has(field, &["to", "end", "ends", "until", "till", "before", "max", "checkout", "ending"])
            || matches!(fold(&field.name).as_str(), "enddate" | "endtime" | "endsat" | "dateto" | "todate")
    };
    let from = temporal.iter().find(begins)?;
    let to = temporal.iter().filter(|field| field.key != from.key).find(ends)?;
    (kind(&from.schema) == kind(&to.schema)).then_some((*from, *to))
}

/// The fields that say when: begin and end of the span, else the one that is required.
pub fn times(operation: &Operation) -> Vec<&Field> {
    if let Some((from, to)) = span(operation) {
        return vec![from, to];
    }
    let temporal = |field: &&Field| field.required && matches!(kind(&field.schema), Kind::Date | Kind::DateTime);
    operation.fields.iter().find(temporal).into_iter().collect()
}

/// A field that takes a file and no words.
pub fn only_file(field: &Field) -> bool {
    field.file.as_ref().is_some_and(|file| !file.or_text)
}

/// A field that a person can give: no header or cookie unless it is required.
pub fn askable(field: &Field) -> bool {
    field.required || !matches!(field.location, Location::Header | Location::Cookie)
}

/// An operation's name for people.
pub fn operation_title(operation: &Operation) -> String {
    let summary = operation.summary.trim().trim_end_matches('.');
    if !summary.is_empty() {
        return cut(summary, 72);
    }
    match &operation.label {
        Some(label) => humanise(label),
        None => humanise(&operation.path.replace(['{', '}'], "")),
    }
}

/// "book a room" from "Book a room"; `None` when the title begins with no verb.
pub fn operation_verb(operation: &Operation) -> Option<(String, String)> {
    let title = operation_title(operation);
    Some((verbs::verb(&title)?, verbs::plain_title(&title)?))
}

/// The schema of a row of the answer, and the root it stands in.
pub fn row_schema(operation: &Operation) -> Option<(&Value, &Value)> {
    let response = operation.response.as_ref()?;
    let root = &response.schema;
    let mut at = resolve(root, root);
    if response.is_list {
        for name in response.list_pointer.as_deref().unwrap_or_default().split('/').skip(1) {
            at = resolve(root, property(root, at, name)?);
        }
        let items = find(root, at, "items")?;
        // Words within an object are one of its values, no rows.
        let inner = response.list_pointer.as_deref().is_some_and(|pointer| !pointer.is_empty());
        at = if inner && kind_in(root, items) != Kind::Object { resolve(root, root) } else { items };
    }
    Some((root, resolve(root, at)))
}

/// The schema of a property.
pub fn property<'a>(root: &'a Value, schema: &'a Value, name: &str) -> Option<&'a Value> {
    let mut visits = MAX_VISITS;
    property_in(root, schema, name, 0, &mut visits)
}

fn property_in<'a>(
    root: &'a Value,
    schema: &'a Value,
    name: &str,
    depth: usize,
    visits: &mut usize,
) -> Option<&'a Value> {
    if depth > MAX_DEPTH || *visits == 0 {
        return None;
    }
    *visits -= 1;
    let schema = resolve(root, schema);
    if let Some(found) = schema.get("properties").and_then(|p| p.get(name)) {
        return Some(found);
    }
    ["allOf", "anyOf", "oneOf"]
        .into_iter()
        .filter_map(|group| schema.get(group)?.as_array())
        .flatten()
        .find_map(|part| property_in(root, part, name, depth + 1, visits))
}

/// Name of a property for people.
pub fn property_title(root: &Value, schema: Option<&Value>, name: &str) -> String {
    let titled = schema
        .and_then(|row| property(root, row, name))
        .and_then(|property| property.get("title").or_else(|| resolve(root, property).get("title")))
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|t| !t.is_empty() && t.chars().count() <= 40);
    titled.map_or_else(|| humanise(name), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_is_found_in_a_part_of_a_union() {
        let root = json!({
            "anyOf": [{"type": "null"}, {"$ref": "#/$defs/day"}],
            "$defs": {"day": {"allOf": [{"title": "Day"}, {"type": "string", "format": "date"}]}},
        });
        assert_eq!(kind(&root), Kind::Date);
        assert_eq!(text_of(&root, &root, "title"), Some("Day"));
    }

    #[test]
    fn a_union_that_refers_to_itself_is_left_soon() {
        let again: Vec<Value> = vec![json!({"$ref": "#/$defs/all"}); 10];
        let root = json!({"$ref": "#/$defs/all", "$defs": {"all": {"anyOf": again}}});
        let begun = Instant::now();
        assert_eq!(kind(&root), Kind::Text);
        assert_eq!(options(&root), []);
        assert_eq!(property(&root, &root, "name"), None);
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
