//! Files: uploaded, looked up by id, and downloaded from an address that expires.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::Micros;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

use super::{
    Meta,
    api::{self, with_faults},
    error::{INVALID, MISSING, Refusal},
};
use crate::parts;

/// Files that persons sent can be had this long.
pub(super) const PERSONS_FILES_LIVE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Files that the business uploaded can be sent this long.
const UPLOADS_LIVE: Duration = Duration::from_secs(30 * 24 * 3600);
/// An address of a file is good this long.
const ADDRESSES_LIVE: Duration = Duration::from_secs(300);
/// Path of addresses, on a host of its own where the platform is real.
pub(super) const ADDRESS: &str = "/whatsapp_business/attachments/";
/// Files kept, and bytes of all; the oldest go first.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: usize = 512 << 20;
/// Largest body of an upload: a document and what stands around it.
pub(super) const MOST_UPLOAD: usize = (100 << 20) + 4096;

/// One file.
pub(super) struct File {
    pub(super) media_type: String,
    pub(super) content: Bytes,
    until: Micros,
    /// Its SHA-256 is told wrong.
    spoiled: bool,
}

pub(super) struct Media {
    /// By id; ids count up and have as many digits each.
    files: BTreeMap<String, File>,
    last: u64,
    bytes: usize,
    /// Makes addresses unguessable.
    salt: Uuid,
    pub(super) reads: usize,
}

impl Default for Media {
    fn default() -> Self {
        Self { files: BTreeMap::new(), last: 1_000_000_000_000_000, bytes: 0, salt: Uuid::new_v4(), reads: 0 }
    }
}

impl Media {
    pub(super) fn add(&mut self, media_type: &str, content: &[u8], live: Duration, now: Micros) -> String {
        self.last += 1;
        let id = self.last.to_string();
        let content = Bytes::copy_from_slice(content);
        self.bytes += content.len();
        let file = File { media_type: media_type.to_owned(), content, until: now + live, spoiled: false };
        self.files.insert(id.clone(), file);
        while self.files.len() > MOST_FILES || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.files.pop_first() else {
                break;
            };
            self.bytes -= oldest.content.len();
        }
        id
    }

    pub(super) fn find(&self, id: &str, now: Micros) -> Option<&File> {
        self.files.get(id).filter(|file| now < file.until)
    }

    pub(super) fn spoil(&mut self, id: &str) {
        if let Some(file) = self.files.get_mut(id) {
            file.spoiled = true;
        }
    }

    pub(super) fn expire_urls(&mut self) {
        self.salt = Uuid::new_v4();
    }

    pub(super) fn clear(&mut self) {
        self.files.clear();
        self.bytes = 0;
    }

    fn remove(&mut self, id: &str) -> bool {
        let removed = self.files.remove(id);
        self.bytes -= removed.as_ref().map_or(0, |file| file.content.len());
        removed.is_some()
    }

    /// The file as a webhook names it; another id stands for a file that is no longer there. SHA-256 is in base64 here
    /// and in hex where the file is looked up.
    pub(super) fn webhook_object(&self, id: &str, default_type: &str, base: Option<&Url>, now: Micros) -> Value {
        let Some(file) = self.find(id, now) else {
            let lost = 100_000_000_000_000 + Uuid::new_v4().as_u128() % 100_000_000_000_000;
            let hash = STANDARD.encode(Sha256::digest(id));
            return json!({"mime_type": default_type, "sha256": hash, "id": lost.to_string()});
        };
        let mut object = json!({"mime_type": file.media_type, "sha256": STANDARD.encode(file.sha256()), "id": id});
        if let Some(base) = base {
            object["url"] = json!(self.address(base, id, now));
        }
        object
    }

    fn address(&self, base: &Url, id: &str, now: Micros) -> Url {
        let until = (now + ADDRESSES_LIVE).seconds().to_string();
        let mut url = base.clone();
        url.set_path(ADDRESS);
        url.query_pairs_mut()
            .clear()
            .append_pair("mid", id)
            .append_pair("source", "getMedia")
            .append_pair("ext", &until)
            .append_pair("hash", &self.hash(id, &until));
        url
    }

    fn hash(&self, id: &str, until: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{}/{id}/{until}", self.salt)))
    }

    /// The file of an address that is good.
    fn at(&self, query: &HashMap<String, String>, now: Micros) -> Option<&File> {
        let (id, until, hash) = (query.get("mid")?, query.get("ext")?, query.get("hash")?);
        let good = *hash == self.hash(id, until) && now.seconds() < until.parse().ok()?;
        self.find(id, now).filter(|_| good)
    }
}

impl File {
    fn sha256(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(&self.content);
        if self.spoiled { hash.chain_update(b"spoiled").finalize().into() } else { hash.finalize().into() }
    }
}

