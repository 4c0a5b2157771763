//! The operator's console of the one process: where it listens, and the token that opens it.

use std::{
    fmt, fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use secrecy::SecretString;
use service_kit::grpc::StaticKey;
use uuid::Uuid;

/// File of the token, in the folder of `--data`.
const FILE: &str = "console.token";
/// Name of the operator who signs in with it.
const OPERATOR: &str = "local";
/// Longest file that is read, in bytes: a token and its line's end are shorter.
const FILE_BYTES_MAX: u64 = 64;

/// A console that is served.
#[derive(Clone, Debug)]
pub struct Console {
    /// Its listener.
    pub address: SocketAddr,
    /// The file with the token of this installation; none where the configuration has keys.
    pub token: Option<PathBuf>,
}

impl fmt::Display for Console {
    /// Its URL, and what opens it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.address.ip();
        if ip.is_loopback() || ip.is_unspecified() {
            write!(f, "http://localhost:{}/console", self.address.port())?;
        } else {
            write!(f, "http://{}/console", self.address)?;
        }
        match &self.token {
            Some(file) => write!(f, " (the token to sign in is in {})", file.display()),
            None => write!(f, " (sign in with a key of your configuration)"),
        }
    }
}

/// Where nobody configured a key, a token of this installation, kept in `data`, opens the console for all tenants; gives
/// its file.
///
/// # Errors
/// When the file cannot be written.
pub fn let_in(admin: &mut admin_service::Config, data: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !admin.grpc.keys.is_empty() {
        return Ok(None);
    }
    let file = data.join(FILE);
    let key = token(&file).with_context(|| {
        format!(
            "cannot keep the console's token in {}: give a key in ADMIN_TOKEN_1, or leave the console out by an empty \
             DRAGOMAN__CONSOLE__LISTEN",
            file.display()
        )
    })?;
    let key = StaticKey {
        key: Some(key),
        sha256: None,
        tenant: admin.catalog.tenant.clone(),
        services: vec!["admin".to_owned()],
    };
    admin.grpc.keys.insert(OPERATOR.to_owned(), key);
    admin.console.tenants.insert(OPERATOR.to_owned(), vec!["*".to_owned()]);
    Ok(Some(file))
}

/// The token of the file, or a new one: where there is none, it is damaged, or others could read it.
fn token(file: &Path) -> io::Result<SecretString> {
    if let Some(token) = read(file) {
        return Ok(SecretString::from(token));
    }
    let token = Uuid::new_v4().simple().to_string();
    // Complete or not there, and never readable by others.
    let part = file.with_extension("part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&part)?;
    writeln!(written, "{token}")?;
    written.sync_all()?;
    fs::rename(&part, file)?;
    Ok(SecretString::from(token))
}

fn read(file: &Path) -> Option<String> {
    let about = fs::symlink_metadata(file).ok()?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX || !is_private(&about) {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let token = text.trim();
    let is_ours = token.len() == 32 && token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_ours.then(|| token.to_owned())
}

#[cfg(unix)]
fn is_private(about: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_about: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;
    use service_kit::config::{Args, load};

    use super::*;

    fn admin(env: &[(&str, &str)]) -> admin_service::Config {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(admin_service::SERVICE, admin_service::DEFAULTS, &Args::default(), env).expect("valid")
    }

    fn key(admin: &admin_service::Config) -> &str {
        admin.grpc.keys[OPERATOR].key.as_ref().expect("a key").expose_secret()
    }

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_token_is_made_once_for_its_owner_alone() {
        let data = tempfile::tempdir().expect("a folder");
        let [mut first, mut second] = [admin(&[]), admin(&[])];
        let file = let_in(&mut first, data.path()).expect("written").expect("a file");
        assert_eq!(fs::read_to_string(&file).expect("there").trim(), key(&first));
        assert_eq!(mode(&file), 0o600);
        assert_eq!(let_in(&mut second, data.path()).expect("read"), Some(file));
        assert_eq!(key(&first), key(&second));
        assert_eq!(second.grpc.keys[OPERATOR].services, ["admin"]);
        assert_eq!(second.console.tenants[OPERATOR], ["*"]);
        let names: Vec<_> =
            fs::read_dir(data.path()).expect("a folder").map(|file| file.expect("one").file_name()).collect();
        assert_eq!(names, [FILE]);
    }

    #[test]
    fn a_damaged_or_open_file_gets_a_new_token() {
        let data = tempfile::tempdir().expect("a folder");
        let file = data.path().join(FILE);
        // Left by a crash.
        fs::write(file.with_extension("part"), "half").expect("written");
        let good = "0123456789abcdef0123456789abcdef";
        for (text, bits) in
            [("", 0o600), ("short", 0o600), (&good.to_uppercase(), 0o600), (&good.repeat(9), 0o600), (good, 0o644)]
        {
            fs::write(&file, text).expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(bits)).expect("ours");
            let mut admin = admin(&[]);
            let_in(&mut admin, data.path()).expect("written");
            assert_ne!(key(&admin), text);
            assert_eq!((fs::read_to_string(&file).expect("there").trim(), mode(&file)), (key(&admin), 0o600), "{text}");
        }
        fs::write(&file, good).expect("written");
        let mut admin = admin(&[]);
        let_in(&mut admin, data.path()).expect("read");
        assert_eq!(key(&admin), good, "a good one without its line's end is kept");
    }

    #[test]
    fn a_key_of_the_configuration_is_the_only_one() {
        let data = tempfile::tempdir().expect("a folder");
        let mut admin = admin(&[("ADMIN_TOKEN_1", "a3f1"), ("ADMIN_TOKEN_1_USER", "ana")]);
        assert_eq!(let_in(&mut admin, data.path()).expect("nothing to write"), None);
        assert_eq!(admin.grpc.keys.keys().collect::<Vec<_>>(), ["ana"]);
        assert_eq!(fs::read_dir(data.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_kept_says_what_to_do() {
        let data = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(data.path().join(FILE).join("x")).expect("in the way");
        let error = format!("{:#}", let_in(&mut admin(&[]), data.path()).expect_err("a folder is in the way"));
        for words in [FILE, "ADMIN_TOKEN_1", "DRAGOMAN__CONSOLE__LISTEN"] {
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn it_says_where_it_is_and_what_opens_it_but_no_token() {
        let at = |address: &str, token: Option<&str>| {
            Console { address: address.parse().expect("an address"), token: token.map(PathBuf::from) }.to_string()
        };
        assert_eq!(
            at("127.0.0.1:8080", Some("data/console.token")),
            "http://localhost:8080/console (the token to sign in is in data/console.token)"
        );
        assert_eq!(at("[::]:81", None), "http://localhost:81/console (sign in with a key of your configuration)");
        assert_eq!(at("192.0.2.1:81", None), "http://192.0.2.1:81/console (sign in with a key of your configuration)");
    }
}
