//! What the operators' console reads: figures, filters, groups of dead letters, timelines.

use domain::{ConversationId, ReceiptStatus};
use serde_json::json;
use store::{
    DeadLetterNew, OutboxStatus, Outcome, Step, StepKind, StepStatus, StoreError,
    audit::Actor,
    console::{ConversationFilter, ConversationState},
    dead_letters::{LetterFilter, LetterState},
};
use uuid::Uuid;

use crate::support::{Db, answer, on_both_engines, receipt, tenant, text};

on_both_engines!(
    figures_count_what_is_there,
    conversations_are_found_by_channel_and_state,
    dead_letters_are_grouped_filtered_and_put_away_once,
    a_timeline_has_all_that_came_of_a_message,
);

fn operator() -> Actor {
    Actor { name: "ana".to_owned(), from: Some("10.0.0.7".parse().expect("an address")) }
}

/// A message of `acme` that was given up for `reason`.
async fn given_up(db: &Db, message: &str, reason: &str, unknown_effect: bool) -> ConversationId {
    let accepted = db.say(message, message).await;
    let lease = db.claim(accepted.conversation).await;
    let mut commit = answer(1, 1, 0);
    commit.dead_letter = Some(DeadLetterNew { reason: reason.to_owned(), attempts: 5, unknown_effect });
    db.store.commit(&lease, &commit).await.expect("a commit");
    db.store.release_idle(&lease).await.expect("released");
    accepted.conversation
}

async fn figures_count_what_is_there(db: &Db) {
    let acme = tenant("acme");
    let empty = db.store.figures(&acme).await.expect("figures");
    assert_eq!((empty.waiting, empty.oldest_at, empty.answered, empty.latency_p50), (0, None, 0, None));
    assert!(empty.at.0 > 0);

    let (lease, ids) = db.answered(3).await;
    let attempt = db.store.begin_send(&lease, ids[0]).await.expect("an answer").expect("an attempt");
    let sent = Outcome::Sent { provider_message_id: Some("p1".to_owned()) };
    db.store.record_outcome(lease.conversation, ids[0], attempt, &sent).await.expect("recorded");
    db.store.begin_send(&lease, ids[1]).await.expect("an answer").expect("an attempt");
    db.store.record_outcome(lease.conversation, ids[1], 1, &Outcome::Unknown).await.expect("recorded");
    db.say("q", "m2").await;
    db.say("q", "m3").await;
    given_up(db, "m4", "why", false).await;
    db.store.accept(&[text("other", "p", "m1")]).await.expect("accepted");

    let figures = db.store.figures(&acme).await.expect("figures");
    assert_eq!((figures.waiting, figures.in_flight, figures.unsent, figures.unknown), (2, 1, 1, 1));
    assert_eq!((figures.dead_letters, figures.answered, figures.failed, figures.held), (1, 1, 0, 0));
    assert!(figures.oldest_at.is_some_and(|at| at <= figures.at));
    assert!(figures.latency_p50.is_some() && figures.latency_p50 == figures.latency_p95);
    let failed = receipt(Some(ids[0]), "p1", ReceiptStatus::Failed);
    db.store.record_receipts(&acme, &[failed]).await.expect("recorded");
    assert_eq!(db.store.figures(&acme).await.expect("figures").failed, 1);
    // An hour later none of it is recent.
    assert_eq!(db.store.tenants().await.expect("a list"), [acme, tenant("other")]);
}

