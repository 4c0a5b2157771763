//! `dragoman.embedding.v1.VectorService`.

use std::sync::Arc;

use ai::Switches;
use domain::Tenant;
use proto::embedding::v1::{
    self as pb,
    vector_service_server::{VectorService, VectorServiceServer},
};
use service_kit::grpc::{Caller, GrpcError, MESSAGE_BYTES_MAX, into_status};
use tonic::{Code, Request, Response, Status, Streaming};

use super::{embedding::embed_status, page::Page, work_status};
use crate::{
    embedding::{EmbedError, Embedder, embed_remote, from_bytes, to_bytes},
    vectors::{Collection, CollectionError, Collections, Point, Room, Schema, distance_from_wire, distance_to_wire},
    work::Work,
};

const POINTS_MAX: usize = 1_000;
const IDS_MAX: usize = 10_000;
const SEARCHES_MAX: usize = 100;
const K_DEFAULT: usize = 10;
const K_MAX: usize = 1_000;
/// Most that a response of a batch has beside its hits: tag and length.
const RESPONSE_BYTES: usize = 8;

/// The service.
pub fn server(
    collections: Arc<Collections>,
    embedder: Arc<Embedder>,
    switches: Switches,
    work: Work,
) -> VectorServiceServer<Vectors> {
    VectorServiceServer::new(Vectors { shared: Arc::new(Shared { collections, embedder }), switches, work })
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The service's parts.
pub struct Vectors {
    shared: Arc<Shared>,
    switches: Switches,
    work: Work,
}

struct Shared {
    collections: Arc<Collections>,
    embedder: Arc<Embedder>,
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
    #[error("give a vector or a text, not both and not neither")]
    VectorOrText,
    #[error("{0}")]
    Stream(&'static str),
    #[error(transparent)]
    Embed(#[from] EmbedError),
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
            Self::Embed(error) => error.code(),
            Self::Collection(error) => match error {
                C::NotFound(_) => Code::NotFound,
                C::Exists(_) => Code::AlreadyExists,
                C::Name(_) | C::Dimension(_) | C::Id(_) | C::Payload { .. } | C::Vector { .. } => Code::InvalidArgument,
                C::TooManyCollections(_) | C::TooManyPoints(_) | C::AnswerTooLarge(_) => Code::ResourceExhausted,
                C::Disk(_) => Code::Internal,
            },
        }
    }
}

impl Vectors {
    /// Does something with the collections, on a thread for it.
    async fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Shared) -> Result<T, VectorsError> + Send + 'static,
    ) -> Result<T, Status> {
        let shared = Arc::clone(&self.shared);
        self.work.run(move || what(&shared)).await.map_err(work_status)?.map_err(into_status)
    }
}

#[tonic::async_trait]
impl VectorService for Vectors {
    async fn create_collection(
        &self,
        request: Request<pb::CreateCollectionRequest>,
    ) -> Result<Response<pb::CreateCollectionResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let distance = pb::Distance::try_from(request.distance)
            .map_err(|_| into_status(VectorsError::Distance(request.distance)))?;
        let dimension = usize::try_from(request.dimension)
            .map_err(|_| into_status(VectorsError::Collection(CollectionError::Dimension(request.dimension.into()))))?;
        let schema = Schema { dimension, distance: distance_from_wire(distance) };
        let name = request.name.clone();
        self.with(move |shared| Ok(shared.collections.create(&tenant, &name, schema)?)).await?;
        let collection = Some(to_wire(request.name, schema));
        Ok(Response::new(pb::CreateCollectionResponse { collection }))
    }

    async fn delete_collection(
        &self,
        request: Request<pb::DeleteCollectionRequest>,
    ) -> Result<Response<pb::DeleteCollectionResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let name = request.into_inner().name;
        self.with(move |shared| Ok(shared.collections.delete(&tenant, &name)?)).await?;
        Ok(Response::new(pb::DeleteCollectionResponse {}))
    }

    async fn list_collections(
        &self,
        request: Request<pb::ListCollectionsRequest>,
    ) -> Result<Response<pb::ListCollectionsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let request = request.into_inner();
        let page = Page::of(request.page_size, &request.page_token)?;
        let (after, size) = (page.after.clone(), page.size + 1);
        let rows = self.with(move |shared| Ok(shared.collections.list(&tenant, &after, size))).await?;
        let mut collections: Vec<pb::Collection> =
            rows.into_iter().map(|(name, schema)| to_wire(name, schema)).collect();
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
            upserted_count += self.upsert_points(tenant.clone(), name, message.points).await?;
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
        let deleted = self.with(move |shared| Ok(shared.collections.remove(&tenant, &collection, &ids)?)).await?;
        Ok(Response::new(pb::DeleteResponse { deleted_count: count(deleted) }))
    }

    async fn search(&self, request: Request<pb::SearchRequest>) -> Result<Response<pb::SearchResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let search = self.with_vector(&tenant, request.into_inner()).await?;
        let search = move |shared: &Shared| shared.search(&tenant, search, &mut Room::new(MESSAGE_BYTES_MAX));
        self.with(search).await.map(Response::new)
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
        let searches =
            futures::future::try_join_all(searches.into_iter().map(|search| self.with_vector(&tenant, search))).await?;
        let all = move |shared: &Shared| {
            let mut room = Room::new(MESSAGE_BYTES_MAX);
            searches.into_iter().map(|search| shared.search(&tenant, search, &mut room)).collect()
        };
        let responses = self.with(all).await?;
        Ok(Response::new(pb::BatchSearchResponse { responses }))
    }

    async fn get_stats(&self, request: Request<pb::GetStatsRequest>) -> Result<Response<pb::GetStatsResponse>, Status> {
        let tenant = Caller::of(&request)?.tenant.clone();
        let name = request.into_inner().collection;
        let stats = self.with(move |shared| {
            let of =
                shared.collections.read(&tenant, &name, |collection| Ok((collection.schema(), collection.stats())));
            let (schema, stats) = of?;
            Ok(pb::GetStatsResponse {
                collection: Some(to_wire(name, schema)),
                point_count: count(stats.points),
                disk_bytes: i64::try_from(stats.disk_bytes).unwrap_or(i64::MAX),
            })
        });
        stats.await.map(Response::new)
    }
}

