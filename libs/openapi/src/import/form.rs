//! The fields of forms: how each is written, and which of them are files.

use serde_json::{Map, Value, json};

use super::{
    Context,
    parameters::{Given, description, field, named_style, schema_and_style},
};
use crate::{
    media::is_readable,
    model::{Field, FileField, Location, Style},
    refs::At,
    schema::resolve_local,
};

/// Deepest nesting of choices that is looked into for a file.
const MAX_DEPTH: usize = 6;
/// Most choices that are looked into for a file.
const MAX_CHOICES: usize = 50;
/// Most media types kept for one field.
const MAX_MEDIA_TYPES: usize = 20;

/// Swagger 2.0: one field for each `formData` parameter; a file is one of its own type.
pub(super) fn swagger_fields<'a>(context: &mut Context<'a>, form: &[At<'a>], problems: &mut Vec<String>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for parameter in form {
        let name = parameter.text("name").unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        let required = parameter.value.get("required") == Some(&Value::Bool(true));
        match schema_and_style(context, *parameter, Location::Body) {
            Ok(Given { schema, style, explode }) => {
                let description = description(*parameter, &schema);
                let mut field = field(Location::Body, name, required, schema, description, style, explode);
                if parameter.text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("file")) {
                    make_file(&mut field, FileField::default());
                }
                fields.push(field);
            }
            Err(reason) if required => problems.push(format!("form field `{name}` {reason}")),
            Err(reason) => {
                context.warn(|| format!("optional form field {name:?} was left out: it {reason}"));
            }
        }
    }
    fields
}

/// OpenAPI 3: what `encoding` says of each field, and which of a multipart body's are files.
pub(super) fn encode(media: At<'_>, multipart: bool, fields: &mut [Field]) {
    for field in fields {
        let encoding = media.get("encoding").and_then(|all| all.get(&field.name));
        let says = |key: &str| encoding.and_then(|at| at.value.get(key));
        let content_type = says("contentType").and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        // Any of the three asks for the styles of a query; without them the content type rules (3.1.1, 4.8.15.1.1).
        let style = says("style").and_then(Value::as_str).and_then(named_style);
        let explode = says("explode").and_then(Value::as_bool);
        field.allow_reserved = says("allowReserved") == Some(&Value::Bool(true));
        let is_styled = style.is_some() || explode.is_some() || field.allow_reserved;
        if is_styled {
            field.style = match style {
                Some(style @ (Style::Form | Style::SpaceDelimited | Style::PipeDelimited | Style::DeepObject)) => style,
                _ => Style::Form,
            };
            field.explode = explode.unwrap_or(field.style == Style::Form);
        } else if let Some(content_type) = content_type {
            field.part_type = Some(content_type.chars().take(200).collect());
        }
        if multipart && let Some(or_text) = file_of(&field.schema, content_type, is_styled) {
            let media_types = content_type
                .into_iter()
                .flat_map(|types| types.split(','))
                .map(|name| name.trim().to_ascii_lowercase())
                .filter(|name| !name.is_empty() && name != "*/*" && name != "application/octet-stream")
                .take(MAX_MEDIA_TYPES)
                .collect();
            make_file(field, FileField { media_types, or_text });
        }
    }
}

/// The argument is a reference: lengths and patterns of the content do not hold for it.
pub(super) fn make_file(field: &mut Field, file: FileField) {
    if !file.or_text {
        let reference = || json!({ "type": "string", "format": "binary" });
        let is_list = field.schema.get("items").is_some();
        let mut schema = if is_list { json!({ "type": "array", "items": reference() }) } else { reference() };
        if let Value::Object(map) = &mut schema {
            for key in ["title", "description", "minItems", "maxItems"] {
                if let Some(kept) = field.schema.get(key) {
                    map.insert(key.to_owned(), kept.clone());
                }
            }
        }
        field.schema = schema;
    }
    field.style = Style::Json;
    field.part_type = None;
    field.file = Some(file);
}

/// The schema of bytes: `format: binary` of 3.0, `contentMediaType` without an encoding of 3.1.
pub(super) fn is_binary(schema: &Value) -> bool {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    match schema.get("type") {
        None => {}
        Some(Value::String(kind)) if kind == "string" => {}
        // Swagger 2.0's word, which newer documents keep using.
        Some(Value::String(kind)) if kind == "file" => return true,
        Some(Value::Array(kinds)) if kinds.iter().any(|kind| kind == "string") => {}
        Some(_) => return false,
    }
    text("format") == Some("binary")
        || text("contentEncoding") == Some("binary")
        || (text("contentMediaType").is_some_and(|kind| !is_readable(kind)) && text("contentEncoding").is_none())
}

/// Whether a part is a file: `Some(true)` when a text will do as well. What has a style of a query is a file only if
/// its schema says so.
fn file_of(schema: &Value, content_type: Option<&str>, is_styled: bool) -> Option<bool> {
    let defs = schema.get("$defs").and_then(Value::as_object);
    let mut seen = Seen { file: false, text: false, untyped: false, left: MAX_CHOICES };
    seen.look(schema, defs, 0);
    if seen.untyped && !is_styled {
        return Some(true);
    }
    // A string that is declared to be an image is one.
    if !seen.file && seen.text && !is_styled && schema.get("enum").is_none() {
        let named = content_type.is_some_and(|types| !types.split(',').map(str::trim).any(is_readable));
        return named.then_some(false);
    }
    seen.file.then_some(seen.text)
}

struct Seen {
    file: bool,
    text: bool,
    untyped: bool,
    left: usize,
}

impl Seen {
    fn look(&mut self, schema: &Value, defs: Option<&Map<String, Value>>, depth: usize) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || depth > MAX_DEPTH {
            return;
        }
        let schema = resolve_local(schema, defs);
        if is_binary(schema) {
            self.file = true;
            return;
        }
        let mut combined = false;
        for key in ["allOf", "anyOf", "oneOf"] {
            for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
                combined = true;
                self.look(part, defs, depth + 1);
            }
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("array") => {
                if let Some(items) = schema.get("items") {
                    self.look(items, defs, depth + 1);
                }
            }
            Some("string") => self.text = true,
            // Without a type a part is `application/octet-stream` (3.1, `contentType` of the encoding object).
            None if !combined
                && schema.as_object().is_some_and(|map| {
                    map.keys().all(|key| matches!(key.as_str(), "title" | "description" | "examples" | "default"))
                }) =>
            {
                self.untyped = true;
            }
            _ => {}
        }
    }
}
