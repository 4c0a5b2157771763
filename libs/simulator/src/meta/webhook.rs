//! Webhooks: the envelope around messages and statuses, its bytes and their signature.

use std::{fmt::Write as _, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use url::Url;

use super::{Meta, people};
use crate::posting::Letter;

/// Messages and statuses that wait at most; more are given up.
const MOST_GATHERED: usize = 10_000;
/// Copies of one webhook at most.
const MOST_COPIES: usize = 10_000;

/// Where webhooks go and what they are signed with.
#[derive(Clone)]
pub struct Webhook {
    /// The business's endpoint.
    pub url: Url,
    /// Key of the signature: the app's secret.
    pub app_secret: String,
    /// What the handshake shows, see [`Meta::verify`].
    pub verify_token: String,
}

impl Webhook {
    /// An endpoint with its two secrets.
    pub fn new(url: Url, app_secret: &str, verify_token: &str) -> Self {
        Self { url, app_secret: app_secret.to_owned(), verify_token: verify_token.to_owned() }
    }
}

/// How gathered messages and statuses are put into webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundle {
    /// Each in a webhook of its own.
    Apart,
    /// One change with all messages and all statuses.
    OneChange,
    /// A change for each, in one entry.
    Changes,
    /// An entry for each.
    Entries,
}

/// What one webhook tells.
#[derive(Clone)]
pub(super) struct Piece {
    contact: Value,
    what: What,
}

#[derive(Clone)]
enum What {
    Message(Value),
    Status(Value),
}

/// A piece that waits, and who hears whether it was taken.
pub(super) struct Gathered {
    piece: Piece,
    done: Box<dyn FnOnce(bool) + Send>,
}

impl Piece {
    pub(super) fn message(contact: Value, message: Value) -> Self {
        Self { contact, what: What::Message(message) }
    }

    pub(super) fn status(contact: Value, status: Value) -> Self {
        Self { contact, what: What::Status(status) }
    }

    /// Puts a field beside those of the message or status.
    pub(super) fn add(&mut self, key: &str, value: Value) {
        let (What::Message(what) | What::Status(what)) = &mut self.what;
        what[key] = value;
    }
}

/// A person as `contacts` of a webhook names them; a hidden number is not there.
pub(super) fn contact(meta: &Meta, peer: &str) -> Value {
    let inner = meta.lock();
    let user_name = inner.people.find(peer).and_then(|person| person.user_name.as_ref());
    let name = inner.phones.find(peer).and_then(|chat| chat.name.as_deref()).unwrap_or("Someone");
    let mut contact = json!({"profile": {"name": name}});
    if let Some(user_name) = user_name {
        contact["profile"]["username"] = json!(user_name);
    } else {
        contact["wa_id"] = json!(peer);
    }
    if meta.0.config.user_ids || user_name.is_some() {
        contact["user_id"] = json!(people::user_id(peer));
    }
    contact
}

/// Posts `copies` of one piece after `wait`, or gathers it; `done` hears whether each was taken in the end.
pub(super) fn post(
    meta: &Meta,
    piece: Piece,
    copies: usize,
    wait: Duration,
    done: impl FnOnce(bool) + Clone + Send + 'static,
) {
    for _ in 0..copies.min(MOST_COPIES) {
        let done = done.clone();
        let mut inner = meta.lock();
        let Some(gathered) = &mut inner.gathered else {
            drop(inner);
            post_body(meta, body(meta, &[vec![std::slice::from_ref(&piece)]]), wait, done);
            continue;
        };
        if gathered.len() < MOST_GATHERED {
            gathered.push(Gathered { piece: piece.clone(), done: Box::new(done) });
            continue;
        }
        drop(inner);
        tracing::warn!("too many webhooks are gathered; one was given up");
        done(false);
    }
}

pub(super) fn release(meta: &Meta, bundle: Bundle) -> usize {
    let gathered = meta.lock().gathered.take().unwrap_or_default();
    let count = gathered.len();
    if count == 0 {
        return 0;
    }
    let (pieces, dones): (Vec<Piece>, Vec<_>) = gathered.into_iter().map(|one| (one.piece, one.done)).unzip();
    let all = move |dones: Vec<Box<dyn FnOnce(bool) + Send>>| {
        move |taken: bool| dones.into_iter().for_each(|done| done(taken))
    };
    let each = || pieces.iter().map(std::slice::from_ref);
    match bundle {
        Bundle::Apart => {
            for (piece, done) in each().zip(dones) {
                post_body(meta, body(meta, &[vec![piece]]), Duration::ZERO, done);
            }
        }
        Bundle::OneChange => post_body(meta, body(meta, &[vec![&pieces]]), Duration::ZERO, all(dones)),
        Bundle::Changes => post_body(meta, body(meta, &[each().collect()]), Duration::ZERO, all(dones)),
        Bundle::Entries => {
            let entries: Vec<Vec<&[Piece]>> = each().map(|piece| vec![piece]).collect();
            post_body(meta, body(meta, &entries), Duration::ZERO, all(dones));
        }
    }
    count
}

