//! ReplayDeadLetter.

use proto::admin::v1 as pb;
use service_kit::{
    grpc::{Caller, GrpcError},
    telemetry,
};
use store::StoreError;
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
        caller: &Caller,
        request: pb::ReplayDeadLetterRequest,
    ) -> Result<pb::ReplayDeadLetterResponse, ReplayError> {
        let id = Uuid::parse_str(&request.dead_letter_id).map_err(|_invalid| ReplayError::NotFound)?;
        let replayed =
            self.store.replay_dead_letter(&caller.tenant, id, request.accept_unknown_effects, &caller.name).await?;
        self.coordination.ring(replayed.conversation, telemetry::traceparent().as_deref());
        tracing::info!(conversation.id = %replayed.conversation, seq = replayed.seq, "dead letter replayed");
        Ok(pb::ReplayDeadLetterResponse { seq: replayed.seq })
    }
}
