//! What is no message is kept as it came, and read page by page by the tenant alone.

use sqlx::{AssertSqlSafe, Executor as _};
use store::{Why, unreadable::SHOWN_BYTES_MAX};
use uuid::Uuid;

use crate::support::{Db, account, on_both_engines, tenant};

on_both_engines!(
    bodies_are_kept_as_they_came,
    events_and_what_cannot_be_read_are_listed_apart_page_by_page,
    a_long_body_is_not_in_the_list,
    each_list_is_an_index_scan,
);

async fn bodies_are_kept_as_they_came(db: &Db) {
    let acme = tenant("acme");
    let why = Why::Unread("no JSON\0".to_owned());
    db.store.store_unreadable(&acme, &account(), b"\0\xff{", &why).await.expect("kept");
    let kept = db.store.list_unreadable(&acme, false, None, 10).await.expect("a list");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body.as_deref(), Some(&b"\0\xff{"[..]));
    assert_eq!((kept[0].bytes, &kept[0].account), (3, &account()));
    assert_eq!(kept[0].why, Why::Unread("no JSON".to_owned()));
    assert!(!format!("{kept:?}").contains("body"), "a log line holds no body");
}

async fn events_and_what_cannot_be_read_are_listed_apart_page_by_page(db: &Db) {
    let (acme, other) = (tenant("acme"), tenant("other"));
    for number in 0..3 {
        let event = Why::Event(format!("kind-{number}"));
        db.store.store_unreadable(&acme, &account(), b"{}", &event).await.expect("kept");
        let unread = Why::Unread(format!("eventful {number}"));
        db.store.store_unreadable(&acme, &account(), b"{}", &unread).await.expect("kept");
    }
    db.store.store_unreadable(&other, &account(), b"{}", &Why::Event("theirs".to_owned())).await.expect("kept");
    let list = async |events, before: Option<Uuid>| {
        let page = db.store.list_unreadable(&acme, events, before, 2).await.expect("a list");
        (page.last().map(|last| last.id), page.into_iter().map(|one| one.why).collect::<Vec<_>>())
    };
    let event = |number: u32| Why::Event(format!("kind-{number}"));
    let (last, first) = list(true, None).await;
    assert_eq!(first, [event(2), event(1)]);
    assert_eq!(list(true, last).await.1, [event(0)]);
    let unread = |number: u32| Why::Unread(format!("eventful {number}"));
    assert_eq!(list(false, None).await.1, [unread(2), unread(1)]);
}

async fn a_long_body_is_not_in_the_list(db: &Db) {
    let acme = tenant("acme");
    for more in [0, 1] {
        let body = vec![b' '; usize::try_from(SHOWN_BYTES_MAX).expect("small") + more];
        db.store.store_unreadable(&acme, &account(), &body, &Why::Event("long".to_owned())).await.expect("kept");
    }
    let kept = db.store.list_unreadable(&acme, true, None, 10).await.expect("a list");
    let seen: Vec<_> = kept.iter().map(|one| (one.bytes - SHOWN_BYTES_MAX, one.body.is_some())).collect();
    assert_eq!(seen, [(1, false), (0, true)]);
}

/// PostgreSQL turns a comparison of a comparison round, and an index of it would serve one of the lists alone.
async fn each_list_is_an_index_scan(db: &Db) {
    if !db.is_postgres() {
        return;
    }
    let mut connection = db.raw_postgres().await;
    connection.execute("set enable_seqscan = off").await.expect("set");
    for kind in [0, 1] {
        let list = format!(
            "explain select id from unreadable where tenant = 'acme' \
             and cast(substr(reason, 1, 6) = 'event ' as integer) = {kind} and id < '{}' order by id desc limit 10",
            Uuid::max()
        );
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(list)).fetch_all(&mut connection).await.expect("a plan");
        let plan = plan.join("\n");
        assert!(plan.contains("unreadable_by_kind") && !plan.contains("Sort") && !plan.contains("Filter"), "{plan}");
    }
}
