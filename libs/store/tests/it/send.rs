//! Sending: in order, nothing twice unless its end is unknown, and every proof counts.

use std::time::Duration;

use domain::{Micros, ReceiptStatus};
use sqlx::{AssertSqlSafe, Executor as _};
use store::{OutboxStatus, Outcome, Recorded, StoreError, UnknownPolicy};
use uuid::Uuid;

use crate::{
    lease::until_somebody_waits,
    support::{Db, answer, on_both_engines, receipt, tenant},
};

on_both_engines!(
    only_the_head_of_the_line_is_sent,
    a_row_waits_until_it_is_due,
    an_outcome_is_recorded_after_the_lease_was_lost,
    an_outcome_of_an_older_attempt_changes_nothing,
    a_failed_row_is_counted_off_once,
    a_row_in_flight_is_left_alone_then_unknown_then_decided,
    a_row_is_held_after_three_unknown_ends,
    a_held_row_is_not_counted_and_takes_only_an_end,
    a_proof_makes_a_row_sent_wherever_it_is,
    a_proof_that_came_early_stops_the_send,
    an_outcome_wakes_the_conversation_but_never_puts_a_message_to_sleep,
    reports_in_any_order_show_the_highest,
    an_odd_id_of_the_platform_is_no_reason_to_forget_the_send,
);

fn sent() -> Outcome {
    Outcome::Sent { provider_message_id: Some("p1".to_owned()) }
}

async fn only_the_head_of_the_line_is_sent(db: &Db) {
    let (lease, ids) = db.answered(3).await;
    db.say("p", "m2").await;
    let later = db.store.commit(&lease, &answer(2, 2, 1)).await.expect("a commit").ids;
    let line = [ids, later].concat();
    for (i, id) in line.iter().enumerate() {
        for behind in &line[i + 1..] {
            assert_eq!(db.store.begin_send(&lease, *behind).await.expect("an answer"), None);
        }
        assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").first_unsent.map(|row| row.id), Some(*id));
        assert_eq!(db.store.begin_send(&lease, *id).await.expect("an answer"), Some(1));
        assert_eq!(db.store.begin_send(&lease, *id).await.expect("an answer"), None, "it is in flight");
        for behind in &line[i + 1..] {
            assert_eq!(db.store.begin_send(&lease, *behind).await.expect("an answer"), None, "in flight is not sent");
        }
        assert!(db.store.record_outcome(lease.conversation, *id, 1, &sent()).await.expect("recorded"));
    }
    assert_eq!(db.unsent(&lease).await, 0);
}

async fn a_row_waits_until_it_is_due(db: &Db) {
    let (lease, ids) = db.answered(1).await;
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(1));
    let due_at = db.store.now().await.expect("a clock") + Duration::from_secs(30);
    assert!(
        db.store.record_outcome(lease.conversation, ids[0], 1, &Outcome::Pending { due_at }).await.expect("recorded")
    );
    let row = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((row.unsent, row.wake_at), (1, due_at));
    assert_eq!(row.first_unsent.map(|row| (row.status, row.due_at)), Some((OutboxStatus::Pending, due_at)));
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), None);
    db.age_outbox(ids[0], 31).await;
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(2));
}

async fn an_outcome_is_recorded_after_the_lease_was_lost(db: &Db) {
    let (old, ids) = db.answered(2).await;
    let attempt = db.store.begin_send(&old, ids[0]).await.expect("an answer").expect("an attempt");
    let new = db.take_over(&old).await;
    assert!(db.store.record_outcome(old.conversation, ids[0], attempt, &sent()).await.expect("recorded"));
    assert!(!db.store.record_outcome(old.conversation, ids[0], attempt, &sent()).await.expect("an answer"), "once");
    assert_eq!(db.unsent(&new).await, 1);
    assert_eq!(db.store.begin_send(&new, ids[1]).await.expect("an answer"), Some(1));
}

