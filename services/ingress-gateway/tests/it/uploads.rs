//! Files and thumbs of the web chat, and sessions by token.

use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::{Database, Gateway, question, session_cookie, text};

const PATH: &str = "/api/v1/chat";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\0";

/// A session's token, begun from this page.
async fn begin(gateway: &Gateway, origin: &str) -> reqwest::Response {
    gateway.post("/api/v1/chat/sessions").header("origin", origin).send().await.expect("an answer")
}

async fn token(gateway: &Gateway) -> String {
    let answer = begin(gateway, "https://app.example").await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
    assert!(session_cookie(&answer).is_none(), "a page of another site gets no cookie");
    let body: Value = answer.json().await.expect("JSON");
    body["token"].as_str().expect("a token").to_owned()
}

async fn upload(gateway: &Gateway, token: &str, kind: &str, content: &[u8]) -> reqwest::Response {
    let request = gateway.post("/api/v1/chat/uploads?name=mirror.png").bearer_auth(token);
    request.header("content-type", kind).body(content.to_vec()).send().await.expect("an answer")
}

async fn kept(gateway: &Gateway, token: &str) -> String {
    let answer = upload(gateway, token, "image/png", PNG).await;
    assert_eq!(answer.status(), 201);
    answer.json::<Value>().await.expect("JSON")["id"].as_str().expect("an id").to_owned()
}

async fn say(gateway: &Gateway, token: &str, body: Value) -> reqwest::Response {
    gateway.post(PATH).bearer_auth(token).json(&body).send().await.expect("an answer")
}

macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Gateway::start().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                let database = super::Database::postgres().await;
                super::$name(crate::support::Gateway::start_on(database, "").await).await;
            })*
        }
    };
}

on_both_engines!(
    a_message_with_uploads_says_what_other_platforms_say,
    a_thumb_is_kept_shown_and_changed,
    an_upload_is_its_owners,
);

/// All files below a folder, by name.
fn files(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let found = entries.flat_map(|entry| match entry.path().is_dir() {
        true => files(&entry.path()),
        false => vec![entry.file_name().into_string().expect("a name")],
    });
    found.collect()
}

mod in_a_folder {
    #[tokio::test]
    async fn sqlite() {
        let database = super::Database::Sqlite(testkit::Sqlite::new().expect("a folder"));
        super::uploads_are_files_of_the_folder(database).await;
    }

    #[tokio::test]
    async fn postgres() {
        super::uploads_are_files_of_the_folder(super::Database::postgres().await).await;
    }
}

async fn uploads_are_files_of_the_folder(database: Database) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("files");
    let settings = format!(
        "[files]\nkind = \"folder\"\nfolder = {:?}\nshared = true\n\
         [chat.uploads]\nfiles_max = 2\nsession_bytes_max = 10485760\n",
        place.display()
    );
    let gateway = Gateway::start_on(database, &settings).await;
    let token = token(&gateway).await;
    kept(&gateway, &token).await;
    assert_eq!(files(&place), [hex::encode(sha2::Sha256::digest(PNG))]);
    // A store that is away takes nothing, and its tries take no room.
    std::fs::rename(place.join("default"), folder.path().join("elsewhere")).expect("moved");
    std::fs::write(place.join("default"), b"no folder").expect("written");
    for _ in 0..3 {
        let answer = upload(&gateway, &token, "image/png", PNG).await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }
    std::fs::remove_file(place.join("default")).expect("removed");
    std::fs::rename(folder.path().join("elsewhere"), place.join("default")).expect("moved back");
    kept(&gateway, &token).await;
    assert_eq!(files(&place).len(), 1, "the same bytes");
    assert_eq!(upload(&gateway, &token, "image/png", b"\x89PNG\r\n\x1a\nother").await.status(), 429);
    assert_eq!(files(&place).len(), 1, "what has no room is not put");
}

