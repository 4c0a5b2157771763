//! `dragoman.embedding.v1.VectorService`.

mod transfer;

use std::{sync::Arc, time::Instant};

use ai::Switches;
use domain::Tenant;
use proto::embedding::v1::{
    self as pb,
    vector_service_server::{VectorService, VectorServiceServer},
};
use service_kit::grpc::{Caller, GrpcError, MESSAGE_BYTES_MAX, into_status, remaining};
use tonic::{Code, Request, Response, Status, Streaming};

use super::{busy, embedding::embed_status, page::Page, work_status};
use crate::{
    embedding::{EmbedError, Embedder, embed_remote, from_bytes, to_bytes},
    vectors::{
        self, CollectionError, Found, Point, QdrantError, Question, Room, Schema, StoreError, VectorStore,
        distance_from_wire, to_wire,
    },
    work::Work,
};
use transfer::{Pieces, Transfers};

const POINTS_MAX: usize = 1_000;
const IDS_MAX: usize = 10_000;
const SEARCHES_MAX: usize = 100;
const K_DEFAULT: usize = 10;
const K_MAX: usize = 1_000;
/// Most that a response of a batch has beside its hits: tag and length.
const RESPONSE_BYTES: usize = 8;

/// The service.
pub fn server<S: VectorStore>(
    store: S,
    embedder: Arc<Embedder>,
    switches: Switches,
    work: Work,
) -> VectorServiceServer<Vectors<S>> {
    VectorServiceServer::new(Vectors { store, embedder, switches, work, transfers: Transfers::new() })
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The service's parts.
pub struct Vectors<S> {
    store: S,
    embedder: Arc<Embedder>,
    switches: Switches,
    work: Work,
    transfers: Transfers,
}

/// Why a call was refused.
#[derive(Debug, thiserror::Error)]
enum VectorsError {
    #[error("{what} is {is}; it must be from {least} to {most}")]
    OutOfRange { what: &'static str, is: i64, least: usize, most: usize },
    #[error("distance {0} is unknown")]
    Distance(i32),
    #[error("a vector's bytes are no whole number of 4-byte values")]
    CutVector,
    #[error("give one of vector, values and text")]
    VectorOrText,
    #[error("{0}")]
    Stream(&'static str),
    #[error(transparent)]
    Collection(#[from] CollectionError),
}

impl GrpcError for VectorsError {
    fn code(&self) -> Code {
        use CollectionError as C;
        match self {
            Self::OutOfRange { .. } | Self::Distance(_) | Self::CutVector | Self::VectorOrText | Self::Stream(_) => {
                Code::InvalidArgument
            }
            Self::Collection(error) => match error {
                C::NotFound(_) => Code::NotFound,
                C::Exists(_) => Code::AlreadyExists,
                C::Name(_)
                | C::Dimension(_)
                | C::PartitionField(_)
                | C::Id(_)
                | C::Payload { .. }
                | C::Vector { .. }
                | C::Backup(_) => Code::InvalidArgument,
                C::TooManyCollections(_)
                | C::TooManyPoints(_)
                | C::TooManyPartitions
                | C::TooManyBytes(_)
                | C::AnswerTooLarge(_) => Code::ResourceExhausted,
                C::Stopped => Code::DeadlineExceeded,
                C::Behind(_) => Code::Unavailable,
                C::Disk(_) | C::Index(_) => Code::Internal,
                C::Qdrant(error) => match error {
                    QdrantError::Away(_) => Code::Unavailable,
                    QdrantError::Busy(_) => Code::ResourceExhausted,
                    QdrantError::Refused(_) => Code::Internal,
                    QdrantError::Foreign(_) => Code::FailedPrecondition,
                    QdrantError::Payload(_) => Code::InvalidArgument,
                },
            },
        }
    }
}

#[tonic::async_trait]
impl<S: VectorStore> VectorService for Vectors<S> {
    async fn create_collection(
        &self,
        request: Request<pb::CreateCollectionRequest>,
    ) -> Result<Response<pb::CreateCollectionResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let distance = pb::Distance::try_from(request.distance)
            .map_err(|_| into_status(VectorsError::Distance(request.distance)))?;
        let dimension = usize::try_from(request.dimension).map_err(|_| {
            let is = request.dimension.into();
            into_status(VectorsError::OutOfRange { what: "dimension", is, least: 1, most: vector_index::MAX_DIMENSION })
        })?;
        let partition_field = request.partition_field;
        let schema = Schema { dimension, distance: distance_from_wire(distance), partition_field };
        let collection = Some(to_wire(request.name.clone(), &schema));
        self.store.create(&tenant, &request.name, &schema).await?;
        Ok(Response::new(pb::CreateCollectionResponse { collection }))
    }

    async fn delete_collection(
        &self,
        request: Request<pb::DeleteCollectionRequest>,
    ) -> Result<Response<pb::DeleteCollectionResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let name = request.into_inner().name;
        self.store.delete(&tenant, &name).await?;
        Ok(Response::new(pb::DeleteCollectionResponse {}))
    }

    async fn list_collections(
        &self,
        request: Request<pb::ListCollectionsRequest>,
    ) -> Result<Response<pb::ListCollectionsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let page = Page::of(request.page_size, &request.page_token)?;
        let rows = self.store.list(&tenant, &page.after, page.size + 1).await?;
        let mut collections: Vec<pb::Collection> =
            rows.into_iter().map(|(name, schema)| to_wire(name, &schema)).collect();
        let next_page_token = page.cut(&mut collections, |collection| &collection.name);
        Ok(Response::new(pb::ListCollectionsResponse { collections, next_page_token }))
    }

    async fn upsert(
        &self,
        request: Request<Streaming<pb::UpsertRequest>>,
    ) -> Result<Response<pb::UpsertResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let mut messages = request.into_inner();
        let mut collection: Option<String> = None;
        let mut upserted_count = 0;
        while let Some(message) = messages.message().await? {
            let name = match (&collection, message.collection) {
                (None, name) if name.is_empty() => {
                    return Err(into_status(VectorsError::Stream("the first message names no collection")));
                }
                (Some(name), other) if !other.is_empty() && *name != other => {
                    return Err(into_status(VectorsError::Stream("a later message names another collection")));
                }
                (Some(name), _) => name.clone(),
                (None, name) => collection.insert(name).clone(),
            };
            if message.points.len() > POINTS_MAX {
                return Err(into_status(out_of_range("points of a message", message.points.len(), 0, POINTS_MAX)));
            }
            let points: Result<Vec<Point>, _> = message.points.into_iter().map(point).collect();
            upserted_count += count(self.store.upsert(&tenant, &name, points.map_err(into_status)?).await?);
        }
        if collection.is_none() {
            return Err(into_status(VectorsError::Stream("the stream has no message")));
        }
        Ok(Response::new(pb::UpsertResponse { upserted_count }))
    }

    async fn delete(&self, request: Request<pb::DeleteRequest>) -> Result<Response<pb::DeleteResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let pb::DeleteRequest { collection, ids } = request.into_inner();
        if ids.len() > IDS_MAX {
            return Err(into_status(out_of_range("number of ids", ids.len(), 0, IDS_MAX)));
        }
        let deleted = self.store.remove(&tenant, &collection, ids).await?;
        Ok(Response::new(pb::DeleteResponse { deleted_count: count(deleted) }))
    }

    async fn search(&self, request: Request<pb::SearchRequest>) -> Result<Response<pb::SearchResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let (name, question) = self.question(&tenant, request.into_inner()).await?;
        let answers = self.ask(&tenant, &name, vec![question]).await?;
        Ok(Response::new(response(answers.into_iter().next().unwrap_or_default())))
    }

    async fn batch_search(
        &self,
        request: Request<pb::BatchSearchRequest>,
    ) -> Result<Response<pb::BatchSearchResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let searches = request.into_inner().searches;
        if searches.len() > SEARCHES_MAX {
            return Err(into_status(out_of_range("number of searches", searches.len(), 0, SEARCHES_MAX)));
        }
        let questions =
            futures::future::try_join_all(searches.into_iter().map(|search| self.question(&tenant, search))).await?;
        let mut responses = vec![pb::SearchResponse::default(); questions.len()];
        let mut by_name: std::collections::BTreeMap<String, (Vec<usize>, Vec<Question>)> = Default::default();
        for (at, (name, question)) in questions.into_iter().enumerate() {
            let (places, questions) = by_name.entry(name).or_default();
            places.push(at);
            questions.push(question);
        }
        let asked = by_name.into_iter().map(|(name, (places, questions))| {
            let tenant = &tenant;
            async move { Ok::<_, Status>((places, self.ask(tenant, &name, questions).await?)) }
        });
        for (places, answers) in futures::future::try_join_all(asked).await? {
            for (place, found) in places.into_iter().zip(answers) {
                responses[place] = response(found);
            }
        }
        let answer = pb::BatchSearchResponse { responses };
        if prost::Message::encoded_len(&answer) > MESSAGE_BYTES_MAX {
            return Err(CollectionError::AnswerTooLarge(MESSAGE_BYTES_MAX).into());
        }
        Ok(Response::new(answer))
    }

    async fn list_points(
        &self,
        request: Request<pb::ListPointsRequest>,
    ) -> Result<Response<pb::ListPointsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let page = Page::up_to(request.page_size, &request.page_token, POINTS_MAX)?;
        let room = Room::new(MESSAGE_BYTES_MAX - 4096);
        let asked = (page.after.as_str(), page.size);
        let (points, more) = self.store.page(&tenant, &request.collection, asked, request.with_vectors, room).await?;
        let last = points.last().filter(|_| more).map(|point| hex::encode(&point.id));
        let points = points.into_iter().map(|point| pb::Point {
            vector: to_bytes(&point.vector).into(),
            id: point.id,
            values: Vec::new(),
            payload: point.payload,
        });
        let answer = pb::ListPointsResponse { points: points.collect(), next_page_token: last.unwrap_or_default() };
        Ok(Response::new(answer))
    }

    async fn get_stats(&self, request: Request<pb::GetStatsRequest>) -> Result<Response<pb::GetStatsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let name = request.into_inner().collection;
        let (schema, stats) = self.store.stats(&tenant, &name).await?;
        Ok(Response::new(pb::GetStatsResponse {
            collection: Some(to_wire(name, &schema)),
            point_count: count(stats.points),
            disk_bytes: i64::try_from(stats.disk_bytes).unwrap_or(i64::MAX),
            segment_count: i32::try_from(stats.segments).unwrap_or(i32::MAX),
            tail_count: count(stats.tail),
            linked_count: count(stats.linked),
            generation: i64::try_from(stats.generation).unwrap_or(i64::MAX),
        }))
    }

    type ExportCollectionStream = Pieces;

    async fn export_collection(
        &self,
        request: Request<pb::ExportCollectionRequest>,
    ) -> Result<Response<Pieces>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let export = self.store.export(&tenant, &request.into_inner().collection).await?;
        self.transfers.export(export).map(Response::new)
    }

    async fn import_collection(
        &self,
        request: Request<Streaming<pb::ImportCollectionRequest>>,
    ) -> Result<Response<pb::ImportCollectionResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        self.import(tenant, request.into_inner()).await.map(Response::new)
    }
}

