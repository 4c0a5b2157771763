//! A database per test, small builders, and direct access for what only time or another program could do.

use domain::{Account, Content, ConversationId, Incoming, OutboxId, Receipt, ReceiptStatus, Tenant};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};
use std::time::Duration;
use store::{Accepted, Alarms, Commit, Lease, OutboxNew, Role, Store, StoreConfig};
use uuid::Uuid;

/// Runs each test function on both engines.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::support::Db::postgres().await).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::support::Db::sqlite().await).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;

enum Server {
    Postgres { _server: testkit::Postgres },
    Sqlite { _file: testkit::Sqlite },
}

pub struct Db {
    pub store: Store,
    pub url: String,
    _server: Server,
}

pub fn config(url: &str, role: Role) -> StoreConfig {
    StoreConfig { url: url.to_owned(), max_connections: 24, connect_wait: Duration::from_secs(5), role }
}

impl Db {
    pub async fn postgres() -> Self {
        let db = Self::empty_postgres().await;
        db.store.migrate_up().await.expect("the schema");
        db
    }

    pub async fn empty_postgres() -> Self {
        let server = testkit::Postgres::shared().await.expect("a PostgreSQL server");
        let url = server.database().await.expect("a database");
        let store = Store::connect(&config(&url, Role::Worker)).await.expect("a connection");
        Self { store, url, _server: Server::Postgres { _server: server } }
    }

    pub async fn sqlite() -> Self {
        let db = Self::empty_sqlite().await;
        db.store.migrate_up().await.expect("the schema");
        db
    }

    pub async fn empty_sqlite() -> Self {
        let file = testkit::Sqlite::new().expect("a folder");
        let url = file.url();
        let store = Store::connect(&config(&url, Role::Worker)).await.expect("a file");
        Self { store, url, _server: Server::Sqlite { _file: file } }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self._server, Server::Postgres { .. })
    }

    /// Runs a statement that no function of the store offers.
    pub async fn exec(&self, sql: String) {
        if self.is_postgres() {
            let mut connection = self.raw_postgres().await;
            connection.execute(AssertSqlSafe(sql)).await.expect("a statement");
            connection.close().await.expect("an end");
        } else {
            let mut connection = self.raw_sqlite().await;
            connection.execute(AssertSqlSafe(sql)).await.expect("a statement");
            connection.close().await.expect("an end");
        }
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: String) -> i64 {
        if self.is_postgres() {
            let mut connection = self.raw_postgres().await;
            connection.fetch_one(AssertSqlSafe(sql)).await.expect("a row").get(0)
        } else {
            let mut connection = self.raw_sqlite().await;
            connection.fetch_one(AssertSqlSafe(sql)).await.expect("a row").get(0)
        }
    }

    pub async fn raw_postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("a connection")
    }

    async fn raw_sqlite(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::connect(&self.url).await.expect("a connection");
        connection.execute("pragma busy_timeout = 5000").await.expect("a pragma");
        connection
    }

    /// An id as a literal of this engine.
    pub fn id(&self, id: Uuid) -> String {
        if self.is_postgres() { format!("'{id}'::uuid") } else { format!("x'{}'", id.simple()) }
    }

    /// Lets every lease run out.
    pub async fn expire(&self, conversation: ConversationId) {
        self.exec(format!("update conversations set lease_until = 0 where id = {}", self.id(conversation.0))).await;
    }

    /// Moves the clock of a row forward, by moving its times back.
    pub async fn age_outbox(&self, id: OutboxId, seconds: i64) {
        let by = seconds * 1_000_000;
        let id = self.id(id.0);
        self.exec(format!("update outbox set sending_at = sending_at - {by}, due_at = due_at - {by} where id = {id}"))
            .await;
    }

    /// Accepts one text; panics on failure.
    pub async fn say(&self, peer: &str, message: &str) -> Accepted {
        self.store.accept(&[text("acme", peer, message)]).await.expect("accepted")[0]
    }

    pub async fn claim(&self, conversation: ConversationId) -> Lease {
        self.store.claim(conversation, Uuid::new_v4()).await.expect("an answer").expect("a lease")
    }

    /// A conversation with one message, claimed.
    pub async fn held(&self) -> Lease {
        let accepted = self.say("p", "m1").await;
        self.claim(accepted.conversation).await
    }

    /// Takes the conversation over, as another worker would after the lease.
    pub async fn take_over(&self, lease: &Lease) -> Lease {
        self.expire(lease.conversation).await;
        self.claim(lease.conversation).await
    }

    /// A conversation with a committed answer of so many parts; the ids of the parts.
    pub async fn answered(&self, parts: i32) -> (Lease, Vec<OutboxId>) {
        let lease = self.held().await;
        let ids = self.store.commit(&lease, &answer(1, 1, parts)).await.expect("a commit").ids;
        (lease, ids)
    }

    pub async fn unsent(&self, lease: &Lease) -> i64 {
        self.store.snapshot(lease).await.expect("a snapshot").unsent
    }

    pub async fn status(&self, id: OutboxId) -> String {
        for status in ["pending", "sending", "sent", "unknown", "held", "failed"] {
            let count = format!("select count(*) from outbox where id = {} and status = '{status}'", self.id(id.0));
            if self.number(count).await == 1 {
                return status.to_owned();
            }
        }
        panic!("no such row");
    }
}

pub fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a name")
}

pub fn account() -> Account {
    "infobip:main".parse().expect("an account")
}

/// The trace that every message comes with.
pub const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub fn text(tenant_name: &str, peer: &str, id: &str) -> Incoming {
    Incoming {
        tenant: tenant(tenant_name),
        account: account(),
        peer: peer.to_owned(),
        user: peer.to_owned(),
        provider: "infobip".to_owned(),
        provider_message_id: id.to_owned(),
        written_at: None,
        contact_name: Some("Ana".to_owned()),
        phone: None,
        quoted: None,
        content: Content::Text { text: format!("text of {id}") },
        traceparent: Some(TRACE.to_owned()),
    }
}

pub fn answer(first_seq: i64, last_seq: i64, parts: i32) -> Commit {
    let replies = (0..parts)
        .map(|part| OutboxNew {
            part,
            reply: json!({ "text": format!("part {part}") }),
            sent_already: false,
            refused: None,
            question: false,
            file: None,
        })
        .collect();
    let state = json!({ "answered": last_seq });
    Commit {
        first_seq,
        last_seq,
        steps: Vec::new(),
        replies,
        begin_send: false,
        state,
        audit: None,
        dead_letter: None,
        alarms: Alarms::default(),
        opt_outs: Vec::new(),
        opted_at: None,
    }
}

pub fn receipt(id: Option<OutboxId>, provider_message_id: &str, status: ReceiptStatus) -> Receipt {
    Receipt {
        provider: "infobip".to_owned(),
        account: account(),
        provider_message_id: provider_message_id.to_owned(),
        outbox_id: id,
        status,
        at: None,
        failure: None,
    }
}
