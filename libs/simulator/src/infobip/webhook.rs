//! Webhooks: what persons write, and reports of delivery and seeing, posted until they are taken.

use std::time::Duration;

use domain::Micros;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Infobip, Inner, Reads, Repeats, Webhook, sign::sign};
use crate::{
    phone::{Attached, Bubble, Kind, Tick},
    posting::Letter,
};

/// What a person can send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// Words in answer to a message.
    Reply {
        /// The words.
        text: String,
        /// The message.
        quoted: String,
    },
    /// A button of ours.
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
    /// `image`, `audio`, `voice`, `video`, `document` or `sticker`.
    Media {
        /// Which.
        media: String,
        /// Where the file lies.
        url: String,
        /// Words with it.
        caption: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees.
        latitude: f64,
        /// Degrees.
        longitude: f64,
        /// Its name.
        name: Option<String>,
    },
    /// Somebody's contact card.
    Contact {
        /// Whole name.
        name: String,
        /// The number as written.
        phone: String,
    },
    /// An emoji on a message.
    Reaction {
        /// The message.
        to: String,
        /// `None` takes it back.
        emoji: Option<String>,
    },
    /// Any other message, as `message` of the webhook; its `type` is shown.
    Raw {
        /// The object.
        message: Value,
    },
}

impl Said {
    /// Words.
    pub fn text(text: &str) -> Self {
        Self::Text { text: text.to_owned() }
    }

    fn message(&self) -> Value {
        let of = |id: &str| json!({"id": id, "from": null, "groupId": null, "referredProduct": null});
        let context = |quoted: &Option<String>, mut message: Value| {
            if let Some(id) = quoted {
                message["context"] = of(id);
            }
            message
        };
        match self {
            Self::Text { text } => json!({"text": text, "type": "TEXT"}),
            Self::Reply { text, quoted } => json!({"text": text, "type": "TEXT", "context": of(quoted)}),
            Self::Button { id, title, quoted } => {
                context(quoted, json!({"id": id, "title": title, "type": "INTERACTIVE_BUTTON_REPLY"}))
            }
            Self::Row { id, title, description, quoted } => {
                let message =
                    json!({"id": id, "title": title, "description": description, "type": "INTERACTIVE_LIST_REPLY"});
                context(quoted, message)
            }
            Self::Media { media, url, caption } => {
                let mut message = json!({"url": url, "type": media.to_uppercase()});
                if let Some(caption) = caption {
                    message["caption"] = json!(caption);
                }
                message
            }
            Self::Location { latitude, longitude, name } => {
                json!({"latitude": latitude, "longitude": longitude, "name": name, "type": "LOCATION"})
            }
            Self::Contact { name, phone } => {
                let first = name.split_once(' ').map_or(name.as_str(), |(first, _)| first);
                let contact = json!({
                    "name": {"firstName": first, "formattedName": name}, "phones": [{"phone": phone, "type": "CELL"}],
                });
                json!({"contacts": [contact], "type": "CONTACT"})
            }
            Self::Reaction { to, emoji } => {
                let action = if emoji.is_some() { "ADDED" } else { "REMOVED" };
                json!({"emoji": emoji, "action": action, "type": "REACTION", "context": of(to)})
            }
            Self::Raw { message } => message.clone(),
        }
    }

    /// What the person sees of it; `None` for what only changes an earlier message.
    fn bubble(&self, inner: &Inner, id: String, now: Micros) -> Option<Bubble> {
        let other = |what: &str| Kind::Other { what: what.to_lowercase() };
        let mut attached = None;
        let (text, kind, quoted) = match self {
            Self::Text { text } => (text.clone(), Kind::Text, None),
            Self::Reply { text, quoted } => (text.clone(), Kind::Text, Some(quoted.clone())),
            Self::Button { id, title, quoted } | Self::Row { id, title, quoted, .. } => {
                (title.clone(), Kind::Choice { id: id.clone() }, quoted.clone())
            }
            Self::Media { media, caption, url } => {
                let id = url.rsplit('/').next().unwrap_or_default();
                attached = inner.media.find(id).map(|(media_type, _)| Attached::File {
                    id: id.to_owned(),
                    media_type: media_type.clone(),
                    name: None,
                });
                (caption.clone().unwrap_or_default(), other(media), None)
            }
            Self::Location { latitude, longitude, name } => {
                attached = Some(Attached::Place { latitude: *latitude, longitude: *longitude });
                (name.clone().unwrap_or_default(), other("location"), None)
            }
            Self::Contact { name, phone } => {
                attached = Some(Attached::Contact { name: name.clone(), phone: phone.clone() });
                (String::new(), other("contact"), None)
            }
            Self::Reaction { .. } => return None,
            Self::Raw { message } => {
                let kind = message.get("type").and_then(Value::as_str).unwrap_or("unknown");
                (String::new(), other(kind), None)
            }
        };
        Some(Bubble { quoted, attached, ..Bubble::new(id, true, text, kind, Tick::Sending, now) })
    }
}

