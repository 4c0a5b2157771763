//! Documents with parts elsewhere.

use axum::{Router, routing::get};
use openapi::{FetchError, ImportOptions, fetch, import};
use url::Url;

use crate::{operation, serve};

const ROOT: &str = "openapi: 3.1.0\ninfo: {title: Parts, version: '1'}\npaths:\n  /a/{id}: {$ref: 'parts/a.yaml'}\n  /b: {get: {parameters: [{$ref: 'parts/none.yaml'}]}}\n";
const PART: &str = "get:\n  parameters: [{name: id, in: path, required: true, schema: {$ref: 'schema.json#/Id'}}]\n";
const SCHEMA: &str = r#"{"Id":{"type":"integer"}}"#;

fn check(content: &[u8], options: &ImportOptions) {
    let document = import("doc", content, options).expect("it imports");
    assert_eq!(operation(&document, "GET /a/{id}").field("path:id").expect("id").schema["type"], "integer");
    assert!(
        operation(&document, "GET /b").not_callable.as_ref().is_some_and(|reason| reason.contains("parts/none.yaml"))
    );
}

#[tokio::test]
async fn a_remote_document_comes_with_what_it_refers_to() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let base = serve(
        Router::new()
            .route("/v1/openapi.yaml", get(async || ROOT))
            .route("/v1/parts/a.yaml", get(async || PART))
            .route("/v1/parts/schema.json", get(async || SCHEMA)),
    )
    .await;
    let source = base.join("v1/openapi.yaml").expect("a URL");
    let content = fetch(source.as_str()).await.expect("fetched");
    check(&content, &ImportOptions::default());
    let document = import("doc", &content, &ImportOptions::default()).expect("it imports");
    assert_eq!(
        document.operations[0].servers,
        [base.as_str().trim_end_matches('/')],
        "servers are joined with the address it came from"
    );
    assert!(matches!(
        fetch(base.join("none").expect("a URL").as_str()).await,
        Err(FetchError::Status { status: 404, .. })
    ));
}

#[tokio::test]
async fn a_local_document_comes_with_its_folder_and_nothing_outside_it() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let folder = tempfile::tempdir().expect("a folder");
    let api = folder.path().join("api");
    std::fs::create_dir_all(api.join("parts")).expect("made");
    for (name, text) in [
        ("api/openapi.yaml", ROOT),
        ("api/parts/a.yaml", PART),
        ("api/parts/schema.json", SCHEMA),
        ("secret.json", r#"{"type":"string","title":"secret"}"#),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let content = fetch(&api.join("openapi.yaml").to_string_lossy()).await.expect("fetched");
    check(&content, &ImportOptions::default());

    let outside = ROOT.replace("parts/a.yaml", "../secret.json");
    std::fs::write(api.join("outside.yaml"), outside).expect("written");
    let content = fetch(&api.join("outside.yaml").to_string_lossy()).await.expect("fetched");
    assert!(!String::from_utf8_lossy(&content).contains("\"title\":\"secret\""));
    assert!(matches!(fetch(&api.join("none.yaml").to_string_lossy()).await, Err(FetchError::File { .. })));
}

#[tokio::test]
async fn a_document_cannot_make_us_read_private_addresses() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let private = serve(Router::new().fallback(async || r#"{"get":{"summary":"secret"}}"#)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    for address in
        [private.clone(), Url::parse(&format!("http://localhost:{}/", private.port().expect("a port"))).expect("a URL")]
    {
        let text = format!(
            r#"{{"openapi":"3.0.0","info":{{}},"paths":{{"/a":{{"$ref":"{address}x.json"}},"/b":{{"get":{{}}}}}}}}"#
        );
        std::fs::write(&file, text).expect("written");
        let content = fetch(&file.to_string_lossy()).await.expect("fetched");
        assert!(!String::from_utf8_lossy(&content).contains("secret"), "{address}");
    }
}
