//! The outline of a good answer.

use serde_json::{Map, Value};

use super::{
    Context, Dialect,
    operation::{json_content, media_types},
};
use crate::{
    media::json_rank,
    model::ResponseOutline,
    refs::At,
    schema::{Shape, object_shape, resolve_local},
    text,
};

const MAX_ITEM_FIELDS: usize = 60;
const STATUSES: [&str; 8] = ["200", "201", "202", "203", "206", "2XX", "2xx", "default"];
/// Names under which backends put their rows.
const ROW_NAMES: [&str; 14] = [
    "data", "items", "results", "result", "records", "rows", "value", "values", "content", "list", "entries",
    "elements", "docs", "hits",
];

/// The outline, and the name of the schema of a row (or of the answer).
pub(super) fn read<'a>(context: &mut Context<'a>, path: &str, at: At<'a>) -> (Option<ResponseOutline>, Option<String>) {
    let Some((media_type, schema_at)) = answer(context, at) else { return (None, None) };
    let Ok(schema) = context.responses.contained(schema_at) else { return (None, None) };
    let defs = schema.get("$defs").and_then(Value::as_object);
    let rows = find_rows(&schema, defs, path, 0);
    let item = match &rows {
        Some((_, items)) => items.as_ref(),
        None => Some(&schema),
    };
    let shape = item.and_then(|item| object_shape(item, defs));
    let item_fields = shape
        .map(|shape| shape.properties.into_iter().map(|(name, _)| name).take(MAX_ITEM_FIELDS).collect())
        .unwrap_or_default();
    let row_schema = row_schema_name(context, schema_at, rows.as_ref().map(|(pointer, _)| pointer.as_str()));
    let outline = ResponseOutline {
        is_list: rows.is_some(),
        list_pointer: rows.map(|(pointer, _)| pointer),
        item_fields,
        media_type,
        schema,
    };
    (Some(outline), row_schema)
}

/// Media type and schema of the first good answer in JSON.
fn answer<'a>(context: &Context<'a>, at: At<'a>) -> Option<(String, At<'a>)> {
    let responses = at.get("responses")?;
    STATUSES.iter().filter_map(|status| responses.get(status)).find_map(|response| {
        let response = context.files.deref(response).ok()?;
        match context.dialect {
            Dialect::Two => {
                let types = media_types(context, at, "produces");
                let json = types.iter().find(|name| json_rank(name).is_some());
                let media_type = json.map_or("application/json", |name| *name);
                (types.is_empty() || json.is_some()).then_some(())?;
                Some((media_type.to_owned(), response.get("schema")?))
            }
            Dialect::Three => {
                let (media_type, media) = json_content(response.get("content")?)?;
                Some((media_type, media.get("schema")?))
            }
        }
    })
}

/// Pointer to the array of rows and the schema of one.
fn find_rows(
    schema: &Value,
    defs: Option<&Map<String, Value>>,
    path: &str,
    depth: usize,
) -> Option<(String, Option<Value>)> {
    let schema = resolve_local(schema, defs);
    if is_array(schema) {
        return Some((String::new(), schema.get("items").cloned()));
    }
    if depth > 1 {
        return None;
    }
    let Shape { properties, .. } = object_shape(schema, defs)?;
    let last = path.rsplit('/').find(|part| !part.is_empty() && !part.starts_with('{')).unwrap_or_default();
    let last: Vec<String> = text::words(last).iter().map(|word| text::singular(word)).collect();
    let arrays: Vec<&String> = properties
        .iter()
        .filter(|(_, property)| is_array(resolve_local(property, defs)))
        .map(|(name, _)| name)
        .collect();
    let has_id = properties.contains_key("id");
    let names_the_path =
        |name: &str| text::words(name).iter().map(|word| text::singular(word)).eq(last.iter().cloned());
    let ends_with_parameter = path.trim_end_matches('/').ends_with('}');
    let chosen = arrays
        .iter()
        .find(|name| !ends_with_parameter && names_the_path(name))
        .or_else(|| arrays.iter().find(|name| !has_id && ROW_NAMES.contains(&name.to_ascii_lowercase().as_str())))
        .or_else(|| {
            arrays.first().filter(|_| arrays.len() == 1 && !has_id && properties.len() <= 12 && !ends_with_parameter)
        });
    if let Some(name) = chosen {
        let items = resolve_local(&properties[name.as_str()], defs).get("items").cloned();
        return Some((format!("/{}", escape(name)), items));
    }
    // One more level: `{"data": {"items": [...]}}`.
    let (name, inner) = properties
        .iter()
        .find(|(name, _)| ROW_NAMES.contains(&name.to_ascii_lowercase().as_str()) || name.as_str() == "response")?;
    let (pointer, items) = find_rows(inner, defs, path, depth + 1)?;
    Some((format!("/{}{pointer}", escape(name)), items))
}

fn is_array(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "array",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "array"),
        _ => schema.get("items").is_some(),
    }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The last word of the reference under which the document has the rows.
fn row_schema_name<'a>(context: &Context<'a>, at: At<'a>, pointer: Option<&str>) -> Option<String> {
    let mut at = at;
    let mut name = None;
    let mut follow = |at: At<'a>| -> Option<At<'a>> {
        if let Some(reference) = at.text("$ref") {
            let last = reference.rsplit('/').next().unwrap_or_default();
            name = Some(last.trim_end_matches(".yaml").trim_end_matches(".json").to_owned());
        }
        context.files.deref(at).ok()
    };
    at = follow(at)?;
    let Some(pointer) = pointer else { return name };
    for part in pointer.split('/').skip(1) {
        at = at.get("properties")?.get(&part.replace("~1", "/").replace("~0", "~"))?;
        at = follow(at)?;
    }
    let mut items = at.get("items")?;
    if let Some(only) = items.value.get("allOf").and_then(Value::as_array).filter(|all| all.len() == 1) {
        items = items.with(&only[0]);
    }
    items.text("$ref")?;
    follow(items)?;
    name
}
