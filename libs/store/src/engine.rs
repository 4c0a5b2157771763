//! One way to ask both engines: a query is two literals (mostly the same), arguments are plain values.
//!
//! PostgreSQL has one pool. SQLite has one writing connection, whose `begin immediate` is the lock that
//! `for update` is on PostgreSQL, and separate readers.

use std::time::Duration;

use domain::{Account, ConversationId, Micros, OutboxId, PersonId, Tenant};
use serde_json::Value;
use sqlx::{Arguments as _, Row as _, SqlSafeStr, Sqlite, SqlitePool, postgres::PgArguments, sqlite::SqliteArguments};
use uuid::Uuid;

use crate::{
    StoreError,
    connections::{Connections, InHand},
    observe::{InUse, timed},
};

/// A query's text for each engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    pub pg: &'static str,
    pub lite: &'static str,
}

/// Joins literals and named parts into a [`Sql`]. `("a" | "b")` is `a` on PostgreSQL and `b` on SQLite.
macro_rules! sql {
    ($($part:tt)*) => {
        $crate::engine::Sql {
            pg: concat!($($crate::engine::sql_part!(pg $part)),*),
            lite: concat!($($crate::engine::sql_part!(lite $part)),*),
        }
    };
}

/// The parts that differ between the engines, each with the reason it exists.
macro_rules! sql_part {
    // `clock_timestamp()`, as `now()` stands still inside a transaction.
    (pg now) => { "(extract(epoch from clock_timestamp()) * 1000000)::bigint" };
    (lite now) => { "cast(unixepoch('subsec') * 1000000 as integer)" };
    // On SQLite the transaction itself is the lock.
    (pg for_update) => { " for update" };
    (lite for_update) => { "" };
    (pg skip_locked) => { " for update skip locked" };
    (lite skip_locked) => { "" };
    // Goes before what is true of owned or unfinished conversations alone: PostgreSQL finds them by its index then.
    (pg active_and) => { "active and " };
    (lite active_and) => { "" };
    // The one meaning of "somebody should work on this conversation now".
    ($engine:tt runnable) => {
        concat!(
            $crate::engine::sql_part!($engine active_and),
            "(next_seq > done_seq or unsent > 0) and wake_at <= ", $crate::engine::sql_part!($engine now),
            " and (owner is null or lease_until <= ", $crate::engine::sql_part!($engine now), ")"
        )
    };
    // Behind the lock of a [`crate::batch::Batch`]; the end of a `select` that an `insert` takes, and of a condition.
    (pg if_held) => { " where exists (select 1 from held)" };
    (lite if_held) => { " where true" };
    (pg and_held) => { " and exists (select 1 from held)" };
    (lite and_held) => { "" };
    // W3C `traceparent` of the message `i`.
    (pg traceparent) => { "(i.payload::json) ->> 'traceparent'" };
    (lite traceparent) => { "i.payload ->> '$.traceparent'" };
    // A list of ids bound as argument $1.
    (pg in_uuids_1) => { " = any($1)" };
    (lite in_uuids_1) => { " in (select unhex(value) from json_each($1))" };
    (pg ($pg:literal | $lite:literal)) => { $pg };
    (lite ($pg:literal | $lite:literal)) => { $lite };
    ($engine:tt $text:literal) => { $text };
}
pub(crate) use {sql, sql_part};

/// A bound value.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
    Uuid(Option<Uuid>),
    Bool(bool),
    Bytes(Option<Vec<u8>>),
    Uuids(Vec<Uuid>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    Bools(Vec<bool>),
}

/// A text from outside as PostgreSQL takes it: without NUL, which no text of its may hold. JSON escapes its own.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// Arguments in the order of their placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::engine::Arg::from($value)),*] };
}
pub(crate) use args;

macro_rules! arg_from {
    ($($type:ty, $value:ident => $arg:expr;)*) => {
        $(impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                $arg
            }
        })*
    };
}

