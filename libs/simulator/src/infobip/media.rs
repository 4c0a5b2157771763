//! Files that people sent, kept until the test forgets them.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{
    Infobip,
    api::{authorized, error, refuse},
    check::Violations,
};
use crate::{
    faults::{After, Before},
    serve,
};

/// Name of the operation for [`Infobip::faults`].
const OPERATION: &str = "GET /whatsapp/1/senders/{sender}/media/{mediaId}";

#[derive(Default)]
pub(super) struct Media {
    files: BTreeMap<String, (String, Vec<u8>)>,
    pub(super) reads: usize,
}

impl Media {
    pub(super) fn add(&mut self, media_type: &str, content: &[u8]) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.files.insert(id.clone(), (media_type.to_owned(), content.to_vec()));
        id
    }

    pub(super) fn find(&self, id: &str) -> Option<&(String, Vec<u8>)> {
        self.files.get(id)
    }

    pub(super) fn clear(&mut self) {
        self.files.clear();
    }
}

/// Largest picture and largest document, in bytes.
const MOST_IMAGE: usize = 5 << 20;
const MOST_DOCUMENT: usize = 100 << 20;

/// A file that a business names by its address: media type and bytes; none where it cannot be had or is none that the
/// message takes.
pub(super) async fn fetch(infobip: &Infobip, url: &str, image: bool) -> Option<(String, Vec<u8>)> {
    let response = infobip.0.posting.client.get(url).send().await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let kind = response.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let content = response.bytes().await.ok()?.to_vec();
    let most = if image { MOST_IMAGE } else { MOST_DOCUMENT };
    let fits = !image || matches!(media_type.as_str(), "image/jpeg" | "image/png");
    (fits && !content.is_empty() && content.len() <= most).then_some((media_type, content))
}

/// Gives a file to who shows the key, under the account's own sender.
pub(super) async fn give(
    State(infobip): State<Infobip>,
    Path((sender, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let fault = infobip.0.faults.take(OPERATION);
    if let Some(fault) = &fault {
        match fault.before().await {
            Before::Act => {}
            Before::Refuse { status, retry_after } => return refuse(&infobip, status, retry_after),
            Before::Cut => return serve::cut(),
        }
    }
    if let Err(response) = authorized(&infobip, &headers) {
        return *response;
    }
    let found = {
        let mut inner = infobip.lock();
        let found = inner.media.files.get(&id).filter(|_| sender == infobip.0.config.sender).cloned();
        inner.media.reads += usize::from(found.is_some());
        found
    };
    let Some((media_type, content)) = found else {
        return error(&infobip, StatusCode::NOT_FOUND, "NOT_FOUND", "Media not found", &Violations::default());
    };
    if let Some(fault) = &fault {
        match fault.after().await {
            After::Answer => {}
            After::Refuse(status) => return refuse(&infobip, status, None),
            After::Cut => return serve::cut(),
        }
    }
    ([(header::CONTENT_TYPE, media_type)], content).into_response()
}
