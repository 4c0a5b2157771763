//! Calls to a backend: built from an operation and its arguments, sent with credentials, answered or told apart.

mod answer;
mod auth;
mod body;
mod oauth;
mod observe;
mod pages;
mod parameters;
mod request;
mod style;

use std::{collections::BTreeMap, fmt, time::Duration};

use reqwest::{Client, redirect};
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

pub use answer::{Response, ResponseBody};
pub use pages::{PageLimits, Pages, PagesEnd};
pub use request::{PrepareError, Prepared};

use observe::observed;

use crate::{
    guard::{self, GuardedResolver},
    model::{File, Files, Operation},
};

/// Longest wait for a connection; the rest of the deadline is for the answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest file taken from a backend: what WhatsApp passes on as sound or video (16 MB).
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// How one document's backend is reached.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// Takes the place of the operations' servers.
    pub base_url: Option<Url>,
    /// By scheme name; `default` serves operations for which the document declares no security.
    pub credentials: BTreeMap<String, Credential>,
    /// Header and value sent with every call.
    pub tenant_header: Option<(String, String)>,
    /// The backend (and its token server) may have a private address.
    pub allow_private_hosts: bool,
    /// Longest wait for an answer; a shorter deadline of the call wins.
    pub timeout: Duration,
    /// Largest answer in bytes: JSON or text.
    pub max_response_bytes: usize,
    /// Largest answer in bytes that is a file.
    pub max_file_bytes: usize,
}

impl Default for BackendConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            credentials: BTreeMap::new(),
            tenant_header: None,
            allow_private_hosts: false,
            timeout: Duration::from_secs(10),
            max_response_bytes: 2 * 1024 * 1024,
            max_file_bytes: MAX_FILE_BYTES,
        }
    }
}

/// What configuration gives for a security scheme. Printing it shows no secret.
#[derive(Clone, Debug)]
pub enum Credential {
    /// For `apiKey`.
    ApiKey {
        /// Sent as it is.
        value: SecretString,
    },
    /// For `http basic`.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// For `http bearer`, and a fixed token for `oauth2` or `openIdConnect`.
    Bearer {
        /// The token without `Bearer `.
        token: SecretString,
    },
    /// Client credentials for `oauth2`, `openIdConnect` or `http bearer`.
    OAuth2 {
        /// Client id.
        client_id: String,
        /// Client secret.
        client_secret: SecretString,
        /// Where tokens come from; else the document's `tokenUrl`.
        token_url: Option<Url>,
        /// Scopes to ask for; empty: those of the operation.
        scopes: Vec<String>,
    },
}

