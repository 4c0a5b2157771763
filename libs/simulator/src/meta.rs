//! A strict fake of Meta's WhatsApp Cloud API, and the phones on its other side.
//!
//! [`Meta::router`] takes what a business sends (`POST /{version}/{phone_number_id}/messages`), its read and typing
//! marks, and its files, and gives the files of [`Meta::add_media`] in two steps. [`Meta::say`] is a person writing: it
//! posts a signed webhook until the business answers 2xx. [`Meta::chat`] is what that person sees, ticks included.
//!
//! What stands in the way of a send is told as the platform tells it: what is wrong with the request by a Graph error at
//! once; a closed window and a number without WhatsApp by a `failed` status later (see [`Refusals`]).

mod api;
mod check;
mod content;
mod error;
mod media;
mod pace;
mod people;
mod said;
mod status;
mod verify;
mod webhook;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use domain::{Clock, Micros, SystemClock};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::{media::Media, people::People, status::Sending, webhook::Gathered};
pub use self::{
    pace::PairRate,
    said::{Card, Item, Said},
    verify::Handshake,
    webhook::{Bundle, Webhook},
};
use crate::{
    faults::Faults,
    phone::{Bubble, Phones, State, shows_phones},
    posting::Posting,
    serve,
    template::Templates,
    trouble::Trouble,
};
pub use crate::{infobip::Reads, posting::Outgoing, template::Template};

/// Records of sends kept; the oldest go first.
const MOST_SENDS: usize = 1_000_000;
/// Messages of one chat kept; the oldest go first.
const MOST_BUBBLES: usize = 100_000;
/// Refusals on command that wait for their send.
const MOST_COMMANDS: usize = 10_000;

/// How the business hears that nobody will get a lawful message: 131047 and 131026.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusals {
    /// The send is accepted; a `failed` status with the error comes later. What the platform does.
    #[default]
    InStatus,
    /// The send itself is refused, as the platform's table of errors has it.
    InAnswer,
}

/// In which order the statuses of a message go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusOrder {
    /// `sent`, `delivered`, and `read` once the person looks; each after the one before was taken.
    #[default]
    Forward,
    /// The last first: `read` (with [`Reads::AtOnce`]), then `delivered`, then `sent`.
    Backward,
}

