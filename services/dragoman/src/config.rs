//! The settings of the one process; `config.toml` explains each.

use coordination::CoordinationConfig;
use serde::Deserialize;
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, HttpConfig, OpsConfig, Problems, Validate},
    models::ModelConfig,
    telemetry::TelemetryConfig,
    tenants::Tenants,
};

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The public listener.
    pub http: HttpConfig,
    /// Probes and metrics.
    pub ops: OpsConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
    /// The database of all services.
    pub database: DatabaseConfig,
    /// Doorbell and feed of all services.
    pub coordination: CoordinationConfig,
    /// Web chat.
    pub chat: Chat,
    /// The model that free speech goes to; none by default.
    #[serde(default)]
    pub model: ModelConfig,
    /// Accounts and documents by tenant.
    #[serde(default)]
    pub tenants: Tenants,
}

/// `[chat]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Whether new web chat messages are taken; a truth value or its text.
    pub enabled: serde_json::Value,
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.within("telemetry", |problems| self.telemetry.validate(problems));
        problems.within("model", |problems| self.model.validate(problems));
        problems.within("tenants", |problems| self.tenants.validate(problems));
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
