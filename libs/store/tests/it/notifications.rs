//! Messages that nobody asked for, and who does not want them.

use std::time::Duration;

use domain::{Category, Content, Failure, FailureClass, Incoming, Micros, OutboxId, ReceiptStatus, Template, Unasked};
use serde_json::json;
use store::{
    AuditRow, Commit, DeadLetterNew, Direction, Lease, NotificationState, OptChange, OutboxNew, Outcome, Scope,
    StoreError,
};

use crate::support::{Db, account, answer, on_both_engines, receipt, tenant, text};

on_both_engines!(
    a_notification_is_accepted_once_and_nobody_said_it,
    how_far_a_notification_has_come_is_told_from_its_acceptance_to_its_receipts,
    a_notification_that_was_given_up_has_failed,
    words_that_came_too_late_are_followed_by_their_template_once,
    a_closed_window_at_the_send_has_the_template_follow,
    a_file_that_did_not_arrive_is_followed_by_the_sentence_in_its_place_once,
    what_has_no_template_or_was_one_is_not_followed,
    when_a_person_wrote_last_is_told_and_notices_do_not_count,
    an_opt_out_holds_until_it_is_taken_back,
    a_blocked_person_may_be_written_to_once_they_wrote_again,
    a_fenced_worker_changes_no_opt_out,
    opt_outs_are_of_one_chat_of_one_tenant,
    a_refusal_that_is_kept_late_takes_nothing_back_that_came_after_it,
    of_two_words_that_come_in_the_wrong_order_the_later_one_counts,
    a_report_that_marketing_was_stopped_is_an_opt_out_of_it,
    whoever_was_written_to_first_has_the_name_of_their_first_message,
    what_the_platform_calls_a_chat_leads_to_the_same_conversation_and_person,
    who_has_another_number_keeps_conversation_person_and_what_they_do_not_want,
    a_part_that_may_not_be_said_is_a_failed_one_that_nobody_reads,
);

fn unasked(template: bool) -> Unasked {
    let template = template.then(|| Template {
        name: "parcel".to_owned(),
        language: "en".to_owned(),
        parameters: vec!["4711".to_owned()],
    });
    Unasked { category: Category::Service, template }
}

fn notification(peer: &str, key: &str, words: &str, template: bool) -> Incoming {
    let content = Content::Notification { text: words.to_owned(), unasked: unasked(template) };
    Incoming { provider: "internal".to_owned(), content, ..text("acme", peer, key) }
}

/// The commit that says a notification.
fn said(seq: i64, words: &str, template: bool) -> Commit {
    let reply = json!({ "text": words, "unasked": unasked(template) });
    let replies = vec![OutboxNew { part: 1, reply, sent_already: false, refused: None, question: false, file: None }];
    Commit { replies, ..answer(seq, seq, 0) }
}

/// A conversation whose one message is a notification that waits to be sent.
async fn waiting(db: &Db, words: &str, template: bool) -> (Lease, OutboxId) {
    let accepted = db.store.accept(&[notification("p", "n1", words, template)]).await.expect("accepted")[0];
    let lease = db.claim(accepted.conversation).await;
    let ids = db.store.commit(&lease, &said(1, words, template)).await.expect("a commit").ids;
    (lease, ids[0])
}

async fn sent(db: &Db, lease: &Lease, id: OutboxId) {
    assert_eq!(db.store.begin_send(lease, id).await.expect("an answer"), Some(1));
    let sent = Outcome::Sent { provider_message_id: Some("p1".to_owned()) };
    assert!(db.store.record_outcome(lease.conversation, id, 1, &sent).await.expect("recorded"));
}

async fn state(db: &Db, lease: &Lease, seq: i64) -> Option<NotificationState> {
    db.store.notification(&lease.tenant, lease.conversation, seq).await.expect("a state")
}

fn is(status: &str, reason: Option<&str>, followed: bool) -> Option<NotificationState> {
    Some(NotificationState { status: status.to_owned(), reason: reason.map(str::to_owned), followed })
}

