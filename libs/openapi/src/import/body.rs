//! The request body: its shape and one field for each of its properties.

use serde_json::{Value, json};

use super::{
    Context, Dialect, form,
    operation::media_types,
    parameters::{Parameters, field},
};
use crate::{
    media::{essence, is_json, json_rank},
    model::{BodyEncoding, BodyShape, Field, FileField, Location, Style},
    refs::At,
    schema::{byte_len, object_shape, with_defs},
};

/// Bytes that the fields of one body may have together.
const MAX_FIELD_BYTES: usize = 512 * 1024;
/// Most media types of one body that are looked at; a longer list only repeats itself.
const MAX_MEDIA_TYPES: usize = 50;

/// One way to send the body.
struct Way<'a> {
    media_type: String,
    encoding: BodyEncoding,
    /// Empty for Swagger 2.0.
    media: Option<At<'a>>,
    schema: Option<At<'a>>,
    /// Of files: every media type that will do.
    media_types: Vec<String>,
}

pub(super) fn read<'a>(
    context: &mut Context<'a>,
    at: At<'a>,
    parameters: &Parameters<'a>,
    problems: &mut Vec<String>,
) -> (Option<BodyShape>, Vec<Field>) {
    if context.dialect == Dialect::Two && !parameters.form.is_empty() {
        return swagger_form(context, at, &parameters.form, problems);
    }
    let found = match context.dialect {
        Dialect::Two => swagger_body(context, at, parameters),
        Dialect::Three => request_body(context, at),
    };
    match found.and_then(|found| found.map(|(ways, required)| shape(context, ways, required)).transpose()) {
        Ok(Some((shape, fields))) => (Some(shape), fields),
        Ok(None) => (None, Vec::new()),
        Err(reason) => {
            problems.push(reason);
            (None, Vec::new())
        }
    }
}

fn swagger_form<'a>(
    context: &mut Context<'a>,
    at: At<'a>,
    form: &[At<'a>],
    problems: &mut Vec<String>,
) -> (Option<BodyShape>, Vec<Field>) {
    let fields = form::swagger_fields(context, form, problems);
    let types = media_types(context, at, "consumes");
    let takes = |name: &str| types.iter().any(|own| essence(own) == name);
    let has_file = fields.iter().any(|field| field.file.is_some());
    let (encoding, media_type) = if has_file || (takes(MULTIPART) && !takes(FORM)) {
        (BodyEncoding::Multipart, MULTIPART)
    } else {
        (BodyEncoding::Form, FORM)
    };
    let shape = BodyShape {
        media_type: media_type.to_owned(),
        required: fields.iter().any(|field| field.required),
        whole_schema: json!({ "type": "object" }),
        wrapped: false,
        encoding,
    };
    (Some(shape), fields)
}

/// The ways to send a body, best first, and whether it must be sent.
type Found<'a> = Option<(Vec<Way<'a>>, bool)>;

fn swagger_body<'a>(context: &Context<'a>, at: At<'a>, parameters: &Parameters<'a>) -> Result<Found<'a>, String> {
    let Some(body) = parameters.body else { return Ok(None) };
    let schema = body.get("schema");
    let mut types = media_types(context, at, "consumes");
    if types.is_empty() {
        types.push("application/json");
    }
    let required = body.value.get("required") == Some(&Value::Bool(true));
    let given = types.into_iter().map(|name| (name, None, schema));
    ways(context, given).map(|ways| Some((ways, required)))
}

fn request_body<'a>(context: &Context<'a>, at: At<'a>) -> Result<Found<'a>, String> {
    let Some(body) = at.get("requestBody") else { return Ok(None) };
    let body = context
        .files
        .deref(body)
        .map_err(|reference| format!("its body refers to `{reference}`, which leads nowhere"))?;
    let required = body.value.get("required") == Some(&Value::Bool(true));
    let Some(content) = body.get("content") else { return Ok(None) };
    let Some(types) = content.value.as_object().filter(|types| !types.is_empty()) else { return Ok(None) };
    let given = types.iter().map(|(name, media)| {
        let media = content.with(media);
        (name.as_str(), Some(media), media.get("schema"))
    });
    ways(context, given).map(|ways| Some((ways, required)))
}

