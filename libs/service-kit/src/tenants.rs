//! The tenants of an installation: accounts, documents, credentials. Shared by the services that need a part of it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use domain::{Account, Tenant};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::config::{Problems, Validate};

/// All tenants by name: section `[tenants.<name>]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Tenants(pub BTreeMap<Tenant, TenantConfig>);

/// One tenant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantConfig {
    /// IANA name of the zone in which "tomorrow" is meant; default `UTC`.
    pub time_zone: String,
    /// Languages of the dialogue, the first is the default; default `en`, `hr`.
    pub languages: Vec<String>,
    /// Senders, bots and web origins by `<channel>:<name>`.
    pub accounts: BTreeMap<Account, AccountConfig>,
    /// OpenAPI documents by their configured name.
    pub documents: BTreeMap<String, DocumentConfig>,
    /// What becomes of a send whose end stays unknown.
    pub outbound_unknown: OutboundUnknown,
    /// A sentence for which a person chose one of several operations is kept as an example of it; default true.
    pub learn_from_choices: bool,
}

impl Default for TenantConfig {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            languages: vec!["en".to_owned(), "hr".to_owned()],
            accounts: BTreeMap::new(),
            documents: BTreeMap::new(),
            outbound_unknown: OutboundUnknown::default(),
            learn_from_choices: true,
        }
    }
}

/// What becomes of a send whose end stays unknown for 60 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboundUnknown {
    /// Send again: never lost, perhaps twice.
    #[default]
    Resend,
    /// Hold for an operator: never twice, perhaps lost.
    Hold,
}

/// One account; its channel says which platform's settings it holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case")]
pub enum AccountConfig {
    /// WhatsApp through Infobip.
    Infobip(InfobipConfig),
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

/// One OpenAPI document and the backend behind it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentConfig {
    /// Path or URL of the document.
    pub source: String,
    /// Address of the backend; else the document's servers.
    #[serde(default)]
    pub backend_url: Option<Url>,
    /// File with aliases, examples and risk classes.
    #[serde(default)]
    pub overlay: Option<PathBuf>,
    /// Credentials by security scheme name; `*` stands for every scheme that is not named.
    #[serde(default)]
    pub credentials: BTreeMap<String, CredentialConfig>,
    /// Header that names the tenant to the backend.
    #[serde(default)]
    pub tenant_header: Option<TenantHeader>,
    /// How a person becomes one of the backend's users.
    #[serde(default)]
    pub identity: Option<IdentityConfig>,
    /// Allows calls to private, loopback and link-local addresses.
    #[serde(default)]
    pub allow_private_hosts: bool,
    /// Deadline of one call.
    #[serde(default = "ten_seconds", with = "humantime_serde")]
    pub timeout: Duration,
    /// Languages in which the document is written; empty = not said.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Operations that greeting and help offer first, as `METHOD /path template`.
    #[serde(default)]
    pub suggestions: Vec<String>,
}

/// Header that names the tenant to the backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantHeader {
    /// Header name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What a security scheme needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialConfig {
    /// A key in header, query or cookie, as the scheme says.
    ApiKey {
        /// The key.
        value: SecretString,
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
    /// OAuth2 client credentials.
    #[serde(rename = "oauth2")]
    OAuth2 {
        /// Client id.
        client_id: String,
        /// Client secret.
        client_secret: SecretString,
        /// Token endpoint; else the document's.
        #[serde(default)]
        token_url: Option<Url>,
        /// Scopes to ask for; empty = those of the operation.
        #[serde(default)]
        scopes: Vec<String>,
    },
}

/// How a person becomes one of the backend's users.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// Look-up operation without the document's name: `GET /people`.
    pub operation: String,
    /// Parameter that takes the value.
    pub parameter: String,
    /// What is looked up.
    #[serde(default)]
    pub value: IdentityValue,
    /// Parameter of later calls -> JSON pointer into the answer.
    #[serde(default)]
    pub answer: BTreeMap<String, String>,
    /// JSON pointer to the person's name.
    #[serde(default)]
    pub label: Option<String>,
    /// How long the mapping holds.
    #[serde(default = "one_day", with = "humantime_serde")]
    pub expires: Duration,
}