async fn a_notification_is_accepted_once_and_nobody_said_it(db: &Db) {
    let first = db.store.accept(&[notification("p", "n1", "hello", false)]).await.expect("accepted")[0];
    let again = db.store.accept(&[notification("p", "n1", "other words", false)]).await.expect("accepted")[0];
    assert_eq!((first.seq, first.duplicate, again.seq, again.duplicate), (1, false, 1, true));
    let found = db.store.find_notification(&tenant("acme"), &account(), "n1").await.expect("a look");
    assert_eq!(
        found.map(|(found, said)| (found.conversation, found.seq, found.duplicate, found.ring, said)),
        Some((first.conversation, 1, true, true, notification("p", "n1", "hello", false).content))
    );
    let inbound = db.store.messages(&tenant("acme"), first.conversation, None, 10, Some(Direction::Inbound)).await;
    assert_eq!(inbound.expect("a history"), [], "nobody wrote");
    // A message beside it in one group has its line.
    let both = [text("acme", "p", "m1"), notification("p", "n2", "x", false)];
    db.store.accept(&both).await.expect("accepted");
    let inbound = db.store.messages(&tenant("acme"), first.conversation, None, 10, Some(Direction::Inbound)).await;
    assert_eq!(inbound.expect("a history").len(), 1);
}

async fn how_far_a_notification_has_come_is_told_from_its_acceptance_to_its_receipts(db: &Db) {
    let accepted = db.store.accept(&[notification("p", "n1", "hello", false)]).await.expect("accepted")[0];
    let lease = db.claim(accepted.conversation).await;
    assert_eq!(state(db, &lease, 1).await, is("pending", None, false), "its turn has not come");
    assert_eq!(state(db, &lease, 2).await, None);
    let id = db.store.commit(&lease, &said(1, "hello", false)).await.expect("a commit").ids[0];
    assert_eq!(state(db, &lease, 1).await, is("pending", None, false));
    sent(db, &lease, id).await;
    assert_eq!(state(db, &lease, 1).await, is("sent", None, false));
    let failed = Failure { reason: "131026 Undeliverable".to_owned(), class: FailureClass::Other };
    let failed = domain::Receipt { failure: Some(failed), ..receipt(None, "p1", ReceiptStatus::Failed) };
    db.store.record_receipts(&lease.tenant, &[failed]).await.expect("kept");
    assert_eq!(state(db, &lease, 1).await, is("failed", Some("131026 Undeliverable"), false));
    let history = db.store.messages(&lease.tenant, lease.conversation, None, 10, None).await.expect("a history");
    assert_eq!((history[0].status.as_str(), history[0].reason.as_deref()), ("failed", Some("131026 Undeliverable")));
    // Reports never step back.
    db.store.record_receipts(&lease.tenant, &[receipt(Some(id), "p1", ReceiptStatus::Delivered)]).await.expect("kept");
    assert_eq!(state(db, &lease, 1).await, is("delivered", None, false));
    let history = db.store.messages(&lease.tenant, lease.conversation, None, 10, None).await.expect("a history");
    assert_eq!((history[0].status.as_str(), history[0].reason.as_deref()), ("delivered", None));
    // What a person wrote is none.
    db.say("p", "m1").await;
    assert_eq!(state(db, &lease, 2).await, None);
    assert_eq!(db.store.notification(&tenant("other"), lease.conversation, 1).await.expect("a state"), None);
}

async fn a_notification_that_was_given_up_has_failed(db: &Db) {
    let accepted = db.store.accept(&[notification("p", "n1", "hello", false)]).await.expect("accepted")[0];
    let lease = db.claim(accepted.conversation).await;
    let letter = DeadLetterNew { reason: "it never ended".to_owned(), attempts: 5, unknown_effect: false };
    let commit = Commit { dead_letter: Some(letter), audit: None::<AuditRow>, ..answer(1, 1, 0) };
    db.store.commit(&lease, &commit).await.expect("a commit");
    assert_eq!(state(db, &lease, 1).await, is("failed", Some("it never ended"), false));
}

fn too_late(id: OutboxId) -> domain::Receipt {
    let failure = Failure { reason: "131047 Re-engagement message".to_owned(), class: FailureClass::WindowClosed };
    domain::Receipt { failure: Some(failure), ..receipt(Some(id), "p1", ReceiptStatus::Failed) }
}

