//! Dragoman: every service in one process, SQLite and in-process coordination, for one machine.
//!
//! The services are the same as apart: they speak gRPC to each other, over loopback. While no account of a real
//! platform is configured, the simulated ones are started beside them, with the phone page on the public listener.

pub mod channels;
mod compose;
mod config;
mod console;
pub mod credential;
pub mod embeddings;
pub mod fakes;
mod inside;
pub mod models;
pub mod options;
mod private_file;
mod private_hosts;
mod running;
mod session_key;
pub mod simulate;

pub use config::Config;
pub use console::Console;
pub use running::{Running, start};

/// Name of the service.
pub const SERVICE: &str = "dragoman";
/// Its built-in settings.
pub const DEFAULTS: &str = include_str!("../config.toml");
