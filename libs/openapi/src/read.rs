//! Bytes to parsed files: gzip, tar, JSON and YAML, each within limits.

use std::{collections::BTreeMap, io::Read};

use serde_json::Value;
use url::Url;

use crate::import::ImportError;

/// Most bytes after unpacking, over all files.
pub(crate) const MAX_UNPACKED_BYTES: u64 = 32 * 1024 * 1024;
/// Most files in one document.
pub(crate) const MAX_FILES: usize = 5_000;
/// Marks the JSON bundle that [`crate::fetch`] makes of a document with remote parts.
pub(crate) const BUNDLE_KEY: &str = "x-openapi-bundle";
/// Stands for the address of a document that came without one.
const NO_ADDRESS: &str = "memory:///document";

/// Most YAML events that aliases may repeat. Documents that are written by hand repeat some thousands; the events of
/// a "billion laughs" cost a microsecond each until this stops them.
const MAX_REPLAYED: usize = 200_000;

/// The files of a document by absolute address.
#[derive(Debug)]
pub(crate) struct Files {
    pub root: String,
    pub files: BTreeMap<String, Value>,
    pub warnings: Vec<String>,
}

/// Unpacks and parses; `source_url` is the address of a single file.
pub(crate) fn read(content: &[u8], source_url: Option<&Url>) -> Result<Files, ImportError> {
    let unpacked = gunzip(content)?;
    let bytes = unpacked.as_deref().unwrap_or(content);
    if bytes.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(ImportError::TooLarge { limit_bytes: MAX_UNPACKED_BYTES });
    }
    if is_tar(bytes) {
        return read_tar(bytes);
    }
    let mut value = parse(bytes).map_err(ImportError::Unreadable)?;
    if let Some(bundle) = value.get_mut(BUNDLE_KEY).map(Value::take) {
        return read_bundle(bundle);
    }
    let root = source_url.map_or_else(|| NO_ADDRESS.to_owned(), |url| without_fragment(url.clone()));
    Ok(Files { files: BTreeMap::from([(root.clone(), value)]), root, warnings: Vec::new() })
}

/// The address without its fragment.
pub(crate) fn without_fragment(mut url: Url) -> String {
    url.set_fragment(None);
    url.into()
}

fn gunzip(content: &[u8]) -> Result<Option<Vec<u8>>, ImportError> {
    if !content.starts_with(&[0x1f, 0x8b]) {
        return Ok(None);
    }
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(content)
        .take(MAX_UNPACKED_BYTES + 1)
        .read_to_end(&mut out)
        .map_err(|error| ImportError::Unreadable(format!("not a whole gzip file: {error}")))?;
    if out.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(ImportError::TooLarge { limit_bytes: MAX_UNPACKED_BYTES });
    }
    Ok(Some(out))
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.len() >= 512 && &bytes[257..262] == b"ustar"
}

fn read_tar(bytes: &[u8]) -> Result<Files, ImportError> {
    let mut files = BTreeMap::new();
    let mut warnings = Vec::new();
    let unreadable = |error: std::io::Error| ImportError::Unreadable(format!("not a whole tar file: {error}"));
    let mut archive = tar::Archive::new(bytes);
    for (count, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        if count >= MAX_FILES {
            return Err(ImportError::TooManyFiles { limit: MAX_FILES });
        }
        let mut entry = entry.map_err(unreadable)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).replace('\\', "/");
        let file_name = name.rsplit('/').next().unwrap_or_default();
        let known = [".json", ".yaml", ".yml"].iter().any(|end| file_name.ends_with(end));
        if !known || file_name.starts_with("._") {
            continue;
        }
        let mut text = Vec::new();
        entry.by_ref().take(MAX_UNPACKED_BYTES).read_to_end(&mut text).map_err(unreadable)?;
        match parse(&text) {
            Ok(value) => {
                if let Ok(url) = tar_address(&name) {
                    files.insert(url, value);
                }
            }
            Err(reason) => warnings.push(format!("{name} was left out: {reason}")),
        }
    }
    let root = files
        .iter()
        .filter(|(_, value)| is_document(value))
        .map(|(name, _)| name)
        .min_by_key(|name| (name.matches('/').count(), name.len(), (*name).clone()))
        .cloned()
        .ok_or(ImportError::NoDocument)?;
    Ok(Files { root, files, warnings })
}

fn tar_address(name: &str) -> Result<String, url::ParseError> {
    Url::parse("tar:///")?.join(&name.trim_start_matches("./").replace('#', "%23")).map(Url::into)
}

fn is_document(value: &Value) -> bool {
    value.is_object() && (value.get("openapi").is_some() || value.get("swagger").is_some())
}

fn read_bundle(mut bundle: Value) -> Result<Files, ImportError> {
    let root = bundle.get("root").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(Value::Object(parts)) = bundle.get_mut("files").map(Value::take) else {
        return Err(ImportError::NoDocument);
    };
    let files: BTreeMap<String, Value> = parts.into_iter().collect();
    if files.len() > MAX_FILES {
        return Err(ImportError::TooManyFiles { limit: MAX_FILES });
    }
    if !files.contains_key(&root) {
        return Err(ImportError::NoDocument);
    }
    Ok(Files { root, files, warnings: Vec::new() })
}

/// JSON or YAML to a value; the error is a sentence.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 text: {error}"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    if looks_like_json {
        match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            // Flow-style YAML starts with the same brackets; large input is only tried once.
            Err(error) if text.len() > 1024 * 1024 => return Err(format!("not JSON: {error}")),
            Err(error) => return parse_yaml(text).map_err(|_| format!("not JSON: {error}")),
        }
    }
    parse_yaml(text)
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    let budget = serde_saphyr::budget! {
        max_events: 4_000_000,
        max_nodes: 2_000_000,
        max_depth: 100,
        max_documents: 1,
    };
    let aliases = serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: aliases,
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    serde_saphyr::from_str_with_options::<Value>(text, options).map_err(|error| {
        let text = error.to_string();
        format!("not YAML: {}", text.chars().take(300).collect::<String>())
    })
}
