//! Sentences that people chose an operation for.

use proto::catalog::v1 as pb;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use crate::support::*;

const OPEN: &str = "shop/GET /orders/open";
const LATE: &str = "shop/GET /orders/late";

/// Two lists of orders, and one of something else.
fn shop() -> Value {
    let list = |summary: &str| json!({"get": {"summary": summary, "responses": {"200": {"description": "ok"}}}});
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": "https://shop.test"}],
        "paths": {
            "/orders/open": list("List open orders"),
            "/orders/late": list("List late orders"),
            "/customers": list("List customers")
        }
    })
}

async fn start(folder: &TempDir) -> Service {
    let service = Service::start(folder).await;
    import(&service, "acme-key", "shop", &shop()).await;
    service
}

fn accepted(operation: &str, text: &str) -> pb::AcceptExampleRequest {
    pb::AcceptExampleRequest { operation_id: operation.into(), text: text.into(), ..Default::default() }
}

async fn accept(service: &Service, request: pb::AcceptExampleRequest) -> pb::AcceptExampleResponse {
    service.catalog("acme-key").accept_example(request).await.expect("an answer").into_inner()
}

/// The first hit's probability at this version of the catalogue, and how far the second is behind.
async fn found(service: &Service, text: &str, version: i64) -> (String, f64, f64) {
    let request = pb::SearchOperationsRequest { min_catalog_version: version, ..asks(text) };
    let answer = search(service, request).await;
    let probability = |at: usize| answer.hits.get(at).map_or(0.0, |hit| hit.probability);
    (ids(&answer)[0].to_owned(), probability(0), probability(1))
}

async fn kept(service: &Service) -> Vec<String> {
    let examples = service.store.examples(&tenant("acme")).await.expect("a list");
    examples.into_iter().map(|example| example.text).collect()
}

#[tokio::test]
async fn an_accepted_sentence_and_ones_like_it_lead_to_their_operation_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = start(&folder).await;
    let (_, first, second) = found(&service, "which orders", 0).await;
    assert!(first < 0.75 && second > 0.2, "it has to be asked about: {first} {second}");
    let answer = accept(&service, accepted(LATE, "Which orders 17?")).await;
    assert_eq!((answer.kept, answer.catalog_version), (true, 2));
    for like in ["which orders", "Which orders 18?", "and which orders now", "orders"] {
        let (id, first, second) = found(&service, like, answer.catalog_version).await;
        assert!(id == LATE && first >= 0.75 && first - second >= 0.25, "{like}: {id} {first} {second}");
    }
    let (id, first, _) = found(&service, "list open orders", answer.catalog_version).await;
    assert!(id == OPEN && first >= 0.5, "what is clear stays so: {id} {first}");
    // Who means it otherwise makes it unclear again.
    let other = accept(&service, accepted(OPEN, "which orders")).await;
    let (_, first, second) = found(&service, "which orders", other.catalog_version).await;
    assert!(first < 0.75 && second > 0.2, "{first} {second}");
    service.stop().await;
}

#[tokio::test]
async fn the_same_sentence_is_kept_once_and_twenty_of_an_operation_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = start(&folder).await;
    let first = accept(&service, accepted(LATE, "which orders")).await;
    for again in ["which orders", "Which  ORDERS!"] {
        let answer = accept(&service, accepted(LATE, again)).await;
        assert_eq!((answer.kept, answer.catalog_version), (false, first.catalog_version), "{again}");
    }
    let overlay = pb::UpsertOverlayRequest {
        operation_id: LATE.into(),
        examples: vec!["Tell me: orders?".into()],
        ..Default::default()
    };
    service.catalog("acme-key").upsert_overlay(overlay).await.expect("kept");
    assert!(!accept(&service, accepted(LATE, "tell me orders")).await.kept, "the overlay has it");
    for filler in 0..20 {
        let text = format!("orders {}", "orders ".repeat(filler + 1));
        assert!(accept(&service, accepted(LATE, &text)).await.kept, "{text}");
    }
    let kept = kept(&service).await;
    assert_eq!((kept.len(), kept.contains(&"which orders".to_owned())), (20, false), "the oldest went");
    service.stop().await;
}

#[tokio::test]
async fn nothing_about_a_person_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = start(&folder).await;
    for text in ["orders of Ivo Marić", "orders of ivo", "17", "orders", "show it"] {
        assert!(!accept(&service, accepted(LATE, text)).await.kept, "{text}");
    }
    let with = |text: &str| pb::AcceptExampleRequest { values: vec!["ivo".into()], ..accepted(LATE, text) };
    assert!(accept(&service, with("Orders of Ivo, ivo@example.com")).await.kept);
    assert_eq!(kept(&service).await, ["orders of"]);
    service.stop().await;
}

#[tokio::test]
async fn an_accepted_sentence_can_be_removed_and_others_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = start(&folder).await;
    accept(&service, accepted(LATE, "which orders")).await;
    let remove = |text: &str| pb::RemoveExampleRequest { operation_id: LATE.into(), text: text.into() };
    let mut client = service.catalog("acme-key");
    let mut other = service.catalog("other-key");
    assert_eq!(other.remove_example(remove("which orders")).await.expect_err("not theirs").code(), Code::NotFound);
    assert_eq!(client.remove_example(remove("these orders")).await.expect_err("none").code(), Code::NotFound);
    let version = client.remove_example(remove("which orders")).await.expect("gone").into_inner().catalog_version;
    let (_, first, _) = found(&service, "which orders", version).await;
    assert!(first < 0.75 && kept(&service).await.is_empty());
    let values = vec!["x".to_owned(); 101];
    for (request, code) in [
        (accepted("shop/GET /none", "orders"), Code::NotFound),
        (accepted(LATE, " "), Code::InvalidArgument),
        (accepted(LATE, &"x".repeat(4_001)), Code::InvalidArgument),
        (pb::AcceptExampleRequest { values, ..accepted(LATE, "orders") }, Code::InvalidArgument),
        (pb::AcceptExampleRequest { language: "x".repeat(36), ..accepted(LATE, "orders") }, Code::InvalidArgument),
    ] {
        assert_eq!(client.accept_example(request).await.expect_err("refused").code(), code);
    }
    service.stop().await;
}
