//! PostMessage: accepts a message of another service's user, as a webhook would.

use domain::{Account, Content, ConversationId, Incoming, Tenant, id::NameError};
use proto::conversation::v1 as pb;
use service_kit::{grpc::GrpcError, telemetry};
use sha2::{Digest as _, Sha256};
use store::StoreError;
use tonic::Code;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{ACCOUNT_NAME, Conversations, store_code};

const TEXT_CHARS_MAX: usize = 10_000;
const USER_BYTES_MAX: usize = 200;
const KEY_BYTES_MAX: usize = 200;
const CHOICE_BYTES_MAX: usize = 200;

/// Why a message was not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostMessageError {
    #[error("user_id is 1 to {USER_BYTES_MAX} bytes without NUL")]
    User,
    #[error("text is empty and no choice is given")]
    Empty,
    #[error("text has {chars} characters; the limit is {TEXT_CHARS_MAX}")]
    TooLong { chars: usize },
    #[error("choice is at most {CHOICE_BYTES_MAX} bytes and idempotency_key at most {KEY_BYTES_MAX}")]
    Key,
    #[error("this user has no such conversation")]
    NoConversation,
    #[error("the internal account has no usable name")]
    Account(#[from] NameError),
    #[error("cannot save the message")]
    Store(#[from] StoreError),
}

impl GrpcError for PostMessageError {
    fn code(&self) -> Code {
        match self {
            Self::User | Self::Empty | Self::TooLong { .. } | Self::Key => Code::InvalidArgument,
            Self::NoConversation => Code::NotFound,
            Self::Account(_) => Code::Internal,
            Self::Store(error) => store_code(error),
        }
    }
}

pub(super) async fn handle(
    service: &Conversations,
    tenant: &Tenant,
    request: pb::PostMessageRequest,
) -> Result<pb::PostMessageResponse, PostMessageError> {
    let content = check(&request)?;
    let account = Account::new(channels::web::NAME, ACCOUNT_NAME)?;
    if !request.conversation_id.is_empty() {
        let asked: ConversationId = request.conversation_id.parse().map_err(|_| PostMessageError::NoConversation)?;
        if service.store.find_conversation(tenant, &account, &request.user_id).await? != Some(asked) {
            return Err(PostMessageError::NoConversation);
        }
    }
    let span = telemetry::send_inbox(1);
    let traceparent = telemetry::traceparent_of(&span);
    let incoming = Incoming {
        tenant: tenant.clone(),
        account,
        peer: request.user_id.clone(),
        provider: ACCOUNT_NAME.to_owned(),
        provider_message_id: message_id(tenant, &request),
        user: request.user_id,
        written_at: None, // our clock is not the one by which questions are sent
        contact_name: None,
        phone: None,
        quoted: None,
        content,
        traceparent: traceparent.clone(),
    };
    let accepted = service.store.accept(&[incoming]).instrument(span).await?;
    let accepted = accepted.first().copied().ok_or(StoreError::NotFound("message"))?;
    if accepted.ring {
        service.coordination.ring(accepted.conversation, traceparent.as_deref());
    }
    Ok(pb::PostMessageResponse {
        conversation_id: accepted.conversation.to_string(),
        seq: accepted.seq,
        duplicate: accepted.duplicate,
    })
}

fn check(request: &pb::PostMessageRequest) -> Result<Content, PostMessageError> {
    if !(1..=USER_BYTES_MAX).contains(&request.user_id.len()) || request.user_id.contains('\0') {
        return Err(PostMessageError::User);
    }
    if request.idempotency_key.len() > KEY_BYTES_MAX || request.choice.len() > CHOICE_BYTES_MAX {
        return Err(PostMessageError::Key);
    }
    let chars = request.text.chars().count();
    if chars > TEXT_CHARS_MAX {
        return Err(PostMessageError::TooLong { chars });
    }
    // NUL never reaches PostgreSQL.
    let text = request.text.replace('\0', "");
    if !request.choice.is_empty() {
        return Ok(Content::Choice { id: request.choice.replace('\0', ""), title: text });
    }
    if text.trim().is_empty() {
        return Err(PostMessageError::Empty);
    }
    Ok(Content::Text { text })
}

/// The key that is accepted once: one user's keys are no other's, nor another tenant's.
fn message_id(tenant: &Tenant, request: &pb::PostMessageRequest) -> String {
    if request.idempotency_key.is_empty() {
        return Uuid::now_v7().to_string();
    }
    let mut hash = Sha256::new();
    for part in [tenant.as_str(), &request.user_id, &request.idempotency_key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(user: &str, text: &str, choice: &str, key: &str) -> pb::PostMessageRequest {
        pb::PostMessageRequest {
            user_id: user.to_owned(),
            conversation_id: String::new(),
            text: text.to_owned(),
            choice: choice.to_owned(),
            idempotency_key: key.to_owned(),
        }
    }

    #[test]
    fn a_message_needs_a_user_and_something_said() {
        assert!(matches!(check(&request("", "hi", "", "")), Err(PostMessageError::User)));
        assert!(matches!(check(&request(&"u".repeat(201), "hi", "", "")), Err(PostMessageError::User)));
        assert!(matches!(check(&request("u", " \0", "", "")), Err(PostMessageError::Empty)));
        assert!(matches!(
            check(&request("u", &"š".repeat(10_001), "", "")),
            Err(PostMessageError::TooLong { chars: 10_001 })
        ));
        assert_eq!(
            check(&request("u", &"š".repeat(10_000), "", "")).ok(),
            Some(Content::Text { text: "š".repeat(10_000) })
        );
        let choice = Content::Choice { id: "yes".to_owned(), title: String::new() };
        assert_eq!(check(&request("u", "", "yes", "")).ok(), Some(choice));
    }

    #[test]
    fn keys_belong_to_a_user_of_a_tenant() {
        let (one, two) = (Tenant::new("one").expect("a name"), Tenant::new("two").expect("a name"));
        let id = |tenant: &Tenant, user: &str, key: &str| message_id(tenant, &request(user, "", "", key));
        assert_eq!(id(&one, "a", "k"), id(&one, "a", "k"));
        for other in [id(&two, "a", "k"), id(&one, "b", "k"), id(&one, "a", "l"), id(&one, "ak", "")] {
            assert_ne!(id(&one, "a", "k"), other);
        }
    }
}
