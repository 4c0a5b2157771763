//! Lists of many pages, followed as far as is allowed and no further.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    routing::any,
};
use openapi::{
    Backend, BackendConfig, CallError, Credential, Operation, PageLimits, Pages, PagesEnd, ResponseBody, Risk,
};
use serde_json::{Value, json};
use url::Url;

use crate::{DEADLINE, arguments, backend, document, one_operation, serve};

type Answer = (StatusCode, HeaderMap, String);
type Shared = (Arc<Mutex<Vec<String>>>, Arc<dyn Fn(&str, usize) -> Answer + Send + Sync>);

/// A backend that answers request number n (from 0) for path and query as `answer` says, and notes it.
async fn paged(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> (Url, Arc<Mutex<Vec<String>>>) {
    async fn reply(State((seen, answer)): State<Shared>, request: Request) -> Answer {
        let line = request.uri().to_string();
        let n = {
            let mut seen = seen.lock().expect("a lock");
            seen.push(line.clone());
            seen.len() - 1
        };
        answer(&line, n)
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let url = serve(Router::new().fallback(any(reply)).with_state((seen.clone(), Arc::new(answer) as _))).await;
    (url, seen)
}

fn ok(body: Value, link: Option<&str>) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, "application/json".parse().expect("a header"));
    if let Some(link) = link {
        headers.insert(header::LINK, link.parse().expect("a header"));
    }
    (StatusCode::OK, headers, body.to_string())
}

/// `GET /items` with these query parameters.
fn items(parameters: &[&str]) -> Operation {
    let parameters: Vec<Value> =
        parameters.iter().map(|name| json!({ "name": name, "in": "query", "schema": {} })).collect();
    one_operation("/items", "get", json!({ "parameters": parameters }))
}

async fn follow(base: &Url, operation: &Operation, given: Value, limits: &PageLimits) -> Result<Pages, CallError> {
    let backend = backend(Some(base.clone()), []);
    let prepared = backend.prepare(operation, &arguments(given)).expect("prepared");
    backend.send_pages(operation, prepared, limits, DEADLINE).await
}

fn rows_of(pages: &Pages) -> Vec<Value> {
    let ResponseBody::Json(body) = &pages.response.body else { panic!("no JSON") };
    let rows = body.pointer(pages.list_pointer.as_deref().expect("a list")).and_then(Value::as_array);
    rows.cloned().expect("rows")
}

#[tokio::test]
async fn pages_are_followed_by_link() {
    let (base, seen) = paged(|_, n| {
        let link = [
            "</items?page=2>; rel=\"next\", </items?page=3>; rel=\"last\"",
            "<?page=3>; rel=next",
            "</items?page=1>; rel=\"first\"",
        ];
        ok(json!([n * 2, n * 2 + 1]), Some(link[n]))
    })
    .await;
    let pages =
        follow(&base, &items(&["q"]), json!({ "query:q": "a b" }), &PageLimits::default()).await.expect("pages");
    assert_eq!((pages.pages, pages.rows, &pages.end), (3, 6, &PagesEnd::Complete));
    assert_eq!(rows_of(&pages), (0..6).map(Value::from).collect::<Vec<_>>());
    assert_eq!(*seen.lock().expect("a lock"), ["/items?q=a%20b", "/items?page=2", "/items?page=3"]);
}

#[tokio::test]
async fn pages_are_followed_by_what_the_body_says() {
    // How page 2 is named, the query parameters of the operation, and the request that must follow.
    for (next, parameters, expected) in [
        (json!({ "next": "/items?page=2" }), &[][..], "/items?page=2"),
        (json!({ "next_page_uri": "/items?Page=1&PageToken=P%2B" }), &[], "/items?Page=1&PageToken=P%2B"),
        (json!({ "links": { "next": { "href": "?page=2" } } }), &[], "/items?page=2"),
        (json!({ "_links": { "next": { "href": "/items?c=x" } } }), &[], "/items?c=x"),
        (json!({ "meta": { "pagination": { "next_url": "/items?c=y" } } }), &[], "/items?c=y"),
        (json!({ "@odata.nextLink": "/items?$skiptoken=1" }), &[], "/items?$skiptoken=1"),
        (json!({ "nextPageToken": "a+b/c=" }), &["pageToken"], "/items?q=1&pageToken=a%2Bb%2Fc%3D"),
        (json!({ "next_page_token": "t" }), &["page_token", "token"], "/items?q=1&page_token=t"),
        (json!({ "response_metadata": { "next_cursor": "dXNlcg==" } }), &["cursor"], "/items?q=1&cursor=dXNlcg%3D%3D"),
        (json!({ "meta": { "next_cursor": "z" } }), &["after"], "/items?q=1&after=z"),
        (json!({ "pagination": { "next_page": 2 } }), &["page"], "/items?q=1&page=2"),
        (json!({ "cursor": "s" }), &["cursor"], "/items?q=1&cursor=s"),
        (json!({ "next": "abc", "hasMore": true }), &["cursor"], "/items?q=1&cursor=abc"),
    ] {
        let mut first = json!({ "items": [{ "id": 1 }] });
        first.as_object_mut().expect("an object").extend(arguments(next.clone()));
        let (base, seen) = paged(move |_, n| match n {
            0 => ok(first.clone(), None),
            _ => ok(json!({ "items": [{ "id": 2 }], "next": null, "nextPageToken": "", "next_cursor": "" }), None),
        })
        .await;
        let operation = items(&[&["q"], parameters].concat());
        let pages = follow(&base, &operation, json!({ "query:q": 1 }), &PageLimits::default()).await.expect("pages");
        assert_eq!(rows_of(&pages), [json!({ "id": 1 }), json!({ "id": 2 })], "{next}");
        assert_eq!(pages.end, PagesEnd::Complete, "{next}");
        assert_eq!(seen.lock().expect("a lock")[1], expected, "{next}");
    }
    // A cursor that was given is replaced, not repeated.
    let (base, seen) =
        paged(|_, n| ok(json!({ "items": [n], "nextCursor": (n < 2).then(|| format!("c{n}")) }), None)).await;
    follow(&base, &items(&["cursor", "q"]), json!({ "query:cursor": "start", "query:q": "x" }), &PageLimits::default())
        .await
        .expect("pages");
    assert_eq!(
        *seen.lock().expect("a lock"),
        ["/items?cursor=start&q=x", "/items?q=x&cursor=c0", "/items?q=x&cursor=c1"]
    );
}