arg_from! {
    i64, v => Self::Int(Some(v));
    i32, v => Self::Int(Some(v.into()));
    i16, v => Self::Int(Some(v.into()));
    Option<i64>, v => Self::Int(v);
    Micros, v => Self::Int(Some(v.0));
    Option<Micros>, v => Self::Int(v.map(|v| v.0));
    String, v => Self::Text(Some(v));
    &String, v => Self::Text(Some(v.clone()));
    &str, v => Self::Text(Some(v.to_owned()));
    Option<String>, v => Self::Text(v);
    Option<&str>, v => Self::Text(v.map(str::to_owned));
    &Value, v => Self::Text(Some(v.to_string()));
    &Tenant, v => Self::Text(Some(v.as_str().to_owned()));
    &Account, v => Self::Text(Some(v.to_string()));
    Uuid, v => Self::Uuid(Some(v));
    Option<Uuid>, v => Self::Uuid(v);
    ConversationId, v => Self::Uuid(Some(v.0));
    PersonId, v => Self::Uuid(Some(v.0));
    OutboxId, v => Self::Uuid(Some(v.0));
    Option<OutboxId>, v => Self::Uuid(v.map(|v| v.0));
    Option<PersonId>, v => Self::Uuid(v.map(|v| v.0));
    bool, v => Self::Bool(v);
    &[u8], v => Self::Bytes(Some(v.to_vec()));
    Option<&[u8]>, v => Self::Bytes(v.map(<[u8]>::to_vec));
    Vec<Uuid>, v => Self::Uuids(v);
    Vec<i64>, v => Self::Ints(v);
    Vec<String>, v => Self::Texts(v);
    Vec<bool>, v => Self::Bools(v);
}

pub(crate) fn pg_args(args: Vec<Arg>) -> Result<PgArguments, StoreError> {
    let mut bound = PgArguments::default();
    for arg in args {
        match arg {
            Arg::Int(v) => bound.add(v),
            Arg::Text(v) => bound.add(v),
            Arg::Uuid(v) => bound.add(v),
            Arg::Bool(v) => bound.add(v),
            Arg::Bytes(v) => bound.add(v),
            Arg::Uuids(v) => bound.add(v),
            Arg::Ints(v) => bound.add(v),
            Arg::Texts(v) => bound.add(v),
            Arg::Bools(v) => bound.add(v),
        }
        .map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

pub(crate) fn lite_args(args: Vec<Arg>) -> Result<SqliteArguments, StoreError> {
    let mut bound = SqliteArguments::default();
    for arg in args {
        match arg {
            Arg::Int(v) => bound.add(v),
            Arg::Text(v) => bound.add(v),
            Arg::Uuid(v) => bound.add(v),
            Arg::Bool(v) => bound.add(v),
            Arg::Bytes(v) => bound.add(v),
            Arg::Uuids(v) => {
                bound.add(Value::from(v.iter().map(|id| id.simple().to_string()).collect::<Vec<_>>()).to_string())
            }
            Arg::Ints(v) => bound.add(Value::from(v).to_string()),
            Arg::Texts(v) => bound.add(Value::from(v).to_string()),
            Arg::Bools(v) => bound.add(Value::from(v).to_string()),
        }
        .map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

/// A row of either engine.
pub(crate) enum Row {
    Pg(sqlx::postgres::PgRow),
    Lite(sqlx::sqlite::SqliteRow),
}

macro_rules! getters {
    ($($name:ident: $type:ty),* $(,)?) => {
        impl Row {
            $(pub fn $name(&self, column: &str) -> Result<$type, StoreError> {
                match self {
                    Self::Pg(row) => row.try_get(column),
                    Self::Lite(row) => row.try_get(column),
                }
                .map_err(StoreError::from)
            })*
        }
    };
}

getters! {
    int: i64, opt_int: Option<i64>, text: String, opt_text: Option<String>,
    uuid: Uuid, opt_uuid: Option<Uuid>, bool: bool, bytes: Vec<u8>, opt_bytes: Option<Vec<u8>>,
}

impl Row {
    pub fn micros(&self, column: &str) -> Result<Micros, StoreError> {
        self.int(column).map(Micros)
    }

    pub fn opt_micros(&self, column: &str) -> Result<Option<Micros>, StoreError> {
        Ok(self.opt_int(column)?.map(Micros))
    }

    pub fn small(&self, column: &str) -> Result<i32, StoreError> {
        i32::try_from(self.int(column)?).map_err(|_| StoreError::corrupt(column, "number out of range"))
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| StoreError::corrupt(column, error))
    }

    pub fn opt_json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text = self.opt_text(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| StoreError::corrupt(column, error))).transpose()
    }

    pub fn parse<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.text(column)?.parse().map_err(|error| StoreError::corrupt(column, error))
    }

    pub fn tenant(&self, column: &str) -> Result<Tenant, StoreError> {
        Tenant::new(self.text(column)?).map_err(|error| StoreError::corrupt(column, error))
    }
}

