//! The face of both kinds.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::ConversationId;

use crate::{
    Away, Bell, CACHE_VALUE_BYTES_MAX, ConnectError, CoordinationConfig, FeedEvent, GroupState, Subscription,
    memory::Memory,
    redis::{Redis, RedisListener},
};

/// Doorbell, feed, limits and cache; cheap to clone.
#[derive(Clone)]
pub enum Coordination {
    /// In Redis.
    Redis(Arc<Redis>),
    /// In this process.
    Memory(Arc<Memory>),
}

impl Coordination {
    /// Connects in the background and goes on trying; an unreachable Redis is no error. Call it inside the runtime.
    ///
    /// # Errors
    /// [`ConnectError::Url`]: the configuration is not understood.
    pub fn connect(config: &CoordinationConfig) -> Result<Self, ConnectError> {
        Ok(match config {
            CoordinationConfig::Memory => Self::memory(),
            CoordinationConfig::Redis { url, stream, group, prefix, cache_url } => {
                Self::Redis(Redis::connect(url, stream, group, prefix, cache_url.as_ref())?)
            }
        })
    }

    /// In-process coordination.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// In-process coordination with a test's trouble.
    #[cfg(feature = "faults")]
    pub fn troubled(trouble: crate::Trouble) -> Self {
        Self::Memory(Arc::new(Memory::troubled(trouble)))
    }

    /// Asks the server whether it is there.
    ///
    /// # Errors
    /// [`Away::Unreachable`] within 250 ms.
    pub async fn ping(&self) -> Result<(), Away> {
        match self {
            Self::Redis(redis) => redis.ping().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Rings for a conversation. Never waits: a ring that finds the queue full, or Redis away, is dropped and counted.
    pub fn ring(&self, conversation: ConversationId, traceparent: Option<&str>) {
        match self {
            Self::Redis(redis) => redis.ring(conversation, traceparent),
            Self::Memory(memory) => memory.ring(conversation, traceparent),
        }
    }

    /// Rings that were dropped since the start.
    pub fn bells_dropped(&self) -> u64 {
        match self {
            Self::Redis(redis) => redis.bells_dropped(),
            Self::Memory(memory) => memory.bells_dropped(),
        }
    }

    /// A listener of the group under a name of its own, with its own connection. Call it inside the runtime.
    pub fn listen(&self, consumer: &str) -> Listener {
        match self {
            Self::Redis(redis) => Listener::Redis(redis.listen(consumer)),
            Self::Memory(memory) => Listener::Memory { memory: Arc::clone(memory), consumer: consumer.to_owned() },
        }
    }

    /// Makes stream and group if they are not there; true when it had to. The group starts at the stream's beginning.
    ///
    /// # Errors
    /// [`Away::Unreachable`].
    pub async fn ensure_group(&self) -> Result<bool, Away> {
        match self {
            Self::Redis(redis) => redis.ensure_group().await,
            Self::Memory(_) => Ok(false),
        }
    }

    /// The group's state; a lost group is made again and told as `recreated`.
    ///
    /// # Errors
    /// [`Away::Unreachable`].
    pub async fn group_state(&self) -> Result<GroupState, Away> {
        match self {
            Self::Redis(redis) => redis.group_state().await,
            Self::Memory(memory) => Ok(memory.group_state()),
        }
    }

    /// Tells `recreated` again with the next state: nobody rang for the bells that were lost.
    pub fn bells_were_lost(&self) {
        match self {
            Self::Redis(redis) => redis.bells_were_lost(),
            Self::Memory(_) => {} // its group is never lost
        }
    }

    /// Forgets bells that nobody needs: below the oldest pending and the last delivered. Gives how many.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn trim(&self) -> Result<u64, Away> {
        match self {
            Self::Redis(redis) => redis.trim().await,
            Self::Memory(_) => Ok(0),
        }
    }

    /// Removes consumers that were silent for `idle_min` and have nothing pending. Gives how many.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn remove_consumers(&self, idle_min: Duration) -> Result<u64, Away> {
        match self {
            Self::Redis(redis) => redis.remove_consumers(idle_min).await,
            Self::Memory(_) => Ok(0),
        }
    }

