//! Files that backends answer with: kept once, sent behind the words, and told where they cannot be sent; and places, which
//! hold up no words either.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::Uri, response::IntoResponse as _};
use domain::{ConversationId, Incoming};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use store::OutboxStatus;
use tokio::net::TcpListener;

use crate::bench::{Bench, Engine, eventually, incoming};

crate::on_both_engines!(
    a_file_goes_out_behind_the_words_by_a_link_that_opens_it,
    a_file_goes_to_a_platform_that_takes_bytes_byte_by_byte,
    a_file_goes_through_the_folder,
    a_worker_that_ends_before_the_commit_sends_the_file_that_was_kept,
    an_effect_whose_file_cannot_be_kept_is_told_and_not_repeated,
    a_file_that_is_too_large_is_told,
    without_an_address_of_ours_the_person_reads_that_the_file_was_not_sent,
    a_file_that_the_platform_refuses_is_told,
    a_file_that_is_gone_is_told,
    a_folder_that_stays_away_is_told_after_some_tries,
    a_file_is_kept_until_it_is_sent_and_swept_then,
    a_file_whose_end_is_unknown_is_sent_again_and_the_words_once,
    a_place_of_unknown_end_holds_up_no_words_of_its_answer,
    a_place_that_is_refused_fails_alone,
);

const PUBLIC: &str = "https://bot.example.org";
const PUBLIC_URL: (&str, &str) = ("CONVERSATION_WORKER__WORKER__PUBLIC_URL", PUBLIC);

fn png(bytes: usize) -> Vec<u8> {
    let mut content = b"\x89PNG\r\n\x1a\n".to_vec();
    content.extend((0..=255).cycle().take(bytes - content.len()));
    content
}

fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// A bench whose backend answers with a picture.
async fn bench(engine: Engine, variables: &[(&str, &str)]) -> (Bench, Vec<u8>) {
    let bench = Bench::with(engine, variables).await;
    let content = png(2_000);
    bench.backend.set_file("image/png", content.clone());
    (bench, content)
}

/// What was sent, with links cut to what they are.
fn sent(bench: &Bench) -> Vec<String> {
    let links = format!("{PUBLIC}/files/");
    let short = |text: String| text.split(&links).next().unwrap_or_default().to_owned();
    bench.platform.texts().into_iter().map(short).collect()
}

/// The token of the link in the last thing that was sent.
fn token(bench: &Bench) -> String {
    let texts = bench.platform.texts();
    texts.last().and_then(|text| text.rsplit('/').next()).expect("a link").to_owned()
}

async fn statuses(bench: &Bench, conversation: ConversationId, expected: &[OutboxStatus]) {
    let expected: Vec<_> = expected.iter().map(|status| status.as_str().to_owned()).collect();
    eventually(&format!("{expected:?}"), async || {
        bench.told(conversation).await.into_iter().map(|(_, status)| status).collect::<Vec<_>>() == expected
    })
    .await;
}

/// Nobody knows whether the first part arrived: the others wait behind it.
async fn is_unknown(bench: &Bench, conversation: ConversationId) -> bool {
    bench.told(conversation).await.first().is_some_and(|(_, status)| status == "unknown")
}

async fn a_file_goes_out_behind_the_words_by_a_link_that_opens_it(engine: Engine) {
    let (bench, content) = bench(engine, &[PUBLIC_URL]).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "report").await.conversation;
    bench.quiet(conversation).await;
    bench.say("385911", "m-2", "report").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    let answer = ["report", "after", "image "];
    assert_eq!(sent(&bench), [answer, answer].concat());
    let opened = bench.store.find_linked_file(&hash(token(&bench).as_bytes())).await.unwrap();
    let (tenant, sha256, file) = opened.expect("the link opens it");
    assert_eq!((tenant, sha256), (crate::bench::tenant(), hash(&content)));
    assert_eq!((file.media_type.as_str(), file.name.as_deref()), ("image/png", Some("plan.png")));
    assert_eq!(file.content, Some(content));
    assert_eq!(bench.changed_by("update media set name = name").await, 1, "the same bytes are kept once");
    assert_eq!(bench.store.find_linked_file(&hash(b"guess")).await.unwrap(), None);
    bench.meddle("update outbox set link_until = 0 where link_sha256 is not null").await;
    assert_eq!(bench.store.find_linked_file(&hash(token(&bench).as_bytes())).await.unwrap(), None, "its time is over");
}