async fn a_message_with_uploads_says_what_other_platforms_say(gateway: Gateway) {
    let token = token(&gateway).await;
    let (one, two) = (kept(&gateway, &token).await, kept(&gateway, &token).await);
    let work = gateway.work(1, |_| vec![]);
    // The bell rings once for both; the second is answered without one.
    let request = json!({"message": "look", "attachments": [one, two], "message_id": "k1"});
    let streamed = gateway.post(PATH).bearer_auth(&token).header("accept", "text/event-stream").json(&request);
    let mut streamed = streamed.send().await.expect("an answer");
    let first = streamed.chunk().await.expect("a chunk").expect("an event");
    let first = String::from_utf8(first.to_vec()).expect("UTF-8");
    assert!(first.contains("\"seq\":2"), "the answer to the last is waited for: {first}");
    work.await.expect("no panic");
    let conversation = gateway.store.list_conversations(&crate::support::tenant(), None, 9).await.expect("the store");
    let [conversation] = conversation.as_slice() else { panic!("one conversation: {conversation:?}") };
    let rows = gateway.messages(conversation.id).await;
    let address = |id: &str| format!("upload:{}", id.replace('-', ""));
    assert_eq!(
        rows.iter().map(|row| row.body.clone()).collect::<Vec<_>>(),
        [
            json!({"type": "media", "media": "image", "url": address(&one), "caption": "look"}),
            json!({"type": "media", "media": "image", "url": address(&two), "caption": null}),
        ]
    );
    let again = gateway.post(PATH).bearer_auth(&token).header("accept", "text/event-stream");
    let again = again.json(&json!({"attachments": [one, two], "message_id": "k1"})).send().await;
    let mut again = again.expect("an answer");
    let first = again.chunk().await.expect("an event").expect("an event");
    assert!(String::from_utf8_lossy(&first).contains(&conversation.id.to_string()), "{first:?}");
    assert_eq!(gateway.messages(conversation.id).await.len(), 2, "a repeat is none");
}

async fn an_upload_is_its_owners(gateway: Gateway) {
    let (mine, theirs) = (token(&gateway).await, token(&gateway).await);
    let id = kept(&gateway, &theirs).await;
    let answer = say(&gateway, &mine, json!({"message": "look", "attachments": [id]})).await;
    assert_eq!(answer.status(), 404);
    assert!(gateway.store.list_conversations(&crate::support::tenant(), None, 9).await.expect("the store").is_empty());
}

