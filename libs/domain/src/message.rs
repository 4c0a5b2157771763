//! What people write, what we answer, and what platforms report.

use serde::{Deserialize, Serialize};

use crate::{Account, Micros, OutboxId, Tenant};

/// One thing to happen in a conversation, before it has a seq.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incoming {
    /// Tenant of the account it arrived on.
    pub tenant: Tenant,
    /// Where it arrived.
    pub account: Account,
    /// The platform's opaque chat id.
    pub peer: String,
    /// The platform's opaque user id; the peer in a chat of two.
    pub user: String,
    /// The platform, or `internal` (notification, alarm), `replay` (dead letter).
    pub provider: String,
    /// The platform's message id: with provider and account the key that is accepted once.
    pub provider_message_id: String,
    /// When the person wrote it, by the platform's clock; rounded to seconds by most platforms.
    pub written_at: Option<Micros>,
    /// Display name, where the platform gives one.
    pub contact_name: Option<String>,
    /// Phone number in digits, where the platform gives one; an attribute, never a key.
    pub phone: Option<String>,
    /// Platform id of the message that is quoted.
    pub quoted: Option<String>,
    /// What was said.
    pub content: Content,
    /// W3C `traceparent` of the request that brought it.
    pub traceparent: Option<String>,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Words.
    Text {
        /// As written, without NUL.
        text: String,
    },
    /// A button or list row of ours was chosen.
    Choice {
        /// The id we gave.
        id: String,
        /// What the person saw.
        title: String,
    },
    /// A picture, voice note, document and the like.
    Media {
        /// `image`, `audio`, `voice`, `video`, `document`, `sticker`.
        media: String,
        /// Where the platform keeps it: an address, or the platform's id of it.
        url: Option<String>,
        /// Words with it.
        caption: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees, -90 to 90.
        latitude: f64,
        /// Degrees, -180 to 180.
        longitude: f64,
        /// Its name, where given.
        name: Option<String>,
    },
    /// People from an address book.
    Contacts {
        /// In the platform's order.
        contacts: Vec<Contact>,
    },
    /// Goods chosen from a catalogue that the platform shows.
    Order {
        /// In the platform's order.
        items: Vec<OrderItem>,
        /// Words with it.
        text: Option<String>,
    },
    /// A form of the platform that was filled in.
    Form {
        /// The fields as the platform gives them, as JSON.
        fields: String,
    },
    /// An earlier message, said anew.
    Edit {
        /// The platform's id of that message.
        of: String,
        /// What is said now; never an edit itself.
        content: Box<Content>,
    },
    /// A sign put to a message; nothing is answered.
    Reaction {
        /// The platform's id of that message.
        of: String,
        /// The sign; none where it was taken back.
        emoji: Option<String>,
    },
    /// An earlier message was taken back; nothing is answered.
    Revoke {
        /// The platform's id of that message.
        of: String,
    },
    /// The platform tells about the person or the chat: a number changed, a member left, the bot was blocked. Nothing is
    /// answered.
    Notice {
        /// The platform's word for it.
        kind: String,
        /// Its sentence, where it has one.
        text: Option<String>,
    },
    /// The platform tells that the chat, or its person, has another id from now on. Nothing is answered.
    Moved {
        /// The platform's word for it.
        kind: String,
        /// The peer of the conversation from now on.
        to: String,
    },
    /// Nobody said anything: an alarm of our own is due.
    Alarm {
        /// Its name within the conversation.
        key: String,
    },
    /// A service of ours tells the person something that they did not ask for.
    Notification {
        /// What to say; empty where only the template is to be sent.
        text: String,
        /// What for, and what is sent where words are not allowed.
        unasked: Unasked,
    },
    /// A kind that no dialogue reads, such as a poll; answered politely.
    Other {
        /// The platform's word for it.
        kind: String,
    },
    /// A kind that we do not know, stored with its name and answered politely.
    Unknown {
        /// The platform's word for it.
        kind: String,
    },
}

/// What is known of a message that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unasked {
    /// What for.
    pub category: Category,
    /// What is sent instead where the platform's time for free words is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

/// What a message that nobody asked for is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// About something that the person has or ordered.
    Service,
    /// To sell something.
    Marketing,
    /// In place of a part of an answer that did not arrive: wanted as the answer is.
    Answer,
}

impl Category {
    /// As counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Marketing => "marketing",
            Self::Answer => "answer",
        }
    }
}

