//! The operation catalogue: built from the database for each tenant, rebuilt when its version changes.

mod accepted;
mod history;
mod import;
mod keep;
mod overlay;
mod snapshot;
mod warm;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ai::Switches;
use domain::Tenant;
use service_kit::tenants::Tenants;
use store::{Store, StoreError};
use tokio::sync::{Notify, watch};

pub use accepted::AcceptError;
pub use history::Diff;
use history::History;
pub use import::{Changes, ImportError};
pub use keep::{Gates, import_configured, keep};
pub use overlay::{Overlay, OverlayError};
pub use snapshot::{DocumentInfo, Generation, Snapshot, Stored, entry_of};
pub use warm::warm;

use crate::{
    embedding::Remote,
    work::{Work, WorkError},
};
use snapshot::Parsed;

/// Why the catalogue could not be read or built.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The database failed.
    #[error("cannot read the catalogue")]
    Store(#[from] StoreError),
    /// It could not be built now.
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// All tenants' catalogues. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue {
    store: Store,
    work: Work,
    configured: Arc<Tenants>,
    remotes: Arc<[Arc<Remote>]>,
    switches: Switches,
    built: Arc<Notify>,
    tenants: Arc<Mutex<HashMap<Tenant, Arc<OfTenant>>>>,
}

/// One tenant's catalogue.
struct OfTenant {
    snapshot: watch::Sender<Arc<Snapshot>>,
    /// Of what led to the snapshot.
    history: Mutex<History>,
    /// Held while it is built, with what was parsed before.
    building: tokio::sync::Mutex<Parsed>,
}

impl OfTenant {
    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        // Steps are pushed whole.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogue {
    /// An empty one over a database; with remote models, the default one first, operations have vectors too.
    pub fn new(store: Store, work: Work, configured: Tenants, remotes: Vec<Arc<Remote>>, switches: Switches) -> Self {
        let (configured, built, tenants) = (Arc::new(configured), Arc::default(), Arc::default());
        Self { store, work, configured, remotes: remotes.into(), switches, built, tenants }
    }

    /// The tenant's catalogue as last built; built now if it never was.
    ///
    /// # Errors
    /// [`CatalogueError`].
    pub async fn snapshot(&self, tenant: &Tenant) -> Result<Arc<Snapshot>, CatalogueError> {
        let there = Arc::clone(&self.of(tenant).snapshot.borrow());
        if there.is_built() { Ok(there) } else { self.refresh(tenant).await }
    }

    /// The tenant's catalogue at this version at least, or as it is after `wait`.
    ///
    /// # Errors
    /// [`CatalogueError`].
    pub async fn snapshot_from(
        &self,
        tenant: &Tenant,
        version: i64,
        wait: Duration,
    ) -> Result<Arc<Snapshot>, CatalogueError> {
        let snapshot = self.snapshot(tenant).await?;
        if snapshot.version() >= version {
            return Ok(snapshot);
        }
        let snapshot = self.refresh(tenant).await?;
        if snapshot.version() >= version {
            return Ok(snapshot);
        }
        let mut changes = self.watch(tenant);
        // The poll builds what comes; a wait that ends without it gives what there is.
        let _ = tokio::time::timeout(wait, changes.wait_for(|snapshot| snapshot.version() >= version)).await;
        let latest = Arc::clone(&changes.borrow());
        Ok(latest)
    }

    /// The tenant's catalogue now and after each change.
    pub fn watch(&self, tenant: &Tenant) -> watch::Receiver<Arc<Snapshot>> {
        self.of(tenant).snapshot.subscribe()
    }

    /// The latest version, and what became of the operations since this one; none where that is not remembered, because
    /// it was long ago or before the start.
    pub fn changes_since(&self, tenant: &Tenant, version: i64) -> (i64, Option<Diff>) {
        self.of(tenant).history().since(version)
    }

    /// Looks at the database and rebuilds what changed.
    ///
    /// # Errors
    /// [`CatalogueError`]; the last snapshot stays.
    pub async fn refresh(&self, tenant: &Tenant) -> Result<Arc<Snapshot>, CatalogueError> {
        let of_tenant = self.of(tenant);
        let mut parsed = of_tenant.building.lock().await;
        let version = self.store.catalog_version(tenant).await?;
        let there = Arc::clone(&of_tenant.snapshot.borrow());
        if there.is_built() && there.version() == version {
            return Ok(there);
        }
        // Read after the version: what is read is at least as new, and a later change has a later version.
        let documents = self.store.documents(tenant).await?;
        let overlays = self.store.overlays(tenant).await?;
        let examples = self.store.examples(tenant).await?;
        let before = std::mem::take(&mut *parsed);
        let catalogue = self.clone();
        let of = tenant.clone();
        let supplied = move |document: &str| catalogue.supplied(&of, document);
        let (remotes, generation) = (Arc::clone(&self.remotes), there.generation());
        let build = move || {
            let told = (overlays.as_slice(), examples.as_slice());
            let vectors = (&*remotes, generation.as_deref());
            let (snapshot, now) = Snapshot::build(version, documents, told, before, supplied, vectors);
            let diff = there.is_built().then(|| Diff::between(there.operations(), snapshot.operations(), None));
            (snapshot, now, diff)
        };
        let (snapshot, now, diff) = self.work.run(build).await?;
        *parsed = now;
        let snapshot = Arc::new(snapshot);
        {
            // Who reads the history sees the snapshot that it leads to.
            let mut history = of_tenant.history();
            history.push(version, diff);
            of_tenant.snapshot.send_replace(Arc::clone(&snapshot));
        }
        self.built.notify_one();
        tracing::info!(tenant = %tenant, version, operations = snapshot.operations().len(), "catalogue built");
        Ok(snapshot)
    }

    /// Names of the headers that configuration sends with every call to a document's backend: nobody is asked for them.
    fn supplied(&self, tenant: &Tenant, document: &str) -> Vec<String> {
        let config = self.configured.0.get(tenant).and_then(|tenant| tenant.documents.get(document));
        config.and_then(|config| config.tenant_header.as_ref()).map(|header| header.name.clone()).into_iter().collect()
    }

    /// The vectors to search a snapshot by, where there are some and models may be asked for the tenant now.
    pub(crate) fn generation(&self, tenant: &Tenant, snapshot: &Snapshot) -> Option<Arc<Generation>> {
        let newest = self.remotes.first().filter(|_| self.switches.of(tenant).enabled)?;
        newest.note_question();
        snapshot.generation()
    }

    /// Waits until a catalogue was built since the last time; for one waiter.
    async fn changed(&self) {
        self.built.notified().await;
    }

    /// Where its CPU work is done.
    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// The tenants that were asked for since the start.
    fn known_tenants(&self) -> Vec<Tenant> {
        self.lock().keys().cloned().collect()
    }

    fn of(&self, tenant: &Tenant) -> Arc<OfTenant> {
        let fresh = || {
            Arc::new(OfTenant {
                snapshot: watch::Sender::new(Arc::new(Snapshot::unbuilt())),
                history: Mutex::new(History::new()),
                building: tokio::sync::Mutex::default(),
            })
        };
        Arc::clone(self.lock().entry(tenant.clone()).or_insert_with(fresh))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Tenant, Arc<OfTenant>>> {
        // A map of finished parts is sound after a panic elsewhere.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