pub(super) fn say_again(meta: &Meta, message_id: &str) -> bool {
    let is_it = |message: &Value| message.get("id").and_then(Value::as_str) == Some(message_id);
    let holds = |body: &Value| messages(body).any(is_it);
    let body = meta.0.posting.find_last(holds);
    let found = body.is_some();
    if let Some(body) = body {
        post_body(meta, body, Duration::ZERO, |_| {});
    }
    found
}

/// All messages of persons in a webhook.
fn messages(body: &Value) -> impl Iterator<Item = &Value> {
    let changes = array(body, "entry").iter().flat_map(|entry| array(entry, "changes"));
    changes.filter_map(|change| change.get("value")).flat_map(|value| array(value, "messages"))
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The envelope: entries, their changes, and the pieces of each change.
fn body(meta: &Meta, entries: &[Vec<&[Piece]>]) -> Value {
    let config = &meta.0.config;
    let change = |pieces: &&[Piece]| {
        let mut value = json!({
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": config.display_phone_number, "phone_number_id": config.phone_number_id,
            },
        });
        let (mut contacts, mut messages, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
        for piece in *pieces {
            let has_contact = match &piece.what {
                What::Message(message) => {
                    messages.push(message.clone());
                    true
                }
                What::Status(status) => {
                    statuses.push(status.clone());
                    piece.contact.get("user_id").is_some() // statuses came without contacts before there were such ids
                }
            };
            if has_contact && !contacts.contains(&piece.contact) {
                contacts.push(piece.contact.clone());
            }
        }
        for (key, list) in [("contacts", contacts), ("messages", messages), ("statuses", statuses)] {
            if !list.is_empty() {
                value[key] = Value::Array(list);
            }
        }
        json!({"value": value, "field": "messages"})
    };
    let entries: Vec<Value> = entries
        .iter()
        .map(|changes| json!({"id": config.account_id, "changes": changes.iter().map(change).collect::<Vec<_>>()}))
        .collect();
    json!({"object": "whatsapp_business_account", "entry": entries})
}

/// Puts the entries of the second webhook into the first.
pub(super) fn merge(body: &mut Value, other: &Value) -> bool {
    let (Some(entries), Some(more)) = (body["entry"].as_array_mut(), other["entry"].as_array()) else {
        return false;
    };
    entries.extend(more.iter().cloned());
    true
}

/// Posts in the background.
fn post_body(meta: &Meta, body: Value, wait: Duration, done: impl FnOnce(bool) + Send + 'static) {
    let delay = meta.lock().webhook_delay;
    let shared = meta.clone();
    let seal = move |body: &Value| {
        let webhook = shared.lock().webhook.clone()?;
        let text = escape(&body.to_string());
        let signature = format!("sha256={}", sign(webhook.app_secret.as_bytes(), text.as_bytes()));
        let headers = vec![("user-agent".to_owned(), "facebookexternalua".to_owned())];
        Some(Letter { url: webhook.url, headers, signature: ("x-hub-signature-256".to_owned(), signature), text })
    };
    meta.0.posting.post(body, seal, delay + wait, done);
}

/// The same JSON in ASCII, with `/` escaped too, as PHP writes it. Strings are the only place of either.
fn escape(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '/' => text.push_str("\\/"),
            '\0'..='\x7f' => text.push(char),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}"); // a String takes everything
                }
            }
        }
    }
    text
}

/// Lower-case hex of the HMAC-SHA256.
fn sign(key: &[u8], text: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_ascii_and_mean_the_same() {
        let value = json!({"text": "Čaj/kava 🚗 \u{7f}\n\"\\", "č": 1});
        let text = escape(&value.to_string());
        assert_eq!(text, r#"{"text":"\u010caj\/kava \ud83d\ude97 "#.to_owned() + "\u{7f}" + r#"\n\"\\","\u010d":1}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn signature_is_the_known_one() {
        // RFC 4231, test case 2.
        let signature = sign(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(signature, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
