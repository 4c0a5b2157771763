//! Files of a conversation, opened by an operator: by whom, how long, and what browsers are told.

use std::time::Duration;

use bytes::Bytes;
use domain::ConversationId;
use file_store::{FileHash, FilesConfig};
use reqwest::StatusCode;
use serde_json::{Value, json};
use store::{FileContent, FileNew, FilePut, Step, StepKind, StepStatus};
use uuid::Uuid;

use crate::{
    browser::{Browser, Page},
    support::{Engine, Running, incoming, on_both_engines, start_with, tenant},
};

on_both_engines!(
    a_file_is_opened_from_the_page_that_shows_personal_data,
    a_link_opens_nothing_but_its_file_for_its_session,
    the_pages_link_leads_to_a_signed_one_while_personal_data_is_seen,
    a_large_file_is_passed_on_as_it_is_read,
    a_file_of_the_database_is_opened_as_well,
    a_file_that_is_gone_or_a_store_that_is_away_is_told,
);

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nmirror";

/// A service whose files are in a folder, which goes away with it.
struct Place {
    running: Running,
    folder: tempfile::TempDir,
}

async fn start(engine: Engine) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = json!({ "kind": "folder", "folder": folder.path().join("files") });
    let coordination = json!({ "kind": "memory" });
    let running = start_with(engine, &[("files", settings), ("coordination", coordination)]).await;
    Place { running, folder }
}

/// A conversation whose turn kept a file; `outside`: in the file store.
async fn sent(running: &Running, outside: Option<&Place>) -> (ConversationId, FileHash) {
    sent_with(running, outside, PNG).await
}

async fn sent_with(running: &Running, outside: Option<&Place>, bytes: &'static [u8]) -> (ConversationId, FileHash) {
    let (store, hash) = (&running.store, FileHash::of(bytes));
    let accepted = store.accept(&[incoming("acme", "m1")]).await.expect("accepted")[0];
    let lease = store.claim(accepted.conversation, Uuid::new_v4()).await.expect("an answer").expect("a lease");
    let content = match outside {
        None => FileContent::Here(bytes),
        Some(place) => {
            assert!(store.begin_file(&lease, hash.as_str(), bytes.len()).await.expect("begun"));
            let config = FilesConfig::Folder { folder: place.folder.path().join("files"), shared: false };
            let files = config.open().expect("usable").expect("a store");
            files.put(&tenant("acme"), &hash, Bytes::from_static(bytes)).await.expect("kept");
            FileContent::Stored { sha256: hash.as_str(), size_bytes: bytes.len() }
        }
    };
    let file = FileNew {
        person: domain::PersonId::default(),
        media_type: "image/png",
        name: Some("mirror.png"),
        content,
        keep: Duration::from_secs(600),
    };
    assert!(matches!(store.put_file(&lease, &file).await.expect("kept"), FilePut::Kept(_)));
    let result: Value =
        json!({ "file": "kept", "sha256": hash.as_str(), "media_type": "image/png", "size_bytes": bytes.len() });
    let fetched = Step {
        n: 1,
        kind: StepKind::Decision,
        request_hash: String::new(),
        idempotency_key: None,
        status: StepStatus::Done,
        request: json!({ "action": "fetch" }),
        result: Some(result),
        format: 1,
    };
    store.journal(&lease, 1, &[Step::range(1)]).await.expect("journaled");
    store.journal(&lease, 1, &[fetched]).await.expect("journaled");
    store.release_idle(&lease).await.expect("released");
    (accepted.conversation, hash)
}

fn link(page: &Page) -> Option<String> {
    let (before, _) = page.text.split_once("\" target=\"_blank\"")?;
    let (_, address) = before.rsplit_once("href=\"")?;
    Some(address.replace("&#38;", "&").replace("&amp;", "&"))
}

async fn revealed(browser: &Browser, conversation: ConversationId) -> Page {
    let path = format!("/console/t/acme/conversations/{conversation}");
    browser.submit(&path, &format!("{path}/reveal"), &[("why", "the photo")]).await;
    browser.get(&path).await
}

/// Where the page's link leads: to a signed one.
async fn signed(browser: &Browser, address: &str) -> String {
    let answer = browser.get(address).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.location().to_owned()
}

async fn opened(running: &Running) -> Vec<Value> {
    let lines = running.store.list_audit(&tenant("acme"), None, 100).await.expect("the audit");
    lines.into_iter().filter(|line| line.entry.action == "file.open").map(|line| line.entry.detail).collect()
}

async fn a_file_is_opened_from_the_page_that_shows_personal_data(engine: Engine) {
    let place = start(engine).await;
    let (conversation, hash) = sent(&place.running, Some(&place)).await;
    let browser = Browser::signed_in(place.running.http, "acme-key").await;
    let masked = browser.get(&format!("/console/t/acme/conversations/{conversation}")).await;
    assert!(masked.has("Fetched a file") && link(&masked).is_none(), "{}", masked.text);
    let page = link(&revealed(&browser, conversation).await).expect("a link");
    assert_eq!(page, format!("/console/t/acme/conversations/{conversation}/files/{hash}"), "nothing that ends");
    let address = signed(&browser, &page).await;
    assert_eq!(opened(&place.running).await.len(), 0, "nothing was given yet");
    let answer = browser.open(&address).await;
    assert_eq!(answer.status(), StatusCode::OK);
    for (name, expected) in [
        ("content-type", "image/png"),
        ("content-disposition", "inline; filename=\"mirror.png\""),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
    ] {
        let values: Vec<_> = answer.headers().get_all(name).iter().collect();
        assert_eq!(values, [expected], "{name}");
    }
    assert_eq!(answer.bytes().await.expect("a body"), PNG);
    let opened = opened(&place.running).await;
    assert_eq!(opened.len(), 1);
    assert_eq!((&opened[0]["sha256"], &opened[0]["from"]), (&json!(hash.as_str()), &json!("127.0.0.1")));
}

