//! `dragoman.conversation.v1.ConversationService`: one line per RPC; each has its own file.

mod cursor;
mod get_conversation;
mod get_notification;
mod list_conversations;
mod list_messages;
mod messages;
mod post_message;
mod send_notification;
mod watch_conversation;

use std::{pin::Pin, sync::Arc};

use coordination::Coordination;
use domain::{Account, ConversationId, Tenant};
use futures::Stream;
use proto::conversation::v1 as pb;
use service_kit::grpc::{Caller, GrpcError, into_status};
use store::{Store, StoreError, history::ConversationRow};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};

use crate::tenants::Tenants;

/// Second half of the account, and provider, of what comes by `PostMessage`, which takes no files.
pub(crate) const ACCOUNT_NAME: &str = "api";

/// True for the account of those who call us over gRPC: they neither send files nor get any.
pub(crate) fn is_own(account: &Account) -> bool {
    account.channel() == channels::web::NAME && account.name() == ACCOUNT_NAME
}

/// Events of one watched conversation.
type Events = Pin<Box<dyn Stream<Item = Result<pb::WatchConversationResponse, Status>> + Send>>;

/// The service.
pub struct Conversations {
    store: Store,
    coordination: Coordination,
    tenants: Arc<Tenants>,
    /// Cancelled when the server stops: open streams end then.
    stop: CancellationToken,
}

impl Conversations {
    /// Serves from the store.
    pub fn new(store: Store, coordination: Coordination, tenants: Arc<Tenants>, stop: CancellationToken) -> Self {
        Self { store, coordination, tenants, stop }
    }
}

#[tonic::async_trait]
impl pb::conversation_service_server::ConversationService for Conversations {
    type WatchConversationStream = Events;

    async fn post_message(
        &self,
        request: Request<pb::PostMessageRequest>,
    ) -> Result<Response<pb::PostMessageResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        post_message::handle(self, &caller.tenant, request.into_inner()).await.map(Response::new).map_err(into_status)
    }

    async fn send_notification(
        &self,
        request: Request<pb::SendNotificationRequest>,
    ) -> Result<Response<pb::SendNotificationResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        send_notification::handle(self, &caller.tenant, request.into_inner())
            .await
            .map(Response::new)
            .map_err(into_status)
    }

    async fn get_notification(
        &self,
        request: Request<pb::GetNotificationRequest>,
    ) -> Result<Response<pb::GetNotificationResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        get_notification::handle(self, &caller.tenant, request.into_inner())
            .await
            .map(Response::new)
            .map_err(into_status)
    }

    async fn watch_conversation(
        &self,
        request: Request<pb::WatchConversationRequest>,
    ) -> Result<Response<Events>, Status> {
        let caller = Caller::of(&request)?.clone();
        watch_conversation::handle(self, caller.tenant, request.into_inner())
            .await
            .map(Response::new)
            .map_err(into_status)
    }

    async fn get_conversation(
        &self,
        request: Request<pb::GetConversationRequest>,
    ) -> Result<Response<pb::GetConversationResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        get_conversation::handle(self, &caller.tenant, request.into_inner())
            .await
            .map(Response::new)
            .map_err(into_status)
    }

    async fn list_conversations(
        &self,
        request: Request<pb::ListConversationsRequest>,
    ) -> Result<Response<pb::ListConversationsResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        list_conversations::handle(self, &caller.tenant, request.into_inner())
            .await
            .map(Response::new)
            .map_err(into_status)
    }

    async fn list_messages(
        &self,
        request: Request<pb::ListMessagesRequest>,
    ) -> Result<Response<pb::ListMessagesResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        list_messages::handle(self, &caller.tenant, request.into_inner()).await.map(Response::new).map_err(into_status)
    }
}

/// What reading a conversation can meet.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("there is no such conversation")]
    NoConversation,
    #[error("there is no such notification in this conversation")]
    NoNotification,
    #[error("`{0}` is no cursor: write <seq>.<part>")]
    Cursor(String),
    #[error("the page token is not one of ours")]
    PageToken,
    #[error("page_size is {0}; it is 1 to 200, or 0 for 50")]
    PageSize(i32),
    #[error("cannot read the conversation")]
    Store(#[from] StoreError),
}

impl GrpcError for ReadError {
    fn code(&self) -> Code {
        match self {
            Self::NoConversation | Self::NoNotification => Code::NotFound,
            Self::Cursor(_) | Self::PageToken | Self::PageSize(_) => Code::InvalidArgument,
            Self::Store(error) => store_code(error),
        }
    }
}

/// The code of a failure of the store.
fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Payload(_) => Code::InvalidArgument,
        error if error.is_retryable() => Code::Unavailable,
        _ => Code::Internal,
    }
}

impl Conversations {
    /// A conversation of this tenant by its id as written.
    async fn conversation(&self, tenant: &Tenant, id: &str) -> Result<ConversationRow, ReadError> {
        let id: ConversationId = id.parse().map_err(|_| ReadError::NoConversation)?;
        self.store.conversation(tenant, id).await?.ok_or(ReadError::NoConversation)
    }
}

/// Rows of a page.
fn page_size(asked: i32) -> Result<i64, ReadError> {
    match asked {
        0 => Ok(50),
        1..=200 => Ok(i64::from(asked)),
        other => Err(ReadError::PageSize(other)),
    }
}
