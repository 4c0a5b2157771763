//! Doorbell, live feed, cache and rate limits: Redis or in-process.
//!
//! Nothing here is the truth: losing all of it costs latency, never a message. So nothing that a caller does for the
//! truth's sake waits here: rings and feed events go to bounded queues and are dropped, and counted, when those are
//! full.

mod bell;
mod config;
mod coordination;
mod feed;
mod limits;
mod memory;
mod redis;

pub use bell::{Away, Bell, GroupState};
pub use config::{ConnectError, CoordinationConfig};
pub use coordination::{Coordination, Listener};
pub use feed::{FeedEvent, Subscription};
#[cfg(feature = "faults")]
pub use memory::Trouble;
pub use redis::SharedCache;

/// Bytes of one cached value at most; larger ones are not kept.
pub const CACHE_VALUE_BYTES_MAX: usize = 1024 * 1024;
