//! Who works on a conversation, and how it is handed on.

use std::{collections::BTreeSet, time::Duration};

use domain::Micros;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use store::{Seen, StoreError, SweepInput};
use uuid::Uuid;

use crate::support::{Db, answer, on_both_engines};

on_both_engines!(
    concurrent_claims_give_one_winner,
    a_live_lease_keeps_others_out_and_an_old_one_does_not,
    claiming_any_takes_each_conversation_once,
    renewal_brings_back_only_what_is_still_held,
    an_idle_release_is_refused_while_there_is_work,
    a_park_sleeps_until_its_time,
    a_park_is_refused_after_anything_happened,
    a_yield_needs_no_guard_but_its_epoch,
    the_sweeper_rings_only_lost_bells,
);

async fn concurrent_claims_give_one_winner(db: &Db) {
    for round in 0..10 {
        let conversation = db.say(&format!("p{round}"), &format!("m{round}")).await.conversation;
        let claims = (0..16).map(|_| {
            let store = db.store.clone();
            tokio::spawn(async move { store.claim(conversation, Uuid::new_v4()).await })
        });
        let mut won = Vec::new();
        for claim in futures::future::join_all(claims).await {
            won.extend(claim.expect("no panic").expect("an answer"));
        }
        assert_eq!(won.len(), 1, "round {round}");
        assert_eq!(won[0].epoch, 1);
    }
}

async fn a_live_lease_keeps_others_out_and_an_old_one_does_not(db: &Db) {
    let lease = db.held().await;
    assert_eq!(db.store.claim(lease.conversation, Uuid::new_v4()).await.expect("an answer"), None);
    assert_eq!(db.store.runnable_count().await.expect("a count"), 0);
    db.expire(lease.conversation).await;
    assert_eq!(db.store.runnable_count().await.expect("a count"), 1);
    assert_eq!(db.claim(lease.conversation).await.epoch, 2);
}

async fn claiming_any_takes_each_conversation_once(db: &Db) {
    for i in 0..20 {
        db.say(&format!("p{i}"), &format!("m{i}")).await;
    }
    let workers = (0..4).map(|_| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            for _ in 0..10 {
                mine.extend(store.claim_any(Uuid::new_v4(), 3).await.expect("an answer"));
            }
            mine
        })
    });
    let mut all = Vec::new();
    for worker in futures::future::join_all(workers).await {
        all.extend(worker.expect("no panic"));
    }
    let different: BTreeSet<_> = all.iter().map(|lease| lease.conversation).collect();
    assert_eq!((all.len(), different.len()), (20, 20));
    assert!(all.iter().all(|lease| lease.epoch == 1));
    assert_eq!(db.store.claim_any(Uuid::new_v4(), 3).await.expect("an answer"), []);
}

async fn renewal_brings_back_only_what_is_still_held(db: &Db) {
    let owner = Uuid::new_v4();
    let mut held = Vec::new();
    for i in 0..3 {
        let conversation = db.say(&format!("p{i}"), &format!("m{i}")).await.conversation;
        let lease = db.store.claim(conversation, owner).await.expect("an answer").expect("a lease");
        held.push((conversation, lease.epoch));
    }
    db.expire(held[0].0).await;
    db.claim(held[0].0).await; // lost to another worker
    db.expire(held[1].0).await; // run out, but nobody came
    let stranger = db.store.renew(&held, Uuid::new_v4()).await.expect("an answer");
    assert_eq!(stranger, []);
    let mut renewed = db.store.renew(&held, owner).await.expect("an answer");
    renewed.sort();
    let mut expected = vec![held[1].0, held[2].0];
    expected.sort();
    assert_eq!(renewed, expected);
    assert_eq!(db.store.claim(held[1].0, Uuid::new_v4()).await.expect("an answer"), None, "it lives again");
}

