//! Path, query, header and cookie parameters to fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Context, Dialect};
use crate::{
    media::json_rank,
    model::{Field, KeyLocation, Location, SecurityScheme, Style},
    refs::At,
    schema::{Shape, object_shape},
    text,
};

/// Headers that a parameter may not set: they belong to HTTP or to the credentials.
const RESERVED_HEADERS: [&str; 10] = [
    "accept",
    "content-type",
    "content-length",
    "host",
    "connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "cookie",
    "user-agent",
];
const MAX_PARAMETERS: usize = 500;

/// What the parameters of one operation gave.
#[derive(Default)]
pub(super) struct Parameters<'a> {
    pub fields: Vec<Field>,
    /// Swagger 2.0: the body parameter.
    pub body: Option<At<'a>>,
    /// Swagger 2.0: the form parameters in their order.
    pub form: Vec<At<'a>>,
    /// An `Idempotency-Key` header is declared.
    pub keyed: bool,
    /// Parameters that are credentials by their name: configuration gives them, not a person.
    pub secrets: BTreeMap<String, (SecurityScheme, bool)>,
}

pub(super) fn read<'a>(
    context: &mut Context<'a>,
    id: &str,
    path: &str,
    item: At<'a>,
    at: At<'a>,
    problems: &mut Vec<String>,
) -> Parameters<'a> {
    let mut merged: Vec<(String, At<'a>)> = Vec::new();
    for list in [item, at] {
        for parameter in
            list.value.get("parameters").and_then(Value::as_array).into_iter().flatten().take(MAX_PARAMETERS)
        {
            match context.files.deref(list.with(parameter)) {
                Ok(parameter) => {
                    let key = format!(
                        "{}:{}",
                        parameter.text("in").unwrap_or_default(),
                        parameter.text("name").unwrap_or_default()
                    );
                    match merged.iter_mut().find(|(known, _)| *known == key) {
                        Some(known) => known.1 = parameter,
                        None => merged.push((key, parameter)),
                    }
                }
                Err(reference) => problems.push(format!("a parameter refers to `{reference}`, which leads nowhere")),
            }
        }
    }
    let mut out = Parameters::default();
    for (_, parameter) in merged {
        one(context, id, path, parameter, &mut out, problems);
    }
    for name in template_names(path) {
        let key = format!("path:{name}");
        if !out.fields.iter().any(|field| field.key == key) {
            let schema = json!({ "type": "string", "minLength": 1 });
            out.fields.push(field(Location::Path, name, true, schema, String::new(), Style::Simple, false));
        }
    }
    out
}

