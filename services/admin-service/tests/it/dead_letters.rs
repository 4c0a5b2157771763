//! Dead letters, and who may see them.

use std::time::Duration;

use proto::admin::v1::{DiscardDeadLetterRequest, ListDeadLettersRequest, ReplayDeadLetterRequest};
use tonic::Code;

use crate::support::{Engine, on_both_engines, start, start_with, tenant};

on_both_engines!(a_dead_letter_is_put_away_once_with_a_reason_by_its_own_tenant);

fn page(size: i32, token: &str) -> ListDeadLettersRequest {
    ListDeadLettersRequest { page_size: size, page_token: token.to_owned() }
}

fn replay(id: &str, accept: bool) -> ReplayDeadLetterRequest {
    ReplayDeadLetterRequest { dead_letter_id: id.to_owned(), accept_unknown_effects: accept }
}

fn discard(id: &str, reason: &str) -> DiscardDeadLetterRequest {
    DiscardDeadLetterRequest { dead_letter_id: id.to_owned(), reason: reason.to_owned() }
}

#[tokio::test]
async fn dead_letters_are_listed_by_pages_the_latest_first() {
    let running = start(&[]).await;
    let mut conversations = Vec::new();
    for message in ["m1", "m2", "m3"] {
        conversations.insert(0, running.dead_letter("acme", message, false).await.to_string());
    }
    let mut client = running.client("acme-key");
    let first = client.list_dead_letters(page(2, "")).await.expect("a page").into_inner();
    let second = client.list_dead_letters(page(2, &first.next_page_token)).await.expect("a page").into_inner();
    assert_eq!((first.dead_letters.len(), second.dead_letters.len()), (2, 1));
    assert_eq!(second.next_page_token, "");
    let all: Vec<_> = first.dead_letters.iter().chain(&second.dead_letters).collect();
    assert_eq!(all.iter().map(|letter| letter.conversation_id.clone()).collect::<Vec<_>>(), conversations);
    assert_eq!((all[0].seq, all[0].last_seq, all[0].attempts), (1, 1, 5));
    assert_eq!(all[0].reason, "the backend never answered");
    assert!(all[0].created_at.is_some() && all[0].replayed_at.is_none() && !all[0].unknown_effect);
    for (request, code) in [
        (page(-1, ""), Code::InvalidArgument),
        (page(201, ""), Code::InvalidArgument),
        (page(0, "x"), Code::InvalidArgument),
    ] {
        assert_eq!(client.list_dead_letters(request).await.expect_err("refused").code(), code);
    }
}

#[tokio::test]
async fn a_replay_is_a_new_message_that_rings_and_happens_once() {
    let running = start(&[]).await;
    let conversation = running.dead_letter("acme", "m1", false).await;
    let mut client = running.client("acme-key");
    let id = client.list_dead_letters(page(0, "")).await.expect("a page").into_inner().dead_letters[0]
        .dead_letter_id
        .clone();
    assert_eq!(client.replay_dead_letter(replay(&id, false)).await.expect("replayed").into_inner().seq, 2);
    let bells = running.coordination.listen("worker").next(10).await.expect("in this process");
    assert_eq!(bells.iter().map(|bell| bell.conversation).collect::<Vec<_>>(), [conversation]);
    let lease = running.store.claim(conversation, uuid::Uuid::new_v4()).await.expect("an answer").expect("runnable");
    let rows = running.store.inbox_range(&lease, 2, 10).await.expect("rows");
    assert_eq!((rows.len(), rows[0].incoming.provider.as_str()), (1, "replay"));
    let again = client.replay_dead_letter(replay(&id, false)).await.expect_err("once");
    assert_eq!(again.code(), Code::FailedPrecondition);
    let listed = client.list_dead_letters(page(0, "")).await.expect("a page").into_inner();
    assert!(listed.dead_letters[0].replayed_at.is_some());
    let audit = running.store.list_audit(&tenant("acme"), None, 10).await.expect("the audit");
    assert_eq!((audit.len(), audit[0].entry.actor.as_str()), (1, "acme-key"));
    assert_eq!(audit[0].entry.detail["from"], "127.0.0.1");
}

#[tokio::test]
async fn an_unknown_effect_needs_the_operators_yes() {
    let running = start(&[]).await;
    running.dead_letter("acme", "m1", true).await;
    let mut client = running.client("acme-key");
    let letter = client.list_dead_letters(page(0, "")).await.expect("a page").into_inner().dead_letters.remove(0);
    assert!(letter.unknown_effect);
    let refused = client.replay_dead_letter(replay(&letter.dead_letter_id, false)).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("accept_unknown_effects"), "{}", refused.message());
    client.replay_dead_letter(replay(&letter.dead_letter_id, true)).await.expect("replayed");
}

