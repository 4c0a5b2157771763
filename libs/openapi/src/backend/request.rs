//! An operation and its arguments to method, URL, headers and body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value};
use url::Url;

use super::{BackendConfig, auth};
use crate::{
    guard,
    model::{Field, Location, Operation, Problem, Style},
    schema::scalar_text,
};

/// Longest URL built; servers refuse longer ones.
const MAX_URL_BYTES: usize = 8_000;

/// Why a call can't be built.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum PrepareError {
    /// The operation says why it can't be called.
    #[error("{0}")]
    NotCallable(String),
    /// Arguments that do not fit.
    #[error("{} argument(s) do not fit", .0.len())]
    Problems(Vec<Problem>),
    /// A value that can't be written into its place.
    #[error("the value of {field} can't be sent: {reason}")]
    BadValue {
        /// [`Field::key`].
        field: String,
        /// Why.
        reason: &'static str,
    },
    /// Neither configuration nor document says where the backend is.
    #[error("the document names no server; configure the backend's URL")]
    NoServer,
    /// An address that may not be called.
    #[error("the backend can't be called: {0}")]
    Refused(String),
    /// No fitting credential is configured.
    #[error("{0}")]
    Credentials(String),
}

/// A request without its secrets, which are added when it is sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// HTTP method.
    pub method: Method,
    /// Without API keys.
    pub url: Url,
    /// Without credentials.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Option<Bytes>,
    pub(super) credentials: Vec<auth::Chosen>,
}

pub(super) fn prepare(
    config: &BackendConfig,
    operation: &Operation,
    arguments: &Map<String, Value>,
) -> Result<Prepared, PrepareError> {
    if let Some(reason) = &operation.not_callable {
        return Err(PrepareError::NotCallable(reason.clone()));
    }
    let problems = operation.check(arguments);
    if !problems.is_empty() {
        return Err(PrepareError::Problems(problems));
    }
    let method = Method::from_bytes(operation.method.as_bytes())
        .map_err(|_| PrepareError::NotCallable("unknown method".to_owned()))?;
    let base = base_url(config, operation)?;
    guard::check_url(&base, config.allow_private_hosts)
        .map_err(|refused| PrepareError::Refused(refused.to_string()))?;
    let url = url(&base, operation, arguments)?;
    let headers = headers(config, operation, arguments)?;
    let body = operation.body_of(arguments).map(|body| Bytes::from(body.to_string()));
    let credentials = auth::choose(config, operation).map_err(PrepareError::Credentials)?;
    Ok(Prepared { method, url, headers, body, credentials })
}

fn base_url(config: &BackendConfig, operation: &Operation) -> Result<Url, PrepareError> {
    if let Some(url) = &config.base_url {
        return Ok(url.clone());
    }
    let web = |text: &String| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    operation.servers.iter().find_map(web).ok_or(PrepareError::NoServer)
}

fn url(base: &Url, operation: &Operation, arguments: &Map<String, Value>) -> Result<Url, PrepareError> {
    let template = operation.path.split('#').next().unwrap_or_default();
    let (template, fixed_query) = template.split_once('?').unwrap_or((template, ""));
    let path = path(template, operation, arguments)?;
    let mut pairs: Vec<String> = base
        .query()
        .into_iter()
        .chain(Some(fixed_query))
        .filter(|query| !query.is_empty())
        .map(str::to_owned)
        .collect();
    for field in operation.fields.iter().filter(|field| field.location == Location::Query) {
        if let Some(value) = arguments.get(&field.key) {
            query_pairs(field, value, &mut pairs)?;
        }
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let origin = base.origin();
    let full = format!("{}{}{slash}{path}", origin.ascii_serialization(), base.path().trim_end_matches('/'));
    let mut url = Url::parse(&full).map_err(|_| PrepareError::Refused("its URL is not valid".to_owned()))?;
    url.set_query(Some(pairs.join("&").as_str()).filter(|query| !query.is_empty()));
    // Holds by construction; a host from anywhere but configuration and document would be an open door.
    if url.origin() != origin || !url.username().is_empty() {
        return Err(PrepareError::Refused("its URL leaves the backend".to_owned()));
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(PrepareError::BadValue { field: String::new(), reason: "the URL would be too long" });
    }
    Ok(url)
}

fn path(template: &str, operation: &Operation, arguments: &Map<String, Value>) -> Result<String, PrepareError> {
    let mut path = String::new();
    let mut rest = template;
    while let Some((fixed, after)) = rest.split_once('{') {
        path.push_str(fixed);
        let Some((name, after)) = after.split_once('}') else {
            path.push_str("%7B");
            rest = after;
            continue;
        };
        let key = format!("path:{name}");
        let bad = |reason| PrepareError::BadValue { field: key.clone(), reason };
        let (field, value) = operation.field(&key).zip(arguments.get(&key)).ok_or_else(|| bad("it is missing"))?;
        let text = simple(field, value).ok_or_else(|| bad("it holds objects in lists"))?;
        if text.is_empty() || matches!(text.as_str(), "." | "..") {
            return Err(bad("it would change the path"));
        }
        path.push_str(&text);
        rest = after;
    }
    path.push_str(rest);
    Ok(path)
}

/// `a,b` and `k,v` (or `k=v` with explode), each part percent-encoded.
fn simple(field: &Field, value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => join(items.iter(), ","),
        Value::Object(map) => {
            let between = if field.explode { "=" } else { "," };
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| Some(format!("{}{between}{}", encode(key), scalar(value)?)))
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.join(","))
        }
        _ => scalar(value),
    }
}

