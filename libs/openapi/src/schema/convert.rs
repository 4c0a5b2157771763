//! One schema object of any version -> draft 2020-12, keyword by keyword.
//!
//! Only keywords that we know go over, each in its valid form, so that the result always compiles.

use serde_json::{Map, Number, Value, json};

use super::{Found, Mode, Schemas};
use crate::{refs::At, text};

const DESCRIPTION_CHARS: usize = 400;
const MAX_EXAMPLES: usize = 3;
const EXAMPLE_BYTES: usize = 500;
const PATTERN_CHARS: usize = 2_000;

impl<'a> Schemas<'a> {
    /// Converts without following references; those become `#/$defs/<name>`.
    pub(super) fn convert(&mut self, at: At<'a>, found: &mut Found) -> Value {
        let Value::Object(map) = at.value else {
            return Value::Bool(at.value.as_bool().unwrap_or(true));
        };
        let mut out = self.annotations(map);
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let Some(id) = self.define(at.file, reference) else {
                found.missing.push(reference.to_owned());
                return Value::Bool(true);
            };
            found.uses.push(id);
            found.in_place.push(id);
            let reference = json!(format!("#/$defs/{}", self.definitions[id].name));
            if is_nullable(map) {
                out.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
            } else {
                out.insert("$ref".to_owned(), reference);
            }
            return Value::Object(out);
        }
        let kinds = types(map);
        if kinds.len() == 1 {
            out.insert("type".to_owned(), json!(kinds[0]));
        } else if !kinds.is_empty() {
            out.insert("type".to_owned(), json!(kinds));
        }
        values(map, &kinds, &mut out);
        numbers(map, &mut out);
        self.strings(map, &mut out);
        self.objects(at, map, &mut out, found);
        self.arrays(at, map, &mut out, found);
        self.combinations(at, map, &mut out, found);
        if kinds.is_empty()
            && is_nullable(map)
            && ["$ref", "type", "allOf", "anyOf", "oneOf", "enum"].iter().any(|key| out.contains_key(*key))
        {
            let annotations: Vec<String> = out.keys().filter(|key| super::is_annotation(key)).cloned().collect();
            let mut outer = Map::new();
            for key in annotations {
                if let Some(member) = out.shift_remove(&key) {
                    outer.insert(key, member);
                }
            }
            outer.insert("anyOf".to_owned(), json!([Value::Object(out), { "type": "null" }]));
            return Value::Object(outer);
        }
        Value::Object(out)
    }

    /// A schema for a part of the value: a circle through it ends with the value.
    fn part(&mut self, at: At<'a>, found: &mut Found) -> Value {
        let mut inner = Found::default();
        let value = self.convert(at, &mut inner);
        found.uses.append(&mut inner.uses);
        found.missing.append(&mut inner.missing);
        value
    }

    fn annotations(&self, map: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        if let Some(title) = map.get("title").and_then(Value::as_str) {
            out.insert("title".to_owned(), json!(text::plain(title, 100)));
        }
        if self.mode == Mode::Response {
            return out;
        }
        if let Some(description) = map.get("description").and_then(Value::as_str) {
            let description = text::plain(description, DESCRIPTION_CHARS);
            if !description.is_empty() {
                out.insert("description".to_owned(), json!(description));
            }
        }
        if let Some(default) = map.get("default").filter(|value| is_small(value)) {
            out.insert("default".to_owned(), default.clone());
        }
        let examples = examples(map);
        if !examples.is_empty() {
            out.insert("examples".to_owned(), Value::Array(examples));
        }
        for key in ["readOnly", "writeOnly", "deprecated"] {
            if map.get(key) == Some(&Value::Bool(true)) {
                out.insert(key.to_owned(), Value::Bool(true));
            }
        }
        out
    }

    fn strings(&mut self, map: &Map<String, Value>, out: &mut Map<String, Value>) {
        counts(map, out, ["minLength", "maxLength"]);
        for key in ["format", "contentEncoding", "contentMediaType"] {
            if let Some(text) = map.get(key).and_then(Value::as_str) {
                out.insert(key.to_owned(), json!(text));
            }
        }
        if map.get("type").is_some_and(|kind| kind == "file") {
            out.insert("format".to_owned(), json!("binary"));
        }
        if let Some(pattern) = map.get("pattern").and_then(Value::as_str)
            && self.pattern_compiles(pattern)
        {
            out.insert("pattern".to_owned(), json!(pattern));
        }
    }

    fn pattern_compiles(&mut self, pattern: &str) -> bool {
        if pattern.len() > PATTERN_CHARS {
            return false;
        }
        if let Some(known) = self.patterns.get(pattern) {
            return *known;
        }
        let compiles = crate::check::validator(&json!({ "pattern": pattern })).is_ok();
        self.patterns.insert(pattern.to_owned(), compiles);
        compiles
    }

    fn objects(&mut self, at: At<'a>, map: &'a Map<String, Value>, out: &mut Map<String, Value>, found: &mut Found) {
        let mut left_out = Vec::new();
        if let Some(Value::Object(properties)) = map.get("properties") {
            let mut converted = Map::new();
            for (name, property) in properties {
                let property = at.with(property);
                if self.mode == Mode::Request && self.is_read_only(property) {
                    left_out.push(name.as_str());
                } else {
                    converted.insert(name.clone(), self.part(property, found));
                }
            }
            out.insert("properties".to_owned(), Value::Object(converted));
        }
        if let Some(Value::Array(names)) = map.get("required") {
            let mut required: Vec<&str> = Vec::new();
            for name in names.iter().filter_map(Value::as_str) {
                if !left_out.contains(&name) && !required.contains(&name) {
                    required.push(name);
                }
            }
            if !required.is_empty() {
                out.insert("required".to_owned(), json!(required));
            }
        }
        counts(map, out, ["minProperties", "maxProperties"]);
        for key in ["additionalProperties", "propertyNames", "unevaluatedProperties"] {
            if let Some(schema) = map.get(key).filter(|schema| is_schema(schema)) {
                let schema = self.part(at.with(schema), found);
                if schema != Value::Bool(true) {
                    out.insert(key.to_owned(), schema);
                }
            }
        }
        if let Some(Value::Object(patterns)) = map.get("patternProperties") {
            let mut converted = Map::new();
            for (pattern, schema) in patterns {
                if self.pattern_compiles(pattern) {
                    converted.insert(pattern.clone(), self.part(at.with(schema), found));
                }
            }
            out.insert("patternProperties".to_owned(), Value::Object(converted));
        }
    }

    fn is_read_only(&self, property: At<'a>) -> bool {
        let says = |at: At<'_>| at.value.get("readOnly") == Some(&Value::Bool(true));
        says(property) || self.files.deref(property).is_ok_and(says)
    }

    fn arrays(&mut self, at: At<'a>, map: &'a Map<String, Value>, out: &mut Map<String, Value>, found: &mut Found) {
        counts(map, out, ["minItems", "maxItems"]);
        if map.get("uniqueItems") == Some(&Value::Bool(true)) {
            out.insert("uniqueItems".to_owned(), Value::Bool(true));
        }
        match map.get("items") {
            Some(Value::Array(items)) => self.list(at, "prefixItems", items, out, found),
            Some(items) if is_schema(items) => {
                let items = self.part(at.with(items), found);
                out.insert("items".to_owned(), items);
            }
            _ => {}
        }
        if let Some(Value::Array(items)) = map.get("prefixItems") {
            self.list(at, "prefixItems", items, out, found);
        }
    }

    fn combinations(
        &mut self,
        at: At<'a>,
        map: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        found: &mut Found,
    ) {
        for key in ["allOf", "anyOf", "oneOf"] {
            if let Some(Value::Array(schemas)) = map.get(key) {
                self.list(at, key, schemas, out, found);
            }
        }
        for key in ["not", "if", "then", "else"] {
            if let Some(schema) = map.get(key).filter(|schema| is_schema(schema)) {
                let schema = self.convert(at.with(schema), found);
                out.insert(key.to_owned(), schema);
            }
        }
        // `allOf` of one is how 3.0 writes a reference with a description beside it.
        let alone = out.keys().all(|key| key == "allOf" || super::is_annotation(key));
        if alone
            && let Some(Value::Array(all)) = out.get("allOf")
            && let [Value::Object(only)] = all.as_slice()
        {
            let mut merged = only.clone();
            out.shift_remove("allOf");
            for (key, member) in std::mem::take(out) {
                merged.insert(key, member);
            }
            *out = merged;
        }
    }

    fn list(&mut self, at: At<'a>, key: &str, schemas: &'a [Value], out: &mut Map<String, Value>, found: &mut Found) {
        let converted: Vec<Value> = schemas
            .iter()
            .filter(|schema| is_schema(schema))
            .map(|schema| at.with(schema))
            .map(|at| if key == "prefixItems" { self.part(at, found) } else { self.convert(at, found) })
            .collect();
        if !converted.is_empty() {
            out.insert(key.to_owned(), Value::Array(converted));
        }
    }
}

fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

fn is_small(value: &Value) -> bool {
    super::byte_len(value) <= EXAMPLE_BYTES
}

fn is_nullable(map: &Map<String, Value>) -> bool {
    ["nullable", "x-nullable"].iter().any(|key| map.get(*key) == Some(&Value::Bool(true)))
}

/// The JSON Schema types, those of other type systems translated; empty when any will do.
fn types(map: &Map<String, Value>) -> Vec<&'static str> {
    let named: Vec<&str> = match map.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut kinds = Vec::new();
    for name in named {
        let kind = match name.to_ascii_lowercase().as_str() {
            "string" | "str" | "text" | "date" | "datetime" | "date-time" | "uuid" | "file" => "string",
            "integer" | "int" | "int32" | "int64" | "long" => "integer",
            "number" | "float" | "double" | "decimal" => "number",
            "boolean" | "bool" => "boolean",
            "array" | "list" => "array",
            "object" | "dict" | "map" => "object",
            "null" => "null",
            _ => return Vec::new(),
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() && map.get("properties").is_some_and(Value::is_object) {
        kinds.push("object");
    }
    if !kinds.is_empty() && is_nullable(map) && !kinds.contains(&"null") {
        kinds.push("null");
    }
    kinds
}

/// `enum` and `const`, their values brought to the schema's type.
fn values(map: &Map<String, Value>, kinds: &[&str], out: &mut Map<String, Value>) {
    if let Some(Value::Array(given)) = map.get("enum") {
        let mut values: Vec<Value> = Vec::new();
        for value in given {
            let value = coerced(value, kinds);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if kinds.contains(&"null") && !values.contains(&Value::Null) {
            values.push(Value::Null);
        }
        if !values.is_empty() {
            out.insert("enum".to_owned(), Value::Array(values));
        }
    }
    if let Some(value) = map.get("const") {
        out.insert("const".to_owned(), value.clone());
    }
}

fn coerced(value: &Value, kinds: &[&str]) -> Value {
    let wants = |kind| kinds.contains(&kind);
    match value {
        Value::Number(_) | Value::Bool(_) if kinds.first() == Some(&"string") => json!(scalar_text(value)),
        Value::String(text) if !wants("string") && (wants("integer") || wants("number")) => {
            text.parse::<Number>().map_or_else(|_| value.clone(), Value::Number)
        }
        Value::String(text) if kinds.first() == Some(&"boolean") => {
            text.parse::<bool>().map_or_else(|_| value.clone(), Value::Bool)
        }
        _ => value.clone(),
    }
}

/// A scalar as it is written into a path, query or header.
pub(crate) fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(value: Option<&Value>) -> Option<Number> {
    match value? {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Bounds; the boolean `exclusive...` of the older versions becomes the number of the newer.
fn numbers(map: &Map<String, Value>, out: &mut Map<String, Value>) {
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let limit = number(map.get(bound));
        match (limit, map.get(exclusive)) {
            (Some(limit), Some(Value::Bool(true))) => {
                out.insert(exclusive.to_owned(), Value::Number(limit));
            }
            (limit, other) => {
                if let Some(limit) = limit {
                    out.insert(bound.to_owned(), Value::Number(limit));
                }
                if let Some(limit) = number(other) {
                    out.insert(exclusive.to_owned(), Value::Number(limit));
                }
            }
        }
    }
    if let Some(step) = number(map.get("multipleOf"))
        && step.as_f64().is_some_and(|step| step > 0.0)
    {
        out.insert("multipleOf".to_owned(), Value::Number(step));
    }
}

fn counts<const N: usize>(map: &Map<String, Value>, out: &mut Map<String, Value>, keys: [&str; N]) {
    for key in keys {
        let count = number(map.get(key)).and_then(|n| {
            n.as_u64().or_else(|| n.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0 && *n < 1e15).map(|n| n as u64))
        });
        if let Some(count) = count {
            out.insert(key.to_owned(), json!(count));
        }
    }
}

/// `example`, `examples` as a list, and `examples` as named objects with a `value`.
pub(crate) fn examples(map: &Map<String, Value>) -> Vec<Value> {
    let named = |value: &Value| value.get("value").cloned();
    let many: Vec<Value> = match map.get("examples") {
        Some(Value::Array(values)) => values.clone(),
        Some(Value::Object(values)) => values.values().filter_map(named).collect(),
        _ => Vec::new(),
    };
    map.get("example")
        .cloned()
        .into_iter()
        .chain(many)
        .filter(|value| !value.is_null() && is_small(value))
        .take(MAX_EXAMPLES)
        .collect()
}
