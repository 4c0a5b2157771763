//! Infobip's webhook bodies: inbound messages, delivery reports and seen reports, mixed in one batch.

use domain::{Account, Content, Failure, FailureClass, Incoming, Micros, OutboxId, Receipt, ReceiptStatus, Tenant};
use serde_json::Value;

use super::{NAME, content::content, messages_api};
use crate::{
    ParseError, Parsed,
    fields::{MAX_ID_BYTES, MAX_SENDER_BYTES, event, hashed, is_phone, label, unparsed},
    json::{self, text},
};

/// Takes a body apart, result by result: one that no rule reads does not touch the others.
///
/// # Errors
/// [`ParseError`] when the body is not JSON or too deep.
pub fn parse(tenant: &Tenant, account: &Account, body: &[u8], received_at: Micros) -> Result<Parsed, ParseError> {
    let body = json::read(body)?;
    let mut parsed = Parsed::default();
    let Some(results) = body.get("results").and_then(Value::as_array) else {
        match notice(tenant, account, &body) {
            Some(Told::Person(message)) => parsed.messages.push(*message),
            Some(Told::Account(kind)) => parsed.events.push(event(&kind, &body)),
            None => parsed.unknown.push(unparsed("no array `results`", &body)),
        }
        return Ok(parsed);
    };
    for result in results {
        if let Some((name, contents)) = messages_api::event(result) {
            match messages_api::messages(tenant, account, result, received_at, (&name, contents)) {
                Ok(Some(messages)) => parsed.messages.extend(messages),
                Ok(None) => parsed.events.push(event(&format!("event.{name}"), result)),
                Err(reason) => parsed.unknown.push(unparsed(&reason, result)),
            }
            continue;
        }
        match one(tenant, account, result, received_at) {
            Ok(Item::Message(message)) => parsed.messages.push(*message),
            Ok(Item::Receipt(receipt)) => parsed.receipts.push(receipt),
            Ok(Item::Event(kind)) => parsed.events.push(event(&kind, result)),
            Err(reason) => parsed.unknown.push(unparsed(&reason, result)),
        }
    }
    Ok(parsed)
}

enum Item {
    Message(Box<Incoming>),
    Receipt(Receipt),
    Event(String),
}

/// What a body that is no batch tells.
enum Told {
    /// Of a person: they want no more of a kind of message, their identity changed, they paid.
    Person(Box<Incoming>),
    /// Of the account: the kind.
    Account(String),
}

/// A notification or an event of a template, each a body of its own.
fn notice(tenant: &Tenant, account: &Account, body: &Value) -> Option<Told> {
    if body.get("messageTemplateId").is_some() {
        let change = body.get("change").unwrap_or(&Value::Null);
        let words = [text(change.get("type")), text(change.get("newStatus"))];
        return Some(Told::Account(words.into_iter().flatten().collect::<Vec<_>>().join(".")));
    }
    let content = body.get("content").filter(|content| content.is_object())?;
    let status = text(content.get("notificationMessagesStatus"));
    let kind = match (status, text(content.get("type")), text(content.get("paymentStatus"))) {
        (Some(status), ..) => format!("notifications.{status}"),
        (None, Some(kind), Some(status)) => format!("{kind}.{status}"),
        (None, Some(kind), None) => kind,
        (None, None, _) => return None,
    };
    let user = [content.get("from"), content.get("userNumber")].into_iter().find_map(text);
    let Some(user) = user.map(|user| without_plus(user.trim())).filter(|user| user.len() <= MAX_SENDER_BYTES) else {
        return Some(Told::Account(kind));
    };
    Some(Told::Person(Box::new(Incoming {
        tenant: tenant.clone(),
        account: account.clone(),
        peer: user.clone(),
        phone: Some(user.clone()).filter(|user| is_phone(user)),
        user,
        provider: NAME.to_owned(),
        provider_message_id: hashed(&body.to_string()),
        written_at: time(body.get("createdAt")),
        contact_name: None,
        quoted: None,
        content: Content::Notice { kind: label(&kind), text: text(content.get("description")) },
        traceparent: None,
    })))
}

