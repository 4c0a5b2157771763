//! A worker that lost its lease changes nothing any more, but for the outcome of what it really sent.

use domain::Micros;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _};
use store::{ReportNew, Seen, Step, StepKind, StepStatus, StoreError, UnknownPolicy};

use crate::{
    lease::until_somebody_waits,
    support::{Db, answer, on_both_engines},
};

on_both_engines!(every_fenced_write_is_refused_after_another_epoch, a_fenced_commit_leaves_no_trace);

fn call(n: i32) -> Step {
    Step {
        n,
        kind: StepKind::Call,
        request_hash: "h".to_owned(),
        idempotency_key: None,
        status: StepStatus::Started,
        request: json!({}),
        result: None,
        format: 1,
    }
}

async fn every_fenced_write_is_refused_after_another_epoch(db: &Db) {
    let (old, ids) = db.answered(1).await;
    db.say("p", "m2").await;
    db.store.journal(&old, 2, &[Step::range(2)]).await.expect("journaled");
    db.store.journal(&old, 2, &[call(1)]).await.expect("journaled");
    let row = db.store.snapshot(&old).await.expect("a snapshot").first_unsent.expect("a row");
    let new = db.take_over(&old).await;

    let store = &db.store;
    let seen = store.snapshot(&old).await.expect("a snapshot");
    let as_seen = Seen { next_seq: seen.next_seq, wake_at: seen.wake_at };
    let report = ReportNew {
        person: store.inbox_range(&new, 2, 1).await.expect("rows")[0].person,
        question: String::new(),
        answer: String::new(),
        retrieved: json!({}),
        category: None,
    };
    let refused = [
        ("begin_attempt", store.begin_attempt(&old, 2, None).await.err()),
        ("reset_attempts", store.reset_attempts(&old, 2).await.err()),
        ("journal", store.journal(&old, 2, &[call(2)]).await.err()),
        ("finish_step", store.finish_step(&old, 2, 1, &json!(1)).await.err()),
        ("rewrite_range", store.rewrite_range(&old, 2, &Step::range(2)).await.err()),
        ("file_report", store.file_report(&old, 2, &report).await.err()),
        ("commit", store.commit(&old, &answer(2, 2, 1)).await.err()),
        ("begin_send", store.begin_send(&old, ids[0]).await.err()),
        ("resolve_unknown", store.resolve_unknown(&old, &row, UnknownPolicy::Resend).await.err()),
    ];
    for (what, error) in refused {
        assert!(matches!(error, Some(StoreError::Fenced)), "{what}: {error:?}");
    }
    for (what, kept) in [
        ("release_idle", store.release_idle(&old).await),
        ("park", store.park(&old, Micros(0), as_seen).await),
        ("yield_now", store.yield_now(&old).await),
    ] {
        assert!(!kept.expect("an answer"), "{what}");
    }
    assert_eq!(store.renew(&[(old.conversation, old.epoch)], old.owner).await.expect("an answer"), []);

    // And all of it is open to the new holder.
    assert_eq!(store.begin_attempt(&new, 2, None).await.expect("counted"), 1);
    store.journal(&new, 2, &[call(2)]).await.expect("journaled");
    store.finish_step(&new, 2, 1, &json!(1)).await.expect("finished");
    store.file_report(&new, 2, &report).await.expect("filed");
    store.commit(&new, &answer(2, 2, 1)).await.expect("a commit");
    assert_eq!(store.begin_send(&new, ids[0]).await.expect("an answer"), Some(1));
}

async fn a_fenced_commit_leaves_no_trace(db: &Db) {
    let old = db.held().await;
    let new = db.take_over(&old).await;
    assert!(matches!(db.store.commit(&old, &answer(1, 1, 2)).await, Err(StoreError::Fenced)));
    let row = db.store.snapshot(&new).await.expect("a snapshot");
    assert_eq!((row.done_seq, row.unsent, row.state), (0, 0, json!({})));
    assert_eq!(db.number("select count(*) from outbox".to_owned()).await, 0);
    assert_eq!(db.number("select count(*) from messages where direction = 'outbound'".to_owned()).await, 0);
}

/// A fence that only looks sees the old epoch while the claim of another worker is being committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_behind_another_claim_is_fenced() {
    let db = Db::postgres().await;
    let (mut claimer, mut watcher) = (db.raw_postgres().await, db.raw_postgres().await);
    for what in ["commit", "begin_attempt", "journal", "begin_send"] {
        let mut fenced = false;
        // On a busy machine the lock may be waited for in vain: then another conversation is tried.
        for round in 0..10 {
            let peer = format!("{what}{round}");
            let old = db.claim(db.say(&peer, &peer).await.conversation).await;
            let head = db.store.commit(&old, &answer(1, 1, 1)).await.expect("a commit").ids[0];
            db.say(&peer, &format!("{peer} again")).await;
            let claim =
                format!("begin; update conversations set epoch = epoch + 1 where id = {}", db.id(old.conversation.0));
            claimer.execute(AssertSqlSafe(claim)).await.expect("a claim");
            let store = db.store.clone();
            let write = tokio::spawn(async move {
                match what {
                    "commit" => store.commit(&old, &answer(2, 2, 1)).await.map(drop),
                    "begin_attempt" => store.begin_attempt(&old, 2, Some(&Step::range(2))).await.map(drop),
                    "journal" => store.journal(&old, 2, &[call(1)]).await,
                    _ => store.begin_send(&old, head).await.map(drop),
                }
            });
            until_somebody_waits(&mut watcher).await;
            claimer.execute("commit").await.expect("a commit");
            match write.await.expect("no panic") {
                Err(StoreError::Busy) => continue,
                Err(StoreError::Fenced) => {}
                other => panic!("{what} is not fenced: {other:?}"),
            }
            let traces = "select (select count(*) from outbox where in_seq = 2 or status <> 'pending') \
                          + (select count(*) from steps) + (select count(*) from inbox where attempts > 0)";
            assert_eq!(db.number(traces.to_owned()).await, 0, "{what}");
            fenced = true;
            break;
        }
        assert!(fenced, "{what}: the lock was never had in time");
    }
}
