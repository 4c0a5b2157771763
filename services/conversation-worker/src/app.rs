//! The worker as one program: its parts, its loops, its servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ai::{Switch, Switches};
use anyhow::Context as _;
use coordination::Coordination;
use proto::conversation::v1::conversation_service_server::{ConversationServiceServer, SERVICE_NAME};
use secrecy::ExposeSecret as _;
use service_kit::{
    Readiness,
    grpc::{Caller, GrpcServer, KeyHash, MESSAGE_BYTES_MAX, key_store},
    ops,
};
use store::{Role, Store, StoreConfig, StoreError};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    SERVICE,
    alone::Alone,
    breaker::Breakers,
    config::Config,
    grpc::Conversations,
    lease::Leases,
    listen,
    model::Models,
    sweep::{self, Gates},
    tenants::{TenantError, Tenants},
    turn,
    worker::{Decide, Worker},
};

/// A loop that has not gone round for so long is stuck.
const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);
/// The switches that turns look at.
const SWITCHES: &[Switch] = &[Switch::Enabled, Switch::FallbackMode, Switch::Debug];
/// Pause between two looks for the schema.
const SCHEMA_PAUSE: Duration = Duration::from_millis(500);

/// What several services of one process share.
#[derive(Clone)]
pub struct Parts {
    /// The truth.
    pub store: Store,
    /// Bells, feed, limits.
    pub coordination: Coordination,
}

impl Parts {
    /// Connects to what the configuration names.
    ///
    /// # Errors
    /// When the database cannot be reached in time, or a URL is not understood.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let store = Store::connect(&StoreConfig {
            url: config.database.url.expose_secret().to_owned(),
            max_connections: config.database.max_connections,
            connect_wait: config.database.connect_wait,
            role: Role::Worker,
        })
        .await?;
        Ok(Self { store, coordination: Coordination::connect(&config.coordination)? })
    }
}

/// The worker cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A tenant's part cannot work.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The model cannot be asked as configured.
    #[error("[model] cannot be used")]
    Model(#[from] llm::ConfigError),
    /// Files cannot be kept as configured.
    #[error("[files] cannot be used")]
    Files(#[from] file_store::FilesError),
}

/// The worker.
pub struct App {
    config: Config,
    worker: Worker,
    readiness: Readiness,
}

impl App {
    /// Sets everything up; opens no connection. Call it inside the runtime.
    ///
    /// # Errors
    /// [`AppError`]: the configuration cannot work.
    pub fn new(config: Config, parts: Parts) -> Result<Self, AppError> {
        let tenants = Tenants::new(&config.tenants, &config.catalog)?;
        Self::with_tenants(config, parts, Arc::new(tenants))
    }

    /// As [`Self::new`], with the accounts and clients of `other`: a simulation that starts thousands of workers makes
    /// them once.
    ///
    /// # Errors
    /// As [`Self::new`].
    #[cfg(feature = "faults")]
    pub fn like(other: &Self, config: Config, parts: Parts) -> Result<Self, AppError> {
        Self::with_tenants(config, parts, Arc::clone(&other.worker.tenants))
    }

    fn with_tenants(config: Config, parts: Parts, tenants: Arc<Tenants>) -> Result<Self, AppError> {
        let worker = Worker {
            tenants,
            models: Models::new(&config.model)?,
            switches: Switches::new(parts.store.clone(), config.ai),
            leases: Leases::new(parts.store.clone()),
            store: parts.store,
            files: config.files.open()?,
            media: config.media.clone(),
            coordination: parts.coordination,
            breakers: Breakers::default(),
            decide: Arc::new(turn::turn),
            slots: Arc::new(Semaphore::new(config.worker.slots)),
            config: config.worker.clone(),
            busy: watch::Sender::new(0),
            alone: Alone::default(),
            stop: CancellationToken::new(),
        };
        Ok(Self { config, worker, readiness: Readiness::new(SERVICE) })
    }

    /// Its readiness, for a process that starts several services.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Decides turns by `decide` in place of the dialogue.
    pub fn with_decide(mut self, decide: Decide) -> Self {
        self.worker.decide = decide;
        self
    }

    /// Gives the tenants these operations, so that a simulation needs no catalogue.
    #[cfg(feature = "faults")]
    pub async fn with_operations(self, operations: &[Arc<openapi::Operation>]) -> Self {
        self.worker.tenants.know(operations).await;
        self
    }

    /// Takes turns until `shutdown` as [`Self::serve`] does, but serves nobody.
    #[cfg(feature = "faults")]
    pub async fn take_turns(self, shutdown: CancellationToken) {
        let Self { worker, readiness, .. } = self;
        let gates =
            Gates { database: readiness.register("database"), doorbell: readiness.register_optional("doorbell") };
        run_loops(Arc::new(worker), gates, &readiness, shutdown).await;
    }

    /// Takes turns and serves until `shutdown`; then stops taking bells, lets running steps end, hands conversations
    /// on, and ends within the grace period.
    ///
    /// # Errors
    /// When a server cannot begin or fails.
    pub async fn serve(self, grpc: TcpListener, ops: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { config, worker, readiness } = self;
        let gates =
            Gates { database: readiness.register("database"), doorbell: readiness.register_optional("doorbell") };
        let worker = Arc::new(worker);
        let (ops_stop, watch_stop) = (CancellationToken::new(), shutdown.clone());
        let ops = tokio::spawn(ops::serve(ops, readiness.clone(), ops_stop.clone()));

        let service = Conversations::new(
            worker.store.clone(),
            worker.coordination.clone(),
            Arc::clone(&worker.tenants),
            watch_stop,
        );
        let routes = Routes::new(
            ConversationServiceServer::new(service)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        );
        let keys = worker.store.clone();
        let server = GrpcServer::new(&config.grpc)
            .readiness(readiness.clone())
            .reflection(proto::DESCRIPTORS)
            .services(&[SERVICE_NAME])
            .keys(key_store(move |hash| find_key(keys.clone(), hash)))
            .serve(grpc, routes, shutdown.clone());

        let turns = take_turns(Arc::clone(&worker), gates, readiness, shutdown.clone());
        let grace = async {
            shutdown.cancelled().await;
            tokio::time::sleep(config.worker.grace).await;
            tracing::warn!("the grace period is over; what still runs is left to the leases' end");
        };
        let outcome = tokio::select! {
            outcome = async { tokio::try_join!(async { server.await.context("the gRPC server failed") }, async { turns.await; Ok(()) }) } => outcome.map(drop),
            () = grace => Ok(()),
        };
        worker.stop.cancel();
        ops_stop.cancel();
        ops.await.context("the operations listener failed")?;
        outcome
    }
}

/// The loops, once the database has the tables they need.
async fn take_turns(worker: Arc<Worker>, gates: Gates, readiness: Readiness, shutdown: CancellationToken) {
    tokio::select! {
        () = schema(&worker.store, &gates) => {}
        () = shutdown.cancelled() => return,
    }
    // Before the first turn: none asks a model that was switched off before this start.
    if let Err(error) = worker.switches.look().await {
        tracing::warn!(%error, "the switches cannot be read yet");
    }
    let following = tokio::spawn(worker.switches.clone().follow(shutdown.clone()));
    let told = ai::Told { service: SERVICE, start: worker.switches.start(), uses: SWITCHES };
    let telling = tokio::spawn(ai::tell(worker.store.clone(), told, worker.models.watched(), shutdown.clone()));
    let titles = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.tenants.refresh_titles().await }
    });
    let mut guard = AbortAll(vec![titles.abort_handle(), following.abort_handle(), telling.abort_handle()]);
    run_loops(worker, gates, &readiness, shutdown).await;
    guard.0.clear();
}

