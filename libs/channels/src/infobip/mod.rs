//! WhatsApp through Infobip.

mod fetch;
mod parse;
mod render;
mod send;
mod verify;

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

pub use parse::parse;
pub use render::render;
pub use verify::{Algorithm, Encoding, NameError, sign};

use crate::BuildError;

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

/// How a subscription's webhooks prove where they come from. Up to two secrets are valid at once, for rotation.
#[derive(Clone, Debug)]
pub enum Auth {
    /// HMAC of the raw body in a header.
    Hmac {
        /// Header that carries it; `X-Hub-Signature-256` unless configured otherwise.
        header: String,
        /// Hash function.
        algorithm: Algorithm,
        /// How the bytes are written.
        encoding: Encoding,
        /// Keys, as text.
        secrets: Vec<SecretString>,
    },
    /// HTTP Basic.
    Basic {
        /// User name.
        username: String,
        /// Valid passwords.
        passwords: Vec<SecretString>,
    },
    /// `Authorization: Bearer <token>`.
    Bearer {
        /// Valid tokens.
        tokens: Vec<SecretString>,
    },
}

/// A configured sender, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Infobip(Arc<Parts>);

struct Parts {
    base_url: Url,
    sender: String,
    verifier: verify::Verifier,
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
            base_url: base_url(&config.base_url)?,
            sender: config.sender.trim_start_matches('+').to_owned(),
            verifier: verify::Verifier::new(config.auth)?,
            authorization,
            client: send::client().map_err(BuildError::Client)?,
        })))
    }

    /// See [`crate::Channel::verify`].
    pub(crate) fn verify(&self, headers: &http::HeaderMap, body: &[u8]) -> Result<(), crate::VerifyError> {
        self.0.verifier.verify(headers, body)
    }
}

impl fmt::Debug for Infobip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Infobip").field("base_url", &self.0.base_url.as_str()).finish_non_exhaustive()
    }
}

/// A host gets `https://`; a path ends in `/`, so that paths can be joined to it.
fn base_url(text: &str) -> Result<Url, BuildError> {
    let wrong = || BuildError::BaseUrl(text.to_owned());
    let with_scheme = if text.contains("://") { text.trim().to_owned() } else { format!("https://{}", text.trim()) };
    let mut url = Url::parse(&with_scheme).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_may_be_a_host() {
        for (text, expected) in [
            ("xyz.api.infobip.com", "https://xyz.api.infobip.com/"),
            ("https://xyz.api.infobip.com/", "https://xyz.api.infobip.com/"),
            ("http://127.0.0.1:9000/fake", "http://127.0.0.1:9000/fake/"),
        ] {
            assert_eq!(base_url(text).expect(text).as_str(), expected);
        }
        for bad in ["", "ftp://x", "https://"] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
