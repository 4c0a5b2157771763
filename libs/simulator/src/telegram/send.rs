//! `sendMessage` and the other methods that put something into a chat.

use domain::Micros;
use serde_json::{Value, json};

use super::{
    Inner, Sent,
    chats::Message,
    keyboard::{self, Markup},
    params::Params,
    refusal::Refusal,
    said::{attached, merge, plain, reshow, show, what, words},
    text::{self, Formatted},
};
use crate::{
    parts::FilePart,
    phone::{Bubble, Tick},
};

/// UTF-16 units of a text and of a caption, after markup is taken out.
pub(super) const MOST_TEXT: usize = 4096;
const MOST_CAPTION: usize = 1024;
/// Bytes of a picture.
const MOST_PHOTO_BYTES: usize = 10 * 1024 * 1024;

/// What is sent, as far as it can be told without the chat.
enum Content {
    Text(Formatted),
    File {
        field: &'static str,
        source: Source,
        caption: Formatted,
        /// Seconds of a voice note.
        duration: i64,
    },
    Place {
        latitude: f64,
        longitude: f64,
    },
}

enum Source {
    /// A file of the platform.
    Known(String),
    /// One that comes with the call.
    Part(FilePart),
}

/// Sends; gives the message.
pub(super) fn send(
    inner: &mut Inner,
    now: Micros,
    method: &'static str,
    params: &mut Params,
) -> Result<Value, Refusal> {
    let content = content(inner, method, params)?;
    let reply = reply(params)?;
    let markup = keyboard::parse(params)?;
    let chat = inner.chats.writable(params.text("chat_id"))?;
    let content = content.fixed()?;
    if let Some(markup) = &markup {
        markup.check()?;
    }
    let replied = match reply {
        Some(reply) => match inner.chats.chat(chat).present(reply.message) {
            Some(message) => Some((message.id, plain(message.value.clone()))),
            None if reply.optional => None,
            None => return Err(Refusal::bad("message to be replied not found")),
        },
        None => None,
    };
    inner.limiter.send(now, chat)?;
    let mut files = Vec::new();
    let mut message = json!({
        "message_id": inner.chats.next_id(chat), "from": inner.bot, "chat": inner.chats.shown(chat),
        "date": now.seconds(),
    });
    if let Some((_, replied)) = &replied {
        message["reply_to_message"] = replied.clone();
    }
    merge(&mut message, content.shown(inner, &mut files));
    if let Some(shown) = markup.as_ref().and_then(Markup::shown) {
        message["reply_markup"] = shown;
    }
    let id = message["message_id"].as_i64().unwrap_or_default();
    put(inner, now, chat, id, message.clone(), replied.map(|(id, _)| id.to_string()));
    record(inner, now, method, chat, id, &message, params, files);
    Ok(message)
}

fn content(inner: &Inner, method: &str, params: &mut Params) -> Result<Content, Refusal> {
    match method {
        "sendMessage" => {
            if params.text("text").is_empty() {
                return Err(Refusal::bad("Message text is empty"));
            }
            Ok(Content::Text(text::parse(params, "text", "entities")?))
        }
        "sendLocation" => {
            let degrees = |key: &str, most: f64| match params.text(key).trim() {
                "" => Err(Refusal::bad(format!("{key} is empty"))),
                given => {
                    let degrees = given.parse().ok().filter(|degrees: &f64| degrees.abs() <= most);
                    degrees.ok_or_else(|| Refusal::bad("wrong location specified"))
                }
            };
            Ok(Content::Place { latitude: degrees("latitude", 90.0)?, longitude: degrees("longitude", 180.0)? })
        }
        _ => {
            let field = match method {
                "sendPhoto" => "photo",
                "sendVoice" => "voice",
                _ => "document",
            };
            let source = source(inner, params, field)?;
            let caption = text::parse(params, "caption", "caption_entities")?;
            Ok(Content::File {
                field,
                source,
                caption,
                duration: params.integer("duration", 0, 0, i64::from(i32::MAX)),
            })
        }
    }
}

fn source(inner: &Inner, params: &Params, field: &str) -> Result<Source, Refusal> {
    let given = params.text(field);
    let part = given.strip_prefix("attach://").unwrap_or(field);
    if given.is_empty() || given.starts_with("attach://") {
        let found = params.files.iter().find(|file| file.field == part).cloned();
        let file = found.ok_or_else(|| Refusal::bad(format!("there is no {field} in the request")))?;
        let size = file.content.len();
        if size == 0 {
            return Err(Refusal::bad("file must be non-empty"));
        }
        if field == "photo" && size > MOST_PHOTO_BYTES {
            return Err(Refusal::bad(format!(
                "file of size {size} bytes is too big for a photo; the maximum size is {MOST_PHOTO_BYTES} bytes"
            )));
        }
        return Ok(Source::Part(file));
    }
    if given.contains("://") {
        return Err(Refusal::bad("Failed to get HTTP URL content")); // the fake fetches nothing
    }
    match inner.media.find(given) {
        Some(_) => Ok(Source::Known(given.to_owned())),
        None => Err(Refusal::bad("Wrong file identifier/HTTP URL specified")),
    }
}

struct Reply {
    message: i64,
    /// It is sent without, if there is no such message.
    optional: bool,
}