#[tokio::test]
async fn nothing_is_followed_where_nothing_is_named() {
    for body in [
        json!({ "items": [1] }),
        json!({ "items": [1], "next": "/items?page=2", "has_more": false }),
        json!({ "items": [1], "next": null }),
        json!({ "items": [1], "next": true }),
        json!({ "items": [1], "nextPageToken": "t" }), // no parameter takes it
        json!({ "items": [{ "next": "/items?page=2" }] }),
        json!({ "name": "one", "next": "/items?page=2" }),
        json!("text"),
    ] {
        let sent = body.clone();
        let (base, seen) = paged(move |_, _| ok(sent.clone(), None)).await;
        let pages = follow(&base, &items(&[]), json!({}), &PageLimits::default()).await.expect("pages");
        assert_eq!(
            (pages.end, &pages.response.body),
            (PagesEnd::Complete, &ResponseBody::Json(body.clone())),
            "{body}"
        );
        assert_eq!(seen.lock().expect("a lock").len(), 1, "{body}");
    }
    let (base, seen) = paged(|_, _| (StatusCode::NOT_FOUND, HeaderMap::new(), "[]".to_owned())).await;
    let pages = follow(&base, &items(&[]), json!({}), &PageLimits::default()).await.expect("an answer");
    assert_eq!((pages.response.status, pages.rows, seen.lock().expect("a lock").len()), (404, 0, 1));
}

