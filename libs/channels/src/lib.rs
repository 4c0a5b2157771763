//! The platforms' contracts: verify, parse, render, send, classify errors.
//!
//! One folder per platform. A new platform is a folder with the same five questions answered, a variant
//! of [`Channel`], and an arm in each `match` below; nothing else of Dragoman knows its name.
//! Nothing in here keeps state: what was accepted and what is to be sent stands in the store.

mod download;
mod exchange;
mod fields;
mod form;
mod handed;
pub mod infobip;
mod json;
mod marks;
pub mod meta;
pub mod sniff;
mod split;
pub mod telegram;
mod types;
pub mod verify;
pub mod web;
mod whatsapp;
mod words;

use std::{collections::BTreeMap, time::Duration};

use domain::{Account, Incoming, Micros, OutboxId, Receipt, Reply, ReplyFile, Template, Tenant};
use http::HeaderMap;

pub use download::Download;
pub use json::MAX_DEPTH;
pub use types::{
    BuildError, Event, FetchError, Fetched, FileSource, ParseError, Parsed, RejectClass, SendOutcome, Unparsed,
    VerifyError,
};

/// A configured account of one platform: what the gateway asks about a webhook and the worker about a send.
#[derive(Clone, Debug)]
pub enum Channel {
    /// WhatsApp through Infobip.
    Infobip(infobip::Infobip),
    /// WhatsApp through Meta's Cloud API, with the accounts whose webhooks come by the same address, by their phone number
    /// id: the same app signs them.
    Meta(meta::Meta, BTreeMap<String, Account>),
    /// A Telegram bot.
    Telegram(telegram::Telegram),
    /// Our own web chat.
    Web(web::Web),
}

