//! The operators' room: the console over HTTP, dead letters and switches over gRPC, behind keys and an address list, and health.
//!
//! Absent on purpose: nothing here answers messages. A replay is a new inbox row and a ring; a worker does the rest.

mod catalog;
mod config;
mod console;
mod dead_letters;
mod grpc;
mod readiness;
mod switches;

use std::net::SocketAddr;

use anyhow::Context as _;
use coordination::Coordination;
use secrecy::ExposeSecret as _;
use service_kit::{
    Readiness,
    grpc::{Caller, GrpcServer, KeyHash, key_store},
    health, ops,
};
use store::{Role, Store, StoreConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use console::Console;
use dead_letters::DeadLetters;
use switches::Switchboard;

pub use config::{AdminConfig, CatalogConfig, Config, ConsoleConfig};

use proto::admin::v1::admin_service_server::{AdminServiceServer, SERVICE_NAME};

/// Name of the service.
pub const SERVICE: &str = "admin-service";
/// Its built-in settings.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// What it works with; made once per process.
#[derive(Clone)]
pub struct Parts {
    /// The database, as its owner.
    pub store: Store,
    /// Doorbell.
    pub coordination: Coordination,
}

impl Parts {
    /// Connects to what the configuration names.
    ///
    /// # Errors
    /// When the database is not reachable in time, or Redis's settings cannot be used.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let store = Store::connect(&StoreConfig {
            url: config.database.url.expose_secret().to_owned(),
            max_connections: config.database.max_connections,
            connect_wait: config.database.connect_wait,
            role: Role::Admin,
        })
        .await?;
        let coordination = Coordination::connect(&config.coordination).context("cannot use Redis")?;
        Ok(Self { store, coordination })
    }
}

/// Where it listens.
#[derive(Debug)]
pub struct Listeners {
    /// AdminService.
    pub grpc: TcpListener,
    /// The console and `GET /health`; neither is served without it.
    pub http: Option<TcpListener>,
    /// Probes and metrics.
    pub ops: TcpListener,
}

/// The service.
pub struct App {
    config: Config,
    parts: Parts,
    readiness: Readiness,
    gates: readiness::Gates,
}

impl App {
    /// Opens no connection.
    pub fn new(config: Config, parts: Parts) -> Self {
        let readiness = Readiness::new(SERVICE);
        let gates = readiness::Gates::register(&readiness);
        Self { config, parts, readiness, gates }
    }

    /// Its readiness, for a process that starts several services.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Serves until `shutdown`; calls under way get their grace period.
    ///
    /// # Errors
    /// When the catalogue's address cannot be called, files cannot be read as configured, or the gRPC server cannot be set up or fails.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { config, parts, readiness, gates } = self;
        let drained = CancellationToken::new();
        // Whatever ends this function ends its tasks.
        let _end_tasks = drained.clone().drop_guard();
        tokio::spawn(ops::serve(listeners.ops, readiness.clone(), drained.clone()));
        tokio::spawn(gates.watch(parts.clone(), drained.clone()));
        let letters = DeadLetters { store: parts.store.clone(), coordination: parts.coordination.clone() };
        // Its streams end as soon as the service stops; its other pages are short.
        let switchboard = Switchboard { store: parts.store.clone() };
        let files = config.files.open().context("[files] cannot be used")?;
        let console = Console::new(&config, letters.clone(), switchboard.clone(), files, shutdown.clone())
            .context("cannot call the catalogue")?;
        let routes = health::router(config.http.health, readiness.clone()).merge(console::router(console));
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        if let Some(http) = listeners.http {
            let ended = drained.clone().cancelled_owned();
            tokio::spawn(async move {
                if let Err(error) = axum::serve(http, routes).with_graceful_shutdown(ended).await {
                    tracing::error!(%error, "the HTTP listener failed");
                }
            });
        }
        let keys = {
            let store = parts.store.clone();
            key_store(move |hash| find_key(store.clone(), hash))
        };
        let admin = grpc::Admin { letters, switchboard };
        GrpcServer::new(&config.grpc)
            .readiness(readiness)
            .reflection(proto::DESCRIPTORS)
            .services(&[SERVICE_NAME])
            .keys(keys)
            .allow_addresses(config.admin.allowed_addresses)
            .serve(listeners.grpc, Routes::new(AdminServiceServer::new(admin)), shutdown)
            .await
            .context("the gRPC server failed")
    }
}

async fn find_key(store: Store, hash: KeyHash) -> Result<Option<Caller>, Box<dyn std::error::Error + Send + Sync>> {
    let key = store.find_api_key(&hash.to_string()).await?;
    Ok(key.map(|key| Caller { tenant: key.tenant, services: key.services, name: key.name }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use service_kit::config::{Args, load};

    use super::*;

    #[tokio::test]
    async fn it_is_not_ready_before_its_first_look_at_the_database() {
        let file = testkit::Sqlite::new().expect("a folder");
        let store = StoreConfig {
            url: file.url(),
            max_connections: 1,
            connect_wait: Duration::from_secs(5),
            role: Role::Admin,
        };
        let parts =
            Parts { store: Store::connect(&store).await.expect("a database"), coordination: Coordination::memory() };
        let config = load(SERVICE, DEFAULTS, &Args::default(), std::iter::empty()).expect("valid");
        let app = App::new(config, parts);
        assert!(!app.readiness().is_ready(), "{:?}", app.readiness().state());
    }
}
