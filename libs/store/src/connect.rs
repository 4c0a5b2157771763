//! Opening a store: URL, pool, session settings.

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::Micros;
use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    StoreError,
    batch::Batch,
    connections::Connections,
    engine::{Arg, Pool, Row, Sql, Tx, args, sql},
};

/// Who connects; it decides how long locks and answers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Webhooks: answers within 2.5 s whatever happens, so it waits 200 ms for a lock.
    Gateway,
    /// Turns: 500 ms.
    Worker,
    /// The console and the migrator: 500 ms.
    Admin,
}

/// Where the database is and how to use it.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `postgres://`, `postgresql://`, `postgresql+asyncpg://` or `sqlite:<path>`.
    pub url: String,
    /// Most connections at the same time; on SQLite the readers.
    pub max_connections: u32,
    /// How long to wait for a database that is not there yet.
    pub connect_wait: Duration,
    /// Who connects.
    pub role: Role,
}

/// The database of Dragoman. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    process: faults::Process,
}

struct Inner {
    pool: Pool,
    target: Target,
    limit: Duration,
}

/// What a URL names.
#[derive(Clone)]
pub(crate) enum Target {
    Postgres(Box<PgConnectOptions>),
    Sqlite(PathBuf),
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        // Never the whole text: it may hold a password.
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "sqlite" => {
                let path = url["sqlite:".len()..].trim_start_matches("//");
                let path = path.split('?').next().unwrap_or_default();
                if path.is_empty() || path.contains(":memory:") {
                    return Err(StoreError::Url("sqlite: without a path".to_owned()));
                }
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            "postgres" | "postgresql" | "postgresql+asyncpg" | "postgres+asyncpg" => {
                let rest = &url[scheme.len()..];
                let text = format!("postgres{}", rest.replace("?ssl=", "?sslmode=").replace("&ssl=", "&sslmode="));
                let options = PgConnectOptions::from_str(&text).map_err(|_| StoreError::Url(format!("{scheme}:…")))?;
                Ok(Self::Postgres(Box::new(options)))
            }
            _ => Err(StoreError::Url(format!("{scheme}:…"))),
        }
    }

    fn address(&self) -> String {
        match self {
            Self::Postgres(options) => {
                format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
            }
            Self::Sqlite(path) => path.display().to_string(),
        }
    }
}

/// The session settings of every PostgreSQL connection: a stopped process must not hold a row lock for hours.
pub(crate) fn session(options: PgConnectOptions, role: Role) -> PgConnectOptions {
    let (lock_timeout, statement_timeout) = if role == Role::Gateway { ("200ms", "2s") } else { ("500ms", "10s") };
    // Every statement of gateway and worker finds few rows by an index. While a table is young, or grew since it was
    // analysed, a plan would read all of it, and stay.
    // Nor do the values that are looked for decide which index finds them: a statement is planned once.
    let (plans, planned) = if role == Role::Admin { ("on", "auto") } else { ("off", "force_generic_plan") };
    options
        .application_name(match role {
            Role::Gateway => "dragoman gateway",
            Role::Worker => "dragoman worker",
            Role::Admin => "dragoman admin",
        })
        .options([
            ("idle_in_transaction_session_timeout", "5s"),
            ("statement_timeout", statement_timeout),
            ("lock_timeout", lock_timeout),
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
            ("TimeZone", "UTC"),
            ("enable_seqscan", plans),
            ("enable_hashjoin", plans),
            ("enable_mergejoin", plans),
            ("plan_cache_mode", planned),
            // A plan that has to do what is off looks dear enough to be compiled, for which each new backend loads the
            // compiler. Nothing that finds few rows gains by it.
            ("jit", "off"),
        ])
}

/// How one SQLite connection is opened: write-ahead log, and a commit is on disk before it is answered.
pub(crate) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(2))
        .foreign_keys(true)
}

