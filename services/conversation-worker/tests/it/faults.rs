//! What happens when a turn, a worker or a bell does not survive.

use std::sync::atomic::Ordering;

use serde_json::json;
use store::Step;

use crate::{
    bench::{Bench, Engine, eventually, incoming, tenant},
    on_both_engines,
};

on_both_engines!(
    five_unexplained_deaths_make_a_dead_letter_and_the_conversation_goes_on,
    a_turn_without_end_becomes_a_dead_letter,
    a_lost_bell_is_rung_again_by_the_sweeper,
    a_killed_worker_is_followed_when_its_lease_ends,
    a_worker_that_stops_hands_its_conversation_on,
    a_worker_that_stops_begins_no_further_step,
    a_message_that_cannot_be_read_becomes_a_dead_letter_and_the_conversation_goes_on,
    a_message_that_waited_out_an_outage_is_not_given_up_at_its_first_try,
    a_range_that_is_rewritten_keeps_what_the_turn_knew,
    a_counter_without_rows_stops_nothing,
);

async fn five_unexplained_deaths_make_a_dead_letter_and_the_conversation_goes_on(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "panic").await.conversation;
    bench.say("385911", "m-2", "hello").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    let texts = bench.platform.texts();
    assert_eq!(texts.len(), 2, "an apology and an answer: {texts:?}");
    assert_ne!(texts[0], "panic");
    assert_eq!(texts[1], "hello");
    let letters = bench.store.list_dead_letters(&tenant(), None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].seq, letters[0].last_seq, letters[0].attempts), (1, 1, 5));
    assert!(!letters[0].unknown_effect);
}

async fn a_turn_without_end_becomes_a_dead_letter(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "endless").await.conversation;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.store.list_dead_letters(&tenant(), None, 10).await.unwrap().len(), 1);
    assert_eq!(bench.platform.texts().len(), 1, "the apology");
}

async fn a_lost_bell_is_rung_again_by_the_sweeper(engine: Engine) {
    let bench = Bench::new(engine).await;
    let accepted = bench.store.accept(&[crate::bench::incoming("385911", "m-1", "hello")]).await.unwrap();
    let worker = bench.start().await; // and nobody rings
    bench.quiet(accepted[0].conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["hello"]);
}

async fn a_killed_worker_is_followed_when_its_lease_ends(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.backend.hold();
    let first = bench.start().await;
    let conversation = bench.say("385911", "m-1", "safe").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    first.kill().await;
    bench.backend.release();
    let second = bench.start().await;
    bench.say("385911", "m-2", "hello").await; // its bell finds a live lease
    bench.meddle("update conversations set lease_until = 0").await;
    bench.quiet(conversation).await; // the sweeper rings
    second.stop().await;
    assert_eq!(bench.platform.texts(), ["safe: 200", "hello"]);
}

async fn a_worker_that_stops_hands_its_conversation_on(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.backend.hold();
    let first = bench.start().await;
    let conversation = bench.say("385911", "m-1", "keyed").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    let stopping = tokio::spawn(first.stop());
    bench.backend.release();
    stopping.await.unwrap();
    let second = bench.start().await;
    bench.quiet(conversation).await;
    second.stop().await;
    assert_eq!(bench.platform.texts(), ["keyed: 201"]);
    assert_eq!(bench.backend.requests().len(), 1, "the step was finished, not repeated");
}

async fn a_worker_that_stops_begins_no_further_step(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.backend.hold();
    let first = bench.start().await;
    let conversation = bench.say("385911", "m-1", "twice").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    let readiness = first.readiness.clone();
    let stopping = tokio::spawn(first.stop());
    eventually("it has heard of it", async || {
        readiness.state().gates["doorbell"].as_deref() == Some("the worker stops")
    })
    .await;
    bench.backend.release();
    stopping.await.unwrap();
    assert_eq!(bench.backend.requests().len(), 1, "the second call is left to another");
    assert_eq!(bench.inbox(conversation).await[0].attempts, 0, "that is no death");
    let second = bench.start().await;
    bench.quiet(conversation).await;
    second.stop().await;
    assert_eq!(bench.platform.texts(), ["twice: 201, 200"]);
    assert_eq!(bench.backend.requests().len(), 2);
}

async fn a_message_that_cannot_be_read_becomes_a_dead_letter_and_the_conversation_goes_on(engine: Engine) {
    let bench = Bench::new(engine).await;
    let accepted = bench.store.accept(&[incoming("385911", "m-1", "x"), incoming("385911", "m-2", "hello")]).await;
    let conversation = accepted.unwrap()[0].conversation;
    bench.meddle("update inbox set payload = '{}', attempts = 4 where seq = 1").await;
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts().last().map(String::as_str), Some("hello"));
    let letters = bench.store.list_dead_letters(&tenant(), None, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| (letter.seq, letter.attempts)).collect::<Vec<_>>(), [(1, 5)]);
}

async fn a_message_that_waited_out_an_outage_is_not_given_up_at_its_first_try(engine: Engine) {
    let bench = Bench::new(engine).await;
    let conversation = bench.store.accept(&[incoming("385911", "m-1", "safe")]).await.unwrap()[0].conversation;
    bench.meddle("update inbox set accepted_at = accepted_at - 7200000000").await;
    bench.catalog.away.store(2, Ordering::SeqCst);
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["safe: 200"]);
}

async fn a_range_that_is_rewritten_keeps_what_the_turn_knew(engine: Engine) {
    let bench = Bench::new(engine).await;
    let both = [incoming("385911", "m-1", "one"), incoming("385911", "m-2", "two")];
    let conversation = bench.store.accept(&both).await.unwrap()[0].conversation;
    let lease = bench.claim(conversation).await;
    let mut range = Step::range(2);
    range.request["ground"] = json!({ "began": 7, "model": true, "question_sent_at": 5, "identity": {} });
    bench.store.begin_attempt(&lease, 1, None).await.unwrap();
    bench.store.journal(&lease, 1, std::slice::from_ref(&range)).await.unwrap();
    bench.store.yield_now(&lease).await.unwrap();
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["one", "two"], "each alone after a death");
    let steps = bench.store.steps(&bench.reader(conversation), 1).await.unwrap();
    assert_eq!(steps[0].last_seq(), Some(1));
    assert_eq!(steps[0].request["ground"], range.request["ground"]);
}

async fn a_counter_without_rows_stops_nothing(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "one").await.conversation;
    bench.quiet(conversation).await;
    bench.meddle("update conversations set unsent = 1").await;
    bench.coordination.ring(conversation, None);
    eventually("a pause", async || {
        let seen = bench.snapshot(conversation).await;
        seen.wake_at > seen.now
    })
    .await;
    bench.say("385911", "m-2", "two").await;
    eventually("an answer", async || bench.platform.texts() == ["one", "two"]).await;
    worker.stop().await;
}
