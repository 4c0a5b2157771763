//! The settings; `config.toml` explains each.

use std::time::Duration;

use anyhow::Context as _;
use coordination::CoordinationConfig;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::{
    config::{DatabaseConfig, Problems, Validate},
    telemetry::TelemetryConfig,
};
use store::{Role, Store, StoreConfig};

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Logs.
    pub telemetry: TelemetryConfig,
    /// The database, as the schema's owner.
    pub database: DatabaseConfig,
    /// Where stream and group are made.
    pub coordination: CoordinationConfig,
    /// Waiting for it.
    pub redis: RedisConfig,
    /// The users of PostgreSQL.
    pub roles: RolesConfig,
}

/// `[redis]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// How long `up` waits for it.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
}

/// `[roles]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesConfig {
    /// The narrow user, as its URL names it.
    pub bot_url: Option<SecretString>,
    /// For `roles`.
    pub superuser_url: Option<SecretString>,
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.within("telemetry", |problems| self.telemetry.validate(problems));
        if let Some(url) = &self.roles.bot_url
            && url.expose_secret().starts_with("postgres")
            && store::roles::user_name(url.expose_secret()).is_err()
        {
            problems.add("roles.bot_url", "names no user; write postgres://bot_user:password@host/database");
        }
    }
}

impl Config {
    /// Takes the bot's URL from its own variable, where the settings name none.
    pub fn with_bot_url(mut self, variable: Option<String>) -> Self {
        if self.roles.bot_url.is_none() {
            self.roles.bot_url = variable.filter(|url| !url.is_empty()).map(SecretString::from);
        }
        self
    }

    /// Name of the bot's user; `bot_user` where no URL names it.
    pub(crate) fn bot_user(&self) -> String {
        self.roles
            .bot_url
            .as_ref()
            .and_then(|url| store::roles::user_name(url.expose_secret()).ok())
            .unwrap_or_else(|| "bot_user".to_owned())
    }

    /// The same, asking the database once.
    pub(crate) fn without_waiting(&self) -> Self {
        let mut config = self.clone();
        config.database.connect_wait = std::time::Duration::ZERO;
        config
    }

    /// Opens the database, waiting for it.
    pub(crate) async fn connect(&self) -> anyhow::Result<Store> {
        let config = StoreConfig {
            url: self.database.url.expose_secret().to_owned(),
            max_connections: self.database.max_connections,
            connect_wait: self.database.connect_wait,
            role: Role::Admin,
        };
        Store::connect(&config).await.context("cannot open the database")
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
    fn the_defaults_are_valid_and_need_no_redis() {
        let config = read(&[]).expect("valid");
        assert!(matches!(config.coordination, CoordinationConfig::Memory));
        assert_eq!(config.bot_user(), "bot_user");
    }

    #[test]
    fn operators_variables_are_taken() {
        let config = read(&[
            ("ADMIN_DATABASE_URL", "postgresql+asyncpg://admin_user:pw@db/bot"),
            ("DATABASE_URL", "postgres://other@db/bot"),
            ("REDIS_URL", "redis://r:6379/0"),
        ])
        .expect("valid")
        .with_bot_url(Some("postgresql+asyncpg://narrow:pw@db/bot".to_owned()));
        assert_eq!(config.database.url.expose_secret(), "postgresql+asyncpg://admin_user:pw@db/bot");
        assert!(matches!(config.coordination, CoordinationConfig::Redis { .. }));
        assert_eq!(config.bot_user(), "narrow");
    }

    #[test]
    fn a_bot_url_without_a_user_is_refused() {
        let error = read(&[("MIGRATOR__ROLES__BOT_URL", "postgres://db/bot")]).expect_err("refused");
        assert!(error.contains("roles.bot_url") || error.contains("BOT_URL"), "{error}");
    }
}
