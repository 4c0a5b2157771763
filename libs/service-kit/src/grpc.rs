//! gRPC servers and clients as all services use them.
//!
//! A server has health, reflection (v1 and v1alpha), API keys, deadlines, trace context and a drain with an end; a
//! client sends key, deadline and trace context with each call.

mod auth;
mod client;
mod connection;
mod entry;
mod error;
mod server;

pub use auth::{AuthConfig, Caller, KeyHash, KeyStore, KeyStoreError, StaticKey, key_store};
pub use client::{Client, ClientConfig, ClientError, ClientTls, channel};
pub use entry::remaining;
pub use error::{GrpcError, into_status};
pub use server::{GrpcConfig, GrpcServer, ServeError, ServerTls};

/// Bytes of one message at most, in both directions (tonic's own limit for what is received).
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
