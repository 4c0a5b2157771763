//! The doorbell: a stream and its group of consumers.
//!
//! Entries are never deleted one by one and never trimmed by length: both make the lag that the autoscaler reads wrong.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{ConversationId, telemetry::metric};
use fred::{
    clients::{Client, WithOptions},
    interfaces::{ClientLike as _, LuaInterface as _, StreamsInterface as _},
    types::{Value, config::Options, streams::XReadResponse},
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{COMMAND_TIMEOUT, Names, Redis, Ring, away, quick, scripts};
use crate::{Away, Bell, GroupState, bell::time_of, memory::LISTEN_WAIT};

/// A read that blocks has this long beyond its own wait.
const READ_SLACK: Duration = Duration::from_secs(1);
/// Entries of the stream counted at most to know the lag.
const COUNTED_MAX: usize = 2_000;
/// Rings sent in one go.
const RINGS_AT_ONCE: usize = 64;

impl Redis {
    pub fn ring(&self, conversation: ConversationId, traceparent: Option<&str>) {
        let ring = Ring { conversation, traceparent: traceparent.map(str::to_owned) };
        if self.rings.try_send(ring).is_err() {
            count_dropped(&self.bells_dropped, 1);
        }
    }

    pub fn listen(self: &Arc<Self>, consumer: &str) -> RedisListener {
        let reader = self.client.clone_new();
        reader.connect();
        RedisListener { redis: Arc::clone(self), reader, consumer: consumer.to_owned(), reading: None }
    }

    pub async fn ensure_group(&self) -> Result<bool, Away> {
        let Names { stream, group, .. } = &self.names;
        match quick(&self.client).xgroup_create::<(), _, _, _>(stream, group.as_str(), "0", true).await {
            Ok(()) => {
                self.recreated.store(true, Ordering::SeqCst);
                Ok(true)
            }
            Err(error) if error.details().contains("BUSYGROUP") => Ok(false),
            Err(error) => Err(away(error)),
        }
    }

    pub async fn group_state(&self) -> Result<GroupState, Away> {
        self.ensure_group().await?;
        let (keys, arguments) =
            (vec![self.names.stream.clone()], vec![self.names.group.clone(), COUNTED_MAX.to_string()]);
        let (last, lag, corrected): (String, Option<i64>, bool) =
            quick(&self.client).eval(scripts::GROUP_STATE, keys, arguments).await.map_err(away)?;
        if corrected {
            tracing::warn!(lag, "somebody changed the stream of bells; the lag that autoscalers read is corrected");
        }
        Ok(GroupState {
            last_delivered_at: time_of(&last),
            lag,
            recreated: self.recreated.swap(false, Ordering::SeqCst),
        })
    }

    pub fn bells_were_lost(&self) {
        self.recreated.store(true, Ordering::SeqCst);
    }

    pub async fn trim(&self) -> Result<u64, Away> {
        let (keys, arguments) = (vec![self.names.stream.clone()], vec![self.names.group.clone()]);
        let by_length = "return redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', 3)";
        let script = if faults::planted(faults::Bug::MaxlenTrim) { by_length } else { scripts::TRIM };
        quick(&self.client).eval(script, keys, arguments).await.map_err(away)
    }

    pub async fn remove_consumers(&self, idle_min: Duration) -> Result<u64, Away> {
        let keys = vec![self.names.stream.clone()];
        let arguments = vec![self.names.group.clone(), idle_min.as_millis().to_string()];
        quick(&self.client).eval(scripts::REMOVE_CONSUMERS, keys, arguments).await.map_err(away)
    }
}

/// One consumer of the group, with a connection of its own for the reads that block.
pub struct RedisListener {
    redis: Arc<Redis>,
    reader: Client,
    consumer: String,
    /// A read on its way; it outlives a cancelled `next`, so that no delivered bell is lost.
    reading: Option<JoinHandle<Result<Vec<Bell>, Away>>>,
}

impl RedisListener {
    pub async fn next(&mut self, free_slots: usize) -> Result<Vec<Bell>, Away> {
        if self.reading.is_none() {
            if free_slots == 0 {
                tokio::time::sleep(LISTEN_WAIT).await;
                return Ok(Vec::new());
            }
            self.reading = Some(tokio::spawn(read(
                self.reader.clone(),
                self.redis.names.clone(),
                self.consumer.clone(),
                free_slots,
            )));
        }
        let Some(reading) = &mut self.reading else {
            return Ok(Vec::new());
        };
        let outcome = reading.await;
        self.reading = None;
        let bells = outcome.unwrap_or_else(|error| Err(Away::Unreachable(error.to_string())))?;
        Ok(bells)
    }

    pub async fn ack(&self, bell: &Bell) -> Result<(), Away> {
        let Names { stream, group, .. } = &self.redis.names;
        quick(&self.redis.client).xack(stream, group.as_str(), bell.id.as_str()).await.map_err(away)
    }

    pub async fn autoclaim(&mut self, idle_min: Duration, limit: usize) -> Result<Vec<Bell>, Away> {
        let Names { stream, group, .. } = &self.redis.names;
        let (keys, idle_min) = (vec![stream.clone()], idle_min.as_millis().to_string());
        let arguments = vec![group.clone(), self.consumer.clone(), idle_min, limit.to_string()];
        let entries: Value =
            quick(&self.redis.client).eval(scripts::CLAIM_IDLE, keys, arguments).await.map_err(away)?;
        Ok(self.bells(entries).await)
    }

    /// The bells of `entries`; those that are no bell are acknowledged and forgotten.
    async fn bells(&self, entries: Value) -> Vec<Bell> {
        let mut bells = Vec::new();
        for entry in items(entries) {
            let mut parts = items(entry).into_iter();
            let Some(id) = parts.next().and_then(|id| id.as_string()) else {
                continue;
            };
            let named = parts.next().map(fields).unwrap_or_default();
            let text = |name: &str| named.get(name).and_then(Value::as_string);
            match bell(&id, text("conversation"), text("traceparent")) {
                Ok(bell) => bells.push(bell),
                Err(stray) => {
                    tracing::warn!(id, "an entry of the stream is no bell of ours; acknowledged");
                    // An error leaves it pending: it is met again and acknowledged then.
                    let _ = self.ack(&stray).await;
                }
            }
        }
        bells
    }
}

impl Drop for RedisListener {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.abort();
        }
        let reader = self.reader.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // The connection closes with the client in any case.
                let _ = reader.quit().await;
            });
        }
    }
}

