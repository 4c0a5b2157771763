//! Messages become answers: once, in order, together where they belong together.

use std::time::Duration;

use crate::{
    bench::{Bench, Engine, eventually, incoming},
    on_both_engines,
};

on_both_engines!(
    sixteen_copies_are_answered_once,
    a_burst_of_two_texts_is_one_turn,
    while_a_question_is_open_texts_do_not_merge,
    a_turn_knows_when_its_question_was_sent,
    a_hot_conversation_is_answered_in_order,
    the_message_that_is_answered_is_marked_as_read,
    what_a_person_chose_is_told_to_the_catalogue_once,
);

async fn sixteen_copies_are_answered_once(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let copies: Vec<_> = (0..16)
        .map(|_| {
            let (store, bells) = (bench.store.clone(), bench.coordination.clone());
            tokio::spawn(async move {
                let accepted = loop {
                    match store.accept(&[incoming("385911", "m-1", "hello")]).await {
                        Ok(accepted) => break accepted[0],
                        Err(error) => assert!(error.is_retryable(), "{error}"),
                    }
                };
                bells.ring(accepted.conversation, None);
                accepted
            })
        })
        .collect();
    let mut first = 0;
    let mut conversation = None;
    for copy in copies {
        let accepted = copy.await.unwrap();
        assert_eq!(accepted.seq, 1);
        first += usize::from(!accepted.duplicate);
        conversation = Some(accepted.conversation);
    }
    assert_eq!(first, 1);
    bench.quiet(conversation.unwrap()).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["hello"]);
    assert_eq!(bench.platform.sends().len(), 1);
}

async fn a_burst_of_two_texts_is_one_turn(engine: Engine) {
    let bench = Bench::with(engine, &[("CONVERSATION_WORKER__WORKER__BURST", "700ms")]).await;
    let worker = bench.start().await;
    // A machine that is too slow for two texts in one burst tries again.
    for peer in ["385911", "385912", "385913", "385914", "385915"] {
        let one = bench.say(peer, &format!("{peer}-1"), "one").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        bench.say(peer, &format!("{peer}-2"), "two").await;
        let rows = bench.inbox(one.conversation).await;
        bench.quiet(one.conversation).await;
        if rows[1].accepted_at.since(rows[0].accepted_at) < Duration::from_millis(650) {
            worker.stop().await;
            assert_eq!(bench.platform.texts().last().map(String::as_str), Some("one|two"));
            return;
        }
    }
    panic!("no two texts were accepted within 650 ms");
}

async fn while_a_question_is_open_texts_do_not_merge(engine: Engine) {
    let bench = Bench::with(engine, &[("CONVERSATION_WORKER__WORKER__BURST", "700ms")]).await;
    let worker = bench.start().await;
    let asked = bench.say("385911", "m-1", "ask").await.conversation;
    bench.quiet(asked).await;
    assert_eq!(bench.snapshot(asked).await.state["question_seq"], 1);
    let both = [incoming("385911", "m-2", "ask"), incoming("385911", "m-3", "two")];
    bench.store.accept(&both).await.unwrap();
    bench.coordination.ring(asked, None);
    bench.quiet(asked).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["Sure?", "Sure?", "two"]);
}

async fn a_turn_knows_when_its_question_was_sent(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let says = async |n: u32, text: &str| {
        let conversation = bench.say("385911", &format!("m-{n}"), text).await.conversation;
        bench.quiet(conversation).await;
    };
    says(1, "ask").await;
    says(2, "shown").await;
    says(3, "ask").await;
    bench.meddle("update outbox set attempt = 2, unknown_ends = 1 where in_seq = 3").await;
    says(4, "shown").await;
    says(5, "ask").await;
    bench.meddle("update outbox set status = 'failed' where in_seq = 5").await;
    says(6, "shown").await;
    worker.stop().await;
    let once = ["Sure?", "begun true, again false, sent true"];
    let again = ["Sure?", "begun true, again true, sent true"];
    let failed = ["Sure?", "begun true, again false, sent false"];
    let told = [once, again, failed].concat();
    assert_eq!(bench.platform.texts(), told);
}

async fn a_hot_conversation_is_answered_in_order(engine: Engine) {
    let bench = Bench::new(engine).await;
    let texts: Vec<String> = (0..50).map(|n| format!("text {n}")).collect();
    let messages: Vec<_> =
        texts.iter().enumerate().map(|(n, text)| incoming("385911", &format!("m-{n}"), text)).collect();
    let conversation = bench.store.accept(&messages).await.unwrap()[0].conversation;
    let (one, two) = (bench.start().await, bench.start().await);
    for _ in 0..10 {
        bench.coordination.ring(conversation, None);
    }
    bench.quiet(conversation).await;
    one.stop().await;
    two.stop().await;
    assert_eq!(bench.platform.texts(), texts);
}

async fn the_message_that_is_answered_is_marked_as_read(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    bench.say("385911", "m-1", "hello").await;
    crate::bench::eventually("a read mark", async || !bench.platform.read().is_empty()).await;
    worker.stop().await;
    assert_eq!(bench.platform.read(), ["/whatsapp/1/senders/385990000000/message/m-1/read"]);
}

async fn what_a_person_chose_is_told_to_the_catalogue_once(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let told = bench.say("385911", "m-1", "chosen").await;
    bench.quiet(told.conversation).await;
    eventually("the choice is told", async || bench.catalog.accepted.lock().unwrap().len() == 1).await;
    let after = bench.say("385911", "m-2", "hello").await;
    bench.quiet(after.conversation).await;
    worker.stop().await;
    let accepted = bench.catalog.accepted.lock().unwrap().clone();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert_eq!((accepted[0].operation_id.as_str(), accepted[0].text.as_str()), ("demo/GET /safe", "safe things"));
    assert_eq!(accepted[0].values, ["things"]);
}
