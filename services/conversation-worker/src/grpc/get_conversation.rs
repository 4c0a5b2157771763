//! GetConversation.

use domain::Tenant;
use proto::conversation::v1 as pb;

use super::{Conversations, ReadError, messages};

pub(super) async fn handle(
    service: &Conversations,
    tenant: &Tenant,
    request: pb::GetConversationRequest,
) -> Result<pb::GetConversationResponse, ReadError> {
    let row = service.conversation(tenant, &request.conversation_id).await?;
    Ok(pb::GetConversationResponse { conversation: Some(messages::conversation(&row)) })
}
