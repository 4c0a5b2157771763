//! Migrator: the schema up and down, roles, keys, stream and group.

use std::{io, process::ExitCode};

use clap::Parser as _;
use migrator::{Cli, Command, Config, DEFAULTS, SERVICE, run};
use service_kit::{
    cli,
    config::{self, Args},
    install_crypto, telemetry,
};

fn main() -> ExitCode {
    let cli = Cli::parse(); // ends by itself with code 2 on a wrong command line
    let args = Args { config: cli.config.clone(), ..Args::default() };
    if matches!(cli.command, Command::PrintConfig) {
        return cli::print_config(SERVICE, DEFAULTS, &args);
    }
    let config = match config::load::<Config>(SERVICE, DEFAULTS, &args, config::environment()) {
        Ok(config) => config.with_bot_url(std::env::var("BOT_DATABASE_URL").ok()),
        Err(errors) => return cli::refuse(&errors),
    };
    install_crypto();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return cli::fail(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let outcome = runtime.block_on(async {
        let telemetry = telemetry::init(SERVICE, &config.telemetry);
        let outcome = run(cli.command, &config, &mut io::stdout()).await;
        telemetry.shutdown().await;
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}
