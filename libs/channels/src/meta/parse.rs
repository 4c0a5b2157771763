//! The webhook bodies of Meta's Cloud API: every entry, every change, every message and status of a batch.
//!
//! Source: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks (2026-06).

use std::collections::BTreeMap;

use domain::{
    Account, Contact, Content, Failure, FailureClass, Incoming, Micros, OrderItem, OutboxId, Receipt, ReceiptStatus,
    Tenant,
};
use serde_json::Value;

use super::{GROUP, NAME, NO_MARKETING, WINDOW_CLOSED};
use crate::{
    ParseError, Parsed,
    fields::{LINES_MAX, MAX_SENDER_BYTES, degrees, event, hashed, id, is_phone, items, label, unparsed},
    json::{self, clean, text},
};

/// Takes a body apart: a part that no rule reads does not touch the others. `numbers` are the accounts that share the
/// secret by which the body was believed, by their phone number id; `account` gets what names no number.
///
/// # Errors
/// [`ParseError`] when the body is not JSON or too deep.
pub(super) fn parse(
    tenant: &Tenant,
    account: &Account,
    numbers: &BTreeMap<String, Account>,
    body: &[u8],
    received_at: Micros,
) -> Result<Parsed, ParseError> {
    let body = json::read(body)?;
    let mut parsed = Parsed::default();
    let changes: Vec<&Value> = items(body.get("entry")).flat_map(|entry| items(entry.get("changes"))).collect();
    if changes.is_empty() {
        parsed.unknown.push(unparsed("no change in any entry", &body));
    }
    for change in changes {
        let Some(value) = change.get("value").filter(|value| value.is_object()) else {
            parsed.unknown.push(unparsed("a change without value", change));
            continue;
        };
        let field = text(change.get("field")).map_or_else(|| "messages".to_owned(), |field| label(&field));
        let account = match text(value.pointer("/metadata/phone_number_id")) {
            Some(number) => match numbers.get(&number) {
                Some(account) => account,
                None => {
                    parsed.unknown.push(unparsed("a number that no account has", change));
                    continue;
                }
            },
            None => account,
        };
        let from = Arrived { tenant, account, value, received_at };
        match field.as_str() {
            "messages" => messages(&from, change, &mut parsed),
            "user_preferences" => preferences(&from, change, &mut parsed),
            field => parsed.events.push(event(&kind_of_field(field, value), change)),
        }
    }
    Ok(parsed)
}

/// What the parts of one change share.
struct Arrived<'a> {
    tenant: &'a Tenant,
    account: &'a Account,
    value: &'a Value,
    received_at: Micros,
}

fn messages(from: &Arrived<'_>, change: &Value, parsed: &mut Parsed) {
    let before = parsed.count();
    for message in items(from.value.get("messages")) {
        match inbound(from, message) {
            Ok(incoming) => parsed.messages.push(incoming),
            Err(reason) => parsed.unknown.push(unparsed(reason, message)),
        }
    }
    for status in items(from.value.get("statuses")) {
        match receipt(from.account, status) {
            Ok(Some(receipt)) => parsed.receipts.push(receipt),
            Ok(None) => parsed.events.push(event("status", status)),
            Err(reason) => parsed.unknown.push(unparsed(reason, status)),
        }
    }
    for error in items(from.value.get("errors")) {
        parsed.events.push(event("error", error));
    }
    if parsed.count() == before {
        parsed.unknown.push(unparsed("a change without message and status", change));
    }
}

/// A person wants no more messages of a kind, or wants them again.
fn preferences(from: &Arrived<'_>, change: &Value, parsed: &mut Parsed) {
    let before = parsed.count();
    for preference in items(from.value.get("user_preferences")) {
        let kind = [text(preference.get("category")), text(preference.get("value"))];
        let notice = Content::Notice {
            kind: label(&kind.into_iter().flatten().collect::<Vec<_>>().join(".")),
            text: text(preference.get("detail")),
        };
        match incoming(from, preference, text(preference.get("wa_id"))) {
            Ok(incoming) => parsed.messages.push(Incoming { content: notice, ..incoming }),
            Err(reason) => parsed.unknown.push(unparsed(reason, preference)),
        }
    }
    if parsed.count() == before {
        parsed.unknown.push(unparsed("a change without preferences", change));
    }
}

