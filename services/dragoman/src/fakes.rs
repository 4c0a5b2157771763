//! The simulated other sides: the platforms with their phones, a token server and the demo fleet.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use axum::http::HeaderValue;
use secrecy::SecretString;
use service_kit::tenants::{
    AccountConfig, CredentialConfig, DocumentConfig, IdentityConfig, InfobipAuth, InfobipConfig, MetaConfig,
    TelegramConfig, TenantHeader,
};
use simulator::{
    Meta, Telegram,
    fleet::{self, Fleet, Guard},
    infobip::{self, Infobip, Webhook},
    meta, oauth2, telegram,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

/// The sender's number on the simulated platform.
const SENDER: &str = "385995550100";
/// The fleet's name for its tenant.
const FLEET_TENANT: &str = "demo";
const CLIENT: &str = "dragoman";
const SCOPE: &str = "fleet";
/// The zone that the fleet's days are in.
pub const FLEET_ZONE: &str = "Europe/Zagreb";

/// Id of the sender's number on Meta's Cloud API.
const META_NUMBER_ID: &str = "106540352242922";
const BOT_NAME: &str = "dragoman_demo_bot";

/// A simulated platform that serves.
pub struct Platform {
    /// The platform and its phones.
    pub infobip: Infobip,
    /// What the gateway and the worker need to know of it.
    pub account: InfobipConfig,
}

/// Starts the platform; webhooks go to `gateway`.
///
/// # Errors
/// When its HTTP client cannot be made.
pub fn platform(listener: TcpListener, gateway: Url, shutdown: CancellationToken) -> anyhow::Result<Platform> {
    let (key, secret) = (fresh_secret(), fresh_secret());
    let base = url_of(listener.local_addr()?)?;
    let mut config = infobip::Config::new(&key, SENDER);
    config.webhook = Some(Webhook::new(gateway, &secret));
    config.media_base = Some(base);
    let infobip = Infobip::new(config)?;
    let account = InfobipConfig {
        base_url: format!("http://{}", listener.local_addr()?),
        api_key: SecretString::from(key),
        sender: SENDER.to_owned(),
        webhook_secrets: vec![SecretString::from(secret)],
        auth: InfobipAuth::default(),
        simulated: true,
        sends_per_second: 80,
    };
    let serving = infobip.clone();
    tokio::spawn(async move { serving.serve(listener, shutdown).await });
    Ok(Platform { infobip, account })
}

/// Starts Meta's Cloud API; webhooks go to `webhook`.
///
/// # Errors
/// When its HTTP client cannot be made.
pub fn meta(listener: TcpListener, webhook: Url, shutdown: CancellationToken) -> anyhow::Result<(Meta, MetaConfig)> {
    let (token, secret, verify) = (fresh_secret(), fresh_secret(), fresh_secret());
    let mut config = meta::Config::new(&token, META_NUMBER_ID, SENDER);
    config.webhook = Some(meta::Webhook::new(webhook, &secret, &verify));
    let fake = Meta::new(config)?;
    let account = MetaConfig {
        phone_number_id: META_NUMBER_ID.to_owned(),
        access_token: SecretString::from(token),
        app_secrets: vec![SecretString::from(secret)],
        verify_token: SecretString::from(verify),
        base_url: format!("http://{}", listener.local_addr()?),
        version: "v23.0".to_owned(),
        simulated: true,
        sends_per_second: 80,
    };
    let serving = fake.clone();
    tokio::spawn(async move { serving.serve(listener, shutdown).await });
    Ok((fake, account))
}

/// Starts Telegram's Bot API; the bot asks for updates.
///
/// # Errors
/// When its HTTP client cannot be made.
pub fn telegram(listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<(Telegram, TelegramConfig)> {
    let token = fresh_bot_token();
    let fake = Telegram::new(telegram::Config::local(&token, BOT_NAME))?;
    let account = TelegramConfig {
        token: SecretString::from(token),
        webhook_url: None,
        webhook_secrets: Vec::new(),
        base_url: format!("http://{}", listener.local_addr()?),
        simulated: true,
        sends_per_second: 30,
    };
    let serving = fake.clone();
    tokio::spawn(async move { serving.serve(listener, shutdown).await });
    Ok((fake, account))
}

/// A demo fleet that serves.
pub struct DemoFleet {
    /// The backend.
    pub fleet: Fleet,
    /// What the services need to know of it.
    pub document: DocumentConfig,
}

/// Starts the fleet and its token server; writes its document and overlay into `folder`.
///
/// # Errors
/// When the folder cannot be written.
pub fn demo_fleet(
    backend: TcpListener,
    tokens: TcpListener,
    folder: &Path,
    shutdown: CancellationToken,
) -> anyhow::Result<DemoFleet> {
    let backend_url = url_of(backend.local_addr()?)?;
    let token_url = url_of(tokens.local_addr()?)?.join(oauth2::TOKEN_PATH)?;
    let secret = fresh_secret();
    let server = oauth2::Server::new(oauth2::Config::client(CLIENT, &secret, SCOPE));
    let fleet = Fleet::new(fleet::Config {
        guard: Guard::OAuth2 { server: server.clone(), scope: SCOPE.to_owned() },
        tenant: Some(HeaderValue::from_static(FLEET_TENANT)),
        time_zone: FLEET_ZONE.to_owned(),
        ..fleet::Config::default()
    })?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let [document, overlay] = ["fleet.yaml", "fleet-overlay.json"].map(|name| folder.join(name));
    for (path, text) in [(&document, &*fleet::document(&backend_url, &token_url)), (&overlay, fleet::OVERLAY)] {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let (serving, cancelled) = (fleet.clone(), shutdown.clone());
    tokio::spawn(async move { serving.serve(backend, cancelled).await });
    tokio::spawn(async move { server.serve(tokens, shutdown).await });
    let credential = CredentialConfig::OAuth2 {
        client_id: CLIENT.to_owned(),
        client_secret: SecretString::from(secret),
        token_url: Some(token_url),
        scopes: vec![SCOPE.to_owned()],
    };
    let document = DocumentConfig {
        source: document.display().to_string(),
        backend_url: Some(backend_url),
        overlay: Some(overlay),
        credentials: [("fleet".to_owned(), credential)].into(),
        tenant_header: Some(TenantHeader { name: fleet::TENANT_HEADER.to_owned(), value: FLEET_TENANT.to_owned() }),
        identity: Some(IdentityConfig {
            operation: fleet::IDENTITY_OPERATION.to_owned(),
            parameter: fleet::IDENTITY_PARAMETER.to_owned(),
            value: Default::default(),
            answer: [("person_id".to_owned(), "/0/id".to_owned())].into(),
            label: Some("/0/name".to_owned()),
            expires: std::time::Duration::from_secs(24 * 60 * 60),
        }),
        allow_private_hosts: true,
        timeout: std::time::Duration::from_secs(10),
        languages: vec!["en".to_owned()],
        suggestions: fleet::SUGGESTIONS.map(str::to_owned).to_vec(),
    };
    Ok(DemoFleet { fleet, document })
}

/// The services' configuration for simulated accounts, each named `main`, and the fleet, as TOML with its secrets.
pub fn as_toml(accounts: &[AccountConfig], fleet: &DocumentConfig) -> String {
    use secrecy::ExposeSecret;
    use std::fmt::Write as _;
    let mut text = format!("[tenants.default]\ntime_zone = \"{FLEET_ZONE}\"\n\n");
    let all =
        |secrets: &[SecretString]| secrets.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>().join("\", \"");
    for account in accounts {
        let (channel, lines) = match account {
            AccountConfig::Infobip(one) => (
                "infobip",
                format!(
                    "base_url = \"{}\"\napi_key = \"{}\"\nsender = \"{}\"\nwebhook_secrets = [\"{}\"]\n",
                    one.base_url,
                    one.api_key.expose_secret(),
                    one.sender,
                    all(&one.webhook_secrets),
                ),
            ),
            AccountConfig::Meta(one) => (
                "meta",
                format!(
                    "base_url = \"{}\"\nversion = \"{}\"\nphone_number_id = \"{}\"\naccess_token = \"{}\"\n\
                     app_secrets = [\"{}\"]\nverify_token = \"{}\"\n",
                    one.base_url,
                    one.version,
                    one.phone_number_id,
                    one.access_token.expose_secret(),
                    all(&one.app_secrets),
                    one.verify_token.expose_secret(),
                ),
            ),
            AccountConfig::Telegram(one) => {
                ("telegram", format!("base_url = \"{}\"\ntoken = \"{}\"\n", one.base_url, one.token.expose_secret()))
            }
            AccountConfig::Web(_) => continue,
        };
        let _ = writeln!(
            text,
            "[tenants.default.accounts.\"{channel}:main\"]\nchannel = \"{channel}\"\n{lines}simulated = true\n"
        );
    }
    let _ = write!(
        text,
        "[tenants.default.accounts.\"web:main\"]\nchannel = \"web\"\ndebug = true\n\n\
         [tenants.default.documents.fleet]\nsource = \"{}\"\nallow_private_hosts = true\nlanguages = [\"en\"]\nsuggestions = [\"{}\"]\n",
        fleet.source,
        fleet.suggestions.join("\", \""),
    );
    // Writing to a String cannot fail.
    if let Some(url) = &fleet.backend_url {
        let _ = writeln!(text, "backend_url = \"{url}\"");
    }
    if let Some(overlay) = &fleet.overlay {
        let _ = writeln!(text, "overlay = \"{}\"", overlay.display());
    }
    if let Some(header) = &fleet.tenant_header {
        let _ = writeln!(text, "tenant_header = {{ name = \"{}\", value = \"{}\" }}", header.name, header.value);
    }
    if let Some(identity) = &fleet.identity {
        let _ = writeln!(
            text,
            "\n[tenants.default.documents.fleet.identity]\noperation = \"{}\"\nparameter = \"{}\"\nlabel = \"{}\"\nanswer = {{ {} }}",
            identity.operation,
            identity.parameter,
            identity.label.as_deref().unwrap_or_default(),
            identity.answer.iter().map(|(name, at)| format!("{name} = \"{at}\"")).collect::<Vec<_>>().join(", "),
        );
    }
    for (scheme, credential) in &fleet.credentials {
        if let CredentialConfig::OAuth2 { client_id, client_secret, token_url, scopes } = credential {
            let _ = writeln!(
                text,
                "\n[tenants.default.documents.fleet.credentials.{scheme}]\ntype = \"oauth2\"\nclient_id = \"{client_id}\"\n\
                 client_secret = \"{}\"\ntoken_url = \"{}\"\nscopes = [\"{}\"]",
                client_secret.expose_secret(),
                token_url.as_ref().map_or("", Url::as_str),
                scopes.join("\", \""),
            );
        }
    }
    text
}

/// The account as the services take it.
pub fn account(platform: &Platform) -> AccountConfig {
    AccountConfig::Infobip(platform.account.clone())
}

/// A bot's token: its id, a colon, 35 characters. Each is of another bot: a platform that starts counts its messages from
/// one again, and the inbox, which outlasts it, knows messages by their bot and number.
pub(crate) fn fresh_bot_token() -> String {
    format!("{}:AAE{}", fresh_bot_id(), fresh_secret())
}

/// Ten digits, as bots have.
fn fresh_bot_id() -> u128 {
    1_000_000_000 + Uuid::new_v4().as_u128() % 9_000_000_000
}

/// 32 characters that nobody guesses.
pub(crate) fn fresh_secret() -> String {
    Uuid::new_v4().simple().to_string()
}

pub(crate) fn url_of(address: SocketAddr) -> anyhow::Result<Url> {
    Ok(Url::parse(&format!("http://{address}"))?)
}

#[cfg(test)]
mod tests {
    use service_kit::config::{Args, load};

    use super::*;

    #[tokio::test]
    async fn the_written_file_is_the_configuration_of_all_simulated_accounts() {
        let free = async || TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (folder, ends) = (tempfile::tempdir().expect("a folder"), CancellationToken::new());
        let hook = |path: &str| Url::parse("http://127.0.0.1:8000").expect("a URL").join(path).expect("a URL");
        let infobip = platform(free().await, hook("webhook"), ends.clone()).expect("a platform");
        let (_, meta) = meta(free().await, hook("webhook/meta/main"), ends.clone()).expect("a platform");
        let (_, telegram) = telegram(free().await, ends.clone()).expect("a platform");
        let fleet = demo_fleet(free().await, free().await, folder.path(), ends.clone()).expect("a fleet");
        let number = meta.phone_number_id.clone();
        let accounts = [account(&infobip), AccountConfig::Meta(meta), AccountConfig::Telegram(telegram)];
        let path = folder.path().join("tenants.toml");
        std::fs::write(&path, as_toml(&accounts, &fleet.document)).expect("written");
        let args = Args { config: Some(path), ..Args::default() };
        let loaded = load::<ingress_gateway::Config>(
            ingress_gateway::SERVICE,
            ingress_gateway::DEFAULTS,
            &args,
            std::iter::empty(),
        );
        let tenants = loaded.unwrap_or_else(|errors| panic!("{errors}")).tenants.0;
        let named: Vec<String> =
            tenants.values().flat_map(|tenant| tenant.accounts.keys().map(ToString::to_string)).collect();
        assert_eq!(named, ["infobip:main", "meta:main", "telegram:main", "web:main"]);
        let found = tenants.values().flat_map(|tenant| tenant.accounts.values()).find_map(|account| match account {
            AccountConfig::Meta(meta) => Some((meta.phone_number_id.clone(), meta.simulated)),
            _ => None,
        });
        assert_eq!(found, Some((number, true)));
    }
}