fn one(tenant: &Tenant, account: &Account, result: &Value, received_at: Micros) -> Result<Item, String> {
    if !result.is_object() {
        return Err("a result that is no object".to_owned());
    }
    for key in ["integrationType", "channel"] {
        if let Some(channel) = text(result.get(key)).filter(|channel| !channel.eq_ignore_ascii_case("WHATSAPP")) {
            return Ok(Item::Event(format!("channel.{channel}")));
        }
    }
    if result.get("message").is_some_and(Value::is_object) {
        inbound(tenant, account, result, received_at).map(|incoming| Item::Message(Box::new(incoming)))
    } else if result.get("status").is_some_and(Value::is_object) {
        delivery(account, result).map(Item::Receipt)
    } else if text(result.get("seenAt")).is_some() || result.get("seen") == Some(&Value::Bool(true)) {
        receipt(account, result, ReceiptStatus::Read, "seenAt").map(Item::Receipt)
    } else if let Some(event) = text(result.pointer("/event/type")) {
        Ok(Item::Event(format!("event.{event}")))
    } else if result.get("message").is_some_and(Value::is_array) {
        Ok(Item::Event("channel.MMS".to_owned()))
    } else if result.get("text").is_some() && result.get("to").is_some() {
        Ok(Item::Event("channel.SMS".to_owned()))
    } else {
        Err("neither a message nor a report".to_owned())
    }
}

/// A message and who wrote it.
pub fn inbound(tenant: &Tenant, account: &Account, result: &Value, received_at: Micros) -> Result<Incoming, String> {
    let contact = result.get("contact").unwrap_or(&Value::Null);
    let user = [
        result.get("from"),
        result.get("sender"),
        result.get("phoneNumber"),
        result.get("phone"),
        contact.get("phone"),
        contact.get("phoneNumber"),
    ]
    .into_iter()
    .find_map(text)
    .map(|sender| without_plus(sender.trim()))
    .ok_or("a message without sender")?;
    if user.len() > MAX_SENDER_BYTES {
        return Err("a sender too long to be one".to_owned());
    }
    let message = &result["message"];
    let quoted = text(message.get("context").and_then(|context| context.get("id")))
        .or_else(|| text(result.get("pairedMessageId")));
    Ok(Incoming {
        tenant: tenant.clone(),
        account: account.clone(),
        peer: user.clone(),
        phone: [Some(user.clone()), text(contact.get("phoneNumber")).map(|phone| without_plus(&phone))]
            .into_iter()
            .flatten()
            .find(|phone| is_phone(phone)),
        user,
        provider: NAME.to_owned(),
        provider_message_id: message_id(result, received_at),
        written_at: time(result.get("receivedAt")),
        contact_name: text(contact.get("name")).or_else(|| text(contact.get("profileName"))).map(|name| label(&name)),
        quoted: quoted.filter(|id| id.len() <= MAX_ID_BYTES),
        content: content(message),
        traceparent: None,
    })
}

fn delivery(account: &Account, result: &Value) -> Result<Receipt, String> {
    let status = &result["status"];
    let name = text(status.get("groupName")).unwrap_or_default().to_ascii_uppercase();
    let status = match (status.get("groupId").and_then(Value::as_i64), name.as_str()) {
        (Some(0), _) | (None, "ACCEPTED") => ReceiptStatus::Accepted,
        (Some(1), _) | (None, "PENDING") => ReceiptStatus::Sent,
        (Some(3), _) | (None, "DELIVERED") => ReceiptStatus::Delivered,
        (Some(2 | 4 | 5), _) | (None, "UNDELIVERABLE" | "EXPIRED" | "REJECTED") => ReceiptStatus::Failed,
        _ => return Err("a report with an unknown status".to_owned()),
    };
    receipt(account, result, status, "doneAt")
}

