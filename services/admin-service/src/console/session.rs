//! Sessions: kept in this process, so that a restart or a sign-out ends them for good; the cookie is their signed id.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{ConversationId, Tenant};
use hmac::{Hmac, KeyInit as _, Mac as _};
use service_kit::grpc::KeyHash;
use sha2::Sha256;
use tokio::time::Instant;

/// A session's key is looked up again after so long: a key that was taken back ends its sessions.
const KEY_BELIEVED: Duration = Duration::from_secs(10);
/// Most sessions at the same time; the one that was idle longest goes first.
const SESSIONS_MAX: usize = 1_000;
/// So long personal data stays shown.
const REVEALED: Duration = Duration::from_secs(10 * 60);

/// Which tenants an operator may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of the installation.
    All,
    /// These, the key's own first.
    Some(Vec<Tenant>),
}

impl Scope {
    /// True when it has the tenant.
    pub fn has(&self, tenant: &Tenant) -> bool {
        match self {
            Self::All => true,
            Self::Some(tenants) => tenants.contains(tenant),
        }
    }
}

/// A session, as a request sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The operator's name.
    pub operator: String,
    /// Hash of the key it was opened with.
    pub key: KeyHash,
    /// The key's own tenant.
    pub tenant: Tenant,
    /// What the operator may see.
    pub scope: Scope,
    /// What forms carry.
    pub csrf: String,
}

/// One line for the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub text: String,
    /// It did not go as wanted.
    pub bad: bool,
}

/// Personal data that a session sees when it says why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Personal {
    /// Of a conversation.
    Conversation(ConversationId),
    /// In what is kept of a tenant's webhooks.
    Webhooks(Tenant),
}

struct Open {
    session: Session,
    opened: Instant,
    seen: Instant,
    checked: Instant,
    notice: Option<Notice>,
    revealed: HashMap<Personal, Instant>,
}

/// All sessions of this process.
pub struct Sessions {
    key: [u8; 32],
    idle: Duration,
    max: Duration,
    open: Mutex<HashMap<String, Open>>,
}

impl Sessions {
    /// None yet, under a key of this start.
    pub fn new(idle: Duration, max: Duration) -> Self {
        Self { key: rand::random(), idle, max, open: Mutex::default() }
    }

    /// Opens one; gives its cookie.
    pub fn open(&self, operator: &str, key: KeyHash, tenant: Tenant, scope: Scope) -> String {
        let id = random();
        let csrf = self.sign("form", &id);
        let session = Session { id: id.clone(), operator: operator.to_owned(), key, tenant, scope, csrf };
        let now = Instant::now();
        let mut open = self.lock();
        self.forget(&mut open, now);
        if open.len() >= SESSIONS_MAX
            && let Some(oldest) = open.iter().min_by_key(|(_, one)| one.seen).map(|(id, _)| id.clone())
        {
            open.remove(&oldest);
        }
        let cookie = format!("{id}.{}", self.sign("session", &id));
        open.insert(id, Open { session, opened: now, seen: now, checked: now, notice: None, revealed: HashMap::new() });
        cookie
    }

    /// The session of a cookie, while it lasts; `alive`: somebody is there, so it goes on.
    pub fn find(&self, cookie: &str, alive: bool) -> Option<Session> {
        let (id, signature) = cookie.split_once('.')?;
        self.verify("session", id, signature).then_some(())?;
        let now = Instant::now();
        let mut open = self.lock();
        self.forget(&mut open, now);
        let one = open.get_mut(id)?;
        if alive {
            one.seen = now;
        }
        Some(one.session.clone())
    }

    /// The longest that one lasts.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// True while it lasts; nobody needs to be there.
    pub fn lasts(&self, id: &str) -> bool {
        let mut open = self.lock();
        self.forget(&mut open, Instant::now());
        open.contains_key(id)
    }

    /// True when its key has to be looked up again; the next who asks within [`KEY_BELIEVED`] need not.
    pub fn must_check(&self, id: &str) -> bool {
        let mut open = self.lock();
        let Some(one) = open.get_mut(id) else { return true };
        let old = one.checked.elapsed() >= KEY_BELIEVED;
        if old {
            one.checked = Instant::now();
        }
        old
    }

    /// Ends it.
    pub fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Leaves a line for the next page.
    pub fn tell(&self, id: &str, text: String, bad: bool) {
        if let Some(one) = self.lock().get_mut(id) {
            one.notice = Some(Notice { text, bad });
        }
    }

    /// The line that was left, once.
    pub fn notice(&self, id: &str) -> Option<Notice> {
        self.lock().get_mut(id)?.notice.take()
    }