/// `account_update.ACCOUNT_VIOLATION`, `calls.connect`, `group_status_update.group_suspend`.
fn kind_of_field(field: &str, value: &Value) -> String {
    let detail = text(value.get("event")).or_else(|| {
        ["calls", "groups"].iter().find_map(|key| {
            let first = items(value.get(*key)).next()?;
            text(first.get("event")).or_else(|| text(first.get("type")))
        })
    });
    detail.map_or_else(|| field.to_owned(), |detail| format!("{field}.{}", label(&detail)))
}

fn inbound(from: &Arrived<'_>, message: &Value) -> Result<Incoming, &'static str> {
    let incoming = incoming(from, message, text(message.get("from")))?;
    Ok(Incoming { content: content(message, true), ..incoming })
}

/// Who, where and when; nothing is said yet.
fn incoming(from: &Arrived<'_>, message: &Value, number: Option<String>) -> Result<Incoming, &'static str> {
    let contact = contact_of(from.value, message);
    let number = number.or_else(|| text(contact.get("wa_id"))).map(|number| number.trim().to_owned());
    // The number is the key as long as the platform gives it: whoever writes today with a number and tomorrow with a
    // business-scoped id as well stays the same person.
    let user = number
        .clone()
        .or_else(|| text(message.get("from_user_id")))
        .or_else(|| text(contact.get("user_id")))
        .ok_or("a message without sender")?;
    let group = text(message.get("group_id"));
    if [Some(&user), group.as_ref()].into_iter().flatten().any(|id| id.len() > MAX_SENDER_BYTES) {
        return Err("a sender too long to be one");
    }
    let written_at = seconds(message.get("timestamp"));
    Ok(Incoming {
        tenant: from.tenant.clone(),
        account: from.account.clone(),
        peer: group.map_or_else(|| user.clone(), |group| format!("{GROUP}{group}")),
        phone: number.filter(|number| is_phone(number)),
        user,
        provider: NAME.to_owned(),
        // Without an id a hash stands for it; without a time as well, two equal texts could not be told apart, and ours
        // goes into the hash: better answered twice than not at all.
        provider_message_id: id(message.get("id")).unwrap_or_else(|| match written_at {
            Some(_) => hashed(&message.to_string()),
            None => hashed(&format!("{}{message}", from.received_at.0)),
        }),
        written_at,
        contact_name: text(contact.pointer("/profile/name")).map(|name| label(&name)),
        // Of an edit, what the message quotes as it is now.
        quoted: id(message.pointer("/context/id")).or_else(|| id(message.pointer("/edit/message/context/id"))),
        content: Content::Unknown { kind: String::new() },
        traceparent: None,
    })
}

/// The sender's entry among the change's contacts; the only one, where none names them.
fn contact_of<'a>(value: &'a Value, message: &Value) -> &'a Value {
    let contacts = || items(value.get("contacts"));
    let names = |contact: &&Value| {
        [("wa_id", "from"), ("user_id", "from_user_id")].iter().any(|(theirs, ours)| {
            let (theirs, ours) = (text(contact.get(*theirs)), text(message.get(*ours)));
            theirs.is_some() && theirs == ours
        })
    };
    // One that names somebody else is not theirs.
    let other = |contact: &&Value| {
        [("wa_id", "from"), ("user_id", "from_user_id")].iter().any(|(theirs, ours)| {
            let (theirs, ours) = (text(contact.get(*theirs)), text(message.get(*ours)));
            theirs.is_some() && ours.is_some() && theirs != ours
        })
    };
    let only = || contacts().next().filter(|contact| contacts().count() == 1 && !other(contact));
    contacts().find(names).or_else(only).unwrap_or(&Value::Null)
}

