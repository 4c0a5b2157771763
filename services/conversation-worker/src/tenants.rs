//! What each tenant has: accounts to send from, documents to call, settings of its dialogue.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use channels::{BuildError, Channel, web};
use domain::{Account, Tenant};
use secrecy::SecretString;
use service_kit::{
    grpc::ClientError,
    tenants::{CredentialConfig, DocumentConfig, IdentityConfig, IdentityValue, OutboundUnknown, TenantConfig},
};
use store::{UnknownPolicy, media::FILE_BYTES_MAX};

use crate::{
    backends::Backends,
    catalog::Catalog,
    config::CatalogConfig,
    turn::{self, DocumentInfo, IdentityLookup, Settings},
};

/// A part of a tenant cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// An account's settings cannot work.
    #[error("account {account} of tenant {tenant}: {cause}")]
    Account {
        /// Whose.
        tenant: Tenant,
        /// Which.
        account: Account,
        /// Why.
        cause: BuildError,
    },
    /// A document's backend cannot be called as configured.
    #[error("document {document} of tenant {tenant}: {reason}")]
    Document {
        /// Whose.
        tenant: Tenant,
        /// Which.
        document: String,
        /// Why.
        reason: String,
    },
    /// The catalogue cannot be called as configured.
    #[error("the catalogue cannot be called")]
    Catalog(#[from] ClientError),
}

/// All tenants.
pub struct Tenants(BTreeMap<Tenant, TenantParts>);

struct TenantParts {
    channels: BTreeMap<Account, (Channel, u32)>,
    backends: Backends,
    catalog: Catalog,
    settings: Mutex<Arc<Settings>>,
    unknown: UnknownPolicy,
    learns: bool,
}

impl Tenants {
    /// Makes clients; opens no connection. Call it inside the runtime.
    ///
    /// # Errors
    /// [`TenantError`] for the first part that cannot work.
    pub fn new(config: &service_kit::tenants::Tenants, catalog: &CatalogConfig) -> Result<Self, TenantError> {
        let parts = |(name, tenant): (&Tenant, &TenantConfig)| Ok((name.clone(), tenant_parts(name, tenant, catalog)?));
        config.0.iter().map(parts).collect::<Result<_, _>>().map(Self)
    }

    /// Where answers of an account go. Web chats need no configuration: their answers are read from the store.
    pub fn channel(&self, tenant: &Tenant, account: &Account) -> Option<Channel> {
        if account.channel() == web::NAME {
            return Some(Channel::Web(web::Web));
        }
        self.0.get(tenant)?.channels.get(account).map(|(channel, _)| channel.clone())
    }

    /// Messages that may leave from an account within a second.
    pub fn sends_per_second(&self, tenant: &Tenant, account: &Account) -> u32 {
        let parts = self.0.get(tenant).and_then(|parts| parts.channels.get(account));
        parts.map_or(u32::MAX, |(_, sends_per_second)| *sends_per_second)
    }

    /// The tenant's catalogue.
    pub fn catalog(&self, tenant: &Tenant) -> Option<&Catalog> {
        self.0.get(tenant).map(|parts| &parts.catalog)
    }

    /// Where sentences go whose meaning people chose; none when the tenant does not learn from them.
    pub fn learning(&self, tenant: &Tenant) -> Option<&Catalog> {
        self.0.get(tenant).filter(|parts| parts.learns).map(|parts| &parts.catalog)
    }

    /// Gives every tenant's catalogue these operations.
    #[cfg(feature = "faults")]
    pub async fn know(&self, operations: &[Arc<openapi::Operation>]) {
        for parts in self.0.values() {
            parts.catalog.know(operations).await;
        }
    }

    /// The tenant's backends.
    pub fn backends(&self, tenant: &Tenant) -> Option<&Backends> {
        self.0.get(tenant).map(|parts| &parts.backends)
    }

    /// Names of the tenant's documents.
    pub fn documents(&self, tenant: &Tenant) -> Vec<String> {
        self.0.get(tenant).map(|parts| parts.backends.keys().cloned().collect()).unwrap_or_default()
    }

    /// Names of the documents that know people.
    pub fn identity_documents(&self, tenant: &Tenant) -> Vec<String> {
        let with_identity = |document: &DocumentInfo| document.identity.is_some().then(|| document.id.clone());
        self.settings(tenant).documents.iter().filter_map(with_identity).collect()
    }

