//! A running admin service with its database.

use std::{net::SocketAddr, time::Duration};

use admin_service::{App, Config, DEFAULTS, Listeners, Parts, SERVICE};
use coordination::Coordination;
use domain::{Account, Content, ConversationId, Incoming, Tenant};
use proto::admin::v1::admin_service_client::AdminServiceClient;
use serde_json::{Value, json};
use service_kit::{
    config::{Args, load},
    grpc::{Client, ClientConfig, channel},
};
use store::{Commit, DeadLetterNew, Role, Store, StoreConfig};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub struct Running {
    pub store: Store,
    pub coordination: Coordination,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub ops: SocketAddr,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<anyhow::Result<()>>,
    _database: Database,
}

/// Where a service keeps its data; it goes away with this.
enum Database {
    Sqlite { _file: testkit::Sqlite },
    Postgres { _server: testkit::Postgres },
}

/// Runs each test function on both engines, which it starts itself: `start(Engine::.., settings)`.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Engine::Postgres).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Engine::Sqlite).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// On SQLite, from loopback unless `addresses` says otherwise.
pub async fn start(addresses: &[&str]) -> Running {
    match addresses {
        [] => start_with(Engine::Sqlite, &[]).await,
        _ => start_with(Engine::Sqlite, &[("admin.allowed_addresses", json!(addresses))]).await,
    }
}

/// With keys `acme-key`, `other-key` (admin) and `narrow-key` (catalog only) in the database, and settings by their
/// path.
pub async fn start_with(engine: Engine, settings: &[(&str, Value)]) -> Running {
    service_kit::install_crypto();
    let (url, database) = match engine {
        Engine::Sqlite => {
            let file = testkit::Sqlite::new().expect("a folder");
            (file.url(), Database::Sqlite { _file: file })
        }
        Engine::Postgres => {
            let server = testkit::Postgres::shared().await.expect("a PostgreSQL server");
            (server.database().await.expect("a database"), Database::Postgres { _server: server })
        }
    };
    let store = Store::connect(&StoreConfig {
        url,
        max_connections: 4,
        connect_wait: Duration::from_secs(5),
        role: Role::Admin,
    })
    .await
    .expect("a database");
    store.migrate_up().await.expect("the schema");
    for (tenant, key, service) in
        [("acme", "acme-key", "admin"), ("other", "other-key", "*"), ("acme", "narrow-key", "catalog")]
    {
        let hash = store::api_keys::key_hash(key);
        store.add_api_key(&self::tenant(tenant), key, &hash, &[service.to_owned()], None).await.expect("a key");
    }
    let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    let overrides = settings.iter().map(|(name, value)| (path(name), value.clone())).collect();
    let args = Args { overrides, ..Args::default() };
    let config: Config = load(SERVICE, DEFAULTS, &args, std::iter::empty()).expect("valid");
    let coordination = Coordination::memory();
    let [grpc, http, ops] = [free().await, free().await, free().await];
    let address = |listener: &TcpListener| listener.local_addr().expect("bound");
    let (grpc_at, http_at, ops_at) = (address(&grpc), address(&http), address(&ops));
    let app = App::new(config, Parts { store: store.clone(), coordination: coordination.clone() });
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(app.serve(Listeners { grpc, http: Some(http), ops }, shutdown.clone()));
    Running { store, coordination, grpc: grpc_at, http: http_at, ops: ops_at, shutdown, served, _database: database }
}

impl Running {
    pub fn client(&self, key: &str) -> AdminServiceClient<Client> {
        let config = ClientConfig { api_key: Some(key.into()), ..ClientConfig::new(format!("http://{}", self.grpc)) };
        AdminServiceClient::new(channel(&config).expect("a client"))
    }

    /// A message of the tenant that was given up; its conversation.
    pub async fn dead_letter(&self, tenant: &str, message: &str, unknown_effect: bool) -> ConversationId {
        self.given_up(incoming(tenant, message), "the backend never answered", unknown_effect).await
    }

    /// The same for a message of one's own.
    pub async fn given_up(&self, incoming: Incoming, reason: &str, unknown_effect: bool) -> ConversationId {
        let accepted = self.store.accept(&[incoming]).await.expect("accepted")[0];
        let lease = self.store.claim(accepted.conversation, Uuid::new_v4()).await.expect("an answer").expect("a lease");
        let commit = Commit {
            first_seq: accepted.seq,
            last_seq: accepted.seq,
            steps: Vec::new(),
            replies: Vec::new(),
            begin_send: false,
            state: json!({}),
            audit: None,
            dead_letter: Some(DeadLetterNew { reason: reason.to_owned(), attempts: 5, unknown_effect }),
            alarms: store::Alarms::default(),
            opt_outs: Vec::new(),
            opted_at: None,
        };
        self.store.commit(&lease, &commit).await.expect("committed");
        assert!(self.store.release_idle(&lease).await.expect("an answer"));
        accepted.conversation
    }
}

pub fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a name")
}

pub fn incoming(tenant: &str, message: &str) -> Incoming {
    Incoming {
        tenant: self::tenant(tenant),
        account: Account::new("infobip", format!("{tenant}-main")).expect("an account"),
        peer: message.to_owned(),
        user: message.to_owned(),
        provider: "infobip".to_owned(),
        provider_message_id: message.to_owned(),
        written_at: None,
        contact_name: None,
        phone: None,
        quoted: None,
        content: Content::Text { text: "hello".to_owned() },
        traceparent: None,
    }
}

pub async fn free() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}