fn join<'v>(items: impl Iterator<Item = &'v Value>, between: &str) -> Option<String> {
    items.map(scalar).collect::<Option<Vec<_>>>().map(|parts| parts.join(between))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) => None,
        Value::Null => Some(String::new()),
        _ => Some(encode(&scalar_text(value))),
    }
}

fn query_pairs(field: &Field, value: &Value, pairs: &mut Vec<String>) -> Result<(), PrepareError> {
    let bad = || PrepareError::BadValue {
        field: field.key.clone(),
        reason: "it holds lists or objects that its style can't write",
    };
    let name = encode(&field.name);
    if value.is_null() {
        return Ok(());
    }
    if field.style == Style::Json {
        pairs.push(format!("{name}={}", encode(&value.to_string())));
        return Ok(());
    }
    match value {
        Value::Array(items) if field.style == Style::DeepObject || field.explode && field.style == Style::Form => {
            for item in items {
                pairs.push(format!("{name}={}", scalar(item).ok_or_else(bad)?));
            }
        }
        Value::Array(items) => {
            let between = match field.style {
                Style::SpaceDelimited => "%20",
                Style::PipeDelimited => "%7C",
                _ => ",",
            };
            pairs.push(format!("{name}={}", join(items.iter(), between).ok_or_else(bad)?));
        }
        Value::Object(map) if field.style == Style::DeepObject => deep(&name, map, 0, pairs).ok_or_else(bad)?,
        Value::Object(map) if field.explode => {
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                pairs.push(format!("{}={}", encode(key), scalar(value).ok_or_else(bad)?));
            }
        }
        Value::Object(_) => pairs.push(format!("{name}={}", simple(field, value).ok_or_else(bad)?)),
        _ => pairs.push(format!("{name}={}", scalar(value).ok_or_else(bad)?)),
    }
    Ok(())
}

/// `k[p]=v`, `k[p][q]=v`; lists repeat their pair.
fn deep(prefix: &str, map: &Map<String, Value>, depth: usize, pairs: &mut Vec<String>) -> Option<()> {
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let name = format!("{prefix}%5B{}%5D", encode(key));
        match value {
            Value::Object(inner) if depth < 8 => deep(&name, inner, depth + 1, pairs)?,
            Value::Array(items) => {
                for item in items {
                    pairs.push(format!("{name}={}", scalar(item)?));
                }
            }
            _ => pairs.push(format!("{name}={}", scalar(value)?)),
        }
    }
    Some(())
}

fn headers(
    config: &BackendConfig,
    operation: &Operation,
    arguments: &Map<String, Value>,
) -> Result<HeaderMap, PrepareError> {
    let mut headers = HeaderMap::new();
    let mut cookies = Vec::new();
    for field in &operation.fields {
        let Some(value) = arguments.get(&field.key).filter(|value| !value.is_null()) else { continue };
        let bad = |reason| PrepareError::BadValue { field: field.key.clone(), reason };
        match field.location {
            Location::Header => {
                let text = match value {
                    _ if field.style == Style::Json => value.to_string(),
                    Value::Array(items) => items.iter().map(scalar_text).collect::<Vec<_>>().join(","),
                    Value::Object(_) => simple(field, value).ok_or_else(|| bad("it holds objects in lists"))?,
                    _ => scalar_text(value),
                };
                let (name, value) = self::header(&field.name, &text).ok_or_else(|| bad("a header can't hold it"))?;
                headers.insert(name, value);
            }
            Location::Cookie => {
                let text = if field.style == Style::Json {
                    encode(&value.to_string())
                } else {
                    scalar(value).ok_or_else(|| bad("a cookie can't hold it"))?
                };
                cookies.push(format!("{}={text}", encode(&field.name)));
            }
            Location::Path | Location::Query | Location::Body => {}
        }
    }
    if !cookies.is_empty()
        && let Ok(value) = HeaderValue::from_str(&cookies.join("; "))
    {
        headers.insert(header::COOKIE, value);
    }
    // What configuration says comes last: no argument can take its place.
    if let Some((name, value)) = config.tenant_header.as_ref().and_then(|(name, value)| self::header(name, value)) {
        headers.insert(name, value);
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"));
    if let Some(body) = operation.body.as_ref().filter(|_| operation.body_of(arguments).is_some()) {
        let media_type =
            HeaderValue::from_str(&body.media_type).unwrap_or(HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    Ok(headers)
}

/// A header, when name and value can be one.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
