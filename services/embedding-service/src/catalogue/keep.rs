//! Keeps the catalogue: imports what is configured, then follows the database.

use std::{collections::HashMap, convert::Infallible, path::Path, time::Duration};

use anyhow::Context as _;
use domain::Tenant;
use futures::{StreamExt as _, TryStreamExt as _, stream};
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
/// How long a start waits for the sources of what the catalogue has already.
const SOURCES_WAIT: Duration = Duration::from_secs(2);
/// Sources that are read at the same time.
const SOURCES_AT_ONCE: usize = 4;

/// What readiness waits for.
#[derive(Clone)]
pub struct Gates {
    /// The database answers and has our schema.
    pub database: Gate,
    /// The catalogue has the configured documents.
    pub catalog: Gate,
}

/// Imports the configured documents and looks at the version of every known tenant each `poll`, until `stop`.
///
/// The gate waits for documents that the catalogue does not have, and for the others only briefly: a source that is
/// away or damaged must not keep a service from starting with the copy it has.
///
/// # Errors
/// When a configured document or overlay cannot be read and the catalogue does not have the document yet, or the
/// catalogue cannot be written.
pub async fn keep(
    catalogue: Catalogue,
    tenants: Tenants,
    poll: Duration,
    gates: Gates,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    gates.catalog.set_reason("the configured documents are being imported");
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        outcome = import_and_follow(&catalogue, &tenants, poll, &gates) => outcome,
    }
}

async fn import_and_follow(
    catalogue: &Catalogue,
    tenants: &Tenants,
    poll: Duration,
    gates: &Gates,
) -> anyhow::Result<()> {
    database_ready(catalogue, gates).await;
    let (there, missing) = configured(catalogue, tenants).await?;
    import_all(catalogue, missing).await?;
    let refreshing = async {
        import_all(catalogue, there).await?;
        gates.catalog.set(true);
        anyhow::Ok(())
    };
    let opening = async {
        tokio::time::sleep(SOURCES_WAIT).await;
        gates.catalog.set(true);
        anyhow::Ok(())
    };
    // Beside the imports: one of them may hold what a look waits for.
    tokio::try_join!(refreshing, opening, keep_following(catalogue, poll, gates)).map(|_| ())
}

/// A configured document.
struct Configured<'a> {
    tenant: &'a Tenant,
    id: &'a str,
    config: &'a DocumentConfig,
    /// The catalogue has it.
    is_there: bool,
}

/// The configured documents: those the catalogue has, and those it does not have.
async fn configured<'a>(
    catalogue: &Catalogue,
    tenants: &'a Tenants,
) -> anyhow::Result<(Vec<Configured<'a>>, Vec<Configured<'a>>)> {
    let mut all = Vec::new();
    for (tenant, settings) in &tenants.0 {
        if settings.documents.is_empty() {
            continue;
        }
        let snapshot = retried(|| async { Ok(catalogue.snapshot(tenant).await?) }).await?;
        let of_tenant = settings.documents.iter();
        all.extend(of_tenant.map(|(id, config)| {
            let is_there = snapshot.documents().contains_key(id);
            Configured { tenant, id, config, is_there }
        }));
    }
    Ok(all.into_iter().partition(|document| document.is_there))
}

/// Imports the configured documents, without following anything. A source that is away keeps the copy there is.
///
/// # Errors
/// When a configured document cannot be read and is not in the catalogue yet, or the catalogue cannot be written.
pub async fn import_configured(catalogue: &Catalogue, tenants: &Tenants) -> anyhow::Result<()> {
    let (there, missing) = configured(catalogue, tenants).await?;
    import_all(catalogue, missing).await?;
    import_all(catalogue, there).await
}

async fn import_all(catalogue: &Catalogue, documents: Vec<Configured<'_>>) -> anyhow::Result<()> {
    let documents = stream::iter(documents).map(Ok);
    documents.try_for_each_concurrent(SOURCES_AT_ONCE, |document| import_one(catalogue, document)).await
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

async fn keep_following(catalogue: &Catalogue, poll: Duration, gates: &Gates) -> anyhow::Result<Infallible> {
    loop {
        tokio::time::sleep(poll).await;
        follow(catalogue, gates).await;
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

async fn import_one(catalogue: &Catalogue, document: Configured<'_>) -> anyhow::Result<()> {
    let Configured { tenant, id, config, is_there } = document;
    let what = || format!("document `{id}` of tenant `{tenant}` ({})", config.source);
    match openapi::fetch(&config.source).await {
        Ok(content) => {
            let backend_url = config.backend_url.as_ref().map(url::Url::as_str);
            let changes = retried(|| catalogue.import(tenant, id, content.clone(), backend_url, &config.source));
            match changes.await {
                Ok(changes) => {
                    tracing::info!(document = id, tenant = %tenant, changed = changes.changed, "configured document imported");
                }
                Err(error @ ImportError::Unreadable(_)) if is_there => copy_is_used(tenant, id, &error),
                Err(error) => return Err(error).with_context(what),
            }
        }
        Err(error) if is_there => copy_is_used(tenant, id, &error),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", what())),
    }
    let Some(path) = &config.overlay else { return Ok(()) };
    let what = || format!("overlay {} of {}", path.display(), what());
    match read_overlay(path).await {
        Ok(lines) => import_overlay(catalogue, tenant, id, lines).await.with_context(what),
        Err(error) if is_there => {
            let error = format!("{error:#}");
            tracing::warn!(document = id, tenant = %tenant, error, "cannot read a configured overlay; what it said before stays");
            Ok(())
        }
        Err(error) => Err(error).with_context(what),
    }
}

fn copy_is_used(tenant: &Tenant, id: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(document = id, tenant = %tenant, error, "cannot read a configured document; the catalogue's copy is used");
}

/// What an overlay file says, by operation without the document's name.
async fn read_overlay(path: &Path) -> anyhow::Result<Vec<(String, Overlay)>> {
    let size = tokio::fs::metadata(path).await.context("cannot read it")?.len();
    anyhow::ensure!(size <= OVERLAY_BYTES_MAX, "it has {size} bytes; the limit is {OVERLAY_BYTES_MAX}");
    let bytes = tokio::fs::read(path).await.context("cannot read it")?;
    let lines: Vec<FileLine> = serde_json::from_slice(&bytes)
        .context("it is no JSON array of {\"operation\": \"GET /path\", \"aliases\": [..], \"examples\": [..], ..}")?;
    let lines: Vec<(String, Overlay)> = lines.into_iter().map(FileLine::into_parts).collect();
    for (operation, overlay) in &lines {
        overlay.check().with_context(|| operation.clone())?;
    }
    Ok(lines)
}

/// Takes over what the file says, but not over what was written since by hand.
async fn import_overlay(
    catalogue: &Catalogue,
    tenant: &Tenant,
    document: &str,
    lines: Vec<(String, Overlay)>,
) -> anyhow::Result<()> {
    let kept: HashMap<String, Overlay> = catalogue
        .store
        .overlays(tenant)
        .await?
        .into_iter()
        .map(|row| (row.operation, Overlay::of_json(&row.overlay)))
        .collect();
    for (operation, overlay) in lines {
        let operation = format!("{document}/{operation}");
        let is_due = kept.get(&operation).is_none_or(|kept| kept.from_file && *kept != overlay);
        if is_due {
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
