//! ListConversations: newest first; the page token is the last id of the page.

use domain::Tenant;
use proto::conversation::v1 as pb;

use super::{Conversations, ReadError, messages, page_size};

pub(super) async fn handle(
    service: &Conversations,
    tenant: &Tenant,
    request: pb::ListConversationsRequest,
) -> Result<pb::ListConversationsResponse, ReadError> {
    let size = page_size(request.page_size)?;
    let before = match request.page_token.as_str() {
        "" => None,
        token => Some(token.parse().map_err(|_| ReadError::PageToken)?),
    };
    let mut rows = service.store.list_conversations(tenant, before, size + 1).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > size);
    if more {
        rows.pop();
    }
    let next_page_token = rows.last().filter(|_| more).map(|row| row.id.to_string()).unwrap_or_default();
    Ok(pb::ListConversationsResponse {
        conversations: rows.iter().map(messages::conversation).collect(),
        next_page_token,
    })
}
