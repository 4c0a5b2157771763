//! The server that every service runs.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::{
    auth::{Auth, AuthConfig, KeyStore, StaticKey},
    connection::incoming,
    entry::EntryLayer,
};
use crate::{
    Readiness,
    config::{Problems, Validate},
};

/// Between NOT_SERVING and the end of accepting, so that callers look elsewhere first.
const NOT_SERVING_DELAY: Duration = Duration::from_millis(100);
/// Connections are renewed this often, so that callers spread over new replicas.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// Dead peers are found this soon.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// After the cut, for connections to notice.
const CUT_WAIT: Duration = Duration::from_secs(1);
const CONCURRENT_STREAMS_MAX: u32 = 1_024;

/// `[grpc]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcConfig {
    /// Address of the listener.
    pub listen: SocketAddr,
    /// Whether the protos can be asked for.
    pub reflection: bool,
    /// Longest a handler may take, whatever the caller's `grpc-timeout` says.
    #[serde(with = "humantime_serde")]
    pub deadline_max: Duration,
    /// Longest that calls may take to end when the service stops.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// Whether keys are asked for.
    pub auth: AuthConfig,
    /// Keys from configuration by name.
    pub keys: BTreeMap<String, StaticKey>,
    /// TLS, or mTLS with `client_ca_file`.
    pub tls: Option<ServerTls>,
}

impl Default for GrpcConfig {
    /// A free loopback port and no key that works.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            reflection: true,
            deadline_max: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            auth: AuthConfig::default(),
            keys: BTreeMap::new(),
            tls: None,
        }
    }
}

impl Validate for GrpcConfig {
    fn validate(&self, problems: &mut Problems) {
        if matches!(self.auth, AuthConfig::Off { .. }) && !self.listen.ip().is_loopback() {
            problems.add("auth.mode", "`off` is allowed on a loopback address only: see `listen`");
        }
        if self.deadline_max.is_zero() {
            problems.add("deadline_max", "must be longer than 0s");
        }
        for (name, key) in &self.keys {
            problems.within(&format!("keys.{name}"), |problems| key.validate(problems));
        }
    }
}

/// `[grpc.tls]`: PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// Certificate chain.
    pub cert_file: PathBuf,
    /// Private key.
    pub key_file: PathBuf,
    /// Authority that callers' certificates must come from; none = callers need no certificate.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

/// Serving could not begin or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Authentication is off on an address that others reach.
    #[error("calls without an API key are allowed on loopback only, but the listener is {0}")]
    OpenToAll(SocketAddr),
    /// A PEM file cannot be read.
    #[error("cannot read {path}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The listener is unusable.
    #[error("the listener is unusable")]
    Listener(#[source] io::Error),
    /// The descriptors for reflection are broken.
    #[error("cannot serve reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed")]
    Transport(#[from] tonic::transport::Error),
}

/// Builds and runs a gRPC server.
pub struct GrpcServer {
    config: GrpcConfig,
    readiness: Option<Readiness>,
    descriptors: Option<&'static [u8]>,
    services: Vec<&'static str>,
    store: Option<Box<dyn KeyStore>>,
    addresses: Option<Vec<IpNet>>,
}

impl GrpcServer {
    /// A server with keys from configuration only.
    pub fn new(config: &GrpcConfig) -> Self {
        Self {
            config: config.clone(),
            readiness: None,
            descriptors: None,
            services: Vec::new(),
            store: None,
            addresses: None,
        }
    }

    /// Health follows this readiness; stopping the server drains it.
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Descriptors for reflection (`proto::DESCRIPTORS`), if the configuration allows it.
    pub fn reflection(mut self, descriptors: &'static [u8]) -> Self {
        self.descriptors = Some(descriptors);
        self
    }

    /// Full names (`SERVICE_NAME` of the generated server modules) that health knows and reflection lists.
    pub fn services(mut self, names: &[&'static str]) -> Self {
        self.services.extend_from_slice(names);
        self
    }

    /// Keys besides those of the configuration.
    pub fn keys(mut self, store: impl KeyStore) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Admits these networks only, by the socket's peer. Health stays open.
    pub fn allow_addresses(mut self, networks: Vec<IpNet>) -> Self {
        self.addresses = Some(networks);
        self
    }

    /// Serves until `shutdown`; then health says NOT_SERVING, running calls get `drain`, and what is still open is cut.
    ///
    /// # Errors
    /// [`ServeError`]: before the first call for all but `Transport`.
    pub async fn serve(
        self,
        listener: TcpListener,
        routes: Routes,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr().map_err(ServeError::Listener)?;
        if matches!(self.config.auth, AuthConfig::Off { .. }) && !address.ip().is_loopback() {
            return Err(ServeError::OpenToAll(address));
        }
        let auth = Auth::new(&self.config.auth, &self.config.keys, self.store, self.addresses);
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = routes.add_service(health);
        if let Some(descriptors) = self.descriptors.filter(|_| self.config.reflection) {
            let builder = || {
                let builder = tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(descriptors)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
                self.services.iter().fold(builder, |builder, name| builder.with_service_name(*name))
            };
            routes = routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?);
        }
        let mut server = Server::builder()
            .max_connection_age(CONNECTION_AGE_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .max_concurrent_streams(CONCURRENT_STREAMS_MAX);
        if let Some(tls) = &self.config.tls {
            server = server.tls_config(tls.load()?)?;
        }
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let served = server
            .layer(EntryLayer { auth, deadline_max: self.config.deadline_max })
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming(listener, cut.clone()), stop.clone().cancelled_owned());
        let readiness = self.readiness.unwrap_or_else(|| Readiness::new("grpc"));
        let drain = self.config.drain;
        let ending = async {
            follow(&readiness, &reporter, &self.services, shutdown.cancelled()).await;
            tokio::time::sleep(NOT_SERVING_DELAY).await;
            stop.cancel();
            tokio::time::sleep(drain).await;
            tracing::info!("calls are still open after the drain; cutting their connections");
            cut.cancel();
            tokio::time::sleep(CUT_WAIT).await;
        };
        tokio::select! {
            outcome = served => outcome.map_err(ServeError::from),
            () = ending => Ok(()),
        }
    }
}

/// Health says what readiness says until `shutdown`, and NOT_SERVING from then on.
async fn follow(
    readiness: &Readiness,
    reporter: &HealthReporter,
    services: &[&'static str],
    shutdown: impl Future<Output = ()>,
) {
    let report = async |serving: bool| {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in services.iter().chain([&""]) {
            reporter.set_service_status(*name, status).await;
        }
    };
    let mut changes = readiness.watch();
    let following = async {
        loop {
            let ready = *changes.borrow_and_update();
            report(ready).await;
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = following => {}
        () = shutdown => {}
    }
    readiness.drain();
    report(false).await;
}

impl ServerTls {
    fn load(&self) -> Result<ServerTlsConfig, ServeError> {
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(pem(&self.cert_file)?, pem(&self.key_file)?));
        Ok(match &self.client_ca_file {
            Some(path) => tls.client_ca_root(Certificate::from_pem(pem(path)?)),
            None => tls,
        })
    }
}

fn pem(path: &Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|cause| ServeError::Pem { path: path.to_owned(), cause })
}
