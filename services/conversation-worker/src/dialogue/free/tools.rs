//! Operations as tools of a model, and what a model gives as arguments of an operation.

use std::{collections::BTreeMap, sync::Arc};

use llm::Tool;
use openapi::{Field, Operation};
use serde_json::{Map, Value, json};

use super::super::{
    schema::{self, Kind, kind},
    state::Frame,
};
use crate::language::format::{Place, cut, humanise};

/// Longest name of a tool that every provider takes.
pub const NAME_MAX: usize = 64;
/// Most characters of a tool's description.
const DESCRIPTION_CHARS: usize = 300;
/// Most characters of a property's description.
const PROPERTY_CHARS: usize = 120;
/// Most listed values of a property.
const OPTIONS_MAX: usize = 30;
/// How deep objects and arrays are described.
const DEPTH_MAX: usize = 3;
/// Most properties of an object.
const PROPERTIES_MAX: usize = 25;

/// One operation as a tool.
pub struct Offered {
    /// What the model calls it.
    pub name: String,
    pub operation: Arc<Operation>,
    /// Property -> [`Field::key`].
    keys: BTreeMap<String, String>,
    pub tool: Tool,
}

impl Offered {
    /// The operation under a name that `taken` has not yet; values of `hidden` fields come from us.
    pub fn new(operation: Arc<Operation>, taken: &[Offered], hidden: &dyn Fn(&Field) -> bool) -> Self {
        let name = free_name(&operation, taken);
        let mut keys = BTreeMap::new();
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut fields: Vec<&Field> =
            operation.fields.iter().filter(|field| schema::askable(field) && !hidden(field)).collect();
        fields.sort_by_key(|field| !field.required);
        for field in fields.into_iter().take(PROPERTIES_MAX) {
            let property = property_name(field, &keys);
            let needed = operation.needs.iter().any(|need| need.field == field.key);
            let mut described = shape(&field.schema, &field.schema, 0);
            let about = if needed {
                // An id is found by us; what the person calls the thing is enough.
                described = json!({ "type": ["string", "number"] });
                format!("{}: an id from a result, or the person's own words for it", schema::title(field))
            } else {
                field.description.clone()
            };
            if let (Some(described), false) = (described.as_object_mut(), about.trim().is_empty()) {
                described.insert("description".to_owned(), Value::String(cut(about.trim(), PROPERTY_CHARS)));
            }
            if field.required && !needed {
                required.push(Value::String(property.clone()));
            }
            properties.insert(property.clone(), described);
            keys.insert(property, field.key.clone());
        }
        let description = match operation.description.trim() {
            "" => operation.summary.clone(),
            more if more.starts_with(operation.summary.trim()) => more.to_owned(),
            more => format!("{}. {more}", operation.summary.trim_end_matches('.')),
        };
        // Nothing is demanded: what is missing is asked of the person, not made up.
        let parameters = json!({ "type": "object", "properties": properties });
        let wanted = match required.is_empty() {
            true => String::new(),
            false => format!(" Wants: {}.", required.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        };
        let tool = Tool {
            name: name.clone(),
            description: format!("{}{wanted}", cut(&description, DESCRIPTION_CHARS)),
            parameters,
        };
        Self { name, operation, keys, tool }
    }

    /// Puts what the model gave into the frame. What is ours, unknown or no plain value of its kind is left out; words
    /// for a needed id are returned, for the look-up of that id.
    pub fn fill(
        &self,
        frame: &mut Frame,
        given: &Map<String, Value>,
        is_known: &dyn Fn(&Value) -> bool,
        place: &Place,
    ) -> Vec<String> {
        let mut words = Vec::new();
        for (property, value) in given {
            let Some(field) = self.keys.get(property).and_then(|key| self.operation.field(key)) else { continue };
            if frame.identity.contains(&field.key) || value.is_null() {
                continue;
            }
            if self.operation.needs.iter().any(|need| need.field == field.key) {
                if is_known(value) {
                    frame.arguments.insert(field.key.clone(), typed(field, value, place));
                } else {
                    words.extend(value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|n| n.to_string())));
                }
                continue;
            }
            if value.as_str().is_some_and(|text| text.trim().is_empty()) {
                continue;
            }
            frame.arguments.insert(field.key.clone(), typed(field, value, place));
        }
        words
    }
}