    /// Tells those who watch the conversation. Never waits; may be lost.
    pub fn publish(&self, conversation: ConversationId, event: FeedEvent) {
        match self {
            Self::Redis(redis) => redis.publish(conversation, event),
            Self::Memory(memory) => memory.hub.publish(conversation, event),
        }
    }

    /// Watches a conversation: events published after this returned arrive, as far as Redis is there.
    pub async fn subscribe(&self, conversation: ConversationId) -> Subscription {
        match self {
            Self::Redis(redis) => redis.subscribe(conversation).await,
            Self::Memory(memory) => memory.hub.subscribe(conversation).0,
        }
    }

    /// Takes one of `burst` tokens, which all come back within `per`. While Redis is away each process limits alone.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn allow(&self, key: &str, burst: u32, per: Duration) -> Result<(), Duration> {
        match self {
            Self::Redis(redis) => redis.allow(key, burst, per).await,
            Self::Memory(memory) => memory.limits.allow(key, burst, per),
        }
    }

    /// Allows nothing more under `key` for `wait` from now, for everybody.
    pub async fn pause(&self, key: &str, wait: Duration) {
        match self {
            Self::Redis(redis) => redis.pause(key, wait).await,
            Self::Memory(memory) => memory.limits.pause(key, wait),
        }
    }

    /// A cached value; none also when Redis is away.
    pub async fn cached(&self, key: &str) -> Option<Bytes> {
        match self {
            Self::Redis(redis) => redis.cached(key).await,
            Self::Memory(memory) => memory.cached(key),
        }
    }

    /// Keeps a value for `lifetime`, if it is not larger than [`CACHE_VALUE_BYTES_MAX`]. Best effort.
    pub async fn cache(&self, key: &str, value: Bytes, lifetime: Duration) {
        if value.len() > CACHE_VALUE_BYTES_MAX || lifetime.is_zero() {
            return;
        }
        match self {
            Self::Redis(redis) => redis.cache(key, value, lifetime).await,
            Self::Memory(memory) => memory.cache(key, value, lifetime),
        }
    }
}

/// One consumer of the group.
pub enum Listener {
    /// In Redis.
    Redis(RedisListener),
    /// In this process.
    Memory {
        /// The queue.
        memory: Arc<Memory>,
        /// Name of this consumer.
        consumer: String,
    },
}

impl Listener {
    /// Waits up to about a second for bells, at most `free_slots`; an empty answer means "none yet". May be cancelled:
    /// bells on their way then come with the next call, which may give more than its own `free_slots`.
    ///
    /// # Errors
    /// [`Away`]: at once while Redis is away, so pause before the next call.
    pub async fn next(&mut self, free_slots: usize) -> Result<Vec<Bell>, Away> {
        match self {
            Self::Redis(listener) => listener.next(free_slots).await,
            Self::Memory { memory, consumer } => Ok(memory.next(consumer, free_slots).await),
        }
    }

    /// The bell is dealt with.
    ///
    /// # Errors
    /// [`Away`]: it stays pending and another consumer gets it; harmless.
    pub async fn ack(&self, bell: &Bell) -> Result<(), Away> {
        match self {
            Self::Redis(listener) => listener.ack(bell).await,
            Self::Memory { memory, .. } => {
                memory.ack(&bell.id);
                Ok(())
            }
        }
    }

    /// Takes over up to `limit` bells that nobody acknowledged for `idle_min`: those of consumers that were silent for as
    /// long and, in Redis, this one's own, whose delivery may have been lost on its way. Skip what is being worked on.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn autoclaim(&mut self, idle_min: Duration, limit: usize) -> Result<Vec<Bell>, Away> {
        match self {
            Self::Redis(listener) => listener.autoclaim(idle_min, limit).await,
            Self::Memory { memory, consumer } => Ok(memory.claim_idle(consumer, idle_min, limit)),
        }
    }
}
