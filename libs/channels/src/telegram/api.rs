//! Calls of the Bot API: one POST, `ok` or an error.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json as value};

use super::Telegram;
use crate::{
    exchange::{MAX_RETRY_AFTER, cause, read},
    handed, json,
};

/// Kinds of updates that are asked for: what is not in here does not come.
pub const UPDATES: [&str; 5] = ["message", "edited_message", "callback_query", "message_reaction", "my_chat_member"];
/// Connections that the platform may open to a webhook at one time.
const CONNECTIONS_MAX: u32 = 40;
/// For calls that nobody's turn waits for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most updates of one answer.
pub const UPDATES_MAX: u32 = 100;
/// Largest answer with updates, in bytes; a hundred of them have some hundred KiB.
const UPDATES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The platform answered that it will not.
    #[error("{code} {description}")]
    Refused {
        /// Its `error_code`, an HTTP status.
        code: u16,
        /// Its words.
        description: String,
        /// Wait exactly so long.
        retry_after: Option<Duration>,
        /// The group is another chat now.
        migrate_to_chat_id: Option<i64>,
    },
    /// Nothing was asked: no connection, or no whole request.
    #[error("{0}")]
    NotSent(String),
    /// It may have been done.
    #[error("{0}")]
    Unknown(String),
}

/// State of a bot's webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WebhookInfo {
    /// Where updates go; empty when none is registered.
    pub url: String,
    /// Updates that wait.
    pub pending_update_count: u64,
    /// When an update could not be delivered, in seconds since 1970.
    pub last_error_date: Option<i64>,
    /// Why.
    pub last_error_message: Option<String>,
    /// Connections at one time.
    pub max_connections: Option<u32>,
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    result: Value,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Telegram {
    /// Calls `method`.
    pub(super) async fn call(&self, method: &str, body: &Value, timeout: Duration) -> Result<Value, ApiError> {
        self.exchange(self.0.client.post(self.url(&[], &[method])).json(body), timeout).await
    }

    /// Calls `method` with a form that brings a file. What ends before all of the form has left was not asked.
    pub(super) async fn call_with_file(
        &self,
        method: &str,
        (content_type, body): (String, Vec<u8>),
        timeout: Duration,
    ) -> Result<Value, ApiError> {
        let request = self.0.client.post(self.url(&[], &[method]));
        let request = request.header(CONTENT_TYPE, content_type).header(CONTENT_LENGTH, body.len());
        let (body, handed) = handed::body(body);
        match self.exchange(request.body(body), timeout).await {
            Err(ApiError::Unknown(reason)) if handed.take_back() => Err(ApiError::NotSent(reason)),
            end => end,
        }
    }

    async fn exchange(&self, request: reqwest::RequestBuilder, timeout: Duration) -> Result<Value, ApiError> {
        let exchange = async {
            let response = faults::send!(request).await?;
            Ok::<_, reqwest::Error>((response.status().as_u16(), read(response).await))
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok((status, answer))) => judge(status, &answer),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(ApiError::Unknown("no answer within the deadline".to_owned())),
        }
    }

    /// Registers `url` for updates, with the first webhook secret.
    ///
    /// # Errors
    /// [`ApiError`]; `NotSent` when the bot has no secret.
    pub async fn set_webhook(&self, url: &str) -> Result<(), ApiError> {
        use secrecy::ExposeSecret as _;
        let Some(secret) = self.0.webhook_secrets.first() else {
            return Err(ApiError::NotSent("no webhook secret is configured for this account".to_owned()));
        };
        let body = value!({
            "url": url, "secret_token": secret.expose_secret(), "allowed_updates": UPDATES,
            "max_connections": CONNECTIONS_MAX,
        });
        self.call("setWebhook", &body, TIMEOUT).await.map(|_| ())
    }

    /// Takes the webhook away; updates that wait stay.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn delete_webhook(&self) -> Result<(), ApiError> {
        self.call("deleteWebhook", &value!({}), TIMEOUT).await.map(|_| ())
    }

    /// State of the webhook.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn webhook_info(&self) -> Result<WebhookInfo, ApiError> {
        let info = self.call("getWebhookInfo", &value!({}), TIMEOUT).await?;
        serde_json::from_value(info).map_err(|_| ApiError::Unknown("an answer that cannot be read".to_owned()))
    }

    /// Up to `most` updates from `offset` on, as bodies in their order with their numbers; waits up to `wait` for the first. With it
    /// those before `offset` are confirmed.
    ///
    /// # Errors
    /// [`ApiError`]; 409 while a webhook is registered or somebody else asks.
    pub async fn updates(&self, offset: i64, most: u32, wait: Duration) -> Result<Vec<(i64, Value)>, ApiError> {
        let body = value!({
            "offset": offset, "limit": most, "timeout": wait.as_secs(), "allowed_updates": UPDATES,
        });
        let request = self.0.client.post(self.url(&[], &["getUpdates"])).json(&body);
        let exchange = async {
            let mut response = request.send().await?;
            let (status, mut answer) = (response.status().as_u16(), Vec::new());
            while let Some(chunk) = response.chunk().await? {
                if answer.len() + chunk.len() > UPDATES_BYTES_MAX {
                    break;
                }
                answer.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((status, answer))
        };
        let answer = match tokio::time::timeout(wait + TIMEOUT, exchange).await {
            Ok(Ok((status, answer))) => judge(status, &answer)?,
            Ok(Err(error)) => return Err(failed(&error)),
            Err(_) => return Err(ApiError::Unknown("no answer within the deadline".to_owned())),
        };
        let Value::Array(updates) = answer else {
            return Err(ApiError::Unknown("an answer that cannot be read".to_owned()));
        };
        let numbered = |update: Value| Some((update.get("update_id")?.as_i64()?, update));
        Ok(updates.into_iter().filter_map(numbered).collect())
    }
}