/// A message that the platform has approved, with what is put into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its name there.
    pub name: String,
    /// Its language there, such as `hr` or `en_US`.
    pub language: String,
    /// What stands in its body in place of `{{1}}`, `{{2}}` ..
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
}

impl Template {
    /// How a history shows it.
    pub fn in_words(&self) -> String {
        format!("[template {}] {}", self.name, self.parameters.join(", ")).trim_end().to_owned()
    }
}

/// Somebody from an address book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// As the address book shows it.
    pub name: String,
    /// Phone numbers as they stand there.
    pub phones: Vec<String>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItem {
    /// The seller's id of the product.
    pub product: String,
    /// How many.
    pub quantity: u32,
}

impl Content {
    /// Nobody waits for an answer to it.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Reaction { .. } | Self::Revoke { .. } | Self::Notice { .. } | Self::Moved { .. })
    }

    /// What is said now: of an edit the new content.
    pub fn now(&self) -> &Self {
        match self {
            Self::Edit { content, .. } => content,
            content => content,
        }
    }

    /// The same without the names of places and of others, which no mask of words sees.
    pub fn in_words_without_names(&self) -> String {
        match self {
            Self::Location { .. } => "[location]".to_owned(),
            Self::Contacts { contacts } => format!("[contacts] {}", contacts.len()),
            Self::Edit { content, .. } => format!("[edited] {}", content.in_words_without_names()),
            content => content.in_words(),
        }
    }

    /// How a history shows it: words as they were said, everything else in brackets.
    pub fn in_words(&self) -> String {
        let with = |what: &str, words: Option<&str>| match words {
            Some(words) => format!("[{what}] {words}"),
            None => format!("[{what}]"),
        };
        match self {
            Self::Text { text } => text.clone(),
            Self::Choice { title, .. } => with("chose", Some(title)),
            Self::Media { media, caption, .. } => with(media, caption.as_deref()),
            Self::Location { name, .. } => with("location", name.as_deref()),
            Self::Contacts { contacts } => {
                let names: Vec<&str> = contacts.iter().map(|contact| contact.name.as_str()).collect();
                with("contacts", Some(&names.join(", ")))
            }
            Self::Order { items, text } => with(&format!("order of {}", items.len()), text.as_deref()),
            Self::Form { .. } => with("form", None),
            Self::Edit { content, .. } => with("edited", Some(&content.in_words())),
            Self::Reaction { emoji, .. } => with("reaction", emoji.as_deref()),
            Self::Revoke { .. } => with("taken back", None),
            Self::Notice { kind, text } => with(kind, text.as_deref()),
            Self::Moved { kind, .. } => with(kind, None),
            Self::Alarm { .. } => with("alarm", None),
            Self::Notification { text, unasked } => match &unasked.template {
                Some(template) if text.is_empty() => with("notification", Some(&template.in_words())),
                _ => with("notification", Some(text)),
            },
            Self::Other { kind } | Self::Unknown { kind } => with(kind, None),
        }
    }
}

/// One message of ours; longer texts are split by the channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What to say.
    pub text: String,
    /// What to choose from: up to 3 become buttons, 4 to 10 a list, numbered text where a platform has neither.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Word on the button that opens a list of more than 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_title: Option<String>,
    /// Parts of `text` that a platform shows in another way, if it can. The text says all of it without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// A place to show on a map. The text says what it is without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// A picture or document. The text says what it is without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ReplyFile>,
}

impl Reply {
    /// True for a part that shows a place or a file and says nothing.
    pub fn is_beside_words(&self) -> bool {
        self.text.is_empty() && self.choices.is_empty() && (self.location.is_some() || self.file.is_some())
    }

    /// Its place and its file, each as a part of its own.
    pub fn beside_words(&self) -> Vec<Self> {
        let location = self.location.clone().map(|location| Self { location: Some(location), ..Self::default() });
        let file = self.file.clone().map(|file| Self { file: Some(file), ..Self::default() });
        location.into_iter().chain(file).collect()
    }

    /// What it says, without place and file.
    pub fn words(&self) -> Self {
        Self { location: None, file: None, ..self.clone() }
    }
}

/// A picture or document of a reply. Its bytes are kept with the conversation, under their hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyFile {
    /// SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
    /// Its media type, as its bytes show it.
    pub media_type: String,
    /// Its name without folders and control characters, where one is known; at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its size.
    pub size_bytes: u64,
    /// Words that stand with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// What is said in its place where it cannot be sent; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instead: String,
}

