//! `AcceptExample` and `RemoveExample`: sentences that people accepted.

use domain::Tenant;
use proto::catalog::v1 as pb;
use service_kit::grpc::{GrpcError, into_status};
use tonic::{Code, Status};

use super::catalogue_status;
use crate::catalogue::{AcceptError, Catalogue};

/// Longest sentence that is taken, in characters.
const TEXT_CHARS_MAX: usize = 4_000;
/// Most values of one sentence.
const VALUES_MAX: usize = 100;
/// Longest language tag: RFC 5646, 4.4.1.
const LANGUAGE_CHARS_MAX: usize = 35;

pub async fn accept(
    catalogue: &Catalogue,
    tenant: &Tenant,
    request: pb::AcceptExampleRequest,
) -> Result<pb::AcceptExampleResponse, Status> {
    check(&request).map_err(into_status)?;
    let said = (request.text.as_str(), request.values.as_slice());
    let outcome = catalogue.accept(tenant, &request.operation_id, &request.language, said).await;
    let (kept, catalog_version) = outcome.map_err(status)?;
    Ok(pb::AcceptExampleResponse { kept, catalog_version })
}

pub async fn remove(
    catalogue: &Catalogue,
    tenant: &Tenant,
    request: &pb::RemoveExampleRequest,
) -> Result<pb::RemoveExampleResponse, Status> {
    let catalog_version = catalogue.forget(tenant, &request.operation_id, &request.text).await.map_err(status)?;
    Ok(pb::RemoveExampleResponse { catalog_version })
}

fn check(request: &pb::AcceptExampleRequest) -> Result<(), BadExample> {
    let chars = request.text.chars().count();
    if request.text.trim().is_empty() || chars > TEXT_CHARS_MAX {
        return Err(BadExample::Text(chars));
    }
    if request.values.len() > VALUES_MAX {
        return Err(BadExample::Values(request.values.len()));
    }
    if request.language.chars().count() > LANGUAGE_CHARS_MAX {
        return Err(BadExample::Language);
    }
    Ok(())
}

fn status(error: AcceptError) -> Status {
    match error {
        AcceptError::Catalogue(error) => catalogue_status(error),
        error => into_status(Missing(error)),
    }
}

#[derive(Debug, thiserror::Error)]
enum BadExample {
    #[error("the sentence has {0} characters; give 1 to {TEXT_CHARS_MAX}, not only blanks")]
    Text(usize),
    #[error("{0} values; the limit is {VALUES_MAX}")]
    Values(usize),
    #[error("a language tag has at most {LANGUAGE_CHARS_MAX} characters")]
    Language,
}

impl GrpcError for BadExample {
    fn code(&self) -> Code {
        match self {
            Self::Text(_) | Self::Values(_) | Self::Language => Code::InvalidArgument,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Missing(AcceptError);

impl GrpcError for Missing {
    fn code(&self) -> Code {
        match &self.0 {
            AcceptError::NoOperation(_) | AcceptError::NoSentence(_) => Code::NotFound,
            AcceptError::Catalogue(_) => Code::Internal,
        }
    }
}
