//! The key that signs sessions of the web chat, made once and kept in the data folder, so that a restart ends none.

use std::path::Path;

use anyhow::Context as _;
use secrecy::SecretString;
use service_kit::tenants::{AccountConfig, Tenants};

use crate::private_file;

/// Its file in the data folder.
const FILE: &str = "session.key";

/// Gives the kept key to every web account that has none of its own; one key serves all, since a signature covers
/// tenant and account.
///
/// # Errors
/// When the key cannot be kept.
pub fn fill(tenants: &mut Tenants, data: &Path) -> anyhow::Result<()> {
    let accounts = tenants.0.values_mut().flat_map(|tenant| tenant.accounts.values_mut());
    let keyless = accounts.filter_map(|account| match account {
        AccountConfig::Web(web) if web.session_key.is_none() => Some(web),
        _ => None,
    });
    let mut kept = None;
    for web in keyless {
        let key = match &kept {
            Some(key) => SecretString::clone(key),
            None => kept.insert(key(data)?).clone(),
        };
        web.session_key = Some(key);
    }
    Ok(())
}

fn key(data: &Path) -> anyhow::Result<SecretString> {
    let file = data.join(FILE);
    private_file::secret(&file, 2).with_context(|| format!("cannot keep the key of sessions in {}", file.display()))
}

#[cfg(test)]
mod tests {
    use domain::Tenant;
    use secrecy::ExposeSecret as _;
    use service_kit::tenants::{SESSION_KEY_BYTES_MIN, TenantConfig, WebConfig};

    use super::*;

    fn filled(data: &Path, own: Option<&str>) -> anyhow::Result<String> {
        let web = WebConfig { session_key: own.map(Into::into), ..WebConfig::default() };
        let account = ("web:main".parse().expect("an account"), AccountConfig::Web(web));
        let settings = TenantConfig { accounts: [account].into(), ..TenantConfig::default() };
        let mut tenants = Tenants([(Tenant::new("default").expect("a tenant"), settings)].into());
        fill(&mut tenants, data)?;
        let account = tenants.0.values().flat_map(|tenant| tenant.accounts.values()).next().expect("the account");
        let AccountConfig::Web(web) = account else { panic!("a web account") };
        Ok(web.session_key.as_ref().expect("a key").expose_secret().to_owned())
    }

    #[test]
    fn the_key_is_made_once() {
        let (data, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let first = filled(data.path(), None).expect("a key");
        assert!(first.len() >= SESSION_KEY_BYTES_MIN);
        assert_eq!(filled(data.path(), None).expect("the same key"), first);
        assert_ne!(filled(other.path(), None).expect("a key"), first);
    }

    #[test]
    fn a_configured_key_stands_and_nothing_is_kept() {
        let data = tempfile::tempdir().expect("a folder");
        assert_eq!(filled(data.path(), Some("own")).expect("the key"), "own");
        assert!(!data.path().join(FILE).exists());
    }
}
