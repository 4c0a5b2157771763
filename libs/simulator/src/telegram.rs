//! A strict fake of Telegram's Bot API, and the phones on its other side.
//!
//! [`Telegram::router`] takes what a bot calls: `/bot{token}/{method}` for the methods of the table, and gives files at
//! `/file/bot{token}/{path}`. [`Telegram::say`] is a person doing something: the update waits for `getUpdates`, or is
//! posted to the webhook until the bot answers 2xx. [`Telegram::chat`] is what that person sees.
//!
//! | to | methods |
//! |---|---|
//! | send | `sendMessage`, `sendPhoto`, `sendDocument`, `sendVoice`, `sendLocation`, `sendChatAction` |
//! | change | `editMessageText`, `editMessageReplyMarkup`, `deleteMessage`, `answerCallbackQuery` |
//! | hear | `setWebhook`, `deleteWebhook`, `getWebhookInfo`, `getUpdates`, `getFile` |
//! | live | `getMe`, `setMyCommands`, `leaveChat` |
//!
//! Refusals have the real server's texts, which were read in its source (`tdlib/telegram-bot-api`). What that server
//! passes over in silence, such as parameters it does not know, is listed by [`Telegram::oddities`].
//!
//! It differs on purpose: updates are given up after [`Config::attempts`] and not after a day; files are not fetched
//! from addresses; there are no topics, business accounts, albums or inline messages; formatting of sent texts is what
//! the bot gave, without links or commands found in them.

mod api;
mod chats;
mod edit;
mod html;
mod kept;
mod keyboard;
mod known;
mod limits;
mod markdown;
mod media;
mod params;
mod poll;
mod queries;
mod refusal;
mod said;
mod send;
mod text;
mod updates;
mod webhook;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use domain::{Clock, Micros, SystemClock};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use self::{
    chats::{Chats, Sort},
    kept::Kept,
    limits::Limiter,
    media::Media,
    queries::Queries,
    updates::Updates,
    webhook::Hook,
};
pub use self::{
    limits::Limits,
    said::{NotSaid, Said},
    webhook::{Outgoing, Webhook},
};
use crate::{
    faults::Faults,
    parts::FilePart,
    phone::{Phones, State, Tick, shows_phones},
    posting::Seldom,
    serve,
    trouble::{Gathered, Trouble},
};

/// Notes of odd calls that are kept.
const MOST_ODDITIES: usize = 1_000;

/// How long an action is shown.
const TYPING_LENGTH: Duration = Duration::from_secs(5);

/// Configuration of [`Telegram`].
#[derive(Clone)]
pub struct Config {
    /// The bot's token: its id, a colon, a secret.
    pub token: String,
    /// The bot's user name, without `@`.
    pub username: String,
    /// Webhooks may use `http`, which Telegram refuses.
    pub allow_http: bool,
    /// Webhooks may use ports other than 443, 80, 88 and 8443.
    pub allow_any_port: bool,
    /// Limits of sending; none by default, so that load can be measured. See [`Telegram::set_limits`].
    pub limits: Option<Limits>,
    /// How long a press of a button can be answered.
    pub query_life: Duration,
    /// Attempts at most to post an update, until one is answered 2xx.
    pub attempts: u32,
    /// Wait before the second attempt; doubles up to 8 times this. A `Retry-After` of the bot is heeded instead.
    pub retry_wait: Duration,
    /// Id of the first update.
    pub first_update: i64,
    /// The time: of messages, limits, presses and the day that updates are kept.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// As Telegram is, with 8 attempts from 100 ms and no limits of sending.
    pub fn new(token: &str, username: &str) -> Self {
        Self {
            token: token.to_owned(),
            username: username.to_owned(),
            allow_http: false,
            allow_any_port: false,
            limits: None,
            query_life: Duration::from_secs(15 * 60),
            attempts: 8,
            retry_wait: Duration::from_millis(100),
            first_update: 700_000_001,
            clock: Arc::new(SystemClock),
        }
    }

    /// The same for tests: a webhook may be `http` on any port.
    pub fn local(token: &str, username: &str) -> Self {
        Self { allow_http: true, allow_any_port: true, ..Self::new(token, username) }
    }
}