/// Whether a file of this media type can be sent as a message of this type.
pub(super) fn fits(kind: &str, media_type: &str) -> bool {
    let essence = essence(media_type);
    match kind {
        "image" => matches!(essence, "image/jpeg" | "image/png"),
        "sticker" => essence == "image/webp",
        "audio" => essence.starts_with("audio/"),
        "video" => essence.starts_with("video/"),
        _ => true,
    }
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Largest upload of a media type, in bytes; `None` when such files cannot be uploaded.
fn limit(media_type: &str) -> Option<usize> {
    Some(match essence(media_type) {
        "audio/aac" | "audio/amr" | "audio/mpeg" | "audio/mp4" | "audio/ogg" | "video/3gpp" | "video/mp4" => 16 << 20,
        "image/jpeg" | "image/png" => 5 << 20,
        "image/webp" => 500 << 10,
        "text/plain"
        | "application/pdf"
        | "application/msword"
        | "application/vnd.ms-excel"
        | "application/vnd.ms-powerpoint"
        | "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        | "application/vnd.openxmlformats-officedocument.presentationml.presentation" => 100 << 20,
        _ => return None,
    })
}

/// `POST /{version}/{phone_number_id}/media`
pub(super) async fn upload(
    State(meta): State<Meta>,
    Path((version, number)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    with_faults(&meta, "POST media", || {
        api::guard(&meta, &version, &headers)?;
        api::own_number(&meta, "post", &number)?;
        let body = body.map_err(|_| Refusal::new(INVALID, "The body is too large or was cut off."))?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("multipart/form-data") {
            return Err(Refusal::new(INVALID, "The parameter messaging_product is required."));
        }
        let (values, files) = parts::read(kind, &body).map_err(|wrong| Refusal::new(INVALID, wrong))?;
        let value = |key: &str| values.get(key).and_then(Value::as_str);
        if value("messaging_product") != Some("whatsapp") {
            return Err(Refusal::new(INVALID, "The parameter messaging_product is required."));
        }
        let Some(file) = files.into_iter().find(|file| file.field == "file") else {
            return Err(Refusal::new(MISSING, "The parameter file is required."));
        };
        let media_type = value("type").ok_or_else(|| Refusal::new(MISSING, "The parameter type is required."))?;
        let Some(most) = limit(media_type).filter(|_| essence(media_type) == essence(&file.media_type)) else {
            let wrong = format!("Param file must be a file of the type given, and of a known one: {media_type}");
            return Err(Refusal::new(INVALID, wrong));
        };
        if file.content.is_empty() || file.content.len() > most {
            return Err(Refusal::new(INVALID, format!("Param file must have 1 to {most} bytes.")));
        }
        let now = meta.now();
        let id = meta.lock().media.add(media_type, &file.content, UPLOADS_LIVE, now);
        Ok(Json(json!({ "id": id })).into_response())
    })
    .await
}

/// `GET /{version}/{media_id}`
pub(super) async fn look_up(
    State(meta): State<Meta>,
    Path((version, id)): Path<(String, String)>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    with_faults(&meta, "GET media", || {
        api::guard(&meta, &version, &headers)?;
        let query = query.map(|Query(query)| query).unwrap_or_default();
        own_query(&meta, "get", &id, &query)?;
        let now = meta.now();
        let inner = meta.lock();
        let file = inner.media.find(&id, now).ok_or_else(|| Refusal::no_object("get", &id))?;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let base = match &meta.0.config.media_base {
            Some(base) => base.clone(),
            None => {
                Url::parse(&format!("http://{host}/")).map_err(|_| Refusal::new(INVALID, "The host is no host."))?
            }
        };
        let found = json!({
            "messaging_product": "whatsapp", "url": inner.media.address(&base, &id, now), "mime_type": file.media_type,
            "sha256": hex::encode(file.sha256()), "file_size": file.content.len(), "id": id,
        });
        Ok(Json(found).into_response())
    })
    .await
}

/// `DELETE /{version}/{media_id}`
pub(super) async fn delete(
    State(meta): State<Meta>,
    Path((version, id)): Path<(String, String)>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    with_faults(&meta, "DELETE media", || {
        api::guard(&meta, &version, &headers)?;
        own_query(&meta, "delete", &id, &query.map(|Query(query)| query).unwrap_or_default())?;
        if !meta.lock().media.remove(&id) {
            return Err(Refusal::no_object("delete", &id));
        }
        Ok(Json(json!({"success": true})).into_response())
    })
    .await
}

/// A file is found under no other number than the one that is named.
fn own_query(meta: &Meta, verb: &str, id: &str, query: &HashMap<String, String>) -> Result<(), Refusal> {
    match query.get("phone_number_id") {
        Some(number) if *number != meta.0.config.phone_number_id => Err(Refusal::no_object(verb, id)),
        _ => Ok(()),
    }
}

/// The bytes of an address. Programs without a name get nothing, which is known of the real host though not written
/// anywhere: see github.com/gabrieldwight/Whatsapp-Business-Cloud-Api-Net, issue 45.
pub(super) async fn give(
    State(meta): State<Meta>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    with_faults(&meta, "GET file", || {
        let lost = |status: StatusCode| {
            let page = "<!DOCTYPE html><title>Error</title>Sorry, something went wrong.";
            (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
        };
        if headers.get(header::USER_AGENT).is_none_or(|agent| agent.is_empty()) {
            return Ok(lost(StatusCode::BAD_REQUEST));
        }
        if !api::has_token(&meta, &headers) {
            return Ok(lost(StatusCode::UNAUTHORIZED));
        }
        let now = meta.now();
        let mut inner = meta.lock();
        let query = query.map(|Query(query)| query).unwrap_or_default();
        let Some((media_type, content)) =
            inner.media.at(&query, now).map(|file| (file.media_type.clone(), file.content.clone()))
        else {
            return Ok(lost(StatusCode::NOT_FOUND));
        };
        inner.media.reads += 1;
        Ok(([(header::CONTENT_TYPE, media_type)], content).into_response())
    })
    .await
}