/// What a message says. An edit holds a message; that one holds no edit.
fn content(message: &Value, may_edit: bool) -> Content {
    let kind = text(message.get("type")).map_or_else(|| "untyped".to_owned(), |kind| label(&kind));
    let part = message.get(&kind).unwrap_or(&Value::Null);
    let said = match kind.as_str() {
        "text" => match part.get("body") {
            Some(Value::String(words)) => Some(Content::Text { text: clean(words) }),
            _ => None,
        },
        "image" | "audio" | "voice" | "video" | "document" | "sticker" => media(&kind, part),
        "location" => location(part),
        "contacts" => contacts(message.get("contacts")),
        "interactive" => interactive(part),
        "button" => chosen(part.get("payload"), part.get("text")),
        "order" => order(part),
        "reaction" => id(part.get("message_id")).map(|of| Content::Reaction { of, emoji: text(part.get("emoji")) }),
        "revoke" => id(part.get("original_message_id")).map(|of| Content::Revoke { of }),
        "edit" if may_edit => id(part.get("original_message_id")).and_then(|of| {
            let content = Box::new(content(part.get("message")?, false));
            Some(Content::Edit { of, content })
        }),
        "system" => moved(message, part).or_else(|| {
            Some(Content::Notice {
                kind: text(part.get("type")).map_or_else(|| "system".to_owned(), |kind| label(&kind)),
                text: text(part.get("body")),
            })
        }),
        // `request_welcome`: somebody opened the chat for the first time and wrote nothing yet. `unknown` and `ephemeral` are
        // what older accounts get for `unsupported`.
        "unsupported" | "unknown" | "ephemeral" | "request_welcome" => Some(Content::Other { kind: kind.clone() }),
        _ => None,
    };
    said.unwrap_or(Content::Unknown { kind })
}

/// A person who has another number now. A group stays where it is.
fn moved(message: &Value, part: &Value) -> Option<Content> {
    let kind = text(part.get("type")).filter(|kind| kind.ends_with("_changed_number"))?;
    let to = text(part.get("wa_id")).or_else(|| text(part.get("new_wa_id")))?.trim().to_owned();
    let other = is_phone(&to) && text(message.get("from")).as_ref() != Some(&to);
    (other && message.get("group_id").is_none()).then(|| Content::Moved { kind: label(&kind), to })
}

/// The platform gives an id; its address is asked for when the file is.
fn media(kind: &str, part: &Value) -> Option<Content> {
    let voice = kind == "audio" && part.get("voice") == Some(&Value::Bool(true));
    part.is_object().then(|| Content::Media {
        media: if voice { "voice" } else { kind }.to_owned(),
        url: id(part.get("id")),
        caption: text(part.get("caption")),
    })
}

fn location(part: &Value) -> Option<Content> {
    Some(Content::Location {
        latitude: degrees(part.get("latitude"), 90.0)?,
        longitude: degrees(part.get("longitude"), 180.0)?,
        name: text(part.get("name")).or_else(|| text(part.get("address"))),
    })
}

fn contacts(list: Option<&Value>) -> Option<Content> {
    let contact = |contact: &Value| Contact {
        name: text(contact.pointer("/name/formatted_name"))
            .or_else(|| text(contact.pointer("/name/first_name")))
            .map(|name| label(&name))
            .unwrap_or_default(),
        phones: items(contact.get("phones")).filter_map(|phone| text(phone.get("phone"))).take(LINES_MAX).collect(),
    };
    let contacts: Vec<Contact> = items(list).map(contact).take(LINES_MAX).collect();
    (!contacts.is_empty()).then_some(Content::Contacts { contacts })
}

fn order(part: &Value) -> Option<Content> {
    let item = |item: &Value| {
        let quantity = item.get("quantity").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        Some(OrderItem { product: text(item.get("product_retailer_id"))?, quantity: quantity.unwrap_or(1) })
    };
    let items: Vec<OrderItem> = items(part.get("product_items")).filter_map(item).take(LINES_MAX).collect();
    (!items.is_empty()).then(|| Content::Order { items, text: text(part.get("text")) })
}

fn interactive(part: &Value) -> Option<Content> {
    let kind = text(part.get("type"))?;
    let reply = part.get(&kind)?;
    match kind.as_str() {
        "button_reply" | "list_reply" => chosen(reply.get("id"), reply.get("title")),
        "nfm_reply" => text(reply.get("response_json")).map(|fields| Content::Form { fields: json::written(fields) }),
        "call_permission_reply" => {
            Some(Content::Notice { kind: "call_permission".to_owned(), text: text(reply.get("response")) })
        }
        _ => None,
    }
}

