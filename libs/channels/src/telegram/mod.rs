//! Telegram's Bot API.

mod address;
mod api;
mod fetch;
mod parse;
mod render;
mod send;

use std::{fmt, sync::Arc, time::Duration};

use domain::{Account, Content, Tenant};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConstantTimeEq as _};
use url::Url;

pub use api::{ApiError, UPDATES, UPDATES_MAX, WebhookInfo};
pub use render::render;

use crate::{BuildError, ParseError, Parsed, VerifyError, exchange, verify};

/// Name of the channel, and provider of its inbox rows.
pub const NAME: &str = "telegram";
/// Where the API is, unless one's own server stands in its place.
pub const BASE_URL: &str = "https://api.telegram.org";
/// "Typing" is shown for 5 s or until the answer.
pub(crate) const TYPING_LASTS: Duration = Duration::from_millis(4_500);
/// Header in which the platform says the webhook's secret.
const SECRET: HeaderName = HeaderName::from_static("x-telegram-bot-api-secret-token");

/// One bot.
#[derive(Clone, Debug)]
pub struct Config {
    /// Host or URL of the API; [`BASE_URL`] unless one runs a server of one's own.
    pub base_url: String,
    /// The bot's token, `<id>:<secret>`.
    pub token: SecretString,
    /// Words that webhooks say, 1 to 256 of `A-Za-z0-9_-`; two while they are changed. The first is registered.
    pub webhook_secrets: Vec<SecretString>,
}

/// A configured bot, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Telegram(Arc<Parts>);

struct Parts {
    base_url: Url,
    token: SecretString,
    webhook_secrets: Vec<SecretString>,
    client: reqwest::Client,
}

impl Telegram {
    /// Makes the client; opens no connection. The process must have installed a rustls crypto provider.
    ///
    /// # Errors
    /// [`BuildError`] when a part of the configuration has no usable form.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        if !is_token(config.token.expose_secret()) {
            return Err(BuildError::Token);
        }
        if !config.webhook_secrets.iter().all(|secret| is_webhook_secret(secret.expose_secret())) {
            return Err(BuildError::WebhookSecret);
        }
        Ok(Self(Arc::new(Parts {
            base_url: exchange::base_url(&config.base_url)?,
            token: config.token,
            webhook_secrets: config.webhook_secrets,
            client: exchange::client().map_err(BuildError::Client)?,
        })))
    }

    /// See [`crate::Channel::verify`].
    pub(crate) fn verify(&self, headers: &HeaderMap) -> Result<(), VerifyError> {
        if self.0.webhook_secrets.is_empty() {
            return Err(VerifyError::NoSecret);
        }
        let given = verify::one_header(headers, &SECRET)?;
        // All of them, so that the time does not tell which one it was.
        let equal = |secret: &SecretString| secret.expose_secret().as_bytes().ct_eq(given.as_bytes());
        let any = self.0.webhook_secrets.iter().fold(Choice::from(0), |any, secret| any | equal(secret));
        if bool::from(any) { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    /// See [`crate::Channel::parse`]; also of an update that was asked for.
    ///
    /// # Errors
    /// [`ParseError`] when the update is not JSON or too deep.
    pub fn parse(&self, tenant: &Tenant, account: &Account, update: &[u8]) -> Result<Parsed, ParseError> {
        let mut parsed = parse::parse(tenant, account, update)?;
        for incoming in &mut parsed.messages {
            incoming.provider_message_id = self.with_bot(&incoming.provider_message_id);
            incoming.quoted = incoming.quoted.as_deref().map(|id| self.with_bot(id));
            if let Content::Edit { of, .. } | Content::Reaction { of, .. } = &mut incoming.content {
                *of = self.with_bot(of);
            }
        }
        Ok(parsed)
    }

    /// Numbers of messages and updates are a bot's own: when another bot takes an account over, its first messages are not
    /// taken for repeats.
    fn with_bot(&self, id: &str) -> String {
        format!("{}:{id}", self.bot())
    }

    fn without_bot<'a>(&self, id: &'a str) -> &'a str {
        id.strip_prefix(self.bot()).and_then(|id| id.strip_prefix(':')).unwrap_or(id)
    }

    /// The bot's id, which is no secret.
    fn bot(&self) -> &str {
        self.0.token.expose_secret().split(':').next().unwrap_or_default()
    }

    /// `<base>/<prefix>bot<token>/<rest>`. The token is in it: it is neither logged nor stored.
    fn url(&self, prefix: &[&str], rest: &[&str]) -> Url {
        let mut url = self.0.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            let bot = format!("bot{}", self.0.token.expose_secret());
            path.pop_if_empty().extend(prefix).push(&bot).extend(rest);
        }
        url
    }
}

impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telegram").field("bot", &self.bot()).finish_non_exhaustive()
    }
}

/// `<digits>:<letters>`, as the platform gives it out.
pub fn is_token(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, secret)| {
        (1..=20).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=100).contains(&secret.len())
            && secret.bytes().all(is_plain)
    })
}

/// 1 to 256 of `A-Za-z0-9_-`, as the platform takes it.
pub fn is_webhook_secret(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(secrets: &[&str]) -> Telegram {
        rustls::crypto::ring::default_provider().install_default().ok();
        Telegram::new(Config {
            base_url: BASE_URL.to_owned(),
            token: "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw".into(),
            webhook_secrets: secrets.iter().map(|secret| (*secret).into()).collect(),
        })
        .expect("a bot")
    }

    #[test]
    fn only_the_secret_word_is_believed() {
        let headers = |words: &[&str]| {
            let mut headers = HeaderMap::new();
            for word in words {
                headers.append(SECRET, word.parse().expect("a value"));
            }
            headers
        };
        let verify = |secrets: &[&str], words: &[&str]| bot(secrets).verify(&headers(words));
        assert_eq!(verify(&["now", "next"], &["now"]), Ok(()));
        assert_eq!(verify(&["now", "next"], &["next"]), Ok(()));
        assert_eq!(verify(&["now"], &["Now"]), Err(VerifyError::Mismatch));
        assert_eq!(verify(&["now"], &["nowx"]), Err(VerifyError::Mismatch));
        assert!(matches!(verify(&["now"], &[]), Err(VerifyError::MissingHeader(_))));
        assert!(matches!(verify(&["now"], &[""]), Err(VerifyError::MissingHeader(_))));
        assert!(matches!(verify(&["now"], &["now", "now"]), Err(VerifyError::RepeatedHeader(_))));
        assert_eq!(verify(&[], &["now"]), Err(VerifyError::NoSecret));
    }

    #[test]
    fn what_cannot_be_a_token_or_secret_is_refused_and_not_told() {
        for bad in ["", "123", ":x", "123:", "12a:x", "123:a b", "123:a/../b"] {
            assert!(!is_token(bad), "{bad}");
        }
        for bad in ["", "a b", "ö", &"x".repeat(257)] {
            assert!(!is_webhook_secret(bad), "{bad}");
        }
        assert_eq!(format!("{:?}", bot(&["now"])), "Telegram { bot: \"110201543\", .. }");
    }

    #[test]
    fn the_base_may_have_a_path() {
        let url = bot(&[]).url(&[], &["getMe"]);
        assert_eq!(url.as_str(), "https://api.telegram.org/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe");
    }
}