type Seen = Arc<Mutex<Vec<(String, Bytes)>>>;

/// A Bot API that takes everything; gives its address, and what it got by method.
async fn telegram() -> (String, Seen) {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let take = async |State(seen): State<Seen>, uri: Uri, body: Bytes| {
        let method = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        if method.starts_with("send") && method != "sendChatAction" {
            seen.lock().unwrap().push((method, body));
        }
        json!({ "ok": true, "result": { "message_id": 9 } }).to_string().into_response()
    };
    let app = Router::new().fallback(take).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

async fn a_file_goes_to_a_platform_that_takes_bytes_byte_by_byte(engine: Engine) {
    let (url, seen) = telegram().await;
    let account = format!(
        "[tenants.default.accounts.\"telegram:bot\"]\nchannel = \"telegram\"\nbase_url = \"{url}\"\n\
         token = \"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw\"\nwebhook_secrets = [\"s\"]\nsimulated = true\n"
    );
    let bench = Bench::with_account(engine, &[], &account).await;
    let content = png(2_000);
    bench.backend.set_file("image/png", content.clone());
    let worker = bench.start().await;
    let message = Incoming {
        account: "telegram:bot".parse().unwrap(),
        provider: "telegram".to_owned(),
        ..incoming("42", "42/1", "report")
    };
    let accepted = bench.store.accept(&[message]).await.unwrap()[0];
    bench.coordination.ring(accepted.conversation, None);
    bench.quiet(accepted.conversation).await;
    worker.stop().await;
    let seen = seen.lock().unwrap();
    let methods: Vec<&str> = seen.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(methods, ["sendMessage", "sendMessage", "sendPhoto"]);
    let form = &seen[2].1;
    assert!(form.windows(content.len()).any(|part| part == content), "all of it, as it came");
}

async fn a_file_goes_through_the_folder(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let files =
        [("CONVERSATION_WORKER__FILES__KIND", "folder"), ("CONVERSATION_WORKER__FILES__FOLDER", place.as_str())];
    let (bench, content) = bench(engine, &[files[0], files[1], PUBLIC_URL]).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "report").await.conversation;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(sent(&bench), ["report", "after", "image "]);
    let lies = folder.path().join("default").join(&hash(&content)[..2]).join(hash(&content));
    assert_eq!(std::fs::read(lies).unwrap(), content);
    let (_, _, file) = bench.store.find_linked_file(&hash(token(&bench).as_bytes())).await.unwrap().expect("a file");
    assert!(file.stored && file.content.is_none(), "the database has none of it");
}

async fn a_worker_that_ends_before_the_commit_sends_the_file_that_was_kept(engine: Engine) {
    let (bench, content) = bench(engine, &[PUBLIC_URL]).await;
    bench.platform.fail_next(500, None);
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "report").await.conversation;
    eventually("the words wait", async || is_unknown(&bench, conversation).await).await;
    worker.kill().await;
    // The backend has another picture by now; what was decided on stands.
    bench.backend.set_file("image/png", png(3_000));
    bench.meddle("update outbox set due_at = 0").await;
    bench.meddle("update conversations set lease_until = 0, wake_at = 0").await;
    let worker = bench.start().await;
    bench.coordination.ring(conversation, None);
    eventually("all is sent", async || sent(&bench) == ["report", "after", "image "]).await;
    bench.quiet(conversation).await;
    worker.stop().await;
    let (_, sha256, _) = bench.store.find_linked_file(&hash(token(&bench).as_bytes())).await.unwrap().expect("a file");
    assert_eq!(sha256, hash(&content));
    assert_eq!(bench.backend.requests().len(), 1);
}

