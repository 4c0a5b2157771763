//! The gateway's settings; `config.toml` explains each.

use std::{num::NonZeroU32, time::Duration};

use ai::Values;
use coordination::CoordinationConfig;
use domain::Account;
use file_store::FilesConfig;
use serde::Deserialize;
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, HttpConfig, OpsConfig, Problems, Validate},
    telemetry::TelemetryConfig,
    tenants::Tenants,
};
use store::media::FILE_BYTES_MAX;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The public listener.
    pub http: HttpConfig,
    /// Probes and metrics.
    pub ops: OpsConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Doorbell, feed, limits.
    pub coordination: CoordinationConfig,
    /// Where the bytes are of uploads and of files that answers show.
    #[serde(default)]
    pub files: FilesConfig,
    /// The switches at the start.
    #[serde(default)]
    pub ai: Values,
    /// Webhooks.
    #[serde(default)]
    pub webhook: WebhookConfig,
    /// Web chat.
    #[serde(default)]
    pub chat: ChatConfig,
    /// Accounts by tenant.
    #[serde(default)]
    pub tenants: Tenants,
}

/// `[webhook]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Account of the plain path.
    pub default_account: Option<Account>,
    /// Largest body, in bytes; of Meta 3.5 MB in any case, as the platform sends them.
    pub body_bytes_max: usize,
    /// For a whole body.
    #[serde(with = "humantime_serde")]
    pub body_read_timeout: Duration,
    /// For the headers of a request.
    #[serde(with = "humantime_serde")]
    pub header_read_timeout: Duration,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Older messages are kept for an operator and not answered.
    #[serde(with = "humantime_serde")]
    pub age_max: Duration,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            default_account: None,
            body_bytes_max: 1024 * 1024,
            body_read_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(5),
            connections_max: 4096,
            age_max: Duration::from_hours(8 * 24),
        }
    }
}

/// `[chat]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChatConfig {
    /// A session is made for whoever has none.
    pub anonymous: bool,
    /// Account of requests that no allowed origin decides.
    pub default_account: Option<Account>,
    /// Longest wait of a JSON answer.
    #[serde(with = "humantime_serde")]
    pub answer_wait: Duration,
    /// A session ends when it was not used for so long.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// Event streams at the same time and session.
    pub streams_max: usize,
    /// Messages a minute without a session, from one address.
    pub newcomer_messages_per_minute: NonZeroU32,
    /// Event streams at the same time that began without a session, from one address.
    pub newcomer_streams_max: usize,
    /// Files that people send.
    pub uploads: UploadConfig,
}

/// `[chat.uploads]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UploadConfig {
    /// Largest file, in bytes, 1 to 10 MiB.
    pub bytes_max: usize,
    /// Media types that are taken, as the file's bytes show them.
    pub media_types: Vec<String>,
    /// Files that a session has at a time.
    pub files_max: usize,
    /// Their bytes together.
    pub session_bytes_max: usize,
    /// Bytes of all sessions of an account together.
    pub account_bytes_max: usize,
    /// A file that no message names goes after this.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// For a whole file.
    #[serde(with = "humantime_serde")]
    pub read_timeout: Duration,
    /// Uploads at the same time, of all sessions.
    pub at_once_max: usize,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self {
            bytes_max: FILE_BYTES_MAX,
            media_types: [
                "image/jpeg",
                "image/png",
                "image/gif",
                "image/webp",
                "image/heic",
                "application/pdf",
                "text/plain",
                "text/csv",
                "audio/ogg",
                "audio/mpeg",
                "audio/mp4",
                "audio/wav",
                "video/mp4",
            ]
            .map(str::to_owned)
            .to_vec(),
            files_max: 20,
            session_bytes_max: 50 * 1024 * 1024,
            account_bytes_max: 1 << 30,
            lifetime: Duration::from_hours(1),
            read_timeout: Duration::from_secs(60),
            at_once_max: 16,
        }
    }
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self {
            anonymous: true,
            default_account: None,
            answer_wait: Duration::from_secs(60),
            session_lifetime: Duration::from_hours(24),
            streams_max: 2,
            newcomer_messages_per_minute: NonZeroU32::MIN.saturating_add(599),
            newcomer_streams_max: 100,
            uploads: UploadConfig::default(),
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
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.within("telemetry", |problems| self.telemetry.validate(problems));
        problems.within("tenants", |problems| self.tenants.validate(problems));
        if let Some(problem) = self.files.problem(matches!(self.coordination, CoordinationConfig::Redis { .. })) {
            problems.add("files", problem);
        }
        self.webhook.validate(&self.tenants, problems);
        self.chat.validate(&self.tenants, problems);
    }
}

impl WebhookConfig {
    /// Adds what is wrong, under `webhook`.
    pub fn validate(&self, tenants: &Tenants, problems: &mut Problems) {
        if self.body_bytes_max == 0 || self.connections_max == 0 {
            problems.add("webhook", "`body_bytes_max` and `connections_max` are at least 1");
        }
        if let Some(account) = &self.default_account {
            known(account, tenants, "webhook.default_account", problems);
        }
    }
}

impl ChatConfig {
    /// Adds what is wrong, under `chat`.
    pub fn validate(&self, tenants: &Tenants, problems: &mut Problems) {
        if let Some(account) = &self.default_account {
            known(account, tenants, "chat.default_account", problems);
        }
        let UploadConfig { bytes_max, files_max, at_once_max, session_bytes_max, account_bytes_max, .. } = self.uploads;
        if !(1..=FILE_BYTES_MAX).contains(&bytes_max) {
            problems.add("chat.uploads.bytes_max", format!("is 1 to {FILE_BYTES_MAX}"));
        }
        if session_bytes_max < bytes_max || account_bytes_max < session_bytes_max {
            problems.add(
                "chat.uploads",
                "`bytes_max` is at most `session_bytes_max`, and that at most `account_bytes_max`: else no file has room",
            );
        }
        if files_max == 0 || at_once_max == 0 {
            problems.add("chat.uploads", "`files_max` and `at_once_max` are at least 1");
        }
    }
}

fn known(account: &Account, tenants: &Tenants, path: &str, problems: &mut Problems) {
    if !tenants.0.values().any(|tenant| tenant.accounts.contains_key(account)) {
        problems.add(path, format!("no tenant has an account `{account}`"));
    }
}
