//! Calls to our own services: API key, deadline and trace context go with each.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use domain::telemetry::metric;
use http::{HeaderValue, Request, Response, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tonic::{
    Code,
    body::Body,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tower::Service;
use tracing::{Instrument as _, field};

use super::{
    entry::{code, code_name},
    remaining,
};
use crate::telemetry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Where a service is and how to call it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// Key that our calls carry.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// Deadline of a call, unless the call brings its own; for a stream until its first answer.
    #[serde(default = "ten_seconds", with = "humantime_serde")]
    pub timeout: Duration,
    /// Own authority and certificate for `https`; without it an `https` URL cannot be called.
    #[serde(default)]
    pub tls: Option<ClientTls>,
}

impl ClientConfig {
    /// Calls without a key, with a deadline of 10 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), api_key: None, timeout: ten_seconds(), tls: None }
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

/// PEM files of a client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// Authority that the server's certificate must come from.
    pub ca_file: PathBuf,
    /// Own certificate chain, for mTLS.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// Its private key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

/// A client cannot be made from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none, or TLS cannot be set up.
    #[error("`{url}` cannot be called")]
    Endpoint {
        /// As configured.
        url: String,
        /// Why.
        #[source]
        cause: tonic::transport::Error,
    },
    /// The key has characters that no header can carry.
    #[error("the API key has characters that cannot be sent")]
    Key,
    /// A PEM file cannot be read.
    #[error("cannot read {path}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// A connection to one service, to be given to the generated clients: `CatalogServiceClient::new(client)`.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// A client that connects at its first call and again whenever it has to. Call it inside the runtime.
///
/// # Errors
/// [`ClientError`]: the configuration cannot work.
pub fn channel(config: &ClientConfig) -> Result<Client, ClientError> {
    let refused = |cause| ClientError::Endpoint { url: config.url.clone(), cause };
    let mut endpoint = Endpoint::from_shared(config.url.clone())
        .map_err(refused)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    if let Some(tls) = &config.tls {
        endpoint = endpoint.tls_config(tls.load()?).map_err(refused)?;
    }
    let authorization = match &config.api_key {
        None => None,
        Some(key) => {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
                .map_err(|_invalid| ClientError::Key)?;
            value.set_sensitive(true);
            Some(value)
        }
    };
    Ok(Client { channel: endpoint.connect_lazy(), authorization, timeout: config.timeout })
}

impl Service<Request<Body>> for Client {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "rpc_client",
            otel.name = %method,
            otel.kind = "client",
            otel.status_code = field::Empty,
            rpc.system.name = "grpc",
            rpc.method = %method,
            rpc.status_code = field::Empty,
        );
        let headers = request.headers_mut();
        if let Some(parent) = telemetry::traceparent_of(&span).and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert("traceparent", parent);
        }
        if !headers.contains_key("grpc-timeout") {
            let wait = remaining().map_or(self.timeout, |left| left.min(self.timeout));
            // Eight digits at most: milliseconds reach 27 hours.
            let millis = wait.as_millis().clamp(1, 99_999_999);
            if let Ok(value) = HeaderValue::try_from(format!("{millis}m")) {
                headers.insert("grpc-timeout", value);
            }
        }
        let call = self.channel.call(request);
        Box::pin(async move {
            let started = Instant::now();
            let outcome = call.instrument(span.clone()).await;
            // A transport that fails is what the caller sees as UNAVAILABLE.
            let code = outcome.as_ref().map_or(Code::Unavailable, |response| code(response.headers()));
            span.record("rpc.status_code", code_name(code));
            if code != Code::Ok {
                span.record("otel.status_code", "ERROR");
            }
            metrics::histogram!(
                metric::RPC_CLIENT_CALL_DURATION,
                "rpc_method" => method,
                "rpc_status_code" => code_name(code),
            )
            .record(started.elapsed());
            outcome
        })
    }
}

impl ClientTls {
    fn load(&self) -> Result<ClientTlsConfig, ClientError> {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem(&self.ca_file)?));
        Ok(match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => tls.identity(Identity::from_pem(pem(cert)?, pem(key)?)),
            _ => tls,
        })
    }
}

fn pem(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|cause| ClientError::Pem { path: path.to_owned(), cause })
}
