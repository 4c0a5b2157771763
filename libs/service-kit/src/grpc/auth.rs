//! Who calls: `authorization: Bearer <API key>`. Keys are kept as SHA-256; they are long and random, so a slow hash
//! would add nothing. A key names its tenant and the services it may call.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::Tenant;
use futures::future::BoxFuture;
use http::{HeaderMap, header};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::config::{Problems, Validate};

/// A key that was found holds this long before it is asked for again.
const CACHE_LIFETIME: Duration = Duration::from_secs(10);
/// Keys held at most.
const CACHE_ENTRIES_MAX: usize = 1_000;
/// A longer key is refused unread.
const KEY_BYTES_MAX: usize = 1_024;

/// `[grpc.auth]`: whether keys are asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthConfig {
    /// Every call needs a key.
    #[default]
    Keys,
    /// Nobody is asked; allowed on loopback only.
    Off {
        /// Tenant that callers get.
        tenant: Tenant,
    },
}

/// `[grpc.keys.<name>]`: a key from configuration, itself or its hash.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    /// The key.
    #[serde(default)]
    pub key: Option<SecretString>,
    /// Its SHA-256 in hex, instead of the key.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Tenant it names.
    pub tenant: Tenant,
    /// Services it may call: `*`, an area (`admin`) or a full name (`dragoman.admin.v1.AdminService`).
    pub services: Vec<String>,
}

impl Validate for StaticKey {
    fn validate(&self, problems: &mut Problems) {
        if self.hash().is_none() {
            problems.add("", "give `key`, or `sha256` as 64 hexadecimal digits, not both");
        }
    }
}

impl StaticKey {
    fn hash(&self) -> Option<KeyHash> {
        match (&self.key, &self.sha256) {
            (Some(key), None) => Some(KeyHash::of(key.expose_secret())),
            (None, Some(text)) => KeyHash::from_hex(text),
            _ => None,
        }
    }
}

/// SHA-256 of an API key; shown in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// None unless `text` is 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Who calls; in the extensions of every authenticated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Tenant that the key names; no other field of a request is believed.
    pub tenant: Tenant,
    /// Services it may call.
    pub services: Vec<String>,
    /// Name of the key, for logs and audit.
    pub name: String,
}

impl Caller {
    /// True when it may call `service` (`dragoman.admin.v1.AdminService`).
    pub fn may_call(&self, service: &str) -> bool {
        let area = service.split('.').nth(1);
        self.services.iter().any(|allowed| allowed == "*" || allowed == service || Some(allowed.as_str()) == area)
    }

    /// The caller of a request.
    ///
    /// # Errors
    /// UNAUTHENTICATED when no server of ours authenticated it.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Caller, Status> {
        let caller: Option<&Arc<Caller>> = request.extensions().get();
        caller.map(AsRef::as_ref).ok_or_else(|| Status::unauthenticated("the call carries no API key"))
    }
}

/// A key store did not answer.
pub type KeyStoreError = Box<dyn std::error::Error + Send + Sync>;

/// Where keys are kept besides the configuration.
pub trait KeyStore: Send + Sync + 'static {
    /// The caller whose key has this hash; none if there is none or it was revoked.
    fn find_key(&self, hash: KeyHash) -> BoxFuture<'_, Result<Option<Caller>, KeyStoreError>>;
}

/// A key store from an async function.
pub fn key_store<F, R>(find: F) -> impl KeyStore
where
    F: Fn(KeyHash) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Caller>, KeyStoreError>> + Send + 'static,
{
    struct Found<F>(F);
    impl<F, R> KeyStore for Found<F>
    where
        F: Fn(KeyHash) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Caller>, KeyStoreError>> + Send + 'static,
    {
        fn find_key(&self, hash: KeyHash) -> BoxFuture<'_, Result<Option<Caller>, KeyStoreError>> {
            Box::pin((self.0)(hash))
        }
    }
    Found(find)
}

/// Decides who may call what.
#[derive(Clone)]
pub(super) struct Auth(Arc<Inner>);

struct Inner {
    open_to: Option<Arc<Caller>>,
    configured: HashMap<KeyHash, Arc<Caller>>,
    store: Option<Box<dyn KeyStore>>,
    found: Mutex<HashMap<KeyHash, (Instant, Arc<Caller>)>>,
    addresses: Option<Vec<IpNet>>,
}

impl Auth {
    pub fn new(
        config: &AuthConfig,
        keys: &BTreeMap<String, StaticKey>,
        store: Option<Box<dyn KeyStore>>,
        addresses: Option<Vec<IpNet>>,
    ) -> Self {
        let open_to = match config {
            AuthConfig::Keys => None,
            AuthConfig::Off { tenant } => {
                let (services, name) = (vec!["*".to_owned()], "loopback".to_owned());
                Some(Arc::new(Caller { tenant: tenant.clone(), services, name }))
            }
        };
        let configured = keys
            .iter()
            .filter_map(|(name, key)| {
                let caller = Caller { tenant: key.tenant.clone(), services: key.services.clone(), name: name.clone() };
                Some((key.hash()?, Arc::new(caller)))
            })
            .collect();
        Self(Arc::new(Inner { open_to, configured, store, found: Mutex::default(), addresses }))
    }

