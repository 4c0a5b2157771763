//! What all platforms' rooms answer with.

use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::{Incoming, Receipt};

/// A webhook body, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// What people wrote, in the body's order.
    pub messages: Vec<Incoming>,
    /// What the platform reports about messages of ours.
    pub receipts: Vec<Receipt>,
    /// What the platform tells about the account itself: templates, groups, calls, payments.
    pub events: Vec<Event>,
    /// Parts of the body that are neither; to be stored, never to be refused.
    pub unknown: Vec<Unparsed>,
}

impl Parsed {
    /// All parts.
    pub fn count(&self) -> usize {
        self.messages.len() + self.receipts.len() + self.events.len() + self.unknown.len()
    }
}

/// What the platform tells about an account, and no person said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The platform's word for it.
    pub kind: String,
    /// The part of the body as JSON.
    pub payload: Vec<u8>,
}

/// A part of a webhook body that no rule of ours reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unparsed {
    /// Why not, in words for an operator.
    pub reason: String,
    /// The part as JSON.
    pub payload: Vec<u8>,
}

/// Why a webhook was not believed. The caller answers 401 for all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No secret is configured: nothing can be verified, so nothing is believed.
    #[error("no webhook secret is configured for this account")]
    NoSecret,
    /// The header that proves the sender is absent or empty.
    #[error("header `{0}` is missing")]
    MissingHeader(String),
    /// The header is there more than once.
    #[error("header `{0}` is given more than once")]
    RepeatedHeader(String),
    /// The header's value is no signature or credential of the configured form.
    #[error("header `{0}` does not have the configured form")]
    Malformed(String),
    /// The signature or credential is of the right form and wrong.
    #[error("the signature or credential does not match")]
    Mismatch,
    /// This channel receives no webhooks.
    #[error("this channel has no webhook")]
    NoWebhook,
}

/// Why a whole body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, even after the usual damages (byte order mark, broken UTF-8, half a surrogate pair) are mended.
    #[error("the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// Nested deeper than [`crate::MAX_DEPTH`].
    #[error("the body is nested deeper than {} levels", crate::MAX_DEPTH)]
    TooDeep,
    /// This channel receives no webhooks.
    #[error("this channel has no webhook")]
    NoWebhook,
}

/// Why an account's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL is neither a host nor a URL.
    #[error("`{0}` is neither a host nor a URL")]
    BaseUrl(String),
    /// The configured header is no HTTP header name.
    #[error("`{0}` is no HTTP header name")]
    Header(String),
    /// The configured credential cannot stand in a header.
    #[error("the API key has characters that a header cannot carry")]
    ApiKey,
    /// Not `<digits>:<letters>`.
    #[error("the token is none that Telegram gives out: it looks like `110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw`")]
    Token,
    /// A word that the platform would not register.
    #[error("a webhook secret has 1 to 256 of A-Z, a-z, 0-9, `_` and `-`")]
    WebhookSecret,
    /// A word that names no algorithm or encoding.
    #[error(transparent)]
    Name(#[from] crate::verify::NameError),
    /// The HTTP client could not be made.
    #[error("cannot make the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// How a send ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The platform took it. That is not delivery.
    Sent {
        /// The platform's id of it; reports name it.
        provider_message_id: String,
        /// The platform took the request and refused the message in the same answer: store it as a `failed`
        /// receipt, with these words for the operator.
        refused: Option<String>,
        /// The platform's own id of the chat, where it is another than the one we wrote to: answers come from there.
        peer: Option<String>,
    },
    /// The platform will not take it, however often it is tried.
    Rejected {
        /// What kind of refusal.
        class: RejectClass,
        /// The platform's words, without personal data.
        reason: String,
    },
    /// Not taken now.
    RetryAfter {
        /// Wait exactly this long.
        wait: Duration,
        /// The whole account has to wait, not this conversation alone.
        account_wide: bool,
    },
    /// Not taken now, since too much came in too short a time; the platform does not say how long to wait, but longer after
    /// each attempt.
    TooFast {
        /// The whole account has to wait, not this conversation alone.
        account_wide: bool,
    },
    /// It failed before the first byte of the request left: nothing happened.
    NotSent {
        /// What failed.
        reason: String,
    },
    /// It may have been taken: timeout, reset, 408, 5xx, an answer that cannot be read.
    Unknown {
        /// What was seen.
        reason: String,
    },
}

/// What kind of refusal a platform gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectClass {
    /// Our key or sender is not accepted: every send of the account will fail. An alarm.
    Credentials,
    /// The person cannot be reached there: no such number, left.
    Recipient,
    /// The person wants nothing from us: they blocked the account, or want no messages that they did not ask for.
    OptedOut,
    /// The person told the platform that they want nothing from us that sells.
    NoMarketing,
    /// The platform's time for free answers is over; only a template may be sent.
    WindowClosed,
    /// The message itself is wrong: shape, length, type.
    Content,
}

impl RejectClass {
    /// As logged and counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Recipient => "recipient",
            Self::OptedOut => "opted_out",
            Self::NoMarketing => "no_marketing",
            Self::WindowClosed => "window_closed",
            Self::Content => "content",
        }
    }
}

/// How a file of a reply gets to its platform.
#[derive(Clone, PartialEq, Eq)]
pub enum FileSource {
    /// All of it.
    Bytes(Bytes),
    /// Where the platform fetches it: see [`crate::Channel::fetches_files`].
    Link(Url),
}

impl std::fmt::Debug for FileSource {
    /// Neither content nor link, which opens the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes",
            Self::Link(_) => "Link",
        })
    }
}

/// A file as a platform gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// All of it.
    pub content: Vec<u8>,
    /// Media type that the platform names, in lower case without parameters; believe the bytes rather.
    pub media_type: Option<String>,
    /// File name that the platform names.
    pub name: Option<String>,
}

/// Why a file that a person sent cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address is not the account's own, or the channel has none: nobody was asked.
    #[error("its address may not be asked: {0}")]
    Refused(&'static str),
    /// The platform does not have it (any more).
    #[error("the platform does not have it: HTTP {0}")]
    Gone(u16),
    /// It has more bytes than allowed.
    #[error("it is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Most bytes allowed.
        limit_bytes: usize,
    },
    /// Our key is not accepted.
    #[error("the platform does not accept our key: HTTP {0}")]
    Credentials(u16),
    /// Not now: it may be asked again.
    #[error("the platform did not give it: {0}")]
    Away(String),
}

impl FetchError {
    /// It took too long.
    pub fn late() -> Self {
        Self::Away("it did not come within the deadline".to_owned())
    }
}
