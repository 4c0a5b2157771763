//! The live feed: what happens in a conversation, for those who watch. Lossy by design; watchers read the store too.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use domain::ConversationId;
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// Events that a slow watcher may be behind; older ones are skipped for it.
const BACKLOG: usize = 256;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedEvent {
    /// `message`, `delta`, `tool`, `trace` and the like.
    pub kind: String,
    /// Seq of the message it belongs to.
    pub seq: i64,
    /// Epoch of the lease under which it happened; lower ones are old news.
    pub epoch: i64,
    /// The rest.
    #[serde(default)]
    pub data: Value,
}

/// Events of one conversation from now on; ends when the feed does.
pub struct Subscription {
    events: BroadcastStream<FeedEvent>,
    /// Tells the hub when the last watcher of a conversation went.
    _watch: Watch,
}

impl Stream for Subscription {
    type Item = FeedEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FeedEvent>> {
        loop {
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(event))) => return Poll::Ready(Some(event)),
                // Too slow: some were skipped; the store has what counts.
                Poll::Ready(Some(Err(_lagged))) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Hands events of this process's watchers out.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Inner>);

#[derive(Default)]
struct Inner {
    watched: Mutex<HashMap<ConversationId, broadcast::Sender<FeedEvent>>>,
    on_last: Option<Box<dyn Fn(ConversationId) + Send + Sync>>,
}

struct Watch {
    hub: Hub,
    conversation: ConversationId,
}

impl Hub {
    /// `on_last` is called when the last watcher of a conversation went.
    pub fn new(on_last: impl Fn(ConversationId) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { watched: Mutex::default(), on_last: Some(Box::new(on_last)) }))
    }

    pub fn publish(&self, conversation: ConversationId, event: FeedEvent) {
        if let Some(sender) = self.lock().get(&conversation) {
            // An error means that the last watcher goes at this moment.
            let _ = sender.send(event);
        }
    }

    /// A subscription, and whether it is the first to this conversation.
    pub fn subscribe(&self, conversation: ConversationId) -> (Subscription, bool) {
        let mut watched = self.lock();
        let is_first = !watched.contains_key(&conversation);
        let sender = watched.entry(conversation).or_insert_with(|| broadcast::Sender::new(BACKLOG));
        let events = BroadcastStream::new(sender.subscribe());
        (Subscription { events, _watch: Watch { hub: self.clone(), conversation } }, is_first)
    }

    /// The conversations that are watched.
    pub fn watched(&self) -> Vec<ConversationId> {
        self.lock().keys().copied().collect()
    }

    /// True when somebody watches it.
    pub fn is_watched(&self, conversation: ConversationId) -> bool {
        self.lock().contains_key(&conversation)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, broadcast::Sender<FeedEvent>>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.hub.lock();
        // Fields drop in order, so the receiver of this watch is gone already.
        let was_last = watched.get(&self.conversation).is_some_and(|sender| sender.receiver_count() == 0);
        if was_last {
            watched.remove(&self.conversation);
            drop(watched);
            if let Some(on_last) = &self.hub.0.on_last {
                on_last(self.conversation);
            }
        }
    }
}
