//! Operations, as CatalogService knows them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use moka::future::Cache;
use openapi::{Operation, Risk};
use proto::catalog::v1::{
    AcceptExampleRequest, GetOperationRequest, ListDocumentsRequest, OperationHit, RiskClass, SearchOperationsRequest,
    catalog_service_client::CatalogServiceClient,
};
use service_kit::grpc::{self, Client, ClientConfig, ClientError, MESSAGE_BYTES_MAX};
use tonic::{Code, Status};

use crate::turn::{Accepted, Hit, SearchAnswer, SearchQuery};

/// Operations kept by their hash.
const CACHED_MAX: u64 = 2_000;
/// How long a document's title is believed.
const TITLES_AGE_MAX: Duration = Duration::from_secs(60);
/// Longest sentence that is searched for, in characters.
const TEXT_MAX: usize = 4_000;

/// The catalogue cannot be asked now.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The service is away or fails.
    #[error("the operation catalogue does not answer: {0}")]
    Away(Status),
}

/// A tenant's view of the catalogue. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    client: CatalogServiceClient<Client>,
    operations: Cache<(String, String), Arc<Operation>>,
    titles: Arc<Mutex<Titles>>,
}

#[derive(Default)]
struct Titles {
    read_at: Option<Instant>,
    known: Vec<(String, String)>,
}

impl Catalog {
    /// Connects at the first call.
    ///
    /// # Errors
    /// [`ClientError`]: the configuration cannot work.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let client = CatalogServiceClient::new(grpc::channel(config)?)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self { client, operations: Cache::new(CACHED_MAX), titles: Arc::default() })
    }

    /// The nearest operations of the query's documents.
    ///
    /// # Errors
    /// [`CatalogError::Away`]. A sentence that the catalogue refuses has no hits.
    pub async fn search(&self, query: &SearchQuery) -> Result<SearchAnswer, CatalogError> {
        let text: String = query.text.chars().take(TEXT_MAX).collect();
        // To the service, no document means all of them: also those that were taken out of the configuration.
        if query.documents.is_empty() {
            return Ok(SearchAnswer::default());
        }
        let request = SearchOperationsRequest {
            text,
            language: query.language.clone(),
            k: i32::try_from(query.k.clamp(1, 20)).unwrap_or(10),
            document_ids: query.documents.clone(),
            tags: Vec::new(),
            min_catalog_version: 0,
            yields: query.yields.clone(),
            takes: query.takes.clone(),
        };
        match self.client.clone().search_operations(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let hits = answer.hits.into_iter().filter_map(hit).collect();
                Ok(SearchAnswer { hits, coverage: answer.coverage, left_out: answer.left_out })
            }
            Err(status) if status.code() == Code::InvalidArgument => {
                tracing::warn!(message = status.message(), "the catalogue refused a search");
                Ok(SearchAnswer::default())
            }
            Err(status) => Err(CatalogError::Away(status)),
        }
    }

    /// An operation by id and content hash; an empty hash takes the present one. The inner error says why there is none.
    ///
    /// # Errors
    /// [`CatalogError::Away`].
    pub async fn operation(
        &self,
        id: &str,
        content_hash: &str,
    ) -> Result<Result<Arc<Operation>, String>, CatalogError> {
        let key = (id.to_owned(), content_hash.to_owned());
        if !content_hash.is_empty()
            && let Some(known) = self.operations.get(&key).await
        {
            return Ok(Ok(known));
        }
        let request = GetOperationRequest { operation_id: id.to_owned(), content_hash: content_hash.to_owned() };
        let answer = match self.client.clone().get_operation(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                return Ok(Err(status.message().to_owned()));
            }
            Err(status) => return Err(CatalogError::Away(status)),
        };
        match serde_json::from_slice::<Operation>(&answer.operation_json) {
            Ok(operation) => {
                let operation = Arc::new(operation);
                let hash = answer.summary.map(|summary| summary.content_hash).unwrap_or_default();
                self.operations.insert((key.0, hash), Arc::clone(&operation)).await;
                Ok(Ok(operation))
            }
            Err(error) => Ok(Err(format!("it cannot be read: {error}"))),
        }
    }

    /// Keeps operations as if they had been asked for.
    #[cfg(feature = "faults")]
    pub async fn know(&self, operations: &[Arc<Operation>]) {
        for operation in operations {
            let key = (operation.id.clone(), operation.content_hash.clone());
            self.operations.insert(key, Arc::clone(operation)).await;
        }
    }

    /// Has a sentence kept as an example of the operation that a person chose for it; false where nothing of it may be
    /// kept, or it is known.
    ///
    /// # Errors
    /// [`CatalogError::Away`], also when the operation is gone.
    pub async fn accept(&self, accepted: Accepted) -> Result<bool, CatalogError> {
        let Accepted { operation_id, language, text, values } = accepted;
        let request = AcceptExampleRequest { operation_id, language, text, values };
        let answer = self.client.clone().accept_example(request).await.map_err(CatalogError::Away)?;
        Ok(answer.into_inner().kept)
    }

    /// Titles of the documents, at most a minute old, or the last that are known.
    pub async fn refresh_titles(&self) -> Vec<(String, String)> {
        {
            let titles = self.titles();
            if titles.read_at.is_some_and(|at| at.elapsed() < TITLES_AGE_MAX) {
                return titles.known.clone();
            }
        }
        let request = ListDocumentsRequest { page_size: 200, page_token: String::new() };
        match self.client.clone().list_documents(request).await {
            Ok(answer) => {
                let known = answer.into_inner().documents.into_iter().map(|d| (d.document_id, d.title)).collect();
                *self.titles() = Titles { read_at: Some(Instant::now()), known };
            }
            Err(status) => tracing::debug!(%status, "titles of documents are not known"),
        }
        self.titles().known.clone()
    }

    fn titles(&self) -> std::sync::MutexGuard<'_, Titles> {
        self.titles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hit(hit: OperationHit) -> Option<Hit> {
    let summary = hit.summary?;
    let risk = match summary.risk_class() {
        RiskClass::Safe => Risk::Safe,
        RiskClass::Idempotent => Risk::Idempotent,
        RiskClass::Keyed => Risk::Keyed,
        // The careful reading of what is not said.
        RiskClass::Once | RiskClass::Unspecified => Risk::Once,
    };
    Some(Hit {
        operation_id: summary.operation_id,
        content_hash: summary.content_hash,
        title: summary.title,
        score: hit.score,
        probability: hit.probability,
        risk,
        not_callable: Some(summary.not_callable_reason).filter(|reason| !reason.is_empty()),
        producer: hit.producer,
        parts: hit.parts.into_iter().map(|part| (part.name, part.value)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_documents_nothing_is_found_and_nobody_is_asked() {
        // Nobody listens here.
        let catalog = Catalog::new(&ClientConfig::new("http://127.0.0.1:9")).expect("a client");
        let query = |documents| SearchQuery {
            text: "list rooms".to_owned(),
            language: "en".to_owned(),
            k: 5,
            documents,
            ..SearchQuery::default()
        };
        assert_eq!(catalog.search(&query(vec![])).await.expect("an answer"), SearchAnswer::default());
        assert!(catalog.search(&query(vec!["rooms".to_owned()])).await.is_err(), "with documents it is asked");
    }
}
