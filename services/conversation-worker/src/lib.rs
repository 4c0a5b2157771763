//! Turns: a message becomes an answer, and survives anything.
//!
//! The database is the truth and the bell only says "look": [`listen`] hears it and claims the conversation, [`drain`]
//! works on it until nothing can be done, [`run_turn`] runs the pure [`turn`] and performs and journals what it asks
//! for, [`commit`] writes the answer, [`send`] sends it. [`sweep`] rings again for bells that were lost.

mod alone;
mod app;
mod backends;
mod breaker;
mod burst;
mod catalog;
mod commit;
mod config;
mod dialogue;
mod drain;
mod envelope;
mod files;
mod grpc;
mod journal;
mod language;
mod lease;
mod listen;
mod mask;
mod model;
mod perform;
mod reach;
mod reply_files;
mod run_turn;
mod send;
mod sweep;
mod tenants;
pub mod turn;
mod worker;

pub use app::{App, AppError, Parts};
pub use config::{CatalogConfig, Config, DEFAULTS, WorkerConfig, documents as check_documents, no_document};
pub use worker::Decide;

/// Name of the service.
pub const SERVICE: &str = "conversation-worker";
