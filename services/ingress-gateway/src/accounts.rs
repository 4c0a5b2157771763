//! The configured accounts as the gateway uses them: by path for webhooks, by origin for web chat.

use std::collections::BTreeMap;

use channels::{BuildError, Channel};
use coordination::CoordinationConfig;
use domain::{Account, Tenant};
use secrecy::ExposeSecret as _;
use service_kit::tenants::{AccountConfig, MetaConfig, SESSION_KEY_BYTES_MIN, TenantConfig, Tenants, WebConfig};
use uuid::Uuid;

use crate::Config;

/// Where the Infobip variables of the environment lead.
const USUAL_ACCOUNT: (&str, &str) = ("infobip", "main");

/// Why the configured accounts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The path of a webhook names an account and no tenant.
    #[error("account `{0}` belongs to two tenants: give one of them another name")]
    Ambiguous(Account),
    /// Two accounts would get each other's webhooks.
    #[error("`{path}` is the webhook's path of account `{account}` and of something else")]
    Path {
        /// The account.
        account: Account,
        /// The path.
        path: String,
    },
    /// Files cannot be kept as configured.
    #[error("[files] cannot be used")]
    Files(#[from] file_store::FilesError),
    /// Settings of no usable form.
    #[error("account `{account}`")]
    Build {
        /// The account.
        account: Account,
        /// What is wrong.
        #[source]
        source: BuildError,
    },
    /// A key that could be guessed.
    #[error("account `{account}`: session_key")]
    SessionKey {
        /// The account.
        account: Account,
        /// What is wrong.
        #[source]
        source: ShortKey,
    },
}

/// A key that could be guessed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("has {0} bytes; it must have {SESSION_KEY_BYTES_MIN} or more")]
pub struct ShortKey(usize);

/// An account that gets webhooks.
pub(crate) struct WebhookAccount {
    pub tenant: Tenant,
    pub account: Account,
    pub channel: Channel,
}

/// An account that people reach from a browser.
pub(crate) struct WebAccount {
    pub tenant: Tenant,
    pub account: Account,
    pub allowed_origins: Vec<String>,
    pub session_key: Vec<u8>,
    pub debug: bool,
}

/// All accounts.
pub(crate) struct Accounts {
    webhooks: BTreeMap<Account, WebhookAccount>,
    /// Paths of webhooks that were configured whole.
    paths: BTreeMap<String, Account>,
    /// Where webhooks come that were configured whole.
    urls: BTreeMap<Account, String>,
    web: Vec<WebAccount>,
    default_webhook: Option<Account>,
    default_web: Option<Account>,
}

impl Accounts {
    pub fn new(config: &Config) -> Result<Self, AppError> {
        let (mut webhooks, mut paths, mut urls, mut web) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (tenant, settings) in &config.tenants.0 {
            for (account, settings) in &settings.accounts {
                match settings {
                    AccountConfig::Infobip(_) | AccountConfig::Meta(_) | AccountConfig::Telegram(_) => {
                        let channel =
                            settings.build().map_err(|source| AppError::Build { account: account.clone(), source })?;
                        let channel = with_siblings(channel, config.tenants.0.get(tenant), settings);
                        if let AccountConfig::Telegram(telegram) = settings
                            && let Some(url) = &telegram.webhook_url
                        {
                            let own = format!("/webhook/{}/{}", account.channel(), account.name());
                            let taken = url.path() != own && is_taken(url.path());
                            if paths.insert(url.path().to_owned(), account.clone()).is_some() || taken {
                                return Err(AppError::Path { account: account.clone(), path: url.path().to_owned() });
                            }
                            urls.insert(account.clone(), url.to_string());
                        }
                        let entry = WebhookAccount { tenant: tenant.clone(), account: account.clone(), channel };
                        if webhooks.insert(account.clone(), entry).is_some() {
                            return Err(AppError::Ambiguous(account.clone()));
                        }
                    }
                    AccountConfig::Web(settings) => web.push(WebAccount {
                        tenant: tenant.clone(),
                        account: account.clone(),
                        allowed_origins: settings.allowed_origins.iter().map(|origin| normal(origin)).collect(),
                        session_key: session_key(settings)
                            .map_err(|source| AppError::SessionKey { account: account.clone(), source })?,
                        debug: settings.debug,
                    }),
                }
            }
        }
        let usual = webhooks.keys().find(|account| (account.channel(), account.name()) == USUAL_ACCOUNT).cloned();
        let only = webhooks.keys().next().filter(|_| webhooks.len() == 1).cloned();
        let default_webhook = config.webhook.default_account.clone().or(usual).or(only);
        Ok(Self { webhooks, paths, urls, web, default_webhook, default_web: config.chat.default_account.clone() })
    }

