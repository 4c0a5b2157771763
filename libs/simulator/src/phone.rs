//! What a person's phone shows, on any platform: one chat per person, bubbles with ticks.

use std::{collections::BTreeMap, time::Duration};

use domain::Micros;
use serde::Serialize;
use tokio::sync::watch;

/// How far a message has come; never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tick {
    /// Not taken by the other side yet.
    Sending,
    /// Taken by the platform.
    Sent,
    /// On the other side's device.
    Delivered,
    /// Seen there.
    Read,
    /// It will not arrive.
    Failed,
}

/// A button under a bubble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Button {
    /// Id that comes back.
    pub id: String,
    /// What it says.
    pub title: String,
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Id that comes back.
    pub id: String,
    /// What it says.
    pub title: String,
    /// Small print.
    pub description: Option<String>,
}

/// What a bubble is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Words only.
    Text,
    /// Words with up to three buttons.
    Buttons {
        /// The buttons.
        buttons: Vec<Button>,
    },
    /// Words with a button that opens a list.
    List {
        /// What that button says.
        button: String,
        /// All rows, sections joined.
        rows: Vec<Row>,
    },
    /// A button or row that the person chose.
    Choice {
        /// Its id.
        id: String,
    },
    /// A picture, voice note, place and the like; `what` is the platform's word in lower case.
    Other {
        /// `image`, `voice`, `location`, ...
        what: String,
    },
}

/// One message in a chat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bubble {
    /// Platform's message id; for messages of the business the id that it gave, where that is honoured.
    pub id: String,
    /// True when the person wrote it.
    pub mine: bool,
    /// Words.
    pub text: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// Id of the message it answers.
    pub quoted: Option<String>,
    /// How far it has come.
    pub tick: Tick,
    /// When it was written.
    pub at: Micros,
    /// What the business gave to come back with reports.
    #[serde(skip)]
    pub callback_data: Option<String>,
}

/// One person's chat with the business.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chat {
    /// The person: a phone number, or the platform's id of the chat.
    pub peer: String,
    /// Name of the person.
    pub name: Option<String>,
    /// Messages, oldest first.
    pub bubbles: Vec<Bubble>,
}

impl Chat {
    /// An empty chat.
    pub fn new(peer: &str) -> Self {
        Self { peer: peer.to_owned(), name: None, bubbles: Vec::new() }
    }

    /// Messages of the business.
    pub fn answers(&self) -> impl DoubleEndedIterator<Item = &Bubble> {
        self.bubbles.iter().filter(|bubble| !bubble.mine)
    }

    /// The last message of the business.
    pub fn last_answer(&self) -> Option<&Bubble> {
        self.answers().next_back()
    }

    /// The newest button or row with this title that the business offers: its id and the message it stands under.
    pub fn find_choice(&self, title: &str) -> Option<(String, String)> {
        self.answers().rev().find_map(|bubble| {
            let id = match &bubble.kind {
                Kind::Buttons { buttons } => buttons.iter().find(|button| button.title == title)?.id.clone(),
                Kind::List { rows, .. } => rows.iter().find(|row| row.title == title)?.id.clone(),
                Kind::Text | Kind::Choice { .. } | Kind::Other { .. } => return None,
            };
            Some((id, bubble.id.clone()))
        })
    }
}

#[derive(Default)]
pub(crate) struct Phones(BTreeMap<String, Chat>);

impl Phones {
    pub(crate) fn find(&self, peer: &str) -> Option<&Chat> {
        self.0.get(peer)
    }

    pub(crate) fn chat(&mut self, peer: &str) -> &mut Chat {
        self.0.entry(peer.to_owned()).or_insert_with(|| Chat::new(peer))
    }

    /// Moves ticks of messages forward; true when one moved.
    pub(crate) fn tick(&mut self, peer: &str, tick: Tick, which: impl Fn(&Bubble) -> bool) -> bool {
        let mut moved = false;
        for bubble in self.chat(peer).bubbles.iter_mut().filter(|bubble| which(bubble)) {
            if bubble.tick < tick && bubble.tick != Tick::Failed {
                bubble.tick = tick;
                moved = true;
            }
        }
        moved
    }

    /// The person of a message that they wrote.
    pub(crate) fn writer(&self, id: &str) -> Option<String> {
        let wrote = |chat: &&Chat| chat.bubbles.iter().any(|bubble| bubble.mine && bubble.id == id);
        self.0.values().find(wrote).map(|chat| chat.peer.clone())
    }
}

/// Waits until `look` finds what is waited for, at each of the `changes`, at most `limit`.
pub(crate) async fn wait_for<T>(
    mut changes: watch::Receiver<u64>,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    let wait = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::time::timeout(limit, wait).await.ok()
}