impl<S: VectorStore> Vectors<S> {
    /// A search as a question to a collection; a text as its vector.
    async fn question(&self, tenant: &Tenant, search: pb::SearchRequest) -> Result<(String, Question), Status> {
        let k = match usize::try_from(search.k) {
            Ok(0) => K_DEFAULT,
            Ok(k) if k <= K_MAX => k,
            _ => {
                let (is, most) = (search.k.into(), K_MAX);
                return Err(into_status(VectorsError::OutOfRange { what: "k", is, least: 0, most }));
            }
        };
        let vector = match (search.vector.is_empty(), search.values.is_empty(), search.text.is_empty()) {
            (false, true, true) => from_bytes(&search.vector).ok_or_else(|| into_status(VectorsError::CutVector))?,
            (true, false, true) => search.values,
            (true, true, false) => self.embed(tenant, search.text).await?,
            _ => return Err(into_status(VectorsError::VectorOrText)),
        };
        Ok((search.collection, Question { vector, k, filter: search.filter, exact: search.exact }))
    }

    async fn embed(&self, tenant: &Tenant, text: String) -> Result<Vec<f32>, Status> {
        if let Some(remote) = self.embedder.remote() {
            let embedded = embed_remote(remote, &[text], self.switches.of(tenant).enabled).await.into_iter().next();
            return embedded.unwrap_or(Err(EmbedError::Empty)).map(|of| of.vector.to_vec()).map_err(embed_status);
        }
        let embedder = Arc::clone(&self.embedder);
        let embedded = self.work.run(move || embedder.embed("", &text).map(|of| of.vector.to_vec())).await;
        embedded.map_err(work_status)?.map_err(embed_status)
    }

