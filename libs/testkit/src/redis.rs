//! Redis: a server of `TEST_REDIS_URL` or of the test itself, and a key prefix per test.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tempfile::TempDir;
use uuid::Uuid;

use crate::process::{Server, find_program, free_port};

/// A Redis server and a prefix for the keys of one test.
pub struct Redis {
    url: String,
    prefix: String,
    // Dropped in this order: the server first, then its folder.
    server: Option<Server>,
    folder: Option<TempDir>,
}

impl Redis {
    /// The server of `TEST_REDIS_URL`, else one of this test.
    ///
    /// # Errors
    /// When there is none and none can be started; the message names the package to install.
    pub async fn shared() -> anyhow::Result<Self> {
        match std::env::var("TEST_REDIS_URL") {
            Ok(url) if !url.is_empty() => Ok(Self { url, prefix: prefix(), server: None, folder: None }),
            _ => Self::start().await,
        }
    }

    /// A server of its own, for a test that stops, kills or flushes it.
    ///
    /// # Errors
    /// When it cannot be started; the message names the package to install.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut last = anyhow::anyhow!("Redis was not started");
        for _ in 0..5 {
            let port = free_port()?;
            match run(&folder, port, &[]).await {
                Ok(server) => {
                    let url = format!("redis://127.0.0.1:{port}");
                    return Ok(Self { url, prefix: prefix(), server: Some(server), folder: Some(folder) });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Starts it again after [`Redis::kill`], on its port and in its folder, with more arguments of `redis-server`.
    ///
    /// # Errors
    /// When it is not the test's own, or does not answer within 10 s.
    pub async fn restart(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        let folder = self.folder.as_ref().context("this server is not the test's own")?;
        self.server = Some(run(folder, self.port()?, arguments).await?);
        Ok(())
    }

    /// The port of the test's own server.
    ///
    /// # Errors
    /// When the URL has none.
    pub fn port(&self) -> anyhow::Result<u16> {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).context("the URL has no port")
    }

    /// Process id of the test's own server, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.server.as_ref().map(Server::id)
    }

    /// URL of the server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Prefix for all keys of this test, ending in a colon.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Kills the server, if it is the test's own. False: it is not.
    pub fn kill(&mut self) -> bool {
        self.server.take().is_some()
    }
}

async fn run(folder: &TempDir, port: u16, arguments: &[&str]) -> anyhow::Result<Server> {
    let mut command = Command::new(find_program("redis-server", &[], "redis-server")?);
    command.current_dir(folder.path()).args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    // What comes later on the line counts.
    command.args(["--appendonly", "no", "--maxmemory-policy", "noeviction"]).args(arguments);
    let mut server = Server::spawn(command, folder.path())?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) && server.check(folder.path()).is_ok() {
        if answers(port) {
            return Ok(server);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    anyhow::bail!("Redis did not start: {log}")
}

fn prefix() -> String {
    format!("test-{}:", Uuid::new_v4().simple())
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}