async fn words_that_came_too_late_are_followed_by_their_template_once(db: &Db) {
    let (lease, id) = waiting(db, "hello", true).await;
    sent(db, &lease, id).await;
    let rung = db.store.record_receipts(&lease.tenant, &[too_late(id)]).await.expect("kept");
    assert_eq!(rung, [lease.conversation]);
    assert_eq!(db.store.record_receipts(&lease.tenant, &[too_late(id)]).await.expect("kept"), [], "once");
    let rows = db.store.inbox_range(&lease, 2, 10).await.expect("rows");
    assert_eq!(rows.len(), 1, "{rows:?}");
    let expected = Content::Notification { text: String::new(), unasked: unasked(true) };
    assert_eq!((rows[0].incoming.provider.as_str(), &rows[0].incoming.content), ("internal", &expected));
    let seen = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((seen.next_seq, seen.done_seq), (2, 1));
    assert_eq!(state(db, &lease, 1).await, is("pending", None, true), "the template's");
    // The template itself is not followed, whatever is told of it.
    let template = db.store.commit(&lease, &said(2, "", true)).await.expect("a commit").ids[0];
    let late = domain::Receipt { provider_message_id: "p2".to_owned(), ..too_late(template) };
    db.store.record_receipts(&lease.tenant, &[late]).await.expect("kept");
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 2);
    assert_eq!(state(db, &lease, 1).await, is("failed", Some("131047 Re-engagement message"), true));
}

async fn a_file_that_did_not_arrive_is_followed_by_the_sentence_in_its_place_once(db: &Db) {
    let lease = db.held().await;
    let part = |part: i32, instead: &str| {
        let file = json!({ "sha256": "aa", "media_type": "application/pdf", "size_bytes": 7, "instead": instead });
        let (reply, file) = (json!({ "text": "", "file": file }), Some("aa".to_owned()));
        OutboxNew { part, reply, sent_already: false, refused: None, question: false, file }
    };
    let sentence = "The plan could not be sent.";
    let replies = vec![part(1, sentence), part(2, ""), part(3, sentence), part(4, sentence)];
    let ids = db.store.commit(&lease, &Commit { replies, ..answer(1, 1, 0) }).await.expect("a commit").ids;
    let failed = |id: OutboxId, n: &str| {
        let failure = Failure { reason: "7 REJECTED".to_owned(), class: FailureClass::Other };
        domain::Receipt { failure: Some(failure), ..receipt(Some(id), n, ReceiptStatus::Failed) }
    };
    let reported = async |id, n| db.store.record_receipts(&lease.tenant, &[failed(id, n)]).await.expect("kept");
    assert_eq!(reported(ids[0], "p1").await, [lease.conversation]);
    reported(ids[0], "p1").await;
    // One that nothing stands for, one whose sentence was sent itself, and one that arrived by another attempt.
    reported(ids[1], "p2").await;
    db.store.tell_instead(&lease, ids[2]).await.expect("noted");
    reported(ids[2], "p3").await;
    let arrived = receipt(Some(ids[3]), "p4", ReceiptStatus::Delivered);
    db.store.record_receipts(&lease.tenant, &[arrived]).await.expect("kept");
    reported(ids[3], "p5").await;
    let rows = db.store.inbox_range(&lease, 2, 10).await.expect("rows");
    let unasked = Unasked { category: Category::Answer, template: None };
    let expected = Content::Notification { text: sentence.to_owned(), unasked };
    assert_eq!(rows.iter().map(|row| &row.incoming.content).collect::<Vec<_>>(), [&expected]);
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 2);
}

async fn a_closed_window_at_the_send_has_the_template_follow(db: &Db) {
    let (lease, id) = waiting(db, "hello", true).await;
    assert_eq!(db.store.begin_send(&lease, id).await.expect("an answer"), Some(1));
    let closed = Outcome::WindowClosed { reason: "window_closed: HTTP 400".to_owned() };
    assert!(db.store.record_outcome(lease.conversation, id, 1, &closed).await.expect("recorded"));
    assert!(!db.store.record_outcome(lease.conversation, id, 1, &closed).await.expect("an answer"), "once");
    let seen = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((seen.next_seq, seen.done_seq, seen.unsent), (2, 1, 0));
    assert_eq!(db.status(id).await, "failed");
    // The same told later changes nothing any more.
    db.store.record_receipts(&lease.tenant, &[too_late(id)]).await.expect("kept");
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 2);
}

