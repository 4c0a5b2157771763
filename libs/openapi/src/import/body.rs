//! The request body: its shape and one field for each of its properties.

use serde_json::{Value, json};

use super::{
    Context, Dialect,
    operation::{json_content, json_rank, media_types},
    parameters::{Parameters, field},
};
use crate::{
    model::{BodyShape, Field, Location, Style},
    refs::At,
    schema::{byte_len, object_shape, with_defs},
};

/// Bytes that the fields of one body may have together.
const MAX_FIELD_BYTES: usize = 512 * 1024;

/// The media type, whether it must be sent, and its schema.
type Found<'a> = Option<(String, bool, Option<At<'a>>)>;

pub(super) fn read<'a>(
    context: &mut Context<'a>,
    at: At<'a>,
    parameters: &Parameters<'a>,
    problems: &mut Vec<String>,
) -> (Option<BodyShape>, Vec<Field>) {
    let found = match context.dialect {
        Dialect::Two => swagger_body(context, at, parameters),
        Dialect::Three => request_body(context, at),
    };
    let (media_type, required, schema) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return (None, Vec::new()),
        Err(reason) => {
            problems.push(reason);
            return (None, Vec::new());
        }
    };
    let whole = match schema.map_or(Ok(json!({})), |schema| context.requests.contained(schema)) {
        Ok(whole) => whole,
        Err(error) => {
            problems.push(format!("its body {}", error.reason()));
            return (None, Vec::new());
        }
    };
    match fields(&whole, required) {
        Some((fields, wrapped)) => (Some(BodyShape { media_type, required, whole_schema: whole, wrapped }), fields),
        None => {
            problems.push(format!("the fields of its body are larger than {} KiB", MAX_FIELD_BYTES / 1024));
            (None, Vec::new())
        }
    }
}

fn swagger_body<'a>(context: &Context<'a>, at: At<'a>, parameters: &Parameters<'a>) -> Result<Found<'a>, String> {
    if parameters.form {
        return Err("it takes a form, which is not supported yet".to_owned());
    }
    let Some(body) = parameters.body else { return Ok(None) };
    let types = media_types(context, at, "consumes");
    let best = types.iter().filter(|name| json_rank(name).is_some()).min_by_key(|name| json_rank(name));
    let media_type = match best {
        Some(name) if !name.contains('*') => (*name).to_owned(),
        _ if types.is_empty() || best.is_some() => "application/json".to_owned(),
        _ => return Err(format!("its body is {}, which is not supported yet", types[0])),
    };
    let required = body.value.get("required") == Some(&Value::Bool(true));
    Ok(Some((media_type, required, body.get("schema"))))
}

fn request_body<'a>(context: &Context<'a>, at: At<'a>) -> Result<Found<'a>, String> {
    let Some(body) = at.get("requestBody") else { return Ok(None) };
    let body = context
        .files
        .deref(body)
        .map_err(|reference| format!("its body refers to `{reference}`, which leads nowhere"))?;
    let required = body.value.get("required") == Some(&Value::Bool(true));
    let Some(content) =
        body.get("content").filter(|content| content.value.as_object().is_some_and(|types| !types.is_empty()))
    else {
        return Ok(None);
    };
    if let Some((media_type, media)) = json_content(content) {
        return Ok(Some((media_type, required, media.get("schema"))));
    }
    let names: Vec<&str> = content.value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    Err(format!("its body is {}, which is not supported yet", names.join(" or ")))
}

/// One field for each property, or one for the whole body; `None` when they are too large.
fn fields(whole: &Value, body_required: bool) -> Option<(Vec<Field>, bool)> {
    let defs = whole.get("$defs").and_then(Value::as_object);
    let description = |schema: &Value| schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(shape) = object_shape(whole, defs) else {
        let field = field(Location::Body, "", body_required, whole.clone(), description(whole), Style::Json, false);
        return Some((vec![field], true));
    };
    let mut bytes = 0;
    let mut fields = Vec::new();
    for (name, property) in &shape.properties {
        let schema = with_defs(property, defs);
        bytes += byte_len(&schema);
        if bytes > MAX_FIELD_BYTES {
            return None;
        }
        let required = shape.required.contains(name);
        fields.push(field(Location::Body, name, required, schema.clone(), description(&schema), Style::Json, false));
    }
    Some((fields, false))
}
