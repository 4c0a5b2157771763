//! Accounts: senders, bots and web origins, and the channels that they make.

use std::collections::BTreeMap;

use channels::{BuildError, Channel, infobip, meta, telegram, verify::Auth, web};
use domain::Account;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::config::Problems;

/// One account; its channel says which platform's settings it holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case")]
pub enum AccountConfig {
    /// WhatsApp through Infobip.
    Infobip(InfobipConfig),
    /// WhatsApp through Meta's Cloud API.
    Meta(MetaConfig),
    /// A Telegram bot.
    Telegram(TelegramConfig),
    /// Web chat.
    Web(WebConfig),
}

/// WhatsApp through Infobip.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfobipConfig {
    /// Host or URL of the account's API.
    pub base_url: String,
    /// Key of the API.
    pub api_key: SecretString,
    /// Sender number in digits.
    pub sender: String,
    /// Secrets of the webhook's signature: one, or two while they are changed.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretString>,
    /// How the platform proves itself at the webhook.
    #[serde(default)]
    pub auth: InfobipAuth,
    /// True when the platform is the built-in simulator.
    #[serde(default)]
    pub simulated: bool,
    /// Messages that leave within a second at most, from all workers together: 1 to 10,000; default 80, what a number has
    /// on WhatsApp before it is raised.
    #[serde(default = "whatsapp_rate")]
    pub sends_per_second: u32,
}

/// How Infobip proves itself at the webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum InfobipAuth {
    /// HMAC over the raw body with one of `webhook_secrets`.
    Hmac {
        /// Header that carries it.
        #[serde(default = "hmac_header")]
        header: String,
        /// `md5`, `sha1`, `sha224`, `sha256`, `sha384` or `sha512`.
        #[serde(default = "hmac_algorithm")]
        algorithm: String,
        /// `hex` or `base64`.
        #[serde(default = "hmac_encoding")]
        encoding: String,
    },
    /// HTTP basic authentication.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// A fixed bearer token.
    Bearer {
        /// The token.
        token: SecretString,
    },
}

impl Default for InfobipAuth {
    fn default() -> Self {
        Self::Hmac { header: hmac_header(), algorithm: hmac_algorithm(), encoding: hmac_encoding() }
    }
}

const HMAC_ALGORITHMS: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

fn hmac_header() -> String {
    "X-Hub-Signature-256".to_owned()
}

fn hmac_algorithm() -> String {
    "sha256".to_owned()
}

fn hmac_encoding() -> String {
    "hex".to_owned()
}

/// WhatsApp through Meta's Cloud API: one number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaConfig {
    /// Id of the number, in digits; not the number itself.
    pub phone_number_id: String,
    /// Token of a system user that may send from the number.
    pub access_token: SecretString,
    /// Secrets of the app, which sign its webhooks: one, or two while they are changed. Numbers of a tenant with the same
    /// secrets share their webhooks: the platform sends those of an app to one address.
    #[serde(default)]
    pub app_secrets: Vec<SecretString>,
    /// Word that the platform says when the webhook is registered.
    #[serde(default = "nothing")]
    pub verify_token: SecretString,
    /// Host or URL of the API.
    #[serde(default = "meta_url")]
    pub base_url: String,
    /// Version of the API.
    #[serde(default = "meta_version")]
    pub version: String,
    /// True when the platform is the built-in simulator.
    #[serde(default)]
    pub simulated: bool,
    /// Messages that leave within a second at most, from all workers together: 1 to 10,000; default 80.
    #[serde(default = "whatsapp_rate")]
    pub sends_per_second: u32,
}

/// A Telegram bot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramConfig {
    /// Token of the bot.
    pub token: SecretString,
    /// Where the platform is to send updates: `dragoman channels register` tells it, and the gateway serves this path.
    /// Without one the gateway asks for updates.
    #[serde(default)]
    pub webhook_url: Option<Url>,
    /// Words that webhooks say: one, or two while they are changed; default one that follows from the token.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretString>,
    /// URL of the API; a server of one's own may stand in its place.
    #[serde(default = "telegram_url")]
    pub base_url: String,
    /// True when the platform is the built-in simulator.
    #[serde(default)]
    pub simulated: bool,
    /// Messages that leave within a second at most, from all workers together: 1 to 10,000; default 30, what a bot has.
    #[serde(default = "telegram_rate")]
    pub sends_per_second: u32,
}

/// Shortest key that signs sessions, in bytes: as long as the signature (RFC 2104, 3).
pub const SESSION_KEY_BYTES_MIN: usize = 32;

