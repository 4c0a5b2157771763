//! Sending to Telegram: locations, files, formatting, and what is done where formatting or a picture is refused.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::Uri,
    response::IntoResponse,
};
use channels::{
    Channel, FileSource, RejectClass, SendOutcome,
    telegram::{Config, Telegram},
};
use domain::{Location, OutboxId, Reply, ReplyFile, Span, Style};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A bot whose server refuses every text with entities and every picture by these words, and remembers what it got: of a
/// form its bytes as text.
async fn bot(refusal: &'static str) -> (Channel, Seen) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    let handler = move |State(seen): State<Seen>, uri: Uri, body: Bytes| async move {
        let method = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
        let refused = (body.get("entities").is_some() || method == "sendPhoto") && !refusal.is_empty();
        seen.lock().expect("no panic").push((method, body));
        let answer = match refused {
            true => json!({ "ok": false, "error_code": 400, "description": refusal }),
            false => json!({ "ok": true, "result": { "message_id": 9 } }),
        };
        answer.to_string().into_response()
    };
    let app = Router::new().fallback(handler).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = Config { base_url, token: TOKEN.into(), webhook_secrets: Vec::new() };
    (Channel::Telegram(Telegram::new(config).expect("a bot")), seen)
}

fn bold() -> Reply {
    let spans = vec![Span { start: 0, end: 5, style: Style::Bold }];
    Reply { text: "Rooms: Oak".to_owned(), spans, ..Reply::default() }
}

async fn send(channel: &Channel, reply: &Reply) -> Vec<SendOutcome> {
    let mut ends = Vec::new();
    for part in channel.render(reply) {
        ends.push(channel.send("42", OutboxId::new(), &part, Duration::from_secs(5)).await);
    }
    ends
}

fn sent() -> SendOutcome {
    SendOutcome::Sent { provider_message_id: "110201543:42/9".to_owned(), refused: None, peer: None }
}

fn plain() -> Value {
    json!({ "chat_id": 42, "text": "Rooms: Oak", "link_preview_options": { "is_disabled": true } })
}

fn formatted() -> Value {
    let mut body = plain();
    body["entities"] = json!([{ "type": "bold", "offset": 0, "length": 5 }]);
    body
}

fn seen_by(seen: &Seen) -> Vec<(String, Value)> {
    seen.lock().expect("no panic").clone()
}

#[tokio::test]
async fn a_location_is_shown_on_a_map_behind_its_words() {
    let (channel, seen) = bot("").await;
    let location = Some(Location { latitude: 45.8, longitude: 15.97, name: Some("Oak room".to_owned()) });
    assert_eq!(send(&channel, &Reply { location, ..bold() }).await, [sent(), sent()]);
    let place = json!({ "chat_id": 42, "latitude": 45.8, "longitude": 15.97 });
    assert_eq!(seen_by(&seen), [("sendMessage".to_owned(), formatted()), ("sendLocation".to_owned(), place)]);
}

#[tokio::test]
async fn a_text_whose_formatting_is_refused_is_sent_once_more_as_it_is() {
    for refusal in ["Bad Request: can't parse entities: unsupported", "Bad Request: ENTITY_BOUNDS_INVALID"] {
        let (channel, seen) = bot(refusal).await;
        assert_eq!(send(&channel, &bold()).await, [sent()], "{refusal}");
        let both = [("sendMessage".to_owned(), formatted()), ("sendMessage".to_owned(), plain())];
        assert_eq!(seen_by(&seen), both, "{refusal}");
    }
}

#[tokio::test]
async fn a_text_that_is_refused_for_another_reason_is_not_sent_again() {
    let (channel, seen) = bot("Bad Request: message is too long").await;
    let reason = "400 Bad Request: message is too long".to_owned();
    assert_eq!(send(&channel, &bold()).await, [SendOutcome::Rejected { class: RejectClass::Content, reason }]);
    assert_eq!(seen_by(&seen).len(), 1);
}

fn file(media_type: &str, caption: &str) -> ReplyFile {
    ReplyFile {
        sha256: String::new(),
        media_type: media_type.to_owned(),
        name: Some("plan.png".to_owned()),
        size_bytes: 4,
        caption: Some(caption.to_owned()),
        instead: String::new(),
    }
}