async fn read(reader: Client, names: Names, consumer: String, count: usize) -> Result<Vec<Bell>, Away> {
    connected(&reader).await;
    let wait = LISTEN_WAIT;
    let options = Options { timeout: Some(wait + READ_SLACK), fail_fast: true, ..Options::default() };
    let answer: Value = reader
        .with_options(&options)
        .xreadgroup(
            names.group.as_str(),
            consumer.as_str(),
            Some(count as u64),
            u64::try_from(wait.as_millis()).ok(),
            false,
            names.stream.as_str(),
            ">",
        )
        .await
        .map_err(away)?;
    if answer.is_null() {
        return Ok(Vec::new()); // nobody rang
    }
    let answer: XReadResponse<String, String, String, String> = answer.into_xread_response().map_err(away)?;
    let mut bells = Vec::new();
    for (id, mut named) in answer.into_values().flatten() {
        match bell(&id, named.remove("conversation"), named.remove("traceparent")) {
            Ok(bell) => bells.push(bell),
            Err(stray) => {
                tracing::warn!(id, "an entry of the stream is no bell of ours; acknowledged");
                // An error leaves it pending: it is met again and acknowledged then.
                let _ =
                    reader.xack::<(), _, _, _>(names.stream.as_str(), names.group.as_str(), stray.id.as_str()).await;
            }
        }
    }
    Ok(bells)
}

/// A bell, or one that only has the id of an entry that is none.
fn bell(id: &str, conversation: Option<String>, traceparent: Option<String>) -> Result<Bell, Bell> {
    let made = |conversation| Bell { conversation, traceparent, id: id.to_owned() };
    match conversation.and_then(|text| text.parse().ok()) {
        Some(conversation) => Ok(made(conversation)),
        None => Err(made(ConversationId(uuid::Uuid::nil()))),
    }
}

pub(super) async fn send_rings(
    client: WithOptions<Client>,
    names: Names,
    mut rings: mpsc::Receiver<Ring>,
    dropped: Arc<AtomicU64>,
) {
    let mut batch = Vec::with_capacity(RINGS_AT_ONCE);
    loop {
        let count = rings.recv_many(&mut batch, RINGS_AT_ONCE).await;
        if count == 0 {
            return;
        }
        connected(&client).await;
        if let Err(error) = send(&client, &names, batch.drain(..)).await {
            tracing::debug!(%error, count, "rings were dropped; the sweeper rings again");
            count_dropped(&dropped, count as u64);
        }
    }
}

/// Waits a moment for a connection that is being made, as at start: without one a command fails at once.
async fn connected(client: &Client) {
    if !client.is_connected() {
        let _ = tokio::time::timeout(COMMAND_TIMEOUT, client.wait_for_connect()).await;
    }
}

/// All of them at once: a command each costs us and Redis several times as much.
async fn send(
    client: &WithOptions<Client>,
    names: &Names,
    rings: impl Iterator<Item = Ring>,
) -> Result<(), fred::error::Error> {
    let arguments: Vec<String> =
        rings.flat_map(|ring| [ring.conversation.to_string(), ring.traceparent.unwrap_or_default()]).collect();
    let sent = client.eval(scripts::RING, vec![names.stream.clone()], arguments);
    // fred's own timeout does not cover the wait for a place in its buffer.
    tokio::time::timeout(COMMAND_TIMEOUT * 2, sent)
        .await
        .unwrap_or_else(|_| Err(fred::error::Error::new(fred::error::ErrorKind::Timeout, "no place in the buffer")))
}

fn count_dropped(dropped: &AtomicU64, count: u64) {
    dropped.fetch_add(count, Ordering::Relaxed);
    metrics::counter!(metric::BELLS_DROPPED).increment(count);
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// Names and values, whether they come as a map (RESP3) or one behind the other (RESP2).
fn fields(value: Value) -> HashMap<String, Value> {
    match value {
        Value::Map(map) => {
            map.inner().into_iter().filter_map(|(key, value)| Some((key.into_string()?, value))).collect()
        }
        Value::Array(items) => {
            items.chunks_exact(2).filter_map(|pair| Some((pair[0].as_string()?, pair[1].clone()))).collect()
        }
        _ => HashMap::new(),
    }
}
