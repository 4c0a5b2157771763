//! OAuth2 client credentials: tokens by scheme and scopes, one refresh at a time, renewed before they expire.

use std::{collections::HashMap, sync::Arc, time::Duration};

use oauth2::{
    ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope, TokenResponse as _, TokenUrl,
    basic::BasicClient,
};
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use super::{CallError, answer, observe::observed};
use crate::guard;

/// Longest wait for the token server.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer of the token server.
const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// Life of a token whose `expires_in` is absent or no positive number; a 401 ends it sooner.
const UNKNOWN_LIFE: Duration = Duration::from_secs(60);
/// Longest life believed.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long a failure answers for the calls that waited for it.
const FAILURE_LIFE: Duration = Duration::from_secs(1);

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    pub credential: String,
    pub token_url: Url,
    pub scopes: Vec<String>,
}

/// A key with what is needed to get a token for it.
pub(super) struct Grant<'c> {
    pub key: TokenKey,
    pub client_id: &'c str,
    pub client_secret: &'c SecretString,
}

#[derive(Clone)]
enum Slot {
    Empty,
    Token { token: SecretString, renew_at: Instant },
    Failed { error: CallError, until: Instant },
}

/// The tokens of one backend.
#[derive(Default)]
pub(super) struct Tokens {
    slots: std::sync::Mutex<HashMap<TokenKey, Arc<Mutex<Slot>>>>,
}

impl Tokens {
    /// A token for the grant; never `stale`, which the backend has refused.
    ///
    /// While one call fetches, the others with the same key wait for its result.
    pub async fn get(
        &self,
        client: &Client,
        allow_private: bool,
        grant: &Grant<'_>,
        stale: Option<&SecretString>,
        ends: Instant,
    ) -> Result<SecretString, CallError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            slots.entry(grant.key.clone()).or_insert_with(|| Arc::new(Mutex::new(Slot::Empty))).clone()
        };
        let late = || CallError::NotSent("no token in time".to_owned());
        let mut slot = tokio::time::timeout_at(ends, slot.lock()).await.map_err(|_| late())?;
        match &*slot {
            Slot::Token { token, renew_at }
                if *renew_at > Instant::now()
                    && stale.is_none_or(|stale| stale.expose_secret() != token.expose_secret()) =>
            {
                return Ok(token.clone());
            }
            Slot::Failed { error, until } if *until > Instant::now() => return Err(error.clone()),
            _ => {}
        }
        // If this call is given up here, the slot stays as it was and the next one fetches.
        let ends = ends.min(Instant::now() + TOKEN_TIMEOUT);
        let fetched =
            tokio::time::timeout_at(ends, fetch(client, allow_private, grant)).await.unwrap_or_else(|_| Err(late()));
        match fetched {
            Ok((token, life)) => {
                *slot = Slot::Token { token: token.clone(), renew_at: Instant::now() + life };
                Ok(token)
            }
            Err(error) => {
                *slot = Slot::Failed { error: error.clone(), until: Instant::now() + FAILURE_LIFE };
                Err(error)
            }
        }
    }
}

/// Why the token server gave no answer that can be read as one.
#[derive(Debug, thiserror::Error)]
enum TokenHttpError {
    #[error("{0}")]
    Away(String),
    #[error("{0}")]
    Refused(String),
}

async fn fetch(client: &Client, allow_private: bool, grant: &Grant<'_>) -> Result<(SecretString, Duration), CallError> {
    guard::check_url(&grant.key.token_url, allow_private)
        .map_err(|refused| CallError::Credentials(format!("token URL: {refused}")))?;
    let http = |request: HttpRequest| {
        // Owned, so that the future is `Send` for callers that spawn it.
        let (client, token_url) = (client.clone(), grant.key.token_url.clone());
        async move { exchange(&client, &token_url, request).await }
    };
    let oauth = BasicClient::new(ClientId::new(grant.client_id.to_owned()))
        .set_client_secret(ClientSecret::new(grant.client_secret.expose_secret().to_owned()))
        .set_token_uri(TokenUrl::from_url(grant.key.token_url.clone()));
    let scopes = grant.key.scopes.iter().map(|scope| Scope::new(scope.clone())).collect::<Vec<_>>();
    let answer = oauth.exchange_client_credentials().add_scopes(scopes).request_async(&http).await.map_err(
        |error| match error {
            RequestTokenError::Request(TokenHttpError::Away(reason)) => {
                CallError::NotSent(format!("the token server is away: {reason}"))
            }
            RequestTokenError::Request(TokenHttpError::Refused(reason)) => CallError::Credentials(reason),
            RequestTokenError::ServerResponse(error) => {
                CallError::Credentials(format!("the token server refused: {}", error.error()))
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                CallError::Credentials("the token server's answer is no token".to_owned())
            }
        },
    )?;
    if !answer.access_token().secret().chars().all(|c| c.is_ascii_graphic())
        || answer.access_token().secret().is_empty()
    {
        return Err(CallError::Credentials("the token server's token can't be sent".to_owned()));
    }
    Ok((SecretString::from(answer.access_token().secret().clone()), life(answer.expires_in())))
}