async fn send_file(channel: &Channel, file: &ReplyFile, content: Vec<u8>) -> SendOutcome {
    let source = FileSource::Bytes(content.into());
    channel.send_file("-100#7", OutboxId::new(), file, source, Duration::from_secs(30)).await
}

/// Method and form of what the server got.
fn forms(seen: &Seen) -> Vec<(String, String)> {
    seen_by(seen).into_iter().map(|(method, body)| (method, body.as_str().unwrap_or_default().to_owned())).collect()
}

#[tokio::test]
async fn a_picture_and_a_document_are_forms_with_a_caption_within_the_limit() {
    let (channel, seen) = bot("").await;
    let long = "x".repeat(2_000);
    for (media_type, method, field) in [
        ("image/png", "sendPhoto", "photo"),
        ("image/svg+xml", "sendDocument", "document"),
        ("application/pdf", "sendDocument", "document"),
    ] {
        let sent = send_file(&channel, &file(media_type, &long), b"\x89PNG".to_vec()).await;
        assert!(matches!(sent, SendOutcome::Sent { refused: None, .. }), "{sent:?}");
        let (called, form) = forms(&seen).pop().expect("a request");
        assert_eq!(called, method);
        let has = |part: &str| assert!(form.contains(part), "{part} in {form}");
        has("name=\"chat_id\"\r\n\r\n-100\r\n");
        has("name=\"message_thread_id\"\r\n\r\n7\r\n");
        has(&format!("name=\"caption\"\r\n\r\n{}…\r\n", "x".repeat(1_023)));
        has(&format!("name=\"{field}\"; filename=\"plan.png\"\r\ncontent-type: {media_type}\r\n"));
    }
}

#[tokio::test]
async fn a_picture_that_is_refused_or_too_large_for_one_goes_as_a_document() {
    let (channel, seen) = bot("Bad Request: PHOTO_INVALID_DIMENSIONS").await;
    let sent = send_file(&channel, &file("image/png", ""), b"odd".to_vec()).await;
    assert!(matches!(sent, SendOutcome::Sent { .. }), "{sent:?}");
    let sent = send_file(&channel, &file("image/png", ""), vec![0; 10 * 1024 * 1024 + 1]).await;
    assert!(matches!(sent, SendOutcome::Sent { .. }), "{sent:?}");
    let methods: Vec<String> = forms(&seen).into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["sendPhoto", "sendDocument", "sendDocument"]);
    assert!(forms(&seen).iter().all(|(_, form)| !form.contains("caption")), "an empty one is none");
}

/// A bot whose server hangs up after all of a form, or after its first bytes.
async fn bot_that_hangs_up(after_all: bool) -> Channel {
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await?;
        let mut taken = Vec::new();
        while connection.read_buf(&mut taken).await? > 0 && after_all && !taken.ends_with(b"--\r\n") {}
        Ok::<_, std::io::Error>(())
    });
    let config = Config { base_url, token: TOKEN.into(), webhook_secrets: Vec::new() };
    Channel::Telegram(Telegram::new(config).expect("a bot"))
}

#[tokio::test]
async fn a_file_whose_end_has_not_left_was_not_sent() {
    const FILE_BYTES: usize = 32 * 1024 * 1024;
    let send = async |after_all| {
        let (channel, file) = (bot_that_hangs_up(after_all).await, file("application/zip", ""));
        send_file(&channel, &file, vec![0; FILE_BYTES]).await
    };
    let end = send(false).await;
    assert!(matches!(end, SendOutcome::NotSent { .. }), "{end:?}");
    let end = send(true).await;
    assert!(
        matches!(&end, SendOutcome::Unknown { reason } if !reason.contains("deadline")),
        "{end:?}: it may have been taken"
    );
}

#[tokio::test]
async fn a_file_beyond_the_platforms_limit_is_refused_without_a_request() {
    let (channel, seen) = bot("").await;
    let sent = send_file(&channel, &file("application/zip", ""), vec![0; 50 * 1024 * 1024 + 1]).await;
    assert!(matches!(sent, SendOutcome::Rejected { class: RejectClass::Content, .. }), "{sent:?}");
    assert_eq!(forms(&seen), []);
}
