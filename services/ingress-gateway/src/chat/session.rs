//! A signed session: `<form>.<id>.<seconds>.<HMAC-SHA256>`. The signature covers form, tenant and account, so that a session
//! of one is none of another.
//!
//! Our own pages have it as a cookie (`v1`). A page of another site has it as a token (`t1`) that its script keeps and sends
//! as `Authorization: Bearer`: browsers send it by themselves to nobody, so no other site can use it, and it needs no
//! third-party cookie, which browsers refuse. Neither is taken in the other's place.

use std::time::Duration;

use domain::Micros;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header::COOKIE};
use sha2::Sha256;
use uuid::Uuid;

use crate::accounts::WebAccount;

/// Name of the cookie.
pub(crate) const COOKIE_NAME: &str = "dragoman_session";
/// What a cookie begins with.
const COOKIE_FORM: &str = "v1.";
/// What a token begins with.
const TOKEN_FORM: &str = "t1.";
/// A gateway's clock may be this far behind that of the one that issued the session.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Somebody's browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub id: Uuid,
    /// When it was signed.
    pub issued_at: Micros,
}

impl Session {
    /// A new one.
    pub fn new(now: Micros) -> Self {
        Self { id: Uuid::new_v4(), issued_at: now.floor_second() }
    }

    /// The session that a request's cookies prove.
    pub fn find(headers: &HeaderMap, account: &WebAccount, now: Micros, lifetime: Duration) -> Option<Self> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
            .take(4)
            .find_map(|value| Self::read(COOKIE_FORM, value, account, now, lifetime))
    }

    /// True for what looks like a token, valid or not; anything else is an API key.
    pub fn is_token(value: &str) -> bool {
        value.starts_with(TOKEN_FORM)
    }

    /// The session that a token proves.
    pub fn of_token(value: &str, account: &WebAccount, now: Micros, lifetime: Duration) -> Option<Self> {
        Self::read(TOKEN_FORM, value, account, now, lifetime)
    }

    /// The session as a token.
    pub fn token(self, account: &WebAccount) -> String {
        self.value(TOKEN_FORM, account)
    }

    /// The same session, signed anew.
    pub fn renewed(self, now: Micros) -> Self {
        Self { issued_at: now.floor_second(), ..self }
    }

    /// The `Set-Cookie` header.
    pub fn cookie(self, account: &WebAccount, lifetime: Duration, secure: bool) -> Option<HeaderValue> {
        let secure = if secure { "; Secure" } else { "" };
        let (value, seconds) = (self.value(COOKIE_FORM, account), lifetime.as_secs());
        let text = format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).ok()
    }

    fn read(form: &str, value: &str, account: &WebAccount, now: Micros, lifetime: Duration) -> Option<Self> {
        let (signed, signature) = value.rsplit_once('.')?;
        let (id, issued) = signed.strip_prefix(form)?.split_once('.')?;
        // `verify_slice` compares in constant time.
        mac(account, signed).verify_slice(&hex::decode(signature).ok()?).ok()?;
        let session =
            Self { id: id.parse().ok()?, issued_at: Micros(issued.parse::<i64>().ok()?.checked_mul(1_000_000)?) };
        let valid = now.since(session.issued_at) < lifetime && session.issued_at.since(now) <= CLOCK_SKEW;
        valid.then_some(session)
    }

    fn value(self, form: &str, account: &WebAccount) -> String {
        let signed = format!("{form}{}.{}", self.id, self.issued_at.seconds());
        let signature = hex::encode(mac(account, &signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }
}

fn mac(account: &WebAccount, signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&account.session_key).expect("HMAC takes keys of any length");
    mac.update(format!("{}|{}|{signed}", account.tenant, account.account).as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use domain::Tenant;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Micros = Micros(1_700_000_000_000_000);

    fn account(tenant: &str, key: &str) -> WebAccount {
        WebAccount {
            tenant: Tenant::new(tenant).expect("a name"),
            account: "web:main".parse().expect("an account"),
            allowed_origins: Vec::new(),
            session_key: key.as_bytes().to_vec(),
            debug: false,
        }
    }

    #[test]
    fn a_session_is_known_again_until_it_ends() {
        let (account, session) = (account("a", "key"), Session::new(NOW));
        let set = session.cookie(&account, DAY, true).expect("a cookie");
        let set = set.to_str().expect("text");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=86400"] {
            assert!(set.contains(attribute), "{set}");
        }
        let cookie = format!("other=1; {}; x=y", set.split(';').next().expect("a pair"));
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookie).expect("a value"))]);
        assert_eq!(Session::find(&headers, &account, NOW, DAY), Some(session));
        assert_eq!(Session::find(&headers, &account, NOW + DAY, DAY), None);
        assert_eq!(Session::find(&headers, &account, NOW - Duration::from_secs(120), DAY), None);
        assert_eq!(Session::find(&HeaderMap::new(), &account, NOW, DAY), None);
    }

    #[test]
    fn a_token_is_no_cookie_and_a_cookie_no_token() {
        let (account, session) = (account("a", "key"), Session::new(NOW));
        let (token, cookie) = (session.token(&account), session.value(COOKIE_FORM, &account));
        assert_eq!(Session::of_token(&token, &account, NOW, DAY), Some(session));
        assert_eq!(Session::of_token(&token, &account, NOW + DAY, DAY), None);
        assert_eq!(Session::of_token(&cookie, &account, NOW, DAY), None);
        assert_eq!(Session::read(COOKIE_FORM, &token, &account, NOW, DAY), None);
        let renamed = token.replacen(TOKEN_FORM, COOKIE_FORM, 1);
        assert_eq!(Session::read(COOKIE_FORM, &renamed, &account, NOW, DAY), None);
    }

    #[test]
    fn a_changed_or_foreign_session_is_none() {
        let own = account("a", "key");
        let value = Session::new(NOW).value(COOKIE_FORM, &own);
        assert!(Session::read(COOKIE_FORM, &value, &own, NOW, DAY).is_some());
        for other in [account("b", "key"), account("a", "other")] {
            assert_eq!(Session::read(COOKIE_FORM, &value, &other, NOW, DAY), None);
        }
        for position in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[position] ^= 1;
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(Session::read(COOKIE_FORM, &changed, &own, NOW, DAY), None, "{changed}");
        }
        for nonsense in ["", "v1", "v1...", "v1.x.y.z", "...."] {
            assert_eq!(Session::read(COOKIE_FORM, nonsense, &own, NOW, DAY), None);
        }
    }
}
