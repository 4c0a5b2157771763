//! Switches, over gRPC and in the console.

use std::collections::BTreeMap;

use proto::admin::v1::{ClearSwitchRequest, ListSwitchesRequest, SetSwitchRequest, Switch};
use reqwest::StatusCode;
use store::{ai_services::AiService, audit::Actor};
use tonic::Code;

use crate::{
    browser::Browser,
    support::{Engine, Running, on_both_engines, start_with, tenant},
};

on_both_engines!(
    a_change_wins_over_the_start_until_it_is_cleared,
    wrong_names_and_values_and_callers_are_refused,
    the_console_asks_before_a_switch_is_changed,
    the_console_shows_where_a_value_comes_from,
);

fn set(name: &str, value: &str) -> SetSwitchRequest {
    SetSwitchRequest { name: name.to_owned(), value: value.to_owned() }
}

impl Running {
    async fn switches(&self, key: &str) -> Vec<Switch> {
        let listed = self.client(key).list_switches(ListSwitchesRequest {}).await.expect("a list");
        listed.into_inner().switches
    }

    /// A part tells what it was started with.
    async fn started(&self, service: &str, values: &[(&str, &str)]) {
        let start_values: BTreeMap<String, String> =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let told = AiService { service: service.to_owned(), start_values, model: None };
        self.store.tell_ai_service(&told).await.expect("told");
    }

    async fn deeds(&self) -> Vec<String> {
        let lines = self.store.list_audit(&tenant("acme"), None, 100).await.expect("the audit");
        assert_eq!(self.store.audit_break().await.expect("an answer"), None);
        let told = lines.into_iter().rev().filter(|line| line.entry.action.starts_with("switch."));
        told.map(|line| format!("{} {} {}", line.entry.action, line.entry.subject, line.entry.detail)).collect()
    }
}

async fn a_change_wins_over_the_start_until_it_is_cleared(engine: Engine) {
    let running = start_with(engine, &[]).await;
    let names: Vec<String> = running.switches("acme-key").await.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["AI_ENABLED", "AI_FALLBACK_MODE", "AI_RATE_LIMIT", "AI_DEBUG"]);
    assert!(running.switches("acme-key").await.iter().all(|one| one.value.is_empty()), "nobody has told its start");
    running.started("ingress-gateway", &[("AI_ENABLED", "true"), ("AI_RATE_LIMIT", "60")]).await;
    running.started("conversation-worker", &[("AI_ENABLED", "true"), ("AI_FALLBACK_MODE", "true")]).await;
    let mut client = running.client("acme-key");
    let changed = client.set_switch(set("AI_RATE_LIMIT", "030")).await.expect("set").into_inner().switch.expect("it");
    assert_eq!((changed.value.as_str(), changed.start_values.len()), ("30", 1));
    let change = changed.change.expect("a change");
    assert!(change.changed_by == "acme-key" && change.changed_at.is_some());
    client.set_switch(set("AI_ENABLED", "false")).await.expect("set");
    let values = |of: Vec<Switch>| of.into_iter().map(|one| one.value).collect::<Vec<_>>();
    assert_eq!(values(running.switches("acme-key").await), ["false", "true", "30", ""]);
    assert_eq!(values(running.switches("other-key").await), ["true", "true", "60", ""], "another tenant's stand");
    let clear = || ClearSwitchRequest { name: "AI_ENABLED".to_owned() };
    for _ in 0..2 {
        let cleared = client.clear_switch(clear()).await.expect("cleared").into_inner().switch.expect("it");
        assert_eq!((cleared.value.as_str(), cleared.change), ("true", None));
    }
    let deeds = [
        r#"switch.set AI_RATE_LIMIT {"value":"30","before":null,"from":"127.0.0.1"}"#,
        r#"switch.set AI_ENABLED {"value":"false","before":null,"from":"127.0.0.1"}"#,
        r#"switch.clear AI_ENABLED {"before":"false","from":"127.0.0.1"}"#,
    ];
    assert_eq!(running.deeds().await, deeds, "clearing nothing is no deed");
}

