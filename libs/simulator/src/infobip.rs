//! A strict fake of Infobip's WhatsApp API, and the phones on its other side.
//!
//! [`Infobip::router`] takes what a business sends: `POST /whatsapp/1/message/{text|location|image|document|template|interactive/buttons|interactive/list}`
//! and read marks, and gives the files of [`Infobip::add_media`]. [`Infobip::say`] is a person writing: it posts a signed webhook until the business answers 2xx.
//! [`Infobip::chat`] is what that person sees, ticks included.

mod api;
mod check;
mod content;
mod media;
mod sign;
mod webhook;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::Router;
use domain::{Clock, Micros, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::media::Media;
pub use self::{
    sign::{Algorithm, Encoding},
    webhook::Said,
};
pub use crate::posting::Outgoing;
use crate::{
    faults::Faults,
    phone::{Phones, State, shows_phones},
    posting::Posting,
    serve,
    template::{Template, Templates},
    trouble::Trouble,
};

/// What a second send with the same `messageId` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// Nothing: the first answer is given again. The reference provider.
    #[default]
    Honour,
    /// The person gets it twice; reports name our id, so the sender can find out what happened.
    Echo,
    /// The person gets it twice, and reports name an id of the platform's own.
    Forget,
}

/// Which of the two error bodies refused requests get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorBody {
    /// `requestError.serviceException`.
    #[default]
    Classic,
    /// `errorCode, description, action, violations`.
    Modern,
}

/// When persons look at what arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// As soon as it is delivered.
    #[default]
    AtOnce,
    /// When [`Infobip::look`] says so, as the phone page does.
    WhenShown,
}

/// Where webhooks go and how they are signed.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The business's endpoint.
    pub url: Url,
    /// Key of the signature.
    pub secret: String,
    /// Header of the signature.
    pub header: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// How its bytes are written.
    pub encoding: Encoding,
    /// Text before them, such as `sha256=`.
    pub prefix: String,
}

impl Webhook {
    /// `X-Hub-Signature-256: sha256=<hex>`.
    pub fn new(url: Url, secret: &str) -> Self {
        Self {
            url,
            secret: secret.to_owned(),
            header: "X-Hub-Signature-256".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: "sha256=".to_owned(),
        }
    }
}