/// The connections of a store.
pub(crate) enum Pool {
    Pg(Connections),
    Lite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    #[cfg(feature = "faults")]
    Memory(crate::memory::Memory),
}

/// A connection with a transaction open. Dropped unfinished, nothing of it is kept.
pub(crate) enum Tx {
    Pg {
        connection: PgTx,
        limit: Duration,
    },
    Lite(sqlx::Transaction<'static, Sqlite>, InUse),
    #[cfg(feature = "faults")]
    Memory(crate::memory::MemoryTx),
}

/// A PostgreSQL connection inside `begin`. If it is dropped there, it is closed instead of going back to the
/// pool: it may still wait for an answer that never comes, and the server rolls back when the socket closes.
pub(crate) struct PgTx(Option<InHand>);

impl Drop for PgTx {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

impl PgTx {
    fn get(&mut self) -> Result<&mut sqlx::PgConnection, StoreError> {
        match &mut self.0 {
            Some(connection) => Ok(connection),
            None => Err(StoreError::Unavailable(sqlx::Error::PoolClosed)),
        }
    }
}

async fn within<T>(limit: Duration, query: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, query).await {
        Ok(answer) => answer.map_err(StoreError::from),
        Err(_) => Err(StoreError::TooSlow { limit }),
    }
}

impl Tx {
    /// Runs a statement; gives the number of rows it changed.
    pub async fn execute(&mut self, sql: Sql, args: Vec<Arg>) -> Result<u64, StoreError> {
        timed(self.is_postgres(), sql, async {
            match self {
                Self::Pg { connection, limit } => {
                    let query = sqlx::query_with(sql.pg, pg_args(args)?);
                    Ok(within(*limit, query.execute(connection.get()?)).await?.rows_affected())
                }
                Self::Lite(tx, _) => {
                    Ok(sqlx::query_with(sql.lite, lite_args(args)?).execute(&mut **tx).await?.rows_affected())
                }
                #[cfg(feature = "faults")]
                Self::Memory(tx) => tx.execute(sql.lite, args),
            }
        })
        .await
    }

    /// Runs a statement and reads all its rows.
    pub async fn all(&mut self, sql: Sql, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        timed(self.is_postgres(), sql, async {
            Ok(match self {
                Self::Pg { connection, limit } => {
                    let query = sqlx::query_with(sql.pg, pg_args(args)?);
                    within(*limit, query.fetch_all(connection.get()?)).await?.into_iter().map(Row::Pg).collect()
                }
                Self::Lite(tx, _) => {
                    let query = sqlx::query_with(sql.lite, lite_args(args)?);
                    query.fetch_all(&mut **tx).await?.into_iter().map(Row::Lite).collect()
                }
                #[cfg(feature = "faults")]
                Self::Memory(tx) => tx.all(sql.lite, args)?,
            })
        })
        .await
    }

    /// Runs a statement and reads its first row, if there is one.
    pub async fn optional(&mut self, sql: Sql, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// Commits: what was written is on disk when this returns `Ok`.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.end(sql!("commit")).await
    }

    /// Rolls back, keeping the connection.
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.end(sql!("rollback")).await
    }

