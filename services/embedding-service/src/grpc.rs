//! The services on the wire: each file holds one service, its conversions and its errors.

pub mod catalog;
pub mod embedding;
mod page;
pub mod vectors;

use std::{error::Error, time::Duration};

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
            busy(RETRY_PAUSE, &error)
        }
        WorkError::Ended(_) => into_status(Fault(error)),
    }
}

/// RESOURCE_EXHAUSTED with the pause to keep.
fn busy(pause: Duration, error: &dyn Error) -> Status {
    let details = ErrorDetails::with_retry_info(Some(pause));
    Status::with_error_details(Code::ResourceExhausted, error.to_string(), details)
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
