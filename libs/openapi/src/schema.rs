//! Schemas of every OpenAPI version as self-contained JSON Schema, draft 2020-12.
//!
//! Each schema that is referred to is converted once and kept by name; [`Schemas::contained`] then puts a
//! schema together: small definitions are written in place, large and circular ones go to local `$defs`.

mod convert;
mod shape;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use crate::{read::Files, refs::At};
use convert::examples as examples_of;
pub(crate) use convert::scalar_text;
pub(crate) use shape::{Shape, object_shape, resolve_local, with_defs};

/// Definitions up to this many bytes are written in place of their `$ref`.
const INLINE_BYTES: usize = 2_048;
/// Below this depth of nesting every `$ref` stays.
const INLINE_DEPTH: usize = 40;
/// A schema with its definitions may have this many bytes before it is given up.
const CONTAINED_BYTES: usize = 384 * 1024;
/// Definitions that lead to more than this many others count as circular.
const MAX_REACH: usize = 2_000;

/// Which side of a call a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `readOnly` properties are left out.
    Request,
    /// Descriptions and examples are left out.
    Response,
}

/// Why a schema can't be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// A reference leads nowhere, or in a circle without end.
    Missing(String),
    /// Too large.
    TooLarge,
}

impl Unusable {
    /// The reason as the end of a sentence.
    pub fn reason(&self) -> String {
        match self {
            Self::Missing(reference) => format!("refers to `{reference}`, which leads nowhere"),
            Self::TooLarge => format!("is larger than {} KiB", CONTAINED_BYTES / 1024),
        }
    }
}

struct Definition<'a> {
    name: String,
    at: At<'a>,
    value: Value,
    uses: Vec<usize>,
    /// Those of `uses` that are applied to the same value: a circle of these has no end.
    in_place: Vec<usize>,
    missing: Vec<String>,
    bytes: usize,
    circular: Option<bool>,
    /// Bytes with what is written in place in it; `Some(None)` when it is too large or circular for that.
    inline_bytes: Option<Option<usize>>,
}

/// The schemas of one document for one side of a call.
pub(crate) struct Schemas<'a> {
    files: &'a Files,
    mode: Mode,
    ids: HashMap<(&'a str, String), usize>,
    names: BTreeMap<String, usize>,
    definitions: Vec<Definition<'a>>,
    patterns: HashMap<String, bool>,
    /// Bytes that the schema being put together may still grow by.
    budget: usize,
}

/// What the conversion of one schema found.
#[derive(Default)]
struct Found {
    uses: Vec<usize>,
    in_place: Vec<usize>,
    missing: Vec<String>,
}

impl<'a> Schemas<'a> {
    pub fn new(files: &'a Files, mode: Mode) -> Self {
        Self {
            files,
            mode,
            ids: HashMap::new(),
            names: BTreeMap::new(),
            definitions: Vec::new(),
            patterns: HashMap::new(),
            budget: 0,
        }
    }

    /// The schema with everything it refers to in local `$defs`; its top level is no mere `$ref`.
    pub fn contained(&mut self, at: At<'a>) -> Result<Value, Unusable> {
        let mut found = Found::default();
        let first = self.definitions.len();
        let mut top = self.convert(at, &mut found);
        self.convert_new_definitions(first);
        if let Some(reference) = found.missing.pop() {
            return Err(Unusable::Missing(reference));
        }
        for _ in 0..32 {
            let Some(id) = top.get("$ref").and_then(Value::as_str).and_then(|name| self.id_of(name)) else { break };
            let rest = without_ref(&top);
            top = merge(self.definitions[id].value.clone(), rest);
            if let Some(reference) = self.definitions[id].missing.first() {
                return Err(Unusable::Missing(reference.clone()));
            }
        }
        if top.get("$ref").is_some() {
            return Err(Unusable::Missing("a reference to itself".to_owned()));
        }
        self.budget = CONTAINED_BYTES;
        let mut needed = Vec::new();
        let mut top = self.inlined(&top, 0, &mut needed)?;
        let mut budget = CONTAINED_BYTES.checked_sub(byte_len(&top)).ok_or(Unusable::TooLarge)?;
        let mut defs = BTreeMap::new();
        let mut seen = BTreeSet::new();
        while let Some(id) = needed.pop() {
            if !seen.insert(id) {
                continue;
            }
            budget = budget.checked_sub(self.definitions[id].bytes).ok_or(Unusable::TooLarge)?;
            let value = self.definitions[id].value.clone();
            let value = self.inlined(&value, 2, &mut needed)?;
            defs.insert(self.definitions[id].name.clone(), value);
        }
        if let (false, Value::Object(map)) = (defs.is_empty(), &mut top) {
            map.insert("$defs".to_owned(), Value::Object(defs.into_iter().collect()));
        }
        Ok(top)
    }

