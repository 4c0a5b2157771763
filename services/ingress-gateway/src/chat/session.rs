//! The signed session cookie: `v1.<id>.<seconds>.<HMAC-SHA256>`. The signature covers tenant and account, so that a
//! session of one is none of another.

use std::time::Duration;

use domain::Micros;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header::COOKIE};
use sha2::Sha256;
use uuid::Uuid;

use crate::accounts::WebAccount;

/// Name of the cookie.
pub(crate) const COOKIE_NAME: &str = "dragoman_session";
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
            .find_map(|value| Self::read(value, account, now, lifetime))
    }

    /// The same session, signed anew.
    pub fn renewed(self, now: Micros) -> Self {
        Self { issued_at: now.floor_second(), ..self }
    }

    /// The `Set-Cookie` header.
    pub fn cookie(self, account: &WebAccount, lifetime: Duration, secure: bool) -> Option<HeaderValue> {
        let secure = if secure { "; Secure" } else { "" };
        let (value, seconds) = (self.value(account), lifetime.as_secs());
        let text = format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).ok()
    }

    fn read(value: &str, account: &WebAccount, now: Micros, lifetime: Duration) -> Option<Self> {
        let (signed, signature) = value.rsplit_once('.')?;
        let (id, issued) = signed.strip_prefix("v1.")?.split_once('.')?;
        // `verify_slice` compares in constant time.
        mac(account, signed).verify_slice(&hex::decode(signature).ok()?).ok()?;
        let session =
            Self { id: id.parse().ok()?, issued_at: Micros(issued.parse::<i64>().ok()?.checked_mul(1_000_000)?) };
        let valid = now.since(session.issued_at) < lifetime && session.issued_at.since(now) <= CLOCK_SKEW;
        valid.then_some(session)
    }

    fn value(self, account: &WebAccount) -> String {
        let signed = format!("v1.{}.{}", self.id, self.issued_at.seconds());
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
    fn a_changed_or_foreign_session_is_none() {
        let own = account("a", "key");
        let value = Session::new(NOW).value(&own);
        assert!(Session::read(&value, &own, NOW, DAY).is_some());
        for other in [account("b", "key"), account("a", "other")] {
            assert_eq!(Session::read(&value, &other, NOW, DAY), None);
        }
        for position in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[position] ^= 1;
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(Session::read(&changed, &own, NOW, DAY), None, "{changed}");
        }
        for nonsense in ["", "v1", "v1...", "v1.x.y.z", "...."] {
            assert_eq!(Session::read(nonsense, &own, NOW, DAY), None);
        }
    }
}
