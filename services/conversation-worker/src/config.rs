//! The worker's settings; `config.toml` names each with its default.

use std::{collections::BTreeMap, time::Duration};

use coordination::CoordinationConfig;
use domain::Tenant;
use file_store::FilesConfig;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, OpsConfig, Problems, Validate},
    grpc::{ClientConfig, ClientTls, GrpcConfig},
    models::ModelConfig,
    telemetry::TelemetryConfig,
    tenants::{CredentialConfig, TenantConfig, Tenants},
};
use store::media::OUTSIDE_BYTES_MAX;
use url::Url;

use crate::lease::{LEASE, MARGIN};

/// The embedded defaults.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// All settings of the worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Logs.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// Probes and metrics.
    #[serde(default)]
    pub ops: OpsConfig,
    /// Where the store is.
    pub database: DatabaseConfig,
    /// Where bells, feed and limits are.
    #[serde(default)]
    pub coordination: CoordinationConfig,
    /// Where the bytes of people's files are.
    #[serde(default)]
    pub files: FilesConfig,
    /// How large files of people may be.
    #[serde(default)]
    pub media: MediaConfig,
    /// ConversationService.
    #[serde(default)]
    pub grpc: GrpcConfig,
    /// CatalogService of embedding-service.
    pub catalog: CatalogConfig,
    /// The switches at the start.
    #[serde(default)]
    pub ai: ai::Values,
    /// The model that free speech goes to; none by default.
    #[serde(default)]
    pub model: ModelConfig,
    /// The turns themselves.
    #[serde(default)]
    pub worker: WorkerConfig,
    /// Accounts, documents and credentials.
    #[serde(default)]
    pub tenants: Tenants,
}

/// `[catalog]`: where operations are found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogConfig {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// Key of all tenants that have none of their own; the key names the tenant.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// Keys by tenant.
    #[serde(default)]
    pub api_keys: BTreeMap<Tenant, SecretString>,
    /// Deadline of one call.
    #[serde(default = "five_seconds", with = "humantime_serde")]
    pub timeout: Duration,
    /// Own authority and certificate for `https`.
    #[serde(default)]
    pub tls: Option<ClientTls>,
}

impl CatalogConfig {
    /// How to call it for `tenant`.
    pub(crate) fn client(&self, tenant: &Tenant) -> ClientConfig {
        ClientConfig {
            url: self.url.clone(),
            api_key: self.api_keys.get(tenant).or(self.api_key.as_ref()).cloned(),
            timeout: self.timeout,
            tls: self.tls.clone(),
        }
    }
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

/// `[media]`: how files are fetched where `[files]` is a folder or a bucket. What the database keeps is at most
/// [`store::media::FILE_BYTES_MAX`] long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// Largest file from Infobip.
    pub infobip_bytes_max: usize,
    /// Largest file from Meta.
    pub meta_bytes_max: usize,
    /// Largest file from Telegram.
    pub telegram_bytes_max: usize,
    /// Longest wait for a file, to its last byte.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for MediaConfig {
    /// As the platforms' documentation has it (2026-11): WhatsApp's largest kind is a document of 100 MB, and a bot may
    /// download 20 MB.
    fn default() -> Self {
        Self {
            infobip_bytes_max: 100 * 1024 * 1024,
            meta_bytes_max: 100 * 1024 * 1024,
            telegram_bytes_max: 20 * 1024 * 1024,
            timeout: Duration::from_secs(60),
        }
    }
}

impl MediaConfig {
    fn validate(&self, problems: &mut Problems) {
        for (name, bytes) in [
            ("media.infobip_bytes_max", self.infobip_bytes_max),
            ("media.meta_bytes_max", self.meta_bytes_max),
            ("media.telegram_bytes_max", self.telegram_bytes_max),
        ] {
            if !(1..=OUTSIDE_BYTES_MAX).contains(&bytes) {
                problems.add(name, format!("is 1 to {OUTSIDE_BYTES_MAX}"));
            }
        }
        // What is stale in the file store is older than any file under way.
        if self.timeout.is_zero() || self.timeout > Duration::from_secs(600) {
            problems.add("media.timeout", "must be over 0s and at most 10m");
        }
    }
}