fn failed(error: &reqwest::Error) -> ApiError {
    if error.is_connect() || error.is_builder() {
        ApiError::NotSent(cause(error))
    } else {
        ApiError::Unknown(cause(error))
    }
}

/// What the platform's answer means. Something else than its JSON comes from whatever stands in between.
fn judge(status: u16, answer: &[u8]) -> Result<Value, ApiError> {
    // As forgiving as with webhooks: one damaged update must not hide the others.
    match json::read(answer).ok().and_then(|answer| serde_json::from_value::<Answer>(answer).ok()).ok_or(()) {
        Ok(answer) if answer.ok => Ok(answer.result),
        Ok(answer) => {
            let code = answer.error_code.unwrap_or(status);
            if code >= 500 {
                return Err(ApiError::Unknown(format!("{code}")));
            }
            Err(ApiError::Refused {
                code,
                description: answer.description.chars().take(300).collect(),
                retry_after: answer.parameters.retry_after.map(|wait| Duration::from_secs(wait).min(MAX_RETRY_AFTER)),
                migrate_to_chat_id: answer.parameters.migrate_to_chat_id,
            })
        }
        Err(_) if matches!(status, 401 | 403 | 404 | 413 | 429) => Err(ApiError::Refused {
            code: status,
            description: String::new(),
            retry_after: None,
            migrate_to_chat_id: None,
        }),
        Err(_) => Err(ApiError::Unknown(format!("HTTP {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(judge(200, br#"{"ok":true,"result":true}"#), Ok(value!(true)));
        let refused = judge(
            429,
            br#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}"#,
        );
        assert!(
            matches!(&refused, Err(ApiError::Refused { code: 429, retry_after: Some(wait), .. }) if wait.as_secs() == 7),
            "{refused:?}"
        );
        for (status, answer) in [
            (502, &b"<html>"[..]),
            (200, b""),
            (500, br#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#),
        ] {
            assert!(matches!(judge(status, answer), Err(ApiError::Unknown(_))), "{status}");
        }
    }
}
