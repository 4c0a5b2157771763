//! SearchOperations.

use std::time::Duration;

use domain::Tenant;
use proto::catalog::v1 as pb;
use retrieval::{Answer, Question};
use service_kit::grpc::{GrpcError, into_status, remaining};
use tonic::{Code, Status};

use super::{catalogue_status, convert, work_status};
use crate::catalogue::{Catalogue, Snapshot};

const TEXT_CHARS_MAX: usize = 4_000;
const K_DEFAULT: usize = 10;
const K_MAX: usize = 20;
/// A best hit below this means that nothing is near.
const NEAR_MIN: f64 = 0.01;
/// Longest wait for a version, when the call has no deadline of its own.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Left of the deadline for the answer itself.
const ANSWER_TIME: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error("text is blank: leave it empty for the operations that people begin with")]
    Blank,
    #[error("text has {0} characters; the limit is {TEXT_CHARS_MAX}")]
    TooLong(usize),
    #[error("k is {0}; it must be from 0 to {K_MAX}")]
    K(i32),
    #[error("the catalogue is at version {is}, not yet at {wanted}")]
    Version { is: i64, wanted: i64 },
}

impl GrpcError for SearchError {
    fn code(&self) -> Code {
        match self {
            Self::Blank | Self::TooLong(_) | Self::K(_) => Code::InvalidArgument,
            Self::Version { .. } => Code::FailedPrecondition,
        }
    }
}

pub async fn search(
    catalogue: &Catalogue,
    tenant: &Tenant,
    request: pb::SearchOperationsRequest,
) -> Result<pb::SearchOperationsResponse, Status> {
    let k = check(&request).map_err(into_status)?;
    let wanted = request.min_catalog_version;
    let wait = remaining().map_or(WAIT_MAX, |left| left.saturating_sub(ANSWER_TIME).min(WAIT_MAX));
    let snapshot = catalogue.snapshot_from(tenant, wanted, wait).await.map_err(catalogue_status)?;
    if snapshot.version() < wanted {
        return Err(into_status(SearchError::Version { is: snapshot.version(), wanted }));
    }
    let by_resource = !request.yields.is_empty() || !request.takes.is_empty();
    let is_sentence = !request.text.is_empty();
    let generation = if by_resource || !is_sentence { None } else { catalogue.generation(tenant, &snapshot) };
    let meaning = match generation {
        Some(generation) => {
            let left = remaining().map(|left| left.saturating_sub(ANSWER_TIME));
            let sentence = generation.remote.question(&request.text, left).await;
            let fitting = sentence.filter(|sentence| sentence.len() == generation.meaning.dimension());
            fitting.map(|sentence| (generation, sentence))
        }
        None => None,
    };
    let searched = catalogue.work().run(move || {
        let meaning = meaning.as_ref().map(|(generation, sentence)| (&generation.meaning, &**sentence));
        let question = Question {
            text: &request.text,
            k,
            documents: &request.document_ids,
            tags: &request.tags,
            yields: &request.yields,
            takes: &request.takes,
            meaning,
        };
        let answer = if is_sentence { snapshot.index().search(question) } else { snapshot.index().usual(&question) };
        to_wire(&snapshot, &answer, by_resource || !is_sentence)
    });
    searched.await.map_err(work_status)
}

/// How many hits are wanted.
fn check(request: &pb::SearchOperationsRequest) -> Result<usize, SearchError> {
    if !request.text.is_empty() && request.text.trim().is_empty() {
        return Err(SearchError::Blank);
    }
    let chars = request.text.chars().count();
    if chars > TEXT_CHARS_MAX {
        return Err(SearchError::TooLong(chars));
    }
    match usize::try_from(request.k) {
        Ok(0) => Ok(K_DEFAULT),
        Ok(k) if k <= K_MAX => Ok(k),
        _ => Err(SearchError::K(request.k)),
    }
}

/// `all`: the hits are wanted whether they are near or not.
fn to_wire(snapshot: &Snapshot, answer: &Answer, all: bool) -> pb::SearchOperationsResponse {
    let is_near = all || answer.hits.iter().any(|hit| hit.probability >= NEAR_MIN);
    let hits = answer.hits.iter().filter(|_| is_near).filter_map(|hit| {
        let entry = snapshot.index().entries().get(hit.entry)?;
        let stored = snapshot.operations().get(&entry.id)?;
        let part = |(name, value): &(&str, f64)| pb::ScorePart { name: (*name).to_owned(), value: *value };
        Some(pb::OperationHit {
            summary: Some(convert::summary(stored)),
            score: hit.score,
            probability: hit.probability,
            parts: hit.parts.iter().map(part).collect(),
            producer: hit.producer,
        })
    });
    pb::SearchOperationsResponse {
        hits: hits.collect(),
        catalog_version: snapshot.version(),
        coverage: answer.coverage,
        left_out: answer.left_out.clone(),
    }
}
