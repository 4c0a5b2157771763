//! `dragoman channels`: tells platforms where our webhooks are. Starts nothing.

use std::io::Write as _;

use ::channels::{Channel, telegram::WebhookInfo};
use anyhow::Context as _;
use domain::Account;
use jiff::Timestamp;
use service_kit::tenants::{AccountConfig, Tenants};

use crate::options::ChannelsCommand;

/// Does it for each account that has a webhook to register, or for the one that is named.
///
/// # Errors
/// When no such account is configured, or the platform refuses.
pub async fn run(command: &ChannelsCommand, tenants: &Tenants) -> anyhow::Result<()> {
    let wanted = command.account();
    let accounts = tenants.0.values().flat_map(|tenant| &tenant.accounts);
    let mut done = 0;
    for (account, settings) in accounts.filter(|(account, _)| wanted.is_none_or(|wanted| wanted == *account)) {
        if let (AccountConfig::Telegram(config), Channel::Telegram(bot)) = (settings, settings.build()?) {
            done += 1;
            if matches!(command, ChannelsCommand::Register { account: None }) && config.webhook_url.is_none() {
                say(account, "has no webhook_url: the gateway asks for its updates")?;
                continue;
            }
            let line = match command {
                ChannelsCommand::Register { .. } => {
                    let url = config.webhook_url.as_ref().with_context(|| {
                        format!("{account} has no webhook_url: set TELEGRAM_WEBHOOK_URL or webhook_url in its section")
                    })?;
                    bot.set_webhook(url.as_str()).await.with_context(|| format!("{account} was not registered"))?;
                    format!("updates go to {url}")
                }
                ChannelsCommand::Remove { .. } => {
                    bot.delete_webhook().await.with_context(|| format!("{account}: the webhook stays"))?;
                    "no webhook is registered any more; the gateway asks for updates if it has no webhook_url"
                        .to_owned()
                }
                ChannelsCommand::Status { .. } => {
                    let info = bot.webhook_info().await.with_context(|| format!("{account}: the platform says"))?;
                    state(&info)
                }
            };
            say(account, &line)?;
        } else if wanted.is_some() {
            anyhow::bail!(
                "{account} is registered on its platform's own pages: only Telegram takes a webhook's address by an API"
            );
        }
    }
    match wanted {
        Some(wanted) if done == 0 => anyhow::bail!("no tenant has an account {wanted}"),
        None if done == 0 => anyhow::bail!("no Telegram account is configured: set TELEGRAM_BOT_TOKEN"),
        _ => Ok(()),
    }
}

fn state(info: &WebhookInfo) -> String {
    let mut state = match info.url.as_str() {
        "" => "no webhook is registered".to_owned(),
        url => format!("updates go to {url}"),
    };
    state.push_str(&format!("; {} wait", info.pending_update_count));
    let at = info.last_error_date.and_then(|seconds| Timestamp::from_second(seconds).ok());
    if let (Some(at), Some(error)) = (at, &info.last_error_message) {
        state.push_str(&format!("; last error at {at}: {error}"));
    }
    state
}

fn say(account: &Account, line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{account}: {line}")
}
