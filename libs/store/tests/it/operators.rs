//! Catalogue, keys, audit and history: what operators and programs read and write.

use domain::Micros;
use serde_json::json;
use store::{
    Cursor, Direction, StoreError, UserMapping,
    api_keys::key_hash,
    audit::AuditEntry,
    catalogue::{ACCEPTED, CatalogDocument, Example},
};

use crate::support::{Db, answer, on_both_engines, tenant};

on_both_engines!(
    every_change_of_the_catalogue_has_its_version,
    concurrent_changes_of_the_catalogue_take_different_versions,
    the_oldest_accepted_sentences_of_an_operation_go,
    a_key_opens_until_it_is_revoked_or_expires,
    the_audit_chain_shows_what_was_changed,
    outbound_messages_resume_from_a_cursor,
    an_identity_ends_with_its_time,
    conversations_are_listed_page_by_page,
);

fn document(hash: &str) -> CatalogDocument {
    CatalogDocument {
        id: "fleet".to_owned(),
        title: "T".to_owned(),
        version: "1".to_owned(),
        source: "file".to_owned(),
        backend_url: None,
        content: hash.as_bytes().to_vec(),
        content_hash: hash.to_owned(),
    }
}

async fn every_change_of_the_catalogue_has_its_version(db: &Db) {
    let (store, acme) = (&db.store, tenant("acme"));
    assert_eq!(store.catalog_version(&acme).await.expect("a version"), 0);
    assert_eq!(store.upsert_document(&acme, &document("h1")).await.expect("kept"), 1);
    assert_eq!(store.upsert_document(&acme, &document("h1")).await.expect("kept"), 1, "nothing changed");
    assert_eq!(store.upsert_document(&acme, &document("h2")).await.expect("kept"), 2);
    let moved = CatalogDocument { backend_url: Some("http://x".to_owned()), ..document("h2") };
    assert_eq!(store.upsert_document(&acme, &moved).await.expect("kept"), 3);
    assert_eq!(store.documents(&acme).await.expect("a list"), [moved]);
    assert_eq!(store.upsert_overlay(&acme, "fleet/GET /x", &json!({ "hidden": true })).await.expect("kept"), 4);
    let example = Example {
        operation: "fleet/GET /x".to_owned(),
        language: "hr".to_owned(),
        text: "pokaži".to_owned(),
        origin: "operator".to_owned(),
    };
    assert_eq!(store.add_example(&acme, &example, 9).await.expect("kept"), Some(5));
    assert_eq!(store.add_example(&acme, &example, 9).await.expect("kept"), None);
    store.learn(&acme, "fleet/GET /x", "hint", "from", "must be a date").await.expect("learned");
    assert_eq!(store.catalog_version(&acme).await.expect("a version"), 6);
    store.learn(&acme, "fleet/GET /x", "hint", "from", "must be a date").await.expect("learned");
    assert_eq!(store.catalog_version(&acme).await.expect("a version"), 6);
    assert_eq!(store.notes(&acme).await.expect("a list")[0].seen, 2);
}

async fn the_oldest_accepted_sentences_of_an_operation_go(db: &Db) {
    let (store, acme, other) = (&db.store, tenant("acme"), tenant("other"));
    let example = |operation: &str, text: &str, origin: &str| Example {
        operation: operation.to_owned(),
        language: "en".to_owned(),
        text: text.to_owned(),
        origin: origin.to_owned(),
    };
    store.add_example(&other, &example("x", "a", ACCEPTED), 2).await.expect("kept");
    for (operation, text, origin) in
        [("x", "z", "operator"), ("y", "a", ACCEPTED), ("x", "c", ACCEPTED), ("x", "a", ACCEPTED), ("x", "b", ACCEPTED)]
    {
        assert!(store.add_example(&acme, &example(operation, text, origin), 2).await.expect("kept").is_some());
    }
    // Known: nothing is new, and nothing goes.
    assert_eq!(store.add_example(&acme, &example("x", "a", ACCEPTED), 2).await.expect("known"), None);
    let texts = async || {
        let all = store.examples(&acme).await.expect("a list");
        all.into_iter().map(|row| format!("{} {}", row.operation, row.text)).collect::<Vec<_>>()
    };
    assert_eq!(texts().await, ["x a", "x b", "x z", "y a"]);
    assert_eq!(store.remove_example(&acme, "x", ACCEPTED, "z").await.expect("none"), None, "it is the operator's");
    assert_eq!(store.catalog_version(&acme).await.expect("a version"), 5);
    assert_eq!(store.remove_example(&acme, "x", ACCEPTED, "a").await.expect("gone"), Some(6));
    assert_eq!(texts().await, ["x b", "x z", "y a"]);
    assert_eq!(store.examples(&other).await.expect("a list").len(), 1, "tenants share none");
}

async fn concurrent_changes_of_the_catalogue_take_different_versions(db: &Db) {
    let acme = tenant("acme");
    let changes = (0..10).map(|i| {
        let (store, acme) = (db.store.clone(), acme.clone());
        tokio::spawn(async move { store.upsert_overlay(&acme, &format!("d/GET /{i}"), &json!({})).await })
    });
    let mut versions = Vec::new();
    for change in futures::future::join_all(changes).await {
        versions.push(change.expect("no panic").expect("kept"));
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=10).collect::<Vec<_>>());
}

