//! Who asks: a browser's session or the holder of an API key.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use axum::response::{IntoResponse as _, Response};
use domain::ConversationId;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, ORIGIN, SET_COOKIE, WWW_AUTHENTICATE},
};
use store::StoreError;

use super::session::Session;
use crate::{ChatConfig, Shared, accounts::WebAccount, respond};

/// Carries a token that was signed anew to the page that holds the old one.
pub(crate) const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-session-token");
/// The service's name in API keys.
pub(crate) const SERVICE: &str = "chat";

/// Who asks, and on which account.
pub(crate) struct Caller<'a> {
    pub account: &'a WebAccount,
    /// The opaque id of the session or key; conversations belong to it.
    pub subject: String,
    /// Where somebody without a session came from. A new session's limits are never reached, so the address has some.
    newcomer_from: Option<IpAddr>,
    /// The session, signed anew: a cookie or a token.
    renewal: Option<(HeaderName, HeaderValue)>,
}

/// Why nobody is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallerError {
    #[error("no web chat is configured")]
    NoAccount,
    #[error("a session or an API key is needed")]
    Unauthenticated,
    #[error("this API key may not use the web chat")]
    Forbidden,
    #[error("the service cannot answer now")]
    Store(#[from] StoreError),
}

impl CallerError {
    pub fn respond(&self) -> Response {
        let status = match self {
            Self::NoAccount => StatusCode::NOT_FOUND,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Store(error) => return unavailable(error),
        };
        let mut response = respond::problem(status, &self.to_string());
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// 503, the cause logged once.
pub(crate) fn unavailable(error: &StoreError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "the database failed a web chat request");
    let response = respond::problem(StatusCode::SERVICE_UNAVAILABLE, "the service cannot answer now");
    respond::retry_after(response, Duration::from_secs(5))
}

impl<'a> Caller<'a> {
    /// Finds out who asks. With the address they come from, somebody unknown gets a session, where that is allowed.
    pub async fn identify(shared: &'a Shared, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Self, CallerError> {
        if let Some(authorization) = headers.get(AUTHORIZATION) {
            let bearer = bearer(authorization).ok_or(CallerError::Unauthenticated)?;
            return match Session::is_token(bearer) {
                true => Self::by_token(shared, headers, bearer),
                false => Self::by_key(shared, bearer).await,
            };
        }
        let account = web_account(shared, headers)?;
        let (now, lifetime) = (shared.clock.now(), shared.config.chat.session_lifetime);
        let session = Session::find(headers, account, now, lifetime);
        let newcomer_from = from.filter(|_| session.is_none());
        let signed_anew = match session {
            Some(session) if now.since(session.issued_at) > lifetime / 2 => Some(session.renewed(now)),
            Some(_) => None,
            None if newcomer_from.is_some() && shared.config.chat.anonymous => Some(Session::new(now)),
            None => return Err(CallerError::Unauthenticated),
        };
        let session = session.or(signed_anew).ok_or(CallerError::Unauthenticated)?;
        let secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
        Ok(Self {
            account,
            subject: format!("s-{}", session.id.simple()),
            newcomer_from,
            renewal: signed_anew
                .and_then(|session| session.cookie(account, lifetime, secure))
                .map(|cookie| (SET_COOKIE, cookie)),
        })
    }

    fn by_token(shared: &'a Shared, headers: &HeaderMap, token: &str) -> Result<Self, CallerError> {
        let account = web_account(shared, headers)?;
        let (now, lifetime) = (shared.clock.now(), shared.config.chat.session_lifetime);
        let session = Session::of_token(token, account, now, lifetime).ok_or(CallerError::Unauthenticated)?;
        let is_old = now.since(session.issued_at) > lifetime / 2;
        let renewed = is_old.then(|| HeaderValue::try_from(session.renewed(now).token(account)).ok()).flatten();
        Ok(Self {
            account,
            subject: format!("s-{}", session.id.simple()),
            newcomer_from: None,
            renewal: renewed.map(|token| (TOKEN_HEADER, token)),
        })
    }

    async fn by_key(shared: &'a Shared, key: &str) -> Result<Self, CallerError> {
        let found = shared.store.find_api_key(&store::api_keys::key_hash(key)).await?;
        let found = found.ok_or(CallerError::Unauthenticated)?;
        if !found.services.iter().any(|service| service == SERVICE || service == "*") {
            return Err(CallerError::Forbidden);
        }
        let account = shared.accounts.web_of_tenant(&found.tenant).ok_or(CallerError::NoAccount)?;
        Ok(Self { account, subject: format!("k-{}", found.name), newcomer_from: None, renewal: None })
    }