    /// From now on the session sees this, for a while.
    pub fn reveal(&self, id: &str, what: Personal) {
        if let Some(one) = self.lock().get_mut(id) {
            one.revealed.retain(|_, at| at.elapsed() < REVEALED);
            one.revealed.insert(what, Instant::now());
        }
    }

    /// True when it does.
    pub fn is_revealed(&self, id: &str, what: &Personal) -> bool {
        let open = self.lock();
        open.get(id).and_then(|one| one.revealed.get(what)).is_some_and(|at| at.elapsed() < REVEALED)
    }

    /// HMAC-SHA256 of a text for one purpose, in hex.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        hex::encode(self.mac(purpose, text).finalize().into_bytes())
    }

    /// True for a signature of ours, compared in constant time.
    pub fn verify(&self, purpose: &str, text: &str, signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|bytes| self.mac(purpose, text).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, purpose: &str, text: &str) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length is a key");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        mac
    }

    fn forget(&self, open: &mut HashMap<String, Open>, now: Instant) {
        open.retain(|_, one| now - one.seen < self.idle && now - one.opened < self.max);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits, in hex.
pub fn random() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &Sessions) -> String {
        let acme = Tenant::new("acme").expect("a name");
        sessions.open("ana", KeyHash::of("t"), acme.clone(), Scope::Some(vec![acme]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_idling_by_age_and_by_leaving() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let sessions = Sessions::new(minutes(30), minutes(100));
        let cookie = open(&sessions);
        for _ in 0..3 {
            tokio::time::advance(minutes(29)).await;
            assert!(sessions.find(&cookie, true).is_some(), "somebody is there");
        }
        tokio::time::advance(minutes(12)).await;
        assert!(sessions.find(&cookie, true).is_some(), "99 minutes old");
        tokio::time::advance(minutes(1)).await;
        assert!(sessions.find(&cookie, true).is_none(), "somebody was there all the time, but it is too old");

        let cookie = open(&sessions);
        tokio::time::advance(minutes(29)).await;
        let session = sessions.find(&cookie, false).expect("not idle long enough");
        assert!(sessions.lasts(&session.id));
        tokio::time::advance(minutes(1)).await;
        assert!(!sessions.lasts(&session.id), "a stream is no sign of life");

        let cookie = open(&sessions);
        let session = sessions.find(&cookie, true).expect("open");
        sessions.end(&session.id);
        assert!(sessions.find(&cookie, true).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_looked_up_again_and_personal_data_hidden_again_after_a_while() {
        let sessions = Sessions::new(Duration::from_secs(3_600), Duration::from_secs(3_600));
        let session = sessions.find(&open(&sessions), true).expect("open");
        let (shown, hidden) =
            (Personal::Conversation(ConversationId::new()), Personal::Webhooks(session.tenant.clone()));
        sessions.reveal(&session.id, shown.clone());
        assert!(!sessions.must_check(&session.id), "it was looked up when it signed in");
        tokio::time::advance(KEY_BELIEVED).await;
        assert!(sessions.must_check(&session.id) && !sessions.must_check(&session.id), "by one of those who ask");
        tokio::time::advance(REVEALED - KEY_BELIEVED * 2).await;
        assert!(sessions.is_revealed(&session.id, &shown) && !sessions.is_revealed(&session.id, &hidden));
        tokio::time::advance(KEY_BELIEVED).await;
        assert!(!sessions.is_revealed(&session.id, &shown));
    }

    #[test]
    fn only_our_cookies_open() {
        let sessions = Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
        let cookie = open(&sessions);
        let (id, signature) = cookie.split_once('.').expect("two parts");
        let csrf = sessions.find(&cookie, true).expect("open").csrf;
        let foreign = Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
        for bad in [
            id.to_owned(),
            format!("{id}."),
            format!("{id}.{}", &signature[1..]),
            format!("{id}.{csrf}"),
            String::new(),
        ] {
            assert!(sessions.find(&bad, true).is_none(), "{bad}");
        }
        assert!(foreign.find(&cookie, true).is_none());
        assert!(sessions.verify("form", id, &csrf) && !sessions.verify("session", id, &csrf));
    }

    #[test]
    fn a_notice_is_told_once() {
        let sessions = Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
        let session = sessions.find(&open(&sessions), true).expect("open");
        sessions.tell(&session.id, "done".to_owned(), false);
        assert_eq!(sessions.notice(&session.id).map(|notice| notice.text).as_deref(), Some("done"));
        assert_eq!(sessions.notice(&session.id), None);
    }
}