    async fn end(self, how: Sql) -> Result<(), StoreError> {
        timed(self.is_postgres(), how, async {
            match self {
                Self::Pg { mut connection, limit } => {
                    within(limit, sqlx::query(how.pg).execute(connection.get()?)).await?;
                    if let Some(connection) = connection.0.take() {
                        connection.put_back();
                    }
                    Ok(())
                }
                Self::Lite(tx, _) if how.lite == "commit" => Ok(tx.commit().await?),
                Self::Lite(tx, _) => Ok(tx.rollback().await?),
                #[cfg(feature = "faults")]
                Self::Memory(mut tx) => tx.end(how.lite),
            }
        })
        .await
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Pg { .. })
    }
}

impl Pool {
    /// Opens a writing transaction.
    pub async fn begin(&self, limit: Duration) -> Result<Tx, StoreError> {
        timed(self.is_postgres(), sql!("begin"), async {
            match self {
                Self::Pg(pool) => {
                    let mut connection = PgTx(Some(pool.acquire().await?));
                    let begin = sqlx::query("begin isolation level read committed");
                    within(limit, begin.execute(connection.get()?)).await?;
                    Ok(Tx::Pg { connection, limit })
                }
                Self::Lite { writer, .. } => Ok(Tx::Lite(writer.begin_with("begin immediate").await?, InUse::begin())),
                #[cfg(feature = "faults")]
                Self::Memory(memory) => memory.begin().await.map(Tx::Memory),
            }
        })
        .await
    }

    /// A single writing statement, committed by itself.
    pub async fn write(&self, limit: Duration, sql: Sql, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        timed(self.is_postgres(), sql, async {
            match self {
                Self::Pg(pool) => Self::pg(pool, limit, sql.pg, pg_args(args)?).await,
                Self::Lite { writer, .. } => Self::lite(writer, sql, args).await,
                #[cfg(feature = "faults")]
                Self::Memory(memory) => memory.run(sql.lite, args).await,
            }
        })
        .await
    }

    /// A single reading statement.
    pub async fn read(&self, limit: Duration, sql: Sql, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        timed(self.is_postgres(), sql, async {
            match self {
                Self::Pg(pool) => Self::pg(pool, limit, sql.pg, pg_args(args)?).await,
                Self::Lite { readers, .. } => Self::lite(readers, sql, args).await,
                #[cfg(feature = "faults")]
                Self::Memory(memory) => memory.run(sql.lite, args).await,
            }
        })
        .await
    }

    pub async fn pg(
        pool: &Connections,
        limit: Duration,
        text: impl SqlSafeStr,
        args: PgArguments,
    ) -> Result<Vec<Row>, StoreError> {
        let mut connection = pool.acquire().await?;
        let answer = within(limit, sqlx::query_with(text, args).fetch_all(&mut *connection)).await;
        match &answer {
            Ok(_) => connection.put_back(),
            Err(StoreError::TooSlow { .. }) => connection.close_on_drop(),
            Err(_) => {}
        }
        Ok(answer?.into_iter().map(Row::Pg).collect())
    }

    async fn lite(pool: &SqlitePool, sql: Sql, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        let mut connection = pool.acquire().await?;
        let _in_use = InUse::begin();
        let rows = sqlx::query_with(sql.lite, lite_args(args)?).fetch_all(&mut *connection).await?;
        Ok(rows.into_iter().map(Row::Lite).collect())
    }

    /// True on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Pg(_))
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        match self {
            Self::Pg(pool) => pool.close().await,
            Self::Lite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            #[cfg(feature = "faults")]
            Self::Memory(_) => {}
        }
    }

    /// One round trip on one connection; on SQLite a look into the file, which waits for no writer.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Pg(pool) => pool.ping().await,
            Self::Lite { readers, .. } => {
                sqlx::query("select 1 from sqlite_schema limit 1").fetch_optional(readers).await.map(drop)
            }
            #[cfg(feature = "faults")]
            Self::Memory(_) => Ok(()),
        }
    }
}
