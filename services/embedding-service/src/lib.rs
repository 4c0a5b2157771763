//! Embedding service: the operation catalogue, embeddings and nearest-neighbour search.
//!
//! The catalogue's truth is in the database; [`catalogue`] builds from it what is searched ([`retrieval`], a crate of
//! its own). Vectors of texts are cached ([`embedding`]), written collections live in files of their own ([`vectors`]).
//! CPU and disk work happens beside the async threads ([`work`]).

pub mod catalogue;
mod config;
pub mod embedding;
mod frames;
mod grpc;
pub mod moving;
pub mod vectors;
pub mod work;

use std::sync::Arc;

use ai::{Switch, Switches};
use anyhow::Context as _;
use domain::{Clock, SystemClock};
use proto::{
    catalog::v1::catalog_service_server,
    embedding::v1::{embedding_service_server, vector_service_server},
};
use service_kit::{
    Readiness,
    grpc::{Caller, GrpcServer, KeyHash, key_store},
    ops,
};
use store::{Role, Store, StoreConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use catalogue::Catalogue;
pub use config::{
    CatalogConfig, Config, EmbeddingConfig, FilesConfig, QdrantConfig, SharedCacheConfig, StoreKind, VectorsConfig,
    WorkConfig,
};
use embedding::Embedder;
#[cfg(feature = "qdrant")]
use vectors::qdrant::Qdrant;
use vectors::{Collections, Files};
use work::Work;

/// Name of the service.
pub const SERVICE: &str = "embedding-service";
/// Its built-in settings.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// What the service works with; made once per process.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
}

impl Parts {
    /// Connects to what the configuration names.
    ///
    /// # Errors
    /// When the database is not reachable in time.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        use secrecy::ExposeSecret as _;
        let store = Store::connect(&StoreConfig {
            url: config.database.url.expose_secret().to_owned(),
            max_connections: config.database.max_connections,
            connect_wait: config.database.connect_wait,
            role: Role::Worker,
        })
        .await?;
        Ok(Self { store, clock: Arc::new(SystemClock) })
    }
}

/// The service.
pub struct App {
    config: Config,
    parts: Parts,
    catalogue: Catalogue,
    switches: Switches,
    embedder: Arc<Embedder>,
    vectors: Vectors,
    work: Work,
    readiness: Readiness,
    gates: catalogue::Gates,
    /// Where there is a remote model; shown, not counted.
    embeddings: Option<service_kit::Gate>,
}

/// Where written collections are.
enum Vectors {
    Files(Files),
    #[cfg(feature = "qdrant")]
    Qdrant(Qdrant),
}

impl Vectors {
    fn open(config: &Config, work: &Work) -> anyhow::Result<Self> {
        match config.vectors.store {
            StoreKind::Files => {
                let folder = &config.files.folder.join("collections");
                let collections = Collections::open(folder, config.vectors.limits());
                let unusable = || format!("cannot use the files in {}: see files.folder", folder.display());
                Ok(Self::Files(Files::new(collections.with_context(unusable)?, work.clone())))
            }
            #[cfg(feature = "qdrant")]
            StoreKind::Qdrant => {
                let qdrant = Qdrant::new(&config.qdrant, config.vectors.limits(), work.clone());
                Ok(Self::Qdrant(qdrant.context("cannot use Qdrant: see [qdrant]")?))
            }
            #[cfg(not(feature = "qdrant"))]
            StoreKind::Qdrant => anyhow::bail!("vectors.store: {}", config::NO_QDRANT),
        }
    }
}

