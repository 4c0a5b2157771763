//! WatchConversation: subscribes, then reads the store from the cursor, then merges; the store is read again every 2 s.

use std::time::Duration;

use coordination::Subscription;
use domain::{ConversationId, Tenant};
use futures::StreamExt as _;
use proto::conversation::v1 as pb;
use service_kit::grpc::into_status;
use store::{Cursor, Direction, Store};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Conversations, Events, ReadError, cursor, messages};

/// How often the store is read without any event.
const READ_EVERY: Duration = Duration::from_secs(2);
/// A stream ends after this long; the client resumes.
const AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// Events that a slow reader may be behind.
const BUFFER: usize = 32;
/// Messages read at once.
const PAGE: i64 = 100;

type Event = pb::watch_conversation_response::Event;

pub(super) async fn handle(
    service: &Conversations,
    tenant: Tenant,
    request: pb::WatchConversationRequest,
) -> Result<Events, ReadError> {
    let resumed = !request.cursor.is_empty();
    let after = match request.cursor.as_str() {
        "" => None,
        text => Some(cursor::read(text).ok_or_else(|| ReadError::Cursor(text.to_owned()))?),
    };
    let conversation = service.conversation(&tenant, &request.conversation_id).await?.id;
    // Subscribed before the first read: what is committed between the two is seen by one of them.
    if faults::planted(faults::Bug::WatchAfterRead) {
        service.store.at("watch.read").await;
    }
    let subscription = service.coordination.subscribe(conversation).await;
    service.store.at("watch.between").await;
    let (sender, receiver) = mpsc::channel(BUFFER);
    let watch = Watch {
        store: service.store.clone(),
        tenant,
        conversation,
        after,
        told_done: after.map_or(0, |after| after.seq - 1),
        sender,
    };
    tokio::spawn(watch.run(resumed, subscription, service.stop.clone()));
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

struct Watch {
    store: Store,
    tenant: Tenant,
    conversation: ConversationId,
    after: Option<Cursor>,
    told_done: i64,
    sender: mpsc::Sender<Result<pb::WatchConversationResponse, Status>>,
}

/// The reader went away.
struct Gone;

impl Watch {
    async fn run(mut self, resumed: bool, mut subscription: Subscription, stop: CancellationToken) {
        let end = Instant::now() + AGE_MAX;
        if resumed && self.send(Event::Reset(pb::Reset {})).await.is_err() {
            return;
        }
        let mut feed_open = true;
        loop {
            match self.read().await {
                Ok(Ok(())) => {}
                Ok(Err(Gone)) => return,
                Err(error) => {
                    // A reader that is gone needs no answer.
                    let _ = self.sender.send(Err(into_status(error))).await;
                    return;
                }
            }
            tokio::select! {
                event = subscription.next(), if feed_open => feed_open = event.is_some(),
                () = tokio::time::sleep(READ_EVERY) => {}
                () = tokio::time::sleep_until(end) => return,
                () = self.sender.closed() => return,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Sends what the store has beyond the cursor.
    async fn read(&mut self) -> Result<Result<(), Gone>, ReadError> {
        self.store.at("watch.read").await;
        // The counter first: whatever it says is done, its messages are there.
        let row = self.store.conversation(&self.tenant, self.conversation).await?.ok_or(ReadError::NoConversation)?;
        loop {
            let direction = Some(Direction::Outbound);
            let rows = self.store.messages(&self.tenant, self.conversation, self.after, PAGE, direction).await?;
            let more = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
            for row in rows {
                self.after = Some(row.cursor);
                if self.send(Event::Message(messages::message(row))).await.is_err() {
                    return Ok(Err(Gone));
                }
            }
            if !more {
                break;
            }
        }
        if row.done_seq > self.told_done {
            self.told_done = row.done_seq;
            return Ok(self.send(Event::TurnDone(pb::TurnDone { done_seq: row.done_seq })).await);
        }
        Ok(Ok(()))
    }

    async fn send(&self, event: Event) -> Result<(), Gone> {
        self.sender.send(Ok(pb::WatchConversationResponse { event: Some(event) })).await.map_err(|_closed| Gone)
    }
}
