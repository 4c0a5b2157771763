//! What happens when a turn, a worker or a bell does not survive.

use crate::{
    bench::{Bench, Engine, eventually, tenant},
    on_both_engines,
};

on_both_engines!(
    five_unexplained_deaths_make_a_dead_letter_and_the_conversation_goes_on,
    a_turn_without_end_becomes_a_dead_letter,
    a_lost_bell_is_rung_again_by_the_sweeper,
    a_killed_worker_is_followed_when_its_lease_ends,
    a_worker_that_stops_hands_its_conversation_on,
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
