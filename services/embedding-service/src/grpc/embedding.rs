//! `dragoman.embedding.v1.EmbeddingService`.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use ai::Switches;
use domain::Tenant;
use futures::{Stream, StreamExt as _, future::join_all};
use proto::embedding::v1::{
    self as pb,
    embedding_service_server::{EmbeddingService, EmbeddingServiceServer},
};
use service_kit::grpc::{Caller, GrpcError, MESSAGE_BYTES_MAX, into_status};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::work_status;
use crate::{
    embedding::{EmbedError, Embedded, Embedder, RemoteError, embed_remote, to_bytes},
    work::Work,
};

/// Pieces of one stream at work at the same time.
const STREAM_AHEAD: usize = 4;
/// Texts that came together and are asked for together.
const STREAM_TEXTS: usize = 96;

/// The service.
pub fn server(embedder: Arc<Embedder>, switches: Switches, work: Work) -> EmbeddingServiceServer<Embedding> {
    EmbeddingServiceServer::new(Embedding(Shared { embedder, switches, work }))
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The service's parts.
pub struct Embedding(Shared);

#[derive(Clone)]
struct Shared {
    embedder: Arc<Embedder>,
    switches: Switches,
    work: Work,
}

impl Shared {
    async fn embed(self, tenant: &Tenant, model: String, text: String) -> Result<Embedded, Status> {
        if let Some(remote) = self.embedder.remote_of(&model) {
            let embedded = embed_remote(remote, &[text], self.switches.of(tenant).enabled).await.pop();
            return embedded.unwrap_or(Err(RemoteError::Ended.into())).map_err(embed_status);
        }
        let embedded = self.work.run(move || self.embedder.embed(&model, &text)).await;
        embedded.map_err(work_status)?.map_err(embed_status)
    }

    /// Texts of a stream that came together, in their order; the remote model is asked for its share at once.
    async fn embed_all(
        self,
        tenant: Tenant,
        messages: Vec<Result<pb::EmbedBatchRequest, Status>>,
    ) -> Vec<Result<pb::EmbedBatchResponse, Status>> {
        // The texts of each remote model, with their places.
        let mut asked: BTreeMap<&str, (Vec<usize>, Vec<String>)> = BTreeMap::new();
        for (at, message) in messages.iter().enumerate() {
            if let Ok(message) = message
                && self.embedder.remote_of(&message.model).is_some()
            {
                let (places, texts) = asked.entry(&message.model).or_default();
                places.push(at);
                texts.push(message.text.clone());
            }
        }
        let mut found: BTreeMap<usize, Result<Embedded, EmbedError>> = BTreeMap::new();
        let allowed = self.switches.of(&tenant).enabled;
        let each = asked.into_iter().filter_map(|(model, asked)| Some((self.embedder.remote_of(model)?, asked)));
        let each = each.map(|(remote, (places, texts))| async move {
            places.into_iter().zip(embed_remote(remote, &texts, allowed).await).collect::<Vec<_>>()
        });
        found.extend(join_all(each).await.into_iter().flatten());
        let mut answers = Vec::with_capacity(messages.len());
        for (at, message) in messages.into_iter().enumerate() {
            let embedded = match (found.remove(&at), message) {
                (Some(found), _) => found.map_err(embed_status),
                (None, Ok(message)) => self.clone().embed(&tenant, message.model, message.text).await,
                (None, Err(status)) => Err(status),
            };
            let is_end = embedded.is_err();
            answers.push(embedded.map(|embedded| pb::EmbedBatchResponse {
                dimension: dimension(&embedded),
                vector: to_bytes(&embedded.vector).into(),
                model: embedded.model.to_string(),
                cached: embedded.cached,
            }));
            if is_end {
                break;
            }
        }
        answers
    }
}

#[tonic::async_trait]
impl EmbeddingService for Embedding {
    async fn embed(&self, request: Request<pb::EmbedRequest>) -> Result<Response<pb::EmbedResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let embedded = self.0.clone().embed(&tenant, request.model, request.text).await?;
        Ok(Response::new(pb::EmbedResponse {
            dimension: dimension(&embedded),
            vector: to_bytes(&embedded.vector).into(),
            model: embedded.model.to_string(),
            cached: embedded.cached,
        }))
    }

    type EmbedBatchStream = Pin<Box<dyn Stream<Item = Result<pb::EmbedBatchResponse, Status>> + Send>>;

    async fn embed_batch(
        &self,
        request: Request<Streaming<pb::EmbedBatchRequest>>,
    ) -> Result<Response<Self::EmbedBatchStream>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let shared = self.0.clone();
        let pieces = request.into_inner().ready_chunks(STREAM_TEXTS);
        let answers = pieces.map(move |piece| shared.clone().embed_all(tenant.clone(), piece)).buffered(STREAM_AHEAD);
        // In order; the first failure ends the stream.
        let answers = answers.flat_map(futures::stream::iter).scan(false, |failed, answer: Result<_, Status>| {
            let before = std::mem::replace(failed, *failed || answer.is_err());
            std::future::ready((!before).then_some(answer))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn dimension(embedded: &Embedded) -> i32 {
    i32::try_from(embedded.vector.len()).unwrap_or(i32::MAX)
}

impl GrpcError for EmbedError {
    fn code(&self) -> Code {
        match self {
            Self::Empty | Self::TooLong { .. } | Self::UnknownModel(_) => Code::InvalidArgument,
            Self::Remote(RemoteError::NotNow(_) | RemoteError::QuotaSpent(_)) => Code::ResourceExhausted,
            Self::Remote(RemoteError::Refused(_)) => Code::InvalidArgument,
            Self::Remote(RemoteError::Llm(_)) => Code::Unavailable,
            Self::Remote(RemoteError::Off) => Code::FailedPrecondition,
            Self::Remote(RemoteError::Ended) => Code::Internal,
        }
    }
}

/// With the pause to keep, where the model's limits are reached.
pub(super) fn embed_status(error: EmbedError) -> Status {
    match error {
        EmbedError::Remote(RemoteError::NotNow(wait) | RemoteError::QuotaSpent(wait)) => {
            let details = ErrorDetails::with_retry_info(Some(wait.max(Duration::from_millis(100))));
            Status::with_error_details(error.code(), error.to_string(), details)
        }
        error => into_status(error),
    }
}
