//! The operator's console of the one process: where it listens, and the token that opens it.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use service_kit::grpc::StaticKey;

use crate::private_file;

/// File of the token, in the folder of `--data`.
const FILE: &str = "console.token";
/// Name of the operator who signs in with it.
const OPERATOR: &str = "local";

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
    let key = private_file::secret(&file, 1).with_context(|| {
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

#[cfg(test)]
mod tests {
    use std::fs;

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

    #[test]
    fn a_token_is_made_once_for_all_tenants() {
        let data = tempfile::tempdir().expect("a folder");
        let [mut first, mut second] = [admin(&[]), admin(&[])];
        let file = let_in(&mut first, data.path()).expect("written").expect("a file");
        assert_eq!(fs::read_to_string(&file).expect("there").trim(), key(&first));
        assert_eq!(let_in(&mut second, data.path()).expect("read"), Some(file));
        assert_eq!(key(&first), key(&second));
        assert_eq!(second.grpc.keys[OPERATOR].services, ["admin"]);
        assert_eq!(second.console.tenants[OPERATOR], ["*"]);
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
