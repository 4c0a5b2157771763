//! Watching a conversation: subscribed to the feed first, then read from the store, then both merged. The feed only
//! hastens; what it loses, the next look at the store finds.

use std::{collections::VecDeque, time::Duration};

use coordination::FeedEvent;
use domain::{ConversationId, Reply, Tenant};
use futures::{FutureExt as _, StreamExt as _, stream::BoxStream};
use serde_json::Value;
use store::{Cursor, Direction, Store, StoreError};
use tokio::time::Instant;

use super::messages::Place;
use crate::{Shared, accounts::WebAccount};

/// The store is read again at least this often.
const READ_INTERVAL: Duration = Duration::from_secs(2);
/// Messages read at once.
const PAGE: i64 = 50;
/// A watch ends after so many failed readings in a row.
const FAILURES_MAX: u32 = 10;

/// What a watch sees.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A stored answer.
    Message(Place, Reply),
    /// Something that is shown at once and not kept: `delta` or `tool`.
    Live(&'static str, Value),
    /// What was shown live is void: it was said anew, or another worker began again.
    Reset,
    /// What happened inside; for debugging.
    Trace(Value),
    /// The awaited message was answered and everything up to there was seen.
    Done,
}

/// An open watch.
pub(crate) struct Watch {
    store: Store,
    tenant: Tenant,
    debug: bool,
    conversation: ConversationId,
    /// Everything up to here was given out.
    place: Place,
    /// Everything up to here was read.
    read_to: Place,
    /// Ends when this message is answered.
    until: Option<i64>,
    feed: BoxStream<'static, FeedEvent>,
    ready: VecDeque<(Place, Reply)>,
    /// (seq, epoch) of what was shown live.
    live: (i64, i64),
    /// Comes behind a `Reset`.
    held: Option<Seen>,
    read_now: bool,
    /// The next reading, if nothing asks for an earlier one.
    read_at: Instant,
    /// The last page was full.
    more: bool,
    /// The awaited message is answered and its whole answer was read.
    finished: bool,
    failures: u32,
}

impl Watch {
    /// Subscribes; nothing is read yet.
    pub async fn open(
        shared: &Shared,
        account: &WebAccount,
        conversation: ConversationId,
        place: Place,
        until: Option<i64>,
    ) -> Self {
        Self {
            store: shared.store.clone(),
            tenant: account.tenant.clone(),
            debug: account.debug,
            conversation,
            place,
            read_to: place,
            until,
            feed: shared.coordination.subscribe(conversation).await.boxed(),
            ready: VecDeque::new(),
            live: (0, 0),
            held: None,
            read_now: true,
            read_at: Instant::now(),
            more: false,
            finished: false,
            failures: 0,
        }
    }

    /// Where the client stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What is watched.
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// True when the client may see what happened inside.
    pub fn debug(&self) -> bool {
        self.debug
    }

    /// Waits for the next thing to see. Safe to drop while it waits.
    ///
    /// # Errors
    /// When the store could not be read for about 20 s.
    pub async fn next(&mut self) -> Result<Seen, StoreError> {
        loop {
            if let Some((place, reply)) = self.ready.pop_front() {
                self.place = place;
                return Ok(Seen::Message(place, reply));
            }
            if let Some(seen) = self.held.take() {
                return Ok(seen);
            }
            if self.finished {
                return Ok(self.last_trace().map_or(Seen::Done, Seen::Trace));
            }
            if self.read_now {
                match self.read().await {
                    Ok(()) => self.failures = 0,
                    Err(error) if error.is_retryable() && self.failures < FAILURES_MAX => {
                        self.failures += 1;
                        self.more = false;
                    }
                    Err(error) => return Err(error),
                }
                self.read_now = self.more;
                self.read_at = Instant::now() + READ_INTERVAL;
                continue;
            }
            tokio::select! {
                event = self.feed.next() => match event {
                    Some(event) => {
                        if let Some(seen) = self.take(event) {
                            return Ok(seen);
                        }
                    }
                    None => self.feed = futures::stream::pending().boxed(),
                },
                () = tokio::time::sleep_until(self.read_at) => self.read_now = true,
            }
        }
    }

    /// Reads what is new.
    async fn read(&mut self) -> Result<(), StoreError> {
        // The counter first: an answer and its `done_seq` are committed together, so what it counts is found below.
        let done_seq = match self.until {
            Some(_) => self.store.conversation(&self.tenant, self.conversation).await?.map_or(0, |c| c.done_seq),
            None => 0,
        };
        let after = Some(Cursor { seq: self.read_to.seq, part: self.read_to.part });
        let page = self.store.messages(&self.tenant, self.conversation, after, PAGE, Some(Direction::Outbound)).await?;
        self.more = i64::try_from(page.len()).is_ok_and(|rows| rows >= PAGE);
        if let Some(last) = page.last() {
            // Rows that cannot be shown are passed too.
            self.read_to = Place { seq: last.cursor.seq, part: last.cursor.part };
        }
        for row in page {
            if !self.is_awaited(row.cursor.seq) {
                break;
            }
            if let Ok(reply) = serde_json::from_value(row.body) {
                self.ready.push_back((Place { seq: row.cursor.seq, part: row.cursor.part }, reply));
            }
        }
        self.finished = !self.more && self.until.is_some_and(|seq| done_seq >= seq);
        Ok(())
    }

    /// False for what belongs to messages behind the awaited one.
    fn is_awaited(&self, seq: i64) -> bool {
        self.until.is_none_or(|until| seq <= until)
    }

    /// What the feed still holds of the turn that ended.
    fn last_trace(&mut self) -> Option<Value> {
        while let Some(Some(event)) = self.feed.next().now_or_never() {
            if event.kind == "trace" && self.is_awaited(event.seq) {
                return Some(event.data);
            }
        }
        None
    }

    /// What the feed tells. Anything but live text means that the store has something new.
    fn take(&mut self, event: FeedEvent) -> Option<Seen> {
        let kind = match event.kind.as_str() {
            "delta" => "delta",
            "tool" => "tool",
            // Of what was shown here; else it is void already.
            "reset" if (event.seq, event.epoch) == self.live => return Some(Seen::Reset),
            "reset" => return None,
            "trace" if self.is_awaited(event.seq) => return Some(Seen::Trace(event.data)),
            "trace" => return None,
            _ => {
                self.read_now = true;
                return None;
            }
        };
        let (seq, epoch) = self.live;
        if event.seq < seq || (event.seq == seq && event.epoch < epoch) {
            return None; // of a worker that lost the conversation
        }
        self.live = (event.seq, event.epoch);
        if event.seq == seq && event.epoch > epoch {
            self.held = Some(Seen::Live(kind, event.data));
            return Some(Seen::Reset);
        }
        Some(Seen::Live(kind, event.data))
    }
}
