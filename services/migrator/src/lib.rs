//! The schema up and down, roles, keys, stream and group.
//!
//! A job that runs to its end before anything else starts. Only one works on a schema at a time; it waits for the
//! database and for Redis, with a limit, and says in one line what it lacks.

mod config;
mod keys;
mod schema;

use std::{io::Write, path::PathBuf};

use clap::{Parser, Subcommand};
pub use config::{Config, RolesConfig};
pub use keys::KeysCommand;

/// Name of the service in logs and variables.
pub const SERVICE: &str = "migrator";
/// The lowest layer of the configuration.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// The command line.
#[derive(Debug, Parser)]
#[command(name = SERVICE, version, about = "Prepares the database and Redis for Dragoman")]
pub struct Cli {
    /// Configuration file (TOML), over the built-in defaults and under the environment.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the migrator does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Apply missing migrations, give the bot's user its rights, make stream and group.
    Up,
    /// Take the last migrations back.
    Down {
        /// How many.
        #[arg(default_value_t = 1)]
        steps: usize,
    },
    /// List the migrations and whether they are applied.
    Status,
    /// Check that the schema is complete, known and unchanged; exit code 1 if not.
    Verify,
    /// Create the database and both users (PostgreSQL), from `roles.superuser_url`.
    Roles,
    /// API keys of the gRPC services.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Check the configuration and say all that is wrong with it.
    CheckConfig,
    /// Print the merged configuration, secrets masked.
    PrintConfig,
    /// Say whether services may start: the same as `verify`, without waiting for the database.
    Healthcheck,
}

/// Does what `command` says and prints what was done to `out`.
///
/// # Errors
/// What went wrong, with its causes.
pub async fn run(command: Command, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Command::Up => schema::up(config, out).await,
        Command::Down { steps } => schema::down(config, steps, out).await,
        Command::Status => schema::status(config, out).await,
        Command::Verify => schema::verify(config, out).await,
        Command::Roles => schema::roles(config, out).await,
        Command::Keys(command) => keys::run(command, config, out).await,
        Command::CheckConfig => Ok(writeln!(out, "the configuration of {SERVICE} is valid")?),
        Command::PrintConfig => Ok(()), // printed before it is read, so that it shows what is wrong too
        Command::Healthcheck => schema::verify(&config.without_waiting(), out).await,
    }
}
