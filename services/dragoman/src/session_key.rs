//! The key that signs sessions of the web chat, made once and kept in the data folder, so that a restart ends none.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use service_kit::tenants::{AccountConfig, SESSION_KEY_BYTES_MIN, Tenants};
use uuid::Uuid;

/// Its file in the data folder.
const FILE: &str = "session.key";

/// Gives the kept key to every web account that has none of its own; one key serves all, since a signature covers
/// tenant and account.
///
/// # Errors
/// When the key can neither be read nor kept, or others may read it.
pub fn fill(tenants: &mut Tenants, data: &Path) -> anyhow::Result<()> {
    let accounts = tenants.0.values_mut().flat_map(|tenant| tenant.accounts.values_mut());
    let keyless = accounts.filter_map(|account| match account {
        AccountConfig::Web(web) if web.session_key.is_none() => Some(web),
        AccountConfig::Web(_) | AccountConfig::Infobip(_) => None,
    });
    let mut kept = None;
    for web in keyless {
        let key = match &kept {
            Some(key) => SecretString::clone(key),
            None => kept.insert(key(&data.join(FILE))?).clone(),
        };
        web.session_key = Some(key);
    }
    Ok(())
}

fn key(path: &Path) -> anyhow::Result<SecretString> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return make(path).with_context(|| format!("cannot keep the key of sessions in {shown}"));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read the key of sessions in {shown}")),
    };
    let mode = fs::metadata(path).with_context(|| format!("cannot look at {shown}"))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("others may read the key of sessions in {shown}: `chmod 600` it, or delete it for a new one");
    }
    let key = text.trim();
    if key.len() < SESSION_KEY_BYTES_MIN {
        bail!("the key of sessions in {shown} is too short: delete the file for a new one");
    }
    Ok(SecretString::from(key))
}

/// Whole or not there, whenever the process ends.
fn make(path: &Path) -> io::Result<SecretString> {
    let key = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()].map(|part| part.simple().to_string()).concat();
    let part = path.with_extension("part");
    // What an earlier start left may be open to others.
    if let Err(error) = fs::remove_file(&part)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    Ok(SecretString::from(key))
}

#[cfg(test)]
mod tests {
    use domain::Tenant;
    use secrecy::ExposeSecret as _;
    use service_kit::tenants::{TenantConfig, WebConfig};

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
    fn the_key_is_made_once_and_read_by_its_owner_alone() {
        let (data, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let first = filled(data.path(), None).expect("a key");
        assert!(first.len() >= SESSION_KEY_BYTES_MIN);
        assert_eq!(filled(data.path(), None).expect("the same key"), first);
        assert_ne!(filled(other.path(), None).expect("a key"), first);
        let mode = fs::metadata(data.path().join(FILE)).expect("its file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_configured_key_stands_and_nothing_is_kept() {
        let data = tempfile::tempdir().expect("a folder");
        assert_eq!(filled(data.path(), Some("own")).expect("the key"), "own");
        assert!(!data.path().join(FILE).exists());
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_too_short_is_refused() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join(FILE);
        fs::write(&path, "k".repeat(64)).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        assert!(filled(data.path(), None).expect_err("others may read it").to_string().contains("chmod 600"));
        fs::write(&path, "short").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        let error = filled(data.path(), None).expect_err("too short").to_string();
        assert!(error.contains("too short") && !error.contains("short\n"), "{error}");
    }
}
