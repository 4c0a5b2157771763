//! The tokens that open the console: keys that may call the admin service, from configuration or the database.

use std::collections::BTreeMap;

use proto::admin::v1::admin_service_server::SERVICE_NAME;
use secrecy::ExposeSecret as _;
use service_kit::grpc::{Caller, KeyHash, StaticKey};
use store::{Store, StoreError};
use subtle::ConstantTimeEq as _;

/// Longest token that is read.
const TOKEN_BYTES_MAX: usize = 1_024;

/// All tokens.
pub struct Keys {
    configured: Vec<(KeyHash, Caller)>,
    store: Store,
}

impl Keys {
    /// Those of the configuration, and those of the database.
    pub fn new(configured: &BTreeMap<String, StaticKey>, store: Store) -> Self {
        let configured = configured
            .iter()
            .filter_map(|(name, key)| {
                let hash = match (&key.key, &key.sha256) {
                    (Some(key), None) => KeyHash::of(key.expose_secret()),
                    (None, Some(hash)) => KeyHash::from_hex(hash)?,
                    _ => return None,
                };
                let caller = Caller { tenant: key.tenant.clone(), services: key.services.clone(), name: name.clone() };
                Some((hash, caller))
            })
            .collect();
        Self { configured, store }
    }

    /// The hash of a token as somebody typed it; none for what can be no token.
    pub fn hash(token: &str) -> Option<KeyHash> {
        let token = token.trim();
        (!token.is_empty() && token.len() <= TOKEN_BYTES_MAX).then(|| KeyHash::of(token))
    }

    /// Whom a token's hash stands for, if it may open the console.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, hash: KeyHash) -> Result<Option<Caller>, StoreError> {
        // All are compared whatever the first ones give, so that the time tells nothing.
        let mut found = None;
        for (known, caller) in &self.configured {
            if bool::from(known.0.ct_eq(&hash.0)) {
                found = Some(caller.clone());
            }
        }
        if found.is_none() {
            let key = self.store.find_api_key(&hash.to_string()).await?;
            found = key.map(|key| Caller { tenant: key.tenant, services: key.services, name: key.name });
        }
        Ok(found.filter(|caller| caller.may_call(SERVICE_NAME)))
    }
}
