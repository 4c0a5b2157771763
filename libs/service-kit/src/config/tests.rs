use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{io::Write as _, net::SocketAddr, time::Duration};

use super::*;
use crate::tenants::{AccountConfig, Tenants};

const DEFAULTS: &str = r#"
[server]
listen = "127.0.0.1:8000"
workers = 2
names = ["a"]
[limits]
wait = "5s"
strict = false
[tenants]
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    server: Server,
    limits: Limits,
    #[serde(default)]
    token: Option<SecretString>,
    tenants: Tenants,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    listen: SocketAddr,
    workers: u32,
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(with = "humantime_serde")]
    wait: Duration,
    strict: bool,
    #[serde(default)]
    form: Form,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Short,
    Long,
}

impl Validate for Sample {
    fn validate(&self, problems: &mut Problems) {
        if self.server.workers == 0 {
            problems.add("server.workers", "must be at least 1");
        }
        problems.within("tenants", |problems| self.tenants.validate(problems));
    }
}

fn file(text: &str) -> (tempfile::NamedTempFile, Args) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    let args = Args { config: Some(file.path().to_owned()), ..Args::default() };
    (file, args)
}

fn read(text: &str, env: &[(&str, &str)]) -> Result<Sample, Vec<String>> {
    let (_file, args) = file(text);
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load("sample-service", DEFAULTS, &args, env).map_err(|errors| {
        assert!(errors.to_string().starts_with("the configuration of sample-service is not valid"));
        errors.lines().collect()
    })
}

#[test]
fn later_layers_win_and_texts_of_the_environment_take_the_type_they_meet() {
    let sample = read(
        "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n",
        &[
            ("SAMPLE_SERVICE__SERVER__WORKERS", "4"),
            ("SAMPLE_SERVICE__SERVER__NAMES", "x, y"),
            ("SAMPLE_SERVICE__LIMITS__STRICT", "true"),
            ("SAMPLE_SERVICE__LIMITS__WAIT", "20s"),
            ("SAMPLE_SERVICE__TOKEN", "12345"),
            ("UNRELATED", "x"),
        ],
    )
    .expect("valid");
    assert_eq!(sample.server.listen.port(), 1);
    assert_eq!(sample.server.workers, 4);
    assert_eq!(sample.server.names, ["x", "y"]);
    assert_eq!(sample.limits.wait, Duration::from_secs(20));
    assert!(sample.limits.strict);
    assert_eq!(sample.token.expect("a token").expose_secret(), "12345");
}

#[test]
fn all_errors_are_told_at_once_with_path_and_origin() {
    let lines = read(
        "[server]\nlisten = \"nowhere\"\nport = 1\n[tenants.acme.accounts.\"infobip:main\"]\nchannel = \"infobip\"\n\
         base_url = \"h\"\nsender = \"1\"\n",
        &[("SAMPLE_SERVICE__SERVER__WORKERS", "many"), ("SAMPLE_SERVICE__LIMITS__WAIT", "soon")],
    )
    .expect_err("invalid");
    let has = |parts: &[&str]| {
        assert!(lines.iter().any(|line| parts.iter().all(|part| line.contains(part))), "{parts:?} in {lines:#?}");
    };
    has(&["server.listen: ", "socket address", "(in "]);
    has(&["server.port: is no known key"]);
    has(&["server.workers: ", "(from SAMPLE_SERVICE__SERVER__WORKERS)"]);
    has(&["limits.wait: ", "(from SAMPLE_SERVICE__LIMITS__WAIT)"]);
    has(&["tenants.acme.accounts.\"infobip:main\".api_key: is missing; set "]);
    has(&["tenants.acme.accounts.\"infobip:main\".sender: "]);
    assert!(!lines.iter().any(|line| line.contains("many")), "values of variables are not told: {lines:#?}");
}

#[test]
fn an_account_without_a_channel_is_told_once() {
    let errors = read("", &[("META_API_URL", "http://127.0.0.1:1")]).expect_err("refused");
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    assert!(error.contains("meta:main") && error.contains("is missing"), "{error}");
}

#[test]
fn an_unknown_name_without_a_default_is_told_once() {
    let lines = read("[limits]\nform = \"wide\"\nstrict = 3\n", &[]).expect_err("invalid");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("limits.form: ") && line.contains("`long`")), "{lines:#?}");
    let sample = read("[limits]\nform = \"long\"\n", &[]).expect("valid");
    assert_eq!(sample.limits.form, Form::Long);
}

