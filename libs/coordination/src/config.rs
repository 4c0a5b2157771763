//! `[coordination]`.

use secrecy::SecretString;
use serde::Deserialize;

/// Where bells, feed, limits and cache live.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CoordinationConfig {
    /// In this process: one machine, one process.
    #[default]
    Memory,
    /// In Redis: any number of processes.
    Redis {
        /// `redis://`, `rediss://`, `redis-sentinel://` or `redis-cluster://`; the path is the database's number.
        url: SecretString,
        /// Name of the stream of bells.
        #[serde(default = "stream")]
        stream: String,
        /// Name of its group of workers.
        #[serde(default = "group")]
        group: String,
        /// Put before every key, the stream's too; for several installations in one Redis.
        #[serde(default)]
        prefix: String,
        /// A second Redis, with eviction, for the cache alone.
        #[serde(default)]
        cache_url: Option<SecretString>,
    },
}

fn stream() -> String {
    "whatsapp_stream_inbound".to_owned()
}

fn group() -> String {
    "workers".to_owned()
}

/// The configuration cannot work; an unreachable Redis is no error here.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not understood; the text holds no secret.
    #[error("the URL of Redis is not understood ({0}); write redis://[user:password@]host[:port][/database]")]
    Url(String),
}