    /// The id of `reference` as seen from `file`; a new one is converted later.
    fn define(&mut self, file: &'a str, reference: &str) -> Option<usize> {
        let target = self.files.target(file, reference)?;
        let key = (target.at.file, target.pointer);
        if let Some(id) = self.ids.get(&key) {
            return Some(*id);
        }
        let id = self.definitions.len();
        let last = key.1.rsplit('/').next().unwrap_or_default();
        let last = if last.is_empty() { key.0.rsplit('/').next().unwrap_or_default() } else { last };
        let base: String = last
            .trim_end_matches(".yaml")
            .trim_end_matches(".json")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
            .take(80)
            .collect();
        let base = if base.is_empty() { "schema".to_owned() } else { base };
        let name = if self.names.contains_key(&base) { format!("{base}_{id}") } else { base };
        self.names.insert(name.clone(), id);
        self.ids.insert(key, id);
        self.definitions.push(Definition {
            name,
            at: target.at,
            value: Value::Bool(true),
            uses: Vec::new(),
            in_place: Vec::new(),
            missing: Vec::new(),
            bytes: 0,
            circular: None,
            inline_bytes: None,
        });
        Some(id)
    }

    fn convert_new_definitions(&mut self, first: usize) {
        let mut next = first;
        while next < self.definitions.len() {
            let mut found = Found::default();
            let value = self.convert(self.definitions[next].at, &mut found);
            let definition = &mut self.definitions[next];
            definition.bytes = byte_len(&value);
            definition.value = value;
            definition.uses = found.uses;
            definition.in_place = found.in_place;
            definition.missing = found.missing;
            next += 1;
        }
        for id in first..self.definitions.len() {
            if self.reaches_itself(id, |definition| &definition.in_place) {
                let name = self.definitions[id].name.clone();
                self.definitions[id].missing.push(name);
            }
        }
    }

    fn id_of(&self, reference: &str) -> Option<usize> {
        self.names.get(reference.strip_prefix("#/$defs/")?).copied()
    }

    /// Writes small definitions in place and lists the ids of those that stay references.
    fn inlined(&mut self, value: &Value, depth: usize, needed: &mut Vec<usize>) -> Result<Value, Unusable> {
        match value {
            Value::Object(map) => {
                if let Some(id) = map.get("$ref").and_then(Value::as_str).and_then(|name| self.id_of(name)) {
                    if let Some(reference) = self.definitions[id].missing.first() {
                        return Err(Unusable::Missing(reference.clone()));
                    }
                    let Some(bytes) = self.inline_bytes(id, 0).filter(|_| depth < INLINE_DEPTH) else {
                        needed.push(id);
                        return Ok(value.clone());
                    };
                    self.budget = self.budget.checked_sub(bytes).ok_or(Unusable::TooLarge)?;
                    let merged = merge(self.definitions[id].value.clone(), without_ref(value));
                    // A definition that is itself a mere reference was counted as small, so this ends.
                    return self.inlined(&merged, depth + 1, needed);
                }
                let mut out = Map::new();
                for (key, member) in map {
                    let literal = matches!(key.as_str(), "enum" | "const" | "default" | "examples");
                    let member = if literal { member.clone() } else { self.inlined(member, depth + 1, needed)? };
                    out.insert(key.clone(), member);
                }
                Ok(Value::Object(nullable_choice_as_type(out)))
            }
            Value::Array(items) => items
                .iter()
                .map(|item| self.inlined(item, depth + 1, needed))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            _ => Ok(value.clone()),
        }
    }