/// The names in braces of a path template.
pub(crate) fn template_names(path: &str) -> Vec<&str> {
    let path = path.split('#').next().unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    for part in path.split('{').skip(1) {
        if let Some((name, _)) = part.split_once('}')
            && !name.is_empty()
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn one<'a>(
    context: &mut Context<'a>,
    id: &str,
    path: &str,
    parameter: At<'a>,
    out: &mut Parameters<'a>,
    problems: &mut Vec<String>,
) {
    let name = parameter.text("name").unwrap_or_default();
    let required = parameter.value.get("required") == Some(&Value::Bool(true));
    let location = match parameter.text("in") {
        Some("path") => Location::Path,
        Some("query") => Location::Query,
        Some("header") => Location::Header,
        Some("cookie") => Location::Cookie,
        Some("body") if context.dialect == Dialect::Two => {
            out.body = Some(parameter);
            return;
        }
        Some("formData") if context.dialect == Dialect::Two => {
            out.form.push(parameter);
            return;
        }
        other if required && context.dialect == Dialect::Three => {
            problems.push(format!("parameter `{name}` is in {}, which is not supported", other.unwrap_or("no place")));
            return;
        }
        other => {
            context.warn(|| format!("{id}: parameter {name:?} in {other:?} was left out"));
            return;
        }
    };
    if name.is_empty() || !is_supplied_by_a_person(context, location, name, required, out) {
        return;
    }
    if location == Location::Path && !template_names(path).contains(&name) {
        context.warn(|| format!("{id}: path parameter {name:?} is not in the path and was left out"));
        return;
    }
    let required = required || location == Location::Path;
    let given = match schema_and_style(context, parameter, location) {
        Ok(given) => given,
        Err(reason) if required => {
            problems.push(format!("parameter `{name}` {reason}"));
            return;
        }
        Err(reason) => {
            context.warn(|| format!("{id}: optional parameter {name:?} was left out: it {reason}"));
            return;
        }
    };
    let Given { mut schema, style, explode } = given;
    let examples = crate::schema::examples(parameter.value);
    if let (false, Value::Object(map)) = (examples.is_empty(), &mut schema) {
        map.entry("examples").or_insert(Value::Array(examples));
    }
    let description = description(parameter, &schema);
    let mut field = field(location, name, required, schema, description, style, explode);
    field.allow_reserved =
        location == Location::Query && parameter.value.get("allowReserved") == Some(&Value::Bool(true));
    out.fields.push(field);
}

/// The parameter's own description, else its schema's.
pub(super) fn description(parameter: At<'_>, schema: &Value) -> String {
    let own = parameter.text("description").map(|text| text::plain(text, 500)).filter(|text| !text.is_empty());
    own.or_else(|| schema.get("description").and_then(Value::as_str).map(str::to_owned)).unwrap_or_default()
}

/// False for what HTTP, configuration or the worker supplies; credentials and keys are noted on the way.
fn is_supplied_by_a_person(
    context: &Context<'_>,
    location: Location,
    name: &str,
    required: bool,
    out: &mut Parameters<'_>,
) -> bool {
    let lower = name.to_ascii_lowercase();
    if location == Location::Header {
        if lower == "idempotency-key" {
            out.keyed = true;
            return false;
        }
        if RESERVED_HEADERS.contains(&lower.as_str())
            || context.options.supplied.iter().any(|own| own.eq_ignore_ascii_case(name))
        {
            return false;
        }
    }
    if let Some(location) = secret_location(location, &lower) {
        let scheme = SecurityScheme::ApiKey { location, name: name.to_owned() };
        out.secrets.insert(name.to_owned(), (scheme, required));
        return false;
    }
    true
}

fn secret_location(location: Location, lower: &str) -> Option<KeyLocation> {
    let plain: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_key =
        ["apikey", "accesstoken", "authtoken", "appkey", "userkey", "applicationkey", "secretkey", "subscriptionkey"]
            .iter()
            .any(|end| plain.ends_with(end));
    match location {
        Location::Header if is_key || plain == "authorization" || plain == "token" => Some(KeyLocation::Header),
        Location::Query if matches!(plain.as_str(), "apikey" | "accesstoken") => Some(KeyLocation::Query),
        _ => None,
    }
}

/// The schema of a value and how it is written.
pub(super) struct Given {
    pub schema: Value,
    pub style: Style,
    pub explode: bool,
}

/// What is said of a parameter; `Err` ends the sentence "parameter x ...".
pub(super) fn schema_and_style<'a>(
    context: &mut Context<'a>,
    parameter: At<'a>,
    location: Location,
) -> Result<Given, String> {
    if let Some(content) = parameter.get("content") {
        let media = content.value.as_object().and_then(|types| types.iter().next());
        let Some((name, value)) = media else { return Err("has an empty `content`".to_owned()) };
        let style = match json_rank(name) {
            Some(_) => Style::Json,
            None if name.starts_with("text/") => default_style(location),
            None => return Err(format!("is written as {name}, which is not supported")),
        };
        let schema = content.with(value).get("schema").map_or(Ok(json!({})), |at| context.requests.contained(at));
        return Ok(Given { schema: schema.map_err(|error| error.reason())?, style, explode: false });
    }
    let at = match context.dialect {
        Dialect::Two => parameter,
        Dialect::Three => parameter.get("schema").unwrap_or(parameter.with(&Value::Bool(true))),
    };
    let mut schema = context.requests.contained(at).map_err(|error| error.reason())?;
    if let Value::Object(map) = &mut schema
        && context.dialect == Dialect::Two
    {
        map.shift_remove("description");
    }
    if schema == Value::Bool(true) {
        schema = Value::Object(Map::new());
    }
    let many = may_be(&schema, "array") || may_be(&schema, "object") || object_shape(&schema, None).is_some();
    let (style, explode) = style(context.dialect, parameter, location)
        .map_err(|style| format!("is written in style {style}, which is not supported"))?;
    if location == Location::Path
        && let Value::Object(map) = &mut schema
        && map.get("type").is_some_and(|kind| kind == "string")
    {
        map.entry("minLength").or_insert(json!(1));
    }
    // A query of nested values has no agreed form; only their JSON text is sure, and nobody asked for that.
    if many && style != Style::DeepObject && has_nested(&schema) {
        return Err("holds lists or objects in others, which its style can't write".to_owned());
    }
    Ok(Given { schema, style, explode })
}

