//! Ready while messages can be stored. A Redis that is away costs latency only, so it closes nothing.

use std::time::Duration;

use coordination::Coordination;
use service_kit::{Gate, Readiness};
use store::Store;
use tokio_util::sync::CancellationToken;

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
    pub async fn watch(self, store: Store, coordination: Coordination, stop: CancellationToken) {
        loop {
            match store.schema_ready().await {
                Ok(true) => self.database.set(true),
                Ok(false) => self.database.set_reason("the schema is not up to date: run `migrator up`"),
                Err(error) => self.database.set_reason(error.to_string()),
            }
            match coordination.ping().await {
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
