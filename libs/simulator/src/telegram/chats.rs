//! What the platform knows of chats: who is in them, what was written, and whether the bot may write there.

use std::collections::{BTreeMap, VecDeque};

use domain::Micros;
use serde_json::{Value, json};

use super::refusal::Refusal;

/// Messages of one chat that are remembered.
const MOST_MESSAGES: usize = 10_000;
/// Supergroups have ids from here down, and count their messages themselves.
const SUPERGROUPS: i64 = -1_000_000_000_000;

/// What a chat is, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Private,
    Group,
    Supergroup,
}

impl Sort {
    pub(super) fn of(chat: i64) -> Self {
        match chat {
            chat if chat > 0 => Self::Private,
            chat if chat > SUPERGROUPS => Self::Group,
            _ => Self::Supergroup,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Group => "group",
            Self::Supergroup => "supergroup",
        }
    }
}

/// One message as the platform has it.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) id: i64,
    /// The bot wrote it.
    pub(super) own: bool,
    pub(super) at: Micros,
    /// As updates and results show it.
    pub(super) value: Value,
    /// `callback_data` of every button that ever stood under it: a phone may show an old keyboard.
    pub(super) offered: Vec<String>,
    pub(super) deleted: bool,
    /// The person's reaction to it.
    pub(super) reaction: Option<String>,
}

#[derive(Default)]
pub(super) struct Chat {
    pub(super) name: Option<String>,
    pub(super) language: Option<String>,
    /// The person wrote, or the bot was added.
    pub(super) known: bool,
    pub(super) blocked: bool,
    pub(super) left: bool,
    pub(super) migrated_to: Option<i64>,
    messages: VecDeque<Message>,
    /// Own count of a supergroup.
    last_id: i64,
}

impl Chat {
    /// A message that is there, or was: a deleted one can still be told of.
    pub(super) fn message(&mut self, id: i64) -> Option<&mut Message> {
        self.messages.iter_mut().rev().find(|message| message.id == id)
    }

    /// A message that is there.
    pub(super) fn present(&mut self, id: i64) -> Option<&mut Message> {
        self.message(id).filter(|message| !message.deleted)
    }

    /// The newest message that offers this `callback_data`, or ever did.
    pub(super) fn offering(&self, data: &str) -> Option<i64> {
        let offers = |message: &&Message| message.offered.iter().any(|offered| offered == data);
        self.messages.iter().rev().find(offers).map(|message| message.id)
    }

    pub(super) fn keep(&mut self, message: Message) {
        if self.messages.len() == MOST_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }
}

#[derive(Default)]
pub(super) struct Chats {
    chats: BTreeMap<i64, Chat>,
    /// Private chats and groups share the account's count.
    last_id: i64,
}

impl Chats {
    pub(super) fn chat(&mut self, id: i64) -> &mut Chat {
        self.chats.entry(id).or_default()
    }

    pub(super) fn next_id(&mut self, chat: i64) -> i64 {
        let last = match Sort::of(chat) {
            Sort::Supergroup => &mut self.chat(chat).last_id,
            Sort::Private | Sort::Group => &mut self.last_id,
        };
        *last += 1;
        *last
    }

    /// The chat that `chat_id` names.
    ///
    /// # Errors
    /// As the real one: empty, unknown, upgraded.
    pub(super) fn find(&self, chat_id: &str) -> Result<i64, Refusal> {
        let chat_id = chat_id.trim();
        if chat_id.is_empty() {
            return Err(Refusal::bad("chat_id is empty"));
        }
        let id: i64 = chat_id.parse().map_err(|_| Refusal::bad("chat not found"))?;
        match self.chats.get(&id) {
            Some(Chat { migrated_to: Some(to), .. }) => Err(Refusal::migrated(*to)),
            Some(Chat { known: true, .. }) => Ok(id),
            _ => Err(Refusal::bad("chat not found")),
        }
    }

    /// As [`Chats::find`], where the bot may write.
    pub(super) fn writable(&self, chat_id: &str) -> Result<i64, Refusal> {
        let id = self.find(chat_id)?;
        match (self.chats.get(&id), Sort::of(id)) {
            (Some(Chat { blocked: true, .. }), _) => Err(Refusal::forbidden("bot was blocked by the user")),
            (Some(Chat { left: true, .. }), Sort::Supergroup) => {
                Err(Refusal::forbidden("bot is not a member of the supergroup chat"))
            }
            (Some(Chat { left: true, .. }), _) => Err(Refusal::forbidden("bot is not a member of the group chat")),
            _ => Ok(id),
        }
    }

    fn name(&self, id: i64) -> (String, Option<String>) {
        let name = self.chats.get(&id).and_then(|chat| chat.name.as_deref()).unwrap_or("Somebody");
        match name.split_once(' ') {
            Some((first, last)) => (first.to_owned(), Some(last.to_owned())),
            None => (name.to_owned(), None),
        }
    }

    /// A person as `from`.
    pub(super) fn user(&self, id: i64) -> Value {
        let (first, last) = self.name(id);
        let mut user = json!({"id": id, "is_bot": false, "first_name": first});
        if let Some(last) = last {
            user["last_name"] = json!(last);
        }
        if let Some(language) = self.chats.get(&id).and_then(|chat| chat.language.as_deref()) {
            user["language_code"] = json!(language);
        }
        user
    }

    /// A chat as `chat`.
    pub(super) fn shown(&self, id: i64) -> Value {
        let sort = Sort::of(id);
        let (first, last) = self.name(id);
        if sort != Sort::Private {
            let title = last.map_or_else(|| first.clone(), |last| format!("{first} {last}"));
            return json!({"id": id, "title": title, "type": sort.name()});
        }
        let mut chat = json!({"id": id, "first_name": first});
        if let Some(last) = last {
            chat["last_name"] = json!(last);
        }
        chat["type"] = json!(sort.name());
        chat
    }
}
