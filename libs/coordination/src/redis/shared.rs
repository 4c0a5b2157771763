//! Values that several processes keep for each other, in a Redis that may forget them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use fred::{
    clients::Client,
    interfaces::{ClientLike as _, KeysInterface as _},
    types::Expiration,
};
use futures::{StreamExt as _, stream};
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::{UNRESPONSIVE, client, quick};
use crate::{CACHE_VALUE_BYTES_MAX, ConnectError};

/// After a failure nothing is asked for this long: a Redis that is away costs each caller nothing.
const PAUSE: Duration = Duration::from_secs(1);
/// The first caller waits this long for the connection, once: what a start asks for should be found.
const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// Commands under way for one caller.
const COMMANDS_AHEAD: usize = 128;

/// A cache shared by processes. Every value has a lifetime and at most [`CACHE_VALUE_BYTES_MAX`] bytes; the limit of all
/// together is that Redis's own (`maxmemory` with eviction). Cheap to clone.
#[derive(Clone)]
pub struct SharedCache {
    client: Client,
    prefix: Arc<str>,
    lifetime: Duration,
    paused_until: Arc<Mutex<Option<Instant>>>,
    first: Arc<OnceCell<()>>,
}

impl std::fmt::Debug for SharedCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedCache").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl SharedCache {
    /// Connects in the background, again and again while it must. `prefix` stands before every key.
    ///
    /// # Errors
    /// When the URL is not understood.
    pub fn connect(url: &SecretString, prefix: &str, lifetime: Duration) -> Result<Self, ConnectError> {
        let client = client(url, UNRESPONSIVE)?;
        client.connect();
        Ok(Self { client, prefix: prefix.into(), lifetime, paused_until: Arc::default(), first: Arc::default() })
    }

    /// The values of keys, in their order; a Redis that is away knows none.
    pub async fn get(&self, keys: &[String]) -> Vec<Option<Bytes>> {
        self.first_connection().await;
        let asked = stream::iter(keys.to_vec()).map(|key| self.get_one(key));
        asked.buffered(COMMANDS_AHEAD).collect().await
    }

    /// Keeps values by key; what is too long, and all while Redis is away, is not kept.
    pub async fn put(&self, values: Vec<(String, Bytes)>) {
        self.first_connection().await;
        stream::iter(values).for_each_concurrent(COMMANDS_AHEAD, |(key, value)| self.put_one(key, value)).await;
    }

    async fn first_connection(&self) {
        let connecting = async {
            let _ = tokio::time::timeout(CONNECT_WAIT, self.client.wait_for_connect()).await;
        };
        self.first.get_or_init(|| connecting).await;
    }

    async fn get_one(&self, key: String) -> Option<Bytes> {
        if self.is_paused() {
            return None;
        }
        let found = quick(&self.client).get::<Option<Bytes>, _>(format!("{}{key}", self.prefix)).await;
        found.unwrap_or_else(|error| self.failed(&error)).filter(|value| value.len() <= CACHE_VALUE_BYTES_MAX)
    }

    async fn put_one(&self, key: String, value: Bytes) {
        if value.len() > CACHE_VALUE_BYTES_MAX || self.is_paused() {
            return;
        }
        let millis = i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX).max(1);
        let (key, lifetime) = (format!("{}{key}", self.prefix), Some(Expiration::PX(millis)));
        if let Err(error) = quick(&self.client).set::<(), _, _>(key, value, lifetime, None, false).await {
            self.failed(&error);
        }
    }

    fn is_paused(&self) -> bool {
        let paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        paused.is_some_and(|until| until > Instant::now())
    }

    fn failed(&self, error: &fred::error::Error) -> Option<Bytes> {
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        if paused.is_none_or(|until| until <= Instant::now()) {
            tracing::debug!(kind = error.kind().to_str(), "the shared cache does not answer; going on without it");
        }
        *paused = Some(Instant::now() + PAUSE);
        None
    }
}