async fn wrong_names_and_values_and_callers_are_refused(engine: Engine) {
    let running = start_with(engine, &[]).await;
    let mut client = running.client("acme-key");
    for (name, value, told) in [
        ("AI_ENABLED", "off", "AI_ENABLED is `true` or `false`"),
        ("AI_RATE_LIMIT", "0", "AI_RATE_LIMIT is a number from 1 to 100000"),
        ("AI_MODE", "true", "there is no switch `AI_MODE`; there are AI_ENABLED, "),
        ("", "true", "there is no switch ``"),
    ] {
        let refused = client.set_switch(set(name, value)).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(told), "{refused}");
    }
    let unknown = client.clear_switch(ClearSwitchRequest { name: "x".into() }).await.expect_err("refused");
    assert_eq!(unknown.code(), Code::InvalidArgument);
    for (key, code) in [("narrow-key", Code::PermissionDenied), ("no-key", Code::Unauthenticated)] {
        let mut client = running.client(key);
        assert_eq!(client.list_switches(ListSwitchesRequest {}).await.expect_err("refused").code(), code);
        assert_eq!(client.set_switch(set("AI_ENABLED", "false")).await.expect_err("refused").code(), code);
    }
    assert_eq!(running.store.switched().await.expect("a list"), []);
    assert_eq!(running.deeds().await, [] as [String; 0]);
}

const PAGE: &str = "/console/t/acme/switches";
const CONFIRM: &str = "/console/t/acme/switches/confirm?name=AI_ENABLED&value=false";
const CHANGE: &str = "/console/t/acme/switches/change";

async fn the_console_asks_before_a_switch_is_changed(engine: Engine) {
    let running = start_with(engine, &[]).await;
    running.started("conversation-worker", &[("AI_ENABLED", "true")]).await;
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let question = browser.get(CONFIRM).await;
    assert!(question.has("AI: off?") && question.has("answers new messages with 503"), "{}", question.text);
    assert_eq!(running.store.switched().await.expect("a list"), [], "a question changes nothing");
    let fields = [("name", "AI_ENABLED"), ("value", "false")];
    for forged in ["", "guess"] {
        let answer = browser.post(CHANGE, &[&fields[..], &[("csrf", forged)]].concat()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(running.store.switched().await.expect("a list"), []);
    let done = browser.submit(CONFIRM, CHANGE, &fields).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, PAGE));
    let page = browser.get(PAGE).await;
    assert!(page.has("AI: off. All parts follow within 2 s.") && page.has("by acme-key"), "{}", page.text);
    let back = "/console/t/acme/switches/confirm?name=AI_ENABLED";
    assert!(browser.get(back).await.has("AI: back to the value of the start?"));
    browser.submit(back, CHANGE, &[("name", "AI_ENABLED")]).await;
    assert_eq!(running.store.switched().await.expect("a list"), []);
    assert_eq!(
        running.deeds().await,
        [
            r#"switch.set AI_ENABLED {"value":"false","before":null,"from":"127.0.0.1"}"#,
            r#"switch.clear AI_ENABLED {"before":"false","from":"127.0.0.1"}"#,
        ]
    );
    for wrong in ["?name=AI_MODE&value=true", "?name=AI_RATE_LIMIT&value=0", "?name=AI_ENABLED&value=%3Cb%3E", ""] {
        let answer = browser.get(&format!("{PAGE}/confirm{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(!answer.has("<b>"));
    }
    let wrong = browser.submit(CONFIRM, CHANGE, &[("name", "AI_RATE_LIMIT"), ("value", "many")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let other = browser.submit(CONFIRM, "/console/t/other/switches/change", &fields).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "another tenant's page is none of this operator's");
    assert_eq!(running.store.switched().await.expect("a list"), []);
}

async fn the_console_shows_where_a_value_comes_from(engine: Engine) {
    let running = start_with(engine, &[]).await;
    let browser = Browser::signed_in(running.http, "acme-key").await;
    assert!(browser.get(PAGE).await.has("no part has told it yet"));
    running.started("ingress-gateway", &[("AI_ENABLED", "false"), ("AI_RATE_LIMIT", "60")]).await;
    running.started("conversation-worker", &[("AI_ENABLED", "true")]).await;
    let page = browser.get(PAGE).await;
    assert!(page.has("not known") && page.has("true (conversation-worker), false (ingress-gateway)"), "{}", page.text);
    assert!(page.has(r#"name="value" type="number" min="1" max="100000" required value="60""#), "{}", page.text);
    let named = Actor::from("<i>ana</i>");
    running.store.set_switch(&tenant("acme"), "AI_FALLBACK_MODE", "true", &named).await.expect("set");
    let page = browser.get(PAGE).await;
    assert!(page.has("&#60;i&#62;ana") && !page.has("<i>ana"), "{}", page.text);
}