async fn an_outcome_of_an_older_attempt_changes_nothing(db: &Db) {
    let (old, ids) = db.answered(1).await;
    assert_eq!(db.store.begin_send(&old, ids[0]).await.expect("an answer"), Some(1));
    let due_at = Micros(0);
    assert!(
        db.store.record_outcome(old.conversation, ids[0], 1, &Outcome::Pending { due_at }).await.expect("recorded")
    );
    assert_eq!(db.store.begin_send(&old, ids[0]).await.expect("an answer"), Some(2));
    for late in [sent(), Outcome::Failed { reason: "r".to_owned() }, Outcome::Pending { due_at }, Outcome::Unknown] {
        assert!(!db.store.record_outcome(old.conversation, ids[0], 1, &late).await.expect("an answer"), "{late:?}");
    }
    assert_eq!((db.status(ids[0]).await.as_str(), db.unsent(&old).await), ("sending", 1));
    let stranger = domain::ConversationId::new();
    assert!(!db.store.record_outcome(stranger, ids[0], 2, &sent()).await.expect("an answer"));
}

async fn a_failed_row_is_counted_off_once(db: &Db) {
    let (lease, ids) = db.answered(2).await;
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(1));
    let failed = Outcome::Failed { reason: "window closed".to_owned() };
    assert!(db.store.record_outcome(lease.conversation, ids[0], 1, &failed).await.expect("recorded"));
    for late in [failed, sent(), Outcome::Unknown] {
        assert!(!db.store.record_outcome(lease.conversation, ids[0], 1, &late).await.expect("an answer"));
    }
    assert_eq!((db.status(ids[0]).await.as_str(), db.unsent(&lease).await), ("failed", 1));
}

async fn a_row_in_flight_is_left_alone_then_unknown_then_decided(db: &Db) {
    for (policy, end, unsent) in
        [(UnknownPolicy::Resend, OutboxStatus::Pending, 1), (UnknownPolicy::Hold, OutboxStatus::Held, 0)]
    {
        let peer = format!("{policy:?}");
        let conversation = db.say(&peer, &peer).await.conversation;
        let lease = db.claim(conversation).await;
        let ids = db.store.commit(&lease, &answer(1, 1, 1)).await.expect("a commit").ids;
        assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(1));
        let lease = db.take_over(&lease).await;
        let row = || async { db.store.snapshot(&lease).await.expect("a snapshot").first_unsent.expect("a row") };
        let resolve = || async { db.store.resolve_unknown(&lease, &row().await, policy).await.expect("an answer") };
        assert_eq!(resolve().await, OutboxStatus::Sending, "somebody may be sending it");
        db.age_outbox(ids[0], 16).await;
        assert_eq!(resolve().await, OutboxStatus::Unknown);
        let unknown = row().await;
        assert_eq!(unknown.due_at, unknown.sending_at.expect("a beginning") + Duration::from_secs(60));
        assert_eq!(resolve().await, OutboxStatus::Unknown, "a proof may still come");
        db.age_outbox(ids[0], 45).await;
        assert_eq!(resolve().await, end);
        assert_eq!(db.unsent(&lease).await, unsent);
    }
    assert_eq!(db.store.held_count().await.expect("a count"), 1);
}

async fn a_row_is_held_after_three_unknown_ends(db: &Db) {
    let (lease, ids) = db.answered(1).await;
    for attempt in 1..=3 {
        assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(attempt));
        assert!(
            db.store.record_outcome(lease.conversation, ids[0], attempt, &Outcome::Unknown).await.expect("recorded")
        );
        assert!(
            !db.store.record_outcome(lease.conversation, ids[0], attempt, &Outcome::Unknown).await.expect("an answer")
        );
        db.age_outbox(ids[0], 61).await;
        let row = db.store.snapshot(&lease).await.expect("a snapshot").first_unsent.expect("a row");
        let status = db.store.resolve_unknown(&lease, &row, UnknownPolicy::Resend).await.expect("an answer");
        assert_eq!(status, if attempt < 3 { OutboxStatus::Pending } else { OutboxStatus::Held });
    }
    assert_eq!(db.unsent(&lease).await, 0);
}

