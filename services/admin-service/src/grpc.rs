//! AdminService: one line per RPC; each RPC has its own file.

mod discard_dead_letter;
mod list_dead_letters;
mod replay_dead_letter;

use domain::Tenant;
use proto::admin::v1 as pb;
use service_kit::grpc::into_status;
use store::{StoreError, audit::Actor};
use tonic::{Code, Request, Response, Status};

use crate::dead_letters::DeadLetters;

pub(crate) struct Admin {
    pub letters: DeadLetters,
}

#[tonic::async_trait]
impl pb::admin_service_server::AdminService for Admin {
    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        let caller = service_kit::grpc::Caller::of(&request)?.clone();
        self.list(&caller, request.into_inner()).await.map(Response::new).map_err(into_status)
    }

    async fn replay_dead_letter(
        &self,
        request: Request<pb::ReplayDeadLetterRequest>,
    ) -> Result<Response<pb::ReplayDeadLetterResponse>, Status> {
        let (tenant, actor) = who(&request)?;
        self.replay(&tenant, &actor, request.into_inner()).await.map(Response::new).map_err(into_status)
    }

    async fn discard_dead_letter(
        &self,
        request: Request<pb::DiscardDeadLetterRequest>,
    ) -> Result<Response<pb::DiscardDeadLetterResponse>, Status> {
        let (tenant, actor) = who(&request)?;
        self.discard(&tenant, &actor, request.into_inner()).await.map(Response::new).map_err(into_status)
    }
}

/// The tenant of a call, and who the audit says it was.
fn who<T>(request: &Request<T>) -> Result<(Tenant, Actor), Status> {
    let caller = service_kit::grpc::Caller::of(request)?.clone();
    let from = request.remote_addr().map(|peer| peer.ip().to_canonical());
    Ok((caller.tenant, Actor { name: caller.name, from }))
}

/// What the caller should do about an error of the store.
fn database_code(error: &StoreError) -> Code {
    match error {
        StoreError::NotFound(_) => Code::NotFound,
        StoreError::AlreadyReplayed | StoreError::UnknownEffect => Code::FailedPrecondition,
        StoreError::Exists(_) => Code::AlreadyExists,
        error if error.is_retryable() => Code::Unavailable,
        _ => Code::Internal,
    }
}
