//! ReplayDeadLetter.

use domain::Tenant;
use proto::admin::v1 as pb;
use service_kit::grpc::GrpcError;
use store::{StoreError, audit::Actor};
use tonic::Code;
use uuid::Uuid;

use super::{Admin, database_code};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("there is no such dead letter")]
    NotFound,
    #[error("this dead letter was replayed already")]
    AlreadyReplayed,
    #[error(
        "an effect of this dead letter may have happened: check it, then set `accept_unknown_effects` if it may happen again"
    )]
    UnknownEffect,
    #[error("cannot replay the dead letter")]
    Store(#[source] StoreError),
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            StoreError::AlreadyReplayed => Self::AlreadyReplayed,
            StoreError::UnknownEffect => Self::UnknownEffect,
            other => Self::Store(other),
        }
    }
}

impl GrpcError for ReplayError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::AlreadyReplayed | Self::UnknownEffect => Code::FailedPrecondition,
            Self::Store(error) => database_code(error),
        }
    }
}

impl Admin {
    pub(super) async fn replay(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        request: pb::ReplayDeadLetterRequest,
    ) -> Result<pb::ReplayDeadLetterResponse, ReplayError> {
        let id = Uuid::parse_str(&request.dead_letter_id).map_err(|_invalid| ReplayError::NotFound)?;
        let replayed = self.letters.replay(tenant, id, request.accept_unknown_effects, actor).await?;
        Ok(pb::ReplayDeadLetterResponse { seq: replayed.seq })
    }
}
