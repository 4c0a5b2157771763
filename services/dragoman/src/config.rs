//! The settings of the one process; `config.toml` explains each.

use std::net::SocketAddr;

use coordination::CoordinationConfig;
use domain::{Tenant, id::NameError};
use file_store::FilesConfig;
use ingress_gateway::ChatConfig;
use serde::{Deserialize, Deserializer, de::Error as _};
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, HttpConfig, OpsConfig, Problems, Validate},
    models::ModelConfig,
    telemetry::TelemetryConfig,
    tenants::Tenants,
};

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The public listener.
    pub http: HttpConfig,
    /// The operator's console.
    pub console: ConsoleConfig,
    /// Probes and metrics.
    pub ops: OpsConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
    /// The database of all services.
    pub database: DatabaseConfig,
    /// Doorbell and feed of all services.
    pub coordination: CoordinationConfig,
    /// Where the bytes of people's files are.
    pub files: FilesConfig,
    /// The switches at the start, of all services.
    #[serde(default)]
    pub ai: ai::Values,
    /// The model that free speech goes to; none by default.
    #[serde(default)]
    pub model: ModelConfig,
    /// The web chat; else as the variables of ingress-gateway say.
    #[serde(default)]
    pub chat: Option<ChatConfig>,
    /// Accounts and documents by tenant.
    #[serde(default)]
    pub tenants: Tenants,
    /// Set by the command line, where a real account cannot do without a document.
    #[serde(default)]
    pub needs_document: bool,
    /// Set by the command line that brings a document of its own, for [`main_tenant`].
    #[serde(default)]
    pub has_document: bool,
}

/// Whose the document and the time zone of the command line are: `default` where it is configured or nothing is; else the
/// first, whatever its name.
///
/// # Errors
/// Never: `default` is a name.
pub fn main_tenant(tenants: &Tenants) -> Result<Tenant, NameError> {
    let default = Tenant::new("default")?;
    Ok(match tenants.0.keys().next() {
        Some(first) if !tenants.0.contains_key(&default) => first.clone(),
        _ => default,
    })
}

/// `[console]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Its address; none: there is no console.
    #[serde(deserialize_with = "address_or_nothing")]
    pub listen: Option<SocketAddr>,
}

/// An empty text is no address.
fn address_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| D::Error::custom("needs an address such as 127.0.0.1:8080, or an empty text"))
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        let (http, console) = (self.http.listen, self.console.listen);
        if console.is_some_and(|console| console.port() != 0 && console.port() == http.port()) {
            problems.add(
                "console.listen",
                format!("{} is the port of http.listen; give another one, or \"\" for no console", http.port()),
            );
        }
        // A folder without a name has one later, where nobody else can be: beside the database file of this process.
        let several = matches!(self.coordination, CoordinationConfig::Redis { .. });
        if let Some(problem) = self.files.clone().or_in(None).problem(several) {
            problems.add("files", problem);
        }
        problems.within("telemetry", |problems| self.telemetry.validate(problems));
        problems.within("model", |problems| self.model.validate(problems));
        problems.within("tenants", |problems| self.tenants.validate(problems));
        if let Some(chat) = &self.chat {
            chat.validate(&self.tenants, problems);
        }
        conversation_worker::check_documents(&self.tenants, problems);
        let tenants = &self.tenants.0;
        let is_demo = !self.has_document && tenants.values().all(|tenant| tenant.documents.is_empty());
        for (name, tenant) in tenants {
            let real = tenant.accounts.values().any(|account| !account.is_simulated());
            let given = self.has_document && main_tenant(&self.tenants).as_ref() == Ok(name);
            let none = tenant.documents.is_empty() && !given;
            // Where there is none at all, simulated accounts have the demo fleet.
            if real && none && (self.needs_document || !is_demo) {
                let said = conversation_worker::no_document(tenant);
                problems.add(&format!("tenants.{name}.documents"), format!("{said}; or give --document <file or URL>"));
            }
        }
    }
}

