//! DiscardDeadLetter.

use domain::Tenant;
use proto::admin::v1 as pb;
use service_kit::grpc::GrpcError;
use store::{StoreError, audit::Actor};
use tonic::Code;
use uuid::Uuid;

use super::{Admin, database_code};
use crate::dead_letters::REASON_CHARS_MAX;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscardError {
    #[error("`reason` is empty: say why the dead letter is put away")]
    NoReason,
    #[error("`reason` has {0} characters; the limit is {REASON_CHARS_MAX}")]
    ReasonTooLong(usize),
    #[error("there is no such dead letter")]
    NotFound,
    #[error("this dead letter was replayed or put away already")]
    DealtWith,
    #[error("cannot put the dead letter away")]
    Store(#[source] StoreError),
}

impl From<StoreError> for DiscardError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

impl GrpcError for DiscardError {
    fn code(&self) -> Code {
        match self {
            Self::NoReason | Self::ReasonTooLong(_) => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::DealtWith => Code::FailedPrecondition,
            Self::Store(error) => database_code(error),
        }
    }
}

impl Admin {
    pub(super) async fn discard(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        request: pb::DiscardDeadLetterRequest,
    ) -> Result<pb::DiscardDeadLetterResponse, DiscardError> {
        let id = Uuid::parse_str(&request.dead_letter_id).map_err(|_invalid| DiscardError::NotFound)?;
        let reason = request.reason.trim();
        match reason.chars().count() {
            0 => Err(DiscardError::NoReason),
            1..=REASON_CHARS_MAX if self.letters.discard(tenant, id, reason, actor).await? => {
                Ok(pb::DiscardDeadLetterResponse {})
            }
            1..=REASON_CHARS_MAX => Err(DiscardError::DealtWith),
            chars => Err(DiscardError::ReasonTooLong(chars)),
        }
    }
}
