//! Where updates are posted, and how: one chat serially, chats in parallel, again until they are taken.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::Micros;
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use url::Url;

use super::{Config, Inner, Order, Telegram, params::Params, refusal::Refusal, updates::Update};
use crate::{phone::Tick, posting::milliseconds, trouble::Sign};

/// Connections without a `max_connections`.
const CONNECTIONS: i64 = 40;
/// `Retry-After` of the business is heeded up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const PORTS: [u16; 4] = [443, 80, 88, 8443];

/// Where updates go.
#[derive(Clone)]
pub struct Webhook {
    /// The business's endpoint.
    pub url: Url,
    /// What `X-Telegram-Bot-Api-Secret-Token` shows.
    pub secret_token: Option<String>,
    /// Requests at the same time, 1 to 100.
    pub max_connections: usize,
}

impl Webhook {
    /// With a secret and the 40 connections that are the default.
    pub fn new(url: Url, secret_token: &str) -> Self {
        Self { url, secret_token: Some(secret_token.to_owned()), max_connections: 40 }
    }
}

/// A webhook in force.
#[derive(Clone)]
pub(super) struct Hook {
    webhook: Webhook,
    certificate: bool,
    /// Tells one setting from the next.
    generation: u64,
    gate: Arc<Semaphore>,
    last_error: Option<(Micros, String)>,
}

/// One posted update and what became of it.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its id.
    pub update_id: i64,
    /// The body.
    pub body: Value,
    /// Status of each attempt; 0 when there was no answer.
    pub statuses: Vec<u16>,
    /// Time until each answer, or until there was surely none.
    pub took: Vec<Duration>,
    /// Attempts that were answered with `Retry-After`.
    pub told_when: usize,
    /// True once it was answered 2xx.
    pub taken: bool,
}

/// `setWebhook`.
pub(super) fn set(inner: &mut Inner, config: &Config, params: &mut Params) -> Result<&'static str, Refusal> {
    let given = params.text("url").trim().to_owned();
    if given.is_empty() {
        return Ok(delete(inner, params));
    }
    let connections = params.integer("max_connections", CONNECTIONS, 1, 100);
    let wrong = |text: &str| Refusal::bad(format!("bad webhook: {text}"));
    let with_scheme = if given.contains("://") { given.clone() } else { format!("https://{given}") };
    let url: Url = with_scheme.parse().map_err(|_| Refusal::bad("invalid webhook URL specified"))?;
    let secret = params.text("secret_token").to_owned();
    if secret.len() > 256 {
        return Err(Refusal::bad("secret token is too long"));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Err(Refusal::bad("secret token contains unallowed characters"));
    }
    match url.scheme() {
        "https" => {}
        "http" if config.allow_http => {}
        "http" => return Err(wrong("An HTTPS URL must be provided for webhook")),
        _ => return Err(Refusal::bad("invalid webhook URL specified")),
    }
    if !config.allow_any_port && !url.port_or_known_default().is_some_and(|port| PORTS.contains(&port)) {
        return Err(wrong("Webhook can be set up only on ports 80, 88, 443 or 8443"));
    }
    allow(inner, params);
    if params.flag("drop_pending_updates") {
        inner.updates.clear();
    }
    let secret_token = Some(secret).filter(|secret| !secret.is_empty());
    let max_connections = usize::try_from(connections).unwrap_or(1);
    let same = inner.hook.as_ref().is_some_and(|hook| {
        let own = &hook.webhook;
        own.url == url && own.secret_token == secret_token && own.max_connections == max_connections
    });
    if same {
        return Ok("Webhook is already set");
    }
    let certificate = params.files.iter().any(|file| file.field == "certificate");
    force(inner, Webhook { url, secret_token, max_connections }, certificate);
    Ok("Webhook was set")
}

/// Sets a webhook without asking whether it is lawful.
pub(super) fn force(inner: &mut Inner, webhook: Webhook, certificate: bool) {
    inner.generations += 1;
    let gate = Arc::new(Semaphore::new(webhook.max_connections.clamp(1, 100)));
    inner.hook = Some(Hook { webhook, certificate, generation: inner.generations, gate, last_error: None });
}