/// Sorts out the media types; `Err` when none of them can be written.
fn ways<'a>(
    context: &Context<'a>,
    given: impl Iterator<Item = (&'a str, Option<At<'a>>, Option<At<'a>>)>,
) -> Result<Vec<Way<'a>>, String> {
    let mut names = Vec::new();
    let mut ways: Vec<(u8, Way<'a>)> = Vec::new();
    for (name, media, schema) in given.take(MAX_MEDIA_TYPES) {
        names.push(name);
        let is_binary = schema
            .and_then(|schema| context.files.deref(schema).ok())
            .is_some_and(|schema| form::is_binary(schema.value));
        let Some((rank, encoding, media_type)) = way(name, is_binary) else { continue };
        let same = |(_, way): &&mut (u8, Way<'a>)| way.encoding == BodyEncoding::File && encoding == way.encoding;
        if let Some((_, other)) = ways.iter_mut().find(same) {
            // Several kinds of files are one way, in which the file names its own kind.
            "*/*".clone_into(&mut other.media_type);
            other.media_types.push(media_type);
            continue;
        }
        let media_types = vec![media_type.clone()];
        ways.push((rank, Way { media_type, encoding, media, schema, media_types }));
    }
    if ways.is_empty() {
        names.truncate(5);
        return Err(format!("its body is {}, which is not supported", names.join(" or ")));
    }
    ways.sort_by_key(|(rank, _)| *rank);
    Ok(ways.into_iter().map(|(_, way)| way).collect())
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const MULTIPART: &str = "multipart/form-data";
/// Texts that are not called `text/...`.
const TEXTS: [&str; 8] = [
    "application/yaml",
    "application/x-yaml",
    "application/graphql",
    "application/x-ndjson",
    "application/jsonl",
    "application/javascript",
    "application/sql",
    "application/jwt",
];
/// Families and types of files, whatever their schema says.
const FILES: [&str; 12] = [
    "image/",
    "audio/",
    "video/",
    "font/",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/x-tar",
    "application/vnd.ms-",
    "application/vnd.openxmlformats-",
    "application/msword",
];

/// How a body of this media type is written, and its rank among others: the lowest is taken.
fn way(name: &str, is_binary: bool) -> Option<(u8, BodyEncoding, String)> {
    let essence = essence(name);
    let as_given = || name.trim().to_owned();
    let without_parameters = || name.split(';').next().unwrap_or(name).trim().to_owned();
    Some(match essence.as_str() {
        FORM => (10, BodyEncoding::Form, FORM.to_owned()),
        MULTIPART => (11, BodyEncoding::Multipart, MULTIPART.to_owned()),
        other if other.contains("xml") && !other.starts_with("image/") && !other.contains("openxml") => return None,
        _ if is_json(name) => (json_rank(name)?, BodyEncoding::Json, without_parameters()),
        _ if is_binary => (13, BodyEncoding::File, without_parameters()),
        other if other.starts_with("text/") || TEXTS.contains(&other) => (12, BodyEncoding::Text, as_given()),
        other if FILES.iter().any(|start| other.starts_with(start)) => (13, BodyEncoding::File, without_parameters()),
        _ => (json_rank(name)?, BodyEncoding::Json, "application/json".to_owned()),
    })
}

/// The best way as a shape with its fields; `Err` is the reason why the operation can't be called.
fn shape<'a>(context: &mut Context<'a>, ways: Vec<Way<'a>>, required: bool) -> Result<(BodyShape, Vec<Field>), String> {
    let mut ways = ways.into_iter();
    let Some(mut way) = ways.next() else { return Err("its body has no media type".to_owned()) };
    let mut whole = contained(context, &way)?;
    // Neither JSON nor a plain form can carry a file; where the document has parts too, they are taken.
    if matches!(way.encoding, BodyEncoding::Json | BodyEncoding::Form)
        && let Some(multipart) = ways.find(|way| way.encoding == BodyEncoding::Multipart)
        && takes_files(&whole)
    {
        way = multipart;
        whole = contained(context, &way)?;
    }
    let description = || whole.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (fields, wrapped) = match way.encoding {
        BodyEncoding::Text => {
            let schema = if whole.get("type").is_some() { whole.clone() } else { json!({ "type": "string" }) };
            (vec![field(Location::Body, "", required, schema, description(), Style::Json, false)], true)
        }
        BodyEncoding::File => {
            let mut field = field(Location::Body, "", required, whole.clone(), description(), Style::Json, false);
            let mut media_types = way.media_types;
            if media_types.iter().any(|name| matches!(name.as_str(), "*/*" | "application/octet-stream")) {
                media_types.clear();
            }
            form::make_file(&mut field, FileField { media_types, or_text: false });
            (vec![field], true)
        }
        BodyEncoding::Json | BodyEncoding::Form | BodyEncoding::Multipart => {
            let too_large = || format!("the fields of its body are larger than {} KiB", MAX_FIELD_BYTES / 1024);
            let (mut fields, wrapped) = fields(&whole, required).ok_or_else(too_large)?;
            if way.encoding != BodyEncoding::Json {
                let free = whole.get("type").is_none_or(|kind| kind == "object");
                if wrapped && !free {
                    return Err("the form that it takes names no fields".to_owned());
                }
                if let Some(media) = way.media.filter(|_| !wrapped) {
                    form::encode(media, way.encoding == BodyEncoding::Multipart, &mut fields);
                }
            }
            (fields, wrapped)
        }
    };
    let shape =
        BodyShape { media_type: way.media_type, required, whole_schema: whole, wrapped, encoding: way.encoding };
    Ok((shape, fields))
}

fn contained<'a>(context: &mut Context<'a>, way: &Way<'a>) -> Result<Value, String> {
    let whole = way.schema.map_or(Ok(json!({})), |schema| context.requests.contained(schema));
    whole.map_err(|error| format!("its body {}", error.reason()))
}

/// A property (or each item of one) is bytes.
fn takes_files(whole: &Value) -> bool {
    let defs = whole.get("$defs").and_then(Value::as_object);
    let is_file = |schema: &Value| form::is_binary(crate::schema::resolve_local(schema, defs));
    object_shape(whole, defs).is_some_and(|shape| {
        shape.properties.values().any(|property| is_file(property) || property.get("items").is_some_and(is_file))
    })
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