/// A value in the kind that its field wants, where that is certain; a time without offset is the person's.
fn typed(field: &Field, value: &Value, place: &Place) -> Value {
    let text = value.as_str().map(str::trim);
    match (kind(&field.schema), text) {
        (Kind::DateTime, Some(text)) => {
            place.read_instant(text).map_or_else(|| value.clone(), |at| Value::String(place.instant(at)))
        }
        (Kind::Date, Some(text)) => text.get(..10).map_or_else(|| value.clone(), |day| Value::String(day.to_owned())),
        (Kind::Integer, Some(text)) => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
        (Kind::Number, Some(text)) => text.parse::<f64>().map_or_else(|_| value.clone(), Value::from),
        (Kind::Boolean, Some("true")) => Value::Bool(true),
        (Kind::Boolean, Some("false")) => Value::Bool(false),
        (Kind::Text | Kind::Email, None) if value.is_number() => Value::String(value.to_string()),
        _ => value.clone(),
    }
}

fn free_name(operation: &Operation, taken: &[Offered]) -> String {
    let from =
        operation.label.clone().unwrap_or_else(|| format!("{} {}", operation.method.to_lowercase(), operation.path));
    let mut name = String::new();
    for c in from.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if !name.ends_with('_') && !name.is_empty() => name.push('_'),
            _ => {}
        }
    }
    let name = name.trim_end_matches('_');
    let name = if name.is_empty() { "operation" } else { name };
    let name: String = name.chars().take(NAME_MAX - 3).collect();
    let free = |name: &str| !taken.iter().any(|one| one.name == name);
    if free(&name) {
        return name;
    }
    (2..).map(|n| format!("{name}_{n}")).find(|name| free(name)).unwrap_or(name)
}

fn property_name(field: &Field, taken: &BTreeMap<String, String>) -> String {
    let name: String =
        field.name.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect();
    let name = if name.is_empty() { field.location.as_str().to_owned() } else { name };
    let name: String = name.chars().take(NAME_MAX - 10).collect();
    if taken.contains_key(&name) { format!("{name}_{}", field.location.as_str()) } else { name }
}

/// A schema in few words: type, format, listed values, limits; no references.
fn shape(root: &Value, schema: &Value, depth: usize) -> Value {
    let resolved = schema::resolve(root, schema);
    let mut out = Map::new();
    let (name, format) = match schema::kind_in(root, schema) {
        Kind::Text => ("string", None),
        Kind::Integer => ("integer", None),
        Kind::Number => ("number", None),
        Kind::Boolean => ("boolean", None),
        Kind::Date => ("string", Some("date")),
        Kind::DateTime => ("string", Some("date-time")),
        Kind::Time => ("string", Some("time")),
        Kind::Email => ("string", Some("email")),
        Kind::Array => ("array", None),
        Kind::Object => ("object", None),
    };
    out.insert("type".to_owned(), json!(name));
    if let Some(format) = format {
        out.insert("format".to_owned(), json!(format));
    }
    let options = schema::options_in(root, schema);
    if !options.is_empty() && options.len() <= OPTIONS_MAX {
        out.insert("enum".to_owned(), options.into_iter().map(|option| option.value).collect());
    }
    for word in ["minimum", "maximum", "pattern", "maxLength"] {
        if let Some(value) =
            resolved.get(word).filter(|value| value.is_number() || value.as_str().is_some_and(|t| t.len() <= 80))
        {
            out.insert(word.to_owned(), value.clone());
        }
    }
    if name == "array" {
        let items = resolved.get("items").filter(|_| depth < DEPTH_MAX).map(|items| shape(root, items, depth + 1));
        out.insert("items".to_owned(), items.unwrap_or_else(|| json!({})));
    }
    if name == "object"
        && depth < DEPTH_MAX
        && let Some(properties) = resolved.get("properties").and_then(Value::as_object)
    {
        let inner =
            properties.iter().take(PROPERTIES_MAX).map(|(name, one)| (name.clone(), shape(root, one, depth + 1)));
        out.insert("properties".to_owned(), Value::Object(inner.collect()));
    }
    if depth > 0
        && let Some(title) = resolved.get("title").and_then(Value::as_str)
    {
        out.insert("title".to_owned(), json!(cut(&humanise(title), 40)));
    }
    Value::Object(out)
}