/// `deleteWebhook`.
pub(super) fn delete(inner: &mut Inner, params: &Params) -> &'static str {
    if params.flag("drop_pending_updates") {
        inner.updates.clear();
    }
    match inner.hook.take() {
        Some(_) => "Webhook was deleted",
        None => "Webhook is already deleted",
    }
}

/// Takes `allowed_updates`, where it came.
pub(super) fn allow(inner: &mut Inner, params: &mut Params) {
    match params.json("allowed_updates") {
        None => {}
        Some(Ok(Value::Array(kinds))) => {
            let unknown = inner.updates.allow(&kinds);
            params.odd.extend(unknown.iter().map(|kind| format!("allowed_updates has an unknown kind {kind}")));
        }
        Some(_) => params.odd.push("allowed_updates is no array".to_owned()),
    }
}

/// `getWebhookInfo`.
pub(super) fn info(inner: &mut Inner, now: Micros) -> Value {
    let waiting = inner.updates.pending(now).count();
    let hook = inner.hook.as_ref();
    let mut info = json!({
        "url": hook.map_or("", |hook| hook.webhook.url.as_str()),
        "has_custom_certificate": hook.is_some_and(|hook| hook.certificate), "pending_update_count": waiting,
    });
    if let Some(hook) = hook {
        if let Some((at, error)) = &hook.last_error {
            info["last_error_date"] = json!(at.seconds());
            info["last_error_message"] = json!(error);
        }
        info["max_connections"] = json!(hook.webhook.max_connections);
    }
    if let Some(allowed) = inner.updates.allowed() {
        info["allowed_updates"] = json!(allowed);
    }
    info
}

/// Starts what may be posted now: the first waiting update of every chat that has none on its way.
pub(super) fn pump(telegram: &Telegram, order: Order) {
    start(telegram, None, order);
}

/// The same where only this chat can have one.
fn start(telegram: &Telegram, chat: Option<i64>, order: Order) {
    let now = telegram.now();
    let mut due = Vec::new();
    let mut inner = telegram.lock();
    let Inner { updates, busy, hook, paused, delay, trouble, .. } = &mut *inner;
    let (hook, delay) = (hook.clone().filter(|_| !*paused), *delay + trouble.delay());
    if let Some(hook) = hook {
        let of_chat = updates.pending(now).filter(|update| chat.is_none_or(|chat| update.chat == chat));
        due.extend(of_chat.filter(|update| busy.insert(update.chat)).map(|update| (hook.clone(), update.clone())));
    }
    telegram.count(&inner);
    drop(inner);
    if order == Order::LastFirst {
        due.reverse();
    }
    for (hook, update) in due {
        tokio::spawn(deliver(telegram.clone(), hook, update, delay));
    }
}

async fn deliver(telegram: Telegram, hook: Hook, update: Arc<Update>, delay: Duration) {
    tokio::time::sleep(delay).await;
    let copies = telegram.lock().trouble.copies();
    for _ in 1..update.copies.max(copies) {
        repeat(&telegram, &update);
    }
    let ended = insist(&telegram, &hook, &update, true).await;
    let mut inner = telegram.lock();
    inner.busy.remove(&update.chat);
    if let Some(taken) = ended {
        inner.updates.remove(update.id);
        ticked(&mut inner, &update, taken);
    }
    drop(inner);
    telegram.changed();
    start(&telegram, Some(update.chat), Order::AsMade);
}

/// The phone shows whether the bot heard of what the person wrote.
pub(super) fn ticked(inner: &mut Inner, update: &Update, taken: bool) {
    let tick = if taken { Tick::Delivered } else { Tick::Failed };
    inner.phones.tick(&update.chat.to_string(), tick, |bubble| bubble.mine && bubble.id == update.about);
}

/// Posts an update beside the queue. False: there is no webhook.
pub(super) fn repeat(telegram: &Telegram, update: &Arc<Update>) -> bool {
    let mut inner = telegram.lock();
    let Some(hook) = inner.hook.clone() else { return false };
    inner.repeats += 1;
    telegram.count(&inner);
    drop(inner);
    let (telegram, update) = (telegram.clone(), update.clone());
    tokio::spawn(async move {
        insist(&telegram, &hook, &update, false).await;
        let mut inner = telegram.lock();
        inner.repeats -= 1;
        telegram.count(&inner);
    });
    true
}