async fn a_thumb_is_kept_shown_and_changed(gateway: Gateway) {
    let token = token(&gateway).await;
    let work = gateway.work(1, |_| vec![text("one"), question("two?")]);
    let body: Value = say(&gateway, &token, json!({"message": "hello"})).await.json().await.expect("JSON");
    work.await.expect("no panic");
    let conversation = format!("{PATH}/{}", body["conversation_id"].as_str().expect("an id"));
    let rate = |token: &str, id: &str, body: Value| {
        gateway.post(&format!("{conversation}/messages/{id}/feedback")).bearer_auth(token).json(&body).send()
    };
    for (id, body, status) in [
        ("1.0", json!({"rating": "up"}), 200),
        ("1.1", json!({"rating": "up", "comment": " good "}), 200),
        ("1.1", json!({"rating": "down", "comment": "too\0 short"}), 200),
        ("1.1", json!({"rating": "down", "comment": "too short"}), 200),
        ("1.1", json!({"rating": "sideways"}), 400),
        ("1.1", json!({"comment": "x"}), 400),
        ("1.1", json!({"rating": "up", "comment": 7}), 400),
        ("1.1", json!({"rating": "up", "comment": "x".repeat(2_001)}), 400),
        ("1.2", json!({"rating": "up"}), 404),
        ("1", json!({"rating": "up"}), 404),
        ("x", json!({"rating": "up"}), 404),
    ] {
        assert_eq!(rate(&token, id, body.clone()).await.expect("an answer").status(), status, "{id} {body}");
    }
    let stranger = self::token(&gateway).await;
    assert_eq!(rate(&stranger, "1.0", json!({"rating": "up"})).await.expect("an answer").status(), 404);

    let history = |query: &str, token: &str| {
        gateway.get(&format!("{conversation}/messages{query}")).bearer_auth(token.to_owned()).send()
    };
    let shown: Value = history("", &token).await.expect("an answer").json().await.expect("JSON");
    assert_eq!(
        shown["messages"],
        json!([
            {"id": "1", "from": "person", "text": "hello"},
            {"id": "1.0", "from": "assistant", "text": "one", "feedback": {"rating": "up"}},
            {"id": "1.1", "from": "assistant", "text": "two?",
                "buttons": [{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}],
                "feedback": {"rating": "down", "comment": "too short"}},
        ])
    );
    let none: Value = history("?before=1", &token).await.expect("an answer").json().await.expect("JSON");
    assert_eq!(none["messages"], json!([]));
    assert_eq!(history("?before=0", &token).await.expect("an answer").status(), 400);
    assert_eq!(history("", &stranger).await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn the_bytes_say_what_a_file_is_and_what_is_not_taken_is_told() {
    let gateway = Gateway::start_with("[chat.uploads]\nbytes_max = 1000\nfiles_max = 2").await;
    let token = token(&gateway).await;
    for (kind, content, status, told) in [
        ("image/png", b"MZ\x90\0".as_slice(), 415, "application/octet-stream"),
        ("image/svg+xml", b"PK\x03\x04", 415, "application/zip"),
        ("multipart/form-data; boundary=x", b"--x\r\n", 415, "not a form"),
        ("image/png", b"", 400, "empty"),
        ("image/png", &[7; 1001], 413, "1000 bytes"),
    ] {
        let answer = upload(&gateway, &token, kind, content).await;
        assert_eq!(answer.status(), status, "{kind}");
        let body: Value = answer.json().await.expect("JSON");
        assert!(body["error"].as_str().is_some_and(|text| text.contains(told)), "{body}");
    }
    let page = upload(&gateway, &token, "text/html", b"<script>alert(1)</script>").await;
    assert_eq!(page.status(), 201);
    assert_eq!(page.json::<Value>().await.expect("JSON")["media_type"], "text/plain", "never a page");
    let jpeg: Value = upload(&gateway, &token, "text/plain", b"\xff\xd8\xff\xe0").await.json().await.expect("JSON");
    assert_eq!((&jpeg["media_type"], &jpeg["size_bytes"]), (&json!("image/jpeg"), &json!(4)));
    let full = upload(&gateway, &token, "image/png", PNG).await;
    assert_eq!(full.status(), 429);
    assert!(full.headers().contains_key("retry-after"));
    let named = gateway.post("/api/v1/chat/uploads?name=a%00b").bearer_auth(&token).body(PNG).send().await;
    assert_eq!(named.expect("an answer").status(), 400);
}

#[tokio::test]
async fn a_token_is_of_its_account_and_of_allowed_pages_only() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"").await;
    assert_eq!(begin(&gateway, "https://evil.example").await.status(), 403);
    let token = token(&gateway).await;
    let say = |token: &str, origin: &str| {
        let request = gateway.post(PATH).bearer_auth(token).header("origin", origin.to_owned());
        request.json(&json!({"message": "hello"})).send()
    };
    let answer = say(&token, "https://app.example").await.expect("an answer");
    assert_eq!(answer.status(), 202);
    assert!(session_cookie(&answer).is_none());
    assert_eq!(say(&token, "https://evil.example").await.expect("an answer").status(), 403);
    let mut changed = token.clone().into_bytes();
    changed[10] ^= 1;
    let changed = String::from_utf8(changed).expect("ASCII");
    assert_eq!(say(&changed, "https://app.example").await.expect("an answer").status(), 401);
    let as_cookie = gateway.post(PATH).header("cookie", format!("dragoman_session={token}"));
    let as_cookie = as_cookie.json(&json!({"message": "hello"})).send().await.expect("an answer");
    assert!(session_cookie(&as_cookie).is_some(), "a token is no cookie: this is a newcomer");
    let asked = gateway.client.request(reqwest::Method::OPTIONS, format!("{}{PATH}", gateway.url));
    let asked = asked.header("origin", "https://app.example").header("access-control-request-method", "POST");
    let allowed = asked.send().await.expect("an answer");
    let allowed = allowed.headers()["access-control-allow-headers"].to_str().expect("text");
    assert!(allowed.contains("authorization"), "{allowed}");
}

#[tokio::test]
async fn a_token_past_half_its_life_is_signed_anew() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"\nsession_lifetime = \"0s\"").await;
    let token = token(&gateway).await;
    assert_eq!(say(&gateway, &token, json!({"message": "hello"})).await.status(), 401, "it has ended");
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"\nanonymous = false").await;
    assert_eq!(begin(&gateway, "https://app.example").await.status(), 401);
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let gateway = Gateway::start().await;
    for (path, kind) in [
        ("/widget.js", "text/javascript; charset=utf-8"),
        ("/chat", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
        ("/docs/swagger-ui.css", "text/css"),
        ("/openapi.json", "application/json"),
    ] {
        let answer = gateway.get(path).send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().expect("text")), (200, kind));
        if kind.starts_with("text/html") {
            let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
            assert!(policy.contains("script-src 'self';") && !policy.contains("http"), "{policy}");
            let page = answer.text().await.expect("a page");
            assert!(
                !page.contains("<script src=\"http") && !page.contains("<script>") && !page.contains("<style"),
                "{page}"
            );
        }
    }
    for path in ["/docs/index.html", "/docs/..%2Freader", "/docs/swagger-ui.css.map"] {
        assert_eq!(gateway.get(path).send().await.expect("an answer").status(), 404, "{path}");
    }
}
