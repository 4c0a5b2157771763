//! The frame of every binary: command line, configuration, runtime, telemetry, signals, exit code.
//!
//! Exit codes: 0 = done or stopped in order, 1 = failed (or not healthy), 2 = the configuration or command line is
//! wrong. Each error is one line on stderr.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Args, Command, ConfigErrors, OpsConfig, Validate},
    install_crypto, shutdown,
    telemetry::{self, TelemetryConfig},
};

/// How long the health check waits.
const HEALTHCHECK_WAIT: Duration = Duration::from_secs(3);

/// What the frame needs to know of a service's configuration.
pub trait Settings: DeserializeOwned + Validate {
    /// `[telemetry]`
    fn telemetry(&self) -> &TelemetryConfig;

    /// `[ops]`
    fn ops(&self) -> &OpsConfig;

    /// How long running work may take to end after a signal.
    fn grace(&self) -> Duration {
        Duration::from_secs(20)
    }
}

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// Runs a service: parses the command line, then [`execute`]. `about` is the first line of its help.
///
/// `run` gets the configuration and the token that a signal cancels; it returns when it has drained.
pub fn main<C, F>(service: &'static str, about: &'static str, defaults: &'static str, run: F) -> ExitCode
where
    C: Settings,
    F: AsyncFnOnce(C, CancellationToken) -> anyhow::Result<()>,
{
    match command(service, about).try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => execute(service, defaults, &cli.args, run),
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is the reader's choice.
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}

fn command(service: &'static str, about: &'static str) -> clap::Command {
    Cli::command().name(service).bin_name(service).about(about).version(env!("CARGO_PKG_VERSION"))
}

/// Does what `args.command` says; for binaries with a command line of their own.
pub fn execute<C, F>(service: &'static str, defaults: &'static str, args: &Args, run: F) -> ExitCode
where
    C: Settings,
    F: AsyncFnOnce(C, CancellationToken) -> anyhow::Result<()>,
{
    let command = args.command.unwrap_or_default();
    if command == Command::PrintConfig {
        return print_config(service, defaults, args);
    }
    let config: C = match config::load(service, defaults, args, config::environment()) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors),
    };
    match command {
        Command::CheckConfig => say(&format!("the configuration of {service} is valid\n")),
        Command::Healthcheck => healthcheck(config.ops().listen),
        Command::Run | Command::PrintConfig => run_service(service, config, run),
    }
}

/// Prints the merged configuration, secrets masked.
pub fn print_config(service: &'static str, defaults: &'static str, args: &Args) -> ExitCode {
    match config::describe(service, defaults, args, config::environment()) {
        Ok(text) => say(&text),
        Err(errors) => refuse(&errors),
    }
}

/// Prints a configuration's errors, one line each; exit code 2.
pub fn refuse(errors: &ConfigErrors) -> ExitCode {
    complain(&errors.to_string());
    ExitCode::from(2)
}

/// Prints an error with its causes on one line; exit code 1.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    complain(&format!("{error:#}"));
    ExitCode::FAILURE
}

fn run_service<C, F>(service: &'static str, config: C, run: F) -> ExitCode
where
    C: Settings,
    F: AsyncFnOnce(C, CancellationToken) -> anyhow::Result<()>,
{
    install_crypto();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let outcome = runtime.block_on(async {
        let grace = config.grace();
        let telemetry = telemetry::init(service, config.telemetry());
        let shutdown = shutdown::on_signal()?;
        let outcome = within_grace(run(config, shutdown.clone()), shutdown, grace).await;
        telemetry.shutdown().await; // spans are handed over whether we ended well or badly
        outcome
    });
    // Tasks that still run are cut here; what they held is in the database.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Waits for `run`, but after `shutdown` no longer than `grace`.
async fn within_grace(
    run: impl Future<Output = anyhow::Result<()>>,
    shutdown: CancellationToken,
    grace: Duration,
) -> anyhow::Result<()> {
    let overrun = async {
        shutdown.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        outcome = run => outcome,
        () = overrun => {
            tracing::warn!(grace_seconds = grace.as_secs(), "the grace period is over; unfinished work is left to others");
            Ok(())
        }
    }
}

/// Asks `/readyz` of the operations listener; a wildcard address is asked on loopback.
fn healthcheck(listen: SocketAddr) -> ExitCode {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
    };
    match ask(SocketAddr::new(ip, listen.port())) {
        Ok((200, body)) => say(&format!("{body}\n")),
        Ok((code, body)) => fail(&anyhow::anyhow!("not ready ({code}): {body}")),
        Err(error) => fail(&anyhow::anyhow!("no answer from {ip}:{}: {error}", listen.port())),
    }
}

fn ask(address: SocketAddr) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, HEALTHCHECK_WAIT)?;
    stream.set_read_timeout(Some(HEALTHCHECK_WAIT))?;
    stream.set_write_timeout(Some(HEALTHCHECK_WAIT))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(65_536).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let code = code.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))?;
    Ok((code, body.trim().to_owned()))
}

fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    // Nobody can be told that stderr is closed.
    let _ = writeln!(io::stderr(), "error: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_service_that_hangs_is_left_after_its_grace_period() {
        let shutdown = CancellationToken::new();
        let hanging = within_grace(std::future::pending(), shutdown.clone(), Duration::from_secs(20));
        shutdown.cancel();
        let started = tokio::time::Instant::now();
        hanging.await.expect("no error");
        assert_eq!(started.elapsed(), Duration::from_secs(20));
    }

    #[test]
    fn help_begins_with_what_the_service_is() {
        let help = command("greeter", "Greets").render_help().to_string();
        assert!(help.starts_with("Greets\n\nUsage: greeter "), "{help}");
    }

    #[tokio::test]
    async fn an_error_of_the_service_is_the_outcome() {
        let run = async { anyhow::bail!("cannot go on") };
        let error = within_grace(run, CancellationToken::new(), Duration::ZERO).await.expect_err("it failed");
        assert_eq!(format!("{error:#}"), "cannot go on");
    }
}