    async fn ask(&self, tenant: &Tenant, name: &str, questions: Vec<Question>) -> Result<Vec<Vec<Found>>, Status> {
        let mut room = Room::new(MESSAGE_BYTES_MAX);
        room.take(RESPONSE_BYTES * questions.len())?;
        let until = remaining().map(|left| Instant::now() + left);
        Ok(self.store.ask(tenant, name, questions, room, until).await?)
    }
}

fn response(found: Vec<vectors::Found>) -> pb::SearchResponse {
    let hit = |found: vectors::Found| pb::SearchHit { id: found.id, score: found.score, payload: found.payload };
    pb::SearchResponse { hits: found.into_iter().map(hit).collect() }
}

impl From<CollectionError> for Status {
    fn from(error: CollectionError) -> Self {
        match error {
            CollectionError::Qdrant(QdrantError::Busy(pause)) => busy(pause, &error),
            error => into_status(VectorsError::Collection(error)),
        }
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Work(error) => work_status(error),
            StoreError::Collection(error) => error.into(),
        }
    }
}

fn point(point: pb::Point) -> Result<Point, VectorsError> {
    let vector = match point.vector.is_empty() {
        true => point.values,
        false => from_bytes(&point.vector).ok_or(VectorsError::CutVector)?,
    };
    Ok(Point { id: point.id, vector, payload: point.payload })
}

fn out_of_range(what: &'static str, is: usize, least: usize, most: usize) -> VectorsError {
    VectorsError::OutOfRange { what, is: i64::try_from(is).unwrap_or(i64::MAX), least, most }
}

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
