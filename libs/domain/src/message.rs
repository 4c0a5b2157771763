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
        /// Where the platform keeps it.
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
    /// Nobody said anything: an alarm of our own is due.
    Alarm {
        /// Its name within the conversation.
        key: String,
    },
    /// Everything else, stored with its kind and answered politely.
    Unknown {
        /// The platform's word for it.
        kind: String,
    },
}

/// One message of ours; longer texts are split by the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What to say.
    pub text: String,
    /// What to choose from: up to 3 become buttons, 4 to 10 a list, numbered text where a platform has neither.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Word on the button that opens a list of more than 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_title: Option<String>,
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
