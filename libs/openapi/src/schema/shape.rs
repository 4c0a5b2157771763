//! What properties a self-contained schema has, through `$ref`, `allOf`, `oneOf` and `anyOf`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Deepest nesting of combinations that is looked into.
const MAX_DEPTH: usize = 12;
/// Most schemas that are looked into; choices of choices of choices are many.
const MAX_STEPS: usize = 4_000;
/// Most properties that are looked at.
const MAX_PROPERTIES: usize = 400;

/// The properties of an object schema, in the order of the document.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub properties: Map<String, Value>,
    pub required: BTreeSet<String>,
}

/// The schema that a local `$ref` leads to, through chains.
pub(crate) fn resolve_local<'v>(schema: &'v Value, defs: Option<&'v Map<String, Value>>) -> &'v Value {
    let mut schema = schema;
    for _ in 0..32 {
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix("#/$defs/"))
            .and_then(|name| defs?.get(name));
        match target {
            Some(target) => schema = target,
            None => return schema,
        }
    }
    schema
}

/// The properties of `schema`; `None` when it is no object or names none.
pub(crate) fn object_shape(schema: &Value, defs: Option<&Map<String, Value>>) -> Option<Shape> {
    let mut shape = Shape::default();
    collect(schema, defs, 0, &mut { MAX_STEPS }, &mut shape);
    (!shape.properties.is_empty()).then_some(shape)
}

fn collect(schema: &Value, defs: Option<&Map<String, Value>>, depth: usize, steps: &mut usize, shape: &mut Shape) {
    *steps = steps.saturating_sub(1);
    if *steps == 0 || depth > MAX_DEPTH || shape.properties.len() > MAX_PROPERTIES {
        return;
    }
    let schema = resolve_local(schema, defs);
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, property) in properties {
            shape.properties.entry(name.clone()).or_insert_with(|| property.clone());
        }
    }
    if let Some(Value::Array(required)) = schema.get("required") {
        shape.required.extend(required.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    if let Some(Value::Array(all)) = schema.get("allOf") {
        for part in all {
            collect(part, defs, depth + 1, steps, shape);
        }
    }
    for key in ["oneOf", "anyOf"] {
        let Some(Value::Array(choices)) = schema.get(key) else { continue };
        let shapes: Vec<Shape> = choices
            .iter()
            .filter(|choice| resolve_local(choice, defs).get("type").is_none_or(|kind| kind != "null"))
            .map(|choice| {
                let mut shape = Shape::default();
                collect(choice, defs, depth + 1, steps, &mut shape);
                shape
            })
            .collect();
        let mut common: Option<BTreeSet<String>> = None;
        for choice in shapes {
            common = Some(match common {
                None => choice.required,
                Some(common) => &common & &choice.required,
            });
            for (name, property) in choice.properties {
                shape.properties.entry(name).or_insert(property);
            }
        }
        shape.required.extend(common.unwrap_or_default());
    }
}

/// `schema` with those of `defs` that it needs, so that it stands alone; never a mere `$ref`.
pub(crate) fn with_defs(schema: &Value, defs: Option<&Map<String, Value>>) -> Value {
    let Some(defs) = defs else { return schema.clone() };
    let target = resolve_local(schema, Some(defs));
    let mut out = match (target, schema) {
        (Value::Object(target), Value::Object(own)) => {
            let mut merged = target.clone();
            // What stands beside a reference here are annotations; they are nearer to the reader.
            for (key, member) in own.iter().filter(|(key, _)| *key != "$ref") {
                merged.insert(key.clone(), member.clone());
            }
            merged
        }
        (target, _) => return target.clone(),
    };
    out.shift_remove("$defs");
    let mut needed = Map::new();
    let mut open = Vec::new();
    references(&Value::Object(out.clone()), &mut open);
    while let Some(name) = open.pop() {
        if !needed.contains_key(&name)
            && let Some(definition) = defs.get(&name)
        {
            references(definition, &mut open);
            needed.insert(name, definition.clone());
        }
    }
    if !needed.is_empty() {
        out.insert("$defs".to_owned(), Value::Object(needed));
    }
    Value::Object(out)
}

fn references(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/$defs/")) {
                out.push(name.to_owned());
            }
            map.iter()
                .filter(|(key, _)| !matches!(key.as_str(), "enum" | "const" | "default" | "examples"))
                .for_each(|(_, member)| references(member, out));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}
