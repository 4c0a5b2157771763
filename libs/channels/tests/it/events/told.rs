//! What was read, in the words of the tables.

use channels::Parsed;
use domain::{Content, Incoming, Micros, Receipt};
use serde_json::{Map, Value, json};

/// All that an event may say.
pub const FIELDS: [&str; 25] = [
    "event",
    "account",
    "sender",
    "chat",
    "id",
    "at",
    "name",
    "phone",
    "quoted",
    "text",
    "choice",
    "media",
    "latitude",
    "longitude",
    "place",
    "people",
    "items",
    "fields",
    "of",
    "now",
    "emoji",
    "kind",
    "to",
    "status",
    "ours",
];

/// In the order of the tables: what people said, reports, what is told of the account, what nobody could read.
pub fn events(parsed: &Parsed) -> Vec<Map<String, Value>> {
    let messages = parsed.messages.iter().map(message);
    let receipts = parsed.receipts.iter().map(receipt);
    let events = parsed.events.iter().map(|event| json!({"event": "account", "kind": event.kind}));
    let unknown = parsed.unknown.iter().map(|part| json!({"event": "unparsed", "reason": part.reason}));
    let all = messages.chain(receipts).chain(events).chain(unknown);
    all.map(|event| event.as_object().expect("an object").clone()).collect()
}

fn message(incoming: &Incoming) -> Value {
    let mut event = said(&incoming.content);
    let frame = json!({
        "account": incoming.account.to_string(), "sender": incoming.user, "chat": incoming.peer.strip_prefix("group:").unwrap_or(&incoming.peer),
        "id": bare(&incoming.provider_message_id), "at": incoming.written_at.map(seconds), "name": incoming.contact_name,
        "phone": incoming.phone, "quoted": incoming.quoted.as_deref().map(bare),
    });
    let frame = frame.as_object().expect("an object").clone();
    event.as_object_mut().expect("an object").extend(frame);
    event
}

/// Without the bot that stands before Telegram's ids.
fn bare(id: &str) -> &str {
    id.strip_prefix(super::BOT).and_then(|id| id.strip_prefix(':')).unwrap_or(id)
}

fn said(content: &Content) -> Value {
    match content {
        Content::Text { text } => json!({"event": "text", "text": text}),
        Content::Choice { id, title } => json!({"event": "choice", "choice": id, "text": title}),
        Content::Media { media, url, caption } => json!({"event": media, "media": url, "text": caption}),
        Content::Location { latitude, longitude, name } => {
            json!({"event": "location", "latitude": latitude, "longitude": longitude, "place": name})
        }
        Content::Contacts { contacts } => {
            let people = contacts.iter().map(|contact| [vec![contact.name.clone()], contact.phones.clone()].concat());
            json!({"event": "contacts", "people": people.collect::<Vec<_>>()})
        }
        Content::Order { items, text } => {
            let items: Vec<Value> = items.iter().map(|item| json!([item.product, item.quantity])).collect();
            json!({"event": "order", "items": items, "text": text})
        }
        Content::Form { fields } => {
            let read = serde_json::from_str(fields).unwrap_or_else(|_| json!({"no JSON": fields}));
            json!({"event": "form", "fields": read})
        }
        Content::Edit { of, content } => {
            let mut event = said(content);
            let now = event["event"].take();
            event["event"] = json!("edit");
            event["now"] = now;
            event["of"] = json!(bare(of));
            event
        }
        Content::Reaction { of, emoji } => json!({"event": "reaction", "of": bare(of), "emoji": emoji}),
        Content::Revoke { of } => json!({"event": "revoke", "of": of}),
        Content::Notice { kind, text } => json!({"event": "notice", "kind": kind, "text": text}),
        Content::Moved { kind, to } => json!({"event": "moved", "kind": kind, "to": to}),
        Content::Other { kind } => json!({"event": "other", "kind": kind}),
        Content::Unknown { kind } => json!({"event": "unknown", "kind": kind}),
        Content::Alarm { .. } | Content::Notification { .. } => unreachable!("no platform sends what is ours"),
    }
}

fn receipt(receipt: &Receipt) -> Value {
    json!({
        "event": "status", "account": receipt.account.to_string(), "id": receipt.provider_message_id,
        "status": receipt.status.as_str(), "ours": receipt.outbox_id, "at": receipt.at.map(seconds),
    })
}

/// The tables name whole seconds.
fn seconds(at: Micros) -> i64 {
    at.0.div_euclid(1_000_000)
}
