//! Requests as a strict backend sees them, and answers of every kind.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::any,
};
use openapi::{Backend, BackendConfig, CallError, Credential, Operation, PrepareError, ResponseBody};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::{DEADLINE, arguments, backend, document, one_operation, operation, serve};

#[derive(Clone, Debug, Default)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A backend that notes what it gets and answers `{"ok":true}`.
async fn recorder() -> (Url, Arc<Mutex<Vec<Seen>>>) {
    async fn note(State(seen): State<Arc<Mutex<Vec<Seen>>>>, request: Request) -> impl IntoResponse {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        seen.lock().expect("a lock").push(Seen {
            line: format!("{} {}", parts.method, parts.uri),
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        ([(header::CONTENT_TYPE, "application/json")], "{\"ok\":true}")
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let url = serve(Router::new().fallback(any(note)).with_state(seen.clone())).await;
    (url, seen)
}

fn parameter(name: &str, location: &str, extra: Value) -> Value {
    let mut parameter = json!({ "name": name, "in": location, "required": location == "path", "schema": {} });
    parameter.as_object_mut().expect("an object").extend(arguments(extra));
    parameter
}

#[tokio::test]
async fn every_argument_arrives_in_its_place_and_style() {
    let (base, seen) = recorder().await;
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let map = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let call = one_operation(
        "/items/{id}/{pair}",
        "post",
        json!({
            "parameters": [
                parameter("id", "path", json!({ "schema": { "type": "string" } })),
                parameter("pair", "path", json!({ "schema": list })),
                parameter("q", "query", json!({ "schema": { "type": "string" } })),
                parameter("many", "query", json!({ "schema": list })),
                parameter("csv", "query", json!({ "schema": list, "explode": false })),
                parameter("pipe", "query", json!({ "schema": list, "style": "pipeDelimited", "explode": false })),
                parameter("space", "query", json!({ "schema": list, "style": "spaceDelimited", "explode": false })),
                parameter("f", "query", json!({ "schema": map, "style": "deepObject", "explode": true })),
                parameter("o", "query", json!({ "schema": map })),
                parameter("j", "query", json!({ "schema": null, "content": { "application/json": { "schema": { "type": "object" } } } })),
                parameter("n", "query", json!({ "schema": { "type": ["string", "null"] } })),
                parameter("X-Count", "header", json!({ "schema": { "type": "integer" } })),
                parameter("c", "cookie", json!({ "schema": { "type": "string" } })),
            ],
            "requestBody": { "content": { "application/json": { "schema": { "type": "object", "properties": { "text": { "type": "string" }, "when": { "type": "string", "format": "date-time" } } } } } },
        }),
    );
    assert_eq!(call.not_callable, None);
    let mut config = BackendConfig {
        base_url: Some(base.join("api/").expect("a URL")),
        allow_private_hosts: true,
        ..BackendConfig::default()
    };
    config.tenant_header = Some(("X-Tenant".to_owned(), "acme".to_owned()));
    rustls::crypto::ring::default_provider().install_default().ok();
    let backend = Backend::new(config).expect("a backend");
    let prepared = backend.prepare(&call, &arguments(json!({
        "path:id": "a/../b?c#d %", "path:pair": ["x,y", "z"], "query:q": "Žlahtina & co", "query:many": ["1", "2"], "query:csv": ["a", "b,c"],
        "query:pipe": ["a", "b"], "query:space": ["a", "b"], "query:f": { "from": "1", "to": "2" }, "query:o": { "k": "v" }, "query:j": { "a": [1] }, "query:n": null,
        "header:X-Count": 3, "cookie:c": "a;b", "body:text": "hi", "body:when": "2026-11-02T09:00:00Z",
    }))).expect("prepared");
    backend.send(prepared, Some("key-1"), DEADLINE).await.expect("an answer");
    let seen = seen.lock().expect("a lock").remove(0);
    assert_eq!(
        seen.line,
        "POST /api/items/a%2F..%2Fb%3Fc%23d%20%25/x%2Cy,z?q=%C5%BDlahtina%20%26%20co&many=1&many=2&csv=a,b%2Cc&pipe=a%7Cb&space=a%20b&f%5Bfrom%5D=1&f%5Bto%5D=2&k=v&j=%7B%22a%22%3A%5B1%5D%7D"
    );
    for (name, value) in [
        ("x-count", "3"),
        ("cookie", "c=a%3Bb"),
        ("x-tenant", "acme"),
        ("idempotency-key", "key-1"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(seen.body, r#"{"text":"hi","when":"2026-11-02T09:00:00Z"}"#);
}

#[tokio::test]
async fn the_first_alternative_with_credentials_is_used() {
    let (base, seen) = recorder().await;
    let swagger = document(include_str!("fixtures/swagger.json"));
    let key = || Credential::ApiKey { value: "s 1".into() };
    let basic = || Credential::Basic { username: "ana".to_owned(), password: "pw".into() };
    let list = operation(&swagger, "GET /pets");
    let both = backend(Some(base.clone()), [("key", key()), ("basic", basic())]);
    let prepared = both.prepare(list, &arguments(json!({}))).expect("prepared");
    assert!(!prepared.url.as_str().contains("s%201"), "a prepared request holds no secret");
    assert!(!format!("{both:?} {prepared:?} {:?}", key()).contains("s 1"));
    both.send(prepared, None, DEADLINE).await.expect("an answer");
    let call = seen.lock().expect("a lock").remove(0);
    assert_eq!(call.line, "GET /pets?api_key=s%201");
    assert_eq!(call.header("authorization"), Some("Basic YW5hOnB3"));

    // One half of an alternative is none; the message names what is missing.
    let half = backend(Some(base.clone()), [("key", key())]);
    let error = half.prepare(list, &arguments(json!({}))).expect_err("no credentials");
    assert_eq!(
        error,
        PrepareError::Credentials("no fitting credential is configured for app, or basic and key".to_owned())
    );

    // The empty alternative needs nothing; a configured one comes before it.
    let library = document(include_str!("fixtures/library.yaml"));
    let books = operation(&library, "GET /books");
    for (credentials, expected) in
        [(vec![], None), (vec![("token", Credential::Bearer { token: "t1".into() })], Some("Bearer t1"))]
    {
        let backend = backend(Some(base.clone()), credentials);
        let prepared = backend.prepare(books, &arguments(json!({}))).expect("prepared");
        backend.send(prepared, None, DEADLINE).await.expect("an answer");
        assert_eq!(seen.lock().expect("a lock").remove(0).header("authorization"), expected);
    }
    // Where the document declares nothing, the credential named `default` is used.
    let open = one_operation("/a", "get", json!({}));
    let backend = backend(Some(base), [("default", Credential::Bearer { token: "t2".into() })]);
    let prepared = backend.prepare(&open, &arguments(json!({}))).expect("prepared");
    backend.send(prepared, None, DEADLINE).await.expect("an answer");
    assert_eq!(seen.lock().expect("a lock").remove(0).header("authorization"), Some("Bearer t2"));
}

fn get(path: &str) -> Operation {
    one_operation(path, "get", json!({}))
}

#[tokio::test]
async fn answers_of_every_kind_are_told_apart() {
    let routes = Router::new()
        .route("/none", any(|| async { StatusCode::NO_CONTENT }))
        .route("/html", any(|| async { ([(header::CONTENT_TYPE, "text/html")], "<h1>Login</h1>") }))
        .route(
            "/conflict",
            any(|| async {
                (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "application/json")], "{\"error\":\"taken\"}")
            }),
        )
        .route("/away", any(|| async { (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7")], "") }))
        .route("/moved", any(|| async { (StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/")], "") }))
        .route("/reset", any(|| async { (StatusCode::RESET_CONTENT, "") }))
        .route(
            "/report",
            any(|| async {
                let name = "attachment; filename=report.pdf; filename*=UTF-8''izvje%C5%A1taj.pdf";
                (
                    [(header::CONTENT_TYPE, "Application/PDF; x=1"), (header::CONTENT_DISPOSITION, name)],
                    vec![0xff_u8; 3 << 20],
                )
            }),
        )
        .route("/lines", any(|| async { ([(header::CONTENT_TYPE, "application/x-ndjson")], "{\"a\":1}\n{\"a\":2}\n") }))
        .route("/big", any(|| async { ([(header::CONTENT_TYPE, "text/plain")], vec![b'x'; 3 << 20]) }))
        .route("/big-file", any(|| async { ([(header::CONTENT_TYPE, "image/png")], vec![b'x'; 17 << 20]) }))
        .route("/endless", any(|| async { axum::body::Body::from_stream(tokio_stream()) }));
    let base = serve(routes).await;
    let backend = backend(Some(base), []);
    let call = async |path: &str| {
        let prepared = backend.prepare(&get(path), &arguments(json!({}))).expect("prepared");
        backend.send(prepared, None, DEADLINE).await
    };
    let answer = |outcome: Result<openapi::Response, CallError>| {
        outcome.map(|response| (response.status, response.body, response.retry_after)).expect("an answer")
    };
    assert_eq!(answer(call("/none").await), (204, ResponseBody::Empty, None));
    assert_eq!(answer(call("/html").await), (200, ResponseBody::Text("<h1>Login</h1>".to_owned()), None));
    assert_eq!(answer(call("/conflict").await), (409, ResponseBody::Json(json!({ "error": "taken" })), None));
    assert_eq!(answer(call("/away").await), (503, ResponseBody::Empty, Some(Duration::from_secs(7))));
    assert_eq!(answer(call("/moved").await).0, 302, "redirects are not followed");
    assert_eq!(answer(call("/reset").await), (205, ResponseBody::Empty, None));
    assert_eq!(answer(call("/lines").await).1, ResponseBody::Json(json!([{ "a": 1 }, { "a": 2 }])));
    let prepared = || backend.prepare(&get("/report"), &arguments(json!({}))).expect("prepared");
    let (response, report) = backend.send_with_files(prepared(), None, DEADLINE).await.expect("an answer");
    let report = report.expect("a file");
    let words = "izvještaj.pdf (application/pdf, 3145728 bytes)";
    assert_eq!(response.body, ResponseBody::Text(words.to_owned()));
    assert_eq!(backend.send(prepared(), None, DEADLINE).await, Ok(response));
    let prepared = backend.prepare(&get("/conflict"), &arguments(json!({}))).expect("prepared");
    assert_eq!(backend.send_with_files(prepared, None, DEADLINE).await.map(|(_, file)| file), Ok(None));
    assert_eq!(
        (report.name.as_deref(), report.media_type.as_str(), report.content.len()),
        (Some("izvještaj.pdf"), "application/pdf", 3 << 20)
    );
    assert!(!format!("{report:?}").contains("izv"), "printing a file shows no name");
    assert_eq!(call("/big-file").await, Err(CallError::TooLarge { status: 200, limit_bytes: 16 << 20, file: true }));
    for path in ["/big", "/endless"] {
        assert_eq!(
            call(path).await,
            Err(CallError::TooLarge { status: 200, limit_bytes: 2 * 1024 * 1024, file: false }),
            "{path}"
        );
    }
}

/// Chunks without an end and without a length.
fn tokio_stream() -> impl futures::Stream<Item = Result<Vec<u8>, std::io::Error>> {
    futures::stream::repeat_with(|| Ok(vec![b' '; 64 * 1024]))
}

#[tokio::test]
async fn what_was_never_sent_is_told_from_what_has_an_unknown_end() {
    // A port where nobody listens.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = Url::parse(&format!("http://{}/", free.local_addr().expect("an address"))).expect("a URL");
    drop(free);
    let away = backend(Some(nobody), []);
    let prepared = away.prepare(&get("/a"), &arguments(json!({}))).expect("prepared");
    assert!(matches!(away.send(prepared, None, DEADLINE).await, Err(CallError::NotSent(_))));

    // A server that reads the request and hangs up, and one that never answers.
    for hang_up in [true, false] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = Url::parse(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("a URL");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).await.expect("a request");
            assert!(read > 0);
            if hang_up {
                let _ = stream.shutdown().await;
                return None;
            }
            Some(stream)
        });
        let backend = backend(Some(url), []);
        let call = one_operation("/a", "post", json!({}));
        let prepared = backend.prepare(&call, &arguments(json!({}))).expect("prepared");
        let outcome = backend.send(prepared, None, Duration::from_millis(300)).await;
        assert!(matches!(outcome, Err(CallError::Ambiguous(_))), "hang_up {hang_up}: {outcome:?}");
        drop(server.await.expect("the server ends"));
    }
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let (base, seen) = recorder().await;
    rustls::crypto::ring::default_provider().install_default().ok();
    let closed = Backend::new(BackendConfig::default()).expect("a backend");
    let port = base.port().expect("a port");
    let from_document = |host: &str| {
        let mut operation = get("/a");
        operation.servers = vec![format!("http://{host}:{port}")];
        operation
    };
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0"] {
        let refused = closed.prepare(&from_document(host), &arguments(json!({})));
        assert!(matches!(refused, Err(PrepareError::Refused(_))), "{host}: {refused:?}");
    }
    // A name is only known when it is resolved.
    let prepared = closed.prepare(&from_document("localhost"), &arguments(json!({}))).expect("prepared");
    match closed.send(prepared, None, DEADLINE).await {
        Err(CallError::NotSent(reason)) => assert!(reason.contains("private address"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(seen.lock().expect("a lock").is_empty(), "no connection was made");
    let config = BackendConfig { base_url: Some(base), ..BackendConfig::default() };
    assert!(Backend::new(config).is_err(), "a configured private address needs the switch too");
}

#[test]
fn values_that_would_change_the_path_or_break_a_header_are_refused() {
    let call = one_operation(
        "/a/{x}",
        "get",
        json!({ "parameters": [parameter("x", "path", json!({})), parameter("X-H", "header", json!({}))] }),
    );
    let backend = backend(None, []);
    for (x, h) in [("..", "ok"), (".", "ok"), ("ok", "a\r\nEvil: 1"), ("ok", "a\u{0}")] {
        let refused = backend.prepare(&call, &arguments(json!({ "path:x": x, "header:X-H": h })));
        assert!(matches!(refused, Err(PrepareError::BadValue { .. })), "{x:?} {h:?}: {refused:?}");
    }
    let nowhere = Operation { servers: Vec::new(), ..call };
    assert_eq!(
        backend.prepare(&nowhere, &arguments(json!({ "path:x": "a" }))).map(|_| ()),
        Err(PrepareError::NoServer)
    );
}
