//! `dragoman.catalog.v1.CatalogService`.

mod convert;
mod examples;
mod search;

use std::{ops::Bound, pin::Pin, sync::Arc, time::Duration};

use domain::Tenant;
use futures::Stream;
use openapi::MAX_OPERATION_BYTES;
use proto::catalog::v1::{
    self as pb,
    catalog_service_server::{CatalogService, CatalogServiceServer},
};
use service_kit::grpc::{Caller, GrpcError, MESSAGE_BYTES_MAX, into_status};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};

use super::{page::Page, work_status};
use crate::{
    catalogue::{Catalogue, CatalogueError, ImportError, Snapshot, Stored},
    work::WorkError,
};

/// A document of 32 MiB and what is around it.
const IMPORT_BYTES_MAX: usize = 33 * 1024 * 1024;
/// Longest wait for the version that a watcher has.
const RESUME_WAIT: Duration = Duration::from_secs(2);

/// The service; its streams end with `stop`.
pub fn server(catalogue: Catalogue, stop: CancellationToken) -> CatalogServiceServer<Catalog> {
    CatalogServiceServer::new(Catalog { catalogue, stop })
        .max_decoding_message_size(IMPORT_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The service's parts.
pub struct Catalog {
    catalogue: Catalogue,
    stop: CancellationToken,
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn import_document(
        &self,
        request: Request<pb::ImportDocumentRequest>,
    ) -> Result<Response<pb::ImportDocumentResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let backend_url = Some(request.backend_url.as_str()).filter(|url| !url.is_empty());
        let content = request.content.to_vec();
        let changes = self.catalogue.import(&tenant, &request.document_id, content, backend_url, &request.source).await;
        let changes = changes.map_err(import_status)?;
        let snapshot = self.catalogue.snapshot(&tenant).await.map_err(catalogue_status)?;
        let info = snapshot.documents().get(&request.document_id);
        Ok(Response::new(pb::ImportDocumentResponse {
            document: info.map(|info| convert::document(&request.document_id, info)),
            changed: changes.changed,
            catalog_version: snapshot.version(),
            added_operation_ids: changes.diff.added.into_iter().collect(),
            changed_operation_ids: changes.diff.altered.into_iter().collect(),
            removed_operation_ids: changes.diff.removed.into_iter().collect(),
            unchanged_operation_ids: changes.unchanged,
        }))
    }

    async fn list_documents(
        &self,
        request: Request<pb::ListDocumentsRequest>,
    ) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let page = Page::of(request.page_size, &request.page_token)?;
        let snapshot = self.catalogue.snapshot(&tenant).await.map_err(catalogue_status)?;
        let rows = snapshot.documents().range::<str, _>((Bound::Excluded(page.after.as_str()), Bound::Unbounded));
        let mut documents: Vec<pb::Document> =
            rows.take(page.size + 1).map(|(id, info)| convert::document(id, info)).collect();
        let next_page_token = page.cut(&mut documents, |document| &document.document_id);
        Ok(Response::new(pb::ListDocumentsResponse { documents, next_page_token }))
    }

    async fn list_operations(
        &self,
        request: Request<pb::ListOperationsRequest>,
    ) -> Result<Response<pb::ListOperationsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let page = Page::of(request.page_size, &request.page_token)?;
        let snapshot = self.catalogue.snapshot(&tenant).await.map_err(catalogue_status)?;
        let rows = snapshot.operations().range::<str, _>((Bound::Excluded(page.after.as_str()), Bound::Unbounded));
        let wanted =
            |stored: &&Stored| request.document_id.is_empty() || stored.operation.document == request.document_id;
        let mut operations: Vec<pb::OperationSummary> =
            rows.map(|(_, stored)| stored).filter(wanted).take(page.size + 1).map(convert::summary).collect();
        let next_page_token = page.cut(&mut operations, |operation| &operation.operation_id);
        Ok(Response::new(pb::ListOperationsResponse { operations, next_page_token }))
    }

    async fn get_operation(
        &self,
        request: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::GetOperationResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let snapshot = self.catalogue.snapshot(&tenant).await.map_err(catalogue_status)?;
        let fits =
            |stored: &&Stored| request.content_hash.is_empty() || stored.operation.content_hash == request.content_hash;
        let stored = snapshot.operations().get(&request.operation_id).filter(fits);
        let stored = stored.ok_or_else(|| into_status(GetError::NotFound(request.operation_id.clone())))?;
        let json = serde_json::to_vec(&stored.operation).map_err(|error| into_status(GetError::Json(error)))?;
        if json.len() > MAX_OPERATION_BYTES {
            return Err(into_status(GetError::TooLarge { id: request.operation_id, size_bytes: json.len() }));
        }
        Ok(Response::new(pb::GetOperationResponse {
            summary: Some(convert::summary(stored)),
            operation_json: json.into(),
            catalog_version: snapshot.version(),
        }))
    }

    async fn search_operations(
        &self,
        request: Request<pb::SearchOperationsRequest>,
    ) -> Result<Response<pb::SearchOperationsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        search::search(&self.catalogue, &tenant, request.into_inner()).await.map(Response::new)
    }

    async fn upsert_overlay(
        &self,
        request: Request<pb::UpsertOverlayRequest>,
    ) -> Result<Response<pb::UpsertOverlayResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let overlay = convert::overlay(&request);
        let version = self.catalogue.put_overlay(&tenant, &request.operation_id, &overlay).await;
        let catalog_version = version.map_err(import_status)?;
        Ok(Response::new(pb::UpsertOverlayResponse { catalog_version }))
    }

    async fn accept_example(
        &self,
        request: Request<pb::AcceptExampleRequest>,
    ) -> Result<Response<pb::AcceptExampleResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        examples::accept(&self.catalogue, &tenant, request.into_inner()).await.map(Response::new)
    }

    async fn remove_example(
        &self,
        request: Request<pb::RemoveExampleRequest>,
    ) -> Result<Response<pb::RemoveExampleResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        examples::remove(&self.catalogue, &tenant, request.get_ref()).await.map(Response::new)
    }

    type WatchCatalogStream = Pin<Box<dyn Stream<Item = Result<pb::WatchCatalogResponse, Status>> + Send>>;

    async fn watch_catalog(
        &self,
        request: Request<pb::WatchCatalogRequest>,
    ) -> Result<Response<Self::WatchCatalogStream>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let after = request.into_inner().after_version;
        // Another replica may have told the caller of a version that this one has not built yet.
        self.catalogue.snapshot_from(&tenant, after, RESUME_WAIT).await.map_err(catalogue_status)?;
        let watching = Watching {
            changes: self.catalogue.watch(&tenant),
            catalogue: self.catalogue.clone(),
            tenant,
            stop: self.stop.clone(),
            known: Some(after).filter(|after| *after > 0),
            is_first: true,
        };
        let answers = futures::stream::unfold(watching, |mut watching| async move {
            watching.next().await.map(|answer| (Ok(answer), watching))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// A caller that watches. Nothing is queued for it: it is told all that changed when it reads the next answer.
struct Watching {
    catalogue: Catalogue,
    tenant: Tenant,
    changes: watch::Receiver<Arc<Snapshot>>,
    stop: CancellationToken,
    /// Version that the caller has.
    known: Option<i64>,
    is_first: bool,
}

impl Watching {
    /// None when the server stops.
    async fn next(&mut self) -> Option<pb::WatchCatalogResponse> {
        loop {
            self.changes.borrow_and_update();
            let (version, diff) = self.catalogue.changes_since(&self.tenant, self.known.unwrap_or(-1));
            let diff = diff.filter(|_| self.known.is_some());
            if self.known != Some(version) || self.is_first {
                (self.known, self.is_first) = (Some(version), false);
                let start_over = diff.is_none();
                let diff = diff.unwrap_or_default();
                return Some(pb::WatchCatalogResponse {
                    catalog_version: version,
                    start_over,
                    added_operation_ids: diff.added.into_iter().collect(),
                    changed_operation_ids: diff.altered.into_iter().collect(),
                    removed_operation_ids: diff.removed.into_iter().collect(),
                });
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                changed = self.changes.changed() => changed.ok()?,
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum GetError {
    #[error("there is no operation `{0}` with this content hash")]
    NotFound(String),
    #[error("operation `{id}` has {size_bytes} bytes; the limit is {MAX_OPERATION_BYTES}")]
    TooLarge { id: String, size_bytes: usize },
    #[error("cannot write the operation")]
    Json(#[from] serde_json::Error),
}

impl GrpcError for GetError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::TooLarge { .. } => Code::FailedPrecondition,
            Self::Json(_) => Code::Internal,
        }
    }
}

/// Database away: UNAVAILABLE; too much at once: RESOURCE_EXHAUSTED; else our fault.
fn catalogue_status(error: CatalogueError) -> Status {
    match error {
        CatalogueError::Work(error) => work_status(error),
        error @ CatalogueError::Store(_) => into_status(Failed(error)),
    }
}

fn import_status(error: ImportError) -> Status {
    match error {
        ImportError::Catalogue(error) => catalogue_status(error),
        error => into_status(Refused(error)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Failed(CatalogueError);

impl GrpcError for Failed {
    fn code(&self) -> Code {
        match &self.0 {
            CatalogueError::Store(error) if error.is_retryable() => Code::Unavailable,
            CatalogueError::Store(_) | CatalogueError::Work(WorkError::Ended(_)) => Code::Internal,
            CatalogueError::Work(WorkError::Busy) => Code::ResourceExhausted,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(ImportError);

impl GrpcError for Refused {
    fn code(&self) -> Code {
        match &self.0 {
            ImportError::Id(_) | ImportError::Unreadable(_) | ImportError::BackendUrl(_) | ImportError::Overlay(_) => {
                Code::InvalidArgument
            }
            ImportError::NoOperation(_) => Code::NotFound,
            ImportError::Catalogue(_) => Code::Internal,
        }
    }
}
