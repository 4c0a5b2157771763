//! Temporary PostgreSQL and Redis servers for tests, a strict receiver of OTLP, and the load of benchmarks.
//!
//! A server named by `TEST_DATABASE_URL` or `TEST_REDIS_URL` is used when it is set. Else each test process starts its
//! own, in a folder that goes away with it, on a free port of the loopback; as another user when we are root, since
//! PostgreSQL refuses to run as root. A server that is not installed fails the test and names the package.

pub mod load;
pub mod otlp;
mod postgres;
mod process;
mod redis;
mod start;

pub use postgres::Postgres;
pub use redis::Redis;
pub use start::check_start_without_database;

/// A SQLite file of its own, in a folder that goes away when this is dropped.
pub struct Sqlite {
    folder: tempfile::TempDir,
}

impl Sqlite {
    /// A folder for the file; the file itself is made by whoever opens it.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// `sqlite:<path>`.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.folder.path().join("test.db").display())
    }
}
