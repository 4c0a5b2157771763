//! Alarms of a conversation: kept by the commit, rung once, whoever dies in between.

use crate::{
    bench::{Bench, Engine, eventually},
    on_both_engines,
};

on_both_engines!(
    a_conversation_goes_on_when_its_alarm_is_due,
    an_alarm_outlives_the_worker_that_set_it,
    a_call_that_is_made_again_has_the_key_of_the_first,
);

async fn a_conversation_goes_on_when_its_alarm_is_due(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "remind").await.conversation;
    eventually("the alarm rang", async || bench.platform.texts().len() == 2).await;
    bench.say("385911", "m-2", "hello").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["remind", "alarm 1.1", "hello"]);
    let rows = bench.inbox(conversation).await;
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((rows[1].incoming.provider.as_str(), rows[1].person), ("internal", rows[0].person));
}

async fn an_alarm_outlives_the_worker_that_set_it(engine: Engine) {
    let bench = Bench::new(engine).await;
    let first = bench.start().await;
    let conversation = bench.say("385911", "m-1", "remind").await.conversation;
    bench.quiet(conversation).await;
    first.kill().await;
    // It may have held the conversation still, and nobody waits here for its lease to end.
    bench.meddle("update conversations set lease_until = 0").await;
    let (second, third) = (bench.start().await, bench.start().await);
    eventually("the alarm rang", async || bench.platform.texts().len() == 2).await;
    bench.quiet(conversation).await;
    second.stop().await;
    third.stop().await;
    assert_eq!(bench.platform.texts(), ["remind", "alarm 1.1"], "two that look make one message");
}

async fn a_call_that_is_made_again_has_the_key_of_the_first(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "keyed").await.conversation;
    bench.quiet(conversation).await;
    bench.say("385911", "m-2", "again").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    let requests = bench.backend.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
    assert_eq!(bench.backend.effects(), 1);
}