impl Store {
    /// Connects, waiting up to `connect_wait` for a database that is still starting. Creates a SQLite file that is
    /// not there; tables are made by [`Store::migrate_up`].
    ///
    /// # Errors
    /// [`StoreError::Url`] at once; [`StoreError::NotReached`] when the time is over.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let target = Target::parse(&config.url)?;
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let error = match Self::open(&target, config).await {
                Ok(pool) => {
                    let limit = Duration::from_millis(if config.role == Role::Gateway { 2_000 } else { 12_000 });
                    let inner = Arc::new(Inner { pool, target, limit });
                    return Ok(Self { inner, process: faults::Process::default() });
                }
                Err(error) => error,
            };
            if started.elapsed() + pause > config.connect_wait {
                return Err(StoreError::NotReached {
                    address: target.address(),
                    waited: config.connect_wait,
                    last: error,
                });
            }
            tracing::info!(address = %target.address(), error = %error, "waiting for the database");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn open(target: &Target, config: &StoreConfig) -> Result<Pool, sqlx::Error> {
        let pool = match target {
            Target::Postgres(options) => {
                let options = session((**options).clone(), config.role);
                // A pool says only that the time was over; a connection says why.
                let connected = tokio::time::timeout(Duration::from_secs(2), options.connect()).await;
                connected.map_err(|_| sqlx::Error::PoolTimedOut)??.close().await?;
                let count = config.max_connections.max(1);
                Pool::Pg(Connections::new(
                    PgPoolOptions::new()
                        .max_connections(count)
                        .acquire_timeout(Duration::from_secs(2))
                        // Whether a connection still works is asked only of one that has not just worked.
                        .test_before_acquire(false)
                        .before_acquire(|connection, about| {
                            Box::pin(async move {
                                if about.idle_for > Duration::from_millis(500) {
                                    connection.ping().await?;
                                }
                                Ok(true)
                            })
                        })
                        .connect_lazy_with(options),
                    count,
                ))
            }
            Target::Sqlite(path) => {
                if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    tokio::fs::create_dir_all(folder).await?;
                }
                // The writer waits in line for its turn; a turn of the line is a few milliseconds.
                let writer = SqlitePoolOptions::new()
                    .max_connections(1)
                    .min_connections(1)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .acquire_timeout(Duration::from_secs(2))
                    .connect_with(sqlite_options(path))
                    .await?;
                let readers = SqlitePoolOptions::new()
                    .max_connections(config.max_connections.clamp(1, 16))
                    .acquire_timeout(Duration::from_secs(2))
                    .connect_with(sqlite_options(path).pragma("query_only", "on"))
                    .await?;
                Pool::Lite { writer, readers }
            }
        };
        pool.ping().await?;
        Ok(pool)
    }

    /// The database's clock, in microseconds (milliseconds on SQLite).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<Micros, StoreError> {
        let row = self.read_one(sql!("select " now " as now"), args![]).await?;
        row.ok_or(StoreError::NotFound("clock"))?.micros("now")
    }

    /// One round trip, for readiness.
    ///
    /// # Errors
    /// When the database does not answer within a second.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let limit = Duration::from_secs(1);
        match tokio::time::timeout(limit, self.inner.pool.ping()).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(StoreError::TooSlow { limit }),
        }
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    /// True on PostgreSQL, false on SQLite.
    pub fn is_postgres(&self) -> bool {
        self.inner.pool.is_postgres()
    }

    pub(crate) fn target(&self) -> &Target {
        &self.inner.target
    }

    /// A migrated database in memory, whose time `clock` gives.
    ///
    /// # Errors
    /// When a migration does not run there.
    #[cfg(feature = "faults")]
    pub async fn in_memory(clock: crate::memory::Clock) -> Result<Self, StoreError> {
        let memory = crate::memory::Memory::open(clock).await?;
        for text in crate::migrations::sqlite() {
            memory.script(text).await?;
        }
        let limit = Duration::from_secs(12);
        let inner = Inner { pool: Pool::Memory(memory), target: Target::Sqlite(PathBuf::new()), limit };
        Ok(Self { inner: Arc::new(inner), process: faults::Process::default() })
    }

    /// Empties all tables of a database in memory.
    ///
    /// # Errors
    /// When a table cannot be emptied.
    #[cfg(feature = "faults")]
    pub async fn clear(&self) -> Result<(), StoreError> {
        match &self.inner.pool {
            Pool::Memory(memory) => memory.clear().await,
            Pool::Pg(_) | Pool::Lite { .. } => Err(StoreError::Url("only a database in memory is emptied".to_owned())),
        }
    }

    /// Passes a named point, where a test may stop or end this process; see the crate `faults`.
    pub async fn at(&self, point: &'static str) {
        self.process.at(point).await;
    }

    /// Passes a named point behind a write. A test may have the database's answer lost there: what was written stands, and
    /// nobody was told.
    pub(crate) async fn answered(&self, point: &'static str) -> Result<(), StoreError> {
        match self.process.answered(point).await {
            true => Ok(()),
            false => Err(StoreError::Unavailable(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()))),
        }
    }

    /// The same store as another process of a test has it.
    #[cfg(feature = "faults")]
    pub fn of_process(&self, process: faults::Process) -> Self {
        Self { inner: Arc::clone(&self.inner), process }
    }

    /// The texts that a query gives, of a database in memory.
    ///
    /// # Errors
    /// When the query does not run.
    #[cfg(feature = "faults")]
    pub async fn texts(&self, query: &'static str) -> Result<Vec<String>, StoreError> {
        let rows = self.inner.pool.read(self.inner.limit, Sql { pg: query, lite: query }, args![]).await?;
        rows.iter().map(|row| row.text("text")).collect()
    }

    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.process.statement().await;
        self.inner.pool.begin(self.inner.limit).await
    }

    pub(crate) async fn write(&self, sql: Sql, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        self.process.statement().await;
        self.inner.pool.write(self.inner.limit, sql, args).await
    }

    pub(crate) async fn write_batch(&self, batch: Batch) -> Result<Option<Vec<Option<i64>>>, StoreError> {
        self.process.statement().await;
        self.inner.pool.write_batch(self.inner.limit, batch).await
    }

    pub(crate) async fn read(&self, sql: Sql, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        self.process.statement().await;
        self.inner.pool.read(self.inner.limit, sql, args).await
    }

    pub(crate) async fn read_one(&self, sql: Sql, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        Ok(self.read(sql, args).await?.into_iter().next())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgConnection;

    use super::*;

    #[test]
    fn urls_are_read_and_passwords_never_shown() {
        for url in
            ["postgres://a:secret@h/db", "postgresql://a@h:1/db", "postgresql+asyncpg://a:secret@h/db?ssl=require"]
        {
            let target = Target::parse(url).expect("a URL");
            assert!(!target.address().contains("secret"), "{}", target.address());
            assert!(target.address().ends_with("/db"));
        }
        assert_eq!(Target::parse("sqlite:///var/lib/x.db").map(|t| t.address()).ok().as_deref(), Some("/var/lib/x.db"));
        assert_eq!(Target::parse("sqlite:data/x.db?mode=rwc").map(|t| t.address()).ok().as_deref(), Some("data/x.db"));
        for url in ["", "mysql://a:secret@h/db", "sqlite:", "sqlite::memory:", "postgres://a:secret@h:port/db"] {
            let error = Target::parse(url).err().expect("an error").to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn each_role_has_its_session() {
        let server = testkit::Postgres::shared().await.expect("a PostgreSQL server");
        let options: PgConnectOptions = server.database().await.expect("a database").parse().expect("a URL");
        let few = [("enable_seqscan", "off"), ("plan_cache_mode", "force_generic_plan"), ("jit", "off")];
        let many = [("enable_seqscan", "on"), ("plan_cache_mode", "auto"), ("jit", "off")];
        let roles = [(Role::Gateway, "200ms", few), (Role::Worker, "500ms", few), (Role::Admin, "500ms", many)];
        for (role, lock_timeout, settings) in roles {
            let options = session(options.clone(), role);
            let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
            for (name, value) in settings.into_iter().chain([("lock_timeout", lock_timeout)]) {
                let query = sqlx::query_scalar("select current_setting($1)").bind(name);
                let found: String = query.fetch_one(&mut connection).await.expect("a setting");
                assert_eq!(found, value, "{name} of {role:?}");
            }
            connection.close().await.expect("closed");
        }
    }
}
