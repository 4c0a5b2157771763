//! Sections that several services share.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;

use crate::health::HealthFormat;

/// `[ops]`: probes and metrics.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsConfig {
    /// Address of the operations listener.
    pub listen: SocketAddr,
}

impl Default for OpsConfig {
    /// A free loopback port.
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
    }
}

/// `[http]`: a service's HTTP listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Its address.
    pub listen: SocketAddr,
    /// Form of `GET /health`.
    #[serde(default)]
    pub health: HealthFormat,
}

/// `[database]`: where the store is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://..`, `postgresql+asyncpg://..` or `sqlite:<path>`.
    pub url: SecretString,
    /// Connections at most.
    #[serde(default = "ten")]
    pub max_connections: u32,
    /// How long a start waits for the database.
    #[serde(default = "sixty_seconds", with = "humantime_serde")]
    pub connect_wait: Duration,
}

fn ten() -> u32 {
    10
}

fn sixty_seconds() -> Duration {
    Duration::from_secs(60)
}