async fn a_dead_letter_is_put_away_once_with_a_reason_by_its_own_tenant(engine: Engine) {
    let running = start_with(engine, &[]).await;
    for message in ["m1", "m2"] {
        running.dead_letter("acme", message, false).await;
    }
    let mut client = running.client("acme-key");
    let letters = client.list_dead_letters(page(0, "")).await.expect("a page").into_inner().dead_letters;
    let [away, replayed] = [&letters[0].dead_letter_id, &letters[1].dead_letter_id];
    client.replay_dead_letter(replay(replayed, false)).await.expect("replayed");
    let long = "x".repeat(301);
    for (key, request, code) in [
        ("acme-key", discard(away, ""), Code::InvalidArgument),
        ("acme-key", discard(away, " \n"), Code::InvalidArgument),
        ("acme-key", discard(away, &long), Code::InvalidArgument),
        ("acme-key", discard("no-id", "a test"), Code::NotFound),
        ("acme-key", discard(&uuid::Uuid::nil().to_string(), "a test"), Code::NotFound),
        ("acme-key", discard(replayed, "a test"), Code::FailedPrecondition),
        ("other-key", discard(away, "a test"), Code::NotFound),
        ("narrow-key", discard(away, "a test"), Code::PermissionDenied),
    ] {
        let refused = running.client(key).discard_dead_letter(request.clone()).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{key}: {request:?}");
    }
    let listed = client.list_dead_letters(page(0, "")).await.expect("a page").into_inner().dead_letters;
    assert_eq!(listed.len(), 2, "a refused call changes nothing");

    client.discard_dead_letter(discard(away, &format!(" {} ", &long[1..]))).await.expect("put away");
    let listed = client.list_dead_letters(page(0, "")).await.expect("a page").into_inner().dead_letters;
    assert_eq!(listed.iter().map(|letter| &letter.dead_letter_id).collect::<Vec<_>>(), [replayed]);
    let again = client.discard_dead_letter(discard(away, "once more")).await.expect_err("once");
    assert_eq!(again.code(), Code::FailedPrecondition);
    let replay = client.replay_dead_letter(replay(away, true)).await.expect_err("it is away");
    assert_eq!(replay.code(), Code::NotFound);

    let audit = running.store.list_audit(&tenant("acme"), None, 10).await.expect("the audit");
    let lines: Vec<_> = audit.iter().map(|line| (line.entry.actor.as_str(), line.entry.action.as_str())).collect();
    assert_eq!(lines, [("acme-key", "dead_letter.discard"), ("acme-key", "dead_letter.replay")]);
    let detail = &audit[0].entry.detail;
    assert_eq!((&detail["reason"], &detail["from"]), (&long[1..].into(), &"127.0.0.1".into()));
    assert_eq!(running.store.audit_break().await.expect("an answer"), None);
}

#[tokio::test]
async fn a_tenant_sees_and_replays_its_own_only() {
    let running = start(&[]).await;
    running.dead_letter("acme", "m1", false).await;
    let mine = running.client("acme-key").list_dead_letters(page(0, "")).await.expect("a page").into_inner();
    let mut other = running.client("other-key");
    assert_eq!(other.list_dead_letters(page(0, "")).await.expect("a page").into_inner().dead_letters, []);
    for id in [mine.dead_letters[0].dead_letter_id.as_str(), "no-id", ""] {
        assert_eq!(other.replay_dead_letter(replay(id, true)).await.expect_err("not there").code(), Code::NotFound);
    }
}

#[tokio::test]
async fn key_and_address_are_both_needed() {
    let running = start(&[]).await;
    for (key, code) in [("narrow-key", Code::PermissionDenied), ("no-key", Code::Unauthenticated)] {
        let refused = running.client(key).list_dead_letters(page(0, "")).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{key}");
    }
    let running = start(&["10.0.0.0/8"]).await;
    let refused = running.client("acme-key").list_dead_letters(page(0, "")).await.expect_err("refused");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn health_is_open_and_shutdown_is_clean() {
    let running = start(&[]).await;
    let get = async |url: String| reqwest::get(url).await.expect("an answer");
    let ready = async {
        while get(format!("http://{}/readyz", running.ops)).await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), ready).await.expect("ready in time");
    let health = get(format!("http://{}/health", running.http)).await;
    assert_eq!(health.status(), 200);
    let text = health.text().await.expect("a body");
    assert!(text.contains(r#""status":"healthy""#) && text.contains(r#""database":"connected""#), "{text}");
    let mut client = running.client("acme-key");
    client.list_dead_letters(page(0, "")).await.expect("an open connection");
    running.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(15), running.served).await;
    ended.expect("in its grace period").expect("no panic").expect("no error");
}
