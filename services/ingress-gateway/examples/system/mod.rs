//! What the benchmarks start: our gateway, and the predecessors' stack beside it.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use testkit::load::{Connection, SECRET, account, free};

/// People who write.
pub const PEERS: usize = 2_000;
/// Longest wait for an answer, and for a start.
pub const WAIT: Duration = Duration::from_secs(30);

/// A system that takes webhooks, and the path of them.
pub struct System {
    pub process: Child,
    pub address: SocketAddr,
    pub path: &'static str,
}

impl Drop for System {
    fn drop(&mut self) {
        // uvicorn ends its workers when it is asked to end.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let ended = Instant::now() + Duration::from_secs(10);
        while Instant::now() < ended && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl System {
    /// Our gateway, which `command` starts; its settings and log lie in `folder`.
    pub async fn gateway(command: &mut Command, folder: &Path, database: &str) -> anyhow::Result<Self> {
        let config = folder.join("tenants.toml");
        std::fs::write(&config, account("http://127.0.0.1:1"))?;
        let (address, ops) = (free()?, free()?);
        let process = command
            .arg("--config")
            .arg(&config)
            .env("DATABASE_URL", database)
            .env("INGRESS_GATEWAY__HTTP__LISTEN", address.to_string())
            .env("INGRESS_GATEWAY__OPS__LISTEN", ops.to_string())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("gateway.log"))?)
            .spawn()?;
        Self { process, address, path: "/webhook/infobip/main" }.ready().await
    }

    /// FastAPI under uvicorn with two workers; without a database it checks the signature and says yes.
    pub async fn python(python: &Path, baseline: &Path, database: Option<&str>) -> anyhow::Result<Self> {
        let address = free()?;
        let folder = baseline.parent().context("a folder")?;
        let process = Command::new(python)
            .args(["-m", "uvicorn", "baseline:app", "--workers", "2", "--loop", "uvloop", "--http", "httptools"])
            .args([
                "--no-access-log",
                "--log-level",
                "warning",
                "--host",
                "127.0.0.1",
                "--port",
                &address.port().to_string(),
            ])
            .current_dir(folder)
            .env("BASELINE_SECRET", SECRET)
            .env("BASELINE_DATABASE_URL", database.unwrap_or_default())
            .stdout(Stdio::null())
            .spawn()?;
        Self { process, address, path: "/webhook" }.ready().await
    }

    async fn ready(mut self) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut number = usize::MAX / 2;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("the system ended with {status}");
            }
            ensure!(begun.elapsed() < WAIT, "the system was not ready in time");
            number += 1;
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.post(self.path, number, PEERS).await.is_ok_and(|taken| taken)
            {
                return Ok(self);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
