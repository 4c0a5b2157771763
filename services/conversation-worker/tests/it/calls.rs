//! Calls of the backend: once per decision, or reported unknown.

use std::sync::atomic::Ordering;

use domain::ConversationId;
use serde_json::json;
use store::{Step, StepKind, StepStatus};

use crate::{
    bench::{Bench, Engine, eventually, incoming, tenant},
    on_both_engines,
};

on_both_engines!(
    a_keyed_call_that_was_cut_is_repeated_with_its_key_and_has_one_effect,
    a_once_call_that_was_cut_is_reported_unknown_and_never_repeated,
    what_may_be_repeated_is_tried_again_within_the_turn,
    a_call_that_was_cut_is_told_though_the_document_changed,
    a_call_that_the_turn_does_not_come_to_any_more_is_told_as_unknown,
    a_turn_that_dies_after_its_call_never_asks_for_it_again,
    a_worker_that_lost_its_lease_commits_nothing,
    a_catalogue_that_is_away_postpones_the_turn,
    a_list_is_read_to_its_end_only_when_it_is_wanted_whole,
);

/// Says `word`, kills the worker while the backend holds its answer, and starts another.
async fn cut(bench: &Bench, word: &str) -> ConversationId {
    bench.backend.hold();
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", word).await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    let steps = bench.steps(conversation).await;
    assert!(steps.iter().any(|step| step.kind == "call" && step.result.is_none()), "a call is begun: {steps:?}");
    worker.kill().await;
    bench.backend.release();
    bench.meddle("update conversations set lease_until = 0").await;
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.catalog.searches.load(Ordering::SeqCst), 1, "what was decided is not asked again");
    conversation
}

async fn a_keyed_call_that_was_cut_is_repeated_with_its_key_and_has_one_effect(engine: Engine) {
    let bench = Bench::new(engine).await;
    cut(&bench, "keyed").await;
    let requests = bench.backend.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1], "the same request with the same key");
    assert!(requests[0].1.as_ref().is_some_and(|key| key.len() == 64), "{requests:?}");
    assert_eq!(bench.backend.effects(), 1);
    assert_eq!(bench.platform.texts(), ["keyed: 201"]);
}

async fn a_once_call_that_was_cut_is_reported_unknown_and_never_repeated(engine: Engine) {
    let bench = Bench::new(engine).await;
    cut(&bench, "once").await;
    assert_eq!(bench.backend.requests().len(), 1);
    assert_eq!(bench.backend.effects(), 1);
    assert_eq!(bench.platform.texts(), ["once: unknown"]);
}

async fn what_may_be_repeated_is_tried_again_within_the_turn(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    for (word, failures, told, requests) in [
        ("safe", &[503, 500][..], "safe: 200", 3),
        ("keyed", &[500], "keyed: 201", 2),
        ("keyed", &[500, 500, 500], "keyed: unknown", 3),
        ("safe", &[500, 500, 500], "safe: away", 3),
        ("once", &[500], "once: unknown", 1),
        ("once", &[409], "once: 409", 1),
    ] {
        let before = bench.backend.requests().len();
        bench.backend.fail_next(failures);
        let id = format!("{word}-{failures:?}");
        let conversation = bench.say("385911", &id, word).await.conversation;
        bench.quiet(conversation).await;
        assert_eq!(bench.platform.texts().last().map(String::as_str), Some(told), "{word} {failures:?}");
        assert_eq!(bench.backend.requests().len() - before, requests, "{word} {failures:?}");
    }
    worker.stop().await;
}

async fn a_call_that_was_cut_is_told_though_the_document_changed(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.backend.hold();
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "looked").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    worker.kill().await;
    bench.backend.release();
    bench.catalog.changed.store(true, Ordering::SeqCst);
    bench.meddle("update conversations set lease_until = 0").await;
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["looked: unknown"]);
    assert_eq!(bench.backend.requests().len(), 1);
}

async fn a_call_that_the_turn_does_not_come_to_any_more_is_told_as_unknown(engine: Engine) {
    // A release that decided otherwise made the call, as first or as second step.
    for (n, said) in [(1, "hello"), (1, "keyed"), (2, "hello")] {
        let bench = Bench::new(engine).await;
        let conversation = bench.store.accept(&[incoming("385911", "m-1", said)]).await.unwrap()[0].conversation;
        let lease = bench.claim(conversation).await;
        bench.store.journal(&lease, 1, &[Step::range(1)]).await.unwrap();
        let made = Step {
            n,
            kind: StepKind::Call,
            request_hash: "of another release".to_owned(),
            idempotency_key: None,
            status: StepStatus::Done,
            request: json!({ "operation_id": "demo/POST /once", "risk": "once" }),
            result: Some(json!({ "outcome": "answered", "status": 201, "body": null })),
            format: 1,
        };
        bench.store.journal(&lease, 1, &[made]).await.unwrap();
        bench.store.yield_now(&lease).await.unwrap();
        bench.coordination.ring(conversation, None);
        let worker = bench.start().await;
        bench.quiet(conversation).await;
        worker.stop().await;
        let texts = bench.platform.texts();
        assert!(texts.len() == 1 && texts[0].contains("don't know whether"), "{n} {said}: {texts:?}");
        assert_eq!(bench.backend.requests(), []);
    }
}

async fn a_turn_that_dies_after_its_call_never_asks_for_it_again(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "ask").await.conversation;
    bench.quiet(conversation).await;
    bench.say("385911", "m-2", "doomed").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    let texts = bench.platform.texts();
    assert!(texts[1].contains("don't know whether"), "{texts:?}");
    assert_eq!(bench.snapshot(conversation).await.state.get("question_seq"), None, "no question is open any more");
    let letters = bench.store.list_dead_letters(&tenant(), None, 10).await.unwrap();
    assert!(letters.len() == 1 && letters[0].unknown_effect, "{letters:?}");
    assert_eq!(bench.backend.requests().len(), 1);
}

async fn a_worker_that_lost_its_lease_commits_nothing(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.backend.hold();
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "keyed").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    // Another worker has it now, for a long time.
    bench.meddle("update conversations set epoch = epoch + 1, lease_until = 9000000000000000").await;
    bench.backend.release();
    worker.stop().await; // waits for the drain
    let row = bench.conversation(conversation).await;
    assert_eq!((row.done_seq, row.unsent), (0, 0), "nothing was committed");
    assert!(
        bench.steps(conversation).await.iter().any(|step| step.kind == "call" && step.result.is_none()),
        "nor journaled"
    );
    assert_eq!(bench.platform.sends(), []);
}

async fn a_catalogue_that_is_away_postpones_the_turn(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.catalog.away.store(2, Ordering::SeqCst);
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "safe").await.conversation;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["safe: 200"]);
    assert_eq!(bench.catalog.away.load(Ordering::SeqCst), 0, "it was away");
}

async fn a_list_is_read_to_its_end_only_when_it_is_wanted_whole(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "list").await.conversation;
    bench.quiet(conversation).await;
    assert_eq!(bench.backend.requests().len(), 1);
    bench.say("385911", "m-2", "whole").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["list: [0,1] and more", "whole: [0,1,2,3,4,5]"]);
    assert_eq!(bench.backend.requests().len(), 4);
}
