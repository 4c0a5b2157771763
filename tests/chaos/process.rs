//! One process of ours: started, killed, paused, ended, asked for its counters.

use std::{
    fs::OpenOptions,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tokio::process::{Child, Command};

/// How long a start may take on a machine that does much else.
const READY_MAX: Duration = Duration::from_secs(120);
/// The grace of every service is 22 s or less.
const TERMINATE_MAX: Duration = Duration::from_secs(60);

/// A process that can be started again and again.
pub struct Process {
    /// `worker-2`; also the name of its role in the database.
    pub name: String,
    /// Where its probes and metrics are.
    pub ops: SocketAddr,
    binary: PathBuf,
    config: PathBuf,
    environment: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
    /// Its metrics when it was last asked before a stop.
    pub told: String,
    /// It is stopped by SIGSTOP, or was a moment ago: only who stopped it kills it.
    pub paused: bool,
}

impl Process {
    /// Not started yet. `service` is the binary; variables are given without its prefix when they begin with `__`.
    pub fn new(name: &str, service: &str, folder: &Path, variables: &[(&str, String)]) -> anyhow::Result<Self> {
        let ops = free_address()?;
        let prefix = service.to_uppercase().replace('-', "_");
        let full = |name: &str| if name.starts_with("__") { format!("{prefix}{name}") } else { name.to_owned() };
        let mut environment: Vec<(String, String)> =
            variables.iter().map(|(name, value)| (full(name), value.clone())).collect();
        environment.push((full("__OPS__LISTEN"), ops.to_string()));
        Ok(Self {
            name: name.to_owned(),
            ops,
            binary: folder_of_binaries()?.join(service),
            config: folder.join("tenants.toml"),
            environment,
            log: folder.join(format!("{name}.log")),
            child: None,
            told: String::new(),
            paused: false,
        })
    }

    /// The next start takes the binary of the same name from another folder.
    pub fn use_binaries(&mut self, folder: PathBuf) {
        if let Some(name) = self.binary.file_name() {
            self.binary = folder.join(name);
        }
    }

    /// Starts it and does not wait.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.binary);
        command.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
        command.envs(self.environment.iter().cloned()).arg("--config").arg(&self.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let child = command.spawn();
        self.child = Some(child.with_context(|| format!("cannot start {}; build the binaries first", self.name))?);
        Ok(())
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !get(self.ops, "/readyz").await.is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                bail!("{} ended with {status}: {}", self.name, self.log_tail());
            }
            ensure!(begun.elapsed() < READY_MAX, "{} was not ready in time: {}", self.name, self.log_tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
        self.paused = false;
    }

    /// SIGTERM; its exit code, none when it does not end.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        let mut child = self.child.take()?;
        tokio::time::timeout(TERMINATE_MAX, child.wait()).await.ok()?.ok()?.code()
    }

    /// SIGSTOP.
    pub fn pause(&mut self) {
        self.signal("STOP");
        self.paused = true;
    }

    /// SIGCONT; it still counts as paused.
    pub fn resume(&mut self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(id) = self.child.as_ref().and_then(Child::id) {
            send_signal(id, signal);
        }
    }

    /// Its metrics, as text; empty when it does not answer.
    pub async fn metrics(&self) -> String {
        get(self.ops, "/metrics").await.map(|(_, body)| body).unwrap_or_default()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// The product's own times, none of which a run changes.
pub async fn shipped() -> anyhow::Result<String> {
    let mut command = Command::new(folder_of_binaries()?.join("conversation-worker"));
    let printed = command.env_clear().arg("print-config").output().await.context("no worker: build it first")?;
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    let worker: Vec<&str> = printed.lines().filter(|line| line.starts_with("worker.")).collect();
    Ok(format!(
        "lease {:?}; a send counts as in flight for {:?}, its end as unknown for {:?}; {}",
        store::lease::LEASE,
        store::outbox::IN_FLIGHT,
        store::outbox::UNKNOWN_UNTIL,
        worker.join(", ")
    ))
}

/// Sends a signal to a process that is ours.
pub fn send_signal(id: u32, signal: &str) {
    let _ =
        std::process::Command::new("kill").arg(format!("-{signal}")).arg(id.to_string()).stderr(Stdio::null()).status();
}

/// Status and body of a GET, within 2 s.
async fn get(address: SocketAddr, path: &str) -> reqwest::Result<(u16, String)> {
    let response =
        reqwest::Client::new().get(format!("http://{address}{path}")).timeout(Duration::from_secs(2)).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// The sum of a counter over its labels, as `/metrics` writes it.
pub fn counter(metrics: &str, name: &str) -> u64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
    };
    metrics.lines().filter_map(value).map(|number| number as u64).sum()
}

/// Where cargo put the binaries of the workspace: beside the folder of the examples.
pub fn folder_of_binaries() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().and_then(Path::parent).context("target/<profile>/examples")?.to_owned())
}

/// A loopback address below the ports that outgoing connections take, so that a killed process finds its own free.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 9_000;
    for _ in 0..COUNT {
        let n = std::process::id().wrapping_mul(67).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + n)?;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("no port is free")
}
