//! What a message of Infobip's says.

use domain::{Contact, Content, OrderItem};
use serde_json::Value;

use crate::{
    fields::{LINES_MAX, degrees, id, items, label},
    json::{clean, text},
};

/// What a message says, by its type.
pub fn content(message: &Value) -> Content {
    let kind = text(message.get("type")).map_or_else(|| "untyped".to_owned(), |kind| label(&kind));
    let unknown = || Content::Unknown { kind: kind.clone() };
    match kind.to_ascii_uppercase().as_str() {
        "TEXT" => match message.get("text") {
            Some(Value::String(words)) => Content::Text { text: clean(words) },
            _ => unknown(),
        },
        "INTERACTIVE_BUTTON_REPLY" | "INTERACTIVE_LIST_REPLY" => choice(message, "id").unwrap_or_else(unknown),
        "INTERACTIVE_FLOW_REPLY" => match message.get("response") {
            Some(fields @ Value::Object(_)) => Content::Form { fields: clean(&fields.to_string()) },
            _ => unknown(),
        },
        "INTERACTIVE_PAYMENT_CONFIRMATION" => {
            Content::Notice { kind: kind.to_ascii_lowercase(), text: text(message.get("status")) }
        }
        "REACTION" => match id(message.pointer("/context/id")) {
            Some(of) => {
                let removed = text(message.get("action")).is_some_and(|action| action.eq_ignore_ascii_case("REMOVED"));
                Content::Reaction { of, emoji: text(message.get("emoji")).filter(|_| !removed) }
            }
            None => unknown(),
        },
        "CONTACT" => contacts(message).unwrap_or_else(unknown),
        "ORDER" => order(message).unwrap_or_else(unknown),
        "INFECTED_CONTENT" | "UNSUPPORTED" => Content::Other { kind: kind.clone() },
        "BUTTON" => choice(message, "payload").unwrap_or_else(unknown),
        media @ ("IMAGE" | "DOCUMENT" | "AUDIO" | "VOICE" | "VIDEO" | "STICKER") => Content::Media {
            media: media.to_ascii_lowercase(),
            url: text(message.get("url")),
            caption: text(message.get("caption")),
        },
        "LOCATION" => match (degrees(message.get("latitude"), 90.0), degrees(message.get("longitude"), 180.0)) {
            (Some(latitude), Some(longitude)) => Content::Location {
                latitude,
                longitude,
                name: text(message.get("name")).or_else(|| text(message.get("address"))),
            },
            _ => unknown(),
        },
        _ => unknown(),
    }
}

fn contacts(message: &Value) -> Option<Content> {
    let contact = |contact: &Value| Contact {
        name: text(contact.pointer("/name/formattedName"))
            .or_else(|| text(contact.pointer("/name/firstName")))
            .map(|name| label(&name))
            .unwrap_or_default(),
        phones: items(contact.get("phones")).filter_map(|phone| text(phone.get("phone"))).take(LINES_MAX).collect(),
    };
    let contacts: Vec<Contact> = items(message.get("contacts")).map(contact).take(LINES_MAX).collect();
    (!contacts.is_empty()).then_some(Content::Contacts { contacts })
}

fn order(message: &Value) -> Option<Content> {
    let products = message.get("productItems").or_else(|| message.pointer("/order/productItems"));
    let item = |item: &Value| {
        let product = text(item.get("productRetailerId")).or_else(|| text(item.get("catalogProductId")))?;
        let quantity = item.get("quantity").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        Some(OrderItem { product, quantity: quantity.unwrap_or(1) })
    };
    let items: Vec<OrderItem> = items(products).filter_map(item).take(LINES_MAX).collect();
    (!items.is_empty()).then(|| Content::Order { items, text: text(message.get("text")) })
}

/// A button or row of ours that was chosen; one without our id is taken for the words on it.
pub fn choice(message: &Value, id_key: &str) -> Option<Content> {
    let title = text(message.get("title")).or_else(|| text(message.get("text")));
    match (text(message.get(id_key)), title) {
        (Some(id), title) => Some(Content::Choice { title: title.unwrap_or_else(|| id.clone()), id }),
        (None, Some(title)) => Some(Content::Text { text: title }),
        (None, None) => None,
    }
}
