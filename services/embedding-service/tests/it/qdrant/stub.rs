//! The other side of the network: what we use of Qdrant's protobuf, in memory, as strict as the real one or stricter.
//!
//! It keeps payloads as JSON, wants UUIDs, dimensions, names, keys and limits to be right, filters by indexed keywords
//! alone, and gives equal scores in the order that is worst for us. What we do not use is UNIMPLEMENTED.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use qdrant_client::qdrant::{
    self as api,
    collections_server::{Collections, CollectionsServer},
    condition::ConditionOneOf,
    r#match::MatchValue,
    point_id::PointIdOptions,
    points_selector::PointsSelectorOneOf,
    points_server::{Points, PointsServer},
    qdrant_server::{Qdrant, QdrantServer},
    value::Kind,
    vectors_config::Config as VectorsKind,
    with_payload_selector::SelectorOptions,
};
use serde_json::{Map, Value as Json};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Key that it wants.
pub const KEY: &str = "qdrant-key";

/// A running server, and what it holds; both may go without the other.
pub struct Stub {
    pub address: String,
    pub held: Held,
    /// Its own, so that it can be killed with all its connections.
    runtime: Option<Runtime>,
}

/// What it holds, shared by all connections.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Inner>>);

#[derive(Default)]
pub struct Inner {
    pub collections: BTreeMap<String, Collection>,
    /// It is older than 1.16.
    pub is_old: bool,
    /// What the next calls to a method give instead of an answer.
    pub faults: HashMap<&'static str, Fault>,
    /// Method, and the seconds that it may take.
    pub calls: Vec<(&'static str, Option<u64>)>,
    /// Whether each question was to be exact.
    pub exact: Vec<bool>,
}

/// What goes wrong.
#[derive(Clone)]
pub enum Fault {
    Refuses(Status),
    NeverAnswers,
    /// A write is taken, but not done in time.
    NotDone,
}

pub struct Collection {
    size: u64,
    distance: api::Distance,
    metadata: HashMap<String, api::Value>,
    indexes: Vec<String>,
    pub points: BTreeMap<Uuid, (Map<String, Json>, Vec<f32>)>,
}

impl Held {
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn fail(&self, method: &'static str, fault: Fault) {
        self.lock().faults.insert(method, fault);
    }

    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// What a call may do; waits for ever, or refuses, where that was asked for.
    async fn enter(&self, method: &'static str, seconds: Option<u64>) -> Result<bool, Status> {
        let fault = {
            let mut inner = self.lock();
            inner.calls.push((method, seconds));
            inner.faults.get(method).cloned()
        };
        match fault {
            None => Ok(true),
            Some(Fault::NotDone) => Ok(false),
            Some(Fault::Refuses(status)) => Err(status),
            Some(Fault::NeverAnswers) => std::future::pending().await,
        }
    }

    fn with<T>(&self, name: &str, what: impl FnOnce(&mut Collection) -> Result<T, Status>) -> Result<T, Status> {
        what(self.lock().collections.get_mut(name).ok_or_else(|| not_found(name))?)
    }
}

impl Stub {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0", Held::default()).await
    }

    /// Serves what was held before, at an address.
    pub async fn start_at(address: &str, held: Held) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let wanted = address.to_owned();
        // Who was killed may hold the port for a moment.
        let bound =
            runtime.spawn(crate::support::eventually("a port", async move || TcpListener::bind(&wanted).await.ok()));
        let listener = bound.await.expect("bound");
        let address = listener.local_addr().expect("an address").to_string();
        let key = |request: Request<()>| match request.metadata().get("api-key") {
            Some(key) if key == KEY => Ok(request),
            _ => Err(Status::permission_denied("Must provide an API key or an Authorization bearer token")),
        };
        let server = tonic::transport::Server::builder()
            .layer(tonic::service::InterceptorLayer::new(key))
            .add_service(QdrantServer::new(held.clone()))
            .add_service(CollectionsServer::new(held.clone()).max_decoding_message_size(usize::MAX))
            .add_service(
                PointsServer::new(held.clone())
                    .max_decoding_message_size(usize::MAX)
                    .max_encoding_message_size(usize::MAX),
            );
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, held, runtime: Some(runtime) }
    }

    /// Ends it at once; what it holds stays.
    pub fn kill(self) -> Held {
        self.held.clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn not_found(name: &str) -> Status {
    Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"))
}

fn wrong(what: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("Wrong input: {what}"))
}