impl Channel {
    /// The first half of its accounts' names, and the provider of its inbox rows.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Infobip(_) => infobip::NAME,
            Self::Meta(..) => meta::NAME,
            Self::Telegram(_) => telegram::NAME,
            Self::Web(_) => web::NAME,
        }
    }

    /// The platform vouches for the contact that a person shares as their own; elsewhere their number is known, or nobody
    /// could tell.
    pub fn knows_contacts(&self) -> bool {
        matches!(self, Self::Telegram(_))
    }

    /// What its platform may put into one webhook, in bytes; a lower limit would refuse it for days.
    pub fn webhook_bytes_min(&self) -> usize {
        match self {
            Self::Meta(..) => meta::WEBHOOK_BYTES_MAX,
            Self::Infobip(_) | Self::Telegram(_) | Self::Web(_) => 0,
        }
    }

    /// Checks over the raw bytes that the platform sent this body.
    ///
    /// # Errors
    /// [`VerifyError`]: answer 401 without a body, whatever the variant.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), VerifyError> {
        match self {
            Self::Infobip(infobip) => infobip.verify(headers, body),
            Self::Meta(meta, _) => meta.verify(headers, body),
            Self::Telegram(telegram) => telegram.verify(headers),
            Self::Web(_) => Err(VerifyError::NoWebhook),
        }
    }

    /// Takes a verified body apart. `received_at` is when it reached us.
    ///
    /// # Errors
    /// [`ParseError`] when nothing can be read at all; a part that cannot be read is in [`Parsed::unknown`].
    /// Neither is the platform's concern: store the body and answer 200, or it is sent for days.
    pub fn parse(
        &self,
        tenant: &Tenant,
        account: &Account,
        body: &[u8],
        received_at: Micros,
    ) -> Result<Parsed, ParseError> {
        match self {
            Self::Infobip(_) => infobip::parse(tenant, account, body, received_at),
            Self::Meta(meta, siblings) => meta.parse(tenant, account, siblings, body, received_at),
            Self::Telegram(telegram) => telegram.parse(tenant, account, body),
            Self::Web(_) => Err(ParseError::NoWebhook),
        }
    }

    /// Splits a reply into parts that the platform takes as they are. Done before the commit, so that each
    /// part is an outbox row of its own; choices stay with the last part.
    pub fn render(&self, reply: &Reply) -> Vec<Reply> {
        match self {
            Self::Infobip(_) | Self::Meta(..) => whatsapp::render(reply),
            Self::Telegram(_) => telegram::render(reply),
            Self::Web(_) => web::render(reply),
        }
    }

    /// Sends one rendered part. Cancelled at `deadline`, and then its end is unknown.
    pub async fn send(&self, peer: &str, id: OutboxId, part: &Reply, deadline: Duration) -> SendOutcome {
        match self {
            Self::Infobip(infobip) => infobip.send(peer, id, part, deadline).await,
            Self::Meta(meta, _) => meta.send(peer, id, part, deadline).await,
            Self::Telegram(telegram) => telegram.send(peer, part, deadline).await,
            Self::Web(_) => SendOutcome::Rejected {
                class: RejectClass::Content,
                reason: "web chat rows are sent by their commit".to_owned(),
            },
        }
    }

    /// True for a platform that fetches a file from an address of ours instead of taking its bytes.
    pub fn fetches_files(&self) -> bool {
        matches!(self, Self::Infobip(_))
    }

    /// Sends the file of a rendered part, as [`Self::send`] sends its words. A file that the platform does not take is
    /// [`RejectClass::Content`]; one whose bytes could not be brought there in time is `NotSent`, since no message left.
    pub async fn send_file(
        &self,
        peer: &str,
        id: OutboxId,
        file: &ReplyFile,
        source: FileSource,
        deadline: Duration,
    ) -> SendOutcome {
        match (self, source) {
            (Self::Meta(meta, _), FileSource::Bytes(content)) => {
                meta.send_file(peer, id, file, &content, deadline).await
            }
            (Self::Telegram(telegram), FileSource::Bytes(content)) => {
                telegram.send_file(peer, file, &content, deadline).await
            }
            (Self::Infobip(infobip), FileSource::Link(url)) => infobip.send_file(peer, id, file, &url, deadline).await,
            (Self::Infobip(_) | Self::Meta(..) | Self::Telegram(_) | Self::Web(_), _) => SendOutcome::Rejected {
                class: RejectClass::Content,
                reason: "this platform does not take files in this way".to_owned(),
            },
        }
    }

    /// Sends a template that the platform has approved, as [`Self::send`] sends a part.
    pub async fn send_template(
        &self,
        peer: &str,
        id: OutboxId,
        template: &Template,
        deadline: Duration,
    ) -> SendOutcome {
        match self {
            Self::Infobip(infobip) => infobip.send_template(peer, id, template, deadline).await,
            Self::Meta(meta, _) => meta.send_template(peer, id, template, deadline).await,
            Self::Telegram(_) | Self::Web(_) => SendOutcome::Rejected {
                class: RejectClass::Content,
                reason: "this platform has no templates".to_owned(),
            },
        }
    }

    /// For how long after a person wrote they may be written to in free words; then only templates are delivered. None
    /// where the platform has no such time, and no templates.
    pub fn window(&self) -> Option<Duration> {
        match self {
            Self::Infobip(_) | Self::Meta(..) => Some(whatsapp::WINDOW),
            Self::Telegram(_) | Self::Web(_) => None,
        }
    }

    /// The peer behind a phone number, where the platform lets us write to somebody who never wrote.
    pub fn peer_of_number(&self, number: &str) -> Option<String> {
        let number = number.strip_prefix('+').unwrap_or(number);
        (self.window().is_some() && fields::is_phone(number)).then(|| number.to_owned())
    }

    /// The file that a person sent, by the address or id that the platform gave, with the account's key. Asks no host but the
    /// account's own, gives at most `limit_bytes`, and has an answer within `deadline`.
    ///
    /// # Errors
    /// [`FetchError`]; only `Away` may become better.
    pub async fn open(&self, url: &str, limit_bytes: usize, deadline: Duration) -> Result<Download, FetchError> {
        let opening = async {
            match self {
                Self::Infobip(infobip) => infobip.open(url, limit_bytes).await,
                Self::Meta(meta, _) => meta.open(url, limit_bytes).await,
                Self::Telegram(telegram) => telegram.open(url, limit_bytes, deadline).await,
                Self::Web(_) => Err(FetchError::Refused("uploads of the web chat are in the store")),
            }
        };
        tokio::time::timeout(deadline, opening).await.unwrap_or_else(|_| Err(FetchError::late()))
    }

    /// The same, all of it in memory and within `deadline`.
    ///
    /// # Errors
    /// [`FetchError`]; only `Away` may become better.
    pub async fn fetch(&self, url: &str, limit_bytes: usize, deadline: Duration) -> Result<Fetched, FetchError> {
        let fetching = async { self.open(url, limit_bytes, deadline).await?.whole().await };
        tokio::time::timeout(deadline, fetching).await.unwrap_or_else(|_| Err(FetchError::late()))
    }

    /// Shows the person that their message was read. Best effort: a failure is logged and forgotten.
    pub async fn mark_read(&self, provider_message_id: &str) {
        match self {
            Self::Infobip(infobip) => infobip.mark_read(provider_message_id).await,
            Self::Meta(meta, _) => meta.mark_read(provider_message_id).await,
            Self::Telegram(telegram) => telegram.mark_read(provider_message_id).await,
            Self::Web(_) => {}
        }
    }

    /// For how long "typing" is shown after [`Self::mark_read`] or [`Self::type_on`]; none where nothing shows it.
    pub fn typing_lasts(&self) -> Option<Duration> {
        match self {
            Self::Infobip(_) | Self::Web(_) => None,
            Self::Meta(..) => Some(meta::TYPING_LASTS),
            Self::Telegram(_) => Some(telegram::TYPING_LASTS),
        }
    }

    /// Shows "typing" once more to whoever wrote this message. Best effort.
    pub async fn type_on(&self, provider_message_id: &str) {
        match self {
            Self::Infobip(_) | Self::Web(_) => {}
            Self::Meta(meta, _) => meta.mark_read(provider_message_id).await,
            Self::Telegram(telegram) => telegram.type_on(provider_message_id).await,
        }
    }
}
