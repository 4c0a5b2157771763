//! Importing a document: parsed first, so that only a readable one is ever stored.

use std::sync::Arc;

use domain::{Tenant, id::is_name};
use openapi::ImportOptions;
use sha2::{Digest as _, Sha256};
use store::{StoreError, catalogue::CatalogDocument};
use url::Url;

use super::{Catalogue, CatalogueError, Diff, DocumentInfo, Overlay, OverlayError, Snapshot};
use crate::work::WorkError;

/// Why a document or an overlay was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The id cannot be one.
    #[error("`{0}` is no document id: use 1 to 64 of a-z, 0-9, `_` and `-`")]
    Id(String),
    /// The document cannot be read.
    #[error("the document cannot be read: {0}")]
    Unreadable(#[from] openapi::ImportError),
    /// The backend's address is no URL.
    #[error("backend URL `{0}` is no http or https URL")]
    BackendUrl(String),
    /// There is no such operation.
    #[error("there is no operation `{0}`")]
    NoOperation(String),
    /// The overlay is too large.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Catalogue(error.into())
    }
}

impl From<WorkError> for ImportError {
    fn from(error: WorkError) -> Self {
        Self::Catalogue(error.into())
    }
}

/// What an import did to the document's operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// False when the content was already there.
    pub changed: bool,
    /// What became of the operations.
    pub diff: Diff,
    /// Operations that are as they were.
    pub unchanged: Vec<String>,
}

impl Catalogue {
    /// Imports a document, or replaces the one of the same id.
    ///
    /// # Errors
    /// [`ImportError`]: nothing is changed then.
    pub async fn import(
        &self,
        tenant: &Tenant,
        id: &str,
        content: Vec<u8>,
        backend_url: Option<&str>,
        source: &str,
    ) -> Result<Changes, ImportError> {
        if !is_name(id) {
            return Err(ImportError::Id(id.to_owned()));
        }
        let backend_url = backend_url.map(base_url).transpose()?;
        let before = self.refresh(tenant).await?;
        let content_hash = hex::encode(Sha256::digest(&content));
        let same = |info: &DocumentInfo| {
            info.content_hash == content_hash && info.backend_url.as_deref() == backend_url.as_ref().map(Url::as_str)
        };
        if before.documents().get(id).is_some_and(same) {
            return Ok(differences(id, &before, &before));
        }
        let options = ImportOptions {
            backend_url: backend_url.clone(),
            source_url: source.parse().ok(),
            supplied: self.supplied(tenant, id),
        };
        let name = id.to_owned();
        let (parsed, content) = self.work.run(move || (openapi::import(&name, &content, &options), content)).await?;
        let parsed = parsed?;
        for warning in parsed.warnings.iter().take(20) {
            tracing::warn!(document = id, warning, "the document was mended");
        }
        let document = CatalogDocument {
            id: id.to_owned(),
            title: parsed.title.clone(),
            version: parsed.version.clone(),
            source: source.to_owned(),
            backend_url: backend_url.map(String::from),
            content,
            content_hash,
        };
        // What was just parsed need not be parsed again when the catalogue is built.
        let key = (document.id.clone(), document.content_hash.clone(), document.backend_url.clone());
        self.of(tenant).building.lock().await.insert(key, Arc::new(parsed));
        let version = self.store.upsert_document(tenant, &document).await?;
        let after = self.refresh(tenant).await?;
        let changed = version > before.version();
        let from = if changed { &before } else { &after };
        Ok(Changes { changed, ..differences(id, from, &after) })
    }

    /// Keeps an overlay in place of what was there; the catalogue's version afterwards.
    ///
    /// # Errors
    /// [`ImportError::NoOperation`], [`ImportError::Overlay`], [`ImportError::Catalogue`].
    pub async fn put_overlay(&self, tenant: &Tenant, operation: &str, overlay: &Overlay) -> Result<i64, ImportError> {
        overlay.check()?;
        let snapshot = self.snapshot(tenant).await?;
        let there = snapshot.operations().contains_key(operation)
            || self.refresh(tenant).await?.operations().contains_key(operation);
        if !there {
            return Err(ImportError::NoOperation(operation.to_owned()));
        }
        let version = self.store.upsert_overlay(tenant, operation, &overlay.to_json()).await?;
        self.refresh(tenant).await?;
        Ok(version)
    }
}

fn base_url(text: &str) -> Result<Url, ImportError> {
    let url = text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| ImportError::BackendUrl(text.to_owned()))
}

fn differences(document: &str, before: &Snapshot, after: &Snapshot) -> Changes {
    let diff = Diff::between(before.operations(), after.operations(), Some(document));
    let of_document = after.operations().values().filter(|stored| stored.operation.document == document);
    let is_same = |id: &&String| !diff.added.contains(*id) && !diff.altered.contains(*id);
    let unchanged = of_document.map(|stored| &stored.operation.id).filter(is_same).cloned().collect();
    Changes { changed: false, diff, unchanged }
}