    /// Refuses peers outside the address list; the socket's peer counts, no header does.
    pub fn admit(&self, peer: Option<IpAddr>) -> Result<(), Status> {
        let Some(addresses) = &self.0.addresses else {
            return Ok(());
        };
        match peer.map(|ip| ip.to_canonical()) {
            Some(ip) if addresses.iter().any(|net| net.contains(&ip)) => Ok(()),
            _ => Err(Status::permission_denied("calls from this address are not allowed")),
        }
    }

    pub async fn authenticate(&self, headers: &HeaderMap, service: &str) -> Result<Arc<Caller>, Status> {
        let caller = match &self.0.open_to {
            Some(caller) => Arc::clone(caller),
            None => self.find(KeyHash::of(bearer(headers)?)).await?,
        };
        match caller.may_call(service) {
            true => Ok(caller),
            false => Err(Status::permission_denied(format!("the API key may not call {service}"))),
        }
    }

    async fn find(&self, hash: KeyHash) -> Result<Arc<Caller>, Status> {
        let unknown = || Status::unauthenticated("the API key is not known");
        if let Some(caller) = self.0.configured.get(&hash) {
            return Ok(Arc::clone(caller));
        }
        let Some(store) = &self.0.store else {
            return Err(unknown());
        };
        if let Some(caller) = self.held(hash) {
            return Ok(caller);
        }
        match store.find_key(hash).await {
            Ok(Some(caller)) => {
                let caller = Arc::new(caller);
                self.hold(hash, Arc::clone(&caller));
                Ok(caller)
            }
            Ok(None) => Err(unknown()),
            Err(error) => {
                tracing::warn!(error, "cannot look up an API key");
                Err(Status::unavailable("API keys cannot be checked now; retry after a pause"))
            }
        }
    }

    fn held(&self, hash: KeyHash) -> Option<Arc<Caller>> {
        let found = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&hash).filter(|(at, _)| at.elapsed() < CACHE_LIFETIME).map(|(_, caller)| Arc::clone(caller))
    }

    fn hold(&self, hash: KeyHash, caller: Arc<Caller>) {
        let mut found = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= CACHE_ENTRIES_MAX {
            found.clear();
        }
        found.insert(hash, (Instant::now(), caller));
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Status> {
    let missing = || Status::unauthenticated("send `authorization: Bearer <API key>`");
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    if all.next().is_some() || value.len() > KEY_BYTES_MAX {
        return Err(missing());
    }
    let (scheme, key) = value.split_once(' ').ok_or_else(missing)?;
    match scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty() {
        true => Ok(key.trim()),
        false => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn caller(services: &[&str]) -> Caller {
        Caller {
            tenant: Tenant::new("acme").expect("a name"),
            services: services.iter().map(|s| (*s).to_owned()).collect(),
            name: "k".to_owned(),
        }
    }

    #[test]
    fn a_key_may_call_what_it_lists() {
        let service = "dragoman.admin.v1.AdminService";
        for (allowed, expected) in
            [("*", true), ("admin", true), (service, true), ("catalog", false), ("", false), ("dragoman", false)]
        {
            assert_eq!(caller(&[allowed]).may_call(service), expected, "{allowed}");
        }
        assert!(!caller(&[]).may_call(service));
    }

    #[test]
    fn the_peer_must_be_in_the_list_even_as_a_mapped_address() {
        let nets = ["10.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a net")).to_vec();
        let auth = Auth::new(&AuthConfig::Keys, &BTreeMap::new(), None, Some(nets));
        for (peer, admitted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("::1", true),
            ("127.0.0.1", false),
            ("11.0.0.1", false),
            ("::ffff:11.0.0.1", false),
        ] {
            assert_eq!(auth.admit(peer.parse().ok()).is_ok(), admitted, "{peer}");
        }
        assert!(auth.admit(None).is_err());
    }

    #[tokio::test]
    async fn only_a_known_key_authenticates() {
        let key = StaticKey {
            key: Some("k3y".into()),
            sha256: None,
            tenant: Tenant::new("acme").expect("a name"),
            services: vec!["admin".to_owned()],
        };
        let store = key_store(|hash| async move {
            match hash {
                h if h == KeyHash::of("stored") => Ok(Some(caller(&["*"]))),
                h if h == KeyHash::of("broken") => Err("no database".into()),
                _ => Ok(None),
            }
        });
        let auth = Auth::new(&AuthConfig::Keys, &[("a".to_owned(), key)].into(), Some(Box::new(store)), None);
        for (value, expected) in [
            ("Bearer k3y", None),
            ("bearer  k3y ", None),
            ("Bearer stored", None),
            ("Bearer k3", Some(Code::Unauthenticated)),
            ("Bearer k3y2", Some(Code::Unauthenticated)),
            ("Bearer ", Some(Code::Unauthenticated)),
            ("Basic k3y", Some(Code::Unauthenticated)),
            ("k3y", Some(Code::Unauthenticated)),
            ("Bearer broken", Some(Code::Unavailable)),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("a header"))]);
            let found = auth.authenticate(&headers, "dragoman.admin.v1.AdminService").await;
            assert_eq!(found.err().map(|status| status.code()), expected, "{value}");
        }
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, "Bearer k3y".parse().expect("a header"))]);
        let denied = auth.authenticate(&headers, "dragoman.catalog.v1.CatalogService").await.expect_err("not allowed");
        assert_eq!(denied.code(), Code::PermissionDenied);
        assert!(auth.authenticate(&HeaderMap::new(), "x").await.is_err());
    }
}
