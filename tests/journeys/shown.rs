//! Pictures, documents and places that a backend answers with: on each platform, behind the words that say what they are.

use axum::{Json, Router, http::header, routing::get};
use domain::Location;
use serde_json::{Value, json};
use simulator::{
    faults::Fault,
    fleet::ANA,
    phone::{Attached, Bubble, Chat},
    telegram,
};
use tokio_util::sync::DropGuard;

use crate::{
    platforms::{ANA_ID, BOTH, OnMeta, OnTelegram, listener, text},
    process::PATIENCE,
    world::{Deployment, World, whole},
};

const PLACE: Location = Location { latitude: 45.8, longitude: 15.97, name: None };

/// A PNG as far as its first bytes go, and bytes that no text may hold.
fn picture() -> Vec<u8> {
    let mut content = b"\x89PNG\r\n\x1a\n".to_vec();
    content.extend((0..=255).cycle().take(20_000));
    content
}

fn document() -> Vec<u8> {
    let mut content = b"%PDF-1.7\n".to_vec();
    content.extend((0..=255).cycle().take(30_000));
    content
}

/// A museum that has a plan, a price list and a meeting point.
struct Museum {
    /// The variables by which every process knows it.
    environment: Vec<(String, String)>,
    _folder: tempfile::TempDir,
    _stop: DropGuard,
}