async fn a_link_opens_nothing_but_its_file_for_its_session(engine: Engine) {
    let place = start(engine).await;
    let (conversation, hash) = sent(&place.running, Some(&place)).await;
    let browser = Browser::signed_in(place.running.http, "acme-key").await;
    let address = signed(&browser, &link(&revealed(&browser, conversation).await).expect("a link")).await;
    let (path, query) = address.split_once('?').expect("a query");
    let other = FileHash::of(b"other");
    for changed in [
        path.to_owned(),
        address.replace("until=", "until=9"),
        address.replace(hash.as_str(), other.as_str()),
        address.replace(&conversation.to_string(), &Uuid::nil().to_string()),
        format!("{path}?{}0", &query[..query.len() - 1]),
    ]
    .iter()
    .filter(|changed| **changed != address)
    {
        assert_eq!(browser.get(changed).await.status, StatusCode::FORBIDDEN, "{changed}");
    }
    let stranger = Browser::signed_in(place.running.http, "acme-key").await;
    assert_eq!(stranger.get(&address).await.status, StatusCode::FORBIDDEN, "another session's link");
    let other = Browser::signed_in(place.running.http, "other-key").await;
    assert_eq!(other.get(&address).await.status, StatusCode::NOT_FOUND, "another tenant's operator");
    let nobody = Browser::new(place.running.http);
    assert_eq!(nobody.get(&address).await.status, StatusCode::SEE_OTHER, "to the sign-in");
    assert_eq!(opened(&place.running).await, Vec::<Value>::new());
    assert_eq!(browser.get(&address).await.status, StatusCode::OK);
}

async fn the_pages_link_leads_to_a_signed_one_while_personal_data_is_seen(engine: Engine) {
    let place = start(engine).await;
    let (conversation, _) = sent(&place.running, Some(&place)).await;
    let browser = Browser::signed_in(place.running.http, "acme-key").await;
    let page = link(&revealed(&browser, conversation).await).expect("a link");
    assert_ne!(signed(&browser, &page).await, "");
    let hidden = Browser::signed_in(place.running.http, "acme-key").await;
    let answer = hidden.get(&page).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::FORBIDDEN, ""), "another session of the operator");
    assert!(answer.has("Personal data of this conversation is hidden"), "{}", answer.text);
    let other = Browser::signed_in(place.running.http, "other-key").await;
    assert_eq!(other.get(&page).await.status, StatusCode::NOT_FOUND, "another tenant's operator");
    let nobody = Browser::new(place.running.http).get(&page).await;
    assert!(nobody.location().starts_with("/console/sign-in"), "{}", nobody.location());
}

async fn a_large_file_is_passed_on_as_it_is_read(engine: Engine) {
    static LARGE: [u8; 3_000_000] = [7; 3_000_000];
    let place = start(engine).await;
    let (conversation, hash) = sent_with(&place.running, Some(&place), &LARGE).await;
    let browser = Browser::signed_in(place.running.http, "acme-key").await;
    let page = link(&revealed(&browser, conversation).await).expect("a link");
    let answer = browser.open(&signed(&browser, &page).await).await;
    assert!(answer.bytes().await.expect("a body") == LARGE[..]);
    // Bytes that are not the file's do not come through to their end.
    let stored = place.folder.path().join("files/acme").join(&hash.as_str()[..2]).join(hash.as_str());
    std::fs::write(stored, vec![8; 3_000_000]).expect("written");
    let answer = browser.open(&signed(&browser, &page).await).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.bytes().await.is_err(), "it broke off");
    assert_eq!(opened(&place.running).await.len(), 2);
}

async fn a_file_of_the_database_is_opened_as_well(engine: Engine) {
    let place = start(engine).await;
    let (conversation, _) = sent(&place.running, None).await;
    let browser = Browser::signed_in(place.running.http, "acme-key").await;
    let address = signed(&browser, &link(&revealed(&browser, conversation).await).expect("a link")).await;
    assert_eq!(browser.open(&address).await.bytes().await.expect("a body"), PNG);
}

async fn a_file_that_is_gone_or_a_store_that_is_away_is_told(engine: Engine) {
    let place = start(engine).await;
    let (conversation, _) = sent(&place.running, Some(&place)).await;
    let browser = Browser::signed_in(place.running.http, "acme-key").await;
    let address = signed(&browser, &link(&revealed(&browser, conversation).await).expect("a link")).await;
    let files = place.folder.path().join("files");
    std::fs::rename(files.join("acme"), files.join("elsewhere")).expect("moved");
    assert_eq!(browser.get(&address).await.status, StatusCode::NOT_FOUND);
    std::fs::write(files.join("acme"), b"no folder").expect("written");
    assert_eq!(browser.get(&address).await.status, StatusCode::SERVICE_UNAVAILABLE);
}
