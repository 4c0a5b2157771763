//! AdminService: one line per RPC; each RPC has its own file.

mod discard_dead_letter;
mod list_dead_letters;
mod replay_dead_letter;
mod switches;

use domain::{Micros, Tenant};
use prost_types::Timestamp;
use proto::admin::v1 as pb;
use service_kit::grpc::into_status;
use store::{StoreError, audit::Actor};
use tonic::{Code, Request, Response, Status};

use crate::{dead_letters::DeadLetters, switches::Switchboard};

pub(crate) struct Admin {
    pub letters: DeadLetters,
    pub switchboard: Switchboard,
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

    async fn list_switches(
        &self,
        request: Request<pb::ListSwitchesRequest>,
    ) -> Result<Response<pb::ListSwitchesResponse>, Status> {
        let (tenant, _) = who(&request)?;
        self.switches(&tenant).await.map(Response::new).map_err(into_status)
    }

    async fn set_switch(
        &self,
        request: Request<pb::SetSwitchRequest>,
    ) -> Result<Response<pb::SetSwitchResponse>, Status> {
        let (tenant, actor) = who(&request)?;
        self.set(&tenant, &actor, request.into_inner()).await.map(Response::new).map_err(into_status)
    }

    async fn clear_switch(
        &self,
        request: Request<pb::ClearSwitchRequest>,
    ) -> Result<Response<pb::ClearSwitchResponse>, Status> {
        let (tenant, actor) = who(&request)?;
        self.clear(&tenant, &actor, request.into_inner()).await.map(Response::new).map_err(into_status)
    }
}

/// The tenant of a call, and who the audit says it was.
fn who<T>(request: &Request<T>) -> Result<(Tenant, Actor), Status> {
    let caller = service_kit::grpc::Caller::of(request)?.clone();
    let from = request.remote_addr().map(|peer| peer.ip().to_canonical());
    Ok((caller.tenant, Actor { name: caller.name, from }))
}

fn timestamp(at: Micros) -> Timestamp {
    let micros = at.0.rem_euclid(1_000_000);
    Timestamp { seconds: at.seconds(), nanos: i32::try_from(micros * 1_000).unwrap_or_default() }
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
