//! Updates that wait to be taken, by webhook or by `getUpdates`.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use domain::Micros;
use serde_json::{Value, json};

use super::kept::Kept;

/// How long an update waits at most.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Updates that wait at most.
const MOST_PENDING: usize = 100_000;

/// Kinds that are sent only when they are asked for.
const ASKED_FOR: &[&str] = &["chat_member", "message_reaction", "message_reaction_count"];

/// Every kind of Bot API 10.1.
const KINDS: &[&str] = &[
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
];

/// One update, from when it was made to when it is taken.
#[derive(Clone)]
pub(super) struct Update {
    pub(super) id: i64,
    /// Updates of one chat are delivered one after the other.
    pub(super) chat: i64,
    /// What the person was told it is: a message's id, or a query's.
    pub(super) about: String,
    pub(super) body: Value,
    at: Micros,
    /// How often the platform posts it at the same time.
    pub(super) copies: usize,
}

#[derive(Default)]
pub(super) struct Updates {
    last_id: i64,
    pending: VecDeque<Arc<Update>>,
    /// Everything made, for [`super::Telegram::say_again`].
    pub(super) made: Kept<Arc<Update>>,
    /// `None`: all but those that have to be asked for.
    allowed: Option<Vec<String>>,
}

impl Updates {
    pub(super) fn starting_at(first: i64) -> Self {
        Self { last_id: first - 1, ..Self::default() }
    }

    /// Makes an update, unless the bot does not want this kind.
    pub(super) fn add(&mut self, now: Micros, kind: &str, chat: i64, about: &str, content: Value, copies: usize) {
        let wanted = match &self.allowed {
            Some(allowed) => allowed.iter().any(|one| one == kind),
            None => !ASKED_FOR.contains(&kind),
        };
        if !wanted {
            return;
        }
        self.last_id += 1;
        let mut body = json!({"update_id": self.last_id});
        body[kind] = content;
        let update = Arc::new(Update { id: self.last_id, chat, about: about.to_owned(), body, at: now, copies });
        if self.pending.len() == MOST_PENDING {
            tracing::warn!("too many updates wait; the oldest is dropped");
            self.pending.pop_front();
        }
        self.pending.push_back(update.clone());
        self.made.push(update);
    }

    /// Takes `allowed_updates`; gives the kinds that do not exist.
    pub(super) fn allow(&mut self, kinds: &[Value]) -> Vec<String> {
        let names: Vec<String> = kinds.iter().map(|kind| kind.as_str().unwrap_or_default().to_owned()).collect();
        let (known, unknown): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| KINDS.contains(&name.as_str()));
        self.allowed = Some(known).filter(|known| !known.is_empty());
        unknown
    }

    pub(super) fn allowed(&self) -> Option<&[String]> {
        self.allowed.as_deref()
    }

    /// Those that wait, oldest first; what waited too long is gone.
    pub(super) fn pending(&mut self, now: Micros) -> impl DoubleEndedIterator<Item = &Arc<Update>> {
        while self.pending.front().is_some_and(|update| update.at + KEPT_FOR <= now) {
            self.pending.pop_front();
        }
        self.pending.iter()
    }

    pub(super) fn count(&self) -> usize {
        self.pending.len()
    }

    fn find(&self, id: i64) -> Option<usize> {
        self.pending.binary_search_by_key(&id, |update| update.id).ok() // ids only grow
    }

    pub(super) fn waits(&self, id: i64) -> bool {
        self.find(id).is_some()
    }

    pub(super) fn remove(&mut self, id: i64) {
        if let Some(at) = self.find(id) {
            self.pending.remove(at);
        }
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Takes away what a poller's offset confirms: all before it, or with a negative one all but the last so many.
    pub(super) fn confirm(&mut self, offset: i64) -> Vec<Arc<Update>> {
        let before = match offset {
            0.. => offset,
            _ => {
                let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
                let first = self.pending.len().saturating_sub(keep);
                self.pending.get(first).map_or(0, |update| update.id)
            }
        };
        let (done, left) = self.pending.drain(..).partition(|update| update.id < before);
        self.pending = left;
        Vec::from(done)
    }
}