#[test]
fn weak_secrets_are_refused_without_being_printed() {
    for weak in ["", " ", "changeme", "Change-Me"] {
        let lines = read("", &[("SAMPLE_SERVICE__TOKEN", weak)]).expect_err("weak");
        assert!(lines[0].starts_with("token: is "), "{lines:?}");
    }
    let lines = read("token = { a = \"hunter2\" }", &[]).expect_err("wrong type");
    assert!(!lines.concat().contains("hunter2"), "{lines:?}");
    let lines = read("token = \"hunter2\ntoken = 1", &[]).expect_err("syntax");
    assert!(!lines.concat().contains("hunter2"), "{lines:?}");
}

#[test]
fn a_reference_takes_the_variables_value() {
    let sample = read("token = \"env:DEEP\"", &[("DEEP", "s3cret")]).expect("valid");
    assert_eq!(sample.token.expect("a token").expose_secret(), "s3cret");
    let lines = read("token = \"env:DEEP\"", &[]).expect_err("unset");
    assert_eq!(lines, ["token: the environment variable DEEP is not set"]);
}

#[test]
fn aliases_build_an_account() {
    let env = [
        ("INFOBIP_BASE_URL", "x.api.infobip.com"),
        ("INFOBIP_API_KEY", "k"),
        ("INFOBIP_SENDER_NUMBER", "385911234567"),
        ("INFOBIP_SECRET_KEY", "s"),
    ];
    let sample = read("", &env).expect("valid");
    let (account, config) =
        sample.tenants.0.values().next().and_then(|t| t.accounts.iter().next()).expect("an account");
    assert_eq!(account.to_string(), "infobip:main");
    let AccountConfig::Infobip(config) = config else { panic!("{config:?}") };
    assert_eq!(config.sender, "385911234567");
    let lines = read("", &env[..3]).expect_err("no signature secret");
    assert!(lines[0].contains("webhook_secrets"), "{lines:?}");
    let lines = read("", &env[1..]).expect_err("no host");
    assert!(lines[0].contains("base_url: is missing; set INFOBIP_BASE_URL"), "{lines:?}");
}

#[test]
fn an_unreadable_file_is_one_message() {
    let args = Args { config: Some("/nowhere/x.toml".into()), ..Args::default() };
    let errors = load::<Sample>("sample-service", DEFAULTS, &args, std::iter::empty()).expect_err("no file");
    assert!(errors.to_string().contains("cannot read the configuration file /nowhere/x.toml"), "{errors}");
}

#[test]
fn a_described_configuration_masks_secrets_and_names_origins() {
    let (_file, args) = file("token = \"env:DEEP\"\n[tenants.acme.documents.d]\nsource = \"https://u:pw@host/x\"\n");
    let env = [("SAMPLE_SERVICE__SERVER__WORKERS", "9"), ("INFOBIP_API_KEY", "topsecret"), ("DEEP", "deepsecret")];
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let text = describe("sample-service", DEFAULTS, &args, env).expect("readable");
    assert!(text.contains("token = \"env:DEEP\""), "{text}");
    assert!(text.contains("server.workers = \"9\"  # (from SAMPLE_SERVICE__SERVER__WORKERS)"), "{text}");
    assert!(text.contains("source = \"https://u:***@host/x\""), "{text}");
    assert!(text.contains("\"infobip:main\".api_key = \"***\""), "{text}");
    assert!(!text.contains("topsecret") && !text.contains("deepsecret"), "{text}");
}

