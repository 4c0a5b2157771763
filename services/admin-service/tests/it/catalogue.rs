//! The catalogue's pages, against a CatalogService of the test's own.

use std::pin::Pin;

use proto::catalog::v1::{
    self as pb,
    catalog_service_server::{CatalogService, CatalogServiceServer, SERVICE_NAME},
};
use reqwest::StatusCode;
use serde_json::json;
use service_kit::grpc::{Caller, GrpcConfig, GrpcServer, StaticKey};
use store::catalogue::{ACCEPTED, Example};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    browser::Browser,
    support::{Engine, free, start_with, tenant},
};

/// Operations of document `d`; every one is of the calling tenant.
struct Catalogue;

const OPERATIONS: usize = 130;

fn summary(tenant: &str, n: usize) -> pb::OperationSummary {
    pb::OperationSummary {
        operation_id: format!("d/GET /{tenant}/{n:03}"),
        content_hash: "0123456789abcdef".to_owned(),
        title: format!("<b>Thing</b> {n}"),
        risk_class: pb::RiskClass::Safe.into(),
        not_callable_reason: String::new(),
    }
}

#[tonic::async_trait]
impl CatalogService for Catalogue {
    async fn list_documents(
        &self,
        _request: Request<pb::ListDocumentsRequest>,
    ) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        let document = pb::Document {
            document_id: "d".to_owned(),
            title: "Things".to_owned(),
            version: "1".to_owned(),
            operation_count: OPERATIONS as i32,
            callable_count: OPERATIONS as i32 - 1,
            content_hash: "ffeeddccbbaa99887766".to_owned(),
        };
        Ok(Response::new(pb::ListDocumentsResponse { documents: vec![document], next_page_token: String::new() }))
    }

    async fn list_operations(
        &self,
        request: Request<pb::ListOperationsRequest>,
    ) -> Result<Response<pb::ListOperationsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.to_string();
        let request = request.into_inner();
        let first: usize = request.page_token.parse().unwrap_or_default();
        let end = (first + request.page_size as usize).min(OPERATIONS);
        let operations = (first..end).map(|n| summary(&tenant, n)).collect();
        let next_page_token = if end < OPERATIONS { end.to_string() } else { String::new() };
        Ok(Response::new(pb::ListOperationsResponse { operations, next_page_token }))
    }

    async fn get_operation(
        &self,
        request: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::GetOperationResponse>, Status> {
        let id = request.into_inner().operation_id;
        if !id.ends_with("/001") {
            return Err(Status::not_found("no such operation"));
        }
        let operation = json!({
            "id": id, "document": "d", "method": "GET", "path": "/1", "servers": ["http://b"], "label": null,
            "summary": "s", "description": "<script>alert(1)</script>", "tags": ["t"],
            "fields": [{ "key": "query:from", "name": "from", "location": "query", "required": true,
                         "schema": { "type": "string", "format": "date" }, "description": "when", "style": "form", "explode": true }],
            "body": null, "response": null, "risk": "safe", "produces": [], "needs": [], "security": [], "schemes": {},
            "not_callable": null, "content_hash": "00",
        });
        let operation_json = serde_json::to_vec(&operation).expect("JSON").into();
        Ok(Response::new(pb::GetOperationResponse {
            summary: Some(summary("acme", 1)),
            operation_json,
            catalog_version: 3,
        }))
    }

    async fn search_operations(
        &self,
        request: Request<pb::SearchOperationsRequest>,
    ) -> Result<Response<pb::SearchOperationsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.to_string();
        let hit = pb::OperationHit {
            summary: Some(summary(&tenant, 7)),
            score: 0.75,
            probability: 0.5,
            parts: vec![pb::ScorePart { name: "bm25".to_owned(), value: 0.25 }],
            producer: true,
        };
        Ok(Response::new(pb::SearchOperationsResponse {
            hits: vec![hit],
            catalog_version: 3,
            coverage: 0.5,
            left_out: Vec::new(),
        }))
    }

    async fn import_document(
        &self,
        _request: Request<pb::ImportDocumentRequest>,
    ) -> Result<Response<pb::ImportDocumentResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn upsert_overlay(
        &self,
        _request: Request<pb::UpsertOverlayRequest>,
    ) -> Result<Response<pb::UpsertOverlayResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn accept_example(
        &self,
        _request: Request<pb::AcceptExampleRequest>,
    ) -> Result<Response<pb::AcceptExampleResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn remove_example(
        &self,
        request: Request<pb::RemoveExampleRequest>,
    ) -> Result<Response<pb::RemoveExampleResponse>, Status> {
        let request = request.into_inner();
        match (request.operation_id.as_str(), request.text.as_str()) {
            ("d/GET /acme/001", "the <b>thing</b>") => {
                Ok(Response::new(pb::RemoveExampleResponse { catalog_version: 4 }))
            }
            _ => Err(Status::not_found("no such sentence")),
        }
    }

    type WatchCatalogStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<pb::WatchCatalogResponse, Status>> + Send>>;

    async fn watch_catalog(
        &self,
        _request: Request<pb::WatchCatalogRequest>,
    ) -> Result<Response<Self::WatchCatalogStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