/// Why the fake cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTP client for webhooks")]
pub struct TelegramError(#[from] reqwest::Error);

/// In which order chats go on when [`Telegram::release_updates`] lets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As the updates were made.
    #[default]
    AsMade,
    /// The chat that began last goes first; each chat keeps its own order.
    LastFirst,
}

/// One lawful call that changed a chat, for assertions.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Sent {
    /// Such as `sendMessage` or `deleteMessage`.
    pub method: &'static str,
    /// The chat's id.
    pub to: String,
    /// The message's id, which is its bubble's.
    pub message_id: String,
    /// Text or caption, as people see it: without markup.
    pub text: String,
    /// Its entities; offsets and lengths in UTF-16 units.
    pub entities: Vec<Value>,
    /// The inline keyboard.
    pub reply_markup: Option<Value>,
    /// Every parameter, as text.
    pub params: Value,
    /// Files that came with the call.
    pub files: Vec<FilePart>,
    /// When.
    pub at: Micros,
}

/// A `sendChatAction`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Action {
    /// The chat's id.
    pub to: String,
    /// Such as `typing`.
    pub action: &'static str,
    /// When.
    pub at: Micros,
}

/// An `answerCallbackQuery`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Answer {
    /// What [`Telegram::say`] gave for the press.
    pub query: String,
    /// The notice; may be empty.
    pub text: String,
    /// It has to be dismissed.
    pub show_alert: bool,
    /// When.
    pub at: Micros,
}

/// The fake. Cheap to clone; clones are the same platform.
#[derive(Clone)]
pub struct Telegram(Arc<Shared>);

struct Shared {
    config: Config,
    client: reqwest::Client,
    faults: Faults,
    state: State<Inner>,
    /// Updates that wait or are on their way.
    under_way: watch::Sender<usize>,
    /// Nobody serves the webhook's address.
    nobody: Seldom,
}

struct Inner {
    /// The bot as `from`.
    bot: Value,
    chats: Chats,
    phones: Phones,
    media: Media,
    queries: Queries,
    limiter: Limiter,
    updates: Updates,
    hook: Option<Hook>,
    generations: u64,
    /// Chats with an update on its way.
    busy: BTreeSet<i64>,
    /// Posts beside the queue that are on their way.
    repeats: usize,
    paused: bool,
    delay: Duration,
    trouble: Trouble,
    /// Calls of `getUpdates` so far.
    polls: u64,
    outgoing: Kept<Outgoing>,
    sends: Kept<Sent>,
    actions: Kept<Action>,
    answers: Kept<Answer>,
    commands: BTreeMap<String, Value>,
    oddities: Vec<String>,
}

impl Inner {
    fn note(&mut self, odd: String) {
        if self.oddities.len() < MOST_ODDITIES && !self.oddities.contains(&odd) {
            self.oddities.push(odd);
        }
    }

    /// The bot as `getMe` shows it.
    fn me(&self) -> Value {
        let mut me = self.bot.clone();
        for (key, able) in [
            ("can_join_groups", true),
            ("can_read_all_group_messages", true),
            ("supports_inline_queries", false),
            ("can_connect_to_business", false),
            ("has_main_web_app", false),
        ] {
            me[key] = json!(able);
        }
        me
    }
}

