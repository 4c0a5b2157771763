//! WhatsApp through Meta's Cloud API.

mod fetch;
mod parse;
mod send;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use domain::{Account, Micros, Tenant};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::{
    BuildError, ParseError, Parsed, VerifyError, exchange,
    verify::{Algorithm, Auth, Encoding, Verifier},
};

/// Name of the channel, and provider of its inbox rows.
pub const NAME: &str = "meta";
/// Where the API is.
pub const BASE_URL: &str = "https://graph.facebook.com";
/// Version of the API that this room was written for.
pub const VERSION: &str = "v24.0";
/// The largest webhook: 3.5 MB.
pub(crate) const WEBHOOK_BYTES_MAX: usize = 3_670_016;
/// Begins the peer that is a group.
const GROUP: &str = "group:";
/// "Typing" is shown for 25 s or until the answer.
pub(crate) const TYPING_LASTS: Duration = Duration::from_secs(20);
/// Header of the webhook's signature.
const SIGNATURE: &str = "X-Hub-Signature-256";
/// More than 24 hours have passed since the person wrote.
const WINDOW_CLOSED: i64 = 131_047;
/// The person stopped marketing messages of this account.
const NO_MARKETING: i64 = 131_050;
/// Longest challenge that is answered.
const CHALLENGE_MAX: usize = 128;

/// One number of a WhatsApp business account.
#[derive(Clone, Debug)]
pub struct Config {
    /// Host or URL of the API; [`BASE_URL`] unless a proxy stands before it.
    pub base_url: String,
    /// Version of the API, such as [`VERSION`].
    pub version: String,
    /// The number's id, in digits; not the number itself.
    pub phone_number_id: String,
    /// Goes into `Authorization: Bearer <token>`.
    pub access_token: SecretString,
    /// Secrets of the app, which sign its webhooks; two while they are changed.
    pub app_secrets: Vec<SecretString>,
    /// Word that the platform says when a webhook is registered.
    pub verify_token: SecretString,
}

/// A configured number, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Meta(Arc<Parts>);

struct Parts {
    base_url: Url,
    version: String,
    phone_number_id: String,
    authorization: HeaderValue,
    verifier: Verifier,
    verify_token: SecretString,
    client: reqwest::Client,
}

impl Meta {
    /// Makes the client; opens no connection. The process must have installed a rustls crypto provider.
    ///
    /// # Errors
    /// [`BuildError`] when a part of the configuration has no usable form.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", config.access_token.expose_secret()))
            .map_err(|_| BuildError::ApiKey)?;
        authorization.set_sensitive(true);
        let auth = Auth::Hmac {
            header: SIGNATURE.to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            secrets: config.app_secrets,
        };
        Ok(Self(Arc::new(Parts {
            base_url: exchange::base_url(&config.base_url)?,
            version: config.version,
            phone_number_id: config.phone_number_id,
            authorization,
            verifier: Verifier::new(auth)?,
            verify_token: config.verify_token,
            client: exchange::client().map_err(BuildError::Client)?,
        })))
    }

    /// The number's id, by which webhooks name it.
    pub fn phone_number_id(&self) -> &str {
        &self.0.phone_number_id
    }

    /// What to answer when the platform asks, with the query of a `GET`, whether this webhook is ours: the challenge as
    /// plain text. None: answer 403.
    pub fn challenge(&self, query: &str) -> Option<String> {
        let value = |name: &str| {
            let mut values = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
            // Two of them would leave open which one was meant.
            values.next().filter(|_| values.next().is_none()).map(|(_, value)| value.into_owned())
        };
        let token = value("hub.verify_token")?;
        let expected = self.0.verify_token.expose_secret();
        let known = !expected.is_empty() && bool::from(token.as_bytes().ct_eq(expected.as_bytes()));
        let plain = |text: &String| {
            (1..=CHALLENGE_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let subscribes = value("hub.mode").as_deref() == Some("subscribe");
        value("hub.challenge").filter(|challenge| known && subscribes && plain(challenge))
    }

    /// See [`crate::Channel::verify`].
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), VerifyError> {
        self.0.verifier.verify(headers, body)
    }

    /// See [`crate::Channel::parse`]; `siblings` are other accounts whose webhooks come by the same address.
    pub(crate) fn parse(
        &self,
        tenant: &Tenant,
        account: &Account,
        siblings: &BTreeMap<String, Account>,
        body: &[u8],
        received_at: Micros,
    ) -> Result<Parsed, ParseError> {
        let own = [(self.0.phone_number_id.clone(), account.clone())];
        let numbers = siblings.clone().into_iter().chain(own).collect();
        parse::parse(tenant, account, &numbers, body, received_at)
    }

    /// `<base>/<version>/<segments>`.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.0.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&self.0.version).extend(segments);
        }
        url
    }

    fn get(&self, url: Url) -> reqwest::RequestBuilder {
        self.0.client.get(url).header(AUTHORIZATION, self.0.authorization.clone())
    }

    fn post(&self, segments: &[&str]) -> reqwest::RequestBuilder {
        self.0.client.post(self.url(segments)).header(AUTHORIZATION, self.0.authorization.clone())
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meta").field("phone_number_id", &self.0.phone_number_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_handshake_is_answered() {
        rustls::crypto::ring::default_provider().install_default().ok();
        let meta = |token: &str| {
            Meta::new(Config {
                base_url: BASE_URL.to_owned(),
                version: VERSION.to_owned(),
                phone_number_id: "1".to_owned(),
                access_token: "t".into(),
                app_secrets: vec!["s".into()],
                verify_token: token.into(),
            })
            .expect("a channel")
        };
        let ours = meta("open sesame");
        let good = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=open%20sesame";
        assert_eq!(ours.challenge(good).as_deref(), Some("1158201444"));
        for bad in [
            "",
            "hub.mode=subscribe&hub.challenge=1158201444",
            "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=open",
            "hub.mode=unsubscribe&hub.challenge=1158201444&hub.verify_token=open%20sesame",
            "hub.mode=subscribe&hub.challenge=%3Cb%3E&hub.verify_token=open%20sesame",
            "hub.mode=subscribe&hub.challenge=&hub.verify_token=open%20sesame",
            "hub.mode=subscribe&hub.challenge=1&hub.challenge=2&hub.verify_token=open%20sesame",
        ] {
            assert_eq!(ours.challenge(bad), None, "{bad}");
        }
        let long = format!("{}&hub.challenge={}", good.replace("&hub.challenge=1158201444", ""), "1".repeat(129));
        assert_eq!(ours.challenge(&long), None);
        assert_eq!(
            meta("").challenge("hub.mode=subscribe&hub.challenge=1&hub.verify_token="),
            None,
            "no token, no yes"
        );
    }
}
