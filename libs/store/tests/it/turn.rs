//! The journal and the commit.

use std::time::Duration;

use domain::Content;
use serde_json::json;
use store::{AuditRow, Commit, DeadLetterNew, ModelUse, OutboxNew, Snapshot, Step, StepKind, StepStatus, StoreError};
use uuid::Uuid;

use crate::support::{Db, TRACE, answer, on_both_engines, tenant};

on_both_engines!(
    a_step_is_written_once_and_read_as_it_was,
    a_range_is_rewritten_only_before_a_decision,
    attempts_count_unexplained_deaths_only,
    an_attempt_fixes_a_range_where_none_stands,
    a_claim_sees_what_a_look_would,
    a_turn_is_committed_once_and_in_order,
    a_commit_writes_all_of_it,
    answers_for_the_web_are_sent_by_the_commit,
    a_question_is_seen_when_it_is_sent,
    a_dead_letter_is_replayed_once_as_a_new_message,
);

fn decision(n: i32, request: serde_json::Value) -> Step {
    Step {
        n,
        kind: StepKind::Decision,
        request_hash: "hash".to_owned(),
        idempotency_key: Some("key".to_owned()),
        status: StepStatus::Started,
        request,
        result: None,
        format: 1,
    }
}

async fn a_step_is_written_once_and_read_as_it_was(db: &Db) {
    let lease = db.held().await;
    // Order of fields and a NUL survive: what is replayed is what was decided.
    let step = decision(1, json!({ "z": 1, "a": "nul \u{0} and ñ", "m": [1.5, null] }));
    db.store.journal(&lease, 1, std::slice::from_ref(&step)).await.expect("journaled");
    let again = db.store.journal(&lease, 1, &[decision(1, json!("other"))]).await;
    assert!(matches!(again, Err(StoreError::JournalConflict)), "{again:?}");
    let read = db.store.steps(&lease, 1).await.expect("steps");
    assert_eq!(read, std::slice::from_ref(&step));
    assert_eq!(read[0].request.to_string(), step.request.to_string());

    db.store.finish_step(&lease, 1, 1, &json!({ "status": 200 })).await.expect("finished");
    let read = db.store.steps(&lease, 1).await.expect("steps");
    assert_eq!((read[0].status, read[0].result.clone()), (StepStatus::Done, Some(json!({ "status": 200 }))));
    let never = db.store.finish_step(&lease, 1, 2, &json!(1)).await;
    assert!(matches!(never, Err(StoreError::NotFound(_))), "{never:?}");
}

async fn a_range_is_rewritten_only_before_a_decision(db: &Db) {
    let lease = db.held().await;
    db.store.journal(&lease, 1, &[Step::range(3)]).await.expect("journaled");
    let last_seq = || async { db.store.steps(&lease, 1).await.expect("steps")[0].last_seq() };
    assert_eq!(last_seq().await, Some(3));
    db.store.rewrite_range(&lease, 1, &Step::range(1)).await.expect("rewritten");
    assert_eq!(last_seq().await, Some(1));
    db.store.journal(&lease, 1, &[decision(1, json!({}))]).await.expect("journaled");
    db.store.rewrite_range(&lease, 1, &Step::range(2)).await.expect("no error");
    assert_eq!(last_seq().await, Some(1));
}

async fn attempts_count_unexplained_deaths_only(db: &Db) {
    let lease = db.held().await;
    let count = || async { db.store.begin_attempt(&lease, 1, None).await.expect("counted") };
    assert_eq!((count().await, count().await), (1, 2));
    db.store.journal(&lease, 1, &[Step::range(1)]).await.expect("journaled");
    assert_eq!(count().await, 3, "a range alone explains nothing");
    db.store.journal(&lease, 1, &[decision(1, json!({}))]).await.expect("journaled");
    assert_eq!(count().await, 1);
    db.store.finish_step(&lease, 1, 1, &json!(null)).await.expect("finished");
    assert_eq!(count().await, 1);
    db.store.reset_attempts(&lease, 1).await.expect("reset");
    assert_eq!(db.store.inbox_range(&lease, 1, 1).await.expect("rows")[0].attempts, 0);
}

