//! Reply markup: its shape, and what the server behind the API refuses of it.

use serde_json::{Map, Value};

use super::{params::Params, refusal::Refusal};
use crate::phone::{Button, Kind};

/// Buttons of an inline keyboard at most, and in one row.
const MOST_BUTTONS: usize = 100;
const MOST_IN_ROW: usize = 8;
/// Bytes of `callback_data`.
const MOST_DATA_BYTES: usize = 64;

/// What a button may do; exactly one of them.
const ACTIONS: &[&str] = &[
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
];

const MARKUP: &[&str] = &[
    "inline_keyboard",
    "keyboard",
    "is_persistent",
    "resize_keyboard",
    "one_time_keyboard",
    "input_field_placeholder",
    "selective",
    "remove_keyboard",
    "force_reply",
];

/// Markup of a lawful shape.
pub(super) enum Markup {
    /// Rows of buttons under the message.
    Inline(Vec<Vec<Map<String, Value>>>),
    /// A keyboard in place of the person's, or its removal; the message does not show it.
    Other,
}

/// Reads `reply_markup`; an inline keyboard without buttons is none.
pub(super) fn parse(params: &mut Params) -> Result<Option<Markup>, Refusal> {
    let Some(given) = params.json("reply_markup") else { return Ok(None) };
    let given = given.map_err(|_| Refusal::bad("Can't parse reply keyboard markup JSON object"))?;
    let Value::Object(given) = given else { return Err(Refusal::bad("Object expected as reply markup")) };
    params.only(&given, "reply_markup", MARKUP);
    let array = |key: &str| match given.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(rows)) => Ok(Some(rows)),
        Some(_) => Err(Refusal::bad(format!("Field \"{key}\" must be of type Array"))),
    };
    if array("keyboard")?.is_some_and(|rows| !rows.is_empty()) {
        return Ok(Some(Markup::Other));
    }
    let mut rows = Vec::new();
    for row in array("inline_keyboard")?.into_iter().flatten() {
        let Value::Array(row) = row else {
            let text = "Field \"inline_keyboard\" of the InlineKeyboardMarkup must be an Array of Arrays";
            return Err(Refusal::bad(text));
        };
        let row: Result<Vec<_>, _> = row.iter().map(|one| button(params, one)).collect();
        rows.push(row.map_err(|wrong| Refusal::bad(format!("Can't parse inline keyboard button: {wrong}")))?);
    }
    rows.retain(|row| !row.is_empty());
    let flag = |key: &str| given.get(key).and_then(Value::as_bool) == Some(true);
    Ok(match rows.is_empty() {
        false => Some(Markup::Inline(rows)),
        true => (flag("remove_keyboard") || flag("force_reply")).then_some(Markup::Other),
    })
}

fn button(params: &mut Params, given: &Value) -> Result<Map<String, Value>, String> {
    let Value::Object(button) = given else { return Err("InlineKeyboardButton must be an Object".to_owned()) };
    match button.get("text") {
        None => return Err("Can't find field \"text\"".to_owned()),
        Some(Value::String(_)) => {}
        Some(_) => return Err("Field \"text\" must be of type String".to_owned()),
    }
    for key in ["url", "callback_data", "switch_inline_query", "switch_inline_query_current_chat"] {
        if button.get(key).is_some_and(|value| !value.is_string()) {
            return Err(format!("Field \"{key}\" must be of type String"));
        }
    }
    let is_empty = |key: &str| button.get(key).and_then(Value::as_str) == Some("");
    let mut actions = ACTIONS.iter().filter(|key| button.contains_key(**key));
    match (actions.next(), actions.next()) {
        (None, _) => return Err("Text buttons are unallowed in the inline keyboard".to_owned()),
        (Some(&("url" | "callback_data")), None) if is_empty("url") || is_empty("callback_data") => {
            return Err("Text buttons are unallowed in the inline keyboard".to_owned());
        }
        // The real server takes the first it knows in silence; the documentation says exactly one.
        (Some(_), Some(_)) => return Err("exactly one action must be specified".to_owned()),
        (Some(_), None) => {}
    }
    let own: Map<String, Value> =
        button.clone().into_iter().filter(|(key, _)| !ACTIONS.contains(&key.as_str())).collect();
    params.only(&own, "InlineKeyboardButton", &["text", "icon_custom_emoji_id", "style"]);
    Ok(button.clone())
}

impl Markup {
    /// What is refused once the chat is known.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let Self::Inline(rows) = self else { return Ok(()) };
        if rows.iter().map(Vec::len).sum::<usize>() > MOST_BUTTONS || rows.iter().any(|row| row.len() > MOST_IN_ROW) {
            return Err(Refusal::bad("reply markup is too long"));
        }
        for button in rows.iter().flatten() {
            let text = |key: &str| button.get(key).and_then(Value::as_str);
            if text("text").is_none_or(|text| text.trim().is_empty()) {
                return Err(Refusal::bad("Inline keyboard button text must be non-empty"));
            }
            if text("callback_data").is_some_and(|data| data.len() > MOST_DATA_BYTES) {
                return Err(Refusal::bad("BUTTON_DATA_INVALID"));
            }
            if text("url").is_some_and(|url| url::Url::parse(url).is_err() && !url.contains('.')) {
                let url = text("url").unwrap_or_default();
                return Err(Refusal::bad(format!("Inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")));
            }
            let copied = button.get("copy_text").map(|copy| copy["text"].as_str().unwrap_or_default().chars().count());
            if copied.is_some_and(|length| !(1..=256).contains(&length)) {
                return Err(Refusal::bad("BUTTON_COPY_TEXT_INVALID"));
            }
        }
        Ok(())
    }

    /// `reply_markup` as the message shows it.
    pub(super) fn shown(&self) -> Option<Value> {
        match self {
            Self::Inline(rows) => Some(serde_json::json!({ "inline_keyboard": rows })),
            Self::Other => None,
        }
    }
}

/// `callback_data` of every button of a message's keyboard, with its title.
pub(super) fn choices(message: &Value) -> Vec<Button> {
    let rows = message.pointer("/reply_markup/inline_keyboard").and_then(Value::as_array);
    let buttons = rows.into_iter().flatten().filter_map(Value::as_array).flatten();
    let text = |button: &Value, key: &str| button.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    // A button that opens an address or the like has no id: it can be seen and not be pressed here.
    buttons.map(|button| Button { id: text(button, "callback_data"), title: text(button, "text") }).collect()
}

/// What a message of the bot is on the phone.
pub(super) fn kind(message: &Value, otherwise: Kind) -> Kind {
    match choices(message) {
        buttons if buttons.is_empty() => otherwise,
        buttons => Kind::Buttons { buttons },
    }
}
