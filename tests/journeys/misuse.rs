//! What an operator gets wrong: one clear message that says what to do, and an exit code.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use crate::{
    process::path_of,
    world::{Deployment, World},
};

const SERVICES: [&str; 5] =
    ["embedding-service", "conversation-worker", "ingress-gateway", "admin-service", "dragoman"];

fn command(binary: &str, folder: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(path_of(binary));
    command.env_clear().current_dir(folder);
    let prefix = prefix(binary);
    for (name, value) in environment {
        let name = if name.contains("__") { format!("{prefix}__{name}") } else { (*name).to_owned() };
        command.env(name, value);
    }
    command
}

/// Free ports for what it listens on besides probes.
fn listeners(binary: &str) -> &'static [(&'static str, &'static str)] {
    const HTTP: (&str, &str) = ("HTTP__LISTEN", "127.0.0.1:0");
    const GRPC: (&str, &str) = ("GRPC__LISTEN", "127.0.0.1:0");
    match binary {
        "dragoman" => &[HTTP, ("CONSOLE__LISTEN", "127.0.0.1:0")],
        "ingress-gateway" => &[HTTP],
        "admin-service" => &[HTTP, GRPC],
        _ => &[GRPC],
    }
}

fn prefix(binary: &str) -> String {
    binary.to_uppercase().replace('-', "_")
}

fn fails(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&stderr).into_owned();
    let said: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("error: ")).collect();
    (status.code(), said.join("\n"))
}

#[test]
fn a_wrong_configuration_is_told_whole_with_exit_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    for binary in SERVICES.into_iter().chain(["migrator"]) {
        let wrong = [("TELEMETRY__FORMAT", "xml"), ("NO_SUCH__KEY", "1"), ("DATABASE__MAX_CONNECTIONS", "many")];
        let (code, said) = fails(command(binary, folder.path(), &wrong).arg("check-config"));
        assert_eq!(code, Some(2), "{binary}: {said}");
        assert_eq!(said.lines().count(), 4, "one line each, below the first: {said}");
        for part in [
            &format!("(from {}__TELEMETRY__FORMAT)", prefix(binary)),
            "`json` or `text`",
            "no_such: is no known key",
            "database.max_connections: ",
        ] {
            assert!(said.contains(part), "{binary}: {part} in {said}");
        }
    }
}

#[test]
fn the_example_of_tenants_is_valid_and_lacks_only_its_secrets() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/tenants.example.toml");
    let secrets = [
        "ACME_INFOBIP_KEY",
        "ACME_INFOBIP_SECRET",
        "ACME_META_TOKEN",
        "ACME_META_APP_SECRET",
        "ACME_META_VERIFY_TOKEN",
        "ACME_TELEGRAM_TOKEN",
        "ACME_TELEGRAM_SECRET",
        "SESSION_KEY",
        "CRM_KEY",
        "CRM_PASSWORD",
        "CRM_TOKEN",
        "CRM_SECRET",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for binary in ["embedding-service", "conversation-worker", "ingress-gateway", "dragoman"] {
        let check = |secrets: &[(&str, &str)]| {
            let mut command = command(binary, folder.path(), secrets);
            fails(command.arg("check-config").arg("--config").arg(&example))
        };
        let set = secrets.map(|name| match name {
            "ACME_TELEGRAM_TOKEN" => (name, "110201543:0123456789abcdef0123456789abcdef"),
            _ => (name, "0123456789abcdef0123456789abcdef"),
        });
        assert_eq!(check(&set), (Some(0), String::new()), "{binary}");
        let (code, said) = check(&set[1..]);
        assert_eq!(code, Some(2), "{binary}");
        assert!(said.contains("ACME_INFOBIP_KEY"), "{binary}: {said}");
    }
}

#[test]
fn a_database_that_is_away_is_named_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = crate::process::free_address();
    let url = format!("postgres://bot:hunter2@{free}/x");
    for binary in SERVICES {
        let mut environment =
            vec![("DATABASE_URL", url.as_str()), ("DATABASE__CONNECT_WAIT", "0s"), ("OPS__LISTEN", "127.0.0.1:0")];
        environment.extend(listeners(binary));
        let (code, said) = fails(&mut command(binary, folder.path(), &environment));
        assert_eq!(code, Some(1), "{binary}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&format!("cannot reach the database at {free}/x")), "{binary}: {said}");
        assert!(said.contains("refused") && !said.contains("hunter2"), "{binary}: {said}");
    }
}

#[test]
fn a_busy_port_names_the_variable_that_moves_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (binary, listener) in SERVICES.map(|binary| (binary, "OPS")).into_iter().chain([("dragoman", "CONSOLE")]) {
        let busy = format!("{listener}__LISTEN");
        let mut environment = vec![("OPS__LISTEN", "127.0.0.1:0")];
        environment.extend(listeners(binary));
        environment.push((&busy, &address));
        let mut command = command(binary, folder.path(), &environment);
        command.env("DATABASE_URL", format!("sqlite:{}", folder.path().join("x.db").display()));
        let (code, said) = fails(&mut command);
        assert_eq!(code, Some(1), "{binary}: {said}");
        assert!(said.contains(&format!("{address} is in use")), "{binary}: {said}");
        assert!(said.contains(&format!("{}__{busy}", prefix(binary))), "{binary}: {said}");
    }
}

#[test]
fn a_document_that_cannot_be_used_is_told_before_anything_listens() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("broken.yaml", "openapi: [3");
    write("old.json", r#"{"swagger": "1.2"}"#);
    write("empty.json", r#"{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {}}"#);
    let away = format!("http://{}/openapi.json", crate::process::free_address());
    for (source, expected) in [
        ("broken.yaml", "broken.yaml cannot be used"),
        ("old.json", "\"1.2\" is not supported"),
        ("empty.json", "empty.json cannot be used"),
        ("missing.json", "cannot read missing.json"),
        (away.as_str(), "cannot read http://"),
    ] {
        let mut environment = vec![("OPS__LISTEN", "127.0.0.1:0")];
        environment.extend(listeners("dragoman"));
        let (code, said) = fails(command("dragoman", folder.path(), &environment).args(["--document", source]));
        assert_eq!(code, Some(1), "{source}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(expected), "{source}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_the_backend_refuses_are_told_to_person_and_operator() {
    for deployment in [Deployment::One, Deployment::Cluster] {
        let wrong = [("TENANTS__DEFAULT__DOCUMENTS__FLEET__CREDENTIALS__FLEET__CLIENT_SECRET", "not-the-secret")];
        let mut world = World::start_with(deployment, &wrong).await;
        let mut ana = world.person(simulator::fleet::ANA);
        ana.says("Which vehicles are free tomorrow?").await;
        ana.hears(&["sign in"]).await;
        let worker = world.worker();
        let log = world.process(worker).log();
        assert!(log.contains("documents.fleet.credentials"), "the operator is told which one: {log}");
        assert!(!log.contains("not-the-secret"));
    }
}
