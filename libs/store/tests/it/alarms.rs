//! Alarms: set by a commit, due once, then a message like any other.

use std::{collections::BTreeSet, time::Duration};

use domain::{Content, Micros, PersonId};
use store::{AlarmNew, Alarms, Commit, Lease, Seen, StoreError};

use crate::support::{Db, answer, on_both_engines, text};

on_both_engines!(
    a_due_alarm_becomes_one_message_with_the_next_seq,
    an_alarm_that_is_not_due_waits_and_takes_no_seq,
    an_alarm_that_was_taken_back_never_rings,
    a_key_rings_once_whatever_sets_it_again,
    a_fenced_worker_sets_no_alarm,
    an_alarm_wakes_a_conversation_that_was_parked,
    many_who_look_at_once_make_one_message_of_each,
    an_alarm_comes_while_somebody_holds_the_conversation,
);

/// An alarm of this conversation.
pub fn alarm(lease: &Lease, key: &str, due_at: Micros) -> AlarmNew {
    let mut incoming = text(lease.tenant.as_str(), &lease.peer, "ignored");
    incoming.content = Content::Alarm { key: key.to_owned() };
    AlarmNew { key: key.to_owned(), person: PersonId::new(), due_at, incoming }
}

fn setting(seq: i64, set: Vec<AlarmNew>, off: &[&str]) -> Commit {
    let off = off.iter().map(|key| (*key).to_owned()).collect();
    Commit { alarms: Alarms { set, off }, ..answer(seq, seq, 0) }
}

/// A conversation whose one message is answered, with these alarms due since 1970.
async fn with_alarms(db: &Db, keys: &[&str]) -> Lease {
    let lease = db.held().await;
    let set = keys.iter().map(|key| alarm(&lease, key, Micros(0))).collect();
    db.store.commit(&lease, &setting(1, set, &[])).await.expect("a commit");
    lease
}

async fn a_due_alarm_becomes_one_message_with_the_next_seq(db: &Db) {
    let lease = with_alarms(db, &["b", "a"]).await;
    assert!(db.store.release_idle(&lease).await.expect("an answer"));
    assert_eq!(db.store.ripen_alarms(10).await.expect("ripe"), [lease.conversation]);
    assert_eq!(db.store.ripen_alarms(10).await.expect("none"), []);
    let rows = db.store.inbox_range(&lease, 2, 10).await.expect("rows");
    let got: Vec<_> = rows
        .iter()
        .map(|row| (row.seq, row.incoming.provider.as_str(), row.incoming.content.clone(), row.attempts))
        .collect();
    let rang = |key: &str| Content::Alarm { key: key.to_owned() };
    assert_eq!(got, [(2, "internal", rang("a"), 0), (3, "internal", rang("b"), 0)]);
    let ids: BTreeSet<_> = rows.iter().map(|row| row.incoming.provider_message_id.clone()).collect();
    assert!(ids.contains(&format!("alarm:{}:a", lease.conversation)), "{ids:?}");
    let seen = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((seen.next_seq, seen.done_seq), (3, 1));
    db.claim(lease.conversation).await; // it is runnable
    let said = db.number("select count(*) from messages where direction = 'inbound'".to_owned()).await;
    assert_eq!(said, 1, "nobody said anything");
}

async fn an_alarm_that_is_not_due_waits_and_takes_no_seq(db: &Db) {
    let lease = db.held().await;
    let now = db.store.snapshot(&lease).await.expect("a snapshot").now;
    let soon = alarm(&lease, "later", now + Duration::from_secs(3_600));
    db.store.commit(&lease, &setting(1, vec![soon], &[])).await.expect("a commit");
    assert_eq!(db.store.ripen_alarms(10).await.expect("none"), []);
    assert!(db.store.release_idle(&lease).await.expect("an answer"), "a conversation that only waits is let go");
    assert_eq!(db.say("p", "m2").await.seq, 2, "seqs have no gaps");
    db.exec("update alarms set due_at = 1".to_owned()).await;
    assert_eq!(db.store.ripen_alarms(10).await.expect("ripe"), [lease.conversation]);
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 3);
}