/// Posts until it is taken, at most `attempts` times. `None`: the webhook is another one now, or the update is gone.
async fn insist(telegram: &Telegram, hook: &Hook, update: &Arc<Update>, queued: bool) -> Option<bool> {
    let number = telegram.lock().outgoing.push(Outgoing {
        update_id: update.id,
        body: update.body.clone(),
        statuses: Vec::new(),
        took: Vec::new(),
        told_when: 0,
        taken: false,
    });
    let config = &telegram.0.config;
    let (mut wait, mut told) = (config.retry_wait, None);
    for attempt in 1..=config.attempts {
        if attempt > 1 {
            tokio::time::sleep(told.unwrap_or(wait)).await;
            wait = (wait * 2).min(config.retry_wait * 8);
        }
        let permit = if queued { hook.gate.clone().acquire_owned().await.ok() } else { None };
        if queued && !current(&telegram.lock(), hook, update) {
            return None;
        }
        let asked = Instant::now();
        let answer = post(telegram, &hook.webhook, update).await;
        drop(permit);
        let status = answer.as_ref().map_or(0, |(status, _)| status.as_u16());
        told = answer.as_ref().ok().and_then(|(_, wait)| *wait);
        let taken = (200..300).contains(&status);
        let now = telegram.now();
        let mut inner = telegram.lock();
        if let Some(outgoing) = inner.outgoing.get_mut(number) {
            outgoing.statuses.push(status);
            outgoing.took.push(asked.elapsed());
            outgoing.told_when += usize::from(told.is_some());
            outgoing.taken = taken;
        }
        if taken {
            return Some(true);
        }
        let error = match answer {
            Ok((status, _)) => format!("Wrong response from the webhook: {status}"),
            Err(error) => error.to_owned(),
        };
        if let Some(own) = inner.hook.as_mut().filter(|own| own.generation == hook.generation) {
            own.last_error = Some((now, error));
        }
    }
    tracing::warn!(update.id, "an update was not taken; given up");
    Some(false)
}

/// As JSON, with its number and times in milliseconds; see [`crate::posting::page`].
pub(super) fn told(inner: &Inner, before: Option<usize>, limit: usize) -> Vec<Value> {
    let told = |(number, one): (usize, &Outgoing)| {
        json!({
            "number": number, "update_id": one.update_id, "body": one.body, "statuses": one.statuses,
            "took_ms": milliseconds(&one.took), "told_when": one.told_when, "taken": one.taken,
        })
    };
    inner.outgoing.page(before, limit).map(told).collect()
}

fn current(inner: &Inner, hook: &Hook, update: &Update) -> bool {
    let same = inner.hook.as_ref().is_some_and(|own| own.generation == hook.generation);
    same && inner.updates.waits(update.id)
}

/// One attempt: the status and how long the business asks to wait, or what `getWebhookInfo` says.
async fn post(
    telegram: &Telegram,
    webhook: &Webhook,
    update: &Update,
) -> Result<(StatusCode, Option<Duration>), &'static str> {
    let request = telegram.0.client.post(webhook.url.clone()).header(header::CONTENT_TYPE, "application/json");
    let sign = telegram.lock().trouble.sign;
    let request = match &webhook.secret_token {
        Some(_) if sign == Sign::Missing => request,
        Some(secret) if sign == Sign::Wrong => {
            request.header("X-Telegram-Bot-Api-Secret-Token", secret.chars().rev().chain(['x']).collect::<String>())
        }
        Some(secret) => request.header("X-Telegram-Bot-Api-Secret-Token", secret),
        None => request,
    };
    match request.body(update.body.to_string()).send().await {
        Ok(response) => {
            let wait = response.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
            Ok((response.status(), wait.map(|wait| Duration::from_secs(wait).min(LONGEST_WAIT))))
        }
        Err(error) => {
            let text = if error.is_timeout() {
                "Read timeout expired"
            } else if error.is_connect() {
                if telegram.0.nobody.is_due(Instant::now()) {
                    // Its path may hold a secret.
                    let origin = webhook.url.origin().ascii_serialization();
                    tracing::warn!(origin, "nobody serves the webhook's address; each update is tried again");
                }
                "Connection refused"
            } else {
                "Webhook connection closed"
            };
            tracing::debug!(error = %error.without_url(), "an update got no answer"); // addresses may hold secrets
            Err(text)
        }
    }
}