async fn an_attempt_fixes_a_range_where_none_stands(db: &Db) {
    let lease = db.held().await;
    assert!(!db.store.inbox_range(&lease, 1, 1).await.expect("rows")[0].journaled);
    assert_eq!(db.store.begin_attempt(&lease, 1, Some(&Step::range(1))).await.expect("counted"), 1);
    let again = db.store.begin_attempt(&lease, 1, Some(&Step::range(2))).await;
    assert!(matches!(again, Err(StoreError::JournalConflict)), "{again:?}");
    let row = db.store.inbox_range(&lease, 1, 1).await.expect("rows").remove(0);
    assert_eq!((row.attempts, row.journaled), (1, true), "nothing was counted");
    assert_eq!(db.store.steps(&lease, 1).await.expect("steps")[0].last_seq(), Some(1));
    let wrong = Commit { steps: vec![Step::range(3)], ..answer(1, 1, 1) };
    let conflict = db.store.commit(&lease, &wrong).await;
    assert!(matches!(conflict, Err(StoreError::JournalConflict)), "{conflict:?}");
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").done_seq, 0, "and nothing was committed");
}

async fn a_claim_sees_what_a_look_would(db: &Db) {
    let conversation = db.say("p", "m1").await.conversation;
    let claimed = db.store.claim_and_look(conversation, Uuid::new_v4()).await.expect("an answer");
    let (lease, seen) = claimed.expect("a lease");
    let (seen, look) = (seen.expect("nothing is to be sent"), db.store.snapshot(&lease).await.expect("a snapshot"));
    let told = |row: &Snapshot| (row.next_seq, row.done_seq, row.unsent, row.wake_at, row.epoch, row.state.clone());
    assert_eq!(told(&seen), told(&look));
    assert!(seen.now <= look.now);
    db.store.commit(&lease, &answer(1, 1, 1)).await.expect("a commit");
    db.expire(conversation).await;
    let claimed = db.store.claim_and_look(conversation, Uuid::new_v4()).await.expect("an answer");
    assert!(claimed.expect("a lease").1.is_none(), "it has to look what is to be sent");
}

async fn a_turn_is_committed_once_and_in_order(db: &Db) {
    let lease = db.held().await;
    db.say("p", "m2").await;
    for (first, last) in [(2, 2), (1, 3), (1, 0), (0, 1)] {
        let error = db.store.commit(&lease, &answer(first, last, 1)).await.expect_err("refused");
        assert!(matches!(error, StoreError::OutOfOrder), "{first} to {last}: {error}");
    }
    db.store.commit(&lease, &answer(1, 2, 1)).await.expect("a commit");
    let error = db.store.commit(&lease, &answer(1, 2, 1)).await.expect_err("refused");
    assert!(matches!(error, StoreError::OutOfOrder), "{error}");
    let row = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((row.next_seq, row.done_seq, row.unsent), (2, 2, 1));
}

async fn a_commit_writes_all_of_it(db: &Db) {
    let lease = db.held().await;
    let mut commit = answer(1, 1, 2);
    commit.steps = vec![decision(1, json!("a")), decision(2, json!("b"))];
    commit.audit = Some(AuditRow {
        user_id: "u".to_owned(),
        chat_id: "c".to_owned(),
        message: "m".to_owned(),
        agent: "dialogue".to_owned(),
        tools_used: json!(["a/GET /x"]),
        models: vec![ModelUse { model: "m".to_owned(), tokens: 7, took: Duration::from_millis(30), error: None }],
    });
    let ids = db.store.commit(&lease, &commit).await.expect("a commit").ids;
    assert_eq!(ids.len(), 2);
    let steps = db.store.steps(&lease, 1).await.expect("steps");
    assert_eq!(
        steps.iter().map(|step| (step.n, step.request.clone())).collect::<Vec<_>>(),
        [(1, json!("a")), (2, json!("b"))]
    );
    let row = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((row.done_seq, row.unsent, &row.state, row.epoch), (1, 2, &json!({ "answered": 1 }), lease.epoch));
    let head = row.first_unsent.expect("a row");
    assert_eq!(head.traceparent.as_deref(), Some(TRACE), "the answer belongs to the trace of the message");
    assert_eq!((head.id, head.part, head.attempt), (ids[0], 0, 0));
    assert_eq!(head.reply, json!({ "text": "part 0" }));
    assert_eq!(db.number("select count(*) from ai_audit_log".to_owned()).await, 1);
    assert_eq!(db.number("select count(*) from messages where direction = 'outbound'".to_owned()).await, 2);
}