/// Why a backend can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Not a header name and value.
    #[error("tenant header {0:?} is not a valid header")]
    TenantHeader(String),
    /// A configured address that may not be called.
    #[error("{what} can't be used: {reason}")]
    Address {
        /// Which setting.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The HTTP client can't be made (no TLS provider).
    #[error("cannot make the HTTP client")]
    Client(#[from] reqwest::Error),
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent: nothing happened.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have happened.
    #[error("sent, but the end is unknown: {0}")]
    Ambiguous(String),
    /// No token could be had; nothing was sent.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// The backend answered with `status`, and more bytes than allowed: the call happened.
    #[error("the answer (status {status}) is larger than {limit_bytes} bytes")]
    TooLarge {
        /// HTTP status.
        status: u16,
        /// Most bytes allowed.
        limit_bytes: usize,
        /// It is a file, and no text of which only the words are lost.
        file: bool,
    },
}

impl CallError {
    /// A short name for metrics (`error.type`).
    pub fn class(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Ambiguous(_) => "ambiguous",
            Self::Credentials(_) => "credentials",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// One document's backend; cheap to share behind an `Arc`, since tokens and connections live here.
pub struct Backend {
    config: BackendConfig,
    client: Client,
    tokens: oauth::Tokens,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("base_url", &self.config.base_url.as_ref().map(Url::as_str))
            .finish_non_exhaustive()
    }
}

impl Backend {
    /// Checks the configuration and makes the HTTP client; connects to nothing.
    ///
    /// # Errors
    /// [`BackendError`] when the tenant header or an address can't be used, or TLS has no provider.
    pub fn new(config: BackendConfig) -> Result<Self, BackendError> {
        if let Some((name, value)) = &config.tenant_header
            && request::header(name, value).is_none()
        {
            return Err(BackendError::TenantHeader(name.clone()));
        }
        let address = |what, url: &Url| {
            guard::check_url(url, config.allow_private_hosts)
                .map_err(|refused| BackendError::Address { what, reason: refused.to_string() })
        };
        if let Some(url) = &config.base_url {
            address("the backend's URL", url)?;
        }
        for credential in config.credentials.values() {
            if let Credential::OAuth2 { token_url: Some(url), .. } = credential {
                address("the token URL", url)?;
            }
        }
        let client = Client::builder()
            .dns_resolver(GuardedResolver { allow_private: config.allow_private_hosts, allowed_host: None })
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("dragoman/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { config, client, tokens: oauth::Tokens::default() })
    }

    /// Builds the request; sends nothing and holds no secret, so that it can be journaled.
    ///
    /// # Errors
    /// [`PrepareError`] when the operation can't be called with these arguments and this configuration.
    pub fn prepare(&self, operation: &Operation, arguments: &Map<String, Value>) -> Result<Prepared, PrepareError> {
        self.prepare_with_files(operation, arguments, &Files::new())
    }

    /// As [`Self::prepare`], with the files that arguments refer to (fields with [`crate::Field::file`]).
    ///
    /// # Errors
    /// [`PrepareError`]; `NoFile` when a file is needed and `files` has none under the argument's text.
    pub fn prepare_with_files(
        &self,
        operation: &Operation,
        arguments: &Map<String, Value>,
        files: &Files,
    ) -> Result<Prepared, PrepareError> {
        request::prepare(&self.config, operation, arguments, files)
    }

    /// Sends it, with a token fetched when one is needed, and once more with a fresh token after a 401.
    ///
    /// Takes no longer than `deadline` or the configured timeout, whichever is shorter.
    ///
    /// # Errors
    /// [`CallError`]; every HTTP status is an answer, not an error. Redirects are not followed.
    pub async fn send(
        &self,
        prepared: Prepared,
        idempotency_key: Option<&str>,
        deadline: Duration,
    ) -> Result<Response, CallError> {
        self.exchange(&prepared, idempotency_key, deadline).await.map(|(response, _)| response)
    }

    /// As [`Self::send`], with the file that the answer is, if it is one: bytes, or a text to be kept.
    ///
    /// # Errors
    /// [`CallError`]; `TooLarge` for a file beyond [`BackendConfig::max_file_bytes`].
    pub async fn send_with_files(
        &self,
        prepared: Prepared,
        idempotency_key: Option<&str>,
        deadline: Duration,
    ) -> Result<(Response, Option<File>), CallError> {
        let (response, rest) = self.exchange(&prepared, idempotency_key, deadline).await?;
        Ok((response, rest.file))
    }

    async fn exchange(
        &self,
        prepared: &Prepared,
        idempotency_key: Option<&str>,
        deadline: Duration,
    ) -> Result<(Response, answer::Rest), CallError> {
        let ends = tokio::time::Instant::now() + deadline.min(self.config.timeout);
        let first = self.try_once(prepared, idempotency_key, ends, None).await?;
        if first.answer.0.status != 401 || first.tokens.is_empty() {
            return Ok(first.answer);
        }
        // A 401 says that nothing was done, so asking again is safe; if that fails, the 401 stands.
        match self.try_once(prepared, idempotency_key, ends, Some(&first.tokens)).await {
            Err(error @ (CallError::Ambiguous(_) | CallError::TooLarge { .. })) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the backend refused the token and no other could be had");
                Ok(first.answer)
            }
            Ok(second) => Ok(second.answer),
        }
    }

    async fn try_once(
        &self,
        prepared: &Prepared,
        idempotency_key: Option<&str>,
        ends: tokio::time::Instant,
        refused: Option<&auth::UsedTokens>,
    ) -> Result<Tried, CallError> {
        let mut url = prepared.url.clone();
        let mut headers = prepared.headers.clone();
        if let Some(key) = idempotency_key {
            let (name, value) = request::header("idempotency-key", key)
                .ok_or_else(|| CallError::NotSent("the idempotency key is no header value".to_owned()))?;
            headers.insert(name, value);
        }
        let tokens = auth::apply(self, &prepared.credentials, &mut url, &mut headers, ends, refused).await?;
        let left = ends.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() {
            return Err(CallError::NotSent("no time was left".to_owned()));
        }
        let mut request = self.client.request(prepared.method.clone(), url).headers(headers).timeout(left);
        if let Some(body) = &prepared.body {
            request = request.body(body.clone());
        }
        let exchange = async {
            let response = faults::send!(request).await.map_err(|error| answer::call_error(&error))?;
            answer::read(response, &self.config).await
        };
        let end = |outcome: &Result<(Response, _), CallError>| match outcome {
            Ok((response, _)) => Ok(response.status),
            Err(error) => Err(error.class()),
        };
        let answer = observed(&prepared.method, &prepared.url, &prepared.template, exchange, end).await?;
        Ok(Tried { answer, tokens })
    }
}

struct Tried {
    answer: (Response, answer::Rest),
    tokens: auth::UsedTokens,
}