/// How long to use a token: a tenth less than its life, at most a minute less.
fn life(expires_in: Option<Duration>) -> Duration {
    match expires_in {
        Some(life) if !life.is_zero() => {
            let life = life.min(MAX_LIFE);
            life - (life / 10).min(Duration::from_secs(60))
        }
        _ => UNKNOWN_LIFE,
    }
}

/// The HTTP client of crate oauth2 over ours; mends what token servers are known to send.
async fn exchange(client: &Client, token_url: &Url, request: HttpRequest) -> Result<HttpResponse, TokenHttpError> {
    let (parts, body) = request.into_parts();
    let sending = client.request(parts.method.clone(), parts.uri.to_string()).headers(parts.headers).body(body);
    let sending = sending.timeout(TOKEN_TIMEOUT).send();
    let end = |outcome: &reqwest::Result<reqwest::Response>| match outcome {
        Ok(response) => Ok(response.status().as_u16()),
        Err(_) => Err("away"),
    };
    let sent = observed(&parts.method, token_url, "", sending, end).await;
    let mut response = sent.map_err(|error| TokenHttpError::Away(answer::reason(&error)))?;
    let status = response.status();
    if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
        return Err(TokenHttpError::Away(format!("status {}", status.as_u16())));
    }
    if status.is_redirection() {
        return Err(TokenHttpError::Refused("the token server redirects, which is not followed".to_owned()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TokenHttpError::Away(answer::reason(&error)))? {
        if bytes.len() + chunk.len() > MAX_TOKEN_BYTES {
            return Err(TokenHttpError::Refused("the token server's answer is too large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    let bytes = if status.is_success() { mended(&bytes).unwrap_or(bytes) } else { bytes };
    let status = if status.is_success() { http::StatusCode::OK } else { status };
    let mut answer = HttpResponse::new(bytes);
    *answer.status_mut() = status;
    Ok(answer)
}

/// `expires_in` as text, negative or broken, `token_type` left out, `scope` as a list: brought to the standard's form.
fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    let map = value.as_object_mut()?;
    let seconds = match map.shift_remove("expires_in") {
        Some(Value::Number(number)) => {
            number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0 && *n < 1e12).map(|n| n as u64))
        }
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    if let Some(seconds) = seconds {
        map.insert("expires_in".to_owned(), json!(seconds));
    }
    map.insert("token_type".to_owned(), json!("bearer"));
    map.retain(|key, _| matches!(key.as_str(), "access_token" | "token_type" | "expires_in"));
    serde_json::to_vec(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_lifetimes_become_usable_ones() {
        for (given, expected) in [
            (json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 3600 }), 3540),
            (json!({ "access_token": "t", "expires_in": "600" }), 540),
            (json!({ "access_token": "t", "expires_in": 0 }), 60),
            (json!({ "access_token": "t", "expires_in": -1 }), 60),
            (json!({ "access_token": "t" }), 60),
            (json!({ "access_token": "t", "expires_in": null, "scope": ["a"] }), 60),
            (json!({ "access_token": "t", "expires_in": "soon" }), 60),
            (json!({ "access_token": "t", "expires_in": 10.0 }), 9),
        ] {
            let bytes = mended(given.to_string().as_bytes()).expect("an object");
            let answer: oauth2::basic::BasicTokenResponse = serde_json::from_slice(&bytes).expect("a token");
            assert_eq!(life(answer.expires_in()), Duration::from_secs(expected), "{given}");
        }
    }

    #[tokio::test]
    async fn a_token_past_its_time_is_not_used_again() {
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().no_proxy().build().expect("a client");
        let secret = SecretString::from("secret");
        // Nobody listens there: a fetch that is tried fails.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let key = TokenKey {
            credential: "c".to_owned(),
            token_url: Url::parse(&format!("http://{free}/")).expect("a URL"),
            scopes: Vec::new(),
        };
        let now = Instant::now();
        let ends = now + Duration::from_secs(5);
        for (renew_at, used) in [(now + Duration::from_secs(60), true), (now, false)] {
            let tokens = Tokens::default();
            let slot = Slot::Token { token: SecretString::from("old"), renew_at };
            tokens.slots.lock().expect("a lock").insert(key.clone(), Arc::new(Mutex::new(slot)));
            let grant = Grant { key: key.clone(), client_id: "c", client_secret: &secret };
            let got = tokens.get(&client, true, &grant, None, ends).await;
            match got {
                Ok(token) => assert!(used && token.expose_secret() == "old"),
                Err(error) => assert!(!used && matches!(error, CallError::NotSent(_)), "{error:?}"),
            }
        }
    }
}