/// `[worker]`: how turns are run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Conversations worked on at the same time, 1 to 2,000. While it waits for a model each takes about 100 KB and a connection.
    pub slots: usize,
    /// Texts of one person within this time are answered together; zero answers each alone.
    #[serde(with = "humantime_serde")]
    pub burst: Duration,
    /// A message that keeps meeting infrastructure errors is given up at this age.
    #[serde(with = "humantime_serde")]
    pub retry_age_max: Duration,
    /// How long running turns may take to end after a signal.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// The gateway's address as the platforms reach it, `http` or `https`, for those that fetch files by a link; none:
    /// they get a sentence in place of a file.
    #[serde(deserialize_with = "url_or_nothing")]
    pub public_url: Option<Url>,
}

/// An empty text is no address.
fn url_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(from)?;
    match text.trim() {
        "" => Ok(None),
        text => {
            text.parse().map(Some).map_err(|_| D::Error::custom("needs an address such as https://bot.example.org"))
        }
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            slots: 16,
            burst: Duration::from_millis(700),
            retry_age_max: Duration::from_secs(15 * 60),
            grace: Duration::from_secs(20),
            public_url: None,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.within("telemetry", |problems| self.telemetry.validate(problems));
        problems.within("grpc", |problems| self.grpc.validate(problems));
        problems.within("tenants", |problems| self.tenants.validate(problems));
        problems.within("model", |problems| self.model.validate(problems));
        self.media.validate(problems);
        if let Some(problem) = self.files.problem(matches!(self.coordination, CoordinationConfig::Redis { .. })) {
            problems.add("files", problem);
        }
        if !(1..=2_000).contains(&self.worker.slots) {
            problems.add("worker.slots", "must be 1 to 2000");
        }
        if self.worker.burst > Duration::from_secs(2) {
            problems.add("worker.burst", "must be at most 2s");
        }
        if self.worker.public_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            problems.add("worker.public_url", "must begin with http:// or https://");
        }
        documents(&self.tenants, problems);
        for (name, tenant) in &self.tenants.0 {
            if !tenant.accounts.is_empty() && tenant.documents.is_empty() {
                problems.add(&format!("tenants.{name}.documents"), no_document(tenant));
            }
        }
    }
}

/// What to say of a tenant that people can write to and that has nothing to do for them.
pub fn no_document(tenant: &TenantConfig) -> String {
    let accounts: Vec<String> = tenant.accounts.keys().map(ToString::to_string).collect();
    format!(
        "there is none, so whoever writes to {} gets nothing done: name a document and its source (SWAGGER_URL, for the \
         tenant `default`)",
        accounts.join(", ")
    )
}

/// Adds what is wrong with documents: addresses of backends and token servers that no call may go to, and a timeout that a
/// lease does not outlive.
pub fn documents(tenants: &Tenants, problems: &mut Problems) {
    for (name, tenant) in &tenants.0 {
        for (document, config) in &tenant.documents {
            let path = format!("tenants.{name}.documents.{document}");
            // A call begins only while the lease outlives it.
            let longest = LEASE - 2 * MARGIN;
            if config.timeout > longest || config.timeout.is_zero() {
                problems.add(&format!("{path}.timeout"), format!("must be over 0s and at most {}s", longest.as_secs()));
            }
            let mut check = |key: String, url: Option<&Url>| {
                if let Some(why) = url.and_then(|url| openapi::refusal(url, config.allow_private_hosts)) {
                    problems.add(&format!("{path}.{key}"), format!("{why} (`allow_private_hosts = true`)"));
                }
            };
            check("backend_url".to_owned(), config.backend_url.as_ref());
            for (scheme, credential) in &config.credentials {
                if let CredentialConfig::OAuth2 { token_url, .. } = credential {
                    check(format!("credentials.{scheme}.token_url"), token_url.as_ref());
                }
            }
        }
    }
}

impl Settings for Config {
    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn ops(&self) -> &OpsConfig {
        &self.ops
    }

    fn grace(&self) -> Duration {
        self.worker.grace + Duration::from_secs(2)
    }
}

#[cfg(test)]
mod tests {
    use service_kit::config::{Args, load};

    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<Config, String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load("conversation-worker", DEFAULTS, &Args::default(), env).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_embedded_defaults_are_those_of_the_types() {
        let config = read(&[]).expect("the defaults are valid");
        let defaults = WorkerConfig::default();
        assert_eq!(config.worker.slots, defaults.slots);
        assert_eq!(config.worker.burst, defaults.burst);
        assert_eq!(config.worker.retry_age_max, defaults.retry_age_max);
        assert_eq!(config.worker.grace, defaults.grace);
        assert_eq!(config.catalog.timeout, five_seconds());
        let media = MediaConfig::default();
        assert_eq!(
            [config.media.infobip_bytes_max, config.media.meta_bytes_max, config.media.telegram_bytes_max],
            [media.infobip_bytes_max, media.meta_bytes_max, media.telegram_bytes_max]
        );
        assert_eq!(config.media.timeout, media.timeout);
    }

