//! The operation catalogue of embedding-service, each tenant through its own key.

use std::collections::BTreeMap;

use domain::Tenant;
use openapi::Operation;
use proto::catalog::v1::{
    self as pb, OperationSummary, RiskClass, SearchOperationsRequest, catalog_service_client::CatalogServiceClient,
};
use service_kit::grpc::{Client, ClientError, MESSAGE_BYTES_MAX, channel};
use tonic::{Code, Status};

use crate::CatalogConfig;

/// Most pages of 200 that are read for one answer.
const PAGES_MAX: usize = 50;
/// Rows of one page on the wire.
const WIRE_ROWS: i32 = 200;

/// Why the catalogue gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// No key speaks for the tenant.
    #[error("no catalogue key is configured for this tenant: set catalog.api_keys")]
    NoKey,
    /// Nothing has this name.
    #[error("there is no such operation")]
    NotFound,
    /// It refused what was asked.
    #[error("{0}")]
    Refused(String),
    /// The service is away or fails.
    #[error("the catalogue does not answer now")]
    Away(#[source] Status),
    /// What it gave is not understood.
    #[error("the operation cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

impl From<Status> for CatalogError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::NotFound => Self::NotFound,
            Code::InvalidArgument => Self::Refused(status.message().to_owned()),
            _ => Self::Away(status),
        }
    }
}

/// The catalogue of every tenant that it can be asked for.
#[derive(Clone)]
pub(crate) struct Catalog {
    clients: BTreeMap<Tenant, CatalogServiceClient<Client>>,
}

/// A page of operations.
#[derive(Debug, Default)]
pub(crate) struct OperationPage {
    pub rows: Vec<OperationSummary>,
    /// Empty on the last page.
    pub next: String,
}

impl Catalog {
    /// Connects at the first call.
    ///
    /// # Errors
    /// [`ClientError`]: the configuration cannot work.
    pub fn new(config: &CatalogConfig) -> Result<Self, ClientError> {
        let clients = config.clients().into_iter().map(|(tenant, client)| {
            let client = CatalogServiceClient::new(channel(&client)?).max_decoding_message_size(MESSAGE_BYTES_MAX);
            Ok((tenant, client))
        });
        Ok(Self { clients: clients.collect::<Result<_, ClientError>>()? })
    }

    fn of(&self, tenant: &Tenant) -> Result<CatalogServiceClient<Client>, CatalogError> {
        self.clients.get(tenant).cloned().ok_or(CatalogError::NoKey)
    }

    /// All documents, by name.
    pub async fn documents(&self, tenant: &Tenant) -> Result<Vec<pb::Document>, CatalogError> {
        let mut client = self.of(tenant)?;
        let (mut all, mut page_token) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let request = pb::ListDocumentsRequest { page_size: WIRE_ROWS, page_token };
            let page = client.list_documents(request).await?.into_inner();
            all.extend(page.documents);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(all)
    }

    /// A page of operations, by id: `size` rows, or with `words` what of the whole list has all of them.
    pub async fn operations(
        &self,
        tenant: &Tenant,
        document: &str,
        words: &str,
        page_token: &str,
        size: usize,
    ) -> Result<OperationPage, CatalogError> {
        let mut client = self.of(tenant)?;
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let page_size = if words.is_empty() { i32::try_from(size).unwrap_or(WIRE_ROWS) } else { WIRE_ROWS };
        let mut found = OperationPage { rows: Vec::new(), next: page_token.to_owned() };
        for _ in 0..PAGES_MAX {
            let request = pb::ListOperationsRequest {
                document_id: document.to_owned(),
                page_size,
                page_token: std::mem::take(&mut found.next),
            };
            let page = client.list_operations(request).await?.into_inner();
            found.rows.extend(page.operations.into_iter().filter(|operation| has_words(operation, &words)));
            found.next = page.next_page_token;
            if found.next.is_empty() || words.is_empty() || found.rows.len() >= size {
                break;
            }
        }
        Ok(found)
    }

    /// One operation with all that a call needs.
    pub async fn operation(&self, tenant: &Tenant, id: &str) -> Result<(OperationSummary, Operation), CatalogError> {
        let request = pb::GetOperationRequest { operation_id: id.to_owned(), content_hash: String::new() };
        let answer = self.of(tenant)?.get_operation(request).await?.into_inner();
        let operation = serde_json::from_slice(&answer.operation_json)?;
        Ok((answer.summary.unwrap_or_default(), operation))
    }

    /// The nearest operations, as a turn would get them.
    pub async fn search(
        &self,
        tenant: &Tenant,
        text: &str,
        language: &str,
        document: &str,
        k: i32,
    ) -> Result<pb::SearchOperationsResponse, CatalogError> {
        let request = SearchOperationsRequest {
            text: text.to_owned(),
            language: language.to_owned(),
            k,
            document_ids: Some(document.to_owned()).filter(|document| !document.is_empty()).into_iter().collect(),
            ..SearchOperationsRequest::default()
        };
        Ok(self.of(tenant)?.search_operations(request).await?.into_inner())
    }

    /// Removes a sentence that people accepted for an operation.
    pub async fn remove_example(&self, tenant: &Tenant, operation: &str, text: &str) -> Result<(), CatalogError> {
        let request = pb::RemoveExampleRequest { operation_id: operation.to_owned(), text: text.to_owned() };
        self.of(tenant)?.remove_example(request).await?;
        Ok(())
    }
}

fn has_words(operation: &OperationSummary, words: &[String]) -> bool {
    let text = format!("{} {}", operation.operation_id, operation.title).to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

/// The word for a risk class, as overlays and documents write it.
pub(crate) fn risk(operation: &OperationSummary) -> &'static str {
    match operation.risk_class() {
        RiskClass::Safe => "safe",
        RiskClass::Idempotent => "idempotent",
        RiskClass::Keyed => "keyed",
        RiskClass::Once => "once",
        RiskClass::Unspecified => "not said",
    }
}
