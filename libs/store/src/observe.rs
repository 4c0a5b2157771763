//! What is measured of the database: the time of each statement, and the connections in use.

use std::time::Instant;

use domain::telemetry::metric;

use crate::{StoreError, engine::Sql};

/// A connection in use; counted until it is dropped.
pub(crate) struct InUse;

impl InUse {
    pub fn begin() -> Self {
        metrics::gauge!(metric::DB_CONNECTIONS_ACTIVE).increment(1.0);
        Self
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        metrics::gauge!(metric::DB_CONNECTIONS_ACTIVE).decrement(1.0);
    }
}

/// Runs a statement and measures it, under the first word of its text.
pub(crate) async fn timed<T>(
    is_postgres: bool,
    sql: Sql,
    statement: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let begun = Instant::now();
    let outcome = statement.await;
    metrics::histogram!(
        metric::DB_CLIENT_OPERATION_DURATION,
        "db_system_name" => if is_postgres { "postgresql" } else { "sqlite" },
        "db_operation_name" => sql.pg.split_ascii_whitespace().next().unwrap_or_default(),
        "error_type" => outcome.as_ref().err().map_or("", class),
    )
    .record(begun.elapsed());
    outcome
}

fn class(error: &StoreError) -> &'static str {
    match error {
        StoreError::Busy => "busy",
        StoreError::Unavailable(_) | StoreError::NotReached { .. } => "unavailable",
        StoreError::TooSlow { .. } => "too_slow",
        _ => "other",
    }
}
