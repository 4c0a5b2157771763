//! PostgreSQL: one server per test process, one database per test.

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
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

/// A PostgreSQL server.
#[derive(Clone)]
pub struct Postgres {
    url: Url,
    own: Option<std::sync::Arc<Own>>,
}

struct Own {
    // Dropped in this order: the server first, then its folder.
    _server: Server,
    _folder: TempDir,
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
    let as_user = |program: &PathBuf| {
        let mut command = Command::new(program);
        command.current_dir(folder.path()).env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    };
    let made = as_user(&initdb)
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync", "--pgdata"])
        .arg(&data)
        .output()
        .context("cannot run initdb")?;
    ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

    // The port may be taken between our look and the server's start: try again with another.
    for _ in 0..5 {
        let port = free_port()?;
        let mut command = as_user(&postgres);
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k", ""]);
        for setting in
            ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=200", "shared_buffers=32MB", "autovacuum=off"]
        {
            command.args(["-c", setting]);
        }
        let mut server = Server::spawn(command, folder.path())?;
        let url = Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) && server.check(folder.path()).is_ok() {
            if let Ok(connection) = PgConnection::connect(url.as_str()).await {
                connection.close().await?;
                return Ok(Own { _server: server, _folder: folder, url });
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    anyhow::bail!("PostgreSQL did not start: {log}")
}
