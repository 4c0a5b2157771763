//! How a service's binary starts while its database is away.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::process::{Server, free_port};

/// Far less than the 60 s for which a service waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// Starts `program`, whose variables begin with `prefix`, with a database that does not answer: it is alive and not
/// ready, and SIGTERM ends it at once with exit code 0. `listeners` are its sections with an address, besides `OPS`.
///
/// # Errors
/// What it did instead, with its log.
pub fn check_start_without_database(program: &str, prefix: &str, listeners: &[&str]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ops = free_port()?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .env(format!("{prefix}__DATABASE__CONNECT_WAIT"), "60s")
        .env(format!("{prefix}__OPS__LISTEN"), format!("127.0.0.1:{ops}"))
        .current_dir(folder.path());
    for listener in listeners {
        command.env(format!("{prefix}__{listener}__LISTEN"), "127.0.0.1:0");
    }
    let mut server = Server::spawn(command, folder.path())?;
    let outcome = wait_for_probes(&mut server, ops, folder.path()).and_then(|()| {
        let code = server.terminate(PATIENCE)?;
        ensure!(code == Some(0), "SIGTERM gave the exit code {code:?}");
        Ok(())
    });
    outcome.with_context(|| std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default())
}

fn wait_for_probes(server: &mut Server, port: u16, folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let alive = loop {
        server.check(folder)?;
        match ask(port, "/livez") {
            Ok(answer) => break answer,
            Err(error) if started.elapsed() > PATIENCE => return Err(error.context("no probe is answered")),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    ensure!(alive.starts_with("HTTP/1.1 200 "), "/livez: {alive}");
    let ready = ask(port, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 503 "), "/readyz: {ready}");
    Ok(())
}

fn ask(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