async fn what_has_no_template_or_was_one_is_not_followed(db: &Db) {
    let (lease, id) = waiting(db, "hello", false).await;
    sent(db, &lease, id).await;
    db.store.record_receipts(&lease.tenant, &[too_late(id)]).await.expect("kept");
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 1);
    // Nor is another failure of one that has a template.
    db.store.accept(&[notification("p", "n2", "x", true)]).await.expect("accepted");
    let id = db.store.commit(&lease, &said(2, "x", true)).await.expect("a commit").ids[0];
    let other = Failure { reason: "131026".to_owned(), class: FailureClass::Other };
    let other = domain::Receipt { failure: Some(other), ..receipt(Some(id), "p2", ReceiptStatus::Failed) };
    db.store.record_receipts(&lease.tenant, &[other]).await.expect("kept");
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 2);
}

async fn reach(db: &Db, lease: &Lease) -> store::Reach {
    db.store.reach(&lease.tenant, &lease.account, &lease.peer, Some(lease.conversation)).await.expect("an answer")
}

async fn when_a_person_wrote_last_is_told_and_notices_do_not_count(db: &Db) {
    let (lease, _) = waiting(db, "hello", false).await;
    assert_eq!(reach(db, &lease).await.wrote_at, None, "a notification is not theirs");
    db.say("p", "m1").await;
    let rows = db.store.inbox_range(&lease, 2, 1).await.expect("rows");
    assert_eq!(reach(db, &lease).await.wrote_at, Some(rows[0].accepted_at));
    let notice = Content::Notice { kind: "notifications.stop".to_owned(), text: None };
    db.store.accept(&[Incoming { content: notice, ..text("acme", "p", "m2") }]).await.expect("accepted");
    let reached = reach(db, &lease).await;
    assert_eq!(reached.wrote_at, Some(rows[0].accepted_at));
    assert!(reached.now >= rows[0].accepted_at);
    let stranger = db.store.reach(&lease.tenant, &lease.account, "nobody", None).await.expect("an answer");
    assert_eq!((stranger.wrote_at, stranger.opt_outs.len()), (None, 0));
}

fn changing(seq: i64, scope: Scope, out: bool) -> Commit {
    Commit { opt_outs: vec![OptChange { scope, out, how: "word".to_owned() }], ..answer(seq, seq, 0) }
}

/// Which messages are forbidden: service, marketing, an answer.
async fn forbidden(db: &Db, lease: &Lease) -> [bool; 3] {
    let reach = reach(db, lease).await;
    [Some(Category::Service), Some(Category::Marketing), None].map(|category| reach.forbidden(category).is_some())
}

async fn an_opt_out_holds_until_it_is_taken_back(db: &Db) {
    let lease = db.held().await;
    for (n, message) in (2..=5).enumerate() {
        db.say("p", &format!("m{message}")).await;
        let (scope, out, expected) = [
            (Scope::Marketing, true, [false, true, false]),
            (Scope::All, true, [true, true, false]),
            (Scope::All, false, [false, true, false]),
            (Scope::Marketing, false, [false, false, false]),
        ][n];
        let seq = i64::try_from(n).expect("small") + 1;
        db.store.commit(&lease, &changing(seq, scope, out)).await.expect("a commit");
        assert_eq!(forbidden(db, &lease).await, expected, "{scope:?} {out}");
    }
    // Said twice, it keeps its time; taken back and said again, it has a new one.
    let since = async || reach(db, &lease).await.opt_outs.first().map(|out| (out.since, out.how.clone()));
    for message in 6..=9 {
        db.say("p", &format!("m{message}")).await;
    }
    db.store.commit(&lease, &changing(5, Scope::All, true)).await.expect("a commit");
    let first = since().await.expect("it holds");
    db.store.commit(&lease, &changing(6, Scope::All, true)).await.expect("a commit");
    assert_eq!(since().await, Some(first.clone()));
    db.store.commit(&lease, &changing(7, Scope::All, false)).await.expect("a commit");
    assert_eq!(since().await, None);
    db.store.commit(&lease, &changing(8, Scope::All, true)).await.expect("a commit");
    assert!(since().await.expect("it holds").0 > first.0);
}