async fn a_held_row_is_not_counted_and_takes_only_an_end(db: &Db) {
    let (lease, ids) = db.answered(2).await;
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(1));
    db.age_outbox(ids[0], 61).await;
    for _ in 0..2 {
        let row = db.store.snapshot(&lease).await.expect("a snapshot").first_unsent.expect("a row");
        db.store.resolve_unknown(&lease, &row, UnknownPolicy::Hold).await.expect("an answer");
        db.age_outbox(ids[0], 61).await;
    }
    assert_eq!((db.status(ids[0]).await.as_str(), db.unsent(&lease).await), ("held", 1), "later parts go on");
    for late in [Outcome::Pending { due_at: Micros(0) }, Outcome::Unknown] {
        assert!(!db.store.record_outcome(lease.conversation, ids[0], 1, &late).await.expect("an answer"), "{late:?}");
    }
    assert!(db.store.record_outcome(lease.conversation, ids[0], 1, &sent()).await.expect("recorded"));
    assert_eq!((db.status(ids[0]).await.as_str(), db.unsent(&lease).await), ("sent", 1), "it was not counted any more");
}

async fn a_proof_makes_a_row_sent_wherever_it_is(db: &Db) {
    let acme = tenant("acme");
    for (i, status) in ["pending", "sending", "unknown", "held"].into_iter().enumerate() {
        let conversation = db.say(status, status).await.conversation;
        let lease = db.claim(conversation).await;
        let ids = db.store.commit(&lease, &answer(1, 1, 1)).await.expect("a commit").ids;
        let counted = i64::from(status != "held");
        let sending = if status == "pending" { "null" } else { "due_at" };
        db.exec(format!(
            "update outbox set status = '{status}', sending_at = {sending} where id = {}",
            db.id(ids[0].0)
        ))
        .await;
        db.exec(format!(
            "update conversations set unsent = {counted}, wake_at = 9000000000000000 where id = {}",
            db.id(conversation.0)
        ))
        .await;
        let proof = receipt(Some(ids[0]), &format!("p{i}"), ReceiptStatus::Delivered);
        let ring = db.store.record_receipts(&acme, &[proof.clone(), proof.clone()]).await.expect("recorded");
        assert_eq!(ring, [conversation], "{status}");
        assert_eq!((db.status(ids[0]).await.as_str(), db.unsent(&lease).await), ("sent", 0), "{status}");
        let woken = db.store.snapshot(&lease).await.expect("a snapshot").wake_at;
        assert!(woken <= db.store.now().await.expect("a clock"), "{status}");
        assert_eq!(db.store.record_receipts(&acme, &[proof]).await.expect("recorded"), [], "once");
    }
}

async fn a_proof_that_came_early_stops_the_send(db: &Db) {
    let (lease, ids) = db.answered(2).await;
    // As if the report had been stored by a release that did not change rows yet to be sent.
    db.exec(format!(
        "insert into receipts (tenant, provider, account, provider_message_id, status, rank, outbox_id, at) \
         values ('acme', 'infobip', 'infobip:main', 'p9', 'delivered', 3, {}, 1)",
        db.id(ids[0].0)
    ))
    .await;
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), None);
    assert_eq!((db.status(ids[0]).await.as_str(), db.unsent(&lease).await), ("sent", 1));
    assert_eq!(db.store.begin_send(&lease, ids[1]).await.expect("an answer"), Some(1));
}

async fn an_outcome_wakes_the_conversation_but_never_puts_a_message_to_sleep(db: &Db) {
    let (lease, ids) = db.answered(1).await;
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(1));
    db.say("p", "m2").await;
    assert!(db.store.yield_now(&lease).await.expect("an answer"));
    let due_at = db.store.now().await.expect("a clock") + Duration::from_secs(600);
    assert!(
        db.store.record_outcome(lease.conversation, ids[0], 1, &Outcome::Pending { due_at }).await.expect("recorded")
    );
    assert!(db.store.claim(lease.conversation, Uuid::new_v4()).await.expect("an answer").is_some(), "a message waits");
}