impl Museum {
    async fn open() -> Self {
        let (listener, url, ends, stop) = listener().await;
        let app = Router::new()
            .route("/floor-plan", get(async || ([(header::CONTENT_TYPE, "image/png")], picture())))
            .route(
                "/price-list",
                get(async || {
                    let named = "attachment; filename=\"../prices 2026.pdf\"";
                    ([(header::CONTENT_TYPE, "application/pdf"), (header::CONTENT_DISPOSITION, named)], document())
                }),
            )
            .route(
                "/meeting-point",
                get(async || {
                    Json(json!({ "name": "North gate", "latitude": PLACE.latitude, "longitude": PLACE.longitude }))
                }),
            );
        tokio::spawn(async move {
            axum::serve(listener, app).with_graceful_shutdown(async move { ends.cancelled().await }).await
        });
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("museum.json");
        std::fs::write(&source, openapi().to_string()).expect("written");
        let mut environment = Vec::new();
        for service in ["DRAGOMAN", "EMBEDDING_SERVICE", "CONVERSATION_WORKER"] {
            let mut set = |key: &str, value: &str| {
                let name = format!("{service}__TENANTS__DEFAULT__DOCUMENTS__MUSEUM__{key}");
                environment.push((name, value.to_owned()));
            };
            set("SOURCE", &source.display().to_string());
            set("BACKEND_URL", url.as_str());
            set("ALLOW_PRIVATE_HOSTS", "true");
        }
        Self { environment, _folder: folder, _stop: stop }
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

fn openapi() -> Value {
    let file = |id: &str, summary: &str, kind: &str| {
        let content = json!({ kind: { "schema": { "type": "string", "format": "binary" } } });
        json!({ "get": { "operationId": id, "summary": summary,
            "responses": { "200": { "description": "The file", "content": content } } } })
    };
    let point = json!({ "type": "object", "properties": {
        "name": { "type": "string" }, "latitude": { "type": "number" }, "longitude": { "type": "number" },
    } });
    json!({
        "openapi": "3.1.0", "info": { "title": "Museum", "version": "1" }, "servers": [{ "url": "/" }],
        "paths": {
            "/floor-plan": file("getFloorPlan", "Get the floor plan of the museum", "image/png"),
            "/price-list": file("getPriceList", "Get the price list of the museum", "application/pdf"),
            "/meeting-point": { "get": { "operationId": "getMeetingPoint", "summary": "Get the meeting point of guided tours",
                "responses": { "200": { "description": "Where", "content": { "application/json": { "schema": point } } } } } },
        },
    })
}

/// What hangs on the last answer, once something does.
fn last_attached(chat: Result<Chat, Box<Chat>>) -> (Vec<Bubble>, Attached) {
    let chat = chat.unwrap_or_else(|chat| panic!("nothing hangs on an answer: {chat:#?}"));
    let answers: Vec<Bubble> = chat.answers().cloned().collect();
    let attached = answers.last().and_then(|bubble| bubble.attached.clone()).expect("just seen");
    (answers, attached)
}

/// True once something hangs on the last answer, and on so many of them.
fn has_attached(chat: &Chat, count: usize) -> bool {
    let attached = |bubble: &&Bubble| bubble.attached.is_some();
    chat.last_answer().as_ref().is_some_and(attached) && chat.answers().filter(attached).count() == count
}

/// The id of the file, which has this name.
fn file(attached: Attached, name: Option<&str>) -> String {
    let Attached::File { id, name: own, .. } = attached else { panic!("no file: {attached:?}") };
    assert_eq!(own.as_deref(), name);
    id
}

fn says_before(answers: &[Bubble], words: &str) {
    let [.., said, _] = answers else { panic!("the words and the file: {answers:#?}") };
    assert!(whole(said).contains(words), "{words} in {}", whole(said));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_a_document_and_a_place_reach_telegram_behind_their_words() {
    for (deployment, webhook) in [(Deployment::One, false), (Deployment::Cluster, true)] {
        let museum = Museum::open().await;
        let there = OnTelegram::start_with(deployment, webhook, &museum.environment()).await;
        let shown = async |words: &str, count: usize| {
            there.says(telegram::Said::text(words)).await;
            let shows = |chat: &Chat| has_attached(chat, count);
            last_attached(there.telegram.wait_for(ANA_ID, PATIENCE, shows).await)
        };
        let (answers, attached) = shown("show me the floor plan of the museum", 1).await;
        says_before(&answers, "20 kB");
        let sent = there.telegram.media(&file(attached, None)).expect("a file");
        assert_eq!(sent, ("image/png".to_owned(), picture()));
        let (answers, attached) = shown("price list of the museum", 2).await;
        says_before(&answers, "prices 2026.pdf, 30 kB");
        let sent = there.telegram.media(&file(attached, Some("prices 2026.pdf"))).expect("a file");
        assert_eq!(sent, ("application/pdf".to_owned(), document()));
        let (answers, attached) = shown("meeting point of guided tours", 3).await;
        says_before(&answers, "North gate");
        assert_eq!(attached, Attached::Place { latitude: PLACE.latitude, longitude: PLACE.longitude });
        there.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_and_a_document_reach_metas_whatsapp_behind_their_words() {
    for deployment in BOTH {
        let museum = Museum::open().await;
        let there = OnMeta::start_with(deployment, &museum.environment()).await;
        let shown = async |words: &str, count: usize| {
            there.says(text(words)).await;
            last_attached(there.meta.wait_for(ANA, PATIENCE, |chat: &Chat| has_attached(chat, count)).await)
        };
        let (answers, attached) = shown("show me the floor plan of the museum", 1).await;
        says_before(&answers, "20 kB");
        assert_eq!(there.meta.media(&file(attached, None)), Some(("image/png".to_owned(), picture())));
        let (answers, attached) = shown("price list of the museum", 2).await;
        says_before(&answers, "prices 2026.pdf, 30 kB");
        let sent = there.meta.media(&file(attached, Some("prices 2026.pdf")));
        assert_eq!(sent, Some(("application/pdf".to_owned(), document())));
        let (_, attached) = shown("meeting point of guided tours", 3).await;
        assert_eq!(attached, Attached::Place { latitude: PLACE.latitude, longitude: PLACE.longitude });
        // A platform that takes no more files: the words are there, and what is missing is said.
        let refused = Fault::Status { status: 400, retry_after: None };
        there.meta.faults().next("POST media", refused);
        there.says(text("show me the floor plan of the museum")).await;
        there.hears(&["could not send you a picture"]).await;
        there.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn infobip_fetches_a_picture_and_a_document_from_the_gateway() {
    for deployment in BOTH {
        let museum = Museum::open().await;
        let world = World::start_in(deployment, &[], &museum.environment()).await;
        let mut ana = world.person(ANA);
        for (count, words, media_type, content) in [
            (1, "show me the floor plan of the museum", "image/png", picture()),
            (2, "price list of the museum", "application/pdf", document()),
        ] {
            ana.says(words).await;
            let chat = world.platform.infobip.wait_for(ANA, PATIENCE, |chat: &Chat| has_attached(chat, count)).await;
            let (_, attached) = last_attached(chat);
            let Attached::File { id, .. } = attached else { panic!("no file: {attached:?}") };
            assert_eq!(world.platform.infobip.media(&id), Some((media_type.to_owned(), content)), "{words}");
        }
        world.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_chat_gets_an_address_that_its_session_alone_may_open() {
    for deployment in BOTH {
        let museum = Museum::open().await;
        let world = World::start_in(deployment, &[], &museum.environment()).await;
        let browser = || reqwest::Client::new();
        let base = format!("http://{}", world.http);
        let session = async || {
            let opened = browser().post(format!("{base}/api/v1/chat/sessions")).send().await.expect("an answer");
            let session: Value = opened.json().await.expect("a session");
            session["token"].as_str().expect("a token").to_owned()
        };
        let token = &session().await;
        let answer: Value = browser()
            .post(format!("{base}/api/v1/chat"))
            .bearer_auth(token)
            .json(&json!({ "message": "price list of the museum" }))
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        let file = &answer["messages"][0]["file"];
        assert_eq!(
            (&file["name"], &file["media_type"]),
            (&json!("prices 2026.pdf"), &json!("application/pdf")),
            "{answer}"
        );
        let url = format!("{base}{}", file["url"].as_str().expect("an address"));
        let got = browser().get(&url).bearer_auth(token).send().await.expect("an answer");
        let header = |name: header::HeaderName| got.headers()[name].to_str().expect("a text").to_owned();
        assert_eq!(header(header::CONTENT_DISPOSITION), "attachment; filename=\"prices_2026.pdf\"");
        assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(got.bytes().await.expect("a body"), document());
        let other = browser().get(&url).send().await.expect("an answer");
        assert_eq!(other.status(), 401, "without a session there is nothing");
        let stranger = browser().get(&url).bearer_auth(session().await).send().await.expect("an answer");
        assert_eq!(stranger.status(), 404, "another session has no such conversation");
    }
}
