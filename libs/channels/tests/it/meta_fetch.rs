//! Fetching what people sent through Meta: an address for an id, then the file, whose checksum the platform told.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use channels::{Channel, FetchError, meta};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

const DEADLINE: Duration = Duration::from_secs(5);
/// More than comes in one piece.
static FILE: [u8; 300_000] = [7; 300_000];

/// A platform that keeps files under the account's token; gives its base URL.
async fn platform() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let app = Router::new().fallback(serve).with_state(base.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    base
}

async fn serve(State(base): State<String>, uri: Uri, headers: HeaderMap) -> Response {
    if headers.get("authorization").is_none_or(|value| value != "Bearer token") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (sum, size) = match uri.path() {
        "/file" => return FILE.to_vec().into_response(),
        "/v25.0/good" => (hex::encode(Sha256::digest(FILE)), FILE.len()),
        "/v25.0/changed" => (hex::encode(Sha256::digest(b"another")), FILE.len()),
        "/v25.0/large" => (String::new(), 100_000_000),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    Json(json!({ "url": format!("{base}/file"), "mime_type": "image/png", "sha256": sum, "file_size": size }))
        .into_response()
}

fn channel(base: &str) -> Channel {
    rustls::crypto::ring::default_provider().install_default().ok();
    let config = meta::Config {
        base_url: base.to_owned(),
        version: "v25.0".to_owned(),
        phone_number_id: "1".to_owned(),
        access_token: "token".into(),
        app_secrets: vec![],
        verify_token: "v".into(),
    };
    Channel::Meta(meta::Meta::new(config).expect("a number"), BTreeMap::new())
}

#[tokio::test]
async fn a_file_with_another_checksum_has_no_end() {
    let base = platform().await;
    for (id, expected) in
        [("good", Ok(FILE.len())), ("changed", Err(FetchError::Away("what came has another checksum".to_owned())))]
    {
        let mut download = channel(&base).open(id, FILE.len(), DEADLINE).await.expect("an answer");
        let mut read = 0;
        let ended = loop {
            match download.next().await {
                Ok(Some(bytes)) => read += bytes.len(),
                Ok(None) => break Ok(read),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(ended, expected, "{id}");
        let whole = channel(&base).fetch(id, FILE.len(), DEADLINE).await;
        assert_eq!(whole.map(|fetched| fetched.content.len()), expected, "{id}");
    }
}

#[tokio::test]
async fn a_file_that_is_said_to_be_too_large_is_not_asked_for() {
    let base = platform().await;
    let ended = channel(&base).open("large", 99_999_999, DEADLINE).await;
    assert_eq!(ended.expect_err("too large"), FetchError::TooLarge { limit_bytes: 99_999_999 });
}
