//! Behaviour of the crate through its public door.

mod bodies;
mod calls;
mod fetching;
mod importing;
mod linking;
mod mutations;
mod pages;
mod styles;
mod tokens;

use std::{collections::BTreeMap, time::Duration};

use axum::Router;
use openapi::{Backend, BackendConfig, Credential, Document, ImportOptions, Operation, import};
use serde_json::{Map, Value};
use url::Url;

/// Imports a fixture or a text written in the test.
fn document(content: &str) -> Document {
    import("doc", content.as_bytes(), &ImportOptions::default()).expect("it imports")
}

/// Imports a document with this one operation under `paths`, as JSON.
fn one_operation(path: &str, method: &str, operation: Value) -> Operation {
    let content = serde_json::json!({
        "openapi": "3.1.0", "info": { "title": "t", "version": "1" },
        "servers": [{ "url": "https://api.example.com/v1" }],
        "paths": { path: { method: operation } },
    });
    document(&content.to_string()).operations.remove(0)
}

fn operation<'d>(document: &'d Document, id: &str) -> &'d Operation {
    document.operations.iter().find(|operation| operation.id == format!("doc/{id}")).expect(id)
}

fn arguments(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

/// Serves `router` on a free port until the test ends.
async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&format!("http://{address}/")).expect("a URL")
}

fn backend(base_url: Option<Url>, credentials: impl IntoIterator<Item = (&'static str, Credential)>) -> Backend {
    rustls::crypto::ring::default_provider().install_default().ok();
    let credentials: BTreeMap<String, Credential> =
        credentials.into_iter().map(|(name, credential)| (name.to_owned(), credential)).collect();
    let config = BackendConfig {
        base_url,
        credentials,
        allow_private_hosts: true,
        timeout: Duration::from_secs(5),
        ..BackendConfig::default()
    };
    Backend::new(config).expect("a backend")
}

const DEADLINE: Duration = Duration::from_secs(5);
