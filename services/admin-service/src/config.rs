//! The settings; `config.toml` explains each.

use std::{collections::BTreeMap, time::Duration};

use coordination::CoordinationConfig;
use domain::Tenant;
use file_store::FilesConfig;
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, HttpConfig, OpsConfig, Problems, Validate},
    grpc::{ClientConfig, ClientTls, GrpcConfig},
    telemetry::TelemetryConfig,
};

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// Probes and metrics.
    pub ops: OpsConfig,
    /// The console and `GET /health`.
    pub http: HttpConfig,
    /// AdminService.
    pub grpc: GrpcConfig,
    /// Who may come in.
    pub admin: AdminConfig,
    /// The operators' pages.
    pub console: ConsoleConfig,
    /// CatalogService of embedding-service.
    pub catalog: CatalogConfig,
    /// The database, as its owner.
    pub database: DatabaseConfig,
    /// Where the bytes of people's files are.
    pub files: FilesConfig,
    /// Doorbell.
    pub coordination: CoordinationConfig,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Networks that may call, by the socket's peer.
    pub allowed_addresses: Vec<IpNet>,
    /// Proxies whose word about the caller's address counts; for the console only.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
}

/// `[console]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// A session ends when nothing was opened for so long.
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,
    /// And at the latest after this time.
    #[serde(with = "humantime_serde")]
    pub session_max: Duration,
    /// Browsers come by https although no trusted proxy says so.
    #[serde(default)]
    pub secure_cookies: bool,
    /// Tenants of an operator besides the one that the key names, by the key's name; `*` is all.
    #[serde(default)]
    pub tenants: BTreeMap<String, Vec<String>>,
}

/// `[catalog]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogConfig {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// Deadline of one call.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The tenant that `api_key`, or a call without a key, speaks for.
    pub tenant: Tenant,
    /// Key of that tenant.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// Keys of the other tenants.
    #[serde(default)]
    pub api_keys: BTreeMap<Tenant, SecretString>,
    /// Own authority and certificate for `https`.
    #[serde(default)]
    pub tls: Option<ClientTls>,
}

impl CatalogConfig {
    /// How to call it for each tenant that it can be called for. A key names its tenant, so none is used for another.
    pub(crate) fn clients(&self) -> BTreeMap<Tenant, ClientConfig> {
        let client = |api_key: Option<&SecretString>| ClientConfig {
            url: self.url.clone(),
            api_key: api_key.cloned(),
            timeout: self.timeout,
            tls: self.tls.clone(),
        };
        let mut clients = BTreeMap::from([(self.tenant.clone(), client(self.api_key.as_ref()))]);
        clients.extend(self.api_keys.iter().map(|(tenant, key)| (tenant.clone(), client(Some(key)))));
        clients
    }
}

impl Settings for Config {
    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn ops(&self) -> &OpsConfig {
        &self.ops
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.within("telemetry", |problems| self.telemetry.validate(problems));
        problems.within("grpc", |problems| self.grpc.validate(problems));
        if self.admin.allowed_addresses.is_empty() {
            problems.add("admin.allowed_addresses", "nobody could call; name at least one network such as 10.0.0.0/8");
        }
        if let Some(problem) = self.files.problem(matches!(self.coordination, CoordinationConfig::Redis { .. })) {
            problems.add("files", problem);
        }
        let console = &self.console;
        if console.session_idle.is_zero() || console.session_idle > console.session_max {
            problems.add("console.session_idle", "must be over 0s and at most `session_max`");
        }
        for (name, tenants) in &console.tenants {
            if let Some(bad) = tenants.iter().find(|tenant| *tenant != "*" && !domain::id::is_name(tenant)) {
                problems.add(&format!("console.tenants.{name}"), format!("`{bad}` is no tenant's name and not `*`"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use service_kit::config::{Args, load};

    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<Config, String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(crate::SERVICE, crate::DEFAULTS, &Args::default(), env).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = read(&[]).expect("valid");
        assert_eq!(config.grpc.listen.port(), 50_053);
        assert_eq!(config.http.listen.port(), 8_080);
    }

    #[test]
    fn operators_variables_are_taken() {
        let config = read(&[
            ("ADMIN_ALLOWED_IPS", "10.0.0.0/8,192.168.1.0/24"),
            ("ADMIN_DATABASE_URL", "postgres://admin_user:pw@db/bot"),
            ("ADMIN_TOKEN_1", "a3f1"),
            ("REDIS_URL", "redis://r:6379/0"),
        ])
        .expect("valid");
        assert_eq!(config.admin.allowed_addresses.len(), 2);
        assert_eq!(config.grpc.keys["admin-1"].services, ["admin"]);
        assert!(matches!(config.coordination, CoordinationConfig::Redis { .. }));
    }

    #[test]
    fn a_catalogue_key_is_used_for_its_tenant_only() {
        let config =
            read(&[("ADMIN_SERVICE__CATALOG__API_KEY", "k1"), ("ADMIN_SERVICE__CATALOG__API_KEYS__ACME", "k2")])
                .expect("valid");
        let tenants: Vec<String> = config.catalog.clients().into_keys().map(String::from).collect();
        assert_eq!(tenants, ["acme", "default"]);
    }

    #[test]
    fn sessions_and_tenants_are_checked() {
        let error = read(&[
            ("ADMIN_SERVICE__CONSOLE__SESSION_IDLE", "9h"),
            ("ADMIN_SERVICE__CONSOLE__TENANTS__ANA", r#"["*", "No Name"]"#),
        ])
        .expect_err("refused");
        assert!(error.contains("console.session_idle") && error.contains("console.tenants.ana"), "{error}");
    }

    #[test]
    fn a_wrong_network_and_an_open_listener_are_refused_together() {
        let error = read(&[
            ("ADMIN_ALLOWED_IPS", "10.0.0.1/33"),
            ("ADMIN_SERVICE__GRPC__AUTH__MODE", "off"),
            ("ADMIN_SERVICE__GRPC__AUTH__TENANT", "default"),
        ])
        .expect_err("refused");
        assert!(error.contains("admin.allowed_addresses.0: "), "{error}");
        assert!(error.contains("grpc.auth.mode: "), "{error}");
    }
}
