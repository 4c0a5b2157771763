//! PostgreSQL: one server per test process, one database per test.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use crate::process::{Server, find_program, free_port, ids_of, is_root};

/// Rust runs no destructors of statics, so the shared server is known weakly: it ends with the last handle.
static SHARED: Mutex<std::sync::Weak<Own>> = Mutex::const_new(std::sync::Weak::new());

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(30);
/// Without fsync a killed process still loses nothing: what it wrote is the operating system's.
const SETTINGS: [&str; 5] =
    ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=200", "shared_buffers=32MB", "autovacuum=off"];

/// A PostgreSQL server.
#[derive(Clone)]
pub struct Postgres {
    url: Url,
    own: Option<std::sync::Arc<Own>>,
}

struct Own {
    // Dropped in this order: the server first, then its folder.
    server: std::sync::Mutex<Option<Server>>,
    folder: TempDir,
    program: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    url: Url,
}

impl Postgres {
    /// The server of `TEST_DATABASE_URL`, else one of this process, started when first asked for.
    ///
    /// # Errors
    /// When there is none and none can be started; the message names the package to install.
    pub async fn shared() -> anyhow::Result<Self> {
        if let Some(outside) = Self::outside()? {
            return Ok(outside);
        }
        let mut shared = SHARED.lock().await;
        let own = match shared.upgrade() {
            Some(own) => own,
            None => {
                let own = std::sync::Arc::new(start().await?);
                *shared = std::sync::Arc::downgrade(&own);
                own
            }
        };
        Ok(Self { url: own.url.clone(), own: Some(own) })
    }

    /// A server of its own, for a test that stops or kills it.
    ///
    /// # Errors
    /// When it cannot be started; the message names the package to install.
    pub async fn start() -> anyhow::Result<Self> {
        let own = std::sync::Arc::new(start().await?);
        Ok(Self { url: own.url.clone(), own: Some(own) })
    }

    fn outside() -> anyhow::Result<Option<Self>> {
        match std::env::var("TEST_DATABASE_URL") {
            Ok(text) if !text.is_empty() => {
                Ok(Some(Self { url: Url::parse(&text).context("TEST_DATABASE_URL is no URL")?, own: None }))
            }
            _ => Ok(None),
        }
    }

    /// True when the server ends with this handle.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// kill -9 of all its processes. False: it is not ours, or it does not run.
    pub fn kill(&self) -> bool {
        let server = self.own.as_ref().and_then(|own| own.take());
        server.map(Server::kill).is_some()
    }

    /// Starts it again after [`Postgres::kill`], on its port and data, and waits until it answers.
    ///
    /// # Errors
    /// When it is not ours, or does not answer within 30 s.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.own.as_ref().context("this server is not ours")?.run().await
    }

    /// Process ids of the server: the first one started the others.
    pub fn process_ids(&self) -> Vec<u32> {
        let Some(first) = self.own.as_ref().and_then(|own| own.lock().as_ref().map(Server::id)) else {
            return Vec::new();
        };
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap_or_default();
        std::iter::once(first).chain(children.split_whitespace().filter_map(|id| id.parse().ok())).collect()
    }

    /// URL of the server's own database, as superuser.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// A fresh, empty database; its URL.
    ///
    /// # Errors
    /// When the server does not make it.
    pub async fn database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(self.url.as_str()).await?;
        connection.execute(AssertSqlSafe(format!("create database {name}"))).await?;
        connection.close().await?;
        Ok(self.url_of(&name))
    }

    /// URL of a database of this server.
    pub fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.to_string()
    }
}

async fn start() -> anyhow::Result<Own> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    let initdb = find_program("initdb", &folders, "postgresql")?;
    let postgres = find_program("postgres", &folders, "postgresql")?;

    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let user = if is_root() { Some(ids_of(&["postgres", "nobody"])?) } else { None };
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))?;
        std::os::unix::fs::chown(&data, Some(uid), Some(gid))?;
    }
    let made = as_user(&initdb, folder.path(), user)
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync", "--pgdata"])
        .arg(&data)
        .output()
        .context("cannot run initdb")?;
    ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

    // The port may be taken between our look and the server's start: try again with another.
    let mut own =
        Own { server: std::sync::Mutex::default(), folder, program: postgres, user, port: 0, url: url_on(0)? };
    for _ in 0..4 {
        own.port = free_port()?;
        own.url = url_on(own.port)?;
        if own.run().await.is_ok() {
            return Ok(own);
        }
    }
    own.port = free_port()?;
    own.url = url_on(own.port)?;
    own.run().await?;
    Ok(own)
}

fn url_on(port: u16) -> anyhow::Result<Url> {
    Ok(Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?)
}

fn as_user(program: &Path, folder: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

impl Own {
    /// Starts the server on its port and waits until it answers. A server that was just killed may still have a process
    /// that ends, which a new one refuses to start beside: so it is started again until its time is over.
    async fn run(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            let mut command = as_user(&self.program, self.folder.path(), self.user);
            command.arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string(), "-k", ""]);
            for setting in SETTINGS {
                command.args(["-c", setting]);
            }
            let mut server = Server::spawn(command, self.folder.path())?;
            while started.elapsed() < START_MAX && server.check(self.folder.path()).is_ok() {
                if let Ok(connection) = PgConnection::connect(self.url.as_str()).await {
                    connection.close().await?;
                    *self.lock() = Some(server);
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            if self.log().contains("could not bind") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("PostgreSQL did not start: {}", self.log())
    }

    fn take(&self) -> Option<Server> {
        self.lock().take()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
