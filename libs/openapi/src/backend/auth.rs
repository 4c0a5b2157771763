//! Which credential an operation is called with, and putting it into the request.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use tokio::time::Instant;
use url::Url;

use super::{
    Backend, BackendConfig, CallError, Credential,
    oauth::{Grant, TokenKey},
    style::Escape,
};
use crate::model::{KeyLocation, Operation, SecurityScheme};

/// Name of the credential for operations for which the document declares no security.
const DEFAULT: &str = "default";

/// One scheme served by one configured credential.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Name of the credential in the configuration.
    credential: String,
    scheme: SecurityScheme,
    scopes: Vec<String>,
}

/// The tokens that one attempt used, by credential.
pub(super) type UsedTokens = BTreeMap<String, SecretString>;

/// The first alternative for which every credential is configured.
pub(super) fn choose(config: &BackendConfig, operation: &Operation) -> Result<Vec<Chosen>, String> {
    let chosen = |name: &str, scopes: &[String]| -> Option<Chosen> {
        let scheme = operation.schemes.get(name)?;
        serves(config.credentials.get(name)?, scheme).then(|| Chosen {
            credential: name.to_owned(),
            scheme: scheme.clone(),
            scopes: scopes.to_vec(),
        })
    };
    let satisfied = operation
        .security
        .iter()
        .find_map(|all| all.iter().map(|(name, scopes)| chosen(name, scopes)).collect::<Option<Vec<_>>>());
    let mut all = match satisfied {
        Some(all) => all,
        None if operation.security.is_empty() => default(config).into_iter().collect(),
        None => {
            let wanted: Vec<String> = operation
                .security
                .iter()
                .map(|all| all.keys().map(String::as_str).collect::<Vec<_>>().join(" and "))
                .collect();
            return Err(format!("no fitting credential is configured for {}", wanted.join(", or ")));
        }
    };
    // Parameters that are credentials by their name and not demanded: sent when configured.
    for (name, scheme) in &operation.schemes {
        let demanded = operation.security.iter().any(|all| all.contains_key(name));
        let sets_the_same = all.iter().any(|other| other.scheme == *scheme);
        if !demanded
            && !sets_the_same
            && let Some(extra) = chosen(name, &[])
        {
            all.push(extra);
        }
    }
    Ok(all)
}

/// Names of the query parameters that hold API keys.
pub(super) fn query_keys(chosen: &[Chosen]) -> impl Iterator<Item = &str> {
    chosen.iter().filter_map(|one| match &one.scheme {
        SecurityScheme::ApiKey { location: KeyLocation::Query, name } => Some(name.as_str()),
        _ => None,
    })
}

fn default(config: &BackendConfig) -> Option<Chosen> {
    let scheme = match config.credentials.get(DEFAULT)? {
        Credential::Basic { .. } => SecurityScheme::Basic,
        Credential::Bearer { .. } => SecurityScheme::Bearer,
        Credential::OAuth2 { .. } => SecurityScheme::Oauth2 { token_url: None },
        Credential::ApiKey { .. } => {
            SecurityScheme::ApiKey { location: KeyLocation::Header, name: "Authorization".to_owned() }
        }
    };
    Some(Chosen { credential: DEFAULT.to_owned(), scheme, scopes: Vec::new() })
}

fn serves(credential: &Credential, scheme: &SecurityScheme) -> bool {
    match (credential, scheme) {
        (Credential::ApiKey { .. }, SecurityScheme::ApiKey { .. })
        | (Credential::Basic { .. }, SecurityScheme::Basic)
        | (
            Credential::Bearer { .. },
            SecurityScheme::Bearer | SecurityScheme::Oauth2 { .. } | SecurityScheme::Other { .. },
        ) => true,
        (Credential::Bearer { .. }, SecurityScheme::ApiKey { location, name }) => {
            *location == KeyLocation::Header && name.eq_ignore_ascii_case("authorization")
        }
        (Credential::OAuth2 { token_url, .. }, SecurityScheme::Oauth2 { token_url: own }) => {
            token_url.is_some() || own.is_some()
        }
        (Credential::OAuth2 { token_url, .. }, SecurityScheme::Bearer | SecurityScheme::Other { .. }) => {
            token_url.is_some()
        }
        _ => false,
    }
}