    /// The peer of a conversation of this caller.
    pub fn peer(&self, name: &str) -> String {
        format!("{}/{name}", self.subject)
    }

    /// Counts a message or an upload of the caller.
    ///
    /// # Errors
    /// 429, when there were too many in this minute.
    pub async fn take_turn(&self, shared: &Shared) -> Result<(), Response> {
        let own = shared.switches.of(&self.account.tenant).rate_limit;
        for (key, per_minute) in self.message_limits(&shared.config.chat, own) {
            count(shared, &key, per_minute).await?;
        }
        Ok(())
    }

    /// What limits the caller's messages: keys and how many a minute.
    fn message_limits(&self, config: &ChatConfig, own: NonZeroU32) -> Vec<(String, NonZeroU32)> {
        let newcomer = self.newcomer_from.map(|from| (newcomer_key(from), config.newcomer_messages_per_minute));
        newcomer.into_iter().chain([(self.key(), own)]).collect()
    }

    /// Whom a stream of the caller belongs to, and how many they may have.
    pub fn stream_owners(&self, config: &ChatConfig) -> Vec<(String, usize)> {
        let newcomer = self.newcomer_from.map(|from| (newcomer_key(from), config.newcomer_streams_max));
        newcomer.into_iter().chain([(self.key(), config.streams_max)]).collect()
    }

    /// What this caller's own limits are counted under: a session or a key, of one tenant.
    pub fn key(&self) -> String {
        format!("chat:{}:{}:{}", self.account.tenant, self.account.account, self.subject)
    }

    /// The last finished seq of a conversation, if it is one of this caller's.
    pub async fn find_conversation(&self, shared: &Shared, id: ConversationId) -> Result<Option<Own>, StoreError> {
        let found = shared.store.conversation(&self.account.tenant, id).await?;
        Ok(found
            .filter(|conversation| conversation.account == self.account.account)
            .filter(|conversation| {
                conversation.peer.split_once('/').is_some_and(|(subject, _)| subject == self.subject)
            })
            .map(|conversation| Own {
                peer: conversation.peer,
                next_seq: conversation.next_seq,
                done_seq: conversation.done_seq,
            }))
    }

    /// Adds the session that was signed anew to an answer.
    pub fn signed(&self, mut response: Response) -> Response {
        if let Some((name, value)) = &self.renewal {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response.into_response()
    }
}

/// Counts one more of `key`, of which there may be so many a minute.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) async fn count(shared: &Shared, key: &str, per_minute: NonZeroU32) -> Result<(), Response> {
    let wait = shared.coordination.allow(key, per_minute.get(), Duration::from_secs(60)).await;
    wait.map_err(|wait| {
        respond::retry_after(respond::problem(StatusCode::TOO_MANY_REQUESTS, "too many messages"), wait)
    })
}

/// The account that a browser's request is for: of the page's origin, else the default one.
pub(crate) fn web_account<'a>(shared: &'a Shared, headers: &HeaderMap) -> Result<&'a WebAccount, CallerError> {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let accounts = &shared.accounts;
    let of_origin = origin.and_then(|origin| accounts.web_of_origin(origin));
    of_origin.or_else(|| accounts.default_web()).ok_or(CallerError::NoAccount)
}

/// What stands behind `Bearer`.
fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, value) = authorization.to_str().ok()?.split_once(' ')?;
    Some(value.trim()).filter(|value| scheme.eq_ignore_ascii_case("bearer") && !value.is_empty())
}

/// The key that newcomers of one place share: an IPv6 host has a /64 of addresses to choose from (RFC 6177, 2).
pub(crate) fn newcomer_key(from: IpAddr) -> String {
    let place = match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    };
    format!("newcomers:{place}")
}

/// A conversation that belongs to the caller.
pub(crate) struct Own {
    pub peer: String,
    /// Seq of the last message.
    pub next_seq: i64,
    /// Seq of the last message that was answered.
    pub done_seq: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_of_one_network_share_a_key() {
        let key = |address: &str| newcomer_key(address.parse().expect("an address"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.2"), key("192.0.2.1"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:3:4:5:6"));
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
    }
}
