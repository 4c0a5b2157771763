//! Statuses: how far a message of the business has come.

use std::time::Duration;

use domain::Micros;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Meta, Reads, StatusOrder,
    error::in_status,
    people,
    webhook::{self, Piece},
};
use crate::phone::Tick;

/// How long a conversation lasts from the message that opened it.
const CONVERSATION: Duration = Duration::from_secs(24 * 3600);

/// A message on its way to a person.
#[derive(Clone)]
pub(super) struct Sending {
    pub(super) peer: String,
    pub(super) id: String,
    pub(super) callback_data: Option<String>,
    /// A template, which is paid for.
    pub(super) template: bool,
}

impl Sending {
    fn status(&self, meta: &Meta, status: &str, at: Micros) -> Piece {
        let config = &meta.0.config;
        let hidden = meta.lock().people.find(&self.peer).is_some_and(|person| person.user_name.is_some());
        let mut told = json!({"id": self.id, "status": status, "timestamp": at.seconds().to_string()});
        if !hidden {
            told["recipient_id"] = json!(self.peer);
        }
        if hidden || config.user_ids {
            told["recipient_user_id"] = json!(people::user_id(&self.peer));
        }
        if let Some(data) = &self.callback_data {
            told["biz_opaque_callback_data"] = json!(data);
        }
        if status != "failed" {
            let (category, kind) =
                if self.template { ("utility", "regular") } else { ("service", "free_customer_service") };
            let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, self.peer.as_bytes()).simple().to_string();
            let mut conversation = json!({"id": id, "origin": {"type": category}});
            if status == "sent" {
                conversation["expiration_timestamp"] = json!((at + CONVERSATION).seconds().to_string());
            }
            told["conversation"] = conversation;
            told["pricing"] =
                json!({"billable": self.template, "pricing_model": "PMP", "category": category, "type": kind});
        }
        Piece::status(webhook::contact(meta, &self.peer), told)
    }

    fn tick(&self, meta: &Meta, tick: Tick) {
        meta.lock().phones.tick(&self.peer, tick, |bubble| !bubble.mine && bubble.id == self.id);
        meta.changed();
    }
}

/// The person's phone has the message: tells so, and once it is told, a person who reads at once reads it.
pub(super) fn report_delivery(meta: &Meta, sending: Sending) {
    let (order, reads, delay, blocked) = {
        let inner = meta.lock();
        (inner.status_order, inner.reads, inner.status_delay, inner.blocked.contains(&sending.peer))
    };
    if blocked {
        return post_all(meta, sending, &["sent"], delay, Box::new(|| {}));
    }
    sending.tick(meta, Tick::Delivered);
    let at_once = reads == Reads::AtOnce;
    match order {
        StatusOrder::Forward => {
            let (shared, peer) = (meta.clone(), sending.peer.clone());
            let then = move || {
                if at_once {
                    look(&shared, &peer);
                }
            };
            post_all(meta, sending, &["sent", "delivered"], delay, Box::new(then));
        }
        StatusOrder::Backward if at_once => {
            sending.tick(meta, Tick::Read);
            post_all(meta, sending, &["read", "delivered", "sent"], delay, Box::new(|| {}));
        }
        StatusOrder::Backward => post_all(meta, sending, &["delivered", "sent"], delay, Box::new(|| {})),
    }
}

/// Nobody will get the message.
pub(super) fn report_failure(meta: &Meta, sending: &Sending, code: u32, details: &str) {
    let delay = meta.lock().status_delay;
    let mut piece = sending.status(meta, "failed", meta.now());
    piece.add("errors", Value::Array(vec![in_status(code, details)]));
    post_copies(meta, piece, delay, || {});
}

/// Marks what the person sees as read and tells it, each message in a status of its own.
pub(super) fn look(meta: &Meta, peer: &str) {
    let mut inner = meta.lock();
    let mut seen = Vec::new();
    for bubble in inner.phones.chat(peer).bubbles.iter_mut().filter(|bubble| !bubble.mine) {
        if bubble.tick == Tick::Delivered {
            bubble.tick = Tick::Read;
            seen.push((bubble.id.clone(), bubble.callback_data.clone()));
        }
    }
    let sendings: Vec<Sending> = seen
        .into_iter()
        .map(|(id, callback_data)| {
            let send = inner.sends.iter().rev().find(|send| send.id == id);
            let template = send.is_some_and(|send| send.body.get("template").is_some());
            Sending { peer: peer.to_owned(), id, callback_data, template }
        })
        .collect();
    drop(inner);
    if sendings.is_empty() {
        return;
    }
    meta.changed();
    for sending in sendings {
        post_copies(meta, sending.status(meta, "read", meta.now()), Duration::ZERO, || {});
    }
}

/// Posts statuses one after the other, each once the one before was taken or given up; gathers them all at once.
fn post_all(
    meta: &Meta,
    sending: Sending,
    statuses: &'static [&'static str],
    wait: Duration,
    then: Box<dyn FnOnce() + Send>,
) {
    let Some((first, rest)) = statuses.split_first() else {
        return then();
    };
    let piece = sending.status(meta, first, meta.now());
    if meta.lock().gathered.is_some() {
        post_copies(meta, piece, wait, || {}); // what is gathered waits together
        return post_all(meta, sending, rest, wait, then);
    }
    let shared = meta.clone();
    post_copies(meta, piece, wait, move || post_all(&shared, sending, rest, Duration::ZERO, then));
}

/// Posts a status as often as told; `then` runs when the first of them was taken or given up.
fn post_copies(meta: &Meta, piece: Piece, wait: Duration, then: impl FnOnce() + Send + 'static) {
    let copies = meta.lock().status_copies;
    if copies == 0 {
        return then();
    }
    let then = std::sync::Arc::new(std::sync::Mutex::new(Some(then)));
    webhook::post(meta, piece, copies, wait, move |_| {
        let then = then.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(then) = then {
            then();
        }
    });
}
