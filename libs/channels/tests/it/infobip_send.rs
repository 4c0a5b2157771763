//! Sending through Infobip: the requests it gets, and what each kind of answer or failure means.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, http::Uri, response::IntoResponse};
use channels::{
    Channel, FileSource, RejectClass, SendOutcome,
    infobip::{Config, Infobip},
    verify::{Algorithm, Auth, Encoding},
};
use domain::{Choice, Location, OutboxId, Reply, ReplyFile, Span, Style, Template};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const DEADLINE: Duration = Duration::from_secs(5);

/// An account whose API is there, with the key `secret-key`.
pub fn channel(base_url: &str) -> Channel {
    rustls::crypto::ring::default_provider().install_default().ok();
    let auth = Auth::Hmac {
        header: "X-Hub-Signature-256".into(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        secrets: vec!["key".into()],
    };
    let config =
        Config { base_url: base_url.to_owned(), api_key: "secret-key".into(), sender: "385990000000".into(), auth };
    Channel::Infobip(Infobip::new(config).expect("a channel"))
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, HeaderMap, Value)>>>);

/// A server that answers everything with `status` and `answer`, and remembers what it got.
async fn server(status: u16, headers: &'static [(&'static str, &'static str)], answer: &'static str) -> (String, Seen) {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    let handler = move |State(seen): State<Seen>, uri: Uri, given: HeaderMap, body: Bytes| async move {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        seen.0.lock().expect("no panic").push((uri.path().to_owned(), given, body));
        let mut response = (StatusCode::from_u16(status).expect("a status"), answer).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        response
    };
    let app = Router::new().fallback(handler).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base_url, seen)
}

fn text(text: &str) -> Reply {
    Reply { text: text.into(), ..Reply::default() }
}

fn choices(count: usize) -> Vec<Choice> {
    (1..=count).map(|n| Choice { id: format!("c{n}"), title: format!("Choice {n}"), description: None }).collect()
}

