//! ListSwitches, SetSwitch and ClearSwitch.

use domain::Tenant;
use proto::admin::v1 as pb;
use service_kit::grpc::GrpcError;
use store::audit::Actor;
use tonic::Code;

use super::{Admin, database_code, timestamp};
use crate::switches::{Standing, SwitchError};

impl GrpcError for SwitchError {
    fn code(&self) -> Code {
        match self {
            Self::Name(_) | Self::Value { .. } => Code::InvalidArgument,
            Self::Store(error) => database_code(error),
        }
    }
}

impl Admin {
    pub(super) async fn switches(&self, tenant: &Tenant) -> Result<pb::ListSwitchesResponse, SwitchError> {
        let switches = self.switchboard.list(tenant).await?;
        Ok(pb::ListSwitchesResponse { switches: switches.into_iter().map(wire).collect() })
    }

    pub(super) async fn set(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        request: pb::SetSwitchRequest,
    ) -> Result<pb::SetSwitchResponse, SwitchError> {
        let standing = self.switchboard.set(tenant, &request.name, &request.value, actor).await?;
        Ok(pb::SetSwitchResponse { switch: Some(wire(standing)) })
    }

    pub(super) async fn clear(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        request: pb::ClearSwitchRequest,
    ) -> Result<pb::ClearSwitchResponse, SwitchError> {
        let standing = self.switchboard.clear(tenant, &request.name, actor).await?;
        Ok(pb::ClearSwitchResponse { switch: Some(wire(standing)) })
    }
}

fn wire(standing: Standing) -> pb::Switch {
    pb::Switch {
        name: standing.switch.name().to_owned(),
        value: standing.value().unwrap_or_default().to_owned(),
        change: standing
            .change
            .map(|change| pb::SwitchChange { changed_by: change.by, changed_at: Some(timestamp(change.at)) }),
        start_values: standing
            .starts
            .into_iter()
            .map(|(service, value)| pb::SwitchStartValue { service, value })
            .collect(),
    }
}
