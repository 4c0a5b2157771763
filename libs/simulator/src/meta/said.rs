//! What persons write, and the webhook's message for it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Inner, Meta,
    error::in_status,
    people,
    webhook::{self, Piece},
};
use crate::phone::{Attached, Bubble, Kind, Tick};

/// What a person can send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// Id of the message it answers.
        quoted: Option<String>,
    },
    /// A reply button of ours.
    Button {
        /// Id we gave.
        id: String,
        /// What it said.
        title: String,
        /// Message it stood under.
        quoted: Option<String>,
    },
    /// A row of a list of ours.
    Row {
        /// Id we gave.
        id: String,
        /// What it said.
        title: String,
        /// Small print.
        description: Option<String>,
        /// Message it stood under.
        quoted: Option<String>,
    },
    /// A quick-reply button of a template.
    QuickReply {
        /// Payload we gave.
        payload: String,
        /// What it said.
        title: String,
        /// Message it stood under.
        quoted: Option<String>,
    },
    /// `image`, `audio`, `voice`, `video`, `document` or `sticker`.
    Media {
        /// Which.
        media: String,
        /// Id of [`Meta::add_media`]; any other text stands for a file that the platform no longer has.
        #[serde(alias = "url")]
        id: String,
        /// Words with it; only with an image, a video or a document.
        caption: Option<String>,
        /// Name of a document.
        name: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees.
        latitude: f64,
        /// Degrees.
        longitude: f64,
        /// Its name.
        name: Option<String>,
        /// Its address.
        address: Option<String>,
    },
    /// Contact cards.
    Contacts {
        /// The cards.
        cards: Vec<Card>,
    },
    /// An emoji on a message.
    Reaction {
        /// The message.
        to: String,
        /// `None` takes it back.
        emoji: Option<String>,
    },
    /// Other words for an earlier message.
    Edit {
        /// The earlier message.
        of: String,
        /// The words, or the caption of a file.
        text: String,
    },
    /// The person deletes an earlier message for everyone.
    Revoke {
        /// The earlier message.
        of: String,
    },
    /// An order from the business's catalogue.
    Order {
        /// Id of the catalogue.
        catalog: String,
        /// What is ordered.
        items: Vec<Item>,
        /// Words with it.
        text: Option<String>,
    },
    /// Something that the API cannot carry, such as a poll.
    Unsupported,
    /// Any other message, as in `messages` of the webhook; id, sender and time are put in where they are missing.
    Raw {
        /// The object.
        message: Value,
    },
}

/// A contact card.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Whole name.
    pub name: String,
    /// Phone number as written.
    pub phone: String,
}

/// A position of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The business's id of the product.
    pub id: String,
    /// How many.
    pub quantity: u32,
    /// Price of one, in units of the currency.
    pub price: f64,
    /// Currency, ISO 4217.
    pub currency: String,
}

impl Said {
    /// Words.
    pub fn text(text: &str) -> Self {
        Self::Text { text: text.to_owned(), quoted: None }
    }