/// Renews, sweeps and listens until `shutdown`, and then until the last conversation is handed on.
async fn run_loops(worker: Arc<Worker>, gates: Gates, readiness: &Readiness, shutdown: CancellationToken) {
    let heartbeat = |name| readiness.heartbeat(name, HEARTBEAT_AGE_MAX);
    let renew_stop = CancellationToken::new();
    let renewing = tokio::spawn({
        let (worker, stop) = (Arc::clone(&worker), renew_stop.clone());
        async move { worker.leases.renew_all(stop).await }
    });
    let sweeping = tokio::spawn(sweep::run(Arc::clone(&worker), gates, heartbeat("sweep")));
    let listening = tokio::spawn(listen::run(Arc::clone(&worker), heartbeat("listen")));
    let mut guard = AbortAll(vec![renewing.abort_handle(), sweeping.abort_handle(), listening.abort_handle()]);
    shutdown.cancelled().await;
    worker.stop.cancel();
    for (name, task) in [("listen", listening), ("sweep", sweeping)] {
        if let Err(error) = task.await {
            tracing::error!(%error, name, "a loop ended badly");
        }
    }
    // Leases are renewed until the last conversation is handed on.
    renew_stop.cancel();
    if let Err(error) = renewing.await {
        tracing::error!(%error, "the renewal of leases ended badly");
    }
    guard.0.clear();
}

/// Ends the loops with the future that began them.
struct AbortAll(Vec<tokio::task::AbortHandle>);

impl Drop for AbortAll {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

/// Waits until the database has the tables this program needs.
async fn schema(store: &Store, gates: &Gates) {
    let mut told = Instant::now();
    loop {
        let reason = match store.schema_ready().await {
            Ok(true) => return gates.database.set(true),
            Ok(false) => StoreError::SchemaOld.to_string(),
            Err(error) => error.to_string(),
        };
        if told.elapsed() > Duration::from_secs(10) {
            tracing::warn!(reason, "waiting for the database");
            told = Instant::now();
        }
        gates.database.set_reason(reason);
        tokio::time::sleep(SCHEMA_PAUSE).await;
    }
}

async fn find_key(store: Store, hash: KeyHash) -> Result<Option<Caller>, service_kit::grpc::KeyStoreError> {
    let found = store.find_api_key(&hash.to_string()).await?;
    Ok(found.map(|key| Caller { tenant: key.tenant, services: key.services, name: key.name }))
}