/// Web chat.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Origins that may use it from a browser.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Key that signs sessions; without one a random key is made at each start.
    #[serde(default)]
    pub session_key: Option<SecretString>,
    /// Adds what happened inside to the answers; for development.
    #[serde(default)]
    pub debug: bool,
}

fn whatsapp_rate() -> u32 {
    80
}

fn telegram_rate() -> u32 {
    30
}

fn nothing() -> SecretString {
    SecretString::default()
}

fn meta_url() -> String {
    meta::BASE_URL.to_owned()
}

fn meta_version() -> String {
    meta::VERSION.to_owned()
}

fn telegram_url() -> String {
    telegram::BASE_URL.to_owned()
}

impl AccountConfig {
    /// The channel it belongs to.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::Infobip(_) => infobip::NAME,
            Self::Meta(_) => meta::NAME,
            Self::Telegram(_) => telegram::NAME,
            Self::Web(_) => web::NAME,
        }
    }

    /// True when nothing real can be reached through it.
    pub fn is_simulated(&self) -> bool {
        match self {
            Self::Infobip(config) => config.simulated,
            Self::Meta(config) => config.simulated,
            Self::Telegram(config) => config.simulated,
            Self::Web(_) => true,
        }
    }

    /// Messages that may leave within a second.
    pub fn sends_per_second(&self) -> u32 {
        match self {
            Self::Infobip(config) => config.sends_per_second,
            Self::Meta(config) => config.sends_per_second,
            Self::Telegram(config) => config.sends_per_second,
            Self::Web(_) => u32::MAX,
        }
    }

    /// What the gateway asks about its webhooks and the worker about its sends. Of Meta's accounts it knows no other.
    ///
    /// # Errors
    /// [`BuildError`] when a setting has no usable form.
    pub fn build(&self) -> Result<Channel, BuildError> {
        match self {
            Self::Infobip(config) => config.build().map(Channel::Infobip),
            Self::Meta(config) => config.build().map(|meta| Channel::Meta(meta, BTreeMap::new())),
            Self::Telegram(config) => config.build().map(Channel::Telegram),
            Self::Web(_) => Ok(Channel::Web(web::Web)),
        }
    }

    pub(super) fn validate(&self, account: &Account, problems: &mut Problems) {
        if account.channel() != self.channel() {
            problems.add(
                "channel",
                format!("is `{}`, but the account's name says `{}`", self.channel(), account.channel()),
            );
        }
        match self {
            Self::Infobip(config) => config.validate(problems),
            Self::Meta(config) => config.validate(problems),
            Self::Telegram(config) => config.validate(problems),
            Self::Web(config) => return config.validate(problems),
        }
        if !(1..=10_000).contains(&self.sends_per_second()) {
            problems.add("sends_per_second", "must be 1 to 10000");
        }
    }
}

/// Secrets that prove a webhook, under `key`.
fn two_at_most(key: &str, secrets: &[SecretString], problems: &mut Problems) {
    if secrets.len() > 2 {
        problems.add(key, "at most two: the present one and the next");
    }
}

impl InfobipConfig {
    fn build(&self) -> Result<infobip::Infobip, BuildError> {
        let secrets = self.webhook_secrets.clone();
        let auth = match &self.auth {
            InfobipAuth::Hmac { header, algorithm, encoding } => Auth::Hmac {
                header: header.clone(),
                algorithm: algorithm.parse()?,
                encoding: encoding.parse()?,
                secrets,
            },
            InfobipAuth::Basic { username, password } => {
                Auth::Basic { username: username.clone(), passwords: [vec![password.clone()], secrets].concat() }
            }
            InfobipAuth::Bearer { token } => Auth::Bearer { tokens: [vec![token.clone()], secrets].concat() },
        };
        infobip::Infobip::new(infobip::Config {
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            sender: self.sender.clone(),
            auth,
        })
    }

    fn validate(&self, problems: &mut Problems) {
        two_at_most("webhook_secrets", &self.webhook_secrets, problems);
        if let InfobipAuth::Hmac { algorithm, encoding, .. } = &self.auth {
            if self.webhook_secrets.is_empty() && !self.simulated {
                problems.add("webhook_secrets", "an account with `auth.type = \"hmac\"` needs the signature's secret");
            }
            if !HMAC_ALGORITHMS.contains(&algorithm.as_str()) {
                problems.add("auth.algorithm", format!("`{algorithm}` is none of {}", HMAC_ALGORITHMS.join(", ")));
            }
            if !["hex", "base64"].contains(&encoding.as_str()) {
                problems.add("auth.encoding", format!("`{encoding}` is not known: hex or base64"));
            }
        }
        if !(self.sender.len() >= 5 && self.sender.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit())) {
            problems.add("sender", "is the sender's number in digits");
        }
    }
}

