//! The settings; `config.toml` explains each.

use coordination::CoordinationConfig;
use ipnet::IpNet;
use serde::Deserialize;
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, HttpConfig, OpsConfig, Problems, Validate},
    grpc::GrpcConfig,
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
    /// `GET /health`.
    pub http: HttpConfig,
    /// AdminService.
    pub grpc: GrpcConfig,
    /// Who may come in.
    pub admin: AdminConfig,
    /// The database, as its owner.
    pub database: DatabaseConfig,
    /// Doorbell.
    pub coordination: CoordinationConfig,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Networks that may call, by the socket's peer.
    pub allowed_addresses: Vec<IpNet>,
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
        problems.within("grpc", |problems| self.grpc.validate(problems));
        if self.admin.allowed_addresses.is_empty() {
            problems.add("admin.allowed_addresses", "nobody could call; name at least one network such as 10.0.0.0/8");
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