/// Pictures that phones and browsers show by themselves, and the ending of a file's name.
const PICTURES: [(&str, &str); 4] =
    [("image/jpeg", "jpg"), ("image/png", "png"), ("image/webp", "webp"), ("image/gif", "gif")];

impl ReplyFile {
    /// True for a picture that phones and browsers show by themselves. SVG is none: it may run scripts.
    pub fn is_picture(&self) -> bool {
        PICTURES.iter().any(|(media_type, _)| *media_type == self.media_type)
    }

    /// Its name, else one that says what it is: people and their devices go by it.
    pub fn file_name(&self) -> String {
        let ending = match self.media_type.as_str() {
            "application/pdf" => "pdf",
            kind => PICTURES.iter().find(|(media_type, _)| *media_type == kind).map_or("bin", |(_, ending)| ending),
        };
        self.name.clone().unwrap_or_else(|| format!("file.{ending}"))
    }

    /// How a history shows it, and a channel without files.
    pub fn in_words(&self) -> String {
        format!("[file] {}", self.name.as_deref().unwrap_or(&self.media_type))
    }
}

impl std::fmt::Debug for ReplyFile {
    /// Neither name nor caption.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyFile")
            .field("sha256", &self.sha256)
            .field("media_type", &self.media_type)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

/// A part of a text: the bytes `start..end`, between characters; where two overlap, the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first byte.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// How it is shown.
    pub style: Style,
}

/// How a part of a text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Titles and labels.
    Bold,
    /// Numbers and codes that people copy or quote.
    Code,
}

/// A place on a map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees, -90 to 90.
    pub latitude: f64,
    /// Degrees, -180 to 180.
    pub longitude: f64,
    /// What is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Location {
    /// A place by degrees that exist; none for 0, 0, which stands where a place is not known.
    pub fn new(latitude: f64, longitude: f64, name: Option<String>) -> Option<Self> {
        let exists = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (latitude != 0.0 || longitude != 0.0);
        exists.then_some(Self { latitude, longitude, name })
    }

    /// How a history shows it, and a channel without maps.
    pub fn in_words(&self) -> String {
        let name = self.name.as_deref().map(|name| format!("{name}, ")).unwrap_or_default();
        format!("[location] {name}{}, {}", self.latitude, self.longitude)
    }
}

/// A part of ours as it waits to be sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// What to say.
    #[serde(flatten)]
    pub reply: Reply,
    /// Set where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<Unasked>,
}

impl Outgoing {
    /// How a history shows it: its words, else the template that stands for them.
    pub fn in_words(&self) -> String {
        match self.unasked.as_ref().and_then(|unasked| unasked.template.as_ref()) {
            Some(template) if self.reply.text.is_empty() => template.in_words(),
            _ if !self.reply.text.is_empty() => self.reply.text.clone(),
            _ => match (&self.reply.location, &self.reply.file) {
                (Some(location), _) => location.in_words(),
                (None, Some(file)) => file.in_words(),
                (None, None) => String::new(),
            },
        }
    }
}

/// A button or list row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Comes back when chosen, at most 64 bytes.
    pub id: String,
    /// At most 20 characters on a button, 24 in a list.
    pub title: String,
    /// Second line in a list, at most 72 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A platform's report about a message of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The platform.
    pub provider: String,
    /// Account it was sent from.
    pub account: Account,
    /// The platform's id of the message.
    pub provider_message_id: String,
    /// Our id, where the platform echoes it: then it is a proof that the message was taken.
    pub outbox_id: Option<OutboxId>,
    /// What happened.
    pub status: ReceiptStatus,
    /// When, by the platform's clock.
    pub at: Option<Micros>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Why a platform did not deliver a message of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The platform's code and its words for it, without personal data, at most 200 characters.
    pub reason: String,
    /// What follows from it.
    pub class: FailureClass,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Its time for free words is over; a template would have been taken.
    WindowClosed,
    /// The person told the platform that they want nothing from us that sells.
    NoMarketing,
    /// Nothing.
    #[default]
    Other,
}

/// What a platform reports, lowest rank first; reports come in any order and never step back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptStatus {
    /// Taken by the platform.
    Accepted,
    /// On its way.
    Sent,
    /// It will not arrive.
    Failed,
    /// On the person's device.
    Delivered,
    /// Seen.
    Read,
}

impl ReceiptStatus {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}
