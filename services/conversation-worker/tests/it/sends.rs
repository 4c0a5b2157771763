//! Sends that the platform postpones, refuses, or leaves without an end, and how many leave at all.

use std::time::Duration;

use store::OutboxStatus;

use crate::{
    bench::{Bench, Engine, eventually},
    on_both_engines,
};

on_both_engines!(
    what_the_platform_postpones_is_sent_later_and_turns_go_on,
    an_unknown_end_is_sent_again_by_the_policy_resend,
    an_unknown_end_is_held_by_the_policy_hold_and_later_answers_go_out,
    what_the_platform_refuses_for_good_is_failed_and_the_next_answer_goes_out,
    all_workers_together_send_no_more_than_the_account_may,
    nothing_is_sent_to_a_platform_that_fails_until_one_try_succeeds,
);

async fn status(bench: &Bench, conversation: domain::ConversationId, expected: &[(&str, OutboxStatus)]) {
    let expected: Vec<_> =
        expected.iter().map(|(text, status)| ((*text).to_owned(), status.as_str().to_owned())).collect();
    eventually(&format!("{expected:?}"), async || bench.told(conversation).await == expected).await;
}

async fn what_the_platform_postpones_is_sent_later_and_turns_go_on(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.platform.fail_next(429, Some(2));
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "one").await.conversation;
    eventually("refused", async || bench.platform.sends().len() == 1).await;
    bench.say("385911", "m-2", "two").await;
    eventually("the second turn did not wait", async || bench.conversation(conversation).await.done_seq == 2).await;
    bench.quiet(conversation).await;
    worker.stop().await;
    let sends = bench.platform.sends();
    assert_eq!(bench.platform.texts(), ["one", "two"]);
    assert_eq!(sends[0].id, sends[1].id, "the same message again");
}

async fn an_unknown_end_is_sent_again_by_the_policy_resend(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.platform.fail_next(500, None);
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "one").await.conversation;
    status(&bench, conversation, &[("one", OutboxStatus::Unknown)]).await;
    assert_eq!(bench.conversation(conversation).await.unsent, 1);
    bench.meddle("update outbox set due_at = 0").await;
    bench.meddle("update conversations set wake_at = 0, owner = null").await;
    bench.coordination.ring(conversation, None);
    status(&bench, conversation, &[("one", OutboxStatus::Sent)]).await;
    worker.stop().await;
    assert_eq!(bench.platform.sends().len(), 2);
}

async fn an_unknown_end_is_held_by_the_policy_hold_and_later_answers_go_out(engine: Engine) {
    let bench = Bench::with(engine, &[("CONVERSATION_WORKER__TENANTS__DEFAULT__OUTBOUND_UNKNOWN", "hold")]).await;
    bench.platform.fail_next(500, None);
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "one").await.conversation;
    status(&bench, conversation, &[("one", OutboxStatus::Unknown)]).await;
    bench.say("385911", "m-2", "two").await;
    status(&bench, conversation, &[("one", OutboxStatus::Unknown), ("two", OutboxStatus::Pending)]).await;
    bench.meddle("update outbox set due_at = 0 where status = 'unknown'").await;
    bench.meddle("update conversations set wake_at = 0, owner = null").await;
    bench.coordination.ring(conversation, None);
    status(&bench, conversation, &[("one", OutboxStatus::Held), ("two", OutboxStatus::Sent)]).await;
    worker.stop().await;
    assert_eq!(bench.store.held_count().await.unwrap(), 1);
    assert_eq!(bench.platform.texts(), ["two"]);
}

async fn what_the_platform_refuses_for_good_is_failed_and_the_next_answer_goes_out(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench.platform.fail_next(400, None);
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "one").await.conversation;
    bench.say("385911", "m-2", "two").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    status(&bench, conversation, &[("one", OutboxStatus::Failed), ("two", OutboxStatus::Sent)]).await;
}

async fn all_workers_together_send_no_more_than_the_account_may(engine: Engine) {
    let bench = Bench::with_account(engine, &[], "sends_per_second = 1").await;
    let workers = [bench.start().await, bench.start().await];
    for peer in ["385911", "385912", "385913", "385914"] {
        bench.say(peer, peer, "hello").await;
    }
    eventually("all are sent", async || bench.platform.texts().len() == 4).await;
    for worker in workers {
        worker.stop().await;
    }
    let sends = bench.platform.sends();
    // The first may have been on its way for long, so not the whole three seconds.
    assert!(sends[3].at - sends[0].at > Duration::from_secs(2), "{sends:?}");
}

async fn nothing_is_sent_to_a_platform_that_fails_until_one_try_succeeds(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    for (count, peer) in ["385911", "385912", "385913", "385914", "385915"].into_iter().enumerate() {
        bench.platform.fail_next(503, None);
        let conversation = bench.say(peer, peer, "lost").await.conversation;
        status(&bench, conversation, &[("lost", OutboxStatus::Unknown)]).await;
        assert_eq!(bench.platform.sends().len(), count + 1);
    }
    let waiting = bench.say("385916", "m-6", "waits").await.conversation;
    status(&bench, waiting, &[("waits", OutboxStatus::Sent)]).await;
    worker.stop().await;
    let sends = bench.platform.sends();
    assert_eq!(sends.len(), 6, "{sends:?}");
    assert!(sends[5].at - sends[4].at >= Duration::from_secs(5), "{sends:?}");
}
