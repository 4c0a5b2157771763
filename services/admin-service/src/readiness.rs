//! Ready while the database answers with the schema that we need. A Redis that is away costs latency only.

use std::time::Duration;

use service_kit::{Gate, Readiness};
use tokio_util::sync::CancellationToken;

use crate::Parts;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// The gates, closed until the first look.
pub(crate) struct Gates {
    database: Gate,
    cache: Gate,
}

impl Gates {
    pub fn register(readiness: &Readiness) -> Self {
        Self { database: readiness.register("database"), cache: readiness.register_optional("cache") }
    }

    /// Keeps them up to date until `stop`.
    pub async fn watch(self, parts: Parts, stop: CancellationToken) {
        loop {
            match parts.store.schema_ready().await {
                Ok(true) => self.database.set(true),
                Ok(false) => self.database.set_reason("the schema is not up to date: run `migrator up`"),
                Err(error) => self.database.set_reason(error.to_string()),
            }
            match parts.coordination.ping().await {
                Ok(()) => self.cache.set(true),
                Err(error) => self.cache.set_reason(error.to_string()),
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