/// Time as Infobip writes it: `2019-07-19T11:21:27.861+0000`.
fn time(at: Micros) -> String {
    let moment = Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

pub(super) fn say(infobip: &Infobip, peer: &str, said: Said, copies: usize) -> String {
    let now = infobip.now();
    let id = format!("wamid.{}", Uuid::new_v4().simple());
    let mut inner = infobip.lock();
    let bubble = said.bubble(&inner, id.clone(), now);
    let chat = inner.phones.chat(peer);
    let name = chat.name.clone();
    match (bubble, &said) {
        (Some(bubble), _) => chat.bubbles.push(bubble),
        (None, Said::Reaction { to, emoji }) => chat.react(to, emoji.clone()),
        (None, _) => {}
    }
    drop(inner);
    infobip.changed();
    let mut result = json!({
        "from": peer, "to": infobip.0.config.sender, "integrationType": "WHATSAPP", "receivedAt": time(now),
        "messageId": id, "pairedMessageId": null, "callbackData": null, "message": said.message(),
        "price": {"pricePerMessage": 0, "currency": "EUR"},
    });
    if let Some(name) = name {
        result["contact"] = json!({"name": name});
    }
    let body = json!({"results": [result], "messageCount": 1, "pendingMessageCount": 0});
    for _ in 0..copies {
        let (infobip, peer, id) = (infobip.clone(), peer.to_owned(), id.clone());
        post(&infobip.clone(), body.clone(), Duration::ZERO, move |taken| {
            let tick = if taken { Tick::Delivered } else { Tick::Failed };
            infobip.lock().phones.tick(&peer, tick, |bubble| bubble.mine && bubble.id == id);
            infobip.changed();
        });
    }
    id
}

pub(super) fn say_again(infobip: &Infobip, message_id: &str) -> bool {
    let is_it = |body: &Value| body.pointer("/results/0/messageId").and_then(Value::as_str) == Some(message_id);
    // A report names a message of the business; what a person wrote has a `message`.
    let body = infobip.0.posting.find_last(|body| is_it(body) && body.pointer("/results/0/message").is_some());
    let found = body.is_some();
    if let Some(body) = body {
        post(infobip, body, Duration::ZERO, |_| {});
    }
    found
}

/// Reports a message as delivered or as undeliverable; a person who reads at once sees it then.
pub(super) fn report_delivery(infobip: &Infobip, to: &str, id: &str, callback_data: Option<String>, reachable: bool) {
    let (repeats, delay) = {
        let inner = infobip.lock();
        (inner.repeats, inner.report_delay)
    };
    let now = time(infobip.now());
    let (status, error) = if reachable {
        (
            json!({"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET", "description": "Message delivered to handset"}),
            json!({"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": "No Error", "permanent": false}),
        )
    } else {
        (
            json!({"groupId": 2, "groupName": "UNDELIVERABLE", "id": 9, "name": "UNDELIVERABLE_NOT_DELIVERED", "description": "Message sent not delivered"}),
            json!({"groupId": 1, "groupName": "HANDSET_ERRORS", "id": 7005, "name": "EC_INVALID_DESTINATION_ADDRESS", "description": "Not a WhatsApp number", "permanent": true}),
        )
    };
    let mut result = json!({
        "bulkId": Uuid::new_v4().to_string(), "messageId": id, "to": to, "sentAt": now, "doneAt": now, "messageCount": 1,
        "price": {"pricePerMessage": 0, "currency": "EUR"}, "status": status, "error": error,
    });
    if let Some(data) = callback_data.filter(|_| repeats != Repeats::Forget) {
        result["callbackData"] = json!(data);
    }
    let shared = infobip.clone();
    let (to, id) = (to.to_owned(), id.to_owned());
    if reachable {
        infobip.lock().phones.tick(&to, Tick::Delivered, |bubble| !bubble.mine && bubble.id == id);
        infobip.changed();
    }
    post(infobip, json!({"results": [result]}), delay, move |_| {
        if reachable && shared.lock().reads == Reads::AtOnce {
            look(&shared, &to);
        }
    });
}

/// Marks what the person sees as read and reports it.
pub(super) fn look(infobip: &Infobip, peer: &str) {
    let now = infobip.now();
    let mut inner = infobip.lock();
    let mut seen = Vec::new();
    for bubble in inner.phones.chat(peer).bubbles.iter_mut().filter(|bubble| !bubble.mine) {
        if bubble.tick == Tick::Delivered {
            bubble.tick = Tick::Read;
            seen.push((bubble.id.clone(), bubble.at));
        }
    }
    drop(inner);
    if seen.is_empty() {
        return;
    }
    infobip.changed();
    let results: Vec<Value> = seen
        .into_iter()
        .map(|(id, at)| {
            json!({"messageId": id, "from": infobip.0.config.sender, "to": peer, "sentAt": time(at), "seenAt": time(now)})
        })
        .collect();
    post(infobip, json!({ "results": results }), Duration::ZERO, |_| {});
}

/// Puts the results of the second webhook into the first, where both tell of the same kind of thing.
pub(super) fn merge(body: &mut Value, other: &Value) -> bool {
    let kind = |body: &Value| {
        let result = body.pointer("/results/0");
        ["message", "status", "seenAt"].map(|key| result.is_some_and(|result| result.get(key).is_some()))
    };
    if kind(body) != kind(other) {
        return false;
    }
    let (Some(results), Some(more)) = (body["results"].as_array_mut(), other["results"].as_array()) else {
        return false;
    };
    results.extend(more.iter().cloned());
    let count = results.len();
    if body.get("messageCount").is_some() {
        body["messageCount"] = json!(count);
    }
    true
}

/// Posts in the background; `done` hears whether it was taken in the end.
fn post(infobip: &Infobip, body: Value, wait: Duration, done: impl FnOnce(bool) + Send + 'static) {
    let shared = infobip.clone();
    let seal = move |body: &Value| {
        let Webhook { url, secret, header, algorithm, encoding, prefix } = shared.lock().webhook.clone()?;
        let text = body.to_string();
        let signature = sign(algorithm, encoding, secret.as_bytes(), text.as_bytes());
        Some(Letter { url, headers: Vec::new(), signature: (header, format!("{prefix}{signature}")), text })
    };
    infobip.0.posting.post(body, seal, wait, done);
}
