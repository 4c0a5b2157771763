//! A catalogue of three operations over real gRPC: `safe`, `keyed` and `once`, each found by its name.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use openapi::{Operation, Risk};
use proto::catalog::v1::{
    self as pb,
    catalog_service_server::{CatalogService, CatalogServiceServer},
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// The fake.
#[derive(Clone, Default)]
pub struct Catalog {
    /// Searches asked.
    pub searches: Arc<AtomicUsize>,
    /// Knows no operation any more.
    pub changed: Arc<AtomicBool>,
    /// Answers UNAVAILABLE so many times.
    pub away: Arc<AtomicUsize>,
    /// What people chose.
    pub accepted: Arc<Mutex<Vec<pb::AcceptExampleRequest>>>,
}

impl Catalog {
    /// Starts it; gives its URL.
    pub async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = CatalogServiceServer::new(self.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        url
    }
}

/// The operation of this name.
pub fn operation(name: &str) -> Option<Operation> {
    let (method, risk) = match name {
        "safe" | "list" | "report" => ("GET", Risk::Safe),
        "keyed" => ("POST", Risk::Keyed),
        "once" | "export" => ("POST", Risk::Once),
        "upload" => ("POST", Risk::Keyed),
        _ => return None,
    };
    let body = (method == "POST").then(|| {
        let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
        json!({ "media_type": "application/json", "required": true, "whole_schema": schema, "wrapped": false })
    });
    let body = if name == "upload" {
        Some(json!({ "media_type": "multipart/form-data", "required": true, "whole_schema": {}, "wrapped": false,
            "encoding": "multipart" }))
    } else {
        body
    };
    let fields = match method {
        "POST" if name == "upload" => json!([{ "key": "body:photo", "name": "photo", "location": "body",
            "required": true, "schema": { "type": "string", "format": "binary" }, "description": "", "style": "json",
            "explode": false, "file": { "media_types": ["image/*"] } }]),
        "POST" => json!([{ "key": "body:name", "name": "name", "location": "body", "required": true,
            "schema": { "type": "string" }, "description": "", "style": "json", "explode": false }]),
        _ => json!([]),
    };
    let response = (name == "list").then(|| {
        json!({ "schema": true, "media_type": "application/json", "is_list": true, "list_pointer": "", "item_fields": [] })
    });
    let operation = json!({
        "id": format!("demo/{method} /{name}"), "document": "demo", "method": method, "path": format!("/{name}"),
        "servers": [], "label": null, "summary": name, "description": "", "tags": [], "fields": fields, "body": body,
        "response": response, "risk": risk, "produces": [], "needs": [], "security": [], "schemes": {}, "not_callable": null,
        "content_hash": format!("hash-of-{name}"), "public": true
    });
    Some(serde_json::from_value(operation).unwrap())
}

fn summary(operation: &Operation) -> pb::OperationSummary {
    let risk = match operation.risk {
        Risk::Safe => pb::RiskClass::Safe,
        Risk::Idempotent => pb::RiskClass::Idempotent,
        Risk::Keyed => pb::RiskClass::Keyed,
        Risk::Once => pb::RiskClass::Once,
    };
    pb::OperationSummary {
        operation_id: operation.id.clone(),
        content_hash: operation.content_hash.clone(),
        title: operation.summary.clone(),
        risk_class: risk.into(),
        not_callable_reason: String::new(),
    }
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    type WatchCatalogStream = tokio_stream::Empty<Result<pb::WatchCatalogResponse, Status>>;

    async fn search_operations(
        &self,
        request: Request<pb::SearchOperationsRequest>,
    ) -> Result<Response<pb::SearchOperationsResponse>, Status> {
        if self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Status::unavailable("away"));
        }
        self.searches.fetch_add(1, Ordering::SeqCst);
        let request = request.into_inner();
        assert_eq!(request.document_ids, ["demo"], "only documents of the tenant are searched");
        let hit = |operation: Operation| pb::OperationHit {
            summary: Some(summary(&operation)),
            score: 1.0,
            probability: 0.9,
            parts: Vec::new(),
            producer: false,
        };
        let hits = operation(&request.text).map(hit).into_iter().collect();
        Ok(Response::new(pb::SearchOperationsResponse {
            hits,
            catalog_version: 1,
            coverage: 1.0,
            left_out: Vec::new(),
        }))
    }

    async fn get_operation(
        &self,
        request: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::GetOperationResponse>, Status> {
        let request = request.into_inner();
        let name = request.operation_id.rsplit('/').next().unwrap_or_default().to_owned();
        let changed = self.changed.load(Ordering::SeqCst);
        let found = operation(&name).filter(|found| !changed && found.content_hash == request.content_hash);
        let operation = found.ok_or_else(|| Status::not_found("no such operation"))?;
        Ok(Response::new(pb::GetOperationResponse {
            summary: Some(summary(&operation)),
            operation_json: serde_json::to_vec(&operation).unwrap().into(),
            catalog_version: 1,
        }))
    }

    async fn list_documents(
        &self,
        _: Request<pb::ListDocumentsRequest>,
    ) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        Ok(Response::new(pb::ListDocumentsResponse::default()))
    }

    async fn import_document(
        &self,
        _: Request<pb::ImportDocumentRequest>,
    ) -> Result<Response<pb::ImportDocumentResponse>, Status> {
        Err(Status::permission_denied("the worker imports nothing"))
    }

    async fn list_operations(
        &self,
        _: Request<pb::ListOperationsRequest>,
    ) -> Result<Response<pb::ListOperationsResponse>, Status> {
        Err(Status::permission_denied("the worker lists nothing"))
    }

    async fn upsert_overlay(
        &self,
        _: Request<pb::UpsertOverlayRequest>,
    ) -> Result<Response<pb::UpsertOverlayResponse>, Status> {
        Err(Status::permission_denied("the worker changes nothing"))
    }

    async fn accept_example(
        &self,
        request: Request<pb::AcceptExampleRequest>,
    ) -> Result<Response<pb::AcceptExampleResponse>, Status> {
        self.accepted.lock().unwrap().push(request.into_inner());
        Ok(Response::new(pb::AcceptExampleResponse { kept: true, catalog_version: 2 }))
    }

    async fn remove_example(
        &self,
        _: Request<pb::RemoveExampleRequest>,
    ) -> Result<Response<pb::RemoveExampleResponse>, Status> {
        Err(Status::permission_denied("the worker removes nothing"))
    }

    async fn watch_catalog(
        &self,
        _: Request<pb::WatchCatalogRequest>,
    ) -> Result<Response<Self::WatchCatalogStream>, Status> {
        Err(Status::permission_denied("the worker watches nothing"))
    }
}