impl Vectors {
    /// A search by text as one by the text's vector, where a remote model makes it.
    async fn with_vector(&self, tenant: &Tenant, mut search: pb::SearchRequest) -> Result<pb::SearchRequest, Status> {
        let Some(remote) = self.shared.embedder.remote() else { return Ok(search) };
        if search.vector.is_empty() && !search.text.is_empty() {
            let texts = [std::mem::take(&mut search.text)];
            for embedded in embed_remote(remote, &texts, self.switches.of(tenant).enabled).await {
                search.vector = to_bytes(&embedded.map_err(embed_status)?.vector).into();
            }
        }
        Ok(search)
    }

    async fn upsert_points(&self, tenant: Tenant, name: String, points: Vec<pb::Point>) -> Result<i64, Status> {
        let upsert = move |shared: &Shared| {
            let points: Vec<Point> = points.into_iter().map(point).collect::<Result<_, _>>()?;
            Ok(count(shared.collections.upsert(&tenant, &name, points)?))
        };
        self.with(upsert).await
    }
}

impl Shared {
    fn search(
        &self,
        tenant: &Tenant,
        search: pb::SearchRequest,
        room: &mut Room,
    ) -> Result<pb::SearchResponse, VectorsError> {
        let k = match usize::try_from(search.k) {
            Ok(0) => K_DEFAULT,
            Ok(k) if k <= K_MAX => k,
            _ => return Err(VectorsError::OutOfRange { what: "k", is: search.k.into(), least: 0, most: K_MAX }),
        };
        let vector = match (search.vector.is_empty(), search.text.is_empty()) {
            (false, true) => from_bytes(&search.vector).ok_or(VectorsError::CutVector)?,
            (true, false) => self.embedder.embed("", &search.text)?.vector.to_vec(),
            _ => return Err(VectorsError::VectorOrText),
        };
        room.take(RESPONSE_BYTES)?;
        let filter = search.filter.as_ref();
        let find = |collection: &Collection| collection.search(&vector, k, filter, room);
        let found = self.collections.read(tenant, &search.collection, find)?;
        let hit =
            |found: crate::vectors::Found| pb::SearchHit { id: found.id, score: found.score, payload: found.payload };
        Ok(pb::SearchResponse { hits: found.into_iter().map(hit).collect() })
    }
}

fn point(point: pb::Point) -> Result<Point, VectorsError> {
    let vector = match point.vector.is_empty() {
        true => point.values,
        false => from_bytes(&point.vector).ok_or(VectorsError::CutVector)?,
    };
    Ok(Point { id: point.id, vector, payload: point.payload })
}

fn to_wire(name: String, schema: Schema) -> pb::Collection {
    let dimension = i32::try_from(schema.dimension).unwrap_or(i32::MAX);
    pb::Collection { name, dimension, distance: distance_to_wire(schema.distance).into() }
}

fn out_of_range(what: &'static str, is: usize, least: usize, most: usize) -> VectorsError {
    VectorsError::OutOfRange { what, is: i64::try_from(is).unwrap_or(i64::MAX), least, most }
}

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