async fn an_idle_release_is_refused_while_there_is_work(db: &Db) {
    let lease = db.held().await;
    assert!(!db.store.release_idle(&lease).await.expect("an answer"), "a message waits");
    let ids = db.store.commit(&lease, &answer(1, 1, 1)).await.expect("a commit").ids;
    assert!(!db.store.release_idle(&lease).await.expect("an answer"), "an answer waits");
    let attempt = db.store.begin_send(&lease, ids[0]).await.expect("an answer").expect("an attempt");
    let sent = store::Outcome::Sent { provider_message_id: None };
    assert!(db.store.record_outcome(lease.conversation, ids[0], attempt, &sent).await.expect("recorded"));
    assert!(db.store.release_idle(&lease).await.expect("an answer"));
    db.say("p", "m2").await;
    assert_eq!(db.claim(lease.conversation).await.epoch, 2);
    assert!(!db.store.release_idle(&lease).await.expect("an answer"), "another epoch");

    let other = db.take_over(&lease).await;
    db.store.commit(&other, &answer(2, 2, 0)).await.expect("a commit");
    assert!(!db.store.release_idle(&lease).await.expect("an answer"), "not its own to release");
    assert!(db.store.release_idle(&other).await.expect("an answer"));
}

/// What a park compares.
async fn seen(db: &Db, lease: &store::Lease) -> Seen {
    let row = db.store.snapshot(lease).await.expect("a snapshot");
    Seen { next_seq: row.next_seq, wake_at: row.wake_at }
}

async fn a_park_sleeps_until_its_time(db: &Db) {
    let lease = db.held().await;
    let now = db.store.now().await.expect("a clock");
    assert!(db.store.park(&lease, now + Duration::from_secs(60), seen(db, &lease).await).await.expect("an answer"));
    assert_eq!(db.store.claim(lease.conversation, Uuid::new_v4()).await.expect("an answer"), None);
    assert_eq!(db.store.runnable_count().await.expect("a count"), 0);
    db.say("p", "m2").await; // wakes it at once
    let lease = db.claim(lease.conversation).await;
    assert!(db.store.park(&lease, now, seen(db, &lease).await).await.expect("an answer"));
    assert_eq!(db.claim(lease.conversation).await.epoch, 3);
}

async fn a_park_is_refused_after_anything_happened(db: &Db) {
    let lease = db.held().await;
    let before = seen(db, &lease).await;
    let due = before.wake_at + Duration::from_secs(60);
    db.say("p", "m2").await;
    assert!(!db.store.park(&lease, due, before).await.expect("an answer"), "a new message");
    let same_moment = Seen { wake_at: seen(db, &lease).await.wake_at, ..before };
    assert!(!db.store.park(&lease, due, same_moment).await.expect("an answer"), "a message of the same moment");

    let before = seen(db, &lease).await;
    let ids = db.store.commit(&lease, &answer(1, 1, 1)).await.expect("a commit").ids;
    let attempt = db.store.begin_send(&lease, ids[0]).await.expect("an answer").expect("an attempt");
    let unknown = store::Outcome::Unknown;
    // The clock of SQLite has milliseconds: let the wake-up have another one.
    db.exec("update conversations set wake_at = wake_at - 5000".to_owned()).await;
    let before = Seen { wake_at: Micros(before.wake_at.0 - 5000), ..before };
    assert!(db.store.record_outcome(lease.conversation, ids[0], attempt, &unknown).await.expect("recorded"));
    assert!(!db.store.park(&lease, due, before).await.expect("an answer"), "an outcome");

    let now = seen(db, &lease).await;
    let other = db.take_over(&lease).await;
    assert!(!db.store.park(&lease, due, now).await.expect("an answer"), "another epoch");
    assert!(db.store.park(&other, due, now).await.expect("an answer"));
}

async fn a_yield_needs_no_guard_but_its_epoch(db: &Db) {
    let lease = db.held().await;
    db.say("p", "m2").await;
    assert!(db.store.yield_now(&lease).await.expect("an answer"));
    let other = db.claim(lease.conversation).await;
    assert!(!db.store.yield_now(&lease).await.expect("an answer"));
    assert_eq!(db.store.claim(lease.conversation, Uuid::new_v4()).await.expect("an answer"), None);
    assert!(db.store.yield_now(&other).await.expect("an answer"));
}

