//! Media types: what they are called and which of them are JSON.

/// What a file of unknown kind is.
pub(crate) const ANY_BYTES: &str = "application/octet-stream";

/// `type/subtype` in lower case, without parameters.
pub(crate) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `type/subtype` of the characters of RFC 6838, of a length that is in use.
pub(crate) fn is_media_type(text: &str) -> bool {
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b));
    text.len() <= 100 && text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

/// `application/json` and its relatives, best first in rank; `None` for others.
pub(crate) fn json_rank(media_type: &str) -> Option<u8> {
    let essence = essence(media_type);
    match essence.as_str() {
        "application/json" => Some(0),
        "application/merge-patch+json" => Some(1),
        "application/*+json" | "application/*" | "*/*" | "text/json" => Some(3),
        _ if essence.ends_with("+json") && !essence.contains("json-patch") => Some(2),
        _ if essence.ends_with("+json") => Some(4),
        _ => None,
    }
}

/// A media type of JSON and of nothing else.
pub(crate) fn is_json(media_type: &str) -> bool {
    !media_type.contains(['*', ',']) && json_rank(media_type).is_some()
}

/// A media type that a person can read: text, JSON or XML.
pub(crate) fn is_readable(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence.starts_with("text/") || is_json(&essence) || essence.ends_with("/xml") || essence.ends_with("+xml")
}

/// Lower case without parameters; `image/jpg`, which many documents write, is `image/jpeg`.
pub(crate) fn canonical(media_type: &str) -> String {
    let essence = essence(media_type);
    if essence == "image/jpg" { "image/jpeg".to_owned() } else { essence }
}

/// Whether a media type is the one that is wanted, or of the wanted family.
pub(crate) fn is_wanted(wanted: &str, own: &str) -> bool {
    let (wanted, own) = (canonical(wanted), canonical(own));
    match wanted.strip_suffix('*') {
        Some("*/") => true,
        Some(family) => own.starts_with(family),
        None => wanted == own || wanted == ANY_BYTES,
    }
}