    /// What stands in the webhook besides sender, id and time.
    fn message(&self, inner: &Inner, peer: &str, media_base: Option<&url::Url>, now: Micros) -> Value {
        match self {
            Self::Text { text, .. } => json!({"type": "text", "text": {"body": text}}),
            Self::Button { id, title, .. } => {
                let reply = json!({"type": "button_reply", "button_reply": {"id": id, "title": title}});
                json!({"type": "interactive", "interactive": reply})
            }
            Self::Row { id, title, description, .. } => {
                let mut row = json!({"id": id, "title": title});
                put(&mut row, "description", description.as_ref());
                json!({"type": "interactive", "interactive": {"type": "list_reply", "list_reply": row}})
            }
            Self::QuickReply { payload, title, .. } => {
                json!({"type": "button", "button": {"payload": payload, "text": title}})
            }
            Self::Media { media, id, caption, name } => {
                let kind = if media == "voice" { "audio" } else { media.as_str() };
                if !["image", "audio", "video", "document", "sticker"].contains(&kind) {
                    return unsupported();
                }
                let mut file = inner.media.webhook_object(id, default_type(media), media_base, now);
                match media.as_str() {
                    "voice" | "audio" => file["voice"] = json!(media == "voice"),
                    "sticker" => file["animated"] = json!(false),
                    _ => put(&mut file, "caption", caption.as_ref()),
                }
                if media == "document" {
                    put(&mut file, "filename", name.as_ref());
                }
                typed(kind, file)
            }
            Self::Location { latitude, longitude, name, address } => {
                let mut place = json!({"latitude": latitude, "longitude": longitude});
                put(&mut place, "name", name.as_ref());
                put(&mut place, "address", address.as_ref());
                json!({"type": "location", "location": place})
            }
            Self::Contacts { cards } => {
                let cards: Vec<Value> = cards.iter().map(card).collect();
                json!({"type": "contacts", "contacts": cards})
            }
            Self::Reaction { to, emoji } => {
                let mut reaction = json!({"message_id": to});
                put(&mut reaction, "emoji", emoji.as_ref());
                json!({"type": "reaction", "reaction": reaction})
            }
            Self::Edit { of, text } => {
                let what = inner.phones.find(peer).and_then(|chat| chat.bubbles.iter().find(|bubble| bubble.id == *of));
                let message = match what.map(|bubble| &bubble.kind) {
                    Some(Kind::Other { what }) if ["image", "video", "document"].contains(&what.as_str()) => {
                        let mut file = inner.media.webhook_object("", default_type(what), media_base, now);
                        file["caption"] = json!(text);
                        typed(what, file)
                    }
                    _ => json!({"type": "text", "text": {"body": text}}),
                };
                json!({"type": "edit", "edit": {"original_message_id": of, "message": message}})
            }
            Self::Revoke { of } => json!({"type": "revoke", "revoke": {"original_message_id": of}}),
            Self::Order { catalog, items, text } => {
                let items: Vec<Value> = items
                    .iter()
                    .map(|item| {
                        json!({
                            "product_retailer_id": item.id, "quantity": item.quantity, "item_price": item.price,
                            "currency": item.currency,
                        })
                    })
                    .collect();
                let text = text.as_deref().unwrap_or_default();
                json!({"type": "order", "order": {"catalog_id": catalog, "text": text, "product_items": items}})
            }
            Self::Unsupported => unsupported(),
            Self::Raw { message } if message.is_object() => message.clone(),
            Self::Raw { .. } => unsupported(),
        }
    }

    fn quoted(&self) -> Option<&str> {
        match self {
            Self::Text { quoted, .. }
            | Self::Button { quoted, .. }
            | Self::Row { quoted, .. }
            | Self::QuickReply { quoted, .. } => quoted.as_deref(),
            _ => None,
        }
    }

    fn attached(&self, inner: &Inner, now: Micros) -> Option<Attached> {
        match self {
            Self::Media { id, name, .. } => {
                let media_type = inner.media.find(id, now)?.media_type.clone();
                Some(Attached::File { id: id.clone(), media_type, name: name.clone() })
            }
            Self::Location { latitude, longitude, .. } => {
                Some(Attached::Place { latitude: *latitude, longitude: *longitude })
            }
            Self::Contacts { cards } => {
                let card = cards.first()?;
                Some(Attached::Contact { name: card.name.clone(), phone: card.phone.clone() })
            }
            _ => None,
        }
    }

    /// What the person sees of it; `None` for what only changes an earlier message.
    fn bubble(&self) -> Option<(String, Kind)> {
        let other = |what: &str| Kind::Other { what: what.to_lowercase() };
        Some(match self {
            Self::Text { text, .. } => (text.clone(), Kind::Text),
            Self::Button { id, title, .. }
            | Self::Row { id, title, .. }
            | Self::QuickReply { payload: id, title, .. } => (title.clone(), Kind::Choice { id: id.clone() }),
            Self::Media { media, caption, .. } => (caption.clone().unwrap_or_default(), other(media)),
            Self::Location { name, .. } => (name.clone().unwrap_or_default(), other("location")),
            Self::Contacts { cards } => {
                let names: Vec<&str> = cards.iter().map(|card| card.name.as_str()).collect();
                (names.join(", "), other("contacts"))
            }
            Self::Order { text, .. } => (text.clone().unwrap_or_default(), other("order")),
            Self::Unsupported => (String::new(), other("unsupported")),
            Self::Raw { message } => {
                (String::new(), other(message.get("type").and_then(Value::as_str).unwrap_or("unknown")))
            }
            Self::Reaction { .. } | Self::Edit { .. } | Self::Revoke { .. } => return None,
        })
    }
}

fn put(object: &mut Value, key: &str, text: Option<&String>) {
    if let Some(text) = text {
        object[key] = json!(text);
    }
}

fn typed(kind: &str, content: Value) -> Value {
    Value::Object(Map::from_iter([("type".to_owned(), json!(kind)), (kind.to_owned(), content)]))
}

fn unsupported() -> Value {
    let errors = [in_status(131_051, "Message type is currently not supported.")];
    json!({"type": "unsupported", "errors": errors, "unsupported": {"type": "unknown"}})
}