async fn conversations_are_found_by_channel_and_state(db: &Db) {
    let acme = tenant("acme");
    let (lease, _) = db.answered(1).await;
    let waiting = db.say("q", "m2").await.conversation;
    let quiet = given_up(db, "m3", "why", false).await;
    let mut web = text("acme", "w", "m4");
    web.account = "web:main".parse().expect("an account");
    let web = db.store.accept(&[web]).await.expect("accepted")[0].conversation;
    let find = async |channel: Option<&str>, state| {
        let filter = ConversationFilter { channel: channel.map(str::to_owned), state };
        let found = db.store.find_conversations(&acme, &filter, None, 10).await.expect("a list");
        found.into_iter().map(|line| line.row.id).collect::<Vec<_>>()
    };
    assert_eq!(find(None, None).await, [web, quiet, waiting, lease.conversation]);
    assert_eq!(find(Some("web"), None).await, [web]);
    assert_eq!(find(Some("we"), None).await, [] as [ConversationId; 0]);
    assert_eq!(find(None, Some(ConversationState::Waiting)).await, [web, waiting]);
    assert_eq!(find(None, Some(ConversationState::Working)).await, [lease.conversation]);
    assert_eq!(find(Some("infobip"), Some(ConversationState::Quiet)).await, [quiet]);
    db.expire(lease.conversation).await;
    assert_eq!(find(None, Some(ConversationState::Unsent)).await, [lease.conversation]);
    let page = db.store.find_conversations(&acme, &ConversationFilter::default(), Some(waiting), 1).await;
    let page = page.expect("a page");
    assert_eq!((page.len(), page[0].row.id), (1, lease.conversation));
    assert!(page[0].last_at.is_some());
    assert!(
        db.store
            .find_conversations(&tenant("other"), &ConversationFilter::default(), None, 9)
            .await
            .expect("a list")
            .is_empty()
    );
}

async fn dead_letters_are_grouped_filtered_and_put_away_once(db: &Db) {
    let (store, acme) = (&db.store, tenant("acme"));
    given_up(db, "m1", "away", false).await;
    let second = given_up(db, "m2", "too long", true).await;
    given_up(db, "m3", "away", true).await;
    let open = LetterFilter::default();
    let groups = store.dead_letter_groups(&acme, &open, 10).await.expect("groups");
    let shown: Vec<_> = groups.iter().map(|g| (g.reason.as_str(), g.count, g.unknown_effects)).collect();
    assert_eq!(shown, [("away", 2, 1), ("too long", 1, 1)]);
    assert!(groups[0].first_at < groups[0].last_at);
    assert!(store.dead_letter_groups(&tenant("other"), &open, 10).await.expect("groups").is_empty());

    let away = LetterFilter { reason: Some("away".to_owned()), ..LetterFilter::default() };
    let letters = store.find_dead_letters(&acme, &away, None, 10).await.expect("letters");
    assert_eq!(letters.len(), 2);
    assert_eq!(store.count_dead_letters(&acme, &away).await.expect("a count"), 2);
    let earlier = LetterFilter { until: Some(letters[1].id), ..away.clone() };
    assert_eq!(store.find_dead_letters(&acme, &earlier, None, 10).await.expect("letters").len(), 1);
    let of_second = LetterFilter { conversation: Some(second), ..LetterFilter::default() };
    assert_eq!(store.find_dead_letters(&acme, &of_second, None, 10).await.expect("letters").len(), 1);

    let id = letters[0].id;
    let stranger = store.discard_dead_letter(&tenant("other"), id, "x", &operator()).await;
    assert!(matches!(stranger, Err(StoreError::NotFound(_))), "{stranger:?}");
    assert!(store.discard_dead_letter(&acme, id, "a test", &operator()).await.expect("put away"));
    assert!(!store.discard_dead_letter(&acme, id, "again", &operator()).await.expect("an answer"));
    let replayed = store.replay_dead_letter(&acme, id, true, "ops", None).await;
    assert!(matches!(replayed, Err(StoreError::NotFound(_))), "{replayed:?}");
    let listed = store.list_dead_letters(&acme, None, 10).await.expect("letters");
    assert!(listed.len() == 2 && listed.iter().all(|letter| letter.id != id));
    let gone = LetterFilter { state: LetterState::Discarded, ..LetterFilter::default() };
    let gone = store.find_dead_letters(&acme, &gone, None, 10).await.expect("letters").remove(0);
    let discarded = gone.discarded.expect("put away");
    assert_eq!((discarded.by.as_str(), discarded.reason.as_str()), ("ana", "a test"));

    store.replay_dead_letter(&acme, letters[1].id, true, operator(), None).await.expect("replayed");
    assert!(!store.discard_dead_letter(&acme, letters[1].id, "late", &operator()).await.expect("an answer"));
    let replayed = LetterFilter { state: LetterState::Replayed, ..LetterFilter::default() };
    let replayed = store.find_dead_letters(&acme, &replayed, None, 10).await.expect("letters").remove(0);
    assert_eq!(replayed.replayed_seq, Some(2));
    let deeds = store.list_audit(&acme, None, 10).await.expect("deeds");
    let shown: Vec<_> =
        deeds.iter().map(|line| (line.entry.action.as_str(), line.entry.detail["from"].clone())).collect();
    assert_eq!(shown, [("dead_letter.replay", json!("10.0.0.7")), ("dead_letter.discard", json!("10.0.0.7"))]);
    assert_eq!(store.audit_break().await.expect("an answer"), None);
}

