//! What a person does on the phone, and the update that tells the bot.

use domain::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Inner,
    chats::{Message, Sort},
    keyboard,
    text::commands,
};
use crate::phone::{Attached, Bubble, Kind, Tick};

/// Bubbles of one chat that are shown.
const MOST_BUBBLES: usize = 10_000;

/// What a person can do.
///
/// Ids of messages are those of the chat's bubbles; `file` is what [`super::Telegram::add_media`] gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// Words; `/word` in them is a command.
    Text {
        /// The words.
        text: String,
    },
    /// Words in answer to a message.
    Reply {
        /// The words.
        text: String,
        /// The message.
        to: String,
    },
    /// A press of a button under a message of the bot. An old button can be pressed too, as on a phone that is behind.
    Button {
        /// `callback_data` of the button.
        id: String,
        /// What it said.
        title: String,
        /// Message it stood under; without it the newest with such a button.
        quoted: Option<String>,
    },
    /// A picture.
    Photo {
        /// Its file.
        file: String,
        /// Words with it.
        caption: Option<String>,
    },
    /// A voice note.
    Voice {
        /// Its file.
        file: String,
        /// Seconds.
        duration: u32,
        /// Words with it.
        caption: Option<String>,
    },
    /// A file.
    Document {
        /// Its file.
        file: String,
        /// Its name.
        name: String,
        /// Words with it.
        caption: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees.
        latitude: f64,
        /// Degrees.
        longitude: f64,
    },
    /// Somebody's number. It is the person's own exactly if `own`.
    Contact {
        /// The number.
        phone_number: String,
        /// Their name.
        first_name: String,
        /// The person shares their own number, as with a button that asks for it.
        own: bool,
    },
    /// Other words for an earlier message of the same person.
    Edit {
        /// The message.
        message: String,
        /// What it says now.
        text: String,
    },
    /// A reaction to a message; none takes it back. The bot hears of it only if it asked for `message_reaction`.
    Reaction {
        /// The message.
        message: String,
        /// Such as `👍`.
        emoji: Option<String>,
    },
    /// The person deletes a message of their own for both. Bots do not hear of it.
    Delete {
        /// The message.
        message: String,
    },
    /// The person blocks the bot.
    Block,
    /// And lets it in again.
    Unblock,
    /// Any other message: `message` of the update without what says who, where and when.
    Raw {
        /// Its fields, such as `sticker`.
        message: Value,
    },
}

impl Said {
    /// Words.
    pub fn text(text: &str) -> Self {
        Self::Text { text: text.to_owned() }
    }

    /// A command, without its slash.
    pub fn command(name: &str) -> Self {
        Self::Text { text: format!("/{name}") }
    }
}

/// Why a person cannot do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSaid {
    /// The id is no number, or the bot is not in that group.
    #[error("there is no such chat")]
    NoSuchChat,
    /// Also when it was deleted.
    #[error("there is no such message")]
    NoSuchMessage,
    /// It never stood under that message.
    #[error("there is no such button")]
    NoSuchButton,
    /// Or it was pushed out by newer ones.
    #[error("there is no such file")]
    NoSuchFile,
    /// Somebody else wrote it.
    #[error("the message is not that person's")]
    NotTheirs,
    /// One has to unblock it first.
    #[error("the person has blocked the bot")]
    Blocked,
    /// `message` is no object.
    #[error("that is no message")]
    NoMessage,
}

/// What an act leads to: what the update is and says, and the id that the person's phone knows it by.
struct Heard {
    kind: &'static str,
    content: Value,
    about: String,
}

