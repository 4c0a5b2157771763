//! From an error to the status that tells the caller what to do.

use std::{error::Error, fmt::Write as _, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Pause that UNAVAILABLE asks for.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// An error of an RPC that knows its code.
pub trait GrpcError: Error {
    /// What the caller should do: see the table of codes in the house guide.
    fn code(&self) -> Code;
}

/// The status of `error`. A fault of ours is logged once with all its causes and told in neutral words; everything
/// else is told as it stands.
pub fn into_status(error: impl GrpcError) -> Status {
    let code = error.code();
    match code {
        Code::Internal | Code::Unknown | Code::DataLoss => {
            tracing::error!(error = chain(&error), "a call failed");
            Status::new(code, "internal error")
        }
        Code::Unavailable => {
            tracing::warn!(error = chain(&error), "a call could not be answered");
            let details = ErrorDetails::with_retry_info(Some(RETRY_PAUSE));
            Status::with_error_details(code, "temporarily unavailable; retry after a pause", details)
        }
        _ => Status::new(code, error.to_string()),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("password hunter2 refused")]
    struct Sample(Code);

    impl GrpcError for Sample {
        fn code(&self) -> Code {
            self.0
        }
    }

    #[test]
    fn faults_of_ours_are_told_in_neutral_words() {
        for (code, told) in
            [(Code::Internal, false), (Code::Unknown, false), (Code::Unavailable, false), (Code::NotFound, true)]
        {
            let status = into_status(Sample(code));
            assert_eq!(status.code(), code);
            assert_eq!(status.message().contains("hunter2"), told, "{code:?}");
        }
        assert!(into_status(Sample(Code::Unavailable)).get_details_retry_info().is_some());
    }
}
