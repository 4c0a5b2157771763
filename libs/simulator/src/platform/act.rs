//! What a person does, in words that fit every platform, and what each platform makes of it.

use serde::Deserialize;

use super::Platform;
use crate::{
    infobip, meta,
    phone::{Chat, Kind},
    telegram,
};

/// What a person does on the phone. Ids of messages are those of bubbles; `file` is what [`Platform::add_file`] gave.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// Message that they answer.
        quoted: Option<String>,
    },
    /// A button of the business.
    Button {
        /// Its id.
        id: String,
        /// What it said.
        title: String,
        /// Message it stood under.
        quoted: Option<String>,
    },
    /// A row of a list of the business.
    Row {
        /// Its id.
        id: String,
        /// What it said.
        title: String,
        /// Small print.
        description: Option<String>,
        /// Message it stood under.
        quoted: Option<String>,
    },
    /// A picture.
    Image {
        /// The file.
        file: String,
        /// Words with it.
        caption: Option<String>,
    },
    /// A voice note.
    Voice {
        /// The file.
        file: String,
    },
    /// Any other file.
    Document {
        /// The file.
        file: String,
        /// Its name.
        name: String,
        /// Words with it.
        caption: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees, -90 to 90.
        latitude: f64,
        /// Degrees, -180 to 180.
        longitude: f64,
    },
    /// A contact card. `own`: the person's own number, which Telegram vouches for.
    Contact {
        /// Whole name.
        name: String,
        /// The number.
        phone: String,
        /// See above.
        #[serde(default)]
        own: bool,
    },
    /// A sign on a message; none takes it back.
    Reaction {
        /// The message.
        message: String,
        /// Such as `👍`.
        emoji: Option<String>,
    },
    /// Other words for an own message.
    Edit {
        /// The message.
        message: String,
        /// The words.
        text: String,
    },
    /// The person takes an own message back.
    Delete {
        /// The message.
        message: String,
    },
    /// The person blocks the business.
    Block,
    /// And lets it in again.
    Unblock,
}

/// Why a person cannot do that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Telegram knows why.
    #[error(transparent)]
    Telegram(#[from] telegram::NotSaid),
    /// The platform has nothing like it, or the business does not hear of it.
    #[error("people cannot do that on {0}")]
    NotThere(&'static str),
    /// One has to unblock it first.
    #[error("the person has blocked the business")]
    Blocked,
    /// Also when it is gone.
    #[error("there is no such message")]
    NoSuchMessage,
    /// The business wrote it.
    #[error("the message is not that person's")]
    NotTheirs,
    /// Never added, or pushed out by newer ones.
    #[error("there is no such file")]
    NoSuchFile,
    /// Out of range.
    #[error("latitude is -90 to 90 and longitude -180 to 180")]
    NoSuchPlace,
}

/// Names of what people can do.
pub(super) fn acts(platform: &Platform) -> &'static [&'static str] {
    match platform {
        // Its webhooks tell nothing of edits and deletions.
        Platform::Infobip(_) => {
            &["text", "quote", "image", "voice", "document", "location", "contact", "reaction", "block"]
        }
        Platform::Meta(_) | Platform::Telegram(_) => &[
            "text", "quote", "image", "voice", "document", "location", "contact", "reaction", "edit", "delete", "block",
        ],
    }
}

pub(super) fn act(platform: &Platform, peer: &str, act: Act) -> Result<String, Refused> {
    check(platform, peer, &act)?;
    match platform {
        Platform::Infobip(fake) => {
            if let Some(blocks) = act.blocks() {
                fake.set_blocked(peer, blocks);
                return Ok(peer.to_owned());
            }
            Ok(fake.say(peer, on_infobip(fake, act)?))
        }
        Platform::Meta(fake) => {
            if let Some(blocks) = act.blocks() {
                fake.set_blocked(peer, blocks);
                return Ok(peer.to_owned());
            }
            Ok(fake.say(peer, on_meta(act)?))
        }
        Platform::Telegram(fake) => Ok(fake.say(peer, on_telegram(&fake.chat(peer), act))?),
    }
}

impl Act {
    fn blocks(&self) -> Option<bool> {
        match self {
            Self::Block => Some(true),
            Self::Unblock => Some(false),
            _ => None,
        }
    }
}

