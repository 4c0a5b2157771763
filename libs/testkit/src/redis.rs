//! Redis: a server of `TEST_REDIS_URL` or of the test itself, and a key prefix per test.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use uuid::Uuid;

use crate::process::{Server, find_program, free_port};

/// A Redis server and a prefix for the keys of one test.
pub struct Redis {
    url: String,
    prefix: String,
    // Dropped in this order: the server first, then its folder.
    server: Option<Server>,
    _folder: Option<TempDir>,
}

impl Redis {
    /// The server of `TEST_REDIS_URL`, else one of this test.
    ///
    /// # Errors
    /// When there is none and none can be started; the message names the package to install.
    pub async fn shared() -> anyhow::Result<Self> {
        match std::env::var("TEST_REDIS_URL") {
            Ok(url) if !url.is_empty() => Ok(Self { url, prefix: prefix(), server: None, _folder: None }),
            _ => Self::start().await,
        }
    }

    /// A server of its own, for a test that stops, kills or flushes it.
    ///
    /// # Errors
    /// When it cannot be started; the message names the package to install.
    pub async fn start() -> anyhow::Result<Self> {
        let program = find_program("redis-server", &[], "redis-server")?;
        let folder = tempfile::tempdir()?;
        for _ in 0..5 {
            let port = free_port()?;
            let mut command = Command::new(&program);
            command.current_dir(folder.path()).args(["--port", &port.to_string()]);
            command.args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--maxmemory-policy",
                "noeviction",
            ]);
            let mut server = Server::spawn(command, folder.path())?;
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(10) && server.check(folder.path()).is_ok() {
                if answers(port) {
                    let url = format!("redis://127.0.0.1:{port}");
                    return Ok(Self { url, prefix: prefix(), server: Some(server), _folder: Some(folder) });
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
        anyhow::bail!("Redis did not start: {log}")
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
