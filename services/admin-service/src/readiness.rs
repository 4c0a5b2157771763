//! Ready while the database answers with the schema that we need. A Redis that is away costs latency only.

use std::time::Duration;

use service_kit::Readiness;
use tokio_util::sync::CancellationToken;

use crate::Parts;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// Keeps the gates up to date until `stop`.
pub(crate) async fn watch(parts: Parts, readiness: Readiness, stop: CancellationToken) {
    let database = readiness.register("database");
    let cache = readiness.register_optional("cache");
    loop {
        match parts.store.schema_ready().await {
            Ok(true) => database.set(true),
            Ok(false) => database.set_reason("the schema is not up to date: run `migrator up`"),
            Err(error) => database.set_reason(error.to_string()),
        }
        match parts.coordination.ping().await {
            Ok(()) => cache.set(true),
            Err(error) => cache.set_reason(error.to_string()),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}