/// What a phone would not let through.
fn check(platform: &Platform, peer: &str, act: &Act) -> Result<(), Refused> {
    if platform.is_blocked(peer) && !matches!(act, Act::Unblock) {
        return Err(Refused::Blocked);
    }
    match act {
        Act::Image { file, .. } | Act::Voice { file } | Act::Document { file, .. } if platform.file(file).is_none() => {
            Err(Refused::NoSuchFile)
        }
        Act::Location { latitude, longitude } if latitude.abs() > 90.0 || longitude.abs() > 180.0 => {
            Err(Refused::NoSuchPlace)
        }
        Act::Reaction { message, .. } => {
            let mut chat = platform.chat(peer);
            chat.bubble(message).filter(|bubble| !bubble.deleted).map(|_| ()).ok_or(Refused::NoSuchMessage)
        }
        Act::Edit { message, .. } | Act::Delete { message } => {
            let mut chat = platform.chat(peer);
            match chat.bubble(message) {
                Some(bubble) if bubble.deleted => Err(Refused::NoSuchMessage),
                Some(bubble) if !bubble.mine => Err(Refused::NotTheirs),
                Some(_) => Ok(()),
                None => Err(Refused::NoSuchMessage),
            }
        }
        _ => Ok(()),
    }
}

fn on_infobip(fake: &infobip::Infobip, act: Act) -> Result<infobip::Said, Refused> {
    use infobip::Said;
    let media =
        |media: &str, file: &str, caption| Said::Media { media: media.to_owned(), url: fake.media_url(file), caption };
    Ok(match act {
        Act::Text { text, quoted: Some(quoted) } => Said::Reply { text, quoted },
        Act::Text { text, quoted: None } => Said::Text { text },
        Act::Button { id, title, quoted } => Said::Button { id, title, quoted },
        Act::Row { id, title, description, quoted } => Said::Row { id, title, description, quoted },
        Act::Image { file, caption } => media("image", &file, caption),
        Act::Voice { file } => media("voice", &file, None),
        // The name of a document comes as its caption.
        Act::Document { file, name, caption } => media("document", &file, caption.or(Some(name))),
        Act::Location { latitude, longitude } => Said::Location { latitude, longitude, name: None },
        Act::Contact { name, phone, .. } => Said::Contact { name, phone },
        Act::Reaction { message, emoji } => Said::Reaction { to: message, emoji },
        Act::Edit { .. } | Act::Delete { .. } | Act::Block | Act::Unblock => {
            return Err(Refused::NotThere("Infobip's WhatsApp"));
        }
    })
}

fn on_meta(act: Act) -> Result<meta::Said, Refused> {
    use meta::{Card, Said};
    let media = |media: &str, id, caption, name| Said::Media { media: media.to_owned(), id, caption, name };
    Ok(match act {
        Act::Text { text, quoted } => Said::Text { text, quoted },
        Act::Button { id, title, quoted } => Said::Button { id, title, quoted },
        Act::Row { id, title, description, quoted } => Said::Row { id, title, description, quoted },
        Act::Image { file, caption } => media("image", file, caption, None),
        Act::Voice { file } => media("voice", file, None, None),
        Act::Document { file, name, caption } => media("document", file, caption, Some(name)),
        Act::Location { latitude, longitude } => Said::Location { latitude, longitude, name: None, address: None },
        Act::Contact { name, phone, .. } => Said::Contacts { cards: vec![Card { name, phone }] },
        Act::Reaction { message, emoji } => Said::Reaction { to: message, emoji },
        Act::Edit { message, text } => Said::Edit { of: message, text },
        Act::Delete { message } => Said::Revoke { of: message },
        Act::Block | Act::Unblock => return Err(Refused::NotThere("Meta's WhatsApp")),
    })
}

fn on_telegram(chat: &Chat, act: Act) -> telegram::Said {
    use telegram::Said;
    match act {
        Act::Text { text, quoted: Some(to) } => Said::Reply { text, to },
        Act::Text { text, quoted: None } => Said::Text { text },
        Act::Button { id, title, quoted } | Act::Row { id, title, quoted, .. } => {
            // A press names the message; one that is gone from the phone is found by its button.
            let quoted = quoted.filter(|id| {
                let shows = |kind: &Kind| matches!(kind, Kind::Buttons { .. });
                chat.bubbles.iter().any(|bubble| bubble.id == *id && shows(&bubble.kind))
            });
            Said::Button { id, title, quoted }
        }
        Act::Image { file, caption } => Said::Photo { file, caption },
        Act::Voice { file } => Said::Voice { file, duration: 1, caption: None },
        Act::Document { file, name, caption } => Said::Document { file, name, caption },
        Act::Location { latitude, longitude } => Said::Location { latitude, longitude },
        Act::Contact { name, phone, own } => Said::Contact { phone_number: phone, first_name: name, own },
        Act::Reaction { message, emoji } => Said::Reaction { message, emoji },
        Act::Edit { message, text } => Said::Edit { message, text },
        Act::Delete { message } => Said::Delete { message },
        Act::Block => Said::Block,
        Act::Unblock => Said::Unblock,
    }
}
