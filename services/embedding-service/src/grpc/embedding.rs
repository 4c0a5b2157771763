//! `dragoman.embedding.v1.EmbeddingService`.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use proto::embedding::v1::{
    self as pb,
    embedding_service_server::{EmbeddingService, EmbeddingServiceServer},
};
use service_kit::grpc::{GrpcError, into_status};
use tonic::{Code, Request, Response, Status, Streaming};

use super::work_status;
use crate::{
    embedding::{EmbedError, Embedded, Embedder, to_bytes},
    work::Work,
};

/// Texts of one stream at work at the same time.
const STREAM_AHEAD: usize = 4;

/// The service.
pub fn server(embedder: Arc<Embedder>, work: Work) -> EmbeddingServiceServer<Embedding> {
    EmbeddingServiceServer::new(Embedding(Shared { embedder, work }))
}

/// The service's parts.
pub struct Embedding(Shared);

#[derive(Clone)]
struct Shared {
    embedder: Arc<Embedder>,
    work: Work,
}

impl Shared {
    async fn embed(self, model: String, text: String) -> Result<Embedded, Status> {
        let embedded = self.work.run(move || self.embedder.embed(&model, &text)).await;
        embedded.map_err(work_status)?.map_err(into_status)
    }
}

#[tonic::async_trait]
impl EmbeddingService for Embedding {
    async fn embed(&self, request: Request<pb::EmbedRequest>) -> Result<Response<pb::EmbedResponse>, Status> {
        let request = request.into_inner();
        let embedded = self.0.clone().embed(request.model, request.text).await?;
        Ok(Response::new(pb::EmbedResponse {
            dimension: dimension(&embedded),
            vector: to_bytes(&embedded.vector).into(),
            model: embedded.model.to_owned(),
            cached: embedded.cached,
        }))
    }

    type EmbedBatchStream = Pin<Box<dyn Stream<Item = Result<pb::EmbedBatchResponse, Status>> + Send>>;

    async fn embed_batch(
        &self,
        request: Request<Streaming<pb::EmbedBatchRequest>>,
    ) -> Result<Response<Self::EmbedBatchStream>, Status> {
        let shared = self.0.clone();
        let answers = request.into_inner().map(move |message| {
            let shared = shared.clone();
            async move {
                let message = message?;
                let embedded = shared.embed(message.model, message.text).await?;
                Ok(pb::EmbedBatchResponse {
                    dimension: dimension(&embedded),
                    vector: to_bytes(&embedded.vector).into(),
                    model: embedded.model.to_owned(),
                    cached: embedded.cached,
                })
            }
        });
        // In order; the first failure ends the stream.
        let answers = answers.buffered(STREAM_AHEAD).scan(false, |failed, answer: Result<_, Status>| {
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
        }
    }
}