/// We give our outbox id as message id, so a report that names one proves that the message was taken.
fn receipt(account: &Account, result: &Value, status: ReceiptStatus, time_key: &str) -> Result<Receipt, String> {
    let id =
        text(result.get("messageId")).filter(|id| id.len() <= MAX_ID_BYTES).ok_or("a report without message id")?;
    Ok(Receipt {
        provider: NAME.to_owned(),
        account: account.clone(),
        outbox_id: id.parse::<OutboxId>().ok(),
        provider_message_id: id,
        status,
        at: time(result.get(time_key)),
        failure: (status == ReceiptStatus::Failed).then(|| failure(result)),
    })
}

/// The error tells why; where there is none, the status does.
fn failure(result: &Value) -> Failure {
    let named = |value: &Value| value.is_object() && value.get("id").and_then(Value::as_i64) != Some(0);
    let why = [&result["error"], &result["status"]].into_iter().find(|value| named(value)).unwrap_or(&Value::Null);
    let words = [text(why.get("id")), text(why.get("name")).map(|name| label(&name))];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let said = format!("{} {}", words.join(" "), text(why.get("description")).unwrap_or_default());
    let late = super::window_closed(&said);
    Failure { reason: words.join(" "), class: if late { FailureClass::WindowClosed } else { FailureClass::Other } }
}

/// The platform's id of the message. Without one, a hash of the result stands for it, so that a repeat is
/// known; without a time as well, two equal texts could not be told apart, and ours goes into the hash:
/// better answered twice than not at all.
fn message_id(result: &Value, received_at: Micros) -> String {
    match text(result.get("messageId")) {
        Some(id) if id.len() <= MAX_ID_BYTES => id,
        Some(id) => hashed(&id),
        None if time(result.get("receivedAt")).is_some() => hashed(&result.to_string()),
        None => hashed(&format!("{}{result}", received_at.0)),
    }
}

/// `2019-07-19T11:21:27.861+0000` and its relatives.
fn time(value: Option<&Value>) -> Option<Micros> {
    text(value)?.parse::<jiff::Timestamp>().ok().map(|at| Micros(at.as_microsecond()))
}

