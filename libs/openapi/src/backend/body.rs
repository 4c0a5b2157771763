//! The body of a request: JSON, a form, parts, a text or a file.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    request::{PrepareError, own_pairs},
    style::{self, Escape},
};
use crate::{
    media::{ANY_BYTES, canonical, is_json, is_media_type},
    model::{BodyEncoding, BodyShape, Field, File, Files, Location, Operation, Style},
    schema::scalar_text,
};

/// Largest body built: what a Telegram bot may fetch (20 MB). It is kept in memory while the call lasts.
const MAX_BODY_BYTES: usize = 20 * 1024 * 1024;
/// Longest file name sent, in characters; file systems end at 255 bytes.
const MAX_NAME_CHARS: usize = 100;

/// `Content-Type` and bytes; `None` when no body is to be sent.
pub(super) fn write(
    operation: &Operation,
    arguments: &Map<String, Value>,
    files: &Files,
) -> Result<Option<(HeaderValue, Bytes)>, PrepareError> {
    let (Some(shape), Some(value)) = (&operation.body, operation.body_of(arguments)) else { return Ok(None) };
    let (content_type, bytes) = match shape.encoding {
        BodyEncoding::Json => (shape.media_type.clone(), Bytes::from(value.to_string())),
        BodyEncoding::Text => (text_type(&shape.media_type), Bytes::from(scalar_text(&value))),
        BodyEncoding::File => {
            let file = the_file(operation, &value, files)?;
            let own = shape.media_type.contains('*') || shape.media_type == ANY_BYTES;
            (if own { media_type(file) } else { shape.media_type.clone() }, file.content.clone())
        }
        BodyEncoding::Form => {
            let mut pairs = Vec::new();
            for (name, field, value) in members(operation, shape, arguments, &value)? {
                pairs.extend(form_pairs(operation, name, field, value, Escape::All)?);
            }
            let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            (shape.media_type.clone(), Bytes::from(pairs.join("&")))
        }
        BodyEncoding::Multipart => {
            let mut parts = Vec::new();
            for (name, field, value) in members(operation, shape, arguments, &value)? {
                add_parts(operation, name, field, value, files, &mut parts)?;
            }
            multipart(&parts)?
        }
    };
    if bytes.len() > MAX_BODY_BYTES {
        return Err(too_large());
    }
    let content_type = HeaderValue::from_str(&content_type).map_err(|_| PrepareError::BadValue {
        field: "body:".to_owned(),
        reason: "its media type is no header value",
    })?;
    Ok(Some((content_type, bytes)))
}

fn too_large() -> PrepareError {
    PrepareError::BadValue { field: "body:".to_owned(), reason: "the body is larger than 20 MiB" }
}

/// One member of a form: its name, its field where it has one of its own, its value.
type Member<'a> = (&'a str, Option<&'a Field>, &'a Value);

/// The members of a form in the order of the document, or those of the free object that it is.
fn members<'a>(
    operation: &'a Operation,
    shape: &BodyShape,
    arguments: &'a Map<String, Value>,
    whole: &'a Value,
) -> Result<Vec<Member<'a>>, PrepareError> {
    if shape.wrapped {
        let map = whole.as_object().ok_or_else(|| PrepareError::BadValue {
            field: "body:".to_owned(),
            reason: "a form is an object of named values",
        })?;
        return Ok(map.iter().map(|(name, value)| (name.as_str(), None, value)).collect());
    }
    let given = |field: &'a Field| Some((field.name.as_str(), Some(field), arguments.get(&field.key)?));
    Ok(operation.fields.iter().filter(|field| field.location == Location::Body).filter_map(given).collect())
}

/// The value of a form member as name and text, once or more often.
fn form_pairs(
    operation: &Operation,
    name: &str,
    field: Option<&Field>,
    value: &Value,
    escape: Escape,
) -> Result<Vec<(String, String)>, PrepareError> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let Some(field) = field else { return Ok(style::plain_pairs(name, value, escape)) };
    let escape = if field.allow_reserved && escape == Escape::All { Escape::Reserved } else { escape };
    if field.style != Style::Json {
        return own_pairs(operation, field, value, escape);
    }
    if field.part_type.as_deref().is_some_and(is_json) {
        let text = Value::String(value.to_string());
        return Ok(style::plain_pairs(name, &text, escape));
    }
    Ok(style::plain_pairs(name, value, escape))
}

/// One part of a multipart body.
struct Part {
    name: String,
    file_name: Option<String>,
    media_type: Option<String>,
    content: Bytes,
}