/// Puts the credentials into the request; `refused` are tokens that the backend has just answered with 401.
pub(super) async fn apply(
    backend: &Backend,
    chosen: &[Chosen],
    url: &mut Url,
    headers: &mut HeaderMap,
    ends: Instant,
    refused: Option<&UsedTokens>,
) -> Result<UsedTokens, CallError> {
    let mut used = UsedTokens::new();
    for one in chosen {
        let Some(credential) = backend.config.credentials.get(&one.credential) else { continue };
        match credential {
            Credential::ApiKey { value } => api_key(&one.scheme, value, url, headers)?,
            Credential::Basic { username, password } => {
                let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
                authorize(headers, &format!("Basic {pair}"))?;
            }
            Credential::Bearer { token } => authorize(headers, &format!("Bearer {}", token.expose_secret()))?,
            Credential::OAuth2 { client_id, client_secret, token_url, scopes } => {
                let grant = grant(one, client_id, client_secret, token_url.as_ref(), scopes, url)?;
                let stale = refused.and_then(|tokens| tokens.get(&one.credential));
                let token = backend
                    .tokens
                    .get(&backend.client, backend.config.allow_private_hosts, &grant, stale, ends)
                    .await?;
                authorize(headers, &format!("Bearer {}", token.expose_secret()))?;
                used.insert(one.credential.clone(), token);
            }
        }
    }
    Ok(used)
}

fn grant<'c>(
    one: &Chosen,
    client_id: &'c str,
    client_secret: &'c SecretString,
    token_url: Option<&Url>,
    scopes: &[String],
    base: &Url,
) -> Result<Grant<'c>, CallError> {
    let from_document = match &one.scheme {
        SecurityScheme::Oauth2 { token_url: Some(text) } => base.join(text).ok(),
        _ => None,
    };
    let token_url = token_url
        .cloned()
        .or(from_document)
        .ok_or_else(|| CallError::Credentials(format!("{} has no token URL", one.credential)))?;
    let mut scopes = if scopes.is_empty() { one.scopes.clone() } else { scopes.to_vec() };
    scopes.sort();
    scopes.dedup();
    Ok(Grant { key: TokenKey { credential: one.credential.clone(), token_url, scopes }, client_id, client_secret })
}

fn api_key(
    scheme: &SecurityScheme,
    value: &SecretString,
    url: &mut Url,
    headers: &mut HeaderMap,
) -> Result<(), CallError> {
    let SecurityScheme::ApiKey { location, name } = scheme else { return Ok(()) };
    match location {
        KeyLocation::Header => {
            let name = http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| CallError::Credentials(format!("{name:?} is no header name")))?;
            headers.insert(name, secret_header(value.expose_secret())?);
        }
        KeyLocation::Query => {
            let pair = format!("{}={}", Escape::All.text(name), Escape::All.text(value.expose_secret()));
            let query =
                url.query().filter(|query| !query.is_empty()).map_or(pair.clone(), |query| format!("{query}&{pair}"));
            url.set_query(Some(&query));
        }
        KeyLocation::Cookie => {
            let pair = format!("{name}={}", value.expose_secret());
            let joined = match headers.get(header::COOKIE).and_then(|value| value.to_str().ok()) {
                Some(others) => format!("{others}; {pair}"),
                None => pair,
            };
            headers.insert(header::COOKIE, secret_header(&joined)?);
        }
    }
    Ok(())
}

fn authorize(headers: &mut HeaderMap, value: &str) -> Result<(), CallError> {
    headers.insert(header::AUTHORIZATION, secret_header(value)?);
    Ok(())
}

fn secret_header(value: &str) -> Result<HeaderValue, CallError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| CallError::Credentials("a secret has characters that a header can't hold".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
