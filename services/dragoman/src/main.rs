//! Dragoman in one process; see `dragoman --help`.

use std::process::ExitCode;

use clap::Parser as _;
use dragoman::{
    Config, DEFAULTS, SERVICE,
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
    let mut args = options.args();
    if std::env::var_os("DATABASE_URL").is_none()
        && std::env::var_os("DRAGOMAN__DATABASE__URL").is_none()
        && options.config.is_none()
    {
        let url = format!("sqlite:{}", options.run.data.join("dragoman.db").display());
        args.overrides.push((vec!["database".to_owned(), "url".to_owned()], url.into()));
    }
    match options.command {
        Some(Command::Simulate(simulation)) => {
            cli::execute(SERVICE, DEFAULTS, &args, async |config: Config, shutdown| {
                simulate::run(simulation, &config, shutdown).await
            })
        }
        _ => cli::execute(SERVICE, DEFAULTS, &args, async |config, shutdown| run(config, options.run, shutdown).await),
    }
}

async fn run(config: Config, options: RunOptions, shutdown: CancellationToken) -> anyhow::Result<()> {
    let running = start(config, &options, shutdown).await?;
    if running.phone {
        tracing::info!("write a message: http://localhost:{}/phone", running.address.port());
    }
    running.wait().await
}