fn without_plus(sender: &str) -> String {
    match sender.strip_prefix('+') {
        Some(digits) if is_phone(digits) => digits.to_owned(),
        _ => sender.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Contact, OrderItem};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Micros = Micros(1_700_000_000_000_000);

    fn parse_bytes(body: &[u8]) -> Result<Parsed, ParseError> {
        let tenant = Tenant::new("default").expect("a name");
        parse(&tenant, &"infobip:main".parse().expect("an account"), body, NOW)
    }

    fn parse_results(results: Value) -> Parsed {
        parse_bytes(json!({ "results": results, "messageCount": 1 }).to_string().as_bytes()).expect("readable")
    }

    fn check(message: Value, expected: Content) {
        let body = json!([{
            "from": "385910000001", "to": "385990000000", "integrationType": "WHATSAPP",
            "receivedAt": "2019-07-19T11:21:27.861+0000", "messageId": "m1", "pairedMessageId": null,
            "message": message, "contact": {"name": "Ana"}, "price": null,
        }]);
        let parsed = parse_results(body);
        assert_eq!(parsed.messages.len(), 1, "{parsed:?}");
        assert_eq!(parsed.messages[0].content, expected);
        assert!(parsed.unknown.is_empty() && parsed.receipts.is_empty());
    }

    #[test]
    fn every_type_becomes_its_content() {
        let said = |text: &str| Content::Text { text: text.to_owned() };
        let chosen = |id: &str, title: &str| Content::Choice { id: id.to_owned(), title: title.to_owned() };
        let unknown = |kind: &str| Content::Unknown { kind: kind.to_owned() };
        check(json!({"type": "TEXT", "text": "Hello\u{0} there"}), said("Hello there"));
        check(json!({"type": "TEXT", "text": ""}), said(""));
        check(json!({"type": "TEXT"}), unknown("TEXT"));
        check(json!({"type": "INTERACTIVE_BUTTON_REPLY", "id": "yes-1", "title": "Yes"}), chosen("yes-1", "Yes"));
        check(
            json!({"type": "INTERACTIVE_LIST_REPLY", "id": "r2", "title": "Two", "description": "x"}),
            chosen("r2", "Two"),
        );
        check(json!({"type": "INTERACTIVE_BUTTON_REPLY", "title": "Yes"}), said("Yes"));
        check(json!({"type": "INTERACTIVE_LIST_REPLY"}), unknown("INTERACTIVE_LIST_REPLY"));
        check(json!({"type": "BUTTON", "text": "Stop", "payload": "stop"}), chosen("stop", "Stop"));
        for media in ["IMAGE", "DOCUMENT", "AUDIO", "VOICE", "VIDEO", "STICKER"] {
            check(
                json!({"type": media, "url": "https://media.example/1", "caption": ""}),
                Content::Media {
                    media: media.to_lowercase(),
                    url: Some("https://media.example/1".into()),
                    caption: None,
                },
            );
        }
        check(
            json!({"type": "LOCATION", "latitude": 45.8, "longitude": 15.9, "name": "Zagreb"}),
            Content::Location { latitude: 45.8, longitude: 15.9, name: Some("Zagreb".into()) },
        );
        check(json!({"type": "LOCATION", "latitude": 91, "longitude": 0}), unknown("LOCATION"));
        for kind in ["CONTACT", "INTERACTIVE_FLOW_REPLY", "ORDER", "REACTION", "HOLOGRAM"] {
            check(json!({"type": kind, "anything": [1]}), unknown(kind));
        }
        for kind in ["INFECTED_CONTENT", "UNSUPPORTED"] {
            check(json!({"type": kind}), Content::Other { kind: kind.to_owned() });
        }
        check(
            json!({"type": "INTERACTIVE_FLOW_REPLY", "text": "f1", "response": {"colour": "red"}}),
            Content::Form { fields: r#"{"colour":"red"}"#.to_owned() },
        );
        let reacted = |emoji: Option<&str>| Content::Reaction { of: "m0".into(), emoji: emoji.map(str::to_owned) };
        let context = json!({"id": "m0"});
        check(json!({"type": "REACTION", "emoji": "👍", "action": "ADDED", "context": context}), reacted(Some("👍")));
        check(json!({"type": "REACTION", "emoji": "👍", "action": "REMOVED", "context": context}), reacted(None));
        check(
            json!({"type": "CONTACT", "contacts": [
                {"name": {"firstName": "Ivo", "formattedName": "Ivo Ban"}, "phones": [{"phone": "+385 91", "type": "CELL"}]},
            ]}),
            Content::Contacts { contacts: vec![Contact { name: "Ivo Ban".into(), phones: vec!["+385 91".into()] }] },
        );
        check(
            json!({"type": "ORDER", "catalogId": "c", "productItems": [{"productRetailerId": "p1", "quantity": 2}]}),
            Content::Order { items: vec![OrderItem { product: "p1".into(), quantity: 2 }], text: None },
        );
        check(json!({}), unknown("untyped"));
    }

    #[test]
    fn attributes_are_taken_over() {
        let parsed = parse_results(json!([{
            "from": "+385910000001", "receivedAt": "2025-02-21T20:44:23.000+0100", "messageId": "wamid.1",
            "pairedMessageId": "p1", "contact": {"name": "An\u{7}a"},
            "message": {"type": "TEXT", "text": "x", "context": {"id": "quoted-1"}},
        }]));
        let message = &parsed.messages[0];
        assert_eq!((message.peer.as_str(), message.user.as_str()), ("385910000001", "385910000001"));
        assert_eq!(message.phone.as_deref(), Some("385910000001"));
        assert_eq!(message.provider_message_id, "wamid.1");
        assert_eq!(message.quoted.as_deref(), Some("quoted-1"));
        assert_eq!(message.contact_name.as_deref(), Some("Ana"));
        assert_eq!(message.written_at, Some(Micros(1_740_167_063_000_000)));
    }

    #[test]
    fn the_sender_is_found_in_its_alternative_places() {
        for sender in [
            json!({"from": "385910000001"}),
            json!({"from": null, "sender": "385910000001"}),
            json!({"phoneNumber": 385_910_000_001_i64}),
            json!({"phone": "+385910000001"}),
            json!({"contact": {"phone": "385910000001"}}),
        ] {
            let mut result = sender.clone();
            result["message"] = json!({"type": "TEXT", "text": "x"});
            let parsed = parse_results(json!([result]));
            assert_eq!(parsed.messages.first().map(|m| m.peer.as_str()), Some("385910000001"), "{sender}");
        }
        let nobody = parse_results(json!([{"messageId": "m", "message": {"type": "TEXT", "text": "x"}}]));
        assert_eq!((nobody.messages.len(), nobody.unknown.len()), (0, 1));
    }

    #[test]
    fn reports_become_receipts() {
        let id = OutboxId::new();
        for (report, status, outbox_id) in [
            (
                json!({"messageId": id, "status": {"groupId": 3}, "doneAt": "2019-04-09T16:01:56.494-0300"}),
                ReceiptStatus::Delivered,
                Some(id),
            ),
            (json!({"messageId": "m-1", "status": {"groupName": "UNDELIVERABLE"}}), ReceiptStatus::Failed, None),
            (json!({"messageId": "m-1", "status": {"groupId": 0}}), ReceiptStatus::Accepted, None),
            (json!({"messageId": "m-1", "status": {"groupId": 1}}), ReceiptStatus::Sent, None),
            (json!({"messageId": "m-1", "status": {"groupId": 4}}), ReceiptStatus::Failed, None),
            (json!({"messageId": "m-1", "status": {"groupId": 5}}), ReceiptStatus::Failed, None),
            (
                json!({"messageId": "m-1", "seenAt": "2019-04-09T16:01:56.494+0000", "from": "1", "to": "2"}),
                ReceiptStatus::Read,
                None,
            ),
            (json!({"messageId": "m-1", "seen": true}), ReceiptStatus::Read, None),
        ] {
            let parsed = parse_results(json!([report]));
            assert_eq!(parsed.receipts.len(), 1, "{report}");
            assert_eq!((parsed.receipts[0].status, parsed.receipts[0].outbox_id), (status, outbox_id), "{report}");
            assert_eq!(parsed.receipts[0].failure.is_some(), status == ReceiptStatus::Failed, "{report}");
        }
    }

    #[test]
    fn a_failed_report_tells_why() {
        for (error, reason, class) in [
            (
                json!({"groupId": 1, "id": 7005, "name": "EC_INVALID_DESTINATION_ADDRESS", "description": "No +385 91"}),
                "7005 EC_INVALID_DESTINATION_ADDRESS",
                FailureClass::Other,
            ),
            (
                json!({"id": 7065, "name": "EC_REENGAGEMENT", "description": "More than 24 hours have passed"}),
                "7065 EC_REENGAGEMENT",
                FailureClass::WindowClosed,
            ),
            (json!({"id": 0, "name": "NO_ERROR"}), "9 UNDELIVERABLE_NOT_DELIVERED", FailureClass::Other),
            (json!(null), "9 UNDELIVERABLE_NOT_DELIVERED", FailureClass::Other),
        ] {
            let status = json!({"groupId": 2, "id": 9, "name": "UNDELIVERABLE_NOT_DELIVERED"});
            let parsed = parse_results(json!([{"messageId": "m-1", "status": status, "error": error}]));
            let expected = Failure { reason: reason.to_owned(), class };
            assert_eq!(parsed.receipts[0].failure, Some(expected), "{error}");
        }
    }

    #[test]
    fn other_channels_and_shapes_are_kept_apart_and_never_refused() {
        let parsed = parse_results(json!([
            {"from": "1", "integrationType": "SMS", "messageId": "a", "message": {"type": "TEXT", "text": "x"}},
            {"sender": "385910000001", "messageId": "b", "message": {"type": "TEXT", "text": "good"}},
            {"messageId": "c", "channel": "RCS", "status": {"groupId": 3}},
            {"messageId": "d", "status": {"groupId": 99}},
            {"from": "1", "to": "2", "text": "an SMS", "messageId": "e"},
            {"from": "1", "message": [{"contentType": "image/jpeg"}]},
            7, null, {},
        ]));
        assert_eq!((parsed.messages.len(), parsed.receipts.len(), parsed.unknown.len()), (1, 0, 4));
        assert_eq!(parsed.messages[0].provider_message_id, "b");
        let kinds: Vec<&str> = parsed.events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["channel.SMS", "channel.RCS", "channel.SMS", "channel.MMS"]);
        for body in ["null", "[]", "{}", r#"{"results":{}}"#, r#"{"results":null}"#, "7", "\"x\""] {
            let parsed = parse_bytes(body.as_bytes()).expect("JSON");
            assert_eq!(parsed.unknown.len(), 1, "{body}");
        }
        assert_eq!(parse_results(json!([])), Parsed::default());
    }

    #[test]
    fn a_body_that_is_no_batch_tells_of_a_person_or_the_account() {
        let stop = json!({
            "from": "385990000000", "createdAt": "2024-01-01T01:00:00.000+0000",
            "content": {"from": "+385910000001", "notificationMessagesStatus": "stop", "description": "No more"},
        });
        let parsed = parse_bytes(stop.to_string().as_bytes()).expect("readable");
        assert_eq!((parsed.count(), parsed.messages[0].peer.as_str()), (1, "385910000001"));
        let told = Content::Notice { kind: "notifications.stop".to_owned(), text: Some("No more".to_owned()) };
        assert_eq!(parsed.messages[0].content, told);
        let again = parse_bytes(stop.to_string().as_bytes()).expect("readable");
        assert_eq!(again.messages[0].provider_message_id, parsed.messages[0].provider_message_id);
        let template =
            json!({"messageTemplateId": 1, "change": {"type": "TEMPLATE_STATUS_UPDATE", "newStatus": "APPROVED"}});
        let parsed = parse_bytes(template.to_string().as_bytes()).expect("readable");
        assert_eq!((parsed.count(), parsed.events[0].kind.as_str()), (1, "TEMPLATE_STATUS_UPDATE.APPROVED"));
    }

    #[test]
    fn a_message_without_id_is_known_again_by_its_content_and_time() {
        let timed = json!([{"from": "12345", "receivedAt": "2025-01-01T10:10:00.000+0000", "message": {"type": "TEXT", "text": "x"}}]);
        assert_eq!(
            parse_results(timed.clone()).messages[0].provider_message_id,
            parse_results(timed).messages[0].provider_message_id
        );
        let long = parse_results(
            json!([{"from": "12345", "messageId": "x".repeat(300), "message": {"type": "TEXT", "text": "x"}}]),
        );
        assert!(long.messages[0].provider_message_id.starts_with("sha256:"));
    }

    const BATCH: &str = r#"{"results":[{"from":"385910000001","integrationType":"WHATSAPP","receivedAt":"2019-07-19T11:21:27.861+0000","messageId":"m1","message":{"type":"INTERACTIVE_LIST_REPLY","id":"r1","title":"Žuti 😀","context":{"id":"q"}},"contact":{"name":"Ana"},"price":{"pricePerMessage":0}},{"messageId":"m2","status":{"groupId":3},"doneAt":"2019-07-19T11:21:27.861+0000"}],"messageCount":1}"#;

    #[test]
    fn a_body_cut_anywhere_is_no_json() {
        assert_eq!(parse_bytes(BATCH.as_bytes()).expect("whole").messages.len(), 1);
        for end in 0..BATCH.len() {
            assert!(parse_bytes(&BATCH.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn a_mutated_body_never_panics(changes in prop::collection::vec((0..BATCH.len(), any::<u8>()), 1..6)) {
            let mut body = BATCH.as_bytes().to_vec();
            for (at, byte) in changes {
                body[at] = byte;
            }
            if let Ok(parsed) = parse_bytes(&body) {
                for message in parsed.messages {
                    prop_assert!(!message.peer.is_empty() && !message.provider_message_id.is_empty());
                    let stored = serde_json::to_string(&message).expect("serialisable");
                    prop_assert!(!stored.contains("\\u0000"));
                }
            }
        }
    }
}