    /// The account of `/webhook/{channel}/{name}`.
    pub fn webhook(&self, channel: &str, name: &str) -> Option<&WebhookAccount> {
        self.webhooks.get(&Account::new(channel, name).ok()?)
    }

    /// The account of the plain path.
    pub fn default_webhook(&self) -> Option<&WebhookAccount> {
        self.webhooks.get(self.default_webhook.as_ref()?)
    }

    /// All accounts that get webhooks.
    pub fn webhooks(&self) -> impl Iterator<Item = &WebhookAccount> {
        self.webhooks.values()
    }

    /// Where this account's webhooks come, if it was configured.
    pub fn webhook_url(&self, account: &Account) -> Option<&str> {
        self.urls.get(account).map(String::as_str)
    }

    /// The account whose webhook was configured to come by this path.
    pub fn webhook_at(&self, path: &str) -> Option<&WebhookAccount> {
        self.webhooks.get(self.paths.get(path)?)
    }

    /// The web account that allows `origin`.
    pub fn web_of_origin(&self, origin: &str) -> Option<&WebAccount> {
        let origin = normal(origin);
        self.web.iter().find(|account| account.allowed_origins.contains(&origin))
    }

    /// The web account of requests that no origin decides.
    pub fn default_web(&self) -> Option<&WebAccount> {
        match &self.default_web {
            Some(name) => self.web.iter().find(|account| account.account == *name),
            None => self.web.first(),
        }
    }

    /// The web account of a tenant's API key.
    pub fn web_of_tenant(&self, tenant: &Tenant) -> Option<&WebAccount> {
        self.default_web()
            .filter(|account| account.tenant == *tenant)
            .or_else(|| self.web.iter().find(|account| account.tenant == *tenant))
    }
}

/// True for paths that are something else's.
fn is_taken(path: &str) -> bool {
    ["/webhook", "/widget.js", "/chat", "/openapi.json", "/docs"].contains(&path)
        || ["/webhook/", "/api/", "/health", "/readyz", "/phone", "/simulator", "/docs/"]
            .iter()
            .any(|own| path.starts_with(own))
}

/// A number of Meta's knows the tenant's other numbers of the same app.
fn with_siblings(channel: Channel, tenant: Option<&TenantConfig>, settings: &AccountConfig) -> Channel {
    let (Channel::Meta(meta, _), AccountConfig::Meta(own)) = (&channel, settings) else { return channel };
    let of = |other: &MetaConfig| own.shares_webhooks_with(other).then(|| other.phone_number_id.clone());
    let siblings = tenant.into_iter().flat_map(|tenant| &tenant.accounts);
    let numbers = siblings.filter_map(|(account, other)| match other {
        AccountConfig::Meta(other) => Some((of(other)?, account.clone())),
        AccountConfig::Infobip(_) | AccountConfig::Telegram(_) | AccountConfig::Web(_) => None,
    });
    Channel::Meta(meta.clone(), numbers.collect())
}

/// An origin as browsers write it.
fn normal(origin: &str) -> String {
    origin.trim().trim_end_matches('/').to_ascii_lowercase()
}

/// All accounts of web chat.
pub(crate) fn web(tenants: &Tenants) -> impl Iterator<Item = (&Tenant, &Account, &WebConfig)> {
    tenants.0.iter().flat_map(|(tenant, settings)| {
        settings.accounts.iter().filter_map(move |(account, settings)| match settings {
            AccountConfig::Web(settings) => Some((tenant, account, settings)),
            AccountConfig::Infobip(_) | AccountConfig::Meta(_) | AccountConfig::Telegram(_) => None,
        })
    })
}

/// Web accounts without a key of their own, where several gateways can be at work: they take each other's sessions
/// for forged.
pub(crate) fn with_sessions_of_one_process(config: &Config) -> impl Iterator<Item = (&Tenant, &Account)> {
    let alone = matches!(config.coordination, CoordinationConfig::Memory);
    let keyless = move |settings: &WebConfig| !alone && settings.session_key.is_none();
    web(&config.tenants).filter(move |(.., settings)| keyless(settings)).map(|(tenant, account, _)| (tenant, account))
}