#[test]
fn what_the_program_falls_back_to_gives_way_to_file_and_environment() {
    let workers = |text: &str, env: &[(&str, &str)]| {
        let (_file, mut args) = file(text);
        args.fallbacks.push((vec!["server".into(), "workers".into()], serde_json::json!(7)));
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load::<Sample>("sample-service", DEFAULTS, &args, env).expect("valid").server.workers
    };
    assert_eq!(workers("[limits]\nstrict = true\n", &[]), 7);
    assert_eq!(workers("[server]\nworkers = 5\n", &[]), 5);
    assert_eq!(workers("", &[("SAMPLE_SERVICE__SERVER__WORKERS", "6")]), 6);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_left_out() {
    use std::os::unix::ffi::OsStringExt as _;
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let variables = [(text(b"A"), text(b"1")), (text(b"B"), text(b"\xff")), (text(b"\xfe"), text(b"2"))];
    assert_eq!(readable(variables.into_iter()).collect::<Vec<_>>(), [("A".to_owned(), "1".to_owned())]);
}

#[test]
fn the_program_has_the_last_word_and_another_variant_replaces_the_table() {
    let (_file, mut args) =
        file("[tenants.t.accounts.\"web:main\"]\nchannel = \"web\"\ndebug = true\n[server]\nworkers = 5\n");
    args.overrides.push((vec!["server".into(), "workers".into()], serde_json::json!(7)));
    args.overrides.push((
        ["tenants", "t", "accounts", "web:main", "channel"].map(str::to_owned).to_vec(),
        serde_json::json!("infobip"),
    ));
    let errors = load::<Sample>("sample-service", DEFAULTS, &args, std::iter::empty()).expect_err("an empty account");
    assert!(!errors.to_string().contains("debug"), "the web settings are gone: {errors}");
    args.overrides.pop();
    let sample = load::<Sample>("sample-service", DEFAULTS, &args, std::iter::empty()).expect("valid");
    assert_eq!(sample.server.workers, 7);
}

#[test]
fn sections_of_other_services_are_left_to_them_and_unknown_ones_are_refused() {
    let shared = "[chat.uploads]\nfiles_max = 3\n[files]\nkind = \"database\"\n[worker]\nslots = 3\n";
    assert!(read(shared, &[]).is_ok());
    let errors = read("[chatt]\nanonymous = true\n", &[]).expect_err("refused");
    assert!(errors[0].contains("chatt") && errors[0].contains("is no known key"), "{errors:?}");
    let services = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../services")).expect("the services");
    for service in services.map(|entry| entry.expect("a folder").path().join("config.toml")) {
        let Ok(defaults) = std::fs::read_to_string(&service) else { continue };
        for section in defaults.parse::<toml::Table>().expect("TOML").keys() {
            let errors = read(&format!("[{section}]\n"), &[]).err().unwrap_or_default();
            assert!(!errors.iter().any(|error| error.contains("is no known key")), "{}: {errors:?}", service.display());
        }
    }
    // The one process has all of them.
    let (_file, args) = file(shared);
    let errors = load::<Sample>("dragoman", DEFAULTS, &args, std::iter::empty()).expect_err("refused").to_string();
    assert!(errors.contains("chat: is no known key"), "{errors}");
}

#[test]
fn the_hint_names_no_variable_that_a_shell_would_refuse() {
    let account =
        "[tenants.acme.accounts.\"infobip:main\"]\nchannel = \"infobip\"\nbase_url = \"x\"\nsender = \"385911\"\n";
    let errors = read(account, &[]).expect_err("refused");
    let missing = errors.iter().find(|line| line.contains("api_key")).expect("it is missing");
    assert!(missing.ends_with("is missing; set the key in the file of --config"), "{missing}");
    let errors = read("[server]\nlisten = \"127.0.0.1:1\"\n[tenants.acme.documents.crm]\n", &[]).expect_err("refused");
    let missing = errors.iter().find(|line| line.contains("source")).expect("it is missing");
    assert!(missing.contains("set SAMPLE_SERVICE__TENANTS__ACME__DOCUMENTS__CRM__SOURCE"), "{missing}");
}

#[test]
fn an_address_of_a_bot_says_what_is_wrong_with_it() {
    let bot = |key: &str, value: &str| {
        let token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
        read(
            &format!(
                "[tenants.acme.accounts.\"telegram:main\"]\nchannel = \"telegram\"\ntoken = \"{token}\"\n{key} = \"{value}\"\n"
            ),
            &[],
        )
    };
    for (url, words) in [
        ("http://bot.acme.com/webhook/telegram/main", "does not begin with https://"),
        ("https://bot.acme.com", "has no path"),
        ("https://bot.acme.com/webhook?x=1", "has a query"),
    ] {
        let errors = bot("webhook_url", url).expect_err(url);
        assert!(errors[0].contains(words) && errors[0].contains("<your host>"), "{errors:?}");
    }
    assert!(bot("webhook_url", "https://bot.acme.com/webhook/telegram/main").is_ok());
    for url in ["localhost:8081", "bots.acme.com", "ftp://bots.acme.com", "https://"] {
        let errors = bot("base_url", url).expect_err(url);
        assert!(errors[0].contains("http:// or https://"), "{errors:?}");
    }
    assert!(bot("base_url", "http://localhost:8081").is_ok());
}