/// Does what a person does; gives the id of the message, or of what else it is.
pub(super) fn say(
    inner: &mut Inner,
    now: Micros,
    chat: i64,
    from: i64,
    said: &Said,
    copies: usize,
) -> Result<String, NotSaid> {
    let known = inner.chats.chat(chat);
    if known.blocked && !matches!(said, Said::Unblock) {
        return Err(NotSaid::Blocked);
    }
    if known.migrated_to.is_some() || known.left || from <= 0 || (Sort::of(chat) != Sort::Private && !known.known) {
        return Err(NotSaid::NoSuchChat);
    }
    let heard = match said {
        Said::Delete { message } => return delete(inner, chat, from, message),
        Said::Button { id, quoted, .. } => press(inner, now, chat, from, id, quoted.as_deref())?,
        Said::Edit { message, text } => edit(inner, now, chat, from, message, text)?,
        Said::Reaction { message, emoji } => react(inner, now, chat, from, message, emoji.clone())?,
        Said::Block => member(inner, now, chat, from, true),
        Said::Unblock => member(inner, now, chat, from, false),
        _ => write(inner, now, chat, from, said)?,
    };
    inner.updates.add(now, heard.kind, chat, &heard.about, heard.content, copies);
    Ok(heard.about)
}

/// The fields of a message that say what it is.
fn content(inner: &mut Inner, chat: i64, from: i64, said: &Said) -> Result<(Value, Kind), NotSaid> {
    let other = |what: &str| Kind::Other { what: what.to_owned() };
    let captioned = |mut content: Value, caption: &Option<String>| {
        if let Some(caption) = caption {
            content["caption"] = json!(caption);
        }
        content
    };
    let worded = |text: &str| {
        let mut content = json!({ "text": text });
        let commands = commands(text);
        if !commands.is_empty() {
            content["entities"] = json!(commands);
        }
        content
    };
    let file = |inner: &Inner, id: &str| {
        let media_type = inner.media.find(id).map(|file| file.media_type.clone());
        inner.media.shown(id).zip(media_type).ok_or(NotSaid::NoSuchFile)
    };
    Ok(match said {
        Said::Text { text } => (worded(text), Kind::Text),
        Said::Reply { text, to } => {
            let replied = find(inner, chat, to)?.value.clone();
            let mut content = json!({ "reply_to_message": plain(replied) });
            merge(&mut content, worded(text));
            (content, Kind::Text)
        }
        Said::Photo { file, caption } => {
            let sizes = inner.media.sizes(file).ok_or(NotSaid::NoSuchFile)?;
            (captioned(json!({ "photo": sizes }), caption), other("photo"))
        }
        Said::Voice { file: id, duration, caption } => {
            let (shown, media_type) = file(inner, id)?;
            let mut voice = json!({"duration": duration, "mime_type": media_type});
            merge(&mut voice, shown);
            (captioned(json!({ "voice": voice }), caption), other("voice"))
        }
        Said::Document { file: id, name, caption } => {
            let (shown, media_type) = file(inner, id)?;
            let mut document = json!({"file_name": name, "mime_type": media_type});
            merge(&mut document, shown);
            (captioned(json!({ "document": document }), caption), other("document"))
        }
        Said::Location { latitude, longitude } => {
            (json!({"location": {"latitude": latitude, "longitude": longitude}}), other("location"))
        }
        Said::Contact { phone_number, first_name, own } => {
            let mut contact = json!({"phone_number": phone_number, "first_name": first_name});
            if *own {
                contact["user_id"] = json!(from);
            }
            (json!({ "contact": contact }), other("contact"))
        }
        Said::Raw { message } => {
            let Some(fields) = message.as_object() else { return Err(NotSaid::NoMessage) };
            let what = fields.keys().next().map_or("unknown", String::as_str);
            (message.clone(), other(what))
        }
        Said::Button { .. }
        | Said::Edit { .. }
        | Said::Reaction { .. }
        | Said::Delete { .. }
        | Said::Block
        | Said::Unblock => return Err(NotSaid::NoMessage),
    })
}

fn write(inner: &mut Inner, now: Micros, chat: i64, from: i64, said: &Said) -> Result<Heard, NotSaid> {
    let (content, kind) = content(inner, chat, from, said)?;
    let id = inner.chats.next_id(chat);
    let mut message = head(inner, now, chat, id, from);
    merge(&mut message, content);
    let known = inner.chats.chat(chat);
    known.known = true;
    let value = message.clone();
    known.keep(Message { id, own: false, at: now, value, offered: Vec::new(), deleted: false, reaction: None });
    let quoted = match said {
        Said::Reply { to, .. } => Some(to.clone()),
        _ => None,
    };
    let text = words(&message).to_owned();
    let about = id.to_string();
    let attached = attached(inner, &message);
    let bubble = Bubble::new(about.clone(), true, text, kind, Tick::Sending, now);
    show(inner, chat, Bubble { quoted, attached, ..bubble });
    Ok(Heard { kind: "message", content: message, about })
}