async fn a_key_opens_until_it_is_revoked_or_expires(db: &Db) {
    let (store, acme) = (&db.store, tenant("acme"));
    let services = vec!["dragoman.conversation.v1.ConversationService".to_owned()];
    store.add_api_key(&acme, "ci", &key_hash("k1"), &services, None).await.expect("added");
    let again = store.add_api_key(&acme, "ci", &key_hash("k2"), &services, None).await;
    assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
    let key = store.find_api_key(&key_hash("k1")).await.expect("an answer").expect("a key");
    assert_eq!((key.name.as_str(), &key.services), ("ci", &services));
    assert_eq!(store.find_api_key(&key_hash("k3")).await.expect("an answer"), None);
    store.add_api_key(&acme, "old", &key_hash("k4"), &services, Some(Micros(1))).await.expect("added");
    assert_eq!(store.find_api_key(&key_hash("k4")).await.expect("an answer"), None);
    store.revoke_api_key(&acme, "ci").await.expect("revoked");
    assert_eq!(store.find_api_key(&key_hash("k1")).await.expect("an answer"), None);
    assert!(matches!(store.revoke_api_key(&acme, "ci").await, Err(StoreError::NotFound(_))));
    store.add_api_key(&acme, "ci", &key_hash("k2"), &services, None).await.expect("the name is free again");
}

async fn the_audit_chain_shows_what_was_changed(db: &Db) {
    let entries = (0..8).map(|i| {
        let store = db.store.clone();
        let entry = AuditEntry {
            tenant: tenant("acme"),
            actor: format!("ops{i}"),
            action: "a.b".to_owned(),
            subject: "s\0".to_owned(),
            detail: json!({ "i": i }),
        };
        tokio::spawn(async move { store.append_audit(&entry).await })
    });
    for entry in futures::future::join_all(entries).await {
        entry.expect("no panic").expect("written");
    }
    assert_eq!(db.store.audit_break().await.expect("an answer"), None);
    let line = &db.store.list_audit(&tenant("acme"), None, 1).await.expect("a list")[0];
    assert_eq!(line.n, 8);
    db.exec("update audit_logs set actor = 'nobody' where n = 5".to_owned()).await;
    assert_eq!(db.store.audit_break().await.expect("an answer"), Some(5));
    db.exec("delete from audit_logs where n = 3".to_owned()).await;
    assert_eq!(db.store.audit_break().await.expect("an answer"), Some(3));
}

async fn outbound_messages_resume_from_a_cursor(db: &Db) {
    let acme = tenant("acme");
    let (lease, ids) = db.answered(3).await;
    let read = |after, direction| {
        let (store, acme, id) = (&db.store, &acme, lease.conversation);
        async move { store.messages(acme, id, after, 10, direction).await.expect("messages") }
    };
    let all = read(None, None).await;
    assert_eq!(all.len(), 4);
    assert_eq!((all[0].direction, all[0].body["text"].as_str()), (Direction::Inbound, Some("text of m1")));
    let rest = read(Some(Cursor { seq: 1, part: 0 }), Some(Direction::Outbound)).await;
    assert_eq!(rest.iter().map(|m| m.cursor.part).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rest[0].status, "pending");
    assert!(rest[0].person.is_none() && all[0].person.is_some());
    // A message that arrives meanwhile stands behind; the reader of answers misses nothing.
    db.say("p", "m2").await;
    db.store.commit(&lease, &answer(2, 2, 1)).await.expect("a commit");
    let next = read(Some(Cursor { seq: 1, part: 2 }), Some(Direction::Outbound)).await;
    assert_eq!(next.iter().map(|m| m.cursor).collect::<Vec<_>>(), [Cursor { seq: 2, part: 0 }]);
    assert_eq!(ids.len(), 3);
}

async fn an_identity_ends_with_its_time(db: &Db) {
    let (store, acme) = (&db.store, tenant("acme"));
    let lease = db.held().await;
    let person = store.inbox_range(&lease, 1, 1).await.expect("rows")[0].person;
    assert_eq!(store.identity(&acme, person, "d").await.expect("an answer"), None);
    let now = store.now().await.expect("a clock");
    let mut mapping = UserMapping {
        backend_user: "17".to_owned(),
        values: json!({ "person_id": "17" }),
        label: Some("Ana".to_owned()),
        source: "GET /people".to_owned(),
        expires_at: Micros(now.0 + 60_000_000),
    };
    store.save_mapping(&acme, person, "d", &mapping).await.expect("saved");
    assert_eq!(store.identity(&acme, person, "d").await.expect("an answer"), Some(mapping.clone()));
    assert_eq!(store.identity(&acme, person, "e").await.expect("an answer"), None);
    mapping.label = Some("A\0na".to_owned());
    store.save_mapping(&acme, person, "d", &mapping).await.expect("saved");
    let saved = store.identity(&acme, person, "d").await.expect("an answer").expect("a mapping");
    assert_eq!(saved.label.as_deref(), Some("Ana"));
    mapping.expires_at = now;
    store.save_mapping(&acme, person, "d", &mapping).await.expect("saved");
    assert_eq!(store.identity(&acme, person, "d").await.expect("an answer"), None);
}

async fn conversations_are_listed_page_by_page(db: &Db) {
    let acme = tenant("acme");
    for i in 0..5 {
        db.say(&format!("p{i}"), &format!("m{i}")).await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = db.store.list_conversations(&acme, before, 2).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|row| row.peer));
    }
    seen.sort();
    assert_eq!(seen, ["p0", "p1", "p2", "p3", "p4"]);
}