async fn an_alarm_that_was_taken_back_never_rings(db: &Db) {
    let lease = with_alarms(db, &["a", "b"]).await;
    db.say("p", "m2").await;
    db.store.commit(&lease, &setting(2, Vec::new(), &["a", "unknown"])).await.expect("a commit");
    db.store.ripen_alarms(10).await.expect("ripe");
    let rows = db.store.inbox_range(&lease, 3, 10).await.expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].incoming.content, Content::Alarm { key: "b".to_owned() });
}

async fn a_key_rings_once_whatever_sets_it_again(db: &Db) {
    let lease = with_alarms(db, &["a"]).await;
    db.store.ripen_alarms(10).await.expect("ripe");
    let again = alarm(&lease, "a", Micros(0));
    db.store.commit(&lease, &setting(2, vec![again], &[])).await.expect("a commit");
    assert_eq!(db.store.ripen_alarms(10).await.expect("none"), []);
    // Even if its row were due again, its message is there already.
    db.exec("update alarms set due_at = 1".to_owned()).await;
    assert_eq!(db.store.ripen_alarms(10).await.expect("none"), []);
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 2);
    assert_eq!(db.number("select count(*) from alarms where due_at is not null".to_owned()).await, 0);
}

async fn a_fenced_worker_sets_no_alarm(db: &Db) {
    let old = db.held().await;
    db.take_over(&old).await;
    let error = db.store.commit(&old, &setting(1, vec![alarm(&old, "a", Micros(0))], &[])).await.expect_err("fenced");
    assert!(matches!(error, StoreError::Fenced), "{error}");
    assert_eq!(db.store.ripen_alarms(10).await.expect("none"), []);
}

async fn an_alarm_wakes_a_conversation_that_was_parked(db: &Db) {
    let lease = db.held().await;
    let commit =
        Commit { alarms: Alarms { set: vec![alarm(&lease, "a", Micros(0))], off: Vec::new() }, ..answer(1, 1, 1) };
    db.store.commit(&lease, &commit).await.expect("a commit");
    let row = db.store.snapshot(&lease).await.expect("a snapshot");
    let seen = Seen { next_seq: row.next_seq, wake_at: row.wake_at };
    let due = row.now + Duration::from_secs(600);
    assert!(db.store.park(&lease, due, seen).await.expect("an answer"));
    db.store.ripen_alarms(10).await.expect("ripe");
    db.claim(lease.conversation).await;
    // And a park on what was seen before it is refused.
    let lease = db.take_over(&lease).await;
    assert!(!db.store.park(&lease, due, seen).await.expect("an answer"));
}

async fn many_who_look_at_once_make_one_message_of_each(db: &Db) {
    let keys: Vec<String> = (0..20).map(|n| format!("k{n:02}")).collect();
    let lease = with_alarms(db, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let looks = (0..6).map(|_| {
        let store = db.store.clone();
        tokio::spawn(async move { store.ripen_alarms(7).await })
    });
    for look in futures::future::join_all(looks).await {
        match look.expect("no panic") {
            Ok(_) | Err(StoreError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    while !db.store.ripen_alarms(7).await.expect("an answer").is_empty() {}
    let rows = db.store.inbox_range(&lease, 2, 100).await.expect("rows");
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (2..=21).collect::<Vec<_>>());
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 21);
}

async fn an_alarm_comes_while_somebody_holds_the_conversation(db: &Db) {
    let lease = with_alarms(db, &["a"]).await;
    assert_eq!(db.store.ripen_alarms(10).await.expect("ripe"), [lease.conversation]);
    assert!(!db.store.release_idle(&lease).await.expect("an answer"), "there is work");
    db.store.commit(&lease, &answer(2, 2, 0)).await.expect("the holder answers it");
    assert!(db.store.release_idle(&lease).await.expect("an answer"));
}
