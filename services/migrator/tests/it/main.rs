//! The binary itself, against real servers.

use std::{
    collections::BTreeMap,
    process::{Command, Output},
};

use store::{Role, Store, StoreConfig, api_keys::key_hash};

/// What a run is told by its environment.
struct Migrator {
    env: BTreeMap<String, String>,
}

impl Migrator {
    fn new(url: &str) -> Self {
        let env = [("DATABASE_URL", url), ("MIGRATOR__DATABASE__CONNECT_WAIT", "5s"), ("MIGRATOR__REDIS__WAIT", "5s")];
        Self { env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrator"));
        command.env_clear().envs(&self.env).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// What it prints when all is well.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Its one line on stderr and its exit code when it fails.
    fn fails(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code(), text)
    }
}

async fn store(url: &str) -> Store {
    let config = StoreConfig {
        url: url.to_owned(),
        max_connections: 2,
        connect_wait: std::time::Duration::from_secs(5),
        role: Role::Admin,
    };
    Store::connect(&config).await.expect("a connection")
}

fn goes_up_and_down(migrator: &Migrator) {
    assert_eq!(migrator.fails(&["verify"]).0, Some(1));
    assert!(migrator.ok(&["status"]).contains("missing"));
    let up = migrator.ok(&["up"]);
    let applied = up.lines().filter(|line| line.contains("applied migration ")).count();
    assert!(applied >= 6 && up.contains("applied migration 1"), "{up}");
    assert!(migrator.ok(&["up"]).contains("up to date"));
    assert!(migrator.ok(&["verify"]).contains("complete"));
    assert!(!migrator.ok(&["status"]).contains("missing"));
    assert_eq!(migrator.ok(&["down"]), format!("took migration {applied} back\n"));
    let rest: String = (1..applied).rev().map(|version| format!("took migration {version} back\n")).collect();
    assert_eq!(migrator.ok(&["down", "99"]), rest);
    assert!(migrator.ok(&["down"]).contains("nothing"));
    migrator.ok(&["up"]);
}

#[tokio::test]
async fn the_schema_goes_up_and_down_on_postgresql() {
    let server = testkit::Postgres::shared().await.expect("a server");
    goes_up_and_down(&Migrator::new(&server.database().await.expect("a database")));
}

#[test]
fn the_schema_goes_up_and_down_on_sqlite() {
    let file = testkit::Sqlite::new().expect("a folder");
    goes_up_and_down(&Migrator::new(&file.url()));
}

#[tokio::test]
async fn two_at_once_both_succeed() {
    let server = testkit::Postgres::shared().await.expect("a server");
    let file = testkit::Sqlite::new().expect("a folder");
    for url in [server.database().await.expect("a database"), file.url()] {
        let migrator = Migrator::new(&url);
        let running: Vec<_> = (0..3).map(|_| migrator.command(&["up"]).spawn().expect("it runs")).collect();
        for mut child in running {
            assert!(child.wait().expect("it ends").success());
        }
        migrator.ok(&["verify"]);
    }
}

#[tokio::test]
async fn keys_open_until_they_are_revoked_and_are_never_kept() {
    let file = testkit::Sqlite::new().expect("a folder");
    let migrator = Migrator::new(&file.url());
    migrator.ok(&["up"]);
    let key =
        migrator.ok(&["keys", "add", "ci", "--tenant", "acme", "--service", "conversation", "--service", "admin"]);
    let key = key.trim();
    assert!(key.starts_with("dgm_") && key.len() == 68, "{key}");
    let store = store(&file.url()).await;
    let found = store.find_api_key(&key_hash(key)).await.expect("an answer").expect("a key");
    assert_eq!((found.tenant.as_str(), found.services), ("acme", vec!["conversation".to_owned(), "admin".to_owned()]));
    let (code, error) = migrator.fails(&["keys", "add", "ci", "--tenant", "acme"]);
    assert!(code == Some(1) && error.contains("already"), "{error}");
    let list = migrator.ok(&["keys", "list", "--tenant", "acme"]);
    assert!(list.contains("valid") && !list.contains(key), "{list}");
    migrator.ok(&["keys", "revoke", "ci", "--tenant", "acme"]);
    assert_eq!(store.find_api_key(&key_hash(key)).await.expect("an answer"), None);
    assert_eq!(migrator.fails(&["keys", "revoke", "ci", "--tenant", "acme"]).0, Some(1));
    assert_eq!(migrator.fails(&["keys", "add", "x", "--tenant", "No Name"]).0, Some(2));
}

#[tokio::test]
async fn stream_and_group_are_made_once() {
    let server = testkit::Redis::shared().await.expect("a server");
    let file = testkit::Sqlite::new().expect("a folder");
    let migrator = Migrator::new(&file.url())
        .with("REDIS_URL", server.url())
        .with("MIGRATOR__COORDINATION__PREFIX", server.prefix());
    assert!(migrator.ok(&["up"]).contains("stream whatsapp_stream_inbound and group workers are made"));
    assert!(migrator.ok(&["up"]).contains("stream whatsapp_stream_inbound and group workers are there"));
}

#[tokio::test]
async fn users_and_database_are_made_from_a_superusers_url() {
    let server = testkit::Postgres::shared().await.expect("a server");
    let suffix = uuid::Uuid::new_v4().simple().to_string();
    let url = |user: &str| {
        let mut url = url::Url::parse(&server.url_of(&format!("db_{suffix}"))).expect("a URL");
        url.set_username(&format!("{user}_{suffix}")).expect("a user");
        url.set_password(Some("secret")).expect("a password");
        url.to_string()
    };
    let migrator = Migrator::new("postgres://unused@localhost/unused")
        .with("ADMIN_DATABASE_URL", &url("admin"))
        .with("BOT_DATABASE_URL", &url("bot"));
    let (code, error) = migrator.fails(&["roles"]);
    assert!(code == Some(1) && error.contains("SUPERUSER_URL") && !error.contains("secret"), "{error}");
    let migrator = migrator.with("MIGRATOR__ROLES__SUPERUSER_URL", server.url());
    for _ in 0..2 {
        assert!(migrator.ok(&["roles"]).contains("run `migrator up` next"));
    }
    assert!(migrator.ok(&["up"]).contains(&format!("bot_{suffix} has its rights")));
    assert!(migrator.ok(&["roles"]).contains("has its rights"));
    let bot = store(&url("bot")).await;
    assert!(bot.schema_ready().await.expect("an answer"));
    assert!(bot.audit_break().await.is_err(), "what administrators did is not the bot's to read");
}

#[test]
fn what_is_missing_is_said_in_one_line_without_secrets() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let away = Migrator::new(&format!("postgres://u:secret@127.0.0.1:{port}/d"))
        .with("MIGRATOR__DATABASE__CONNECT_WAIT", "200ms");
    let (code, error) = away.fails(&["up"]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("127.0.0.1:{port}/d")) && !error.contains("secret"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");

    let file = testkit::Sqlite::new().expect("a folder");
    let no_redis = Migrator::new(&file.url())
        .with("REDIS_URL", &format!("redis://127.0.0.1:{port}"))
        .with("MIGRATOR__REDIS__WAIT", "300ms");
    let (code, error) = no_redis.fails(&["up"]);
    assert!(code == Some(1) && error.contains("Redis did not answer"), "{error}");

    assert_eq!(Migrator::new("mysql://x").fails(&["up"]).0, Some(1));
    assert_eq!(away.fails(&["sideways"]).0, Some(2));
}