/// What an identity is looked up by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityValue {
    /// The sender's phone number.
    #[default]
    Phone,
    /// The platform's user id.
    UserId,
}

fn whatsapp_rate() -> u32 {
    80
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn one_day() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

impl Validate for Tenants {
    fn validate(&self, problems: &mut Problems) {
        for (name, tenant) in &self.0 {
            problems.within(name.as_str(), |problems| tenant.validate(problems));
        }
    }
}

impl Validate for TenantConfig {
    fn validate(&self, problems: &mut Problems) {
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            problems.add("time_zone", format!("`{}` is no IANA time zone such as `Europe/Zagreb`", self.time_zone));
        }
        if self.languages.is_empty() {
            problems.add("languages", "name at least one language");
        }
        for (account, config) in &self.accounts {
            problems.within(&format!("accounts.\"{account}\""), |problems| config.validate(account, problems));
        }
        for (name, document) in &self.documents {
            problems.within(&format!("documents.{name}"), |problems| {
                if !domain::id::is_name(name) {
                    problems.add("", "a document's name is 1 to 64 of a-z, 0-9, `_` and `-`");
                }
                document.validate(problems);
            });
        }
    }
}

impl AccountConfig {
    /// The channel it belongs to.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::Infobip(_) => "infobip",
            Self::Web(_) => "web",
        }
    }

    /// True when nothing real can be reached through it.
    pub fn is_simulated(&self) -> bool {
        match self {
            Self::Infobip(config) => config.simulated,
            Self::Web(_) => true,
        }
    }

    /// Messages that may leave within a second.
    pub fn sends_per_second(&self) -> u32 {
        match self {
            Self::Infobip(config) => config.sends_per_second,
            Self::Web(_) => u32::MAX,
        }
    }

    fn validate(&self, account: &Account, problems: &mut Problems) {
        if account.channel() != self.channel() {
            problems.add(
                "channel",
                format!("is `{}`, but the account's name says `{}`", self.channel(), account.channel()),
            );
        }
        let config = match self {
            Self::Infobip(config) => config,
            Self::Web(config) => return config.validate(problems),
        };
        if config.webhook_secrets.len() > 2 {
            problems.add("webhook_secrets", "at most two: the present one and the next");
        }
        if let InfobipAuth::Hmac { algorithm, encoding, .. } = &config.auth {
            if config.webhook_secrets.is_empty() && !config.simulated {
                problems.add("webhook_secrets", "an account with `auth.type = \"hmac\"` needs the signature's secret");
            }
            if !HMAC_ALGORITHMS.contains(&algorithm.as_str()) {
                problems.add("auth.algorithm", format!("`{algorithm}` is none of {}", HMAC_ALGORITHMS.join(", ")));
            }
            if !["hex", "base64"].contains(&encoding.as_str()) {
                problems.add("auth.encoding", format!("`{encoding}` is not known: hex or base64"));
            }
        }
        if !(config.sender.len() >= 5 && config.sender.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit())) {
            problems.add("sender", "is the sender's number in digits");
        }
        if !(1..=10_000).contains(&config.sends_per_second) {
            problems.add("sends_per_second", "must be 1 to 10000");
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

impl DocumentConfig {
    fn validate(&self, problems: &mut Problems) {
        if self.source.trim().is_empty() {
            problems.add("source", "is the path or URL of an OpenAPI document");
        }
        if self.timeout.is_zero() {
            problems.add("timeout", "must be longer than 0s");
        }
        if let Some(identity) = &self.identity
            && identity.operation.split_once(' ').is_none_or(|(_, path)| !path.starts_with('/'))
        {
            problems.add("identity.operation", "is a method and a path: `GET /people`");
        }
    }
}
