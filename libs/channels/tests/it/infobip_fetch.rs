//! Fetching what people sent through Infobip: whom it asks, with what, and what each end means.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use channels::FetchError;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::infobip_send::channel;

const DEADLINE: Duration = Duration::from_secs(5);

/// A platform that keeps a few files under the account's key; gives its base URL and how often it was asked.
async fn platform() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let app = Router::new().fallback(serve).with_state(asked.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, asked)
}

async fn serve(State(asked): State<Arc<AtomicUsize>>, uri: Uri, headers: HeaderMap) -> Response {
    asked.fetch_add(1, Ordering::SeqCst);
    if headers.get("authorization").is_none_or(|value| value != "App secret-key") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match uri.path() {
        "/media/1" => {
            let headers =
                [("content-type", "IMAGE/JPEG; q=1"), ("content-disposition", r#"attachment; filename="mirror.jpg""#)];
            (headers, vec![7_u8; 1_000]).into_response()
        }
        "/media/moved" => (StatusCode::FOUND, [("location", "/media/1")]).into_response(),
        "/media/busy" => StatusCode::TOO_MANY_REQUESTS.into_response(),
        "/media/broken" => StatusCode::BAD_GATEWAY.into_response(),
        "/media/slow" => std::future::pending().await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A platform whose file has no length and no end; gives its base URL.
async fn endless() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let _ = stream.read(&mut [0; 4_096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n").await;
        while stream.write_all(&[0; 4_096]).await.is_ok() {}
    });
    base
}

#[tokio::test]
async fn a_file_comes_with_the_accounts_key_as_the_platform_has_it() {
    let (base, _) = platform().await;
    let fetched = channel(&base).fetch(&format!("{base}/media/1"), 1_000, DEADLINE).await.expect("a file");
    assert_eq!(fetched.content, vec![7; 1_000]);
    assert_eq!((fetched.media_type.as_deref(), fetched.name.as_deref()), (Some("image/jpeg"), Some("mirror.jpg")));
    assert!(!format!("{fetched:?}").contains("mirror"), "{fetched:?}");
}

#[tokio::test]
async fn no_other_host_is_asked_and_no_other_gets_the_key() {
    let (base, _) = platform().await;
    let (other, asked) = platform().await;
    let port = other.rsplit(':').next().expect("a port");
    for url in [
        format!("{other}/media/1"),
        format!("http://localhost:{port}/media/1"),
        base.replace("http:", "https:"),
        format!("http://{}@{}/media/1", &base[7..], &other[7..]),
        format!("http://key@{}/media/1", &base[7..]),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        "/media/1".to_owned(),
        String::new(),
    ] {
        let ended = channel(&base).fetch(&url, 1_000, DEADLINE).await;
        assert!(matches!(ended, Err(FetchError::Refused(_))), "{url}: {ended:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn each_end_is_told_apart() {
    let (base, _) = platform().await;
    let fetch = async |path: &str| channel(&base).fetch(&format!("{base}{path}"), 999, DEADLINE).await;
    assert_eq!(fetch("/media/1").await, Err(FetchError::TooLarge { limit_bytes: 999 }));
    assert_eq!(fetch("/media/2").await, Err(FetchError::Gone(404)));
    assert!(matches!(fetch("/media/moved").await, Err(FetchError::Refused(_))), "a redirect is not followed");
    assert!(matches!(fetch("/media/busy").await, Err(FetchError::Away(_))));
    assert!(matches!(fetch("/media/broken").await, Err(FetchError::Away(_))));
    let slow = channel(&base).fetch(&format!("{base}/media/slow"), 999, Duration::from_millis(50)).await;
    assert!(matches!(slow, Err(FetchError::Away(_))), "{slow:?}");
    let nobody = channel("http://127.0.0.1:9").fetch("http://127.0.0.1:9/x", 999, DEADLINE).await;
    assert!(matches!(nobody, Err(FetchError::Away(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_file_without_an_end_is_left_at_the_limit() {
    let base = endless().await;
    let ended = channel(&base).fetch(&format!("{base}/x"), 100_000, Duration::from_secs(30)).await;
    assert_eq!(ended, Err(FetchError::TooLarge { limit_bytes: 100_000 }));
}