/// Configuration of [`Infobip`].
#[derive(Clone)]
pub struct Config {
    /// Key that `Authorization: App <key>` must show.
    pub api_key: String,
    /// The registered sender number.
    pub sender: String,
    /// Webhook, if known already; see [`Infobip::set_webhook`].
    pub webhook: Option<Webhook>,
    /// See [`Repeats`].
    pub repeats: Repeats,
    /// See [`ErrorBody`].
    pub error_body: ErrorBody,
    /// See [`Reads`].
    pub reads: Reads,
    /// Where files are downloaded, for [`Infobip::media_url`]: the API's own address.
    pub media_base: Option<Url>,
    /// Webhook attempts at most, until one is answered 2xx.
    pub attempts: u32,
    /// Wait before the second attempt; doubles up to 8 times this.
    pub retry_wait: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// The reference provider: honours keys, delivers at once, reads at once, retries 8 times from 100 ms.
    pub fn new(api_key: &str, sender: &str) -> Self {
        Self {
            api_key: api_key.to_owned(),
            sender: sender.to_owned(),
            webhook: None,
            repeats: Repeats::default(),
            error_body: ErrorBody::default(),
            reads: Reads::default(),
            media_base: None,
            attempts: 8,
            retry_wait: Duration::from_millis(100),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why the fake cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTP client for webhooks")]
pub struct InfobipError(#[from] reqwest::Error);

/// The fake. Cheap to clone; clones are the same platform.
#[derive(Clone)]
pub struct Infobip(Arc<Shared>);

struct Shared {
    config: Config,
    posting: Arc<Posting>,
    faults: Faults,
    state: State<Inner>,
}

struct Inner {
    webhook: Option<Webhook>,
    repeats: Repeats,
    reads: Reads,
    report_delay: Duration,
    phones: Phones,
    unreachable: Vec<String>,
    /// Who blocked the business.
    blocked: BTreeSet<String>,
    sends: Vec<Send>,
    media: Media,
    /// While there is none, every name is approved.
    templates: Templates,
}

/// One request to send that was lawful and acted, for assertions.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Send {
    /// Recipient.
    pub to: String,
    /// `messageId` as asked for.
    pub message_id: Option<String>,
    /// False when it was a repeat that changed nothing.
    pub shown: bool,
    /// `content` as sent.
    pub content: serde_json::Value,
    /// When.
    pub at: Micros,
}

impl Infobip {
    /// A platform without chats. Installs ring as the process's TLS provider if there is none.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(config: Config) -> Result<Self, InfobipError> {
        let posting = Arc::new(Posting::new(config.attempts, config.retry_wait, webhook::merge)?);
        let inner = Inner {
            webhook: config.webhook.clone(),
            repeats: config.repeats,
            reads: config.reads,
            report_delay: Duration::ZERO,
            phones: Phones::default(),
            unreachable: Vec::new(),
            blocked: BTreeSet::new(),
            sends: Vec::new(),
            media: Media::default(),
            templates: Templates::default(),
        };
        let shared = Shared { config, posting, faults: Faults::default(), state: State::new(inner) };
        Ok(Self(Arc::new(shared)))
    }

    /// The API. Cut connections need [`Infobip::serve`].
    pub fn router(&self) -> Router {
        api::router(self.clone())
    }

    /// Serves the API until `shutdown`.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(self.router(), listener, shutdown).await;
    }

    /// Orders for requests that go wrong. Operations are `POST /whatsapp/1/message/text` and the like.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Where webhooks go from now on.
    pub fn set_webhook(&self, webhook: Webhook) {
        self.lock().webhook = Some(webhook);
    }

    /// See [`Repeats`].
    pub fn set_repeats(&self, repeats: Repeats) {
        self.lock().repeats = repeats;
    }

    /// See [`Reads`].
    pub fn set_reads(&self, reads: Reads) {
        self.lock().reads = reads;
    }

    /// Messages to this number are accepted and reported as undeliverable.
    pub fn set_unreachable(&self, peer: &str) {
        self.lock().unreachable.push(peer.to_owned());
    }

    /// The person blocks the business, or lets it in again. The business does not hear of it: what it sends meanwhile is
    /// accepted, and nothing is ever reported of it.
    pub fn set_blocked(&self, peer: &str, blocked: bool) {
        let mut inner = self.lock();
        if blocked {
            inner.blocked.insert(peer.to_owned());
        } else {
            inner.blocked.remove(peer);
        }
        drop(inner);
        self.changed();
    }

    /// Whether the person blocks the business.
    pub fn is_blocked(&self, peer: &str) -> bool {
        self.lock().blocked.contains(peer)
    }

    /// What goes wrong with webhooks from now on.
    pub fn set_trouble(&self, trouble: Trouble) {
        self.0.posting.set_trouble(trouble);
    }

    /// What goes wrong with webhooks.
    pub fn trouble(&self) -> Trouble {
        self.0.posting.trouble()
    }

    /// A person writes. Returns the platform's message id; the webhook is on its way.
    pub fn say(&self, peer: &str, said: Said) -> String {
        self.say_copies(peer, said, 1)
    }

    /// A person writes once, and the platform posts `copies` of the same webhook at the same time.
    pub fn say_copies(&self, peer: &str, said: Said, copies: usize) -> String {
        webhook::say(self, peer, said, copies)
    }

    /// The platform posts a webhook of this message once more, because it did not hear that it was taken. False: there is
    /// no such message.
    pub fn say_again(&self, message_id: &str) -> bool {
        webhook::say_again(self, message_id)
    }

    /// How long reports of delivery wait.
    pub fn report_delay(&self) -> Duration {
        self.lock().report_delay
    }

    /// Reports of delivery go out this long after the message was taken; at once by default.
    pub fn set_report_delay(&self, delay: Duration) {
        self.lock().report_delay = delay;
    }

    /// A file on the platform, as after a person sent it; gives its path on the API's host, for [`Said::Media`].
    pub fn add_media(&self, media_type: &str, content: &[u8]) -> String {
        let id = self.lock().media.add(media_type, content);
        format!("/whatsapp/1/senders/{}/media/{id}", self.0.config.sender)
    }

    /// Address of a file of [`Infobip::add_media`], by the last part of its path; only the path without a `media_base`.
    pub fn media_url(&self, id: &str) -> String {
        let path = format!("/whatsapp/1/senders/{}/media/{id}", self.0.config.sender);
        let base = self.0.config.media_base.as_ref();
        base.and_then(|base| base.join(&path).ok()).map_or(path, String::from)
    }

    /// A file's type and bytes, by the last part of its path.
    pub fn media(&self, id: &str) -> Option<(String, Vec<u8>)> {
        self.lock().media.find(id).cloned()
    }

    /// The platform forgets all files.
    pub fn drop_media(&self) {
        self.lock().media.clear();
    }

    /// How often files were given out.
    pub fn media_reads(&self) -> usize {
        self.lock().media.reads
    }

    /// The name that webhooks give for a person.
    pub fn set_name(&self, peer: &str, name: &str) {
        self.lock().phones.chat(peer).name = Some(name.to_owned());
        self.changed();
    }

    /// The person opens the chat: everything in it is read, and seen reports go out.
    pub fn look(&self, peer: &str) {
        webhook::look(self, peer);
    }

    /// Everything that was sent lawfully, in order.
    pub fn sends(&self) -> Vec<Send> {
        self.lock().sends.clone()
    }

    /// Every webhook so far, with its attempts and their statuses.
    pub fn webhooks(&self) -> Vec<Outgoing> {
        self.0.posting.outgoing()
    }

    /// A template that the platform has approved; one of the same name and language is replaced. While there is none, any
    /// name is taken. False: there are 1,000.
    pub fn add_template(&self, template: Template) -> bool {
        self.lock().templates.add(template)
    }

    /// A template is approved no more. False: there was none.
    pub fn remove_template(&self, name: &str, language: &str) -> bool {
        self.lock().templates.remove(name, language)
    }

    /// What the platform has approved.
    pub fn templates(&self) -> Vec<Template> {
        self.lock().templates.all().to_vec()
    }

    /// Up to `limit` webhooks with numbers below `before`, the newest of them, oldest first.
    pub(crate) fn told_webhooks(&self, before: Option<usize>, limit: usize) -> Vec<serde_json::Value> {
        self.0.posting.told(before, limit)
    }

    /// Waits until every webhook was taken or given up, at most `limit`; false when the time is over.
    pub async fn settled(&self, limit: Duration) -> bool {
        self.0.posting.settled(limit).await
    }
}

shows_phones!(Infobip);