fn press(
    inner: &mut Inner,
    now: Micros,
    chat: i64,
    from: i64,
    data: &str,
    quoted: Option<&str>,
) -> Result<Heard, NotSaid> {
    let known = inner.chats.chat(chat);
    let id = match quoted {
        Some(id) => id.parse().map_err(|_| NotSaid::NoSuchMessage)?,
        None => known.offering(data).ok_or(NotSaid::NoSuchButton)?,
    };
    let message = known.message(id).ok_or(NotSaid::NoSuchMessage)?;
    if data.is_empty() || !message.offered.iter().any(|offered| offered == data) {
        return Err(NotSaid::NoSuchButton);
    }
    let (deleted, value) = (message.deleted, message.value.clone());
    let message = match deleted {
        // "Inaccessible": it was deleted, and the date says so.
        true => json!({"chat": inner.chats.shown(chat), "message_id": id, "date": 0}),
        false => value,
    };
    let about = inner.queries.open(now);
    let content = json!({
        "id": about, "from": inner.chats.user(from), "message": message,
        "chat_instance": (chat.unsigned_abs() ^ 0x5eed_5eed_5eed).to_string(), "data": data,
    });
    Ok(Heard { kind: "callback_query", content, about })
}

fn edit(inner: &mut Inner, now: Micros, chat: i64, from: i64, id: &str, text: &str) -> Result<Heard, NotSaid> {
    let message = find(inner, chat, id)?;
    if message.own || message.value["from"]["id"] != json!(from) {
        return Err(NotSaid::NotTheirs);
    }
    let (key, entities) = match message.value.get("text") {
        Some(_) => ("text", "entities"),
        None => ("caption", "caption_entities"),
    };
    message.value["edit_date"] = json!(now.seconds());
    message.value[key] = json!(text);
    let found = commands(text);
    if found.is_empty() {
        message.value.as_object_mut().map(|fields| fields.remove(entities));
    } else {
        message.value[entities] = json!(found);
    }
    let content = message.value.clone();
    let peer = chat.to_string();
    if let Some(bubble) = inner.phones.chat(&peer).bubbles.iter_mut().find(|bubble| bubble.id == id) {
        text.clone_into(&mut bubble.text);
        bubble.edited = true;
    }
    Ok(Heard { kind: "edited_message", content, about: id.to_owned() })
}

fn delete(inner: &mut Inner, chat: i64, from: i64, id: &str) -> Result<String, NotSaid> {
    let message = find(inner, chat, id)?;
    if message.own || message.value["from"]["id"] != json!(from) {
        return Err(NotSaid::NotTheirs);
    }
    message.deleted = true;
    if let Some(bubble) = inner.phones.chat(&chat.to_string()).bubble(id) {
        bubble.deleted = true;
        bubble.text.clear();
    }
    Ok(id.to_owned())
}

fn react(
    inner: &mut Inner,
    now: Micros,
    chat: i64,
    from: i64,
    id: &str,
    emoji: Option<String>,
) -> Result<Heard, NotSaid> {
    let reaction = |emoji: &Option<String>| -> Vec<Value> {
        emoji.iter().map(|emoji| json!({"type": "emoji", "emoji": emoji})).collect()
    };
    let message = find(inner, chat, id)?;
    let new = reaction(&emoji);
    let old = reaction(&std::mem::replace(&mut message.reaction, emoji.clone()));
    let id = message.id;
    inner.phones.chat(&chat.to_string()).react(&id.to_string(), emoji);
    let content = json!({
        "chat": inner.chats.shown(chat), "message_id": id, "user": inner.chats.user(from), "date": now.seconds(),
        "old_reaction": old, "new_reaction": new,
    });
    Ok(Heard { kind: "message_reaction", content, about: id.to_string() })
}

