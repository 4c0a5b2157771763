//! Dragoman in one process; see `dragoman --help`.

use std::process::ExitCode;

use clap::Parser as _;
use dragoman::{
    Config, DEFAULTS, SERVICE, channels, embeddings, models,
    options::{Cli, Command, RunOptions},
    simulate, start,
};
use service_kit::cli;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let options = match Cli::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is the reader's choice.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let args = options.args();
    match options.command {
        Some(Command::Simulate(simulation)) => {
            cli::execute(SERVICE, DEFAULTS, &args, async |config: Config, shutdown| {
                simulate::run(*simulation, &config, shutdown).await
            })
        }
        Some(Command::Models(command)) => models::run(&command),
        Some(Command::Channels(command)) => {
            cli::execute(SERVICE, DEFAULTS, &args, async |config: Config, _shutdown| {
                channels::run(&command, &config.tenants).await
            })
        }
        Some(Command::Embeddings(command)) => {
            cli::execute(SERVICE, DEFAULTS, &args, async |config: Config, _shutdown| {
                embeddings::run(&command, &config, &options.run).await
            })
        }
        _ => cli::execute(SERVICE, DEFAULTS, &args, async |config, shutdown| run(config, options.run, shutdown).await),
    }
}

async fn run(config: Config, options: RunOptions, shutdown: CancellationToken) -> anyhow::Result<()> {
    let running = tokio::select! {
        biased;
        // Nothing was taken yet that would have to be finished.
        () = shutdown.cancelled() => return Ok(()),
        running = start(config, &options, shutdown.clone()) => running?,
    };
    if running.phone {
        tracing::info!("write a message: http://localhost:{}/phone", running.address.port());
    }
    if let Some(console) = &running.console {
        tracing::info!("operator's console: {console}");
    }
    running.wait().await
}
