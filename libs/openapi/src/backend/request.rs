//! An operation and its arguments to method, URL, headers and body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value};
use url::Url;

use super::{
    BackendConfig, auth, body,
    style::{self, Escape},
};
use crate::{
    guard,
    model::{Field, Files, Location, Operation, Problem, SecurityScheme, Style},
    refs::percent_decode,
};

/// Longest URL built; servers refuse longer ones.
pub(super) const MAX_URL_BYTES: usize = 8_000;
/// Longest text of all cookies together: most servers take 8 KiB of headers, and there are others.
const MAX_COOKIE_BYTES: usize = 4_096;

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
        /// [`crate::Field::key`].
        field: String,
        /// Why.
        reason: &'static str,
    },
    /// A file that is needed and was not given.
    #[error("no file is given for {field}")]
    NoFile {
        /// [`crate::Field::key`].
        field: String,
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
    /// As its `Content-Type` says.
    pub body: Option<Bytes>,
    /// Path with the names of its parameters, as the document has it: what telemetry may know of the URL.
    pub template: String,
    pub(super) credentials: Vec<auth::Chosen>,
}

pub(super) fn prepare(
    config: &BackendConfig,
    operation: &Operation,
    arguments: &Map<String, Value>,
    files: &Files,
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
    let mut headers = headers(config, operation, arguments)?;
    let body = match body::write(operation, arguments, files)? {
        Some((content_type, bytes)) => {
            headers.insert(header::CONTENT_TYPE, content_type);
            Some(bytes)
        }
        None => None,
    };
    let credentials = auth::choose(config, operation).map_err(PrepareError::Credentials)?;
    let template = operation.path.split(['?', '#']).next().unwrap_or_default().to_owned();
    Ok(Prepared { method, url, headers, body, template, credentials })
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
            let escape = if field.allow_reserved { Escape::Reserved } else { Escape::All };
            let own = own_pairs(operation, field, value, escape)?;
            pairs.extend(own.into_iter().map(|(name, value)| format!("{name}={value}")));
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
        if value.is_null() {
            return Err(bad("it is missing"));
        }
        let text = style::in_path(field, value).ok_or_else(|| unwritable(&key))?;
        if text.is_empty() || matches!(text.as_str(), "." | "..") {
            return Err(bad("it would change the path"));
        }
        path.push_str(&text);
        rest = after;
    }
    path.push_str(rest);
    Ok(path)
}

/// The pairs of a value in its style. An exploded object brings names of its own: none of them may take the place of
/// another field, whose value may be one that the caller must not choose, or of an API key.
pub(super) fn own_pairs(
    operation: &Operation,
    field: &Field,
    value: &Value,
    escape: Escape,
) -> Result<Vec<(String, String)>, PrepareError> {
    let own = style::pairs(field, value, escape).ok_or_else(|| unwritable(&field.key))?;
    if value.is_object() && field.explode && !matches!(field.style, Style::DeepObject | Style::Json) {
        let others = operation.fields.iter().filter(|other| other.location == field.location && other.key != field.key);
        let keys = operation.schemes.values().filter_map(|scheme| match scheme {
            SecurityScheme::ApiKey { name, .. } => Some(name),
            _ => None,
        });
        let mut taken = others.map(|other| &other.name).chain(keys);
        if taken.any(|name| own.iter().any(|(own, _)| percent_decode(own).eq_ignore_ascii_case(name))) {
            return Err(PrepareError::BadValue {
                field: field.key.clone(),
                reason: "one of its names is that of another parameter",
            });
        }
    }
    Ok(own)
}

/// The style has no form for lists or objects inside the value.
pub(super) fn unwritable(field: &str) -> PrepareError {
    PrepareError::BadValue { field: field.to_owned(), reason: "it holds lists or objects that its style can't write" }
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
                let text = style::in_header(field, value).ok_or_else(|| unwritable(&field.key))?;
                let (name, value) = self::header(&field.name, &text).ok_or_else(|| bad("a header can't hold it"))?;
                headers.insert(name, value);
            }
            Location::Cookie => {
                let escape = if field.style == Style::Cookie { Escape::Nothing } else { Escape::All };
                let own = own_pairs(operation, field, value, escape)?;
                if own.iter().any(|(name, value)| !is_cookie(name, value)) {
                    return Err(bad("a cookie can't hold it"));
                }
                cookies.extend(own.into_iter().map(|(name, value)| format!("{name}={value}")));
            }
            Location::Path | Location::Query | Location::Body => {}
        }
    }
    if !cookies.is_empty() {
        let bad = |reason| PrepareError::BadValue { field: String::new(), reason };
        let text = cookies.join("; ");
        if text.len() > MAX_COOKIE_BYTES {
            return Err(bad("the cookies would be too long"));
        }
        let text = HeaderValue::from_str(&text).map_err(|_| bad("a cookie can't hold it"))?;
        headers.insert(header::COOKIE, text);
    }
    // What configuration says comes last: no argument can take its place.
    if let Some((name, value)) = config.tenant_header.as_ref().and_then(|(name, value)| self::header(name, value)) {
        headers.insert(name, value);
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"));
    Ok(headers)
}

/// A header, when name and value can be one.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
}

/// Name and value of RFC 6265: nothing that ends a cookie. What is percent-encoded always is one; `,`, which
/// the style itself writes between items, is let through as browsers do.
fn is_cookie(name: &str, value: &str) -> bool {
    let fits = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\";\\".contains(&byte));
    !name.is_empty() && !name.contains('=') && fits(name) && fits(value)
}