    #[test]
    fn files_are_in_the_database_unless_a_place_is_named_that_all_workers_see() {
        assert!(matches!(read(&[]).expect("valid").files, FilesConfig::Database));
        let folder =
            [("CONVERSATION_WORKER__FILES__KIND", "folder"), ("CONVERSATION_WORKER__FILES__FOLDER", "/srv/files")];
        let with = |more: &[(&str, &str)]| read(&[&folder[..], more].concat());
        assert!(matches!(with(&[]).expect("valid").files, FilesConfig::Folder { shared: false, .. }));
        let redis = ("REDIS_URL", "redis://r:6379/0");
        let error = with(&[redis]).expect_err("refused");
        assert!(error.contains("files: with Redis there may be several processes"), "{error}");
        with(&[redis, ("CONVERSATION_WORKER__FILES__SHARED", "true")]).expect("valid");
        let minio = [
            ("MINIO_URL", "http://minio:9000"),
            ("MINIO_ROOT_USER", "user"),
            ("MINIO_ROOT_PASSWORD", "minio-password"),
        ];
        assert!(matches!(read(&minio).expect("valid").files, FilesConfig::Database), "a bucket has to be named");
        let named = read(&[&minio[..], &[("MINIO_BUCKET", "files")]].concat());
        assert_eq!(named.is_ok(), cfg!(feature = "s3"));
        if let Err(error) = named {
            assert!(error.contains("built without S3") && !error.contains("minio-password"), "{error}");
        }
    }

    #[test]
    fn a_backend_that_no_call_may_go_to_is_refused() {
        let document = |key: &str| format!("CONVERSATION_WORKER__TENANTS__DEFAULT__DOCUMENTS__MAIN__{key}");
        let check = |url: &str, allow: &str| {
            let (backend, private) = (document("BACKEND_URL"), document("ALLOW_PRIVATE_HOSTS"));
            read(&[("SWAGGER_URL", "api.yaml"), (&backend, url), (&private, allow)])
        };
        for url in ["http://10.0.0.1/api", "http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]/"] {
            let error = check(url, "false").expect_err(url);
            assert!(error.contains("documents.main.backend_url") && error.contains("allow_private_hosts"), "{error}");
            assert!(check(url, "true").is_ok(), "{url}");
        }
        assert!(check("https://crm.example.com/api", "false").is_ok());
        let error = read(&[
            ("SWAGGER_URL", "api.yaml"),
            ("MOBILITY_CLIENT_ID", "id"),
            ("MOBILITY_CLIENT_SECRET", "a-client-secret"),
            ("MOBILITY_AUTH_URL", "http://192.168.1.2/token"),
        ]);
        assert!(error.expect_err("refused").contains("credentials.*.token_url: 192.168.1.2 is a private address"));
    }

    #[test]
    fn an_account_that_has_no_document_is_refused() {
        let bot = ("TELEGRAM_BOT_TOKEN", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw");
        let error = read(&[bot]).expect_err("refused");
        assert!(
            error.contains("tenants.default.documents: there is none") && error.contains("telegram:main"),
            "{error}"
        );
        assert!(read(&[bot, ("SWAGGER_URL", "api.yaml")]).is_ok());
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let error = read(&[
            ("CONVERSATION_WORKER__WORKER__SLOTS", "0"),
            ("CONVERSATION_WORKER__WORKER__BURST", "3s"),
            ("CONVERSATION_WORKER__MEDIA__META_BYTES_MAX", "0"),
            ("CONVERSATION_WORKER__MEDIA__TIMEOUT", "11m"),
        ])
        .expect_err("refused");
        for name in ["worker.slots", "worker.burst", "media.meta_bytes_max", "media.timeout"] {
            assert!(error.contains(name), "{error}");
        }
        let error = read(&[("CONVERSATION_WORKER__WORKER__SLOTS", "2001")]).expect_err("refused");
        assert!(error.contains("worker.slots"), "{error}");
    }
}