async fn an_effect_whose_file_cannot_be_kept_is_told_and_not_repeated(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let files =
        [("CONVERSATION_WORKER__FILES__KIND", "folder"), ("CONVERSATION_WORKER__FILES__FOLDER", place.as_str())];
    let (bench, _) = bench(engine, &files).await;
    std::fs::write(folder.path().join("default"), b"no folder").unwrap();
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "export").await.conversation;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(sent(&bench), ["export: not kept"]);
    assert_eq!(bench.backend.effects(), 1);
}

async fn a_file_that_is_too_large_is_told(engine: Engine) {
    let (bench, _) = bench(engine, &[PUBLIC_URL]).await;
    bench.backend.set_file("application/pdf", vec![b'x'; 10 * 1024 * 1024 + 1]);
    let worker = bench.start().await;
    for (n, word) in ["report", "export"].iter().enumerate() {
        let conversation = bench.say("385911", &format!("m-{n}"), word).await.conversation;
        bench.quiet(conversation).await;
    }
    worker.stop().await;
    assert_eq!(sent(&bench), ["report: 10485760 at most", "export: 10485760 at most"]);
    assert_eq!(bench.backend.effects(), 1);
}

async fn without_an_address_of_ours_the_person_reads_that_the_file_was_not_sent(engine: Engine) {
    let (bench, _) = bench(engine, &[]).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "report").await.conversation;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(sent(&bench), ["report", "after", "no file"]);
    statuses(&bench, conversation, &[OutboxStatus::Sent; 3]).await;
}

async fn a_file_that_the_platform_refuses_is_told(engine: Engine) {
    let (bench, _) = bench(engine, &[PUBLIC_URL]).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "one").await.conversation;
    bench.quiet(conversation).await;
    for status in [200, 200, 400] {
        bench.platform.fail_next(status, None);
    }
    bench.say("385911", "m-2", "report").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(sent(&bench), ["one", "report", "after", "no file"]);
    let sends = bench.platform.sends();
    assert_eq!(sends[3].id, sends[4].id, "the sentence stands for the file, in its row");
}

async fn a_file_that_is_gone_is_told(engine: Engine) {
    let (bench, _) = bench(engine, &[PUBLIC_URL]).await;
    bench.platform.fail_next(500, None);
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "report").await.conversation;
    eventually("the words wait", async || is_unknown(&bench, conversation).await).await;
    bench.meddle("update media set content = null").await;
    worker.stop().await;
    bench.meddle("update outbox set due_at = 0").await;
    bench.meddle("update conversations set wake_at = 0, owner = null").await;
    let worker = bench.start().await;
    bench.coordination.ring(conversation, None);
    eventually("all is told", async || sent(&bench) == ["report", "after", "no file"]).await;
    worker.stop().await;
}