/// The media type of a file that the platform no longer has.
fn default_type(media: &str) -> &'static str {
    match media {
        "image" => "image/jpeg",
        "voice" => "audio/ogg; codecs=opus",
        "audio" => "audio/mpeg",
        "video" => "video/mp4",
        "sticker" => "image/webp",
        _ => "application/pdf",
    }
}

fn card(card: &Card) -> Value {
    let mut name = json!({"formatted_name": card.name});
    match card.name.split_once(' ') {
        Some((first, last)) => {
            name["first_name"] = json!(first);
            name["last_name"] = json!(last);
        }
        None => name["first_name"] = json!(card.name),
    }
    let digits: String = card.phone.chars().filter(char::is_ascii_digit).collect();
    json!({"name": name, "phones": [{"phone": card.phone, "wa_id": digits, "type": "CELL"}]})
}

/// A message id; the platform's ids hold `+`, `/` and `=`.
pub(super) fn message_id(peer: &str) -> String {
    let mut bytes = vec![0x1d];
    bytes.extend_from_slice(peer.get(..20).unwrap_or(peer).as_bytes());
    bytes.extend_from_slice(&[0x15, 0x02, 0x00]);
    bytes.extend_from_slice(Uuid::new_v4().as_bytes());
    format!("wamid.{}", STANDARD.encode(bytes))
}

pub(super) fn say(meta: &Meta, peer: &str, said: Said, copies: usize) -> String {
    let now = meta.now();
    let id = message_id(peer);
    let config = &meta.0.config;
    let mut inner = meta.lock();
    let mut message = said.message(&inner, peer, config.media_base.as_ref(), now);
    let hidden = inner.people.person(peer).user_name.is_some();
    let wrote = |quoted: &str| {
        let chat = inner.phones.find(peer)?;
        chat.bubbles.iter().find(|bubble| bubble.id == quoted).map(|bubble| bubble.mine)
    };
    let context = said.quoted().map(|quoted| match wrote(quoted) {
        Some(true) if hidden => json!({"id": quoted}),
        Some(true) => json!({"from": peer, "id": quoted}),
        Some(false) | None => json!({"from": config.display_phone_number, "id": quoted}),
    });
    if let Some(message) = message.as_object_mut() {
        let mut fill = |key: &str, value: Value| {
            message.entry(key).or_insert(value);
        };
        if let Some(context) = context {
            fill("context", context);
        }
        if !hidden {
            fill("from", json!(peer));
        }
        if hidden || config.user_ids {
            fill("from_user_id", json!(people::user_id(peer)));
        }
        fill("id", json!(id));
        fill("timestamp", json!(now.seconds().to_string()));
    }
    apply(&mut inner, peer, &said, &id, now);
    drop(inner);
    meta.changed();
    let piece = Piece::message(webhook::contact(meta, peer), message);
    let (shared, peer, own) = (meta.clone(), peer.to_owned(), id.clone());
    webhook::post(meta, piece, copies, Duration::ZERO, move |taken| {
        let tick = if taken { Tick::Delivered } else { Tick::Failed };
        shared.lock().phones.tick(&peer, tick, |bubble| bubble.mine && bubble.id == own);
        shared.changed();
    });
    id
}

/// What it changes on the person's own phone, and in the 24-hour window.
fn apply(inner: &mut Inner, peer: &str, said: &Said, id: &str, now: Micros) {
    if let Some((text, kind)) = said.bubble() {
        inner.people.person(peer).wrote = Some(now);
        let quoted = said.quoted().map(str::to_owned);
        let attached = said.attached(inner, now);
        let bubble = Bubble::new(id.to_owned(), true, text, kind, Tick::Sending, now);
        inner.show(peer, Bubble { quoted, attached, ..bubble });
        return;
    }
    inner.people.remember(id, peer);
    if let Said::Reaction { to, emoji } = said {
        inner.phones.chat(peer).react(to, emoji.clone());
    }
    let (of, text, revoked) = match said {
        Said::Edit { of, text } => (of, text.as_str(), false),
        Said::Revoke { of } => (of, "", true),
        _ => return,
    };
    for bubble in inner.phones.chat(peer).bubbles.iter_mut().filter(|bubble| bubble.mine && bubble.id == *of) {
        bubble.text = text.to_owned();
        (bubble.edited, bubble.deleted) = (!revoked, revoked);
        if revoked {
            bubble.kind = Kind::Other { what: "revoked".to_owned() };
        }
    }
}