/// Without a configured key, sessions live as long as the process.
pub(crate) fn session_key(account: &WebConfig) -> Result<Vec<u8>, ShortKey> {
    match account.session_key.as_ref().map(|key| key.expose_secret().as_bytes()) {
        Some(key) if key.len() < SESSION_KEY_BYTES_MIN => Err(ShortKey(key.len())),
        Some(key) => Ok(key.to_vec()),
        None => Ok([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat()),
    }
}

#[cfg(test)]
mod tests {
    use service_kit::config::{self, Args};

    use super::*;
    use crate::{DEFAULTS, SERVICE};

    /// Reads a configuration with this web account.
    fn configured(coordination: &str, account: &str) -> Result<Config, config::ConfigErrors> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.toml");
        let account = format!("[tenants.acme.accounts.\"web:main\"]\nchannel = \"web\"\n{account}");
        std::fs::write(&file, format!("[coordination]\n{coordination}\n{account}")).expect("written");
        let args = Args { config: Some(file), ..Args::default() };
        config::load(SERVICE, DEFAULTS, &args, std::iter::empty())
    }

    #[test]
    fn a_short_session_key_is_refused_and_not_told() {
        let key = |length: usize| format!("session_key = \"{}\"", "k".repeat(length));
        assert!(configured("kind = \"memory\"", &key(32)).is_ok());
        let errors = configured("kind = \"memory\"", &key(31)).expect_err("too short").to_string();
        assert!(errors.contains("tenants.acme.accounts.\"web:main\".session_key: has 31 bytes"), "{errors}");
        assert!(!errors.contains("kkk"), "{errors}");
        // A process that composes its services has no such check of its configuration.
        let mut config = configured("kind = \"memory\"", &key(32)).expect("a configuration");
        for account in config.tenants.0.values_mut().flat_map(|tenant| tenant.accounts.values_mut()) {
            *account = AccountConfig::Web(WebConfig { session_key: Some("short".into()), ..WebConfig::default() });
        }
        assert!(matches!(Accounts::new(&config), Err(AppError::SessionKey { source: ShortKey(5), .. })));
    }

    #[test]
    fn a_bots_path_is_nobody_elses() {
        service_kit::install_crypto();
        let accounts = |path: &str| {
            let telegram = |url: &str| {
                let text = format!(
                    r#"{{"channel": "telegram", "token": "1:t", "webhook_url": "https://bot.example.org{url}"}}"#
                );
                serde_json::from_str::<AccountConfig>(&text).expect("an account")
            };
            let mut config = configured("kind = \"memory\"", "").expect("a configuration");
            let tenant = config.tenants.0.values_mut().next().expect("a tenant");
            tenant.accounts.insert("telegram:main".parse().expect("an account"), telegram(path));
            tenant.accounts.insert("telegram:other".parse().expect("an account"), telegram("/hooks/other"));
            Accounts::new(&config)
        };
        for good in ["/hooks/main", "/webhook/telegram/main"] {
            let accounts = accounts(good).map_err(|error| error.to_string()).expect(good);
            assert!(accounts.webhook_at(good).is_some_and(|found| found.account.name() == "main"), "{good}");
        }
        for bad in
            ["/hooks/other", "/webhook", "/webhook/telegram/other", "/api/v1/chat", "/health", "/chat", "/docs/x"]
        {
            assert!(matches!(accounts(bad), Err(AppError::Path { .. })), "{bad}");
        }
    }

    #[test]
    fn sessions_of_one_process_are_told_where_there_can_be_several() {
        let (redis, key) =
            ("kind = \"redis\"\nurl = \"redis://localhost\"", "session_key = \"0123456789abcdef0123456789abcdef\"");
        for (coordination, account, expected) in
            [(redis, "", vec!["web:main"]), (redis, key, vec![]), ("kind = \"memory\"", "", vec![])]
        {
            let config = configured(coordination, account).expect("a configuration");
            let told: Vec<String> =
                with_sessions_of_one_process(&config).map(|(_, account)| account.to_string()).collect();
            assert_eq!(told, expected, "{coordination} {account}");
        }
    }
}
