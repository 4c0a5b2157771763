//! One bench for all tests: a store, a doorbell, the fakes, and workers that can be started and killed.

use std::{
    future::Future,
    net::SocketAddr,
    time::{Duration, Instant},
};

use conversation_worker::{App, Config, DEFAULTS, Parts};
use coordination::Coordination;
use domain::{Content, ConversationId, Incoming, Tenant};
use service_kit::{
    Readiness,
    config::{Args, load},
};
use sqlx::ConnectOptions as _;
use store::{
    Accepted, Direction, InboxRow, JournalRow, Lease, Role, Snapshot, Store, StoreConfig, history::ConversationRow,
};
use testkit::{Postgres, Sqlite};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{backend::Backend, catalog::Catalog, platform::Platform, script};

/// Longest that a test waits for something to become true.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which database.
#[derive(Clone, Copy, Debug)]
pub enum Engine {
    /// A file of its own.
    Sqlite,
    /// A database of its own.
    Postgres,
}

/// Everything around a worker.
pub struct Bench {
    /// The store, seen from outside.
    pub store: Store,
    /// Shared by all workers of the test.
    pub coordination: Coordination,
    /// The fake platform.
    pub platform: Platform,
    /// The fake backend.
    pub backend: Backend,
    /// The fake catalogue.
    pub catalog: Catalog,
    url: String,
    variables: Vec<(String, String)>,
    _folder: tempfile::TempDir,
    _sqlite: Option<Sqlite>,
    _postgres: Option<Postgres>,
}

/// A running worker, in a runtime of its own, so that its death is complete.
pub struct Running {
    /// Where its gRPC server is.
    pub grpc: SocketAddr,
    /// What it says of itself.
    pub readiness: Readiness,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    runtime: Runtime,
}

impl Running {
    /// As SIGKILL: nothing is finished, and nothing of it runs when this returns.
    pub async fn kill(self) {
        assert!(!self.task.is_finished(), "it still ran");
        end(self.runtime).await;
    }

    /// As SIGTERM.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
        end(self.runtime).await;
    }
}

async fn end(runtime: Runtime) {
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
}

impl Bench {
    /// A fresh one.
    pub async fn new(engine: Engine) -> Self {
        Self::with(engine, &[]).await
    }

    /// A fresh one with settings of its own, by variable.
    pub async fn with(engine: Engine, variables: &[(&str, &str)]) -> Self {
        Self::with_account(engine, variables, "").await
    }