impl MetaConfig {
    fn build(&self) -> Result<meta::Meta, BuildError> {
        meta::Meta::new(meta::Config {
            base_url: self.base_url.clone(),
            version: self.version.clone(),
            phone_number_id: self.phone_number_id.clone(),
            access_token: self.access_token.clone(),
            app_secrets: self.app_secrets.clone(),
            verify_token: self.verify_token.clone(),
        })
    }

    /// Both get their webhooks by one address: the same app signs them.
    pub fn shares_webhooks_with(&self, other: &Self) -> bool {
        let secrets = |one: &Self| {
            one.app_secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect::<Vec<String>>()
        };
        !self.app_secrets.is_empty() && secrets(self).iter().any(|secret| secrets(other).contains(secret))
    }

    fn validate(&self, problems: &mut Problems) {
        let empty = |secret: &SecretString| secret.expose_secret().trim().is_empty();
        two_at_most("app_secrets", &self.app_secrets, problems);
        if self.app_secrets.is_empty() && !self.simulated {
            problems.add("app_secrets", "webhooks are signed with the app's secret: name it");
        }
        if empty(&self.verify_token) && !self.simulated {
            problems
                .add("verify_token", "is the word that you give in the app's dashboard beside the webhook's address");
        }
        if empty(&self.access_token) {
            problems.add("access_token", "is the token of a system user that may send from the number");
        }
        if self.phone_number_id.is_empty() || !self.phone_number_id.bytes().all(|b| b.is_ascii_digit()) {
            problems
                .add("phone_number_id", "is the id of the number, in digits; the dashboard shows it beside the number");
        }
        let version = self.version.strip_prefix('v').and_then(|version| version.split_once('.'));
        if !version.is_some_and(|(major, minor)| major.parse::<u16>().is_ok() && minor.parse::<u16>().is_ok()) {
            problems.add("version", format!("`{}` is no version such as `{}`", self.version, meta::VERSION));
        }
    }
}

impl TelegramConfig {
    fn build(&self) -> Result<telegram::Telegram, BuildError> {
        let webhook_secrets = match self.webhook_secrets.as_slice() {
            // Nobody has to think of a word that all services know.
            [] => vec![hex::encode(Sha256::digest(format!("webhook {}", self.token.expose_secret()))).into()],
            secrets => secrets.to_vec(),
        };
        telegram::Telegram::new(telegram::Config {
            base_url: self.base_url.clone(),
            token: self.token.clone(),
            webhook_secrets,
        })
    }

    fn validate(&self, problems: &mut Problems) {
        two_at_most("webhook_secrets", &self.webhook_secrets, problems);
        if !telegram::is_token(self.token.expose_secret()) {
            problems.add("token", BuildError::Token.to_string());
        }
        if !self.webhook_secrets.iter().all(|secret| telegram::is_webhook_secret(secret.expose_secret())) {
            problems.add("webhook_secrets", BuildError::WebhookSecret.to_string());
        }
        let wrong = |url: &Url| match url {
            url if url.scheme() != "https" || !url.has_host() => Some("does not begin with https:// and a host"),
            url if url.path().len() <= 1 => Some("has no path"),
            url if url.query().is_some() => Some("has a query"),
            _ => None,
        };
        if let Some(wrong) = self.webhook_url.as_ref().and_then(wrong).filter(|_| !self.simulated) {
            problems.add(
                "webhook_url",
                format!("{wrong}; it has to look like `https://<your host>/webhook/telegram/main`, without a query"),
            );
        }
        let with_scheme = ["http://", "https://"].iter().any(|scheme| self.base_url.trim().starts_with(scheme));
        if !with_scheme || !Url::parse(self.base_url.trim()).is_ok_and(|url| url.has_host()) {
            problems.add("base_url", "has to begin with http:// or https:// and a host (TELEGRAM_API_URL)");
        }
    }
}

impl WebConfig {
    fn validate(&self, problems: &mut Problems) {
        let bytes = self.session_key.as_ref().map(|key| key.expose_secret().len());
        if let Some(bytes) = bytes.filter(|bytes| *bytes < SESSION_KEY_BYTES_MIN) {
            problems.add("session_key", format!("has {bytes} bytes; it must have {SESSION_KEY_BYTES_MIN} or more"));
        }
    }
}
