//! ListMessages: oldest first; the page token is the cursor of the last message of the page.

use domain::Tenant;
use proto::conversation::v1 as pb;

use super::{Conversations, ReadError, cursor, messages, page_size};

pub(super) async fn handle(
    service: &Conversations,
    tenant: &Tenant,
    request: pb::ListMessagesRequest,
) -> Result<pb::ListMessagesResponse, ReadError> {
    let size = page_size(request.page_size)?;
    let conversation = service.conversation(tenant, &request.conversation_id).await?;
    let after = match request.page_token.as_str() {
        "" => None,
        token => Some(cursor::read(token).ok_or(ReadError::PageToken)?),
    };
    let mut rows = service.store.messages(tenant, conversation.id, after, size + 1, None).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > size);
    if more {
        rows.pop();
    }
    let messages: Vec<_> = rows.into_iter().map(messages::message).collect();
    let next_page_token = messages.last().filter(|_| more).map(|message| message.cursor.clone()).unwrap_or_default();
    Ok(pb::ListMessagesResponse { messages, next_page_token })
}