    /// What a dialogue needs to know.
    pub fn settings(&self, tenant: &Tenant) -> Arc<Settings> {
        let parts = self.0.get(tenant);
        parts
            .map(|parts| Arc::clone(&parts.settings.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }

    /// What becomes of a send whose end stays unknown.
    pub fn unknown_policy(&self, tenant: &Tenant) -> UnknownPolicy {
        self.0.get(tenant).map_or(UnknownPolicy::Hold, |parts| parts.unknown)
    }

    /// Takes the documents' titles over from the catalogue. Best effort.
    pub async fn refresh_titles(&self) {
        for parts in self.0.values() {
            let titles = parts.catalog.refresh_titles().await;
            let mut settings = parts.settings.lock().unwrap_or_else(PoisonError::into_inner);
            let mut changed = Settings::clone(&settings);
            for document in &mut changed.documents {
                if let Some((_, title)) = titles.iter().find(|(id, title)| *id == document.id && !title.is_empty()) {
                    document.title.clone_from(title);
                }
            }
            if changed != **settings {
                *settings = Arc::new(changed);
            }
        }
    }
}

fn tenant_parts(name: &Tenant, config: &TenantConfig, catalog: &CatalogConfig) -> Result<TenantParts, TenantError> {
    let mut channels = BTreeMap::new();
    for (account, settings) in &config.accounts {
        let channel = settings.build().map_err(|cause| TenantError::Account {
            tenant: name.clone(),
            account: account.clone(),
            cause,
        })?;
        channels.insert(account.clone(), (channel, settings.sends_per_second()));
    }
    let mut backends = Backends::new();
    for (document, settings) in &config.documents {
        let backend = openapi::Backend::new(backend_config(settings)).map_err(|error| TenantError::Document {
            tenant: name.clone(),
            document: document.clone(),
            reason: error.to_string(),
        })?;
        backends.insert(document.clone(), (backend, settings.timeout));
    }
    Ok(TenantParts {
        channels,
        backends,
        catalog: Catalog::new(&catalog.client(name))?,
        settings: Mutex::new(Arc::new(settings(config))),
        unknown: match config.outbound_unknown {
            OutboundUnknown::Resend => UnknownPolicy::Resend,
            OutboundUnknown::Hold => UnknownPolicy::Hold,
        },
        learns: config.learn_from_choices,
    })
}

fn settings(config: &TenantConfig) -> Settings {
    Settings {
        time_zone: config.time_zone.clone(),
        languages: config.languages.clone(),
        documents: config
            .documents
            .iter()
            .map(|(id, document)| DocumentInfo {
                id: id.clone(),
                title: id.clone(),
                identity: document.identity.as_ref().map(|identity| identity_lookup(id, identity)),
            })
            .collect(),
        suggestions: config
            .documents
            .iter()
            .flat_map(|(id, document)| document.suggestions.iter().map(move |operation| format!("{id}/{operation}")))
            .collect(),
        ..Settings::default()
    }
}

fn identity_lookup(document: &str, config: &IdentityConfig) -> IdentityLookup {
    IdentityLookup {
        operation_id: format!("{document}/{}", config.operation),
        parameter: config.parameter.clone(),
        value: match config.value {
            IdentityValue::Phone => turn::IdentityValue::Phone,
            IdentityValue::UserId => turn::IdentityValue::UserId,
        },
        answer: config.answer.clone(),
        label: config.label.clone(),
        expires_s: config.expires.as_secs(),
    }
}

fn backend_config(config: &DocumentConfig) -> openapi::BackendConfig {
    openapi::BackendConfig {
        base_url: config.backend_url.clone(),
        credentials: config.credentials.iter().map(|(scheme, one)| (scheme.clone(), credential(one))).collect(),
        tenant_header: config.tenant_header.as_ref().map(|header| (header.name.clone(), header.value.clone())),
        allow_private_hosts: config.allow_private_hosts,
        timeout: config.timeout,
        // What is larger could not be kept.
        max_file_bytes: FILE_BYTES_MAX,
        ..openapi::BackendConfig::default()
    }
}

fn credential(config: &CredentialConfig) -> openapi::Credential {
    let secret = |text: &SecretString| text.clone();
    match config {
        CredentialConfig::ApiKey { value } => openapi::Credential::ApiKey { value: secret(value) },
        CredentialConfig::Basic { username, password } => {
            openapi::Credential::Basic { username: username.clone(), password: secret(password) }
        }
        CredentialConfig::Bearer { token } => openapi::Credential::Bearer { token: secret(token) },
        CredentialConfig::OAuth2 { client_id, client_secret, token_url, scopes } => openapi::Credential::OAuth2 {
            client_id: client_id.clone(),
            client_secret: secret(client_secret),
            token_url: token_url.clone(),
            scopes: scopes.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_learns_from_choices_unless_it_is_turned_off() {
        service_kit::install_crypto();
        let config = r#"{ "on": {}, "off": { "learn_from_choices": false } }"#;
        let config: service_kit::tenants::Tenants = serde_json::from_str(config).expect("tenants");
        let catalog: CatalogConfig = serde_json::from_str(r#"{ "url": "http://127.0.0.1:9" }"#).expect("a catalogue");
        let tenants = Tenants::new(&config, &catalog).expect("clients");
        let learns = |name| tenants.learning(&Tenant::new(name).expect("a name")).is_some();
        assert_eq!((learns("on"), learns("off"), learns("unknown")), (true, false, false));
    }
}