/// A button or row of ours; one without our id is taken for the words on it.
fn chosen(id: Option<&Value>, title: Option<&Value>) -> Option<Content> {
    match (text(id), text(title)) {
        (Some(id), title) => Some(Content::Choice { title: title.unwrap_or_else(|| id.clone()), id }),
        (None, Some(title)) => Some(Content::Text { text: title }),
        (None, None) => None,
    }
}

/// None for a state that says nothing of the message's way: of a payment, which may have `failed` as well, `deleted`, and
/// what comes in future.
fn receipt(account: &Account, status: &Value) -> Result<Option<Receipt>, &'static str> {
    let provider_message_id = id(status.get("id")).ok_or("a status without message id")?;
    if text(status.get("type")).as_deref() == Some("payment") {
        return Ok(None);
    }
    let state = match text(status.get("status")).as_deref() {
        Some("sent") => ReceiptStatus::Sent,
        Some("delivered") => ReceiptStatus::Delivered,
        Some("read" | "played") => ReceiptStatus::Read,
        Some("failed") => ReceiptStatus::Failed,
        Some(_) => return Ok(None),
        None => return Err("a status without state"),
    };
    Ok(Some(Receipt {
        provider: NAME.to_owned(),
        account: account.clone(),
        provider_message_id,
        outbox_id: text(status.get("biz_opaque_callback_data")).and_then(|ours| ours.parse::<OutboxId>().ok()),
        status: state,
        at: seconds(status.get("timestamp")),
        failure: (state == ReceiptStatus::Failed).then(|| failure(items(status.get("errors")).next())),
    }))
}

/// The first error tells why; its details may quote a number.
fn failure(error: Option<&Value>) -> Failure {
    let error = error.unwrap_or(&Value::Null);
    let words = [text(error.get("code")), text(error.get("title")).map(|title| label(&title))];
    Failure {
        reason: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        class: match error.get("code").and_then(Value::as_i64) {
            Some(WINDOW_CLOSED) => FailureClass::WindowClosed,
            Some(NO_MARKETING) => FailureClass::NoMarketing,
            _ => FailureClass::Other,
        },
    }
}

/// Seconds since 1970, as text or number.
fn seconds(value: Option<&Value>) -> Option<Micros> {
    let seconds = text(value)?.parse::<i64>().ok().filter(|seconds| (0..=MAX_SECONDS).contains(seconds))?;
    Some(Micros(seconds * 1_000_000))
}