fn member(inner: &mut Inner, now: Micros, chat: i64, from: i64, blocked: bool) -> Heard {
    let known = inner.chats.chat(chat);
    (known.known, known.blocked) = (true, blocked);
    let (old, new) = if blocked { ("member", "kicked") } else { ("kicked", "member") };
    let content = membership(inner, now, chat, from, old, new);
    Heard { kind: "my_chat_member", content, about: format!("member-{}", now.0) }
}

/// `my_chat_member`: what the bot was in the chat, and is.
pub(super) fn membership(inner: &Inner, now: Micros, chat: i64, from: i64, old: &str, new: &str) -> Value {
    let member = |status: &str| {
        let mut member = json!({"user": inner.bot, "status": status});
        if status == "kicked" {
            member["until_date"] = json!(0);
        }
        member
    };
    json!({
        "chat": inner.chats.shown(chat), "from": inner.chats.user(from), "date": now.seconds(),
        "old_chat_member": member(old), "new_chat_member": member(new),
    })
}

/// What every message of a person begins with.
pub(super) fn head(inner: &Inner, now: Micros, chat: i64, id: i64, from: i64) -> Value {
    json!({
        "message_id": id, "from": inner.chats.user(from), "chat": inner.chats.shown(chat), "date": now.seconds(),
    })
}

fn find<'a>(inner: &'a mut Inner, chat: i64, id: &str) -> Result<&'a mut Message, NotSaid> {
    let id = id.parse().map_err(|_| NotSaid::NoSuchMessage)?;
    inner.chats.chat(chat).present(id).ok_or(NotSaid::NoSuchMessage)
}

/// A message inside of another: what it answers itself is not told.
pub(super) fn plain(mut message: Value) -> Value {
    if let Some(fields) = message.as_object_mut() {
        fields.shift_remove("reply_to_message");
    }
    message
}

pub(super) fn merge(into: &mut Value, fields: Value) {
    if let (Some(into), Value::Object(fields)) = (into.as_object_mut(), fields) {
        into.extend(fields);
    }
}

/// Text or caption.
pub(super) fn words(message: &Value) -> &str {
    message.get("text").or_else(|| message.get("caption")).and_then(Value::as_str).unwrap_or_default()
}

/// Puts a bubble at the end of a chat.
pub(super) fn show(inner: &mut Inner, chat: i64, bubble: Bubble) {
    let bubbles = &mut inner.phones.chat(&chat.to_string()).bubbles;
    if bubbles.len() >= MOST_BUBBLES {
        bubbles.remove(0);
    }
    bubbles.push(bubble);
}

/// Shows a message of the bot as it is now.
pub(super) fn reshow(inner: &mut Inner, chat: i64, message: &Value, id: i64) {
    let id = id.to_string();
    let bubbles = &mut inner.phones.chat(&chat.to_string()).bubbles;
    if let Some(bubble) = bubbles.iter_mut().find(|bubble| bubble.id == id) {
        let text = words(message);
        bubble.edited |= bubble.text != text;
        text.clone_into(&mut bubble.text);
        bubble.kind = keyboard::kind(message, what(message));
    }
}

/// What a message of the bot is, buttons aside.
pub(super) fn what(message: &Value) -> Kind {
    let media = ["photo", "document", "voice", "location"].into_iter().find(|key| message.get(*key).is_some());
    media.map_or(Kind::Text, |what| Kind::Other { what: what.to_owned() })
}

/// What hangs on a message: its file (of a picture the largest size), its place or its contact.
pub(super) fn attached(inner: &Inner, message: &Value) -> Option<Attached> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(place) = message.get("location") {
        let degrees = |key: &str| place.get(key).and_then(Value::as_f64);
        return Some(Attached::Place { latitude: degrees("latitude")?, longitude: degrees("longitude")? });
    }
    if let Some(contact) = message.get("contact") {
        return Some(Attached::Contact { name: text(contact, "first_name")?, phone: text(contact, "phone_number")? });
    }
    let photo = message.get("photo").and_then(|sizes| sizes.as_array()?.last());
    let file = photo.or_else(|| ["document", "voice"].into_iter().find_map(|key| message.get(key)))?;
    let id = text(file, "file_id")?;
    let media_type = inner.media.find(&id)?.media_type.clone();
    Some(Attached::File { id, media_type, name: text(file, "file_name") })
}