impl App {
    /// Opens the files.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn new(config: Config, parts: Parts) -> anyhow::Result<Self> {
        let folder = &config.files.folder;
        let unusable = || format!("cannot use the files in {}: see files.folder", folder.display());
        let work = Work::new(config.work.threads(), config.work.queue);
        // Collections and caches lock their folders for this process.
        let vectors = Vectors::open(&config, &work)?;
        let embedder = Embedder::open(folder, config.files.cache_vectors_max).with_context(unusable)?;
        let shared = config.shared_cache.connect().context("cannot use the shared cache: see [shared_cache]")?;
        let embedder = embedder
            .with_shared(shared)
            .with_remotes(config.embedding.remotes(), folder, &parts.clock)
            .context("cannot use an embedding model: see [embedding]")?;
        let remote = embedder.remote().cloned();
        let switches = Switches::new(parts.store.clone(), config.ai);
        let readiness = Readiness::new(SERVICE);
        // Closed from now on, so that nobody takes a service that has not begun for a ready one.
        let gates =
            catalogue::Gates { database: readiness.register("database"), catalog: readiness.register("catalog") };
        Ok(Self {
            catalogue: Catalogue::new(
                parts.store.clone(),
                work.clone(),
                config.tenants.clone(),
                embedder.remotes(),
                switches.clone(),
            ),
            switches,
            embeddings: remote.map(|_| readiness.register_optional("embeddings")),
            embedder: Arc::new(embedder),
            vectors,
            work,
            readiness,
            gates,
            config,
            parts,
        })
    }

    /// Its readiness, for a process that starts several services.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Imports the configured documents, then is ready; serves until `shutdown`.
    ///
    /// # Errors
    /// When a configured document cannot be read and is not in the catalogue yet, or the listener fails.
    pub async fn serve(self, grpc: TcpListener, ops: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let (stop, drained) = (shutdown.child_token(), CancellationToken::new());
        let ops = tokio::spawn(ops::serve(ops, self.readiness.clone(), drained.clone()));
        // Before the first text: none is sent that was forbidden before this start. The schema may not be there yet.
        if let Err(error) = self.switches.look().await {
            tracing::info!(%error, "the switches cannot be read yet");
        }
        let following = tokio::spawn(self.switches.clone().follow(stop.clone()));
        let told = ai::Told { service: SERVICE, start: self.switches.start(), uses: &[Switch::Enabled] };
        let watched = self.embedder.remote().map(|remote| remote.watched(self.config.embedding.provider.name()));
        let telling = tokio::spawn(ai::tell(self.parts.store.clone(), told, watched, stop.clone()));
        let keeping = tokio::spawn(catalogue::keep(
            self.catalogue.clone(),
            self.config.tenants.clone(),
            self.config.catalog.poll,
            self.gates.clone(),
            stop.clone(),
        ));
        let warming = self.embedder.remote().cloned().zip(self.embeddings.clone()).map(|(remote, gate)| {
            let clock = Arc::clone(&self.parts.clock);
            tokio::spawn(catalogue::warm(self.catalogue.clone(), remote, clock, gate, stop.clone()))
        });
        #[cfg(feature = "qdrant")]
        if let Vectors::Qdrant(qdrant) = &self.vectors {
            tokio::spawn(qdrant.clone().watch(self.readiness.register_optional("qdrant"), stop.clone()));
        }
        let serving = self.serve_grpc(grpc, stop.clone());
        let stop_serving = stop.clone();
        let watching = async move {
            let outcome = keeping.await.context("the catalogue's task failed").flatten();
            // It ends before its time only when it failed; then the service stops too.
            stop_serving.cancel();
            outcome
        };
        let (served, kept) = tokio::join!(serving, watching);
        drained.cancel();
        stop.cancel();
        if let Some(warming) = warming {
            warming.await.context("the embeddings' task failed")?;
        }
        for remote in self.embedder.remotes() {
            remote.close().await;
        }
        for task in [following, telling] {
            task.await.context("a task of the switches failed")?;
        }
        ops.await.context("the operations listener's task failed")?;
        kept?;
        Ok(served?)
    }

    async fn serve_grpc(
        &self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), service_kit::grpc::ServeError> {
        let mut routes = tonic::service::Routes::builder();
        routes
            .add_service(grpc::catalog::server(self.catalogue.clone(), stop.clone()))
            .add_service(grpc::embedding::server(Arc::clone(&self.embedder), self.switches.clone(), self.work.clone()));
        let (embedder, switches, work) = (Arc::clone(&self.embedder), self.switches.clone(), self.work.clone());
        match &self.vectors {
            Vectors::Files(files) => {
                routes.add_service(grpc::vectors::server(files.clone(), embedder, switches, work));
            }
            #[cfg(feature = "qdrant")]
            Vectors::Qdrant(qdrant) => {
                routes.add_service(grpc::vectors::server(qdrant.clone(), embedder, switches, work));
            }
        }
        let store = self.parts.store.clone();
        let keys = key_store(move |hash: KeyHash| {
            let store = store.clone();
            async move {
                let found = store.find_api_key(&hash.to_string()).await?;
                Ok(found.map(|key| Caller { tenant: key.tenant, services: key.services, name: key.name }))
            }
        });
        GrpcServer::new(&self.config.grpc)
            .readiness(self.readiness.clone())
            .reflection(proto::DESCRIPTORS)
            .services(&[
                catalog_service_server::SERVICE_NAME,
                embedding_service_server::SERVICE_NAME,
                vector_service_server::SERVICE_NAME,
            ])
            .keys(keys)
            .serve(listener, routes.routes(), stop)
            .await
    }
}
