//! Changes to what is there: edits, deletions, answers to presses, commands, leaving.

use std::time::Duration;

use domain::Micros;
use serde_json::{Value, json};

use super::{
    Action, Answer, Inner,
    chats::{Message, Sort},
    keyboard::{self, Markup},
    params::Params,
    refusal::Refusal,
    send::{fix, record, replace},
    text,
};

/// How long a message can be deleted.
const DELETABLE: Duration = Duration::from_secs(48 * 60 * 60);
/// Characters of the notice that answers a press.
const MOST_NOTICE: usize = 200;

const ACTIONS: &[&str] = &[
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are exactly the \
                            same as a current content and reply markup of the message";

/// `editMessageText` and `editMessageReplyMarkup`; gives the message.
pub(super) fn edit(
    inner: &mut Inner,
    now: Micros,
    method: &'static str,
    params: &mut Params,
) -> Result<Value, Refusal> {
    let with_text = method == "editMessageText";
    if with_text && params.text("text").is_empty() {
        return Err(Refusal::bad("Message text is empty"));
    }
    let text = if with_text { Some(text::parse(params, "text", "entities")?) } else { None };
    if !params.text("inline_message_id").is_empty() {
        return Err(Refusal::bad("invalid inline message identifier specified"));
    }
    let markup = match keyboard::parse(params)? {
        Some(Markup::Other) => return Err(Refusal::bad("inline keyboard expected")),
        markup => markup,
    };
    let id = message_id(params)?;
    let chat = inner.chats.writable(params.text("chat_id"))?;
    let message = inner.chats.chat(chat).present(id).ok_or_else(|| Refusal::bad("message to edit not found"))?;
    if !message.own {
        return Err(Refusal::bad("message can't be edited"));
    }
    let old = message.value.clone();
    if with_text && old.get("text").is_none() {
        return Err(Refusal::bad("there is no text in the message to edit"));
    }
    let text = text.map(|text| fix(text, "MESSAGE_TOO_LONG")).transpose()?;
    let mut new = old.clone();
    let fields = new.as_object_mut().ok_or_else(|| Refusal::new(500, "Internal Server Error"))?;
    let mut set = |key: &str, value: Option<Value>| match value {
        Some(value) => {
            fields.insert(key.to_owned(), value);
        }
        None => {
            fields.shift_remove(key);
        }
    };
    if let Some(text) = text {
        set("text", Some(json!(text.text)));
        set("entities", Some(json!(text.entities)).filter(|_| !text.entities.is_empty()));
    }
    if let Some(markup) = &markup {
        markup.check()?;
    }
    set("reply_markup", markup.as_ref().and_then(Markup::shown));
    let same = |key: &str| old.get(key) == new.get(key);
    if same("text") && same("entities") && same("reply_markup") {
        return Err(Refusal::bad(NOT_MODIFIED));
    }
    inner.limiter.send(now, chat)?;
    new["edit_date"] = json!(now.seconds());
    replace(inner, chat, id, new.clone());
    record(inner, now, method, chat, id, &new, params, Vec::new());
    Ok(new)
}

/// `deleteMessage`.
pub(super) fn delete(inner: &mut Inner, now: Micros, params: &Params) -> Result<Value, Refusal> {
    let id = message_id(params)?;
    let chat = inner.chats.writable(params.text("chat_id"))?;
    let message = inner.chats.chat(chat).present(id).ok_or_else(|| Refusal::bad("message to delete not found"))?;
    if message.at + DELETABLE < now || !(message.own || Sort::of(chat) == Sort::Private) {
        return Err(Refusal::bad("message can't be deleted for everyone"));
    }
    message.deleted = true;
    let Message { value, .. } = message.clone();
    let name = id.to_string();
    inner.phones.chat(&chat.to_string()).bubbles.retain(|bubble| bubble.id != name);
    record(inner, now, "deleteMessage", chat, id, &value, params, Vec::new());
    Ok(Value::Bool(true))
}

/// `answerCallbackQuery`.
pub(super) fn answer(inner: &mut Inner, now: Micros, life: Duration, params: &mut Params) -> Result<Value, Refusal> {
    let text = params.text("text").to_owned();
    if text.chars().count() > MOST_NOTICE {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    params.integer("cache_time", 0, 0, i64::from(i32::MAX));
    let query = params.text("callback_query_id").to_owned();
    inner.queries.answer(now, &query, life)?;
    inner.answers.push(Answer { query, text, show_alert: params.flag("show_alert"), at: now });
    Ok(Value::Bool(true))
}

/// `sendChatAction`.
pub(super) fn action(inner: &mut Inner, now: Micros, params: &Params) -> Result<Value, Refusal> {
    let given = params.text("action").to_ascii_lowercase();
    let Some(action) = ACTIONS.iter().find(|action| **action == given) else {
        return Err(Refusal::bad("wrong parameter action in request"));
    };
    let chat = inner.chats.writable(params.text("chat_id"))?;
    inner.actions.push(Action { to: chat.to_string(), action, at: now });
    Ok(Value::Bool(true))
}

/// `setMyCommands`.
pub(super) fn commands(inner: &mut Inner, params: &mut Params) -> Result<Value, Refusal> {
    let given = match params.json("commands") {
        Some(Ok(Value::Array(given))) => given,
        None | Some(Ok(_)) => return Err(Refusal::bad("expected an Array of BotCommand")),
        Some(Err(_)) => return Err(Refusal::bad("Can't parse commands JSON object")),
    };
    if given.len() > 100 {
        return Err(Refusal::bad("BOT_COMMANDS_TOO_MUCH"));
    }
    for command in &given {
        let wrong = |text: &str| Refusal::bad(format!("Can't parse BotCommand: {text}"));
        let Value::Object(command) = command else { return Err(wrong("expected an Object")) };
        params.only(command, "BotCommand", &["command", "description"]);
        let text = |key: &str| {
            let text = command.get(key).and_then(Value::as_str);
            text.ok_or_else(|| wrong(&format!("Can't find field \"{key}\"")))
        };
        let name = text("command")?.trim_start_matches('/');
        let lawful = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if !(1..=32).contains(&name.len()) || !name.chars().all(lawful) {
            return Err(Refusal::bad("BOT_COMMAND_INVALID"));
        }
        if !(1..=256).contains(&text("description")?.chars().count()) {
            return Err(Refusal::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    let language = params.text("language_code").to_owned();
    if inner.commands.len() < 1_000 {
        inner.commands.insert(language, Value::Array(given));
    }
    Ok(Value::Bool(true))
}

/// `leaveChat`.
pub(super) fn leave(inner: &mut Inner, params: &Params) -> Result<Value, Refusal> {
    let chat = inner.chats.writable(params.text("chat_id"))?;
    if Sort::of(chat) == Sort::Private {
        return Err(Refusal::bad("chat member status can't be changed in private chats"));
    }
    inner.chats.chat(chat).left = true;
    Ok(Value::Bool(true))
}

fn message_id(params: &Params) -> Result<i64, Refusal> {
    let id = params.text("message_id").trim().parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| Refusal::bad("message identifier is not specified"))
}