impl Settings for Config {
    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn ops(&self) -> &OpsConfig {
        &self.ops
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use service_kit::config::{Args, load};

    use super::*;
    use crate::{DEFAULTS, SERVICE, options::Cli};

    fn check(variables: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
        let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        match (load::<Config>(SERVICE, DEFAULTS, &Args::default(), env), expected) {
            (Ok(config), Ok(expected)) => {
                assert_eq!(config.console.listen, expected.map(|address| address.parse().expect("an address")));
            }
            (Err(errors), Err(words)) => assert!(errors.to_string().contains(words), "{errors}"),
            (found, expected) => panic!("{variables:?}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_console_listens_where_it_is_told_or_not_at_all() {
        let listen = "DRAGOMAN__CONSOLE__LISTEN";
        check(&[], Ok(Some("127.0.0.1:8080")));
        check(&[(listen, "0.0.0.0:9000")], Ok(Some("0.0.0.0:9000")));
        check(&[(listen, "")], Ok(None));
        check(&[(listen, "9000")], Err("console.listen: needs an address such as 127.0.0.1:8080"));
    }

    #[test]
    fn the_console_has_a_port_of_its_own() {
        check(&[("PORT", "8080")], Err("console.listen: 8080 is the port of http.listen"));
        check(&[("PORT", "8080"), ("DRAGOMAN__CONSOLE__LISTEN", "")], Ok(None));
        let free = "127.0.0.1:0";
        check(&[("DRAGOMAN__HTTP__LISTEN", free), ("DRAGOMAN__CONSOLE__LISTEN", free)], Ok(Some(free)));
    }

    #[test]
    fn a_real_account_needs_a_document_and_a_simulated_one_has_the_demo() {
        let bot = ("TELEGRAM_BOT_TOKEN", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw");
        let read = |line: &[&str], env: &[(&str, &str)]| {
            let args = Cli::try_parse_from(std::iter::once(&"dragoman").chain(line)).expect("a command line").args();
            let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            load::<Config>(SERVICE, DEFAULTS, &args, env).map_err(|errors| errors.to_string())
        };
        let of_acme = [("DRAGOMAN__TENANTS__ACME__DOCUMENTS__SHOP__SOURCE", "shop.yaml"), bot];
        let error = read(&["check-config"], &of_acme).expect_err("refused");
        assert!(error.contains("tenants.default.documents: there is none"), "{error}");
        for line in [&["check-config"][..], &[], &["run"]] {
            let error = read(line, &[bot]).expect_err("refused");
            assert!(
                error.contains("tenants.default.documents: there is none") && error.contains("--document"),
                "{error}"
            );
        }
        let given = ["--document", "api.yaml", "check-config"];
        for (line, env) in [
            (&["check-config"][..], &[][..]),
            (&["check-config"], &[("DASHBOARD_ALLOWED_ORIGINS", "https://acme.com")]),
            (&["check-config"], &[bot, ("SWAGGER_URL", "api.yaml")]),
            (&given, &[bot]),
            (&given, &of_acme),
            (&["channels", "status"], &[bot]),
        ] {
            read(line, env).unwrap_or_else(|error| panic!("{line:?} {env:?}: {error}"));
        }
        let backend = [("SWAGGER_URL", "api.yaml"), ("MOBILITY_API_URL", "http://10.0.0.1/api")];
        let error = read(&["check-config"], &backend).expect_err("refused");
        assert!(error.contains("documents.main.backend_url: 10.0.0.1 is a private address"), "{error}");
    }

    #[test]
    fn the_web_chat_is_set_here_too() {
        let read = |variable: &str| {
            let env = [(variable.to_owned(), "3".to_owned())].into_iter();
            load::<Config>(SERVICE, DEFAULTS, &Args::default(), env).map_err(|errors| errors.to_string())
        };
        let chat = read("DRAGOMAN__CHAT__UPLOADS__FILES_MAX").expect("valid").chat.expect("it is set");
        assert_eq!(chat.uploads.files_max, 3);
        assert_eq!(chat.answer_wait, ChatConfig::default().answer_wait, "the rest stays");
        assert!(read("DRAGOMAN__CHAT__UPLOADS__FILE_MAX").expect_err("refused").contains("chat.uploads.file_max"));
    }

    #[test]
    fn what_a_service_would_refuse_at_its_start_is_refused_here() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dragoman.toml");
        let check = |length: usize| {
            let key = "k".repeat(length);
            let file = format!("[tenants.acme.accounts.\"web:main\"]\nchannel = \"web\"\nsession_key = \"{key}\"\n");
            std::fs::write(&path, file).expect("written");
            let args = Args { config: Some(path.clone()), ..Args::default() };
            load::<Config>(SERVICE, DEFAULTS, &args, std::iter::empty()).map_err(|errors| errors.to_string())
        };
        assert!(check(32).is_ok());
        let errors = check(31).expect_err("too short");
        assert!(errors.contains("tenants.acme.accounts.\"web:main\".session_key: has 31 bytes"), "{errors}");
    }
}