async fn the_sweeper_rings_only_lost_bells(db: &Db) {
    let conversation = db.say("p", "m1").await.conversation;
    let input = SweepInput { limit: 10, lag: Some(3), ..SweepInput::default() };
    let now = db.store.now().await.expect("a clock");
    let sweep = |input: SweepInput| async move {
        db.store.sweep(&input).await.expect("an answer").expect("nobody else sweeps")
    };
    assert_eq!(sweep(input).await, [], "its bell may still be in the queue");
    assert_eq!(sweep(SweepInput { last_delivered_at: Some(now), ..input }).await, [], "nor is a younger one proof");
    let later = Some(now + Duration::from_secs(3));
    assert_eq!(sweep(SweepInput { last_delivered_at: later, ..input }).await, [conversation]);
    let later = Some(db.store.now().await.expect("a clock"));
    assert_eq!(sweep(SweepInput { last_delivered_at: later, ..input }).await, [], "it was just rung");
    assert_eq!(sweep(SweepInput { lag: Some(0), ..input }).await, [conversation]);
    assert_eq!(sweep(SweepInput { recreated: true, ..input }).await, [conversation]);
    let lease = db.claim(conversation).await;
    assert_eq!(sweep(SweepInput { recreated: true, ..input }).await, [], "somebody works on it");
    db.expire(lease.conversation).await;
    assert_eq!(sweep(SweepInput { recreated: true, ..input }).await, [conversation]);
    assert_eq!(sweep(SweepInput { recreated: true, limit: 0, ..input }).await, []);
}

/// Waits until another session of this database waits for a lock; at most 10 s.
pub async fn until_somebody_waits(watcher: &mut PgConnection) {
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut *watcher)
        .await
        .expect("a count");
        if waiting > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody came to wait for the lock");
}

/// The wake-up that a look into `inbox` loses: a message commits while the release waits for the row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_that_commits_before_an_idle_release_is_never_missed() {
    let db = Db::postgres().await;
    let (mut gateway, mut watcher) = (db.raw_postgres().await, db.raw_postgres().await);
    // On a busy machine the lock may be waited for in vain: then another conversation is tried.
    for round in 0..10 {
        let peer = format!("p{round}");
        let lease = db.claim(db.say(&peer, &peer).await.conversation).await;
        db.store.commit(&lease, &answer(1, 1, 0)).await.expect("a commit");
        let id = db.id(lease.conversation.0);
        let accept = format!(
            "begin; update conversations set next_seq = next_seq + 1 where id = {id}; \
             insert into inbox select conversation, 2, tenant, person, provider, account, 'next {peer}', payload, accepted_at \
             from inbox where conversation = {id}"
        );
        gateway.execute(AssertSqlSafe(accept)).await.expect("a message");
        let (store, held) = (db.store.clone(), lease.clone());
        let release = tokio::spawn(async move { store.release_idle(&held).await });
        until_somebody_waits(&mut watcher).await;
        gateway.execute("commit").await.expect("a commit");
        match release.await.expect("no panic") {
            Err(StoreError::Busy) => {}
            released => return assert!(!released.expect("an answer"), "the holder must see the message"),
        }
    }
    panic!("the lock was never had in time");
}

/// Who does not sweep hears of it: what only its process knows is not lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_beside_another_is_none() {
    let db = Db::postgres().await;
    let conversation = db.say("p", "m1").await.conversation;
    let mut other = db.raw_postgres().await;
    other.execute("begin; select pg_advisory_xact_lock(x'7377656570'::bigint)").await.expect("the lock");
    let recreated = SweepInput { recreated: true, limit: 5, ..SweepInput::default() };
    assert_eq!(db.store.sweep(&recreated).await.expect("no error"), None);
    other.execute("rollback").await.expect("an end");
    assert_eq!(db.store.sweep(&recreated).await.expect("no error"), Some(vec![conversation]));
}

/// A row lock that is not free in time is a failed claim, no error; the sweeper comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_behind_a_lock_is_a_failed_claim() {
    let db = Db::postgres().await;
    let conversation = db.say("p", "m1").await.conversation;
    let mut stopped = db.raw_postgres().await;
    stopped.execute("begin").await.expect("a transaction");
    stopped.execute("update conversations set epoch = epoch").await.expect("a lock");
    assert_eq!(db.store.claim(conversation, Uuid::new_v4()).await.expect("no error"), None);
    assert_eq!(db.store.claim_any(Uuid::new_v4(), 5).await.expect("no error"), [], "locked rows are skipped");
    let recreated = SweepInput { recreated: true, limit: 5, ..SweepInput::default() };
    assert_eq!(db.store.sweep(&recreated).await.expect("no error"), Some(Vec::new()), "locked rows are skipped");
    stopped.execute("rollback").await.expect("an end");
    assert_eq!(db.claim(conversation).await.epoch, 1);
}