fn reply(params: &mut Params) -> Result<Option<Reply>, Refusal> {
    let Some(given) = params.json("reply_parameters") else { return Ok(None) };
    let given = given.map_err(|_| Refusal::bad("Can't parse reply parameters JSON object"))?;
    let Value::Object(given) = given else { return Err(Refusal::bad("Object expected as reply parameters")) };
    let known = [
        "message_id",
        "chat_id",
        "allow_sending_without_reply",
        "quote",
        "quote_parse_mode",
        "quote_entities",
        "quote_position",
        "checklist_task_id",
        "poll_option_id",
    ];
    params.only(&given, "reply_parameters", &known);
    let wrong = |text: &str| Refusal::bad(format!("Can't parse reply parameters: {text}"));
    let message = match given.get("message_id") {
        None => return Err(wrong("Can't find field \"message_id\"")),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let message = message.ok_or_else(|| wrong("Field \"message_id\" must be a Number"))?;
    let optional = given.get("allow_sending_without_reply").and_then(Value::as_bool) == Some(true);
    Ok(Some(Reply { message, optional }))
}

impl Content {
    /// What is checked once the chat is known.
    fn fixed(self) -> Result<Self, Refusal> {
        Ok(match self {
            Self::Text(text) => Self::Text(fix(text, "message is too long")?),
            Self::File { field, source, caption, duration } => {
                let caption = caption.fixed()?;
                if caption.length() > MOST_CAPTION {
                    return Err(Refusal::bad("message caption is too long"));
                }
                Self::File { field, source, caption, duration }
            }
            Self::Place { .. } => self,
        })
    }

    /// The fields of the message. Files that came with the call are kept, and put into `files`.
    fn shown(self, inner: &mut Inner, files: &mut Vec<FilePart>) -> Value {
        let styled = |key: &str, text: Formatted| {
            let mut fields = json!({});
            if !text.text.is_empty() {
                fields[key] = json!(text.text);
            }
            if !text.entities.is_empty() {
                let key = if key == "text" { "entities" } else { "caption_entities" };
                fields[key] = json!(text.entities);
            }
            fields
        };
        match self {
            Self::Text(text) => styled("text", text),
            Self::Place { latitude, longitude } => {
                json!({"location": {"latitude": latitude, "longitude": longitude}})
            }
            Self::File { field, source, caption, duration } => {
                let (id, name) = match source {
                    Source::Known(id) => (id, None),
                    Source::Part(file) => {
                        let id = inner.media.add(&file.media_type, &file.content);
                        let name = file.name.clone();
                        files.push(file);
                        (id, Some(name))
                    }
                };
                let shown = match field {
                    "photo" => inner.media.sizes(&id),
                    _ => inner.media.shown(&id),
                };
                let mut shown = shown.unwrap_or_default();
                let media_type = inner.media.find(&id).map(|file| file.media_type.clone());
                match field {
                    "voice" => merge(&mut shown, json!({"duration": duration, "mime_type": media_type})),
                    "document" => merge(&mut shown, json!({"file_name": name, "mime_type": media_type})),
                    _ => {}
                }
                let mut fields = json!({ field: shown });
                merge(&mut fields, styled("caption", caption));
                fields
            }
        }
    }
}

/// A text within its limits.
pub(super) fn fix(text: Formatted, too_long: &str) -> Result<Formatted, Refusal> {
    let text = text.fixed()?;
    match text.length() {
        0 => Err(Refusal::bad("text must be non-empty")),
        length if length > MOST_TEXT => Err(Refusal::bad(too_long)),
        _ => Ok(text),
    }
}

/// Keeps a message of the bot and shows it.
fn put(inner: &mut Inner, now: Micros, chat: i64, id: i64, message: Value, quoted: Option<String>) {
    let kind = keyboard::kind(&message, what(&message));
    // There are no reports: what is taken is there.
    let bubble = Bubble::new(id.to_string(), false, words(&message).to_owned(), kind, Tick::Delivered, now);
    let attached = attached(inner, &message);
    show(inner, chat, Bubble { quoted, attached, ..bubble });
    let mut kept =
        Message { id, own: true, at: now, value: message, offered: Vec::new(), deleted: false, reaction: None };
    offer(&mut kept);
    inner.chats.chat(chat).keep(kept);
}

/// Remembers the buttons that a message offers now.
fn offer(message: &mut Message) {
    for button in keyboard::choices(&message.value) {
        if !button.id.is_empty() && !message.offered.contains(&button.id) {
            message.offered.push(button.id);
        }
    }
}

/// Puts another content in place of a message's and shows it.
pub(super) fn replace(inner: &mut Inner, chat: i64, id: i64, value: Value) {
    if let Some(message) = inner.chats.chat(chat).present(id) {
        message.value = value.clone();
        offer(message);
    }
    reshow(inner, chat, &value, id);
}

#[expect(clippy::too_many_arguments, reason = "one record of all that there is")]
pub(super) fn record(
    inner: &mut Inner,
    now: Micros,
    method: &'static str,
    chat: i64,
    id: i64,
    message: &Value,
    params: &Params,
    files: Vec<FilePart>,
) {
    let entities = message.get("entities").or_else(|| message.get("caption_entities"));
    inner.sends.push(Sent {
        method,
        to: chat.to_string(),
        message_id: id.to_string(),
        text: words(message).to_owned(),
        entities: entities.and_then(Value::as_array).cloned().unwrap_or_default(),
        reply_markup: message.get("reply_markup").cloned(),
        params: params.to_json(),
        files,
        at: now,
    });
}