/// Configuration of [`Meta`].
#[derive(Clone)]
pub struct Config {
    /// Token that `Authorization: Bearer <token>` must show.
    pub access_token: String,
    /// Id of the business's number in the API's paths, in digits.
    pub phone_number_id: String,
    /// The business's number itself, in digits.
    pub display_phone_number: String,
    /// Id of the WhatsApp Business Account: `entry[].id` of webhooks.
    pub account_id: String,
    /// Webhook, if known already; see [`Meta::set_webhook`].
    pub webhook: Option<Webhook>,
    /// See [`Reads`].
    pub reads: Reads,
    /// See [`Refusals`].
    pub refusals: Refusals,
    /// The limit of sends to one person (error 131056); none by default.
    pub pair_rate: Option<PairRate>,
    /// Webhooks name persons by business-scoped ids beside their numbers, as they do since 2026.
    pub user_ids: bool,
    /// Where files are downloaded; the host that was asked for the address by default. When it is given, webhooks with
    /// a file carry its address too.
    pub media_base: Option<Url>,
    /// Webhook attempts at most, until one is answered 2xx.
    pub attempts: u32,
    /// Wait before the second attempt; doubles up to 8 times this.
    pub retry_wait: Duration,
    /// The time: of messages, the 24-hour window, the pair limit, typing, and addresses of files.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// Delivers and reads at once, knows user ids, limits no pair, retries 8 times from 100 ms.
    pub fn new(access_token: &str, phone_number_id: &str, display_phone_number: &str) -> Self {
        Self {
            access_token: access_token.to_owned(),
            phone_number_id: phone_number_id.to_owned(),
            display_phone_number: display_phone_number.to_owned(),
            account_id: "102290129340398".to_owned(),
            webhook: None,
            reads: Reads::default(),
            refusals: Refusals::default(),
            pair_rate: None,
            user_ids: true,
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
pub struct MetaError(#[from] reqwest::Error);

/// The fake. Cheap to clone; clones are the same platform.
#[derive(Clone)]
pub struct Meta(Arc<Shared>);

struct Shared {
    config: Config,
    posting: Arc<Posting>,
    faults: Faults,
    state: State<Inner>,
}

struct Inner {
    webhook: Option<Webhook>,
    reads: Reads,
    refusals: Refusals,
    pair_rate: Option<PairRate>,
    status_order: StatusOrder,
    status_copies: usize,
    status_delay: Duration,
    webhook_delay: Duration,
    /// Webhooks that wait for [`Meta::release`]; `None` when they go out at once.
    gathered: Option<Vec<Gathered>>,
    phones: Phones,
    people: People,
    unreachable: Vec<String>,
    /// Who blocked the business.
    blocked: BTreeSet<String>,
    templates: Templates,
    /// Error codes for the next sends.
    commands: VecDeque<u32>,
    sends: VecDeque<Send>,
    media: Media,
}

impl Inner {
    /// Shows a message on a person's phone.
    fn show(&mut self, peer: &str, bubble: Bubble) {
        let bubbles = &mut self.phones.chat(peer).bubbles;
        if bubbles.len() >= MOST_BUBBLES {
            bubbles.drain(..MOST_BUBBLES / 10);
        }
        bubbles.push(bubble);
    }
}

/// One lawful send, for assertions. There is no key against repeats: each request is a message of its own.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Send {
    /// The person, by number.
    pub to: String,
    /// The platform's id of the message.
    pub id: String,
    /// False when the person does not get it: outside the window, or without WhatsApp.
    pub shown: bool,
    /// `biz_opaque_callback_data`.
    pub callback_data: Option<String>,
    /// The request's body.
    pub body: Value,
    /// When.
    pub at: Micros,
}

impl Meta {
    /// A platform without chats. Installs ring as the process's TLS provider if there is none.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(config: Config) -> Result<Self, MetaError> {
        let posting = Arc::new(Posting::new(config.attempts, config.retry_wait, webhook::merge)?);
        let inner = Inner {
            webhook: config.webhook.clone(),
            reads: config.reads,
            refusals: config.refusals,
            pair_rate: config.pair_rate,
            status_order: StatusOrder::default(),
            status_copies: 1,
            status_delay: Duration::ZERO,
            webhook_delay: Duration::ZERO,
            gathered: None,
            phones: Phones::default(),
            people: People::default(),
            unreachable: Vec::new(),
            blocked: BTreeSet::new(),
            templates: Templates::default(),
            commands: VecDeque::new(),
            sends: VecDeque::new(),
            media: Media::default(),
        };
        let shared = Shared { config, posting, faults: Faults::default(), state: State::new(inner) };
        Ok(Self(Arc::new(shared)))
    }

    /// The API. Cut connections need [`Meta::serve`].
    pub fn router(&self) -> Router {
        api::router(self.clone())
    }

    /// Serves the API until `shutdown`.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(self.router(), listener, shutdown).await;
    }

    /// Orders for requests that go wrong. Operations: `POST messages`, `POST read` (read and typing marks, which share
    /// the path of messages), `POST media` (an upload), `GET media` (a file's address), `DELETE media`, and `GET file`
    /// (its bytes).
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The next `times` lawful sends are refused with this error of the platform's table, such as 130429 for
    /// throughput, 80007, 131026 or 131049.
    pub fn refuse_next(&self, code: u32, times: usize) {
        let mut inner = self.lock();
        let room = MOST_COMMANDS.saturating_sub(inner.commands.len());
        inner.commands.extend(std::iter::repeat_n(code, times.min(room)));
    }

    /// Where webhooks go from now on.
    pub fn set_webhook(&self, webhook: Webhook) {
        self.lock().webhook = Some(webhook);
    }

    /// Performs the handshake that the platform begins when a webhook is set: a GET with a challenge.
    pub async fn verify(&self) -> Handshake {
        verify::verify(self, None).await
    }

    /// The same with another `hub.verify_token`, as from somebody who does not know the right one.
    pub async fn verify_as(&self, verify_token: &str) -> Handshake {
        verify::verify(self, Some(verify_token)).await
    }

    /// See [`Reads`].
    pub fn set_reads(&self, reads: Reads) {
        self.lock().reads = reads;
    }

    /// See [`Refusals`].
    pub fn set_refusals(&self, refusals: Refusals) {
        self.lock().refusals = refusals;
    }

    /// See [`Config::pair_rate`].
    pub fn set_pair_rate(&self, rate: Option<PairRate>) {
        self.lock().pair_rate = rate;
    }

    /// Nobody with this number has WhatsApp: messages to it end with error 131026.
    pub fn set_unreachable(&self, peer: &str) {
        self.lock().unreachable.push(peer.to_owned());
    }

    /// What a business sends to `written` goes to `number`, as the platform writes it: in some countries (Brazil, Mexico,
    /// Argentina) a number is written in two ways. The answer to the send names `number`.
    pub fn set_written(&self, written: &str, number: &str) {
        self.lock().people.write(written, number);
    }

    /// The person blocks the business, or lets it in again. The business does not hear of it: what it sends meanwhile gets
    /// as far as `sent` and never arrives.
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

    /// Delay, order and copies of statuses, as they were set.
    pub fn statuses(&self) -> (Duration, StatusOrder, usize) {
        let inner = self.lock();
        (inner.status_delay, inner.status_order, inner.status_copies)
    }

    /// A template that the platform has approved; one of the same name and language is replaced. False: there are 1,000.
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

    /// See [`StatusOrder`].
    pub fn set_status_order(&self, order: StatusOrder) {
        self.lock().status_order = order;
    }

    /// Each status is posted this many times at once; 1 by default, at most 100.
    pub fn set_status_copies(&self, copies: usize) {
        self.lock().status_copies = copies.min(100);
    }

    /// The first status goes out this long after the message was taken; at once by default.
    pub fn set_status_delay(&self, delay: Duration) {
        self.lock().status_delay = delay;
    }

    /// Every webhook goes out this much later; at once by default.
    pub fn set_webhook_delay(&self, delay: Duration) {
        self.lock().webhook_delay = delay;
    }

    /// Webhooks wait from now on, for [`Meta::release`].
    pub fn gather(&self) {
        self.lock().gathered.get_or_insert_default();
    }

    /// What waited since [`Meta::gather`] goes out, bundled; what comes later goes out at once again. Returns how many
    /// messages and statuses it was.
    pub fn release(&self, bundle: Bundle) -> usize {
        webhook::release(self, bundle)
    }

    /// A person writes. Returns the platform's message id; the webhook is on its way.
    pub fn say(&self, peer: &str, said: Said) -> String {
        self.say_copies(peer, said, 1)
    }

    /// A person writes once, and the platform posts `copies` of the same webhook at the same time.
    pub fn say_copies(&self, peer: &str, said: Said, copies: usize) -> String {
        said::say(self, peer, said, copies)
    }

    /// The platform posts a webhook of this message once more, because it did not hear that it was taken. False: there is
    /// no such message.
    pub fn say_again(&self, message_id: &str) -> bool {
        webhook::say_again(self, message_id)
    }

    /// A file on the platform, as after a person sent it; gives its id, for [`Said::Media`] and sends. It lives 7 days.
    pub fn add_media(&self, media_type: &str, content: &[u8]) -> String {
        let now = self.now();
        self.lock().media.add(media_type, content, media::PERSONS_FILES_LIVE, now)
    }

    /// What the platform tells as this file's SHA-256 is wrong from now on.
    pub fn spoil_media(&self, id: &str) {
        self.lock().media.spoil(id);
    }

    /// All addresses of files given out so far have expired.
    pub fn expire_media_urls(&self) {
        self.lock().media.expire_urls();
    }

    /// The platform forgets all files.
    pub fn drop_media(&self) {
        self.lock().media.clear();
    }

    /// A file's type and bytes: one of [`Meta::add_media`], or one that the business uploaded.
    pub fn media(&self, id: &str) -> Option<(String, Vec<u8>)> {
        let now = self.now();
        self.lock().media.find(id, now).map(|file| (file.media_type.clone(), file.content.to_vec()))
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

    /// The person took a user name: webhooks no longer tell the number, and sends have to name [`Meta::user_id`] as
    /// `recipient`.
    pub fn hide_number(&self, peer: &str, user_name: &str) {
        self.lock().people.person(peer).user_name = Some(user_name.to_owned());
    }

    /// The business-scoped id of a person.
    pub fn user_id(&self, peer: &str) -> String {
        people::user_id(peer)
    }

    /// True while the person is shown that the business types: for 25 s after the mark, or until the next message.
    pub fn typing(&self, peer: &str) -> bool {
        self.typing_until(peer).is_some()
    }

    /// Until when the person is shown that the business types, if it does.
    pub fn typing_until(&self, peer: &str) -> Option<Micros> {
        let now = self.now();
        self.lock().people.find(peer)?.typing_until.filter(|until| now < *until)
    }

    /// The person opens the chat: everything in it is read, and statuses go out.
    pub fn look(&self, peer: &str) {
        status::look(self, peer);
    }

    /// Everything that was sent lawfully, in order.
    pub fn sends(&self) -> Vec<Send> {
        self.lock().sends.iter().cloned().collect()
    }

    /// Every webhook so far, with its attempts and their statuses.
    pub fn webhooks(&self) -> Vec<Outgoing> {
        self.0.posting.outgoing()
    }

    /// Up to `limit` webhooks with numbers below `before`, the newest of them, oldest first.
    pub(crate) fn told_webhooks(&self, before: Option<usize>, limit: usize) -> Vec<serde_json::Value> {
        self.0.posting.told(before, limit)
    }

    /// Waits until every webhook was taken or given up, at most `limit`; false when the time is over. Webhooks that
    /// are gathered do not count.
    pub async fn settled(&self, limit: Duration) -> bool {
        self.0.posting.settled(limit).await
    }
}

shows_phones!(Meta);