fn add_parts(
    operation: &Operation,
    name: &str,
    field: Option<&Field>,
    value: &Value,
    files: &Files,
    parts: &mut Vec<Part>,
) -> Result<(), PrepareError> {
    if let Some(field) = field.filter(|field| field.file.is_some()) {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            Value::Null => &[],
            one => std::slice::from_ref(one),
        };
        for item in items {
            parts.push(file_part(name, field, item, files)?);
        }
        return Ok(());
    }
    let declared = field.and_then(|field| field.part_type.clone()).filter(|kind| !kind.contains(['*', ',']));
    let has_style = field.is_some_and(|field| field.style != Style::Json);
    // Objects are JSON unless the document says otherwise; a plain value needs no type (RFC 7578: text/plain).
    let by_default = |value: &Value| !has_style && (value.is_object() || value.is_array());
    let items = match value {
        Value::Array(items) if !has_style && declared.is_none() => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    for item in items {
        let media_type = declared.clone().or_else(|| by_default(item).then(|| "application/json".to_owned()));
        for (name, text) in form_pairs(operation, name, field, item, Escape::Nothing)? {
            parts.push(Part { name, file_name: None, media_type: media_type.clone(), content: Bytes::from(text) });
        }
    }
    Ok(())
}

fn file_part(name: &str, field: &Field, value: &Value, files: &Files) -> Result<Part, PrepareError> {
    let takes = field.file.clone().unwrap_or_default();
    let text = scalar_text(value);
    let Some(file) = files.get(&text) else {
        if !takes.or_text {
            return Err(PrepareError::NoFile { field: field.key.clone() });
        }
        return Ok(Part { name: name.to_owned(), file_name: None, media_type: None, content: Bytes::from(text) });
    };
    check_type(field, file)?;
    Ok(Part {
        name: name.to_owned(),
        file_name: Some(file_name(file)),
        media_type: Some(media_type(file)),
        content: file.content.clone(),
    })
}

/// The file that is the whole body.
fn the_file<'f>(operation: &Operation, value: &Value, files: &'f Files) -> Result<&'f File, PrepareError> {
    let missing = || PrepareError::NoFile { field: "body:".to_owned() };
    let field = operation.field("body:").ok_or_else(missing)?;
    let file = value.as_str().and_then(|reference| files.get(reference)).ok_or_else(missing)?;
    check_type(field, file)?;
    Ok(file)
}

/// A type that the document does not name would be refused by the backend, with less to say.
fn check_type(field: &Field, file: &File) -> Result<(), PrepareError> {
    let own = media_type(file);
    if own == ANY_BYTES || field.file.as_ref().is_none_or(|takes| takes.takes(&own)) {
        return Ok(());
    }
    Err(PrepareError::BadValue { field: field.key.clone(), reason: "the backend does not take this kind of file" })
}

/// The file's own type where it is one.
fn media_type(file: &File) -> String {
    let own = canonical(&file.media_type);
    if is_media_type(&own) { own } else { ANY_BYTES.to_owned() }
}

/// The name sent with a file: without folders and control characters, made up where there is none.
fn file_name(file: &File) -> String {
    let own = file.name.as_deref().and_then(clean_name);
    own.unwrap_or_else(|| {
        let media_type = media_type(file);
        let subtype = media_type.split_once('/').map_or("", |(_, subtype)| subtype);
        match subtype {
            "octet-stream" | "" => "file".to_owned(),
            "jpeg" => "file.jpg".to_owned(),
            "plain" => "file.txt".to_owned(),
            short if short.len() <= 5 && short.bytes().all(|b| b.is_ascii_alphanumeric()) => format!("file.{short}"),
            _ => "file".to_owned(),
        }
    })
}

/// The last part of a path without what could hide its kind (control characters, changes of direction).
pub(super) fn clean_name(name: &str) -> Option<String> {
    let hides = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !hides(c)).collect();
    let clean = clean.trim();
    if clean.is_empty() || clean.chars().all(|c| c == '.') {
        return None;
    }
    let count = clean.chars().count();
    // The end holds the kind of file.
    Some(clean.chars().skip(count.saturating_sub(MAX_NAME_CHARS)).collect())
}

/// Content type and bytes (RFC 7578); names are escaped as browsers do.
fn multipart(parts: &[Part]) -> Result<(String, Bytes), PrepareError> {
    let size: usize = parts.iter().map(|part| part.content.len()).sum();
    if size > MAX_BODY_BYTES {
        return Err(too_large());
    }
    // The boundary depends on all that it parts, so nobody can write it into a value beforehand.
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.name.len().to_le_bytes());
        digest.update(part.name.as_bytes());
        digest.update(part.content.len().to_le_bytes());
        digest.update(&part.content);
    }
    let boundary = format!("dragoman-{}", &hex::encode(digest.finalize())[..32]);
    let quoted = |text: &str| text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let mut out = Vec::with_capacity(size + parts.len() * 200 + 64);
    for part in parts {
        out.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&part.name)).as_bytes(),
        );
        if let Some(name) = &part.file_name {
            out.extend_from_slice(format!("; filename=\"{}\"", quoted(name)).as_bytes());
        }
        if let Some(media_type) = part.media_type.as_deref().filter(|text| !text.contains(['\r', '\n'])) {
            out.extend_from_slice(format!("\r\nContent-Type: {media_type}").as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&part.content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary={boundary}"), Bytes::from(out)))
}

fn text_type(media_type: &str) -> String {
    if media_type.contains(';') { media_type.to_owned() } else { format!("{media_type}; charset=utf-8") }
}
