//! The services on the wire: each file holds one service, its conversions and its errors.

pub mod catalog;
pub mod embedding;
mod page;
pub mod vectors;

use domain::telemetry::metric;
use service_kit::grpc::{GrpcError, into_status};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::work::{RETRY_PAUSE, WorkError};

/// RESOURCE_EXHAUSTED with the pause to keep, when the queue was full.
fn work_status(error: WorkError) -> Status {
    match error {
        WorkError::Busy => {
            metrics::counter!(metric::EMBEDDING_SERVICE_REFUSED).increment(1);
            let details = ErrorDetails::with_retry_info(Some(RETRY_PAUSE));
            Status::with_error_details(Code::ResourceExhausted, error.to_string(), details)
        }
        WorkError::Ended(_) => into_status(Fault(error)),
    }
}

/// A fault of ours.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Fault(WorkError);

impl GrpcError for Fault {
    fn code(&self) -> Code {
        Code::Internal
    }
}