async fn a_blocked_person_may_be_written_to_once_they_wrote_again(db: &Db) {
    let lease = db.held().await;
    db.store.commit(&lease, &changing(1, Scope::Blocked, true)).await.expect("a commit");
    assert_eq!(forbidden(db, &lease).await, [true, true, true]);
    db.say("p", "m2").await;
    assert_eq!(forbidden(db, &lease).await, [false, false, false], "they wrote again");
    // The platform says so while we send: again until they write.
    let blocked =
        async |at: Micros| db.store.note_opt_out(&lease, Scope::Blocked, "403 blocked", at).await.expect("kept");
    blocked(reach(db, &lease).await.now).await;
    assert_eq!(forbidden(db, &lease).await, [true, true, true]);
    db.store.commit(&lease, &changing(2, Scope::Blocked, false)).await.expect("a commit");
    assert_eq!(forbidden(db, &lease).await, [false, false, false], "they let us in again");
    blocked(reach(db, &lease).await.now + Duration::from_secs(1)).await;
    assert_eq!(forbidden(db, &lease).await, [true, true, true]);
}

async fn a_refusal_that_is_kept_late_takes_nothing_back_that_came_after_it(db: &Db) {
    let lease = db.held().await;
    // SQLite's clock counts milliseconds: a send of a while ago, so that what follows is surely later.
    let began = reach(db, &lease).await.now - Duration::from_secs(1);
    let blocked =
        async |at: Micros| db.store.note_opt_out(&lease, Scope::Blocked, "403 blocked", at).await.expect("kept");
    // They wrote while the refused part was on its way.
    db.say("p", "m2").await;
    blocked(began).await;
    assert_eq!(forbidden(db, &lease).await, [false, false, false]);
    // They let us in again, and a worker that was late tells of a refusal before that.
    let later = Commit { opted_at: Some(began), ..changing(1, Scope::Blocked, false) };
    db.store.commit(&lease, &later).await.expect("a commit");
    blocked(began).await;
    let reached = reach(db, &lease).await;
    assert_eq!(reached.opt_outs, []);
    // Nor one that lies between the block that is known and the word that took it back.
    let before = |seconds: u64| began - Duration::from_secs(seconds);
    let third = db.claim(db.say("r", "m3").await.conversation).await;
    let refused = async |at| db.store.note_opt_out(&third, Scope::Blocked, "403 blocked", at).await.expect("kept");
    refused(before(30)).await;
    let back = Commit { opted_at: Some(before(10)), ..changing(1, Scope::Blocked, false) };
    db.store.commit(&third, &back).await.expect("a commit");
    refused(before(20)).await;
    assert_eq!(reach(db, &third).await.opt_outs, []);
    refused(before(5)).await;
    assert_eq!(reach(db, &third).await.opt_outs.len(), 1, "one that came after it counts");
    // Also where there was nothing to take back.
    let other = db.claim(db.say("q", "m4").await.conversation).await;
    let none = Commit { opted_at: None, ..changing(1, Scope::Blocked, false) };
    db.store.commit(&other, &none).await.expect("a commit");
    db.store.note_opt_out(&other, Scope::Blocked, "403 blocked", began).await.expect("kept");
    assert_eq!(reach(db, &other).await.opt_outs, []);
}

async fn of_two_words_that_come_in_the_wrong_order_the_later_one_counts(db: &Db) {
    let lease = db.held().await;
    for message in 2..=4 {
        db.say("p", &format!("m{message}")).await;
    }
    let now = reach(db, &lease).await.now;
    let at = |seconds: u64| Some(now - Duration::from_secs(seconds));
    let said = |seq, out, seconds| Commit { opted_at: at(seconds), ..changing(seq, Scope::Marketing, out) };
    db.store.commit(&lease, &said(1, false, 10)).await.expect("a commit");
    db.store.commit(&lease, &said(2, true, 20)).await.expect("a commit");
    assert_eq!(forbidden(db, &lease).await, [false, false, false], "they wanted them again after that");
    db.store.commit(&lease, &said(3, true, 5)).await.expect("a commit");
    db.store.commit(&lease, &said(4, false, 8)).await.expect("a commit");
    assert_eq!(forbidden(db, &lease).await, [false, true, false]);
}