async fn a_timeline_has_all_that_came_of_a_message(db: &Db) {
    let (store, acme) = (&db.store, tenant("acme"));
    let lease = db.held().await;
    store.journal(&lease, 1, &[Step::range(1)]).await.expect("journaled");
    let call = Step {
        n: 1,
        kind: StepKind::Call,
        request_hash: "h".to_owned(),
        idempotency_key: None,
        status: StepStatus::Started,
        request: json!({ "method": "GET" }),
        result: None,
        format: 1,
    };
    store.journal(&lease, 1, &[call]).await.expect("journaled");
    store.finish_step(&lease, 1, 1, &json!({ "status": 200 })).await.expect("finished");
    let mut commit = answer(1, 1, 2);
    commit.dead_letter = Some(DeadLetterNew { reason: "why".to_owned(), attempts: 1, unknown_effect: false });
    let ids = store.commit(&lease, &commit).await.expect("a commit").ids;
    let attempt = store.begin_send(&lease, ids[0]).await.expect("an answer").expect("an attempt");
    let sent = Outcome::Sent { provider_message_id: Some("p1".to_owned()) };
    store.record_outcome(lease.conversation, ids[0], attempt, &sent).await.expect("recorded");
    let reports = [receipt(None, "p1", ReceiptStatus::Read), receipt(Some(ids[0]), "p1", ReceiptStatus::Delivered)];
    store.record_receipts(&acme, &reports).await.expect("recorded");
    db.say("p", "m2").await;

    let turns = store.timeline(&acme, lease.conversation, None, 10).await.expect("a timeline");
    assert_eq!(turns.iter().map(|turn| turn.seq).collect::<Vec<_>>(), [2, 1]);
    let turn = &turns[1];
    assert_eq!(turn.incoming.as_ref().expect("readable").provider_message_id, "m1");
    assert_eq!(turn.steps.iter().map(|step| step.kind.as_str()).collect::<Vec<_>>(), ["range", "call"]);
    assert!(turn.steps[1].finished_at.is_some());
    assert_eq!(
        turn.sends.iter().map(|send| send.status).collect::<Vec<_>>(),
        [OutboxStatus::Sent, OutboxStatus::Pending]
    );
    let receipts: Vec<_> = turn.sends[0].receipts.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(receipts, ["delivered", "read"]);
    assert_eq!(turn.dead_letter.as_ref().expect("given up").reason, "why");
    assert!(turns[0].steps.is_empty() && turns[0].sends.is_empty() && turns[0].dead_letter.is_none());
    let older = store.timeline(&acme, lease.conversation, Some(2), 10).await.expect("a timeline");
    assert_eq!(older.len(), 1);
    assert_eq!(
        store.names_in(&acme, lease.conversation).await.expect("names").into_iter().collect::<Vec<_>>(),
        ["Ana"]
    );
    for (tenant, conversation) in [(tenant("other"), lease.conversation), (acme, ConversationId(Uuid::nil()))] {
        assert!(store.timeline(&tenant, conversation, None, 10).await.expect("an answer").is_empty());
        assert!(store.names_in(&tenant, conversation).await.expect("an answer").is_empty());
    }
}
