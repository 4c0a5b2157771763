//! SQLite in memory under a clock that a test moves, for simulations; there only with the feature `faults`.
//!
//! One connection is everybody's. Each statement blocks its thread until it is done, so a function of the store is one
//! step of a simulation, whoever else is ready; a transaction is the lock that it is in a file.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};

use domain::Micros;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    StoreError,
    engine::{Arg, Row, lite_args, sql},
};

/// Gives the database's time.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// The database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    connection: Arc<Mutex<SqliteConnection>>,
    clock: Clock,
}

/// A transaction of its, rolled back when it is dropped.
pub(crate) struct MemoryTx {
    connection: OwnedMutexGuard<SqliteConnection>,
    clock: Clock,
    open: bool,
}

impl Memory {
    /// An empty one.
    pub async fn open(clock: Clock) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        let connection = SqliteConnection::connect_with(&options).await?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), clock })
    }

    /// Runs a script.
    pub async fn script(&self, text: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(text).execute(&mut *self.connection.lock().await).await?;
        Ok(())
    }

    /// Empties all tables.
    pub async fn clear(&self) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().await;
        let tables = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";
        let tables = sqlx::query(tables).fetch_all(&mut *connection).await?;
        let mut script = "pragma foreign_keys = off;".to_owned();
        for table in tables {
            script += &format!("delete from {};", table.try_get::<String, _>(0)?);
        }
        sqlx::raw_sql(AssertSqlSafe(script + "pragma foreign_keys = on;")).execute(&mut *connection).await?;
        Ok(())
    }

    /// Opens a writing transaction.
    pub async fn begin(&self) -> Result<MemoryTx, StoreError> {
        let connection = Arc::clone(&self.connection).lock_owned().await;
        let mut tx = MemoryTx { connection, clock: Arc::clone(&self.clock), open: true };
        tx.end("begin immediate")?;
        tx.open = true;
        Ok(tx)
    }

    /// A single statement; gives its rows.
    pub async fn run(&self, text: &'static str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.connection.lock().await;
        all(&mut connection, &self.clock, text, args)
    }
}

impl MemoryTx {
    /// Runs a statement; gives the number of rows it changed.
    pub fn execute(&mut self, text: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        let (text, args) = at(text, args, &self.clock);
        let query = sqlx::query_with(AssertSqlSafe(text), lite_args(args)?).execute(&mut *self.connection);
        Ok(blocking(query)?.rows_affected())
    }

    /// Runs a statement and reads all its rows.
    pub fn all(&mut self, text: &'static str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        all(&mut self.connection, &self.clock, text, args)
    }

    /// Commits or rolls back.
    pub fn end(&mut self, how: &'static str) -> Result<(), StoreError> {
        self.open = false;
        blocking(sqlx::query(how).execute(&mut *self.connection))?;
        Ok(())
    }
}

impl Drop for MemoryTx {
    fn drop(&mut self) {
        if self.open && self.end("rollback").is_err() {
            tracing::error!("a transaction in memory was not rolled back");
        }
    }
}

fn all(
    connection: &mut SqliteConnection,
    clock: &Clock,
    text: &'static str,
    args: Vec<Arg>,
) -> Result<Vec<Row>, StoreError> {
    let (text, args) = at(text, args, clock);
    let rows = blocking(sqlx::query_with(AssertSqlSafe(text), lite_args(args)?).fetch_all(connection))?;
    Ok(rows.into_iter().map(Row::Lite).collect())
}

/// A statement with the clock's time in place of the machine's: one argument more, so that it is prepared once.
fn at(text: &'static str, mut args: Vec<Arg>, clock: &Clock) -> (String, Vec<Arg>) {
    args.push(Arg::from(clock()));
    (text.replace(sql!(now).lite, &format!("${}", args.len())), args)
}

/// Blocks this thread until `future` is ready; the connection has a thread of its own.
fn blocking<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(tokio::task::coop::unconstrained(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}
