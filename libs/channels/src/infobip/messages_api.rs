//! WhatsApp messages in the form of Infobip's Messages API.

use domain::{Account, Content, Incoming, Micros, Tenant};
use serde_json::Value;

use super::{
    content::{choice, content},
    parse::inbound,
};
use crate::{
    fields::{LINES_MAX, hashed, label},
    json::text,
};

/// What a WhatsApp number gets in the form of the Messages API: the event's name, and what was said. Reports of that form
/// (`DELIVERY`, `SEEN`) are read as all others are.
///
/// Source: the models of Infobip's own clients (`MessagesApiWebhookEvent`).
pub fn event(result: &Value) -> Option<(String, &[Value])> {
    let event = text(result.get("event"))?;
    let is_whatsapp = text(result.get("channel")).is_some_and(|channel| channel.eq_ignore_ascii_case("WHATSAPP"));
    let is_report = result.get("status").is_some() || result.get("seenAt").is_some();
    let contents = result.get("content").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    (is_whatsapp && !is_report).then_some((label(&event), contents))
}

/// A message for each thing that was said; none where the event is no message.
pub fn messages(
    tenant: &Tenant,
    account: &Account,
    result: &Value,
    received_at: Micros,
    (event, contents): (&str, &[Value]),
) -> Result<Option<Vec<Incoming>>, String> {
    if event != "MO" {
        return Ok(None);
    }
    if contents.is_empty() {
        return Err("a message without content".to_owned());
    }
    let whole = inbound(tenant, account, result, received_at)?;
    let message = |(n, item): (usize, &Value)| Incoming {
        provider_message_id: match n {
            0 => whole.provider_message_id.clone(),
            n => hashed(&format!("{}/{n}", whole.provider_message_id)),
        },
        content: match (text(item.get("type")).as_deref(), &whole.quoted) {
            (Some("REACTION"), Some(of)) => {
                let removed = text(item.get("action")).is_some_and(|action| action.eq_ignore_ascii_case("REMOVED"));
                Content::Reaction { of: of.clone(), emoji: text(item.get("emoji")).filter(|_| !removed) }
            }
            _ => content_of_messages_api(item),
        },
        ..whole.clone()
    };
    Ok(Some(contents.iter().take(LINES_MAX).enumerate().map(message).collect()))
}

/// The kinds that have another name or other fields there.
fn content_of_messages_api(item: &Value) -> Content {
    let kind = text(item.get("type")).unwrap_or_default().to_ascii_uppercase();
    match kind.as_str() {
        "BUTTON_REPLY" => choice(item, "payload").unwrap_or(Content::Unknown { kind }),
        "LIST_REPLY" => choice(item, "id").unwrap_or(Content::Unknown { kind }),
        "IMAGE" | "DOCUMENT" | "AUDIO" | "VOICE" | "VIDEO" | "STICKER" => Content::Media {
            media: kind.to_ascii_lowercase(),
            url: text(item.get("url")),
            caption: text(item.get("caption")).or_else(|| text(item.get("text"))),
        },
        _ => content(item),
    }
}
