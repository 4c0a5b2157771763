//! WhatsApp through Infobip.

mod content;
mod fetch;
mod messages_api;
mod parse;
mod send;

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

pub use parse::parse;

use crate::{
    BuildError, exchange,
    verify::{Auth, Verifier},
};

/// Name of the channel, and provider of its inbox rows.
pub const NAME: &str = "infobip";

/// One sender of an Infobip account.
#[derive(Clone, Debug)]
pub struct Config {
    /// Host (`xyz.api.infobip.com`) or URL of the API.
    pub base_url: String,
    /// Goes into `Authorization: App <key>`.
    pub api_key: SecretString,
    /// The number that sends, in digits.
    pub sender: String,
    /// How its webhooks prove where they come from.
    pub auth: Auth,
}

/// A configured sender, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Infobip(Arc<Parts>);

struct Parts {
    base_url: Url,
    sender: String,
    verifier: Verifier,
    authorization: http::HeaderValue,
    client: reqwest::Client,
}

impl Infobip {
    /// Makes the client; opens no connection. The process must have installed a rustls crypto provider.
    ///
    /// # Errors
    /// [`BuildError`] when a part of the configuration has no usable form.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let mut authorization = http::HeaderValue::try_from(format!("App {}", config.api_key.expose_secret()))
            .map_err(|_| BuildError::ApiKey)?;
        authorization.set_sensitive(true);
        Ok(Self(Arc::new(Parts {
            base_url: exchange::base_url(&config.base_url)?,
            sender: config.sender.trim_start_matches('+').to_owned(),
            verifier: Verifier::new(config.auth)?,
            authorization,
            client: exchange::client().map_err(BuildError::Client)?,
        })))
    }

    /// See [`crate::Channel::verify`].
    pub(crate) fn verify(&self, headers: &http::HeaderMap, body: &[u8]) -> Result<(), crate::VerifyError> {
        self.0.verifier.verify(headers, body)
    }
}

/// True when these words say that more than 24 hours have passed since the person wrote.
fn window_closed(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["24 hour", "24h", "24-hour", "re-engagement", "131047"].iter().any(|word| words.contains(word))
}

impl fmt::Debug for Infobip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Infobip").field("base_url", &self.0.base_url.as_str()).finish_non_exhaustive()
    }
}