fn default_style(location: Location) -> Style {
    match location {
        Location::Path | Location::Header => Style::Simple,
        Location::Query | Location::Cookie | Location::Body => Style::Form,
    }
}

fn may_be(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(own)) => own == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|own| own == kind),
        _ => false,
    }
}

fn has_nested(schema: &Value) -> bool {
    let is_object = |value: &Value| may_be(value, "object");
    schema.get("items").is_some_and(|items| is_object(items) || may_be(items, "array"))
        || object_shape(schema, schema.get("$defs").and_then(Value::as_object))
            .is_some_and(|Shape { properties, .. }| properties.values().any(is_object))
}

fn style(dialect: Dialect, parameter: At<'_>, location: Location) -> Result<(Style, bool), String> {
    let default = default_style(location);
    if dialect == Dialect::Two {
        return Ok(match parameter.text("collectionFormat").unwrap_or("csv") {
            "csv" => (default, false),
            "multi" if default == Style::Form => (Style::Form, true),
            "ssv" => (Style::SpaceDelimited, false),
            "tsv" => (Style::TabDelimited, false),
            "pipes" => (Style::PipeDelimited, false),
            other => return Err(other.to_owned()),
        });
    }
    let name = parameter.text("style");
    let style = match name {
        None => default,
        Some(name) => named_style(name).filter(|style| fits(*style, location)).ok_or(name)?,
    };
    let explode = parameter.value.get("explode").and_then(Value::as_bool);
    Ok((style, explode.unwrap_or(matches!(style, Style::Form | Style::Cookie))))
}

/// The style of this name in OpenAPI 3.
pub(super) fn named_style(name: &str) -> Option<Style> {
    Some(match name {
        "simple" => Style::Simple,
        "label" => Style::Label,
        "matrix" => Style::Matrix,
        "form" => Style::Form,
        "spaceDelimited" => Style::SpaceDelimited,
        "pipeDelimited" => Style::PipeDelimited,
        "deepObject" => Style::DeepObject,
        "cookie" => Style::Cookie,
        _ => return None,
    })
}

/// The table of the specification; `spaceDelimited` and the like are also seen on headers and paths of converted
/// Swagger documents, where they read as they did there.
fn fits(style: Style, location: Location) -> bool {
    let joined = matches!(style, Style::SpaceDelimited | Style::PipeDelimited);
    match location {
        Location::Path => joined || matches!(style, Style::Simple | Style::Label | Style::Matrix),
        Location::Header => joined || style == Style::Simple,
        Location::Query | Location::Body => joined || matches!(style, Style::Form | Style::DeepObject),
        Location::Cookie => matches!(style, Style::Form | Style::Cookie),
    }
}

pub(super) fn field(
    location: Location,
    name: &str,
    required: bool,
    schema: Value,
    description: String,
    style: Style,
    explode: bool,
) -> Field {
    let schema = if schema.is_object() { schema } else { json!({}) };
    Field {
        key: format!("{}:{name}", location.as_str()),
        name: name.to_owned(),
        location,
        required,
        schema,
        description,
        style,
        explode,
        allow_reserved: false,
        part_type: None,
        file: None,
    }
}
