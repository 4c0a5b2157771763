//! What the machine does to a database is no fault of a message: it waits for another try.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use store::StoreError;

use crate::support::{Db, config};

#[tokio::test]
async fn a_full_or_unwritable_file_is_not_the_statements_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("full.db").display());
    let mut file = SqliteConnection::connect(&url).await.expect("a file");
    file.execute("create table t (x blob); pragma max_page_count = 4").await.expect("a table");
    let full = file.execute("insert into t values (zeroblob(1000000))").await.expect_err("full");
    check(full, "full");
    file.execute("pragma query_only = 1").await.expect("a pragma");
    check(file.execute("delete from t").await.expect_err("read only"), "read only");
    let nowhere = format!("sqlite:{}", folder.path().join("no/such/folder.db").display());
    check(SqliteConnection::connect(&nowhere).await.expect_err("no file"), "cannot open");
    let wrong: StoreError = file.execute("select 1 from").await.expect_err("no sentence").into();
    assert!(!wrong.is_retryable(), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_postgresqls_machine_are_not_the_statements_fault() {
    let db = Db::postgres().await;
    let mut connection = db.raw_postgres().await;
    for code in ["53100", "53200", "58030", "58P01"] {
        let raise = format!("do $$ begin raise exception 'x' using errcode = '{code}'; end $$");
        check(connection.execute(AssertSqlSafe(raise)).await.expect_err("raised"), code);
    }
}

fn check(error: sqlx::Error, what: &str) {
    let error = StoreError::from(error);
    assert!(matches!(error, StoreError::Unavailable(_)), "{what}: {error:?}");
    assert!(error.is_retryable(), "{what}");
}

/// A probe that waited for the one writer would call a busy program dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_waits_for_no_writer() {
    let db = Db::sqlite().await;
    let store = store::Store::connect(&config(&db.url, store::Role::Worker)).await.expect("a connection");
    let mut writer = SqliteConnection::connect(&db.url).await.expect("a connection");
    writer.execute("begin immediate").await.expect("the lock");
    // The one writing connection waits for the file's lock.
    let mut blocked = tokio::spawn({
        let store = store.clone();
        async move { store.accept(&[crate::support::text("acme", "p", "m1")]).await }
    });
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut blocked).await.is_err(), "it waits");
    tokio::time::timeout(Duration::from_millis(500), store.ping()).await.expect("at once").expect("there");
    writer.execute("rollback").await.expect("an end");
    blocked.await.expect("no panic").expect("accepted");
}

/// Connections that have just worked wait for the next statement instead of going back to the pool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_many_and_is_replaced_when_the_server_ends_it() {
    let db = Db::postgres().await;
    let config = store::StoreConfig { max_connections: 1, ..config(&db.url, store::Role::Worker) };
    let store = store::Store::connect(&config).await.expect("a connection");
    let many: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let store = store.clone();
                async move { store.now().await }
            })
        })
        .collect();
    for one in many {
        one.await.expect("no panic").expect("an answer");
    }
    let mut other = db.raw_postgres().await;
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
               where datname = current_database() and application_name = 'dragoman worker'";
    other.execute(end).await.expect("ended");
    // On a slow machine it has waited too long to be believed, and another one is taken at once.
    assert!(store.now().await.map_or_else(|error| error.is_retryable(), |_| true), "its connection is gone");
    store.now().await.expect("another one");
    store.ping().await.expect("there");
    tokio::time::timeout(Duration::from_secs(5), store.close()).await.expect("what waits is closed, too");
    assert!(store.now().await.is_err(), "closed");
}
