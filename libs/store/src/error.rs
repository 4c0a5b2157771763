//! What can go wrong, sorted by what the caller does about it.

use std::{fmt, time::Duration};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another worker holds the conversation now. Stop; nothing of this transaction was kept.
    #[error("another worker has taken the conversation over")]
    Fenced,
    /// A lock was not free in time. Nothing was kept; try again after a pause.
    #[error("the rows are locked by somebody else")]
    Busy,
    /// The database is not reachable or is going down. Nothing is known to be kept; try again after a pause.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database did not answer in time. Whether a commit was kept is not known.
    #[error("the database did not answer within {limit:?}")]
    TooSlow {
        /// How long we waited.
        limit: Duration,
    },
    /// The database could not be reached while starting.
    #[error(
        "cannot reach the database at {address} within {waited:?}: check that it runs and that the URL's host, user, password and database name are right"
    )]
    NotReached {
        /// Host, port and name, without password.
        address: String,
        /// How long we tried.
        waited: Duration,
        /// The last failure.
        #[source]
        last: sqlx::Error,
    },
    /// The URL names no database that we know.
    #[error("`{0}` is no database URL: write postgres://user@host/name or sqlite:<path>")]
    Url(String),
    /// Tables are missing or older than this program.
    #[error("the database's schema is older than this program: run `migrator up`")]
    SchemaOld,
    /// The schema was made by a later program.
    #[error("the database's schema has version {found}; this program knows {known}: use a newer program")]
    SchemaNewer {
        /// Version in the database.
        found: i64,
        /// Last version of this program.
        known: i64,
    },
    /// A migration that was applied differs from the one in this program.
    #[error("migration {version} ({name}) was changed after it was applied")]
    ChecksumChanged {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
    },
    /// Another migrator is at work.
    #[error("another migrator is running; waited {0:?} for it")]
    MigrationRunning(Duration),
    /// The step is journaled already: read the journal and use what stands there.
    #[error("this step is journaled already")]
    JournalConflict,
    /// The turn does not begin where the conversation stands.
    #[error("the turn does not follow the last one that was committed")]
    OutOfOrder,
    /// A message that cannot be stored as it is; it will never go in.
    #[error("the message cannot be stored: {0}")]
    Payload(String),
    /// Nothing has this id, for this tenant.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The dead letter was replayed before.
    #[error("this dead letter was replayed already")]
    AlreadyReplayed,
    /// The dead letter's effect may have happened; an operator has to accept that.
    #[error("an effect of this dead letter may have happened: say that a repetition is acceptable")]
    UnknownEffect,
    /// The name exists already.
    #[error("there is such a {0} already")]
    Exists(&'static str),
    /// A stored value that we cannot read.
    #[error("column {column} holds a value that cannot be read: {reason}")]
    Corrupt {
        /// Its column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Any other failure of a statement.
    #[error("a statement failed")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// True when the same call may succeed after a pause.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_) | Self::TooSlow { .. } | Self::SchemaOld)
    }

    pub(crate) fn corrupt(column: &str, reason: impl fmt::Display) -> Self {
        Self::Corrupt { column: column.to_owned(), reason: reason.to_string() }
    }

    /// True when a primary or unique key refused an insert.
    pub(crate) fn is_key_conflict(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// True when the unique key of this name refused an insert.
    pub(crate) fn is_conflict_of(&self, key: &str) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.constraint() == Some(key))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        if let E::Database(database) = &error {
            let code = database.code().unwrap_or_default().into_owned();
            let message = database.message();
            if database.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                // The low byte is the primary code, the rest says more of it.
                return match code.parse::<u32>().unwrap_or(0) & 0xff {
                    5 | 6 => Self::Busy, // BUSY, LOCKED
                    // NOMEM, READONLY, IOERR, FULL, CANTOPEN: the machine's fault, not the statement's
                    7 | 8 | 10 | 13 | 14 => Self::Unavailable(error),
                    1 if message.starts_with("no such table") || message.starts_with("no such column") => {
                        Self::SchemaOld
                    }
                    _ => Self::Database(error),
                };
            }
            return match code.as_str() {
                // lock_not_available, deadlock_detected, serialization_failure
                "55P03" | "40P01" | "40001" => Self::Busy,
                // undefined_table, undefined_column
                "42P01" | "42703" => Self::SchemaOld,
                // query_canceled, idle_in_transaction_session_timeout, read_only_sql_transaction
                "57014" | "25P03" | "25006" => Self::Unavailable(error),
                // character_not_in_repertoire: a NUL in a text
                "22021" => Self::Payload(message.to_owned()),
                // connection, resources, operator intervention, errors of the system
                other if ["08", "53", "57", "58"].iter().any(|class| other.starts_with(class)) => {
                    Self::Unavailable(error)
                }
                _ => Self::Database(error),
            };
        }
        match error {
            E::Io(_)
            | E::Tls(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::Protocol(_)
            | E::BeginFailed => Self::Unavailable(error),
            other => Self::Database(other),
        }
    }
}