async fn reports_in_any_order_show_the_highest(db: &Db) {
    let acme = tenant("acme");
    let (lease, ids) = db.answered(1).await;
    let early = receipt(None, "p1", ReceiptStatus::Read);
    assert_eq!(db.store.record_receipts(&acme, &[early]).await.expect("recorded"), [], "it waits for its message");
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(1));
    assert!(db.store.record_outcome(lease.conversation, ids[0], 1, &sent()).await.expect("recorded"));
    db.store.record_receipts(&acme, &[receipt(None, "p1", ReceiptStatus::Sent)]).await.expect("recorded");
    let messages = db.store.messages(&acme, lease.conversation, None, 10, None).await.expect("messages");
    let shown: Vec<_> = messages.iter().map(|m| (m.cursor.seq, m.cursor.part, m.status.as_str())).collect();
    assert_eq!(shown, [(1, -1, "answered"), (1, 0, "read")]);
}

async fn an_odd_id_of_the_platform_is_no_reason_to_forget_the_send(db: &Db) {
    let (lease, ids) = db.answered(1).await;
    assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), Some(1));
    let odd = Outcome::Sent { provider_message_id: Some("a\0b".to_owned()) };
    assert!(db.store.record_outcome(lease.conversation, ids[0], 1, &odd).await.expect("recorded"));
    assert_eq!(db.number("select count(*) from outbox where provider_message_id = 'ab'".to_owned()).await, 1);
}

/// A receipt that names a row changes that row: who waited for the lock sees it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_waits_behind_a_proof_is_not_begun() {
    let db = Db::postgres().await;
    let (mut other, mut watcher) = (db.raw_postgres().await, db.raw_postgres().await);
    let (lease, ids) = db.answered(1).await;
    let (conversation, id) = (db.id(lease.conversation.0), db.id(ids[0].0));
    let proof = format!(
        "begin; update conversations set unsent = unsent - 1 where id = {conversation}; \
         insert into receipts (tenant, provider, account, provider_message_id, status, rank, outbox_id, at) \
         values ('acme', 'infobip', 'infobip:main', 'p9', 'delivered', 3, {id}, 1); \
         update outbox set status = 'sent', sent_at = 1 where id = {id}"
    );
    other.execute(AssertSqlSafe(proof)).await.expect("the lock");
    let (store, holder, head) = (db.store.clone(), lease.clone(), ids[0]);
    let begin = tokio::spawn(async move { store.begin_send(&holder, head).await });
    until_somebody_waits(&mut watcher).await;
    other.execute("commit").await.expect("a commit");
    match begin.await.expect("no panic") {
        Err(StoreError::Busy) => assert_eq!(db.store.begin_send(&lease, ids[0]).await.expect("an answer"), None),
        begun => assert_eq!(begun.expect("an answer"), None),
    }
    assert_eq!((db.status(ids[0]).await.as_str(), db.unsent(&lease).await), ("sent", 0));
}

/// The row is read again behind the lock: what came meanwhile is neither forgotten nor slept over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_waits_behind_a_message_keeps_the_lease_for_it() {
    let db = Db::postgres().await;
    let (mut other, mut watcher) = (db.raw_postgres().await, db.raw_postgres().await);
    let (lease, ids) = db.answered(1).await;
    let attempt = db.store.begin_send(&lease, ids[0]).await.expect("an answer").expect("begun");
    let message = format!(
        "begin; update conversations set next_seq = next_seq + 1, unsent = unsent + 1 where id = {}",
        db.id(lease.conversation.0)
    );
    other.execute(AssertSqlSafe(message)).await.expect("the lock");
    let (store, holder, id) = (db.store.clone(), lease.clone(), ids[0]);
    let record = tokio::spawn(async move { store.record_and_release(&holder, id, attempt, &sent()).await });
    until_somebody_waits(&mut watcher).await;
    other.execute("commit").await.expect("a commit");
    match record.await.expect("no panic") {
        Err(StoreError::Busy) => {
            let again = db.store.record_and_release(&lease, ids[0], attempt, &sent()).await;
            assert_eq!(again.expect("recorded"), Recorded::Kept);
        }
        recorded => assert_eq!(recorded.expect("recorded"), Recorded::Kept),
    }
    let row = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((row.unsent, row.epoch, row.first_unsent.is_none()), (1, lease.epoch, true));
    assert!(!db.store.renew(&[(lease.conversation, lease.epoch)], lease.owner).await.expect("renewed").is_empty());
}