async fn a_report_that_marketing_was_stopped_is_an_opt_out_of_it(db: &Db) {
    let (lease, id) = waiting(db, "hello", true).await;
    sent(db, &lease, id).await;
    let told = |at: Option<Micros>| {
        let failure = Failure { reason: "131050 Unable to deliver".to_owned(), class: FailureClass::NoMarketing };
        domain::Receipt { failure: Some(failure), at, ..receipt(Some(id), "p1", ReceiptStatus::Failed) }
    };
    let at = reach(db, &lease).await.now - Duration::from_secs(60);
    db.store.record_receipts(&lease.tenant, &[told(Some(at))]).await.expect("kept");
    assert_eq!(forbidden(db, &lease).await, [false, true, false]);
    let kept = reach(db, &lease).await.opt_outs;
    assert_eq!((kept[0].how.as_str(), kept[0].since), ("131050 Unable to deliver", at));
    // They want them again; the same report comes once more.
    db.say("p", "m1").await;
    db.store.commit(&lease, &changing(2, Scope::Marketing, false)).await.expect("a commit");
    db.store.record_receipts(&lease.tenant, &[told(Some(at))]).await.expect("kept");
    assert_eq!(forbidden(db, &lease).await, [false, false, false]);
}

async fn whoever_was_written_to_first_has_the_name_of_their_first_message(db: &Db) {
    let first = Incoming { contact_name: None, ..notification("p", "n1", "hello", false) };
    let conversation = db.store.accept(&[first]).await.expect("accepted")[0].conversation;
    let names = async || db.store.names_in(&tenant("acme"), conversation).await.expect("names");
    assert!(names().await.is_empty());
    let nameless = Incoming { contact_name: None, ..text("acme", "p", "m1") };
    db.store.accept(&[nameless, text("acme", "p", "m2")]).await.expect("accepted");
    assert_eq!(names().await.into_iter().collect::<Vec<_>>(), ["Ana"], "it is hidden as others are");
    let other = Incoming { contact_name: Some("Iva".to_owned()), ..text("acme", "p", "m3") };
    db.store.accept(&[other]).await.expect("accepted");
    assert_eq!(names().await.into_iter().collect::<Vec<_>>(), ["Ana"], "the first name stays");
}

async fn what_the_platform_calls_a_chat_leads_to_the_same_conversation_and_person(db: &Db) {
    let (lease, _) = waiting(db, "hello", false).await;
    let elsewhere = db.say("other", "m1").await;
    for peer in ["also", "also", "other"] {
        db.store.also_known_as(&lease, peer).await.expect("kept");
    }
    let accepted = db.store.accept(&[text("acme", "also", "m2"), text("acme", "other", "m3")]).await.expect("accepted");
    let of = |n: usize| accepted[n].conversation;
    assert_eq!((of(0), of(1)), (lease.conversation, elsewhere.conversation), "one that leads elsewhere stays");
    let rows = db.store.inbox_range(&lease, 1, 10).await.expect("rows");
    assert_eq!((rows.len(), rows[0].person), (2, rows[1].person));
    // What they do not want under their other name, they do not want here.
    let theirs = db.claim(elsewhere.conversation).await;
    db.store.commit(&theirs, &changing(1, Scope::All, true)).await.expect("a commit");
    db.store.also_known_as(&lease, "other").await.expect("kept");
    assert_eq!(forbidden(db, &lease).await, [true, true, false]);
    let found = db.store.find_conversation(&tenant("other"), &account(), "also").await.expect("a look");
    assert_eq!(found, None, "another tenant's");
}

