//! Two tenants with the same accounts, peers and message ids never see each other.

use domain::{OutboxId, PersonId, ReceiptStatus};
use serde_json::json;
use store::{
    DeadLetterNew, Lease, Snapshot, Step, StoreError, UserMapping,
    api_keys::key_hash,
    audit::AuditEntry,
    catalogue::{CatalogDocument, Example},
};

use crate::support::{Db, account, answer, on_both_engines, receipt, tenant, text};

on_both_engines!(two_tenants_never_see_each_other, a_lease_of_another_tenant_reads_nothing);

struct Side {
    lease: Lease,
    person: PersonId,
    outbox: OutboxId,
    letter: uuid::Uuid,
}

/// Fills one tenant with a row of everything; all but the tenant's name is the same on both sides.
async fn fill(db: &Db, name: &str) -> Side {
    let store = &db.store;
    let acme = tenant(name);
    let accepted = store.accept(&[text(name, "p", "m1")]).await.expect("accepted")[0];
    assert_eq!((accepted.seq, accepted.duplicate), (1, false));
    let lease = db.claim(accepted.conversation).await;
    let person = store.inbox_range(&lease, 1, 1).await.expect("rows")[0].person;
    let mut commit = answer(1, 1, 1);
    commit.dead_letter = Some(DeadLetterNew { reason: name.to_owned(), attempts: 5, unknown_effect: false });
    let outbox = store.commit(&lease, &commit).await.expect("a commit").ids[0];
    let mapping = UserMapping {
        backend_user: name.to_owned(),
        values: json!({}),
        label: None,
        source: "test".to_owned(),
        expires_at: domain::Micros(i64::MAX),
    };
    store.save_mapping(&acme, person, "doc", &mapping).await.expect("saved");
    let document = CatalogDocument {
        id: "doc".to_owned(),
        title: name.to_owned(),
        version: "1".to_owned(),
        source: String::new(),
        backend_url: None,
        content: name.as_bytes().to_vec(),
        content_hash: "h".to_owned(),
    };
    assert_eq!(store.upsert_document(&acme, &document).await.expect("kept"), 1);
    assert_eq!(store.upsert_overlay(&acme, "doc/GET /x", &json!({ "of": name })).await.expect("kept"), 2);
    let example = Example {
        operation: "doc/GET /x".to_owned(),
        language: "en".to_owned(),
        text: name.to_owned(),
        origin: "operator".to_owned(),
    };
    assert_eq!(store.add_example(&acme, &example, 9).await.expect("kept"), Some(3));
    store.learn(&acme, "doc/GET /x", "hint", "query:x", name).await.expect("learned");
    store.add_api_key(&acme, "ci", &key_hash(name), &["*".to_owned()], None).await.expect("added");
    let entry = AuditEntry {
        tenant: acme.clone(),
        actor: name.to_owned(),
        action: "a.b".to_owned(),
        subject: "s".to_owned(),
        detail: json!({}),
    };
    store.append_audit(&entry).await.expect("written");
    let letter = store.list_dead_letters(&acme, None, 10).await.expect("letters")[0].id;
    Side { lease, person, outbox, letter }
}