    fn inline_bytes(&mut self, id: usize, depth: usize) -> Option<usize> {
        if let Some(known) = self.definitions[id].inline_bytes {
            return known;
        }
        if depth > 24 || self.is_circular(id) {
            self.definitions[id].inline_bytes = Some(None);
            return None;
        }
        let mut bytes = self.definitions[id].bytes;
        for used in self.definitions[id].uses.clone() {
            // What is not small stays a reference in it, which is counted already.
            bytes += self.inline_bytes(used, depth + 1).unwrap_or(0);
        }
        let small = (bytes <= INLINE_BYTES).then_some(bytes);
        self.definitions[id].inline_bytes = Some(small);
        small
    }

    fn is_circular(&mut self, id: usize) -> bool {
        if let Some(known) = self.definitions[id].circular {
            return known;
        }
        let circular = self.reaches_itself(id, |definition| &definition.uses);
        self.definitions[id].circular = Some(circular);
        circular
    }

    /// `id` is found again by following `edges`; also said of one that leads to very many others.
    fn reaches_itself(&self, id: usize, edges: impl for<'d> Fn(&'d Definition<'a>) -> &'d Vec<usize>) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = edges(&self.definitions[id]).clone();
        while let Some(next) = open.pop() {
            if next == id || seen.len() > MAX_REACH {
                return true;
            }
            if seen.insert(next) {
                open.extend(edges(&self.definitions[next]).iter().copied());
            }
        }
        false
    }
}

fn without_ref(value: &Value) -> Map<String, Value> {
    let mut rest = value.as_object().cloned().unwrap_or_default();
    rest.shift_remove("$ref");
    rest
}

/// `value` with keywords that stood beside its `$ref`: annotations replace, rules are added.
fn merge(value: Value, beside: Map<String, Value>) -> Value {
    if beside.is_empty() {
        return value;
    }
    let rules = beside.keys().any(|key| !is_annotation(key));
    match value {
        Value::Object(mut map) if !rules => {
            for (key, member) in beside {
                map.insert(key, member);
            }
            Value::Object(map)
        }
        Value::Bool(true) => Value::Object(beside),
        value => {
            let mut out = beside;
            match out.get_mut("allOf") {
                Some(Value::Array(all)) => all.push(value),
                _ => {
                    out.insert("allOf".to_owned(), json!([value]));
                }
            }
            Value::Object(out)
        }
    }
}

fn is_annotation(key: &str) -> bool {
    matches!(key, "description" | "title" | "default" | "examples" | "readOnly" | "writeOnly" | "deprecated")
}

/// `anyOf: [{type: string}, {type: null}]` -> `type: [string, null]`, so that the type can be seen.
fn nullable_choice_as_type(mut map: Map<String, Value>) -> Map<String, Value> {
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(choices)) = map.get(keyword) else { continue };
        let [one, other] = choices.as_slice() else { continue };
        let is_null = |value: &Value| value.get("type").is_some_and(|kind| kind == "null");
        let real = if is_null(other) {
            one
        } else if is_null(one) {
            other
        } else {
            continue;
        };
        let Some(real) = real.as_object().filter(|real| !real.contains_key("$ref") && !real.contains_key("const"))
        else {
            continue;
        };
        if real.keys().any(|key| !is_annotation(key) && map.contains_key(key)) {
            continue;
        }
        let mut kinds = match real.get("type") {
            Some(Value::String(kind)) => vec![json!(kind)],
            Some(Value::Array(kinds)) => kinds.clone(),
            _ => continue,
        };
        if !kinds.contains(&json!("null")) {
            kinds.push(json!("null"));
        }
        let mut real = real.clone();
        real.insert("type".to_owned(), Value::Array(kinds));
        if let Some(Value::Array(values)) = real.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
        map.shift_remove(keyword);
        for (key, member) in map {
            real.insert(key, member);
        }
        return real;
    }
    map
}

pub(crate) fn byte_len(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Writing a value into a counter has no way to fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// Deepest nesting of arrays and objects.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// `example` and `examples` of a parameter, at most three small ones.
pub(crate) fn examples(holder: &Value) -> Vec<Value> {
    holder.as_object().map(examples_of).unwrap_or_default()
}
