//! Ingress gateway: webhooks and web chat. It accepts, rings and answers; what a message means is not known here.
//!
//! The path of a webhook: limits ([`body`]), signature and shape (`channels`), one transaction
//! (`store::inbox`), 200, ring. The answer never waits for Redis.

mod accounts;
mod body;
mod chat;
mod config;
mod files;
mod group;
mod health_ai;
mod http;
mod pages;
mod readiness;
mod respond;
mod telegram;
mod webhook;

use std::sync::Arc;

use ai::{Switch, Switches};
use anyhow::Context as _;
use axum::Router;
use coordination::Coordination;
use domain::{Clock, SystemClock};
use file_store::FileStore;
use service_kit::{Readiness, health, ops};
use store::{Role, Store, StoreConfig};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

pub use accounts::{AppError, ShortKey};
pub use config::{ChatConfig, Config, UploadConfig, WebhookConfig};
pub use group::Accept;

/// Name of the service.
pub const SERVICE: &str = "ingress-gateway";
/// Its built-in settings.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// What the gateway works with; made once per process.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Doorbell, feed and limits.
    pub coordination: Coordination,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
}

impl Parts {
    /// Connects to what the configuration names.
    ///
    /// # Errors
    /// When the database is not reachable in time, or Redis's settings cannot be used.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        use secrecy::ExposeSecret as _;
        let store = Store::connect(&StoreConfig {
            url: config.database.url.expose_secret().to_owned(),
            max_connections: config.database.max_connections,
            connect_wait: config.database.connect_wait,
            role: Role::Gateway,
        })
        .await?;
        let coordination = Coordination::connect(&config.coordination).context("cannot use Redis")?;
        Ok(Self { store, coordination, clock: Arc::new(SystemClock) })
    }
}

/// The service.
pub struct App {
    shared: Arc<Shared>,
    readiness: Readiness,
    gates: readiness::Gates,
    more_routes: Router,
}

/// What all handlers share.
struct Shared {
    config: Config,
    accounts: accounts::Accounts,
    store: Store,
    groups: group::Groups,
    coordination: Coordination,
    clock: Arc<dyn Clock>,
    switches: Switches,
    health_ai: health_ai::Known,
    streams: chat::Streams,
    /// Where the bytes are of uploads and of files that answers show; none: in the database.
    files: Option<FileStore>,
    /// Places for uploads under way.
    uploading: Semaphore,
    /// Places for files that are read for somebody.
    giving: Arc<Semaphore>,
    /// Cancelled when the service stops: streams end.
    stopping: CancellationToken,
}

impl App {
    /// Prepares the configured accounts; opens no connection.
    ///
    /// # Errors
    /// [`AppError`] when an account's settings cannot be used.
    pub fn new(config: Config, parts: Parts) -> Result<Self, AppError> {
        let store = Arc::new(parts.store.clone());
        Self::accepting(config, parts, store)
    }

    /// As [`Self::new`], with messages accepted by something else than the store.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn accepting(config: Config, parts: Parts, accept: Arc<dyn Accept>) -> Result<Self, AppError> {
        for (tenant, account) in accounts::with_sessions_of_one_process(&config) {
            tracing::warn!(
                %tenant, %account,
                "sessions end with this process and no other gateway knows them: \
                 set tenants.{tenant}.accounts.\"{account}\".session_key to 32 or more random bytes"
            );
        }
        let shared = Shared {
            accounts: accounts::Accounts::new(&config)?,
            switches: Switches::new(parts.store.clone(), config.ai),
            health_ai: health_ai::Known::default(),
            groups: group::Groups::of(accept),
            store: parts.store,
            coordination: parts.coordination,
            clock: parts.clock,
            streams: chat::Streams::default(),
            uploading: Semaphore::new(config.chat.uploads.at_once_max.min(Semaphore::MAX_PERMITS)),
            stopping: CancellationToken::new(),
            giving: Arc::new(Semaphore::new(files::AT_ONCE_MAX)),
            files: config.files.open()?,
            config,
        };
        let readiness = Readiness::new(SERVICE);
        let gates = readiness::Gates::register(&readiness);
        Ok(Self { shared: Arc::new(shared), readiness, gates, more_routes: Router::new() })
    }

    /// Serves `routes` on the public listener too.
    #[must_use]
    pub fn with_routes(mut self, routes: Router) -> Self {
        self.more_routes = self.more_routes.merge(routes);
        self
    }

    /// Its readiness, for a process that starts several services.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Serves until `shutdown`; requests under way end first, streams are closed.
    ///
    /// # Errors
    /// None after the start; the listeners' own failures are logged and survived.
    pub async fn serve(self, http: TcpListener, ops: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let router = self.router();
        let drained = CancellationToken::new();
        let ops = tokio::spawn(ops::serve(ops, self.readiness.clone(), drained.clone()));
        let (store, coordination) = (self.shared.store.clone(), self.shared.coordination.clone());
        let watching = tokio::spawn(self.gates.watch(store.clone(), coordination, drained.clone()));
        let switches = self.shared.switches.clone();
        // Before the first message: nobody is let in by a switch that was turned off before this start.
        if let Err(error) = switches.look().await {
            tracing::warn!(%error, "the switches cannot be read yet");
        }
        let told = ai::Told { service: SERVICE, start: switches.start(), uses: &[Switch::Enabled, Switch::RateLimit] };
        let telling = tokio::spawn(ai::tell(store, told, None, drained.clone()));
        let following = tokio::spawn(switches.follow(drained.clone()));
        let bots = tokio::spawn(telegram::run(self.shared.clone(), self.shared.stopping.clone()));
        let stop = {
            let (shutdown, readiness, stopping) =
                (shutdown.clone(), self.readiness.clone(), self.shared.stopping.clone());
            async move {
                shutdown.cancelled().await;
                readiness.drain();
                stopping.cancel();
            }
        };
        let stop = tokio::spawn(stop);
        let limits = http::Limits {
            header_read_timeout: self.shared.config.webhook.header_read_timeout,
            write_timeout: http::WRITE_TIMEOUT,
            connections_max: self.shared.config.webhook.connections_max,
        };
        http::serve(http, router, limits, shutdown).await;
        drained.cancel();
        for task in [ops, watching, telling, following, bots, stop] {
            task.await.context("a task of the gateway failed")?;
        }
        Ok(())
    }

    fn router(&self) -> Router {
        Router::new()
            .merge(webhook::router(self.shared.clone()))
            .merge(chat::router(self.shared.clone()))
            .merge(files::router(self.shared.clone()))
            .merge(health_ai::router(self.shared.clone()))
            .merge(health::router(self.shared.config.http.health, self.readiness.clone()))
            .merge(pages::router(&self.shared))
            .merge(self.more_routes.clone())
            .fallback_service(axum::routing::any(webhook::at_path).with_state(self.shared.clone()))
            .layer(axum::middleware::from_fn(http::observe))
    }
}
