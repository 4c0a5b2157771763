//! Embedding service: the operation catalogue, embeddings and nearest-neighbour search.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use embedding_service::{App, Config, DEFAULTS, Parts, SERVICE, moving};
use service_kit::{cli, config, net, ops};
use tokio_util::sync::CancellationToken;

/// A call with a vector of some kilobytes takes a fifth less of a core than with the allocator of the C library, which keeps
/// only small pieces near the thread that gave them back. See `make bench-embedding`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Finds operations and vectors: the catalogue, the vector cache and nearest neighbours
#[derive(Debug, Parser)]
#[command(name = SERVICE, version)]
struct Cli {
    /// Configuration file (TOML), over the built-in defaults and under the environment.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to do; without it the service runs.
    #[command(subcommand)]
    command: Option<Command>,
}

/// What the binary can do.
#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run the service (the default).
    Run,
    /// Check the configuration and say all that is wrong with it.
    CheckConfig,
    /// Print the merged configuration, secrets masked.
    PrintConfig,
    /// Ask the running service whether it is ready; exit code 0 if so.
    Healthcheck,
    /// Vectors of operations as JSON, from and for other programs; while the service does not run.
    #[command(subcommand)]
    Embeddings(moving::Command),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is the reader's choice.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let command = match cli.command {
        None | Some(Command::Run | Command::Embeddings(_)) => config::Command::Run,
        Some(Command::CheckConfig) => config::Command::CheckConfig,
        Some(Command::PrintConfig) => config::Command::PrintConfig,
        Some(Command::Healthcheck) => config::Command::Healthcheck,
    };
    let args = config::Args { config: cli.config, command: Some(command), ..config::Args::default() };
    match cli.command {
        Some(Command::Embeddings(command)) => cli::execute(SERVICE, DEFAULTS, &args, async |config: Config, _| {
            command.run(&config, &Parts::connect(&config).await?).await
        }),
        _ => cli::execute(SERVICE, DEFAULTS, &args, run),
    }
}

async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let grpc = net::bind(SERVICE, "grpc.listen", config.grpc.listen).await?;
    let ops = net::bind(SERVICE, "ops.listen", config.ops.listen).await?;
    let Some((parts, ops)) = ops::while_connecting(SERVICE, ops, Parts::connect(&config), &shutdown).await? else {
        return Ok(()); // stopped while it waited
    };
    let app = App::new(config, parts)?;
    tracing::info!(listen = %grpc.local_addr()?, "listening");
    app.serve(grpc, ops, shutdown).await
}
