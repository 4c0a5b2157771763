//! GetNotification: how far a message that nobody asked for has come.

use domain::Tenant;
use proto::conversation::v1 as pb;

use super::{Conversations, ReadError};

pub(super) async fn handle(
    service: &Conversations,
    tenant: &Tenant,
    request: pb::GetNotificationRequest,
) -> Result<pb::GetNotificationResponse, ReadError> {
    let conversation = service.conversation(tenant, &request.conversation_id).await?;
    let state = service.store.notification(tenant, conversation.id, request.seq).await?;
    let state = state.ok_or(ReadError::NoNotification)?;
    Ok(pb::GetNotificationResponse {
        status: state.status,
        reason: state.reason.unwrap_or_default(),
        template_followed: state.followed,
    })
}
