//! Telegram besides its webhooks: bots without a public address are asked for updates, the state of registered webhooks
//! is measured.

use std::{sync::Arc, time::Duration};

use channels::{
    Channel,
    telegram::{ApiError, Telegram, UPDATES_MAX},
};
use domain::telemetry::metric;
use futures::future;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Shared, accounts::WebhookAccount, webhook};

/// How long the platform may hold a question open until an update comes.
const POLL: Duration = Duration::from_secs(25);
/// Wait after a failure; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Wait while a webhook is registered or another gateway asks.
const CONFLICT_PAUSE: Duration = Duration::from_secs(15);
/// How often the state of a webhook is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Serves all bots until `stopping`.
pub(crate) async fn run(shared: Arc<Shared>, stopping: CancellationToken) {
    let bots = shared.accounts.webhooks().filter_map(|account| match &account.channel {
        Channel::Telegram(bot) => Some((account, bot)),
        _ => None,
    });
    let each = bots.map(|(account, bot)| async {
        let serve = async {
            match shared.accounts.webhook_url(&account.account) {
                Some(url) => watch(account, bot, url).await,
                None => poll(&shared, account, bot).await,
            }
        };
        stopping.run_until_cancelled(serve).await;
    });
    future::join_all(each).await;
}

/// Takes updates one by one, so that those of a chat keep their order; each is confirmed only after it is stored.
///
/// Several gateways may ask for the same bot: the platform lets one of them wait and refuses the other, and an update that
/// two of them get is accepted once.
async fn poll(shared: &Shared, account: &WebhookAccount, bot: &Telegram) {
    tracing::info!(account = %account.account, "no webhook_url is configured: the bot is asked for updates");
    let (mut offset, mut pause, mut most) = (0, PAUSE, UPDATES_MAX);
    loop {
        let asked = Instant::now();
        let wait = match bot.updates(offset, most, POLL).await {
            Ok(updates) => match take(shared, account, &updates, &mut offset).await {
                Ok(()) => {
                    (pause, most) = (PAUSE, UPDATES_MAX);
                    // A server that does not wait for updates is not asked all the time.
                    if updates.is_empty() && asked.elapsed() < PAUSE {
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
                Err(error) => {
                    tracing::error!(account = %account.account, %error, "an update could not be stored; will ask again");
                    pause
                }
            },
            Err(ApiError::Refused { code: 409, description, .. }) => {
                tracing::warn!(
                    account = %account.account, reason = description,
                    "the bot's updates go elsewhere: `dragoman channels remove` takes a registered webhook away"
                );
                CONFLICT_PAUSE
            }
            Err(ApiError::Refused { retry_after: Some(wait), .. }) => wait,
            Err(ApiError::Refused { code: 401 | 404, .. }) => {
                tracing::error!(account = %account.account, "the platform does not know this bot: is its token right?");
                PAUSE_MAX
            }
            Err(error) => {
                tracing::warn!(account = %account.account, %error, "the bot cannot be asked for updates; will ask again");
                // If one of them makes the answer unreadable or too large, the others before it get through.
                most = 1;
                pause
            }
        };
        pause = (pause * 2).min(PAUSE_MAX);
        tokio::time::sleep(wait).await;
    }
}

/// Stores updates in their order; `offset` goes on with each.
async fn take(
    shared: &Shared,
    account: &WebhookAccount,
    updates: &[(i64, serde_json::Value)],
    offset: &mut i64,
) -> Result<(), store::StoreError> {
    for (number, update) in updates {
        let body = update.to_string().into();
        let outcome = webhook::take(shared, account, &body).await?;
        webhook::count(account, outcome);
        // After a quiet week the platform begins with any number, also a lower one.
        *offset = number.saturating_add(1);
    }
    Ok(())
}

async fn watch(account: &WebhookAccount, bot: &Telegram, url: &str) {
    let mut told = None;
    loop {
        match bot.webhook_info().await {
            Ok(info) => {
                let name = account.account.to_string();
                metrics::gauge!(metric::WEBHOOK_PENDING, "account" => name).set(info.pending_update_count as f64);
                if info.url != url {
                    tracing::warn!(
                        account = %account.account, registered = info.url,
                        "the bot's updates do not come to its webhook_url: `dragoman channels register` tells the platform"
                    );
                } else if info.last_error_date > told {
                    told = info.last_error_date;
                    let reason = info.last_error_message.unwrap_or_default();
                    tracing::warn!(account = %account.account, reason, "the platform could not deliver an update");
                }
            }
            Err(error) => tracing::warn!(account = %account.account, %error, "the webhook's state is not known"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
