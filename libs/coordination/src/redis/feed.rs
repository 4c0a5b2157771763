//! The feed over Redis's publish and subscribe: one connection of this process for all of its watchers.

use domain::{ConversationId, telemetry::metric};
use fred::{
    clients::{Client, WithOptions},
    interfaces::{EventInterface as _, PubsubInterface as _},
    types::Message,
};
use tokio::sync::{broadcast::error::RecvError, mpsc};

use super::{Names, Redis, quick};
use crate::{FeedEvent, Subscription, feed::Hub};

impl Redis {
    pub fn publish(&self, conversation: ConversationId, event: FeedEvent) {
        if self.events.try_send((conversation, event)).is_err() {
            metrics::counter!(metric::FEED_EVENTS_DROPPED).increment(1);
        }
    }

    pub async fn subscribe(&self, conversation: ConversationId) -> Subscription {
        let (subscription, _) = self.hub.subscribe(conversation);
        // Each time: a first watcher that is still under way must not leave the second one unsubscribed.
        subscribe(&self.subscriber, &self.names, conversation).await;
        subscription
    }
}

async fn subscribe(subscriber: &Client, names: &Names, conversation: ConversationId) {
    if let Err(error) = quick(subscriber).subscribe(names.feed(conversation)).await {
        tracing::debug!(%error, "not subscribed now; done again when Redis is back");
    }
}

pub(super) async fn send_events(
    client: WithOptions<Client>,
    names: Names,
    mut events: mpsc::Receiver<(ConversationId, FeedEvent)>,
) {
    while let Some((conversation, event)) = events.recv().await {
        let Ok(text) = serde_json::to_string(&event) else {
            continue;
        };
        if let Err(error) = client.publish::<(), _, _>(names.feed(conversation), text).await {
            tracing::debug!(%error, "a feed event was lost; watchers read the store");
            metrics::counter!(metric::FEED_EVENTS_DROPPED).increment(1);
        }
    }
}

/// Hands messages to the hub, subscribes again after a reconnect, and unsubscribes what nobody watches any more.
pub(super) async fn receive_events(
    subscriber: Client,
    names: Names,
    hub: Hub,
    mut unwatched: mpsc::UnboundedReceiver<ConversationId>,
) {
    let (mut messages, mut reconnects) = (subscriber.message_rx(), subscriber.reconnect_rx());
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => hand_out(&names, &hub, message),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            reconnected = reconnects.recv() => match reconnected {
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    for conversation in hub.watched() {
                        subscribe(&subscriber, &names, conversation).await;
                    }
                }
                Err(RecvError::Closed) => return,
            },
            gone = unwatched.recv() => match gone {
                Some(conversation) if !hub.is_watched(conversation) => {
                    if let Err(error) = quick(&subscriber).unsubscribe(names.feed(conversation)).await {
                        tracing::debug!(%error, "not unsubscribed");
                    }
                    // Somebody may have come meanwhile.
                    if hub.is_watched(conversation) {
                        subscribe(&subscriber, &names, conversation).await;
                    }
                }
                Some(_) => {}
                None => return,
            },
        }
    }
}

fn hand_out(names: &Names, hub: &Hub, message: Message) {
    let Some(conversation) = names.conversation_of(&message.channel) else {
        return;
    };
    let event = message.value.as_bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
    if let Some(event) = event {
        hub.publish(conversation, event);
    }
}
