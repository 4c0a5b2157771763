//! A running gateway, and a worker's part played by hand.

use std::{sync::Arc, time::Duration};

use channels::verify::{Algorithm, sign};
use coordination::{Coordination, FeedEvent};
use domain::{Account, Choice, ConversationId, Reply, SystemClock, Tenant};
use ingress_gateway::{App, Config, DEFAULTS, Parts, SERVICE};
use serde_json::{Value, json};
use service_kit::config::{self, Args};
use store::{Commit, Direction, OutboxNew, Role, Store, StoreConfig, history::MessageRow};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const SECRET: &str = "webhook-secret-of-the-tests";
/// Longer than anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

const TENANTS: &str = r#"
[tenants.default.accounts."infobip:main"]
channel = "infobip"
base_url = "http://127.0.0.1:9"
api_key = "key-of-the-tests-0123456789"
sender = "385990000000"
webhook_secrets = ["webhook-secret-of-the-tests"]

[tenants.default.accounts."infobip:second"]
channel = "infobip"
base_url = "http://127.0.0.1:9"
api_key = "key-of-the-tests-0123456789"
sender = "385990000001"
auth = { type = "bearer", token = "token-of-the-tests-0123456789" }

[tenants.default.accounts."web:main"]
channel = "web"
allowed_origins = ["https://app.example"]
session_key = "session-key-of-the-tests-0123456789"
debug = true
"#;

pub struct Gateway {
    pub url: String,
    pub store: Store,
    pub coordination: Coordination,
    pub client: reqwest::Client,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<anyhow::Result<()>>,
    _database: Database,
}

/// Where the store is; held as long as it is used.
pub enum Database {
    Sqlite(testkit::Sqlite),
    Postgres(testkit::Postgres, String),
}

impl Database {
    pub async fn postgres() -> Self {
        let server = testkit::Postgres::shared().await.expect("PostgreSQL");
        let url = server.database().await.expect("a database");
        Self::Postgres(server, url)
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => file.url(),
            Self::Postgres(_server, url) => url.clone(),
        }
    }
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// `settings`: TOML in front of the tenants.
    pub async fn start_with(settings: &str) -> Self {
        let database = Database::Sqlite(testkit::Sqlite::new().expect("a folder"));
        Self::start_on(database, settings).await
    }

    pub async fn start_on(database: Database, settings: &str) -> Self {
        service_kit::install_crypto();
        let store_config =
            StoreConfig { url: database.url(), max_connections: 4, connect_wait: PATIENCE, role: Role::Gateway };
        let store = Store::connect(&store_config).await.expect("a database");
        store.migrate_up().await.expect("tables");
        let coordination = Coordination::memory();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, format!("{settings}\n{TENANTS}")).expect("a file");
        let args = Args { config: Some(file), ..Args::default() };
        let config: Config = config::load(SERVICE, DEFAULTS, &args, std::iter::empty()).expect("a configuration");
        let parts = Parts { store: store.clone(), coordination: coordination.clone(), clock: Arc::new(SystemClock) };
        let app = App::new(config, parts).expect("an app");
        let readiness = app.readiness().clone();
        let http = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ops = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", http.local_addr().expect("an address"));
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(app.serve(http, ops, shutdown.clone()));
        tokio::time::timeout(PATIENCE, readiness.wait_ready()).await.expect("ready");
        let client = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
        Self { url, store, coordination, client, shutdown, serving, _database: database }
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// Posts a signed webhook; gives the status.
    pub async fn webhook(&self, path: &str, body: impl Into<Vec<u8>>) -> u16 {
        let body = body.into();
        let response = self.post(path).header("x-hub-signature-256", signature(&body)).body(body).send();
        let response = response.await.expect("an answer");
        let status = response.status().as_u16();
        assert_eq!(response.bytes().await.expect("a body").len(), 0, "webhooks are answered without a body");
        status
    }

    pub async fn find_conversation(&self, peer: &str) -> Option<ConversationId> {
        self.store.find_conversation(&tenant(), &infobip(), peer).await.expect("the store")
    }

    pub async fn messages(&self, conversation: ConversationId) -> Vec<MessageRow> {
        self.store.messages(&tenant(), conversation, None, 100, None).await.expect("the store")
    }

    /// Starts a worker's part: the next `turns` messages that ring are answered, each by what `reply` says to it.
    pub fn work(&self, turns: usize, reply: impl Fn(i64) -> Vec<Reply> + Send + Sync + 'static) -> JoinHandle<()> {
        let (store, coordination) = (self.store.clone(), self.coordination.clone());
        tokio::spawn(async move {
            let mut listener = coordination.listen("test");
            for _ in 0..turns {
                let bell = loop {
                    if let Some(bell) = listener.next(1).await.expect("bells").pop() {
                        break bell;
                    }
                };
                answer(&store, &coordination, bell.conversation, &reply).await;
                listener.ack(&bell).await.expect("acknowledged");
            }
        })
    }
}

/// Claims a conversation and answers its next message.
pub async fn answer(
    store: &Store,
    coordination: &Coordination,
    conversation: ConversationId,
    reply: &impl Fn(i64) -> Vec<Reply>,
) {
    let lease = store.claim(conversation, Uuid::new_v4()).await.expect("the store").expect("a free conversation");
    let snapshot = store.snapshot(&lease).await.expect("a snapshot");
    let seq = snapshot.done_seq + 1;
    let replies = reply(seq).into_iter().enumerate().map(|(part, reply)| OutboxNew {
        part: i32::try_from(part).expect("few parts"),
        reply: serde_json::to_value(reply).expect("JSON"),
        sent_already: true,
        refused: None,
        question: false,
        file: None,
    });
    let commit = Commit {
        first_seq: seq,
        last_seq: seq,
        steps: Vec::new(),
        replies: replies.collect(),
        begin_send: false,
        state: json!({}),
        audit: None,
        dead_letter: None,
        alarms: store::Alarms::default(),
        opt_outs: Vec::new(),
        opted_at: None,
    };
    let event = |kind: &str, data: Value| FeedEvent { kind: kind.to_owned(), seq, epoch: lease.epoch, data };
    coordination
        .publish(conversation, event("trace", json!({"id": "doc/GET /x", "document": "doc", "candidates": []})));
    store.commit(&lease, &commit).await.expect("committed");
    store.release_idle(&lease).await.expect("released");
    coordination.publish(conversation, event("message", Value::Null));
}

pub fn tenant() -> Tenant {
    Tenant::new("default").expect("a name")
}

pub fn infobip() -> Account {
    "infobip:main".parse().expect("an account")
}

pub fn signature(body: &[u8]) -> String {
    let mac = sign(Algorithm::Sha256, SECRET.as_bytes(), body);
    format!("sha256={}", mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

pub fn text(text: &str) -> Reply {
    Reply { text: text.into(), ..Reply::default() }
}

pub fn question(words: &str) -> Reply {
    let choice = |id: &str, title: &str| Choice { id: id.into(), title: title.into(), description: None };
    Reply { choices: vec![choice("y", "Yes"), choice("n", "No")], ..text(words) }
}

pub fn replies_of(rows: &[MessageRow]) -> usize {
    rows.iter().filter(|row| row.direction == Direction::Outbound).count()
}

/// `name=value` of the session's cookie in an answer.
pub fn session_cookie(response: &reqwest::Response) -> Option<String> {
    let cookie = response.headers().get("set-cookie")?.to_str().ok()?;
    Some(cookie.split(';').next()?.to_owned())
}