fn done(is_done: bool, wait: Option<bool>) -> Response<api::PointsOperationResponse> {
    let status = match (is_done, wait) {
        (true, Some(true)) => api::UpdateStatus::Completed,
        (true, _) => api::UpdateStatus::Acknowledged,
        (false, _) => api::UpdateStatus::WaitTimeout,
    };
    let result = Some(api::UpdateResult { operation_id: Some(0), status: status.into() });
    Response::new(api::PointsOperationResponse { result, ..Default::default() })
}

#[tonic::async_trait]
impl Qdrant for Held {
    async fn health_check(
        &self,
        _: Request<api::HealthCheckRequest>,
    ) -> Result<Response<api::HealthCheckReply>, Status> {
        self.enter("health", None).await?;
        let version = if self.lock().is_old { "1.15.0" } else { "1.20.0" };
        let reply = api::HealthCheckReply { title: "stub".into(), version: version.into(), commit: None };
        Ok(Response::new(reply))
    }
}

/// Methods that nobody should call.
macro_rules! unimplemented {
    ($($name:ident($request:ty) -> $answer:ty;)*) => {
        $(fn $name<'a, 'f>(
            &'a self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<$answer>, Status>> + Send + 'f>>
        where
            'a: 'f,
            Self: 'f,
        {
            Box::pin(async { Err(Status::unimplemented(concat!("the stub has no ", stringify!($name)))) })
        })*
    };
}

#[tonic::async_trait]
impl Collections for Held {
    async fn create(
        &self,
        request: Request<api::CreateCollection>,
    ) -> Result<Response<api::CollectionOperationResponse>, Status> {
        let request = request.into_inner();
        self.enter("create", request.timeout).await?;
        let name = request.collection_name;
        if !(1..=255).contains(&name.len())
            || name.contains(['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\x1f'])
        {
            return Err(wrong(format!("collection name `{name}`")));
        }
        let Some(VectorsKind::Params(params)) = request.vectors_config.and_then(|config| config.config) else {
            return Err(wrong("no vector parameters"));
        };
        let distance = params.distance();
        if !(1..=65_536).contains(&params.size) || distance == api::Distance::UnknownDistance {
            return Err(wrong("size or distance"));
        }
        let mut inner = self.lock();
        if inner.collections.contains_key(&name) {
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        let metadata = if inner.is_old { HashMap::new() } else { request.metadata };
        let collection =
            Collection { size: params.size, distance, metadata, indexes: Vec::new(), points: BTreeMap::new() };
        inner.collections.insert(name, collection);
        Ok(Response::new(api::CollectionOperationResponse { result: true, ..Default::default() }))
    }

    async fn get(
        &self,
        request: Request<api::GetCollectionInfoRequest>,
    ) -> Result<Response<api::GetCollectionInfoResponse>, Status> {
        self.enter("info", None).await?;
        self.with(&request.into_inner().collection_name, |collection| {
            let params =
                api::VectorParams { size: collection.size, distance: collection.distance.into(), ..Default::default() };
            let vectors_config = Some(api::VectorsConfig { config: Some(VectorsKind::Params(params)) });
            let config = api::CollectionConfig {
                params: Some(api::CollectionParams { vectors_config, ..Default::default() }),
                metadata: collection.metadata.clone(),
                ..Default::default()
            };
            let result = api::CollectionInfo {
                config: Some(config),
                segments_count: 2,
                // As it may while it moves points.
                points_count: Some(collection.points.len() as u64 * 2),
                indexed_vectors_count: Some(0),
                ..Default::default()
            };
            Ok(Response::new(api::GetCollectionInfoResponse { result: Some(result), ..Default::default() }))
        })
    }

    async fn list(
        &self,
        _: Request<api::ListCollectionsRequest>,
    ) -> Result<Response<api::ListCollectionsResponse>, Status> {
        self.enter("list", None).await?;
        // In no order.
        let names = self.lock().collections.keys().rev().cloned().collect::<Vec<_>>();
        let collections = names.into_iter().map(|name| api::CollectionDescription { name }).collect();
        Ok(Response::new(api::ListCollectionsResponse { collections, ..Default::default() }))
    }

    async fn update(
        &self,
        request: Request<api::UpdateCollection>,
    ) -> Result<Response<api::CollectionOperationResponse>, Status> {
        let request = request.into_inner();
        self.enter("update", request.timeout).await?;
        self.with(&request.collection_name, |collection| {
            collection.metadata.extend(request.metadata);
            Ok(Response::new(api::CollectionOperationResponse { result: true, ..Default::default() }))
        })
    }

    async fn delete(
        &self,
        request: Request<api::DeleteCollection>,
    ) -> Result<Response<api::CollectionOperationResponse>, Status> {
        let request = request.into_inner();
        self.enter("drop", request.timeout).await?;
        let result = self.lock().collections.remove(&request.collection_name).is_some();
        Ok(Response::new(api::CollectionOperationResponse { result, ..Default::default() }))
    }

    unimplemented! {
        update_aliases(api::ChangeAliases) -> api::CollectionOperationResponse;
        list_collection_aliases(api::ListCollectionAliasesRequest) -> api::ListAliasesResponse;
        list_aliases(api::ListAliasesRequest) -> api::ListAliasesResponse;
        collection_cluster_info(api::CollectionClusterInfoRequest) -> api::CollectionClusterInfoResponse;
        collection_exists(api::CollectionExistsRequest) -> api::CollectionExistsResponse;
        update_collection_cluster_setup(api::UpdateCollectionClusterSetupRequest)
            -> api::UpdateCollectionClusterSetupResponse;
        create_shard_key(api::CreateShardKeyRequest) -> api::CreateShardKeyResponse;
        delete_shard_key(api::DeleteShardKeyRequest) -> api::DeleteShardKeyResponse;
        list_shard_keys(api::ListShardKeysRequest) -> api::ListShardKeysResponse;
    }
}

#[tonic::async_trait]
impl Points for Held {
    async fn upsert(
        &self,
        request: Request<api::UpsertPoints>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let is_done = self.enter("upsert", request.timeout).await?;
        self.with(&request.collection_name, |collection| {
            let points = request.points.into_iter().map(|point| {
                let payload = point.payload.into_iter().map(|(key, value)| Ok((key, to_json(value)?)));
                let vector = collection.vector(point.vectors)?;
                Ok((uuid(point.id)?, (payload.collect::<Result<_, Status>>()?, vector)))
            });
            // All or nothing.
            let points = points.collect::<Result<Vec<_>, Status>>()?;
            collection.points.extend(points);
            Ok(done(is_done, request.wait))
        })
    }

    async fn delete(
        &self,
        request: Request<api::DeletePoints>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let is_done = self.enter("delete", request.timeout).await?;
        self.with(&request.collection_name, |collection| {
            let Some(PointsSelectorOneOf::Points(list)) = request.points.and_then(|of| of.points_selector_one_of)
            else {
                return Err(wrong("no ids"));
            };
            for id in list.ids {
                collection.points.remove(&uuid(Some(id))?);
            }
            Ok(done(is_done, request.wait))
        })
    }

    async fn get(&self, request: Request<api::GetPoints>) -> Result<Response<api::GetResponse>, Status> {
        let request = request.into_inner();
        self.enter("get", request.timeout).await?;
        self.with(&request.collection_name, |collection| {
            let ids = request.ids.into_iter().map(|id| uuid(Some(id))).collect::<Result<Vec<_>, _>>()?;
            let there = ids.into_iter().filter(|id| collection.points.contains_key(id));
            let point = |id| collection.retrieved(id, request.with_payload.as_ref(), request.with_vectors.as_ref());
            let result = there.map(point).collect();
            Ok(Response::new(api::GetResponse { result, ..Default::default() }))
        })
    }

    async fn scroll(&self, request: Request<api::ScrollPoints>) -> Result<Response<api::ScrollResponse>, Status> {
        let request = request.into_inner();
        self.enter("scroll", request.timeout).await?;
        let limit = request.limit.unwrap_or(10) as usize;
        if limit == 0 || request.filter.is_some() || request.order_by.is_some() {
            return Err(wrong("limit, or what the stub has not"));
        }
        self.with(&request.collection_name, |collection| {
            let from = request.offset.map(|id| uuid(Some(id))).transpose()?.unwrap_or_default();
            let mut ids: Vec<Uuid> = collection.points.range(from..).map(|(id, _)| *id).take(limit + 1).collect();
            let next_page_offset = (ids.len() > limit).then(|| ids.pop()).flatten().map(to_id);
            let point = |id| collection.retrieved(id, request.with_payload.as_ref(), request.with_vectors.as_ref());
            let result = ids.into_iter().map(point).collect();
            Ok(Response::new(api::ScrollResponse { next_page_offset, result, ..Default::default() }))
        })
    }

    async fn count(&self, request: Request<api::CountPoints>) -> Result<Response<api::CountResponse>, Status> {
        let request = request.into_inner();
        self.enter("count", request.timeout).await?;
        self.with(&request.collection_name, |collection| {
            let rough = if request.exact == Some(true) { 1 } else { 2 };
            let result = Some(api::CountResult { count: collection.points.len() as u64 * rough });
            Ok(Response::new(api::CountResponse { result, ..Default::default() }))
        })
    }

    async fn query_batch(
        &self,
        request: Request<api::QueryBatchPoints>,
    ) -> Result<Response<api::QueryBatchResponse>, Status> {
        let request = request.into_inner();
        self.enter("query", request.timeout).await?;
        let exact = request
            .query_points
            .iter()
            .map(|query| query.params.as_ref().is_some_and(|params| params.exact == Some(true)));
        self.lock().exact.extend(exact);
        self.with(&request.collection_name, |collection| {
            let answer = |query: api::QueryPoints| {
                if query.collection_name != request.collection_name {
                    return Err(wrong("queries of several collections"));
                }
                collection.nearest(query).map(|result| api::BatchResult { result })
            };
            let result = request.query_points.into_iter().map(answer).collect::<Result<_, _>>()?;
            Ok(Response::new(api::QueryBatchResponse { result, ..Default::default() }))
        })
    }

    async fn create_field_index(
        &self,
        request: Request<api::CreateFieldIndexCollection>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let is_done = self.enter("index", request.timeout).await?;
        if request.field_type() != api::FieldType::Keyword || request.field_index_params.is_none() {
            return Err(wrong("another kind of index"));
        }
        self.with(&request.collection_name, |collection| {
            collection.indexes.push(request.field_name);
            Ok(done(is_done, request.wait))
        })
    }

    unimplemented! {
        update_vectors(api::UpdatePointVectors) -> api::PointsOperationResponse;
        delete_vectors(api::DeletePointVectors) -> api::PointsOperationResponse;
        set_payload(api::SetPayloadPoints) -> api::PointsOperationResponse;
        overwrite_payload(api::SetPayloadPoints) -> api::PointsOperationResponse;
        delete_payload(api::DeletePayloadPoints) -> api::PointsOperationResponse;
        clear_payload(api::ClearPayloadPoints) -> api::PointsOperationResponse;
        delete_field_index(api::DeleteFieldIndexCollection) -> api::PointsOperationResponse;
        create_vector_name(api::CreateVectorNameRequest) -> api::PointsOperationResponse;
        delete_vector_name(api::DeleteVectorNameRequest) -> api::PointsOperationResponse;
        search(api::SearchPoints) -> api::SearchResponse;
        search_batch(api::SearchBatchPoints) -> api::SearchBatchResponse;
        search_groups(api::SearchPointGroups) -> api::SearchGroupsResponse;
        recommend(api::RecommendPoints) -> api::RecommendResponse;
        recommend_batch(api::RecommendBatchPoints) -> api::RecommendBatchResponse;
        recommend_groups(api::RecommendPointGroups) -> api::RecommendGroupsResponse;
        discover(api::DiscoverPoints) -> api::DiscoverResponse;
        discover_batch(api::DiscoverBatchPoints) -> api::DiscoverBatchResponse;
        update_batch(api::UpdateBatchPoints) -> api::UpdateBatchResponse;
        query(api::QueryPoints) -> api::QueryResponse;
        query_groups(api::QueryPointGroups) -> api::QueryGroupsResponse;
        facet(api::FacetCounts) -> api::FacetResponse;
        search_matrix_pairs(api::SearchMatrixPoints) -> api::SearchMatrixPairsResponse;
        search_matrix_offsets(api::SearchMatrixPoints) -> api::SearchMatrixOffsetsResponse;
    }
}

impl Collection {
    /// A vector as it is stored: at unit length under cosine.
    fn prepared(&self, mut vector: Vec<f32>) -> Result<Vec<f32>, Status> {
        if vector.len() as u64 != self.size {
            let (size, got) = (self.size, vector.len());
            return Err(wrong(format!("Vector dimension error: expected dim: {size}, got {got}")));
        }
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        if self.distance == api::Distance::Cosine && length > f32::EPSILON {
            vector.iter_mut().for_each(|value| *value /= length);
        }
        Ok(vector)
    }

    fn vector(&self, vectors: Option<api::Vectors>) -> Result<Vec<f32>, Status> {
        let Some(api::vectors::VectorsOptions::Vector(vector)) = vectors.and_then(|of| of.vectors_options) else {
            return Err(wrong("Not existing vector name"));
        };
        let Some(api::vector::Vector::Dense(dense)) = vector.vector else { return Err(wrong("no dense vector")) };
        self.prepared(dense.data)
    }

    fn nearest(&self, query: api::QueryPoints) -> Result<Vec<api::ScoredPoint>, Status> {
        let limit = usize::try_from(query.limit.unwrap_or(10)).unwrap_or(usize::MAX);
        if limit == 0 {
            return Err(wrong("limit: value 0 invalid, must be 1 or larger"));
        }
        let nearest = query.query.and_then(|query| query.variant);
        let Some(api::query::Variant::Nearest(api::VectorInput { variant: Some(variant) })) = nearest else {
            return Err(wrong("no nearest"));
        };
        let api::vector_input::Variant::Dense(dense) = variant else { return Err(wrong("no dense vector")) };
        let asked = self.prepared(dense.data)?;
        let mut found = Vec::new();
        for (id, (payload, vector)) in &self.points {
            if !self.keeps(query.filter.as_ref(), payload)? {
                continue;
            }
            let pairs = || asked.iter().zip(vector);
            let score = match self.distance {
                api::Distance::Euclid => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt(),
                _ => pairs().map(|(a, b)| a * b).sum(),
            };
            found.push((score, *id));
        }
        let nearer = |a: f32, b: f32| match self.distance {
            api::Distance::Euclid => a.total_cmp(&b),
            _ => b.total_cmp(&a),
        };
        // Of equal scores, those come first that should not by any order of ours.
        let last = |id: &Uuid| self.points[id].0.get("id").and_then(Json::as_str).map(str::to_owned);
        found.sort_by(|(a, x), (b, y)| {
            nearer(*a, *b).then_with(|| last(y).partial_cmp(&last(x)).unwrap_or(Ordering::Equal))
        });
        let scored = found.into_iter().take(limit).map(|(score, id)| {
            let point = self.retrieved(id, query.with_payload.as_ref(), query.with_vectors.as_ref());
            api::ScoredPoint {
                id: point.id,
                payload: point.payload,
                score,
                vectors: point.vectors,
                ..Default::default()
            }
        });
        Ok(scored.collect())
    }

    fn keeps(&self, filter: Option<&api::Filter>, payload: &Map<String, Json>) -> Result<bool, Status> {
        let Some(filter) = filter else { return Ok(true) };
        if !filter.should.is_empty() || !filter.must_not.is_empty() || filter.min_should.is_some() {
            return Err(wrong("conditions that the stub has not"));
        }
        for condition in &filter.must {
            let Some(ConditionOneOf::Field(field)) = &condition.condition_one_of else {
                return Err(wrong("a condition that the stub has not"));
            };
            let Some(MatchValue::Keyword(word)) = field.r#match.as_ref().and_then(|of| of.match_value.as_ref()) else {
                return Err(wrong("a match that the stub has not"));
            };
            if !self.indexes.contains(&field.key) {
                return Err(Status::invalid_argument(format!("Bad request: Index required for \"{}\"", field.key)));
            }
            let holds = match payload.get(&field.key) {
                Some(Json::String(text)) => text == word,
                Some(Json::Array(values)) => values.iter().any(|value| value == word.as_str()),
                _ => false,
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn retrieved(
        &self,
        id: Uuid,
        with_payload: Option<&api::WithPayloadSelector>,
        with_vectors: Option<&api::WithVectorsSelector>,
    ) -> api::RetrievedPoint {
        let (payload, vector) = &self.points[&id];
        let wanted = |key: &str| match with_payload.and_then(|of| of.selector_options.as_ref()) {
            Some(SelectorOptions::Include(include)) => include.fields.iter().any(|field| field == key),
            Some(SelectorOptions::Enable(enable)) => *enable,
            _ => false,
        };
        let all = api::with_vectors_selector::SelectorOptions::Enable(true);
        let vectors = with_vectors.is_some_and(|of| of.selector_options == Some(all)).then(|| {
            let dense = api::vector_output::Vector::Dense(api::DenseVector { data: vector.clone() });
            let output = api::VectorOutput { vector: Some(dense), ..Default::default() };
            api::VectorsOutput { vectors_options: Some(api::vectors_output::VectorsOptions::Vector(output)) }
        });
        let payload = payload.iter().filter(|(key, _)| wanted(key));
        let payload = payload.map(|(key, value)| (key.clone(), from_json(value))).collect();
        api::RetrievedPoint { id: Some(to_id(id)), payload, vectors, ..Default::default() }
    }
}

fn to_id(id: Uuid) -> api::PointId {
    api::PointId { point_id_options: Some(PointIdOptions::Uuid(id.to_string())) }
}

fn uuid(id: Option<api::PointId>) -> Result<Uuid, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Uuid(text)) => {
            Uuid::parse_str(&text).map_err(|_| wrong(format!("Unable to parse UUID: {text}")))
        }
        _ => Err(wrong("no UUID")),
    }
}

/// As the real one reads payloads: numbers that JSON has not are refused, and what is of no kind is null.
fn to_json(value: api::Value) -> Result<Json, Status> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::DoubleValue(number)) => serde_json::Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| Status::invalid_argument("cannot convert to json number"))?,
        Some(Kind::IntegerValue(number)) => number.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::BoolValue(truth)) => truth.into(),
        Some(Kind::StructValue(of)) => {
            let fields = of.fields.into_iter().map(|(key, value)| Ok((key, to_json(value)?)));
            Json::Object(fields.collect::<Result<_, Status>>()?)
        }
        Some(Kind::ListValue(list)) => {
            Json::Array(list.values.into_iter().map(to_json).collect::<Result<_, Status>>()?)
        }
    })
}

/// As the real one gives payloads: what JSON reads as an integer is one.
fn from_json(value: &Json) -> api::Value {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(truth) => Kind::BoolValue(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Kind::IntegerValue(integer),
            None => Kind::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => Kind::ListValue(api::ListValue { values: values.iter().map(from_json).collect() }),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), from_json(value)));
            Kind::StructValue(api::Struct { fields: fields.collect() })
        }
    };
    api::Value { kind: Some(kind) }
}