    /// As [`Bench::with`], with lines of its own among the account's settings.
    pub async fn with_account(engine: Engine, variables: &[(&str, &str)], account: &str) -> Self {
        service_kit::install_crypto();
        let (mut sqlite, mut postgres) = (None, None);
        let url = match engine {
            Engine::Sqlite => sqlite.insert(Sqlite::new().unwrap()).url(),
            Engine::Postgres => postgres.insert(Postgres::shared().await.unwrap()).database().await.unwrap(),
        };
        let (platform, backend, catalog) = (Platform::default(), Backend::default(), Catalog::default());
        let tenant = |rest: &str| format!("CONVERSATION_WORKER__TENANTS__DEFAULT__{rest}");
        let mut all = vec![
            ("CONVERSATION_WORKER__CATALOG__URL".to_owned(), catalog.start().await),
            ("CONVERSATION_WORKER__WORKER__BURST".to_owned(), "0s".to_owned()),
            ("CONVERSATION_WORKER__DATABASE__URL".to_owned(), url.clone()),
            (tenant("OUTBOUND_UNKNOWN"), "resend".to_owned()),
        ];
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let file = format!(
            "[grpc.auth]\nmode = \"off\"\ntenant = \"default\"\n\
             [tenants.default.accounts.\"infobip:main\"]\nchannel = \"infobip\"\nbase_url = \"{}\"\napi_key = \"fake-api-key-1\"\n\
             sender = \"385990000000\"\nsimulated = true\n{account}\n\
             [tenants.default.documents.demo]\nsource = \"demo.yaml\"\nbackend_url = \"{}\"\nallow_private_hosts = true\n",
            platform.start().await,
            backend.start().await,
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.toml");
        std::fs::write(&path, file).unwrap();
        all.push(("CONFIG_FILE".to_owned(), path.display().to_string()));
        let store = connect(&url).await;
        store.migrate_up().await.unwrap();
        Self {
            store,
            coordination: Coordination::memory(),
            platform,
            backend,
            catalog,
            url,
            variables: all,
            _folder: folder,
            _sqlite: sqlite,
            _postgres: postgres,
        }
    }

    fn config(&self) -> Config {
        let path = self.variables.iter().find(|(name, _)| name == "CONFIG_FILE").map(|(_, path)| path.into());
        let args = Args { config: path, ..Args::default() };
        load("conversation-worker", DEFAULTS, &args, self.variables.iter().cloned()).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Sets a variable for the workers that are started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts a worker with a store of its own.
    pub async fn start(&self) -> Running {
        self.start_as(faults::Process::default()).await
    }

    /// Starts a worker that passes points as `process`.
    pub async fn start_as(&self, process: faults::Process) -> Running {
        #[cfg(not(feature = "faults"))]
        let _ = process;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (config, url, coordination) = (self.config(), self.url.clone(), self.coordination.clone());
        let (shutdown, (address, bound)) = (CancellationToken::new(), oneshot::channel());
        let stop = shutdown.clone();
        let task = runtime.spawn(async move {
            let listen = async || TcpListener::bind("127.0.0.1:0").await;
            let (grpc, ops) = (listen().await?, listen().await?);
            let store = connect(&url).await;
            #[cfg(feature = "faults")]
            let store = store.of_process(process);
            let parts = Parts { store, coordination };
            let app = App::new(config, parts)?.with_decide(script::decide());
            address.send((grpc.local_addr()?, app.readiness().clone())).ok();
            app.serve(grpc, ops, stop).await
        });
        let (grpc, readiness) = bound.await.unwrap();
        Running { grpc, readiness, shutdown, task, runtime }
    }

    /// Starts the worker's program as a process of its own, with these variables besides.
    #[cfg(feature = "faults")]
    pub fn spawn(&self, variables: &[(&str, &str)]) -> tokio::process::Child {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_conversation-worker"));
        for (name, value) in &self.variables {
            if name == "CONFIG_FILE" {
                program.args(["--config", value]);
            } else {
                program.env(name, value);
            }
        }
        let anywhere = ["OPS", "GRPC"].map(|server| (format!("CONVERSATION_WORKER__{server}__LISTEN"), "127.0.0.1:0"));
        program.envs(anywhere).envs(variables.iter().copied());
        program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).kill_on_drop(true);
        program.spawn().unwrap()
    }

    /// Accepts a text of `peer` under the platform's id and rings, as the gateway does.
    pub async fn say(&self, peer: &str, id: &str, text: &str) -> Accepted {
        let accepted = self.store.accept(&[incoming(peer, id, text)]).await.unwrap()[0];
        if accepted.ring {
            self.coordination.ring(accepted.conversation, None);
        }
        accepted
    }

    /// Accepts a file of `peer`, with words that are the script's, and rings.
    pub async fn send_file(&self, peer: &str, id: &str, url: &str, caption: &str) -> Accepted {
        let content =
            Content::Media { media: "image".to_owned(), url: Some(url.to_owned()), caption: Some(caption.to_owned()) };
        let accepted = self.store.accept(&[Incoming { content, ..incoming(peer, id, "") }]).await.unwrap()[0];
        self.coordination.ring(accepted.conversation, None);
        accepted
    }

    /// The conversation's counters.
    pub async fn conversation(&self, id: ConversationId) -> ConversationRow {
        self.store.conversation(&tenant(), id).await.unwrap().unwrap()
    }

    /// Waits until everything that was accepted is answered and sent.
    pub async fn quiet(&self, id: ConversationId) {
        eventually("answered and sent", async || {
            let row = self.conversation(id).await;
            row.next_seq == row.done_seq && row.unsent == 0
        })
        .await;
    }

    /// Our texts as they stand in the history, with their status.
    pub async fn told(&self, id: ConversationId) -> Vec<(String, String)> {
        let rows = self.store.messages(&tenant(), id, None, 10_000, Some(Direction::Outbound)).await.unwrap();
        rows.into_iter().map(|row| (row.body["text"].as_str().unwrap_or_default().to_owned(), row.status)).collect()
    }

    /// The journal of the last turn.
    pub async fn steps(&self, id: ConversationId) -> Vec<JournalRow> {
        self.store.last_steps(&tenant(), id, 1).await.unwrap()
    }

    /// A lease that nobody has: enough to read with.
    pub fn reader(&self, id: ConversationId) -> Lease {
        let account = "infobip:main".parse().unwrap();
        Lease { conversation: id, tenant: tenant(), account, peer: String::new(), epoch: 0, owner: Uuid::nil() }
    }

    /// All that was accepted in a conversation.
    pub async fn inbox(&self, id: ConversationId) -> Vec<InboxRow> {
        self.store.inbox_range(&self.reader(id), 1, 100).await.unwrap()
    }

    /// The conversation's row and state.
    pub async fn snapshot(&self, id: ConversationId) -> Snapshot {
        self.store.snapshot(&self.reader(id)).await.unwrap()
    }

    /// Takes the conversation as another worker would.
    pub async fn claim(&self, id: ConversationId) -> Lease {
        self.store.claim(id, Uuid::now_v7()).await.unwrap().unwrap()
    }

    /// Changes rows behind everybody's back.
    pub async fn meddle(&self, sql: &'static str) {
        assert!(self.changed_by(sql).await > 0, "{sql} changed nothing");
    }

    /// Rows that a statement changes.
    pub async fn changed_by(&self, sql: &'static str) -> u64 {
        if self.store.is_postgres() {
            let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
        } else {
            let options: sqlx::sqlite::SqliteConnectOptions = self.url.parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
        }
    }
}

async fn connect(url: &str) -> Store {
    let config = StoreConfig {
        url: url.to_owned(),
        max_connections: 5,
        connect_wait: Duration::from_secs(10),
        role: Role::Worker,
    };
    Store::connect(&config).await.unwrap()
}

/// The tenant of all tests.
pub fn tenant() -> Tenant {
    Tenant::new("default").unwrap()
}

/// A text as the platform brings it.
pub fn incoming(peer: &str, id: &str, text: &str) -> Incoming {
    Incoming {
        tenant: tenant(),
        account: "infobip:main".parse().unwrap(),
        peer: peer.to_owned(),
        user: peer.to_owned(),
        provider: "infobip".to_owned(),
        provider_message_id: id.to_owned(),
        written_at: None,
        contact_name: None,
        phone: Some(peer.to_owned()),
        quoted: None,
        content: Content::Text { text: text.to_owned() },
        traceparent: None,
    }
}

/// Waits until `condition` holds; fails the test when it does not in time.
pub async fn eventually<F, R>(what: &str, mut condition: F)
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