/// Its address; it takes `a-key` for acme.
async fn serve(stop: CancellationToken) -> String {
    let listener = free().await;
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let key = StaticKey {
        key: Some("a-key".into()),
        sha256: None,
        tenant: tenant("acme"),
        services: vec!["catalog".to_owned()],
    };
    let config = GrpcConfig { keys: [("a".to_owned(), key)].into(), ..GrpcConfig::default() };
    let routes = Routes::new(CatalogServiceServer::new(Catalogue));
    tokio::spawn(async move { GrpcServer::new(&config).services(&[SERVICE_NAME]).serve(listener, routes, stop).await });
    url
}

#[tokio::test]
async fn the_catalogue_is_shown_searched_and_kept_apart_by_tenant() {
    let stop = CancellationToken::new();
    let url = serve(stop.clone()).await;
    let settings = [
        ("catalog.url", json!(url)),
        ("catalog.tenant", json!("acme")),
        ("catalog.api_key", json!("a-key")),
        ("console.tenants", json!({ "other-key": ["acme"] })),
    ];
    let running = start_with(Engine::Sqlite, &settings).await;
    running
        .store
        .upsert_overlay(
            &tenant("acme"),
            "d/GET /acme/001",
            &json!({ "aliases": ["<i>thingy</i>"], "examples": ["show it"] }),
        )
        .await
        .expect("kept");
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let list = browser.get("/console/t/acme/catalogue").await;
    assert!(list.has("ffeeddccbbaa<") && list.has("&#60;b&#62;Thing") && !list.has("<b>Thing"), "{}", list.text);
    assert_eq!(list.text.matches("/catalogue/operation?id=").count(), 50);
    let next = browser.get("/console/t/acme/catalogue?after=100").await;
    assert_eq!(next.text.matches("/catalogue/operation?id=").count(), 30);
    let found = browser.get("/console/t/acme/catalogue?q=THING+12").await;
    assert_eq!(found.text.matches("/catalogue/operation?id=").count(), 12, "12, 112 and 120 to 129");

    let one = browser.get("/console/t/acme/catalogue/operation?id=d%2FGET+%2Facme%2F001").await;
    for shown in ["string (date)", "&#60;script&#62;alert", "&#60;i&#62;thingy", "“show it”", "people who are known"]
    {
        assert!(one.has(shown), "{shown} is not in {}", one.text);
    }
    assert!(!one.has("<script>alert") && !one.has("<i>thingy"));
    assert_eq!(browser.get("/console/t/acme/catalogue/operation?id=d%2FGET+%2Fx").await.status, StatusCode::NOT_FOUND);

    let accepted = Example {
        operation: "d/GET /acme/001".to_owned(),
        language: "en".to_owned(),
        text: "the <b>thing</b>".to_owned(),
        origin: ACCEPTED.to_owned(),
    };
    running.store.add_example(&tenant("acme"), &accepted, 9).await.expect("kept");
    let page = "/console/t/acme/catalogue/operation?id=d%2FGET+%2Facme%2F001";
    let learned = browser.get(page).await;
    assert!(
        learned.has("people chose it for") && learned.has("the &#60;b&#62;thing") && !one.has("people chose it for")
    );
    let remove = "/console/t/acme/catalogue/remove-example";
    let fields = |text| [("operation", "d/GET /acme/001"), ("text", text)];
    assert_eq!(browser.submit(page, remove, &fields("the <b>thing</b>")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.submit(page, remove, &fields("another")).await.status, StatusCode::NOT_FOUND);
    let audit = running.store.list_audit(&tenant("acme"), None, 2).await.expect("the audit");
    assert!(audit.iter().all(|row| row.entry.action == "catalogue.remove_example"), "both tries are written down");

    let search = "/console/t/acme/catalogue/search";
    let hits = browser.submit(search, search, &[("text", "my <b>wish</b>"), ("language", "en")]).await;
    for shown in
        ["1 hit", "d/GET /acme/007", "0.750", "0.250", "50 %", "for an id", "catalogue version 3", "my &#60;b&#62;wish"]
    {
        assert!(hits.has(shown), "{shown} is not in {}", hits.text);
    }
    assert_eq!(browser.submit(search, search, &[("text", " ")]).await.status, StatusCode::BAD_REQUEST);
    let audit = running.store.list_audit(&tenant("acme"), None, 1).await.expect("the audit");
    assert_eq!(audit[0].entry.action, "catalogue.search");
    assert!(!audit[0].entry.detail.to_string().contains("wish"), "what was asked may be personal");
    assert!(browser.get("/console/t/acme").await.has("1 not callable"));

    // No key speaks for this tenant, so nothing of another one is shown.
    let other = Browser::signed_in(running.http, "other-key").await;
    let refused = other.get("/console/t/other/catalogue").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.has("catalog.api_keys") && !refused.has("Thing"), "{}", refused.text);
    assert!(other.get("/console/t/acme/catalogue").await.has("Thing"));

    stop.cancel();
    let away =
        async { while browser.get("/console/t/acme/catalogue").await.status != StatusCode::SERVICE_UNAVAILABLE {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), away).await.expect("said that it is away");
    assert_eq!(browser.get("/console/t/acme").await.status, StatusCode::OK, "the overview does not need it");
}
