//! The tenants of an installation: accounts, documents, credentials. Shared by the services that need a part of it.

mod accounts;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use domain::{Account, Tenant};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

pub use self::accounts::{
    AccountConfig, InfobipAuth, InfobipConfig, MetaConfig, SESSION_KEY_BYTES_MIN, TelegramConfig, WebConfig,
};
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
