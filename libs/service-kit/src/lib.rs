//! What every service shares: configuration, telemetry, health, shutdown, servers and clients.
//!
//! A service's `main` is one call of [`cli::main`]; everything else is passed as arguments. The two things that are
//! global by their nature, the log subscriber and the metrics recorder, are installed by [`telemetry::init`] alone.

pub mod cli;
pub mod config;
pub mod download;
pub mod grpc;
pub mod health;
pub mod models;
pub mod net;
pub mod ops;
mod readiness;
pub mod shutdown;
pub mod telemetry;
pub mod tenants;

pub use readiness::{Gate, Heartbeat, Readiness, State};

/// Makes ring the process's TLS provider; calling it again changes nothing.
pub fn install_crypto() {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
