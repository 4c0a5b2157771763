//! Coordination in Redis.
//!
//! Commands end after 250 ms and their buffer is bounded; the reading of bells, which blocks, has a connection of its
//! own, and so have subscriptions. What Redis cannot do now is done without it.

mod doorbell;
mod feed;
mod scripts;
mod shared;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{ConversationId, telemetry::metric};
use fred::{
    clients::{Client, WithOptions},
    interfaces::{ClientLike as _, ConfigInterface as _, KeysInterface as _, LuaInterface as _},
    types::{
        Builder, Expiration,
        config::{Config, Options, ReconnectPolicy},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;

use crate::{Away, ConnectError, FeedEvent, feed::Hub, limits::Limits};
pub use doorbell::RedisListener;
pub use shared::SharedCache;

/// Any command but a blocking one.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(250);
/// Commands waiting in the client at most.
const COMMAND_BUFFER: usize = 4_096;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that does not answer for this long is replaced.
const UNRESPONSIVE: Duration = Duration::from_secs(2);
/// Milliseconds between two attempts to connect, at first and at most.
const RECONNECT_MS: (u32, u32) = (50, 2_000);
/// Rings, and feed events, waiting to be sent at most.
const OUTGOING_MAX: usize = 1_024;

/// All of it.
pub struct Redis {
    client: Client,
    cache: Client,
    subscriber: Client,
    names: Names,
    rings: mpsc::Sender<Ring>,
    events: mpsc::Sender<(ConversationId, FeedEvent)>,
    bells_dropped: Arc<AtomicU64>,
    /// The group was made again since the state was asked for.
    recreated: AtomicBool,
    hub: Hub,
    /// Used while Redis is away.
    limits: Limits,
}

/// Names of our keys.
#[derive(Clone)]
struct Names {
    prefix: String,
    stream: String,
    group: String,
}

struct Ring {
    conversation: ConversationId,
    traceparent: Option<String>,
}

impl Redis {
    pub fn connect(
        url: &SecretString,
        stream: &str,
        group: &str,
        prefix: &str,
        cache_url: Option<&SecretString>,
    ) -> Result<Arc<Self>, ConnectError> {
        let client = client(url, UNRESPONSIVE)?;
        let cache = cache_url.map_or_else(|| Ok(client.clone()), |url| self::client(url, UNRESPONSIVE))?;
        // A subscription may be silent for long, so its connection is not judged by answers.
        let subscriber = client.clone_new();
        for client in [&client, &subscriber] {
            client.connect();
        }
        if cache_url.is_some() {
            cache.connect();
        }
        let names = Names { prefix: prefix.to_owned(), stream: format!("{prefix}{stream}"), group: group.to_owned() };
        let (rings, rings_out) = mpsc::channel(OUTGOING_MAX);
        let (events, events_out) = mpsc::channel(OUTGOING_MAX);
        let bells_dropped = Arc::new(AtomicU64::new(0));
        let (unwatched, unwatched_out) = mpsc::unbounded_channel();
        let hub = Hub::new(move |conversation| {
            // An error means that the process ends.
            let _ = unwatched.send(conversation);
        });
        tokio::spawn(doorbell::send_rings(quick(&client), names.clone(), rings_out, Arc::clone(&bells_dropped)));
        tokio::spawn(feed::send_events(quick(&client), names.clone(), events_out));
        tokio::spawn(feed::receive_events(subscriber.clone(), names.clone(), hub.clone(), unwatched_out));
        tokio::spawn(warn_if_unsafe(client.clone()));
        Ok(Arc::new(Self {
            client,
            cache,
            subscriber,
            names,
            rings,
            events,
            bells_dropped,
            recreated: AtomicBool::new(false),
            hub,
            limits: Limits::default(),
        }))
    }

    pub async fn ping(&self) -> Result<(), Away> {
        quick(&self.client).ping::<String>(None).await.map(drop).map_err(away)
    }

    pub async fn allow(&self, key: &str, burst: u32, per: Duration) -> Result<(), Duration> {
        let keys = vec![self.names.limit(key), self.names.pause(key)];
        let per_micros = i64::try_from(per.as_micros()).unwrap_or(i64::MAX).max(1);
        let arguments = vec![i64::from(burst.max(1)), per_micros];
        // In a box, as a turn holds room for it all the time that it waits for a model.
        match Box::pin(quick(&self.client).eval::<i64, _, _, _>(scripts::ALLOW, keys, arguments)).await {
            Ok(0) => Ok(()),
            Ok(wait) => Err(Duration::from_micros(u64::try_from(wait).unwrap_or(0))),
            Err(_away) => self.limits.allow(key, burst, per),
        }
    }

    pub async fn pause(&self, key: &str, wait: Duration) {
        // Here as well, for the time that Redis is away.
        self.limits.pause(key, wait);
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        let keys = vec![self.names.pause(key)];
        let paused = Box::pin(quick(&self.client).eval::<i64, _, _, _>(scripts::PAUSE, keys, vec![micros])).await;
        if let Err(error) = paused {
            tracing::debug!(%error, "a pause is known to this process only");
        }
    }

    pub async fn cached(&self, key: &str) -> Option<Bytes> {
        quick(&self.cache).get(self.names.cache(key)).await.ok()?
    }

    pub async fn cache(&self, key: &str, value: Bytes, lifetime: Duration) {
        let millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX).max(1);
        let expire = Some(Expiration::PX(millis));
        if let Err(error) = quick(&self.cache).set::<(), _, _>(self.names.cache(key), value, expire, None, false).await
        {
            tracing::debug!(%error, "a value was not cached");
        }
    }

    pub fn bells_dropped(&self) -> u64 {
        self.bells_dropped.load(Ordering::Relaxed)
    }
}

impl Names {
    // The braces keep both keys of a limit on one node of a cluster.
    fn limit(&self, key: &str) -> String {
        format!("{}limit:{{{key}}}", self.prefix)
    }

    fn pause(&self, key: &str) -> String {
        format!("{}pause:{{{key}}}", self.prefix)
    }

    fn cache(&self, key: &str) -> String {
        format!("{}cache:{key}", self.prefix)
    }

    fn feed(&self, conversation: ConversationId) -> String {
        format!("{}feed:{conversation}", self.prefix)
    }

    fn conversation_of(&self, channel: &str) -> Option<ConversationId> {
        channel.strip_prefix(&self.prefix)?.strip_prefix("feed:")?.parse().ok()
    }
}

fn client(url: &SecretString, unresponsive: Duration) -> Result<Client, ConnectError> {
    // fred's text tells what it stumbled over, not the URL; the details may hold a part of it, so only the kind is told.
    let refused = |error: fred::error::Error| ConnectError::Url(error.kind().to_str().to_owned());
    let mut config = Config::from_url(url.expose_secret()).map_err(refused)?;
    config.fail_fast = false;
    Builder::from_config(config)
        .with_performance_config(|performance| performance.default_command_timeout = COMMAND_TIMEOUT)
        .with_connection_config(|connection| {
            connection.connection_timeout = CONNECT_TIMEOUT;
            connection.internal_command_timeout = CONNECT_TIMEOUT;
            connection.max_command_buffer_len = COMMAND_BUFFER;
            connection.unresponsive.max_timeout = Some(unresponsive);
            connection.unresponsive.interval = unresponsive / 4;
            connection.reconnect_on_auth_error = true;
        })
        .set_policy(ReconnectPolicy::new_exponential(0, RECONNECT_MS.0, RECONNECT_MS.1, 2))
        .build()
        .map_err(refused)
}

/// The client for commands that are not worth waiting for a connection.
fn quick(client: &Client) -> WithOptions<Client> {
    client.with_options(&Options { timeout: Some(COMMAND_TIMEOUT), fail_fast: true, ..Options::default() })
}

fn away(error: fred::error::Error) -> Away {
    let text = error.details();
    // `UNBLOCKED` is what a reader hears in whose wait the stream went.
    if ["NOGROUP", "UNBLOCKED", "no such key"].iter().any(|sign| text.contains(sign)) {
        Away::GroupLost
    } else {
        Away::Unreachable(format!("{}: {text}", error.kind().to_str()))
    }
}

/// Says once if this Redis forgets bells when it restarts or evicts them: they only hasten, so that is no refusal.
async fn warn_if_unsafe(client: Client) {
    if client.wait_for_connect().await.is_err() {
        return;
    }
    let setting = async |name: &str| -> Option<String> {
        let pair: Vec<String> = client.config_get(name).await.ok()?;
        pair.into_iter().nth(1)
    };
    let (append_only, policy) = (setting("appendonly").await, setting("maxmemory-policy").await);
    let is_safe = append_only.as_deref() == Some("yes") && policy.as_deref() == Some("noeviction");
    metrics::gauge!(metric::REDIS_SETTINGS_UNSAFE).set(if is_safe { 0.0 } else { 1.0 });
    if !is_safe {
        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "not told".to_owned());
        tracing::warn!(
            appendonly = told(&append_only),
            maxmemory_policy = told(&policy),
            "Redis should run with appendonly yes and maxmemory-policy noeviction; bells may be lost, messages are not"
        );
    }
}