/// The year 9999.
const MAX_SECONDS: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Micros = Micros(1_700_000_000_000_000);

    fn read_bytes(body: &[u8]) -> Result<Parsed, ParseError> {
        let tenant = Tenant::new("default").expect("a name");
        let account: Account = "meta:main".parse().expect("an account");
        let numbers = [("100", "meta:main"), ("200", "meta:other")]
            .map(|(number, account)| (number.to_owned(), account.parse().expect("an account")));
        parse(&tenant, &account, &numbers.into(), body, NOW)
    }

    fn change(field: &str, value: Value) -> Value {
        json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": field, "value": value}]}]})
    }

    fn read(value: Value) -> Parsed {
        read_bytes(change("messages", value).to_string().as_bytes()).expect("readable")
    }

    fn said(message: Value) -> Incoming {
        let mut whole = json!({"from": "385910000001", "id": "wamid.1", "timestamp": "1697043473"});
        whole.as_object_mut().expect("an object").extend(message.as_object().expect("an object").clone());
        let contacts = json!([{"profile": {"name": "Ana"}, "wa_id": "385910000001", "user_id": "HR.1"}]);
        let mut parsed = read(json!({"contacts": contacts, "messages": [whole]}));
        assert_eq!(parsed.count(), 1, "{parsed:?}");
        parsed.messages.remove(0)
    }

    #[test]
    fn who_wrote_what_and_when() {
        let text = said(json!({"type": "text", "text": {"body": "Hello\u{0}"}, "context": {"id": "wamid.0"}}));
        assert_eq!(text.content, Content::Text { text: "Hello".to_owned() });
        assert_eq!((text.peer.as_str(), text.user.as_str()), ("385910000001", "385910000001"));
        assert_eq!((text.phone.as_deref(), text.contact_name.as_deref()), (Some("385910000001"), Some("Ana")));
        assert_eq!((text.provider_message_id.as_str(), text.quoted.as_deref()), ("wamid.1", Some("wamid.0")));
        assert_eq!(text.written_at, Some(Micros(1_697_043_473_000_000)));
    }

    #[test]
    fn a_sender_without_number_is_known_by_the_platforms_id() {
        let message = json!({"from_user_id": "HR.7", "id": "wamid.1", "type": "text", "text": {"body": "x"}});
        let contacts =
            json!([{"profile": {"name": "Ivo"}, "user_id": "HR.8"}, {"profile": {"name": "Ana"}, "user_id": "HR.7"}]);
        let parsed = read(json!({"contacts": contacts, "messages": [message]}));
        let text = &parsed.messages[0];
        assert_eq!((text.peer.as_str(), text.phone.as_deref()), ("HR.7", None));
        assert_eq!(text.contact_name.as_deref(), Some("Ana"), "of two contacts their own");
        let other = json!([{"profile": {"name": "Ivo"}, "user_id": "HR.8", "wa_id": "385910000008"}]);
        let message = json!({"from_user_id": "HR.7", "id": "wamid.1", "type": "text", "text": {"body": "x"}});
        let parsed = read(json!({"contacts": other, "messages": [message]}));
        assert_eq!((parsed.messages[0].peer.as_str(), parsed.messages[0].phone.as_deref()), ("HR.7", None));
        let nobody = read(json!({"messages": [{"id": "wamid.1", "type": "text", "text": {"body": "x"}}]}));
        assert_eq!((nobody.count(), nobody.unknown.len()), (1, 1));
    }

    #[test]
    fn a_group_is_the_chat_and_its_member_the_person() {
        let text = said(json!({"group_id": "g1", "type": "text", "text": {"body": "x"}}));
        assert_eq!((text.peer.as_str(), text.user.as_str()), ("group:g1", "385910000001"));
    }

    #[test]
    fn each_number_is_an_account_and_an_unknown_one_is_kept() {
        let of = |number: &str| {
            let message = json!({"from": "385910000001", "id": "wamid.1", "type": "text", "text": {"body": "x"}});
            read(json!({"metadata": {"phone_number_id": number}, "messages": [message]}))
        };
        assert_eq!(of("100").messages[0].account.to_string(), "meta:main");
        assert_eq!(of("200").messages[0].account.to_string(), "meta:other");
        let unknown = of("300");
        assert_eq!((unknown.count(), unknown.unknown.len()), (1, 1));
    }

    #[test]
    fn contents_are_told_apart() {
        let check =
            |message: Value, expected: Content| assert_eq!(said(message.clone()).content, expected, "{message}");
        let chosen = |id: &str, title: &str| Content::Choice { id: id.to_owned(), title: title.to_owned() };
        let reply =
            |kind: &str| json!({"type": "interactive", "interactive": {"type": kind, kind: {"id": "i", "title": "T"}}});
        check(reply("button_reply"), chosen("i", "T"));
        check(reply("list_reply"), chosen("i", "T"));
        check(json!({"type": "button", "button": {"payload": "p", "text": "T"}}), chosen("p", "T"));
        let media = |media: &str| Content::Media { media: media.to_owned(), url: Some("77".to_owned()), caption: None };
        check(json!({"type": "audio", "audio": {"id": "77", "voice": true}}), media("voice"));
        check(json!({"type": "audio", "audio": {"id": "77", "voice": false}}), media("audio"));
        let react = |emoji: Option<&str>| Content::Reaction { of: "w".to_owned(), emoji: emoji.map(str::to_owned) };
        check(json!({"type": "reaction", "reaction": {"message_id": "w", "emoji": "👍"}}), react(Some("👍")));
        check(json!({"type": "reaction", "reaction": {"message_id": "w"}}), react(None));
        check(
            json!({"type": "revoke", "revoke": {"original_message_id": "w"}}),
            Content::Revoke { of: "w".to_owned() },
        );
        let edit = |inner: Value| json!({"type": "edit", "edit": {"original_message_id": "w", "message": inner}});
        let content = Box::new(Content::Text { text: "new".to_owned() });
        check(edit(json!({"type": "text", "text": {"body": "new"}})), Content::Edit { of: "w".to_owned(), content });
        let content = Box::new(Content::Unknown { kind: "edit".to_owned() });
        check(
            edit(edit(json!({"type": "text", "text": {"body": "x"}}))),
            Content::Edit { of: "w".to_owned(), content },
        );
        check(json!({"type": "unsupported"}), Content::Other { kind: "unsupported".to_owned() });
        check(json!({"type": "hologram"}), Content::Unknown { kind: "hologram".to_owned() });
        check(json!({"type": "text"}), Content::Unknown { kind: "text".to_owned() });
    }

    #[test]
    fn statuses_are_receipts_and_prove_what_we_named() {
        let ours = OutboxId::new();
        let status = |state: &str| {
            json!({
                "id": "wamid.9", "status": state, "timestamp": "1697043473", "recipient_id": "385910000001",
                "biz_opaque_callback_data": ours,
            })
        };
        for (state, expected) in [
            ("sent", ReceiptStatus::Sent),
            ("delivered", ReceiptStatus::Delivered),
            ("read", ReceiptStatus::Read),
            ("played", ReceiptStatus::Read),
            ("failed", ReceiptStatus::Failed),
        ] {
            let parsed = read(json!({"statuses": [status(state)]}));
            let receipt = &parsed.receipts[0];
            assert_eq!((receipt.status, receipt.outbox_id), (expected, Some(ours)), "{state}");
        }
        let parsed = read(json!({"statuses": [status("deleted")]}));
        assert_eq!((parsed.receipts.len(), parsed.events.len()), (0, 1));
    }

    #[test]
    fn every_part_of_a_batch_is_read_and_a_bad_one_harms_no_other() {
        let text = |id: &str| json!({"from": "385910000001", "id": id, "type": "text", "text": {"body": "x"}});
        let of = |value: Value| json!({"field": "messages", "value": value});
        let calls = json!({"field": "calls", "value": {"calls": [{"event": "connect"}]}});
        let stop = json!({"wa_id": "385910000001", "category": "marketing_messages", "value": "stop", "timestamp": 1_690_000_000});
        let body = json!({"entry": [
            {"changes": [of(json!({"messages": [text("a"), 7, text("b")]})), calls, {"field": "messages"}]},
            {"changes": [of(json!({"messages": [text("c")], "statuses": [{"id": "d", "status": "read"}]}))]},
            {"changes": [{"field": "user_preferences", "value": {"user_preferences": [stop]}}]},
            "x",
        ]});
        let parsed = read_bytes(body.to_string().as_bytes()).expect("readable");
        let ids: Vec<&str> = parsed.messages.iter().map(|message| message.provider_message_id.as_str()).collect();
        assert_eq!(ids[..3], ["a", "b", "c"]);
        let told = Content::Notice { kind: "marketing_messages.stop".to_owned(), text: None };
        assert_eq!(parsed.messages[3].content, told);
        assert_eq!((parsed.receipts.len(), parsed.events.len(), parsed.unknown.len()), (1, 1, 2));
        assert_eq!(parsed.events[0].kind, "calls.connect");
    }

    #[test]
    fn a_failed_status_tells_why() {
        let failure = |errors: Value| {
            let status = json!({"id": "wamid.1", "status": "failed", "timestamp": "1697043473", "errors": errors});
            read(json!({ "statuses": [status] })).receipts[0].failure.clone().expect("it failed")
        };
        let late = failure(json!([{"code": 131_047, "title": "Re-engagement message", "message": "to 385910000001"}]));
        assert_eq!((late.reason.as_str(), late.class), ("131047 Re-engagement message", FailureClass::WindowClosed));
        let other = failure(json!([{"code": 131_026, "title": "Message undeliverable"}]));
        assert_eq!((other.reason.as_str(), other.class), ("131026 Message undeliverable", FailureClass::Other));
        let stopped = failure(json!([{"code": 131_050, "title": "Unable to deliver"}]));
        assert_eq!(stopped.class, FailureClass::NoMarketing);
        assert_eq!(failure(json!(null)), Failure::default());
        let sent = read(json!({"statuses": [{"id": "wamid.1", "status": "sent", "timestamp": "1697043473"}]}));
        assert_eq!(sent.receipts[0].failure, None);
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reader(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_bytes(&body);
        }
    }
}