impl Telegram {
    /// A platform without chats. Installs ring as the process's TLS provider if there is none.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(config: Config) -> Result<Self, TelegramError> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another one is as good
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let id = config.token.split(':').next().and_then(|id| id.parse::<i64>().ok()).unwrap_or(1);
        let inner = Inner {
            bot: json!({"id": id, "is_bot": true, "first_name": config.username, "username": config.username}),
            chats: Chats::default(),
            phones: Phones::default(),
            media: Media::default(),
            queries: Queries::default(),
            limiter: Limiter::new(config.limits),
            updates: Updates::starting_at(config.first_update),
            hook: None,
            generations: 0,
            busy: BTreeSet::new(),
            repeats: 0,
            paused: false,
            delay: Duration::ZERO,
            trouble: Trouble::default(),
            polls: 0,
            outgoing: Kept::default(),
            sends: Kept::default(),
            actions: Kept::default(),
            answers: Kept::default(),
            commands: BTreeMap::new(),
            oddities: Vec::new(),
        };
        let shared = Shared {
            config,
            client,
            faults: Faults::default(),
            state: State::new(inner),
            under_way: watch::channel(0).0,
            nobody: Seldom::default(),
        };
        Ok(Self(Arc::new(shared)))
    }

    /// The API. Cut connections need [`Telegram::serve`].
    pub fn router(&self) -> Router {
        api::router(self.clone())
    }

    /// Serves the API until `shutdown`.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(self.router(), listener, shutdown).await;
    }

    /// Orders for calls that go wrong. Operations are `POST sendMessage` and the like, whichever way the bot calls, and
    /// `GET file`. A 429 with a wait makes every call but `getUpdates` wait for as long.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Where updates go from now on, as after a `setWebhook`.
    pub fn set_webhook(&self, webhook: Webhook) {
        webhook::force(&mut self.lock(), webhook, false);
        webhook::pump(self, Order::AsMade);
    }

    /// Limits of sending from now on; see [`Limits`].
    pub fn set_limits(&self, limits: Option<Limits>) {
        self.lock().limiter.limits = limits;
    }

    /// Calls that came before a `retry_after` was over. Each was refused.
    pub fn early_calls(&self) -> usize {
        self.lock().limiter.early
    }

    /// A person does something in the private chat with the bot. Gives the message's id, which is its bubble's; for a
    /// press of a button the query's.
    ///
    /// # Errors
    /// When that cannot be done on a phone.
    pub fn say(&self, peer: &str, said: Said) -> Result<String, NotSaid> {
        self.say_copies(peer, said, 1)
    }

    /// As [`Telegram::say`], and the platform posts `copies` of the same update at the same time. Polls get one.
    ///
    /// # Errors
    /// As there.
    pub fn say_copies(&self, peer: &str, said: Said, copies: usize) -> Result<String, NotSaid> {
        self.act(peer, peer, &said, copies)
    }

    /// A person does something in a group that the bot was added to.
    ///
    /// # Errors
    /// As [`Telegram::say`].
    pub fn say_in(&self, group: &str, peer: &str, said: Said) -> Result<String, NotSaid> {
        self.act(group, peer, &said, 1)
    }

    fn act(&self, chat: &str, from: &str, said: &Said, copies: usize) -> Result<String, NotSaid> {
        let (chat, from) = (number(chat)?, number(from)?);
        let about = {
            let mut inner = self.lock();
            let about = said::say(&mut inner, self.now(), chat, from, said, copies)?;
            self.gather(&mut inner);
            about
        };
        self.changed();
        webhook::pump(self, Order::AsMade);
        Ok(about)
    }

    /// Holds updates for as long as [`Trouble::gather_ms`] says, if they are to be gathered and are not held already.
    fn gather(&self, inner: &mut Inner) {
        let Some(window) = inner.trouble.window().filter(|_| !inner.paused) else { return };
        inner.paused = true;
        let order = match inner.trouble.gathered {
            Gathered::Batch => Order::AsMade,
            Gathered::Reverse => Order::LastFirst,
        };
        let telegram = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(window).await;
            telegram.release_updates(order);
        });
    }

    /// The platform posts the newest update about this message or press once more, because it did not hear that it was
    /// taken. False: there is none, or no webhook.
    pub fn say_again(&self, peer: &str, id: &str) -> bool {
        let chat = number(peer);
        let is_it = |update: &updates::Update| Ok(update.chat) == chat && update.about == id;
        let found = self.lock().updates.made.iter().rev().find(|update| is_it(update)).cloned();
        found.is_some_and(|update| webhook::repeat(self, &update))
    }

    /// The person blocks the bot, which hears of it: `my_chat_member` with `kicked`.
    ///
    /// # Errors
    /// When there is no such chat, or the bot is blocked already.
    pub fn set_blocked(&self, peer: &str) -> Result<(), NotSaid> {
        self.say(peer, Said::Block).map(drop)
    }

    /// Somebody adds the bot to a group, which hears of it. Ids of groups are negative; those of supergroups begin with
    /// `-100` and have 13 digits or more.
    ///
    /// # Errors
    /// When the id is not a group's.
    pub fn add_to_group(&self, group: &str, title: &str, by: &str) -> Result<(), NotSaid> {
        let (chat, by) = (number(group)?, number(by)?);
        if Sort::of(chat) == Sort::Private {
            return Err(NotSaid::NoSuchChat);
        }
        let now = self.now();
        let mut inner = self.lock();
        inner.phones.chat(group).name = Some(title.to_owned());
        let known = inner.chats.chat(chat);
        (known.known, known.left, known.name) = (true, false, Some(title.to_owned()));
        let content = said::membership(&inner, now, chat, by, "left", "member");
        inner.updates.add(now, "my_chat_member", chat, "added", content, 1);
        drop(inner);
        self.changed();
        webhook::pump(self, Order::AsMade);
        Ok(())
    }

    /// The group becomes a supergroup, whose id it gives; the bot hears of both sides, and what it sends to the old id is
    /// refused with the new one.
    ///
    /// # Errors
    /// When the bot is in no such group, or it is a supergroup.
    pub fn migrate(&self, group: &str, by: &str) -> Result<String, NotSaid> {
        let (chat, by) = (number(group)?, number(by)?);
        let now = self.now();
        let mut inner = self.lock();
        let old = inner.chats.chat(chat);
        if Sort::of(chat) != Sort::Group || !old.known || old.left || old.migrated_to.is_some() {
            return Err(NotSaid::NoSuchChat);
        }
        let to = -1_000_000_000_000 - chat.saturating_abs();
        old.migrated_to = Some(to);
        let name = old.name.clone();
        inner.phones.chat(&to.to_string()).name.clone_from(&name);
        let new = inner.chats.chat(to);
        (new.known, new.name) = (true, name);
        for (at, key, other) in [(chat, "migrate_to_chat_id", to), (to, "migrate_from_chat_id", chat)] {
            let id = inner.chats.next_id(at);
            let mut message = said::head(&inner, now, at, id, by);
            message[key] = json!(other);
            inner.updates.add(now, "message", at, &id.to_string(), message, 1);
        }
        drop(inner);
        self.changed();
        webhook::pump(self, Order::AsMade);
        Ok(to.to_string())
    }

    /// The name that updates give for a person, first and last, or a group's title.
    pub fn set_name(&self, peer: &str, name: &str) {
        let mut inner = self.lock();
        inner.phones.chat(peer).name = Some(name.to_owned());
        if let Ok(chat) = number(peer) {
            inner.chats.chat(chat).name = Some(name.to_owned());
        }
        drop(inner);
        self.changed();
    }

    /// The language of a person's app, such as `hr`.
    pub fn set_language(&self, peer: &str, code: &str) {
        if let Ok(chat) = number(peer) {
            self.lock().chats.chat(chat).language = Some(code.to_owned());
        }
    }

    /// A file that people can send; gives the id for [`Said::Photo`] and the like.
    pub fn add_media(&self, media_type: &str, content: &[u8]) -> String {
        self.lock().media.add(media_type, content)
    }

    /// The same for a file of any size, of which there is no content: to see that more than 20 MB is refused.
    pub fn add_sized_media(&self, media_type: &str, size_bytes: u64) -> String {
        self.lock().media.add_sized(media_type, size_bytes)
    }

    /// A file's type and bytes: one of [`Telegram::add_media`], or one that the bot sent.
    pub fn media(&self, id: &str) -> Option<(String, Vec<u8>)> {
        self.lock().media.find(id).map(|file| (file.media_type.clone(), file.content.to_vec()))
    }

    /// What goes wrong with updates from now on.
    pub fn set_trouble(&self, trouble: Trouble) {
        self.lock().trouble = trouble;
    }

    /// What goes wrong with updates.
    pub fn trouble(&self) -> Trouble {
        self.lock().trouble.clone()
    }

    /// Whether the person blocks the bot.
    pub fn is_blocked(&self, peer: &str) -> bool {
        number(peer).is_ok_and(|chat| self.lock().chats.chat(chat).blocked)
    }

    /// Until when the person is shown that the bot types: 5 s from its action, or until its next message.
    pub fn typing_until(&self, peer: &str) -> Option<Micros> {
        let now = self.now();
        let inner = self.lock();
        let typed = inner.actions.iter().rev().find(|action| action.to == peer && action.action == "typing")?.at;
        let answered = inner.phones.find(peer).and_then(|chat| chat.last_answer().map(|bubble| bubble.at));
        Some(typed + TYPING_LENGTH).filter(|until| now < *until && answered.is_none_or(|answered| answered < typed))
    }

    /// The platform forgets all files.
    pub fn drop_media(&self) {
        self.lock().media.clear();
    }

    /// Paths that `getFile` gave end, as after an hour; it gives others from then on.
    pub fn expire_file_paths(&self) {
        self.lock().media.expire_paths();
    }

    /// How often files were given out.
    pub fn media_reads(&self) -> usize {
        self.lock().media.reads
    }

    /// Updates go out this long after their turn came; at once by default.
    pub fn set_update_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// No update goes out, nor to a poll, until [`Telegram::release_updates`].
    pub fn hold_updates(&self) {
        self.lock().paused = true;
    }

    /// Updates go out again.
    pub fn release_updates(&self, order: Order) {
        self.lock().paused = false;
        self.changed();
        webhook::pump(self, order);
    }

    /// The person opens the chat: everything in it is read. Bots do not hear of it.
    pub fn look(&self, peer: &str) {
        self.lock().phones.tick(peer, Tick::Read, |bubble| !bubble.mine);
        self.changed();
    }

    /// Every lawful call that sent, edited or deleted, in order; the newest 100,000.
    pub fn sends(&self) -> Vec<Sent> {
        self.lock().sends.to_vec()
    }

    /// Every `sendChatAction`, in order; the newest 100,000.
    pub fn actions(&self) -> Vec<Action> {
        self.lock().actions.to_vec()
    }

    /// Every `answerCallbackQuery`, in order; the newest 100,000.
    pub fn answers(&self) -> Vec<Answer> {
        self.lock().answers.to_vec()
    }

    /// Presses of buttons that nobody answered: their buttons still turn on the phone.
    pub fn unanswered(&self) -> Vec<String> {
        self.lock().queries.unanswered()
    }

    /// Commands that the bot set for a language; an empty code is for all others.
    pub fn commands(&self, language_code: &str) -> Option<Value> {
        self.lock().commands.get(language_code).cloned()
    }

    /// What calls had that the real server passes over in silence: unknown parameters and fields, numbers out of range,
    /// JSON of the wrong kind. Each is named once, without its value.
    pub fn oddities(&self) -> Vec<String> {
        self.lock().oddities.clone()
    }

    /// Every posted update so far, with its attempts and their statuses; the newest 100,000.
    pub fn webhooks(&self) -> Vec<Outgoing> {
        self.lock().outgoing.to_vec()
    }

    /// Up to `limit` webhooks with numbers below `before`, the newest of them, oldest first.
    pub(crate) fn told_webhooks(&self, before: Option<usize>, limit: usize) -> Vec<serde_json::Value> {
        webhook::told(&self.lock(), before, limit)
    }

    /// Waits until every update was taken, by webhook or by a poll's offset, or given up, at most `limit`; false when the
    /// time is over.
    pub async fn settled(&self, limit: Duration) -> bool {
        let mut under_way = self.0.under_way.subscribe();
        tokio::time::timeout(limit, under_way.wait_for(|count| *count == 0)).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Tells how many updates wait or are on their way.
    fn count(&self, inner: &Inner) {
        self.0.under_way.send_replace(inner.updates.count() + inner.repeats);
    }
}

shows_phones!(Telegram);

/// The methods that bots can call.
pub(crate) fn methods() -> impl Iterator<Item = &'static str> {
    known::names()
}

fn number(peer: &str) -> Result<i64, NotSaid> {
    peer.parse().ok().filter(|id| *id != 0).ok_or(NotSaid::NoSuchChat)
}