#[tokio::test]
async fn limits_end_the_pages_and_say_so() {
    let endless = |_: &str, n: usize| ok(json!([0, 1, 2]), Some(&format!("</items?page={}>; rel=next", n + 1)));
    for (limits, pages, rows) in [
        (PageLimits { pages: 4, ..PageLimits::default() }, 4, 12),
        (PageLimits { pages: 1, ..PageLimits::default() }, 1, 3),
        (PageLimits { rows: 7, ..PageLimits::default() }, 3, 7),
        (PageLimits { size_bytes: 10, ..PageLimits::default() }, 2, 6),
        (PageLimits::default(), 10, 30),
    ] {
        let (base, seen) = paged(endless).await;
        let read = follow(&base, &items(&[]), json!({}), &limits).await.expect("pages");
        assert_eq!((read.pages, read.rows, &read.end), (pages, rows, &PagesEnd::Limit), "{limits:?}");
        assert_eq!((rows_of(&read).len(), seen.lock().expect("a lock").len()), (rows, pages), "{limits:?}");
    }
    // The time is over in the middle of the second page: the first one stays.
    let slow = Router::new().fallback(any(|request: Request| async move {
        if request.uri().query().is_some() {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        ok(json!([1]), Some("</items?page=2>; rel=next"))
    }));
    let base = serve(slow).await;
    let backend = backend(Some(base), []);
    let operation = items(&[]);
    let prepared = backend.prepare(&operation, &arguments(json!({}))).expect("prepared");
    let read = backend.send_pages(&operation, prepared, &PageLimits::default(), Duration::from_millis(400)).await;
    let read = read.expect("the first page");
    assert_eq!((read.rows, read.end), (1, PagesEnd::Time));
}

#[tokio::test]
async fn a_next_page_elsewhere_is_never_called() {
    let (trap, trapped) = paged(|_, _| ok(json!([9]), None)).await;
    let trap_port = trap.port().expect("a port");
    for target in [
        format!("http://127.0.0.1:{trap_port}/items"),
        format!("//127.0.0.1:{trap_port}/items"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[::ffff:169.254.169.254]/".to_owned(),
        "http://localhost/items".to_owned(),
        "https://evil.example/items".to_owned(),
        format!("http://user:pass@127.0.0.1:{trap_port}/"),
        "file:///etc/passwd".to_owned(),
        "javascript:alert(1)".to_owned(),
        "http://".to_owned(),
        format!("/{}", "x".repeat(9_000)),
    ] {
        for by_link in [true, false] {
            let link = format!("<{target}>; rel=\"next\"");
            let body =
                if by_link { json!({ "items": [1] }) } else { json!({ "items": [1], "links": { "next": target } }) };
            let is_address = target.starts_with(['h', '/']);
            let (base, seen) = paged(move |_, _| ok(body.clone(), by_link.then_some(link.as_str()))).await;
            let pages = follow(&base, &items(&[]), json!({}), &PageLimits::default()).await.expect("the first page");
            assert_eq!(matches!(pages.end, PagesEnd::Broken(_)), by_link || is_address, "{target}: {:?}", pages.end);
            assert_eq!((pages.rows, seen.lock().expect("a lock").len()), (1, 1), "{target}");
        }
    }
    // The same host by another user or port is another origin too.
    assert!(trapped.lock().expect("a lock").is_empty(), "no connection was made");
}

#[tokio::test]
async fn pages_that_fail_or_go_in_a_circle_leave_the_rows_before_them() {
    let circle = |line: &str, _: usize| {
        let next = if line.contains("page=2") { "1" } else { "2" };
        ok(json!([line]), Some(&format!("</items?page={next}>; rel=next")))
    };
    let (base, seen) = paged(circle).await;
    let pages =
        follow(&base, &items(&["page"]), json!({ "query:page": 1 }), &PageLimits::default()).await.expect("pages");
    assert_eq!((pages.rows, seen.lock().expect("a lock").len()), (2, 2));
    assert!(matches!(pages.end, PagesEnd::Broken(_)));
    type Second = fn() -> Answer;
    let bad: [Second; 4] = [
        || (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), "{}".to_owned()),
        || ok(json!({ "rows": [1] }), None),
        || (StatusCode::OK, HeaderMap::new(), "<html>".to_owned()),
        || (StatusCode::OK, HeaderMap::new(), "x".repeat(3 << 20)),
    ];
    for second in bad {
        let (base, _) =
            paged(move |_, n| if n == 0 { ok(json!([1]), Some("</items?p=2>; rel=next")) } else { second() }).await;
        let pages = follow(&base, &items(&[]), json!({}), &PageLimits::default()).await.expect("pages");
        assert_eq!((rows_of(&pages), pages.pages), (vec![json!(1)], 1));
        assert!(matches!(pages.end, PagesEnd::Broken(_)), "{:?}", pages.end);
    }
}

#[tokio::test]
async fn an_api_key_in_the_query_is_sent_once_and_not_shown() {
    let content = json!({
        "openapi": "3.1.0", "info": {}, "security": [{ "k": [] }],
        "components": { "securitySchemes": { "k": { "type": "apiKey", "in": "query", "name": "api_key" } } },
        "paths": { "/items": { "get": {} } },
    });
    let operation = document(&content.to_string()).operations.remove(0);
    let (base, seen) =
        paged(|line, n| ok(json!([n]), (n == 0).then(|| format!("<{line}&page=2>; rel=next")).as_deref())).await;
    let backend = backend(Some(base), [("k", Credential::ApiKey { value: "s3cret".into() })]);
    let prepared = backend.prepare(&operation, &arguments(json!({}))).expect("prepared");
    let pages = backend.send_pages(&operation, prepared, &PageLimits::default(), DEADLINE).await.expect("pages");
    assert_eq!(pages.rows, 2);
    assert_eq!(*seen.lock().expect("a lock"), ["/items?api_key=s3cret", "/items?page=2&api_key=s3cret"]);
}

#[tokio::test]
async fn only_operations_that_read_are_followed() {
    let (base, seen) = paged(|_, _| ok(json!([1]), None)).await;
    for operation in [one_operation("/items", "post", json!({})), Operation { risk: Risk::Once, ..items(&[]) }] {
        let refused = follow(&base, &operation, json!({}), &PageLimits::default()).await;
        assert!(matches!(refused, Err(CallError::NotSent(_))), "{refused:?}");
    }
    assert!(seen.lock().expect("a lock").is_empty());
}

#[tokio::test]
async fn the_guard_holds_for_every_page() {
    // A backend by a name that leads to a private address: not even the first page is called.
    rustls::crypto::ring::default_provider().install_default().ok();
    let (base, seen) = paged(|_, _| ok(json!([1]), Some("</items?page=2>; rel=next"))).await;
    let mut operation = items(&[]);
    operation.servers = vec![format!("http://localhost:{}", base.port().expect("a port"))];
    let closed = Backend::new(BackendConfig::default()).expect("a backend");
    let prepared = closed.prepare(&operation, &arguments(json!({}))).expect("prepared");
    let refused = closed.send_pages(&operation, prepared, &PageLimits::default(), DEADLINE).await;
    assert!(matches!(refused, Err(CallError::NotSent(_))), "{refused:?}");
    assert!(seen.lock().expect("a lock").is_empty());
}
