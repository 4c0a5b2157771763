//! The schema goes up and down, one runner at a time, and what was applied is not changed behind our back.

use std::time::Duration;

use store::{Role, Store, StoreConfig, StoreError};

use crate::support::{Db, config};

async fn goes_up_and_down(db: &Db) {
    let store = &db.store;
    assert!(!store.schema_ready().await.expect("an answer"));
    assert!(matches!(store.verify().await, Err(StoreError::SchemaOld)));
    assert!(matches!(store.runnable_count().await, Err(StoreError::SchemaOld)), "a missing table is named so");
    assert_eq!(store.migrate_up().await.expect("up"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    assert_eq!(store.migrate_up().await.expect("up"), [] as [i64; 0]);
    assert!(store.schema_ready().await.expect("an answer"));
    store.verify().await.expect("verified");
    assert_eq!(store.migrate_down(1).await.expect("down"), [13]);
    assert!(!store.schema_ready().await.expect("an answer"));
    assert_eq!(store.migrate_down(99).await.expect("down"), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let left = if db.is_postgres() {
        "select count(*) from information_schema.tables where table_schema = 'public'"
    } else {
        "select count(*) from sqlite_master where type = 'table'"
    };
    assert_eq!(db.number(left.to_owned()).await, 1, "only schema_migrations is left");
    assert_eq!(store.migrate_up().await.expect("up"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    let status = store.migration_status().await.expect("a status");
    assert!(status.iter().all(|row| row.applied && row.unchanged));
}

async fn two_runners_apply_each_once(db: &Db) {
    let runs = (0..3).map(|_| {
        let store = db.store.clone();
        tokio::spawn(async move { store.migrate_up().await })
    });
    let mut applied = Vec::new();
    for run in futures::future::join_all(runs).await {
        applied.extend(run.expect("no panic").expect("up"));
    }
    applied.sort_unstable(); // SQLite's lock is per migration, so runners may take turns
    assert_eq!(applied, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
}

async fn a_changed_or_later_schema_is_refused(db: &Db) {
    db.store.migrate_up().await.expect("up");
    db.exec("insert into schema_migrations values (99, '0099_later', 'x', 1)".to_owned()).await;
    for result in
        [db.store.migrate_up().await.err(), db.store.migrate_down(1).await.err(), db.store.verify().await.err()]
    {
        assert!(matches!(result, Some(StoreError::SchemaNewer { found: 99, known: 13 })), "{result:?}");
    }
    assert!(db.store.schema_ready().await.expect("an answer"), "releases expand first");
    assert!(db.store.migration_status().await.expect("a status").iter().any(|row| row.version == 99 && row.applied));
    db.exec("delete from schema_migrations where version = 99".to_owned()).await;
    db.exec("update schema_migrations set checksum = 'x' where version = 2".to_owned()).await;
    for result in
        [db.store.migrate_up().await.err(), db.store.migrate_down(1).await.err(), db.store.verify().await.err()]
    {
        assert!(matches!(result, Some(StoreError::ChecksumChanged { version: 2, .. })), "{result:?}");
    }
}

macro_rules! on_empty_databases {
    ($($name:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::support::Db::empty_postgres().await).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::support::Db::empty_sqlite().await).await;
            })*
        }
    };
}

on_empty_databases!(goes_up_and_down, two_runners_apply_each_once, a_changed_or_later_schema_is_refused);

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_and_then_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let url = format!("postgres://u:secret@127.0.0.1:{port}/d");
    let config = StoreConfig { connect_wait: Duration::from_millis(300), ..config(&url, Role::Gateway) };
    let error = Store::connect(&config).await.err().expect("nobody listens").to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}/d")) && !error.contains("secret"), "{error}");
}
