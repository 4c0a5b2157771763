//! Operators switch the model off and on while turns run.

use store::audit::Actor;

use crate::{
    bench::{Bench, Engine, eventually, tenant},
    on_both_engines,
};

on_both_engines!(
    turns_that_begin_while_a_switch_forbids_it_have_no_model,
    a_turn_under_way_keeps_its_model_also_after_a_death,
    a_worker_tells_how_it_was_started_and_how_its_model_is,
);

/// A model that nobody asks: the script only tells whether it may be.
const MODEL: [(&str, &str); 3] = [
    ("CONVERSATION_WORKER__MODEL__PROVIDER", "compatible"),
    ("CONVERSATION_WORKER__MODEL__BASE_URL", "http://127.0.0.1:9/v1"),
    ("CONVERSATION_WORKER__MODEL__NAME", "m"),
];

impl Bench {
    async fn switch(&self, name: &str, value: &str) {
        self.store.set_switch(&tenant(), name, value, &Actor::from("ana")).await.unwrap();
    }

    /// Asks turn after turn until one begins with a model, or without.
    async fn until_model(&self, peer: &str, wanted: bool) {
        eventually("the switch is seen", async || {
            let id = uuid::Uuid::new_v4().to_string();
            let conversation = self.say(peer, &id, "model").await.conversation;
            self.quiet(conversation).await;
            let told = self.told(conversation).await;
            let (text, _) = told.last().unwrap();
            *text == format!("model: {wanted}")
        })
        .await;
    }

    async fn forbidden_by(&self, peer: &str) -> Option<String> {
        let account = "infobip:main".parse().unwrap();
        let conversation = self.store.find_conversation(&tenant(), &account, peer).await.unwrap().unwrap();
        let seq = self.conversation(conversation).await.done_seq;
        let steps = self.store.steps(&self.reader(conversation), seq).await.unwrap();
        steps[0].request["ground"]["forbidden_by"].as_str().map(str::to_owned)
    }
}

async fn turns_that_begin_while_a_switch_forbids_it_have_no_model(engine: Engine) {
    let bench = Bench::with(engine, &MODEL).await;
    let worker = bench.start().await;
    bench.until_model("385911", true).await;
    assert_eq!(bench.forbidden_by("385911").await, None);
    for (name, value, back) in [("AI_ENABLED", "false", "true"), ("AI_FALLBACK_MODE", "true", "false")] {
        bench.switch(name, value).await;
        bench.until_model("385911", false).await;
        assert_eq!(bench.forbidden_by("385911").await.as_deref(), Some(name));
        bench.switch(name, back).await;
        bench.until_model("385911", true).await;
    }
    worker.stop().await;
    bench.switch("AI_ENABLED", "false").await;
    let worker = bench.start().await;
    let first = bench.say("385912", "m-1", "model").await.conversation;
    bench.quiet(first).await;
    worker.stop().await;
    assert_eq!(bench.told(first).await[0].0, "model: false", "the first turn after a start knows it, too");
}

async fn a_turn_under_way_keeps_its_model_also_after_a_death(engine: Engine) {
    let bench = Bench::with(engine, &MODEL).await;
    bench.backend.hold();
    let first = bench.start().await;
    let conversation = bench.say("385911", "m-1", "model later").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    bench.switch("AI_ENABLED", "false").await;
    bench.until_model("385912", false).await;
    first.kill().await;
    bench.backend.release();
    let second = bench.start().await;
    bench.meddle("update conversations set lease_until = 0 where owner is not null").await;
    bench.say("385911", "m-2", "model").await;
    bench.quiet(conversation).await;
    second.stop().await;
    let texts: Vec<String> = bench.told(conversation).await.into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["model later: true", "model: false"]);
}

async fn a_worker_tells_how_it_was_started_and_how_its_model_is(engine: Engine) {
    let bench = Bench::with(engine, &[&MODEL[..], &[("AI_FALLBACK_MODE", "True")]].concat()).await;
    let worker = bench.start().await;
    eventually("a word", async || !bench.store.ai_services().await.unwrap().is_empty()).await;
    let told = bench.store.ai_services().await.unwrap().remove(0).0;
    let values = [("AI_DEBUG", "false"), ("AI_ENABLED", "true"), ("AI_FALLBACK_MODE", "true")];
    assert_eq!(told.service, "conversation-worker");
    assert!(told.start_values.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(values));
    let model = told.model.unwrap();
    assert_eq!(model.provider, "compatible");
    assert!(model.failing.unwrap().contains("away"), "nobody listens there");
    worker.stop().await;
}
