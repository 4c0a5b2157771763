//! What a person's phone shows, on any platform: one chat per person, bubbles with ticks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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

/// What hangs on a bubble besides its words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Attached {
    /// A file of the platform.
    File {
        /// Its id there.
        id: String,
        /// Its media type.
        media_type: String,
        /// Its name, if it has one.
        name: Option<String>,
    },
    /// A place.
    Place {
        /// Degrees.
        latitude: f64,
        /// Degrees.
        longitude: f64,
    },
    /// Somebody's number.
    Contact {
        /// Their name.
        name: String,
        /// The number as written.
        phone: String,
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
    /// What hangs on it.
    pub attached: Option<Attached>,
    /// Its words were changed.
    pub edited: bool,
    /// The person took it back.
    pub deleted: bool,
    /// The person's sign on it.
    pub reaction: Option<String>,
    /// How far it has come.
    pub tick: Tick,
    /// When it was written.
    pub at: Micros,
    /// What the business gave to come back with reports.
    #[serde(skip)]
    pub callback_data: Option<String>,
}

impl Bubble {
    /// A bubble that nobody touched yet and that quotes nothing.
    pub(crate) fn new(id: String, mine: bool, text: String, kind: Kind, tick: Tick, at: Micros) -> Self {
        Self {
            id,
            mine,
            text,
            kind,
            quoted: None,
            attached: None,
            edited: false,
            deleted: false,
            reaction: None,
            tick,
            at,
            callback_data: None,
        }
    }
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

impl Chat {
    pub(crate) fn bubble(&mut self, id: &str) -> Option<&mut Bubble> {
        self.bubbles.iter_mut().rev().find(|bubble| bubble.id == id)
    }

    /// The person puts a sign on a message, or takes it back.
    pub(crate) fn react(&mut self, id: &str, emoji: Option<String>) {
        if let Some(bubble) = self.bubble(id) {
            bubble.reaction = emoji;
        }
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

/// What a fake keeps behind one lock, and the count of changes that its phones show.
pub(crate) struct State<I> {
    inner: Mutex<I>,
    changes: watch::Sender<u64>,
}

impl<I> State<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self { inner: Mutex::new(inner), changes: watch::channel(0).0 }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, I> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl<I: AsRef<Phones>> State<I> {
    pub(crate) fn chat(&self, peer: &str) -> Chat {
        self.lock().as_ref().find(peer).cloned().unwrap_or_else(|| Chat::new(peer))
    }

    pub(crate) async fn wait_for(
        &self,
        peer: &str,
        limit: Duration,
        done: impl Fn(&Chat) -> bool,
    ) -> Result<Chat, Box<Chat>> {
        // Looked at in place: a chat of thousands of messages is not copied with every change of any chat.
        let look = || match self.lock().as_ref().find(peer) {
            Some(chat) => done(chat).then(|| chat.clone()),
            None => Some(Chat::new(peer)).filter(&done),
        };
        let mut changes = self.changes();
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
        tokio::time::timeout(limit, wait).await.map_err(|_| Box::new(self.chat(peer)))
    }
}

/// The part of a fake's handle that shows phones: its state is `self.0.state`, and `Inner` holds the [`Phones`].
macro_rules! shows_phones {
    ($fake:ident) => {
        impl AsRef<crate::phone::Phones> for Inner {
            fn as_ref(&self) -> &crate::phone::Phones {
                &self.phones
            }
        }

        impl $fake {
            /// What the person sees; an empty chat for a stranger.
            pub fn chat(&self, peer: &str) -> crate::phone::Chat {
                self.0.state.chat(peer)
            }

            /// A counter that moves with every change of any chat.
            pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
                self.0.state.changes()
            }

            /// Waits until `done` is true of the chat, at most `limit`; `Err` holds the chat as it then stands.
            ///
            /// # Errors
            /// The chat, when the time is over.
            pub async fn wait_for(
                &self,
                peer: &str,
                limit: std::time::Duration,
                done: impl Fn(&crate::phone::Chat) -> bool,
            ) -> Result<crate::phone::Chat, Box<crate::phone::Chat>> {
                self.0.state.wait_for(peer, limit, done).await
            }

            fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
                self.0.state.lock()
            }

            fn changed(&self) {
                self.0.state.changed();
            }

            fn now(&self) -> domain::Micros {
                self.0.config.clock.now()
            }
        }
    };
}
pub(crate) use shows_phones;
