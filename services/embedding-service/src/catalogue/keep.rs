//! Keeps the catalogue: imports what is configured, then follows the database.

use std::{collections::HashMap, path::Path, time::Duration};

use anyhow::Context as _;
use domain::Tenant;
use service_kit::{
    Gate,
    tenants::{DocumentConfig, Tenants},
};
use tokio_util::sync::CancellationToken;

use super::{Catalogue, CatalogueError, ImportError, Overlay, overlay::FileLine};

/// Largest overlay file, in bytes.
const OVERLAY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Pause before a start that the database held up is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// What readiness waits for.
#[derive(Clone)]
pub struct Gates {
    /// The database answers and has our schema.
    pub database: Gate,
    /// The configured documents are imported.
    pub catalog: Gate,
}

/// Imports the configured documents, then looks at the version of every known tenant each `poll`, until `stop`.
///
/// # Errors
/// When a configured document or overlay cannot be read and the catalogue does not have the document yet.
pub async fn keep(
    catalogue: Catalogue,
    tenants: Tenants,
    poll: Duration,
    gates: Gates,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    gates.catalog.set_reason("the configured documents are being imported");
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = database_ready(&catalogue, &gates) => {}
    }
    for (tenant, config) in &tenants.0 {
        for (id, document) in &config.documents {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                imported = import_configured(&catalogue, tenant, id, document) => imported?,
            }
        }
    }
    gates.catalog.set(true);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(poll) => follow(&catalogue, &gates).await,
        }
    }
}

/// Waits until the database answers and has the tables.
async fn database_ready(catalogue: &Catalogue, gates: &Gates) {
    let mut told = String::new();
    loop {
        let reason = match catalogue.store.schema_ready().await {
            Ok(true) => return gates.database.set(true),
            Ok(false) => "the schema is older than this program: run `migrator up`".to_owned(),
            Err(error) => error.to_string(),
        };
        if told != reason {
            tracing::warn!(reason, "waiting for the database");
            told.clone_from(&reason);
        }
        gates.database.set_reason(reason);
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn follow(catalogue: &Catalogue, gates: &Gates) {
    // With no tenant asked for yet there is still the database to look at.
    let mut outcome = match catalogue.store.schema_ready().await {
        Ok(true) => Ok(()),
        Ok(false) => Err("the schema is older than this program: run `migrator up`".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    for tenant in catalogue.known_tenants() {
        if outcome.is_err() {
            break;
        }
        outcome = match catalogue.refresh(&tenant).await {
            Ok(_) | Err(CatalogueError::Work(_)) => Ok(()),
            Err(error @ CatalogueError::Store(_)) => Err(error.to_string()),
        };
    }
    match outcome {
        Ok(()) => gates.database.set(true),
        Err(reason) => gates.database.set_reason(reason),
    }
}

async fn import_configured(
    catalogue: &Catalogue,
    tenant: &Tenant,
    id: &str,
    config: &DocumentConfig,
) -> anyhow::Result<()> {
    let what = || format!("document `{id}` of tenant `{tenant}` ({})", config.source);
    match openapi::fetch(&config.source).await {
        Ok(content) => {
            let backend_url = config.backend_url.as_ref().map(url::Url::as_str);
            let changes = retried(|| catalogue.import(tenant, id, content.clone(), backend_url, &config.source));
            let changes = changes.await.with_context(what)?;
            tracing::info!(document = id, tenant = %tenant, changed = changes.changed, "configured document imported");
        }
        Err(error) => {
            let there = catalogue.snapshot(tenant).await.with_context(what)?.documents().contains_key(id);
            if !there {
                return Err(anyhow::Error::new(error).context(format!("cannot read {}", what())));
            }
            tracing::warn!(document = id, tenant = %tenant, %error, "cannot read a configured document; the catalogue's copy is used");
        }
    }
    match &config.overlay {
        Some(path) => import_overlay(catalogue, tenant, id, path)
            .await
            .with_context(|| format!("overlay {} of {}", path.display(), what())),
        None => Ok(()),
    }
}

/// Takes over what the file says, but not over what was written since by hand.
async fn import_overlay(catalogue: &Catalogue, tenant: &Tenant, document: &str, path: &Path) -> anyhow::Result<()> {
    let size = tokio::fs::metadata(path).await.context("cannot read it")?.len();
    anyhow::ensure!(size <= OVERLAY_BYTES_MAX, "it has {size} bytes; the limit is {OVERLAY_BYTES_MAX}");
    let bytes = tokio::fs::read(path).await.context("cannot read it")?;
    let lines: Vec<FileLine> = serde_json::from_slice(&bytes)
        .context("it is no JSON array of {\"operation\": \"GET /path\", \"aliases\": [..], \"examples\": [..], ..}")?;
    let kept: HashMap<String, Overlay> = catalogue
        .store
        .overlays(tenant)
        .await?
        .into_iter()
        .map(|row| (row.operation, Overlay::of_json(&row.overlay)))
        .collect();
    for line in lines {
        let (operation, overlay) = line.into_parts();
        let operation = format!("{document}/{operation}");
        let is_due = kept.get(&operation).is_none_or(|kept| kept.from_file && *kept != overlay);
        if is_due {
            overlay.check().with_context(|| operation.clone())?;
            if !catalogue.snapshot(tenant).await?.operations().contains_key(&operation) {
                tracing::warn!(operation, "the overlay names an operation that the document does not have");
                continue;
            }
            catalogue.store.upsert_overlay(tenant, &operation, &overlay.to_json()).await?;
        }
    }
    retried(|| async { Ok(catalogue.refresh(tenant).await?) }).await?;
    Ok(())
}

/// Tries again what a busy database or machine held up: ten times within about 5 s.
async fn retried<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, ImportError>
where
    F: Future<Output = Result<T, ImportError>>,
{
    for _ in 0..9 {
        match attempt().await {
            Err(ImportError::Catalogue(CatalogueError::Work(_))) => {}
            Err(ImportError::Catalogue(CatalogueError::Store(error))) if error.is_retryable() => {
                tracing::warn!(%error, "the catalogue's database is busy; will retry");
            }
            outcome => return outcome,
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    attempt().await
}