async fn answers_for_the_web_are_sent_by_the_commit(db: &Db) {
    let lease = db.held().await;
    let mut commit = answer(1, 1, 0);
    commit.replies = vec![OutboxNew {
        part: 0,
        reply: json!({ "text": "hi" }),
        sent_already: true,
        refused: None,
        question: true,
        file: None,
    }];
    db.store.commit(&lease, &commit).await.expect("a commit");
    assert_eq!(db.unsent(&lease).await, 0);
    assert!(db.store.asked(&lease, 1).await.expect("an answer").sent_at.is_some());
    assert!(db.store.release_idle(&lease).await.expect("an answer"));
}

async fn a_question_is_seen_when_it_is_sent(db: &Db) {
    let lease = db.held().await;
    let mut commit = answer(1, 1, 2);
    commit.replies[1].question = true;
    let ids = db.store.commit(&lease, &commit).await.expect("a commit").ids;
    let sent = store::Outcome::Sent { provider_message_id: None };
    let mut begun = Vec::new();
    for id in ids {
        assert_eq!(db.store.asked(&lease, 1).await.expect("an answer").sent_at, None);
        let attempt = db.store.begin_send(&lease, id).await.expect("an answer").expect("an attempt");
        let asked = db.store.asked(&lease, 1).await.expect("an answer");
        assert_eq!(asked.sent_at, None, "in flight is not seen");
        begun.push(asked.begun_at.is_some());
        db.store.record_outcome(lease.conversation, id, attempt, &sent).await.expect("recorded");
    }
    assert!(db.store.asked(&lease, 1).await.expect("an answer").sent_at.is_some());
    assert_eq!(begun, [false, true], "of the part that asks");
    let asked = db.store.asked(&lease, 1).await.expect("an answer");
    assert!(asked.begun_at.is_some() && !asked.resent, "also when its end is known");
    // The answer to the next message asks nothing.
    db.say("p", "m2").await;
    let ids = db.store.commit(&lease, &answer(2, 2, 1)).await.expect("a commit").ids;
    let attempt = db.store.begin_send(&lease, ids[0]).await.expect("an answer").expect("an attempt");
    db.store.record_outcome(lease.conversation, ids[0], attempt, &sent).await.expect("recorded");
    assert_eq!(db.store.asked(&lease, 2).await.expect("an answer").sent_at, None);
}

async fn a_dead_letter_is_replayed_once_as_a_new_message(db: &Db) {
    let acme = tenant("acme");
    let lease = db.held().await;
    db.say("p", "m2").await;
    let mut commit = answer(1, 2, 1);
    commit.dead_letter = Some(DeadLetterNew { reason: "died 5 times".to_owned(), attempts: 5, unknown_effect: true });
    db.store.commit(&lease, &commit).await.expect("a commit");
    let letters = db.store.list_dead_letters(&acme, None, 10).await.expect("letters");
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.seq, letter.last_seq, letter.attempts), (1, 2, 5));

    let hesitant = db.store.replay_dead_letter(&acme, letter.id, false, "ops", None).await;
    assert!(matches!(hesitant, Err(StoreError::UnknownEffect)), "{hesitant:?}");
    let of_replay = TRACE.replace("0af", "fff");
    let replayed =
        db.store.replay_dead_letter(&acme, letter.id, true, "ops", Some(&of_replay)).await.expect("replayed");
    assert_eq!((replayed.conversation, replayed.seq), (lease.conversation, 3));
    assert_eq!(replayed.traceparents, [TRACE, TRACE], "where it came from");
    let again = db.store.replay_dead_letter(&acme, letter.id, true, "ops", None).await;
    assert!(matches!(again, Err(StoreError::AlreadyReplayed)), "{again:?}");

    let rows = db.store.inbox_range(&lease, 3, 10).await.expect("rows");
    assert!(rows.iter().all(|row| row.incoming.traceparent.as_ref() == Some(&of_replay)), "a trace of its own");
    let said: Vec<_> =
        rows.iter().map(|row| (row.seq, row.incoming.provider.as_str(), row.incoming.content.clone())).collect();
    let words = |id: &str| Content::Text { text: format!("text of {id}") };
    assert_eq!(said, [(3, "replay", words("m1")), (4, "replay", words("m2"))]);
    let deeds = db.store.list_audit(&acme, None, 10).await.expect("deeds");
    assert_eq!(deeds.len(), 1);
    assert_eq!((deeds[0].entry.actor.as_str(), deeds[0].entry.action.as_str()), ("ops", "dead_letter.replay"));
}