async fn who_has_another_number_keeps_conversation_person_and_what_they_do_not_want(db: &Db) {
    let lease = db.held().await;
    db.store.commit(&lease, &changing(1, Scope::All, true)).await.expect("a commit");
    let moved = |to: &str, key: &str| {
        let content = Content::Moved { kind: "user_changed_number".to_owned(), to: to.to_owned() };
        Incoming { content, ..text("acme", "p", key) }
    };
    // A conversation that is there already stays, and this one where it is.
    let elsewhere = db.say("q", "m2").await.conversation;
    db.store.accept(&[moved("q", "m3")]).await.expect("accepted");
    let peer = async || {
        let row = db.store.conversation(&lease.tenant, lease.conversation).await.expect("a look");
        row.expect("a conversation").peer
    };
    assert_eq!((peer().await.as_str(), db.say("q", "m4").await.conversation), ("p", elsewhere));
    db.store.accept(&[moved("r", "m5")]).await.expect("accepted");
    // Who works on it finishes the turn, and sends nothing to the old number.
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").peer, "r");
    let mut commit = changing(2, Scope::Marketing, true);
    commit.replies = answer(2, 2, 1).replies;
    commit.begin_send = true;
    let committed = db.store.commit(&lease, &commit).await.expect("a commit");
    assert!(!committed.sending);
    assert_eq!(db.store.begin_send(&lease, committed.ids[0]).await.expect("an answer"), None);
    assert!(reach(db, &Lease { peer: "r".to_owned(), ..lease.clone() }).await.opt_outs.len() == 2, "of the new one");
    assert!(db.store.yield_now(&lease).await.expect("an answer"));
    let there = db.claim(lease.conversation).await;
    assert_eq!(there.peer, "r");
    assert_eq!(db.store.begin_send(&there, committed.ids[0]).await.expect("an answer"), Some(1));
    assert_eq!(db.say("r", "m6").await.conversation, lease.conversation);
    let rows = db.store.inbox_range(&lease, 1, 10).await.expect("rows");
    assert!(rows.len() == 4 && rows.iter().all(|row| row.person == rows[0].person), "{rows:?}");
    assert_eq!(peer().await, "r");
    let there = Lease { peer: "r".to_owned(), ..lease.clone() };
    assert_eq!(forbidden(db, &there).await, [true, true, false], "they still want none");
    assert_eq!(reach(db, &there).await.wrote_at, rows.last().map(|row| row.accepted_at), "the notice does not count");
    // Whoever has the old number now is somebody else, whose word is their own.
    let stranger = db.say("p", "m7").await.conversation;
    assert!(stranger != lease.conversation && stranger != elsewhere);
    let theirs = db.claim(stranger).await;
    let person = db.store.inbox_range(&theirs, 1, 10).await.expect("rows")[0].person;
    assert_ne!(person, rows[0].person);
}

async fn a_part_that_may_not_be_said_is_a_failed_one_that_nobody_reads(db: &Db) {
    let accepted = db.store.accept(&[notification("p", "n1", "hello", false)]).await.expect("accepted")[0];
    let lease = db.claim(accepted.conversation).await;
    let mut commit = said(1, "hello", false);
    commit.replies[0].sent_already = true;
    commit.replies[0].refused = Some("opted_out: word".to_owned());
    db.store.commit(&lease, &commit).await.expect("a commit");
    assert_eq!(state(db, &lease, 1).await, is("failed", Some("opted_out: word"), false));
    let shown = db.store.messages(&lease.tenant, lease.conversation, None, 10, None).await.expect("a history");
    assert_eq!(shown, []);
    let seen = db.store.snapshot(&lease).await.expect("a snapshot");
    assert_eq!((seen.done_seq, seen.unsent), (1, 0));
}

async fn a_fenced_worker_changes_no_opt_out(db: &Db) {
    let lease = db.held().await;
    let newer = db.take_over(&lease).await;
    let refused = db.store.commit(&lease, &changing(1, Scope::All, true)).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert_eq!(forbidden(db, &newer).await, [false, false, false]);
}

async fn opt_outs_are_of_one_chat_of_one_tenant(db: &Db) {
    let lease = db.held().await;
    db.store.commit(&lease, &changing(1, Scope::All, true)).await.expect("a commit");
    for (tenant_name, peer) in [("other", "p"), ("acme", "q")] {
        let reach = db.store.reach(&tenant(tenant_name), &account(), peer, None).await.expect("an answer");
        assert_eq!(reach.opt_outs, [], "{tenant_name} {peer}");
    }
}
