//! Switches that operators change, and what services say of themselves.

use std::{collections::BTreeMap, time::Duration};

use store::{
    ai_services::{AiService, ModelState},
    audit::Actor,
    switches::Switched,
};

use crate::support::{Db, on_both_engines, tenant};

on_both_engines!(
    a_change_counts_for_its_tenant_until_it_is_cleared,
    a_change_that_cannot_be_written_down_is_not_made,
    changes_of_many_operators_at_once_all_stand_in_the_audit,
    the_last_word_of_a_service_counts,
);

fn ana() -> Actor {
    Actor { name: "ana".to_owned(), from: Some([127, 0, 0, 1].into()) }
}

async fn deeds(db: &Db, name: &str) -> Vec<String> {
    let lines = db.store.list_audit(&tenant(name), None, 100).await.expect("the audit");
    assert_eq!(db.store.audit_break().await.expect("an answer"), None);
    lines
        .into_iter()
        .rev()
        .map(|line| format!("{} {} {}", line.entry.actor, line.entry.action, line.entry.detail))
        .collect()
}

async fn a_change_counts_for_its_tenant_until_it_is_cleared(db: &Db) {
    let (store, acme) = (&db.store, tenant("acme"));
    store.set_switch(&acme, "AI_ENABLED", "false", &ana()).await.expect("set");
    store.set_switch(&acme, "AI_ENABLED", "true", &Actor::from("b\0o")).await.expect("set");
    store.set_switch(&tenant("other"), "AI_RATE_LIMIT", "5", &ana()).await.expect("set");
    let changes = store.switch_changes(&acme).await.expect("a list");
    let [change] = changes.as_slice() else { panic!("one change: {changes:?}") };
    assert_eq!((change.name.as_str(), change.value.as_str(), change.by.as_str()), ("AI_ENABLED", "true", "bo"));
    let now = store.now().await.expect("a clock");
    assert!(now.since(change.at) < Duration::from_secs(60) && change.at.since(now) < Duration::from_secs(1));
    let mut all = store.switched().await.expect("a list");
    all.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    let one =
        |of: &str, name: &str, value: &str| Switched { tenant: tenant(of), name: name.into(), value: value.into() };
    assert_eq!(all, [one("acme", "AI_ENABLED", "true"), one("other", "AI_RATE_LIMIT", "5")]);

    assert!(store.clear_switch(&acme, "AI_ENABLED", &ana()).await.expect("cleared"));
    assert!(!store.clear_switch(&acme, "AI_ENABLED", &ana()).await.expect("an answer"), "there is none any more");
    assert_eq!(store.switch_changes(&acme).await.expect("a list"), []);
    assert_eq!(store.switched().await.expect("a list").len(), 1, "the other tenant's stands");
    assert_eq!(
        deeds(db, "acme").await,
        [
            r#"ana switch.set {"value":"false","before":null,"from":"127.0.0.1"}"#,
            r#"bo switch.set {"value":"true","before":"false"}"#,
            r#"ana switch.clear {"before":"true","from":"127.0.0.1"}"#,
        ]
    );
}

async fn a_change_that_cannot_be_written_down_is_not_made(db: &Db) {
    let (store, acme) = (&db.store, tenant("acme"));
    store.set_switch(&acme, "AI_ENABLED", "true", &ana()).await.expect("set");
    db.exec("alter table audit_logs rename to audit_logs_away".to_owned()).await;
    store.set_switch(&acme, "AI_ENABLED", "false", &ana()).await.expect_err("no audit");
    store.clear_switch(&acme, "AI_ENABLED", &ana()).await.expect_err("no audit");
    assert_eq!(store.switch_changes(&acme).await.expect("a list")[0].value, "true");
}

async fn changes_of_many_operators_at_once_all_stand_in_the_audit(db: &Db) {
    let changes = (0..10).map(|n: i32| {
        let store = db.store.clone();
        tokio::spawn(async move { store.set_switch(&tenant("acme"), "AI_RATE_LIMIT", &n.to_string(), &ana()).await })
    });
    for change in futures::future::join_all(changes).await {
        change.expect("no panic").expect("set");
    }
    assert_eq!(db.store.switch_changes(&tenant("acme")).await.expect("a list").len(), 1);
    assert_eq!(deeds(db, "acme").await.len(), 10);
}

async fn the_last_word_of_a_service_counts(db: &Db) {
    let model = |failing: Option<&str>| ModelState { provider: "openai".into(), failing: failing.map(str::to_owned) };
    let told = |service: &str, model| AiService {
        service: service.to_owned(),
        start_values: BTreeMap::from([("AI_ENABLED".to_owned(), "true".to_owned())]),
        model,
    };
    db.store.tell_ai_service(&told("worker", Some(model(None)))).await.expect("told");
    db.store.tell_ai_service(&told("gateway", None)).await.expect("told");
    db.store.tell_ai_service(&told("worker", Some(model(Some("a\0way"))))).await.expect("told");
    let all = db.store.ai_services().await.expect("a list");
    assert!(all.iter().all(|(_, age)| *age < Duration::from_secs(60)));
    let all: Vec<AiService> = all.into_iter().map(|(told, _)| told).collect();
    assert_eq!(all, [told("gateway", None), told("worker", Some(model(Some("away"))))]);
}