#[tokio::test]
async fn each_kind_of_part_goes_to_its_endpoint_with_our_id() {
    let (base_url, seen) = server(200, &[], r#"{"to":"385910000001","messageCount":1,"messageId":"m-1"}"#).await;
    let channel = channel(&base_url);
    let id = OutboxId::new();
    let oak = Location { latitude: 45.8, longitude: 15.97, name: None };
    for reply in [
        text("Hello"),
        Reply { choices: choices(2), ..text("Sure?") },
        Reply { choices: choices(4), list_title: Some("Rooms".into()), ..text("Which?") },
        Reply {
            spans: vec![Span { start: 0, end: 3, style: Style::Bold }],
            location: Some(oak),
            ..text("Oak is here")
        },
    ] {
        for part in channel.render(&reply) {
            let sent = channel.send("385910000001", id, &part, DEADLINE).await;
            assert_eq!(sent, SendOutcome::Sent { provider_message_id: "m-1".into(), refused: None, peer: None });
        }
    }
    let seen = seen.0.lock().expect("no panic");
    let envelope = |content: Value| json!({"from": "385990000000", "to": "385910000001", "messageId": id, "content": content, "callbackData": id});
    let buttons = json!([
        {"type": "REPLY", "id": "c1", "title": "Choice 1"},
        {"type": "REPLY", "id": "c2", "title": "Choice 2"},
    ]);
    let rows: Vec<Value> = (1..=4).map(|n| json!({"id": format!("c{n}"), "title": format!("Choice {n}")})).collect();
    let expected = [
        ("/whatsapp/1/message/text", json!({"text": "Hello"})),
        ("/whatsapp/1/message/interactive/buttons", json!({"body": {"text": "Sure?"}, "action": {"buttons": buttons}})),
        (
            "/whatsapp/1/message/interactive/list",
            json!({"body": {"text": "Which?"}, "action": {"title": "Rooms", "sections": [{"rows": rows}]}}),
        ),
        ("/whatsapp/1/message/text", json!({"text": "*Oak* is here"})),
        ("/whatsapp/1/message/location", json!({"latitude": 45.8, "longitude": 15.97})),
    ];
    assert_eq!(seen.len(), expected.len());
    for ((path, headers, body), (expected_path, content)) in seen.iter().zip(expected) {
        assert_eq!((path.as_str(), body), (expected_path, &envelope(content)));
        assert_eq!(headers["authorization"], "App secret-key");
    }
}

#[tokio::test]
async fn a_file_is_an_address_that_the_platform_fetches() {
    let (base_url, seen) = server(200, &[], r#"{"messageId":"m-1"}"#).await;
    let channel = channel(&base_url);
    assert!(channel.fetches_files());
    let url: url::Url = "https://bot.example.org/files/t".parse().expect("a URL");
    let file = |media_type: &str, size_bytes| ReplyFile {
        sha256: String::new(),
        media_type: media_type.to_owned(),
        name: None,
        size_bytes,
        caption: Some("x".repeat(4_000)),
        instead: String::new(),
    };
    let send = async |file: ReplyFile, source| {
        channel.send_file("385910000001", OutboxId::new(), &file, source, DEADLINE).await
    };
    let link = || FileSource::Link(url.clone());
    for media_type in ["image/png", "application/pdf", "image/gif"] {
        let sent = send(file(media_type, 7), link()).await;
        assert_eq!(sent, SendOutcome::Sent { provider_message_id: "m-1".into(), refused: None, peer: None });
    }
    for refused in [
        send(file("image/png", 5 * 1024 * 1024 + 1), link()).await,
        send(file("application/pdf", 100 * 1024 * 1024 + 1), link()).await,
        send(file("image/png", 7), FileSource::Bytes(b"bytes".as_slice().into())).await,
    ] {
        assert!(matches!(refused, SendOutcome::Rejected { class: RejectClass::Content, .. }), "{refused:?}");
    }
    let caption = format!("{}…", "x".repeat(2_999));
    let document = |name: &str| json!({"mediaUrl": url, "caption": caption, "filename": name});
    let seen = seen.0.lock().expect("no panic");
    let seen: Vec<_> = seen.iter().map(|(path, _, body)| (path.as_str(), &body["content"])).collect();
    assert_eq!(
        seen,
        [
            ("/whatsapp/1/message/image", &json!({"mediaUrl": url, "caption": caption})),
            ("/whatsapp/1/message/document", &document("file.pdf")),
            ("/whatsapp/1/message/document", &document("file.gif")),
        ]
    );
}

#[tokio::test]
async fn a_template_goes_to_its_endpoint_in_a_list_and_so_does_its_answer() {
    let answer = r#"{"messages":[{"to":"385910000001","messageCount":1,"messageId":"m-1","status":{"groupId":1}}],"bulkId":"b"}"#;
    let (base_url, seen) = server(200, &[], answer).await;
    let id = OutboxId::new();
    let template =
        Template { name: "parcel".into(), language: "hr".into(), parameters: vec!["Ana".into(), "4711".into()] };
    let sent = channel(&base_url).send_template("385910000001", id, &template, DEADLINE).await;
    assert_eq!(sent, SendOutcome::Sent { provider_message_id: "m-1".into(), refused: None, peer: None });
    let content = json!({
        "templateName": "parcel", "language": "hr", "templateData": {"body": {"placeholders": ["Ana", "4711"]}},
    });
    let message = json!({
        "from": "385990000000", "to": "385910000001", "messageId": id, "content": content, "callbackData": id,
    });
    let seen = seen.0.lock().expect("no panic");
    assert_eq!((seen[0].0.as_str(), &seen[0].2), ("/whatsapp/1/message/template", &json!({ "messages": [message] })));
}

#[tokio::test]
async fn a_template_that_is_refused_in_the_answers_list_is_known_as_refused() {
    let answer = r#"{"messages":[{"messageId":"m-1","status":{"groupId":5,"name":"REJECTED_TEMPLATE"}}]}"#;
    let (base_url, _) = server(200, &[], answer).await;
    let template = Template { name: "gone".into(), language: "hr".into(), parameters: Vec::new() };
    let sent = channel(&base_url).send_template("385910000001", OutboxId::new(), &template, DEADLINE).await;
    let refused = Some("REJECTED_TEMPLATE".to_owned());
    assert_eq!(sent, SendOutcome::Sent { provider_message_id: "m-1".into(), refused, peer: None });
}

#[tokio::test]
async fn answers_are_classified() {
    let (limited, _) = server(429, &[("retry-after", "7")], "{}").await;
    assert_eq!(
        channel(&limited).send("1", OutboxId::new(), &text("x"), DEADLINE).await,
        SendOutcome::RetryAfter { wait: Duration::from_secs(7), account_wide: true }
    );
    let refusal =
        r#"{"requestError":{"serviceException":{"messageId":"UNAUTHORIZED","text":"Invalid login details"}}}"#;
    let (refusing, _) = server(401, &[], refusal).await;
    assert_eq!(
        channel(&refusing).send("1", OutboxId::new(), &text("x"), DEADLINE).await,
        SendOutcome::Rejected { class: RejectClass::Credentials, reason: "HTTP 401 UNAUTHORIZED".into() }
    );
    let (moved, seen) = server(302, &[("location", "/elsewhere")], "").await;
    assert!(matches!(
        channel(&moved).send("1", OutboxId::new(), &text("x"), DEADLINE).await,
        SendOutcome::Unknown { .. }
    ));
    assert_eq!(seen.0.lock().expect("no panic").len(), 1, "a redirect is not followed");
}

#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let sent = channel(&base_url).send("1", OutboxId::new(), &text("x"), DEADLINE).await;
    assert!(matches!(sent, SendOutcome::NotSent { .. }), "{sent:?}");
}

#[tokio::test]
async fn a_connection_cut_after_the_request_is_unknown_and_not_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    let accepted = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let _ = socket.read(&mut [0; 4_096]).await;
        }
    });
    let sent = channel(&base_url).send("1", OutboxId::new(), &text("x"), DEADLINE).await;
    assert!(matches!(sent, SendOutcome::Unknown { .. }), "{sent:?}");
    assert_eq!(accepted.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_as_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    let held = tokio::spawn(async move { listener.accept().await });
    let started = std::time::Instant::now();
    let sent = channel(&base_url).send("1", OutboxId::new(), &text("x"), Duration::from_millis(200)).await;
    assert!(matches!(sent, SendOutcome::Unknown { .. }), "{sent:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(held.await.expect("joined").is_ok());
}

#[tokio::test]
async fn an_answer_cut_after_its_status_still_counts_as_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        if let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4_096]).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"to\":").await;
        }
    });
    let id = OutboxId::new();
    let sent = channel(&base_url).send("1", id, &text("x"), DEADLINE).await;
    assert_eq!(sent, SendOutcome::Sent { provider_message_id: id.to_string(), refused: None, peer: None });
}

#[tokio::test]
async fn a_read_mark_names_sender_and_message() {
    let (base_url, seen) = server(200, &[], "{}").await;
    channel(&base_url).mark_read("wamid.A/B=").await;
    let seen = seen.0.lock().expect("no panic");
    assert_eq!(seen[0].0, "/whatsapp/1/senders/385990000000/message/wamid.A%2FB=/read");
}