async fn a_folder_that_stays_away_is_told_after_some_tries(engine: Engine) {
    let (url, seen) = telegram().await;
    let account = format!(
        "[tenants.default.accounts.\"telegram:bot\"]\nchannel = \"telegram\"\nbase_url = \"{url}\"\n\
         token = \"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw\"\nwebhook_secrets = [\"s\"]\nsimulated = true\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let files =
        [("CONVERSATION_WORKER__FILES__KIND", "folder"), ("CONVERSATION_WORKER__FILES__FOLDER", place.as_str())];
    let mut bench = Bench::with_account(engine, &files, &account).await;
    bench.backend.set_file("image/png", png(2_000));
    bench.catalog.away.store(0, std::sync::atomic::Ordering::SeqCst);
    let message = Incoming {
        account: "telegram:bot".parse().unwrap(),
        provider: "telegram".to_owned(),
        ..incoming("42", "42/1", "report")
    };
    let accepted = bench.store.accept(&[message]).await.unwrap()[0];
    let worker = bench.start().await;
    bench.coordination.ring(accepted.conversation, None);
    bench.quiet(accepted.conversation).await;
    worker.stop().await;
    assert_eq!(seen.lock().unwrap().len(), 3);
    // Another answer with it, while nobody knows where its bytes are.
    bench.set("CONVERSATION_WORKER__FILES__KIND", "database");
    let again = Incoming {
        account: "telegram:bot".parse().unwrap(),
        provider: "telegram".to_owned(),
        ..incoming("42", "42/2", "one")
    };
    bench.store.accept(&[again]).await.unwrap();
    bench.meddle("update outbox set status = 'pending', attempt = 4 where part = 3").await;
    bench.meddle("update conversations set unsent = 1, wake_at = 0").await;
    let worker = bench.start().await;
    bench.coordination.ring(accepted.conversation, None);
    bench.quiet(accepted.conversation).await;
    worker.stop().await;
    let seen = seen.lock().unwrap();
    let told: Vec<String> = seen[3..].iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect();
    assert!(told[0].contains("no file") && told[1].contains("one"), "{told:?}");
}

async fn a_file_is_kept_until_it_is_sent_and_swept_then(engine: Engine) {
    let (bench, _) = bench(engine, &[PUBLIC_URL]).await;
    bench.platform.fail_next(500, None);
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "report").await.conversation;
    eventually("the words wait", async || is_unknown(&bench, conversation).await).await;
    bench.meddle("update media set expires_at = 0").await;
    assert_eq!(bench.store.expire_files(10).await.unwrap(), 0, "a part waits for it");
    worker.stop().await;
    bench.meddle("update outbox set due_at = 0").await;
    bench.meddle("update conversations set wake_at = 0, owner = null").await;
    let worker = bench.start().await;
    bench.coordination.ring(conversation, None);
    eventually("all is sent", async || sent(&bench) == ["report", "after", "image "]).await;
    eventually("the sweep was there", async || {
        bench.changed_by("update media set name = name where content is null").await == 1
    })
    .await;
    worker.stop().await;
}

async fn a_file_whose_end_is_unknown_is_sent_again_and_the_words_once(engine: Engine) {
    let (bench, _) = bench(engine, &[PUBLIC_URL]).await;
    for status in [200, 200, 500] {
        bench.platform.fail_next(status, None);
    }
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "report").await.conversation;
    statuses(&bench, conversation, &[OutboxStatus::Sent, OutboxStatus::Sent, OutboxStatus::Unknown]).await;
    bench.meddle("update outbox set due_at = 0 where status = 'unknown'").await;
    bench.meddle("update conversations set wake_at = 0, owner = null").await;
    bench.coordination.ring(conversation, None);
    statuses(&bench, conversation, &[OutboxStatus::Sent; 3]).await;
    worker.stop().await;
    assert_eq!(sent(&bench), ["report", "after", "image "]);
}

async fn a_place_of_unknown_end_holds_up_no_words_of_its_answer(engine: Engine) {
    let bench = Bench::new(engine).await;
    for status in [200, 200, 500] {
        bench.platform.fail_next(status, None);
    }
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "map").await.conversation;
    statuses(&bench, conversation, &[OutboxStatus::Sent, OutboxStatus::Sent, OutboxStatus::Unknown]).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["map", "after"]);
}

async fn a_place_that_is_refused_fails_alone(engine: Engine) {
    let bench = Bench::new(engine).await;
    for status in [200, 200, 400] {
        bench.platform.fail_next(status, None);
    }
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "map").await.conversation;
    statuses(&bench, conversation, &[OutboxStatus::Sent, OutboxStatus::Sent, OutboxStatus::Failed]).await;
    bench.say("385911", "m-2", "one").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["map", "after", "one"]);
}