async fn two_tenants_never_see_each_other(db: &Db) {
    let store = &db.store;
    let (a, b) = (tenant("a"), tenant("b"));
    let one = fill(db, "a").await;
    let two = fill(db, "b").await;
    assert_ne!(one.lease.conversation, two.lease.conversation);
    assert_ne!(one.person, two.person);
    for (mine, side, other) in [(&a, &one, &two), (&b, &two, &one)] {
        let name = mine.as_str();
        assert_eq!(
            store.find_conversation(mine, &account(), "p").await.expect("an answer"),
            Some(side.lease.conversation)
        );
        assert_eq!(store.conversation(mine, other.lease.conversation).await.expect("an answer"), None);
        let listed = store.list_conversations(mine, None, 10).await.expect("a list");
        assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [side.lease.conversation]);
        assert_eq!(store.messages(mine, other.lease.conversation, None, 10, None).await.expect("a list"), []);
        assert_eq!(store.messages(mine, side.lease.conversation, None, 10, None).await.expect("a list").len(), 2);
        assert_eq!(store.identity(mine, other.person, "doc").await.expect("an answer"), None);
        let mapping = store.identity(mine, side.person, "doc").await.expect("an answer").expect("a mapping");
        assert_eq!(mapping.backend_user, name);
        let stolen = store.save_mapping(mine, other.person, "doc", &mapping).await;
        assert!(matches!(stolen, Err(StoreError::NotFound(_))), "{stolen:?}");
        assert_eq!(
            store.documents(mine).await.expect("a list").iter().map(|d| d.title.as_str()).collect::<Vec<_>>(),
            [name]
        );
        assert_eq!(store.overlays(mine).await.expect("a list")[0].overlay, json!({ "of": name }));
        assert_eq!(
            store.examples(mine).await.expect("a list").iter().map(|e| e.text.as_str()).collect::<Vec<_>>(),
            [name]
        );
        assert_eq!(
            store.notes(mine).await.expect("a list").iter().map(|n| n.note.as_str()).collect::<Vec<_>>(),
            [name]
        );
        assert_eq!(store.catalog_version(mine).await.expect("a version"), 4);
        let key = store.find_api_key(&key_hash(name)).await.expect("an answer").expect("a key");
        assert_eq!(&key.tenant, mine);
        assert_eq!(store.list_api_keys(mine).await.expect("a list").len(), 1);
        let deeds = store.list_audit(mine, None, 10).await.expect("a list");
        assert_eq!(deeds.iter().map(|line| line.entry.actor.as_str()).collect::<Vec<_>>(), [name]);
        assert_eq!(store.find_dead_letter(mine, other.letter).await.expect("an answer"), None);
        assert_eq!(store.list_dead_letters(mine, None, 10).await.expect("a list")[0].reason, name);
        let replayed = store.replay_dead_letter(mine, other.letter, true, "x", None).await;
        assert!(matches!(replayed, Err(StoreError::NotFound(_))), "{replayed:?}");
        // A forged report with another tenant's id proves nothing.
        let forged = receipt(Some(other.outbox), "forged", ReceiptStatus::Read);
        assert_eq!(store.record_receipts(mine, &[forged]).await.expect("recorded"), []);
    }
    for side in [&one, &two] {
        assert_eq!(db.status(side.outbox).await, "pending");
        assert_eq!(store.begin_send(&side.lease, side.outbox).await.expect("an answer"), Some(1), "still to be sent");
    }
    store.revoke_api_key(&a, "ci").await.expect("revoked");
    assert_eq!(store.find_api_key(&key_hash("a")).await.expect("an answer"), None);
    assert!(store.find_api_key(&key_hash("b")).await.expect("an answer").is_some());
}

async fn a_lease_of_another_tenant_reads_nothing(db: &Db) {
    let one = fill(db, "a").await;
    let wrong = Lease { tenant: tenant("b"), ..one.lease.clone() };
    let snapshot: Result<Snapshot, _> = db.store.snapshot(&wrong).await;
    assert!(matches!(snapshot, Err(StoreError::NotFound(_))));
    assert!(db.store.inbox_range(&wrong, 1, 10).await.expect("rows").is_empty());
    assert_eq!(db.store.asked(&wrong, 1).await.expect("an answer"), store::work::Asked::default());
    db.store.journal(&one.lease, 2, &[Step::range(2)]).await.expect("journaled");
    assert!(db.store.steps(&wrong, 2).await.expect("steps").is_empty());
    assert!(!db.store.yield_now(&wrong).await.expect("an answer"));
    assert!(matches!(db.store.commit(&wrong, &answer(2, 2, 0)).await, Err(StoreError::Fenced)));
}
