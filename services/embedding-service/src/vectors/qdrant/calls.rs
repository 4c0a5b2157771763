//! The calls to Qdrant: with a limit for each, and its answers and errors as ours.

use std::{collections::HashSet, future::Future, time::Duration};

use domain::Tenant;
use qdrant_client::{
    QdrantError as ClientError,
    qdrant::{
        self as api, CountPoints, CreateFieldIndexCollection, GetPoints, QueryBatchPoints, QueryPoints, ScrollPoints,
        UpsertPoints,
    },
};
use service_kit::grpc::remaining;
use tonic::Code;
use vector_index::Distance;

use super::{POINTS_MAX, Qdrant, wire};
use crate::vectors::{CollectionError, Found, Point, QdrantError, Question, Schema, StoreError, check_name};

/// Pause where Qdrant refuses for now and names none.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

impl Qdrant {
    pub(super) fn name_of(&self, tenant: &Tenant, name: &str) -> String {
        wire::collections_of(&self.prefix, tenant) + name
    }

    /// What is left of a call's time, at most `timeout`.
    pub(super) fn left(&self) -> Duration {
        remaining().map_or(self.timeout, |left| left.min(self.timeout))
    }

    /// The same in whole seconds, for Qdrant.
    pub(super) fn seconds(&self) -> u64 {
        let left = self.left();
        (left.as_secs() + u64::from(left.subsec_nanos() > 0)).max(1)
    }

    /// Waits for an answer about the collection `name`.
    ///
    /// # Errors
    /// `NotFound`, `Stopped`, `Qdrant`.
    pub(super) async fn call<T>(
        &self,
        name: &str,
        request: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, CollectionError> {
        let wait = self.left();
        match tokio::time::timeout(wait, request).await {
            Ok(answer) => answer.map_err(|error| refused(name, error)),
            Err(_) if wait < self.timeout => Err(CollectionError::Stopped),
            Err(elapsed) => Err(QdrantError::Away(elapsed.into()).into()),
        }
    }

    /// Waits until a write is done, not only taken.
    ///
    /// # Errors
    /// As `call`.
    pub(super) async fn write(
        &self,
        name: &str,
        request: impl Future<Output = Result<api::PointsOperationResponse, ClientError>>,
    ) -> Result<(), CollectionError> {
        let status = self.call(name, request).await?.result.map(|result| result.status());
        match status {
            Some(api::UpdateStatus::Completed) => Ok(()),
            other => Err(QdrantError::Away(format!("the write is not done: {other:?}").into()).into()),
        }
    }

    /// A collection that is or is not finished.
    pub(super) async fn look(
        &self,
        tenant: &Tenant,
        name: &str,
    ) -> Result<(api::CollectionInfo, Schema, bool), CollectionError> {
        let answer = self.call(name, self.client.collection_info(self.name_of(tenant, name))).await?;
        let info = answer.result.unwrap_or_default();
        let (schema, unfinished) = wire::schema(&info).ok_or_else(|| QdrantError::Foreign(name.to_owned()))?;
        Ok((info, schema, unfinished))
    }

    /// A collection.
    pub(super) async fn find(
        &self,
        tenant: &Tenant,
        name: &str,
    ) -> Result<(api::CollectionInfo, Schema), CollectionError> {
        check_name(name).map_err(|_| CollectionError::NotFound(name.to_owned()))?;
        let (info, schema, unfinished) = self.look(tenant, name).await?;
        if unfinished { Err(CollectionError::NotFound(name.to_owned())) } else { Ok((info, schema)) }
    }

    /// The names of a tenant's collections, in order, unfinished ones included.
    pub(super) async fn names(&self, tenant: &Tenant) -> Result<Vec<String>, CollectionError> {
        let of_tenant = wire::collections_of(&self.prefix, tenant);
        let all = self.call("", self.client.list_collections()).await?.collections;
        let name = |of: api::CollectionDescription| of.name.strip_prefix(&of_tenant).map(str::to_owned);
        let mut names: Vec<String> = all.into_iter().filter_map(name).filter(|name| check_name(name).is_ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn check_count(&self, tenant: &Tenant) -> Result<(), CollectionError> {
        let most = self.limits.collections_max;
        if self.names(tenant).await?.len() >= most {
            return Err(CollectionError::TooManyCollections(most));
        }
        Ok(())
    }

    /// Makes a collection with its indexes.
    ///
    /// # Errors
    /// `Exists`, `Qdrant`.
    pub(super) async fn make(
        &self,
        tenant: &Tenant,
        name: &str,
        schema: &Schema,
        unfinished: bool,
    ) -> Result<(), CollectionError> {
        let create = wire::create(self.name_of(tenant, name), schema, unfinished, self.seconds());
        self.call(name, self.client.create_collection(create)).await?;
        // A Qdrant that keeps no metadata would give us a collection that we do not know again.
        if let Err(error) = self.look(tenant, name).await {
            if matches!(error, CollectionError::Qdrant(QdrantError::Foreign(_))) {
                self.call(name, self.client.delete_collection(self.name_of(tenant, name))).await?;
            }
            return Err(error);
        }
        self.index(tenant, name, schema).await
    }

    /// Makes the indexes that filters use; those that are there stay.
    pub(super) async fn index(&self, tenant: &Tenant, name: &str, schema: &Schema) -> Result<(), CollectionError> {
        let has_partitions = !schema.partition_field.is_empty();
        for (field, is_tenant) in [(wire::FIELDS, false), (wire::PARTITION, true)] {
            if is_tenant && !has_partitions {
                continue;
            }
            // Tokens of all that was ever written are many, so they stay on the disk.
            let memory = (!is_tenant).then_some(api::Memory::Cold.into());
            let params = api::KeywordIndexParams { is_tenant: Some(is_tenant), memory, ..Default::default() };
            let index_params = Some(api::payload_index_params::IndexParams::KeywordIndexParams(params));
            let create = CreateFieldIndexCollection {
                collection_name: self.name_of(tenant, name),
                wait: Some(true),
                field_name: field.to_owned(),
                field_type: Some(api::FieldType::Keyword.into()),
                field_index_params: Some(api::PayloadIndexParams { index_params }),
                timeout: Some(self.seconds()),
                ..Default::default()
            };
            self.write(name, self.client.create_field_index(create)).await?;
        }
        Ok(())
    }

    /// Stores points that were checked.
    pub(super) async fn put(
        &self,
        tenant: &Tenant,
        name: &str,
        schema: &Schema,
        points: Vec<Point>,
    ) -> Result<(), StoreError> {
        let schema = schema.clone();
        let points = self.work.run(move || prepared(&schema, points)).await??;
        let upsert = UpsertPoints {
            collection_name: self.name_of(tenant, name),
            wait: Some(true),
            points,
            timeout: Some(self.seconds()),
            ..Default::default()
        };
        self.write(name, self.client.upsert_points(upsert)).await?;
        Ok(())
    }

    pub(super) async fn count(&self, tenant: &Tenant, name: &str) -> Result<usize, CollectionError> {
        let count = CountPoints {
            collection_name: self.name_of(tenant, name),
            exact: Some(true),
            timeout: Some(self.seconds()),
            ..Default::default()
        };
        let answer = self.call(name, self.client.count(count)).await?;
        Ok(answer.result.map_or(0, |result| usize::try_from(result.count).unwrap_or(usize::MAX)))
    }

    /// Those of the ids that there are.
    pub(super) async fn known(
        &self,
        tenant: &Tenant,
        name: &str,
        ids: Vec<api::PointId>,
    ) -> Result<Vec<api::PointId>, CollectionError> {
        let get = GetPoints {
            collection_name: self.name_of(tenant, name),
            ids,
            with_payload: Some(false.into()),
            with_vectors: Some(false.into()),
            timeout: Some(self.seconds()),
            ..Default::default()
        };
        let points = self.call(name, self.client.get_points(get)).await?.result;
        Ok(points.into_iter().filter_map(|point| point.id).collect())
    }

    /// Points from an offset on, in Qdrant's order, and the offset of the next ones.
    pub(super) async fn scroll(
        &self,
        tenant: &Tenant,
        name: &str,
        (offset, limit): (Option<api::PointId>, usize),
        with_vectors: bool,
    ) -> Result<(Vec<Point>, Option<api::PointId>), CollectionError> {
        let scroll = ScrollPoints {
            collection_name: self.name_of(tenant, name),
            offset,
            limit: Some(u32::try_from(limit).unwrap_or(u32::MAX)),
            with_payload: Some(wire::without_tokens()),
            with_vectors: Some(with_vectors.into()),
            timeout: Some(self.seconds()),
            ..Default::default()
        };
        let answer = self.call(name, self.client.scroll(scroll)).await?;
        let point = |point: api::RetrievedPoint| {
            let (id, payload) =
                wire::from_payload(point.payload).ok_or_else(|| QdrantError::Foreign(name.to_owned()))?;
            let vector = wire::from_vectors(point.vectors).unwrap_or_default();
            Ok(Point { id, vector, payload })
        };
        let points = answer.result.into_iter().map(point).collect::<Result<_, QdrantError>>()?;
        Ok((points, answer.next_page_offset))
    }

    /// What was asked, in one request.
    pub(super) async fn query(
        &self,
        tenant: &Tenant,
        name: &str,
        schema: &Schema,
        questions: Vec<Question>,
    ) -> Result<Vec<Vec<Found>>, CollectionError> {
        let collection_name = self.name_of(tenant, name);
        let mut nowhere = HashSet::new();
        let mut query_points = Vec::new();
        for (at, question) in questions.into_iter().enumerate() {
            let filter = question.filter.filter(|filter| !filter.fields.is_empty());
            let filter = match filter.map(|filter| wire::filter(schema, &filter)) {
                Some(None) => {
                    nowhere.insert(at);
                    continue;
                }
                filter => filter.flatten(),
            };
            let dense = api::vector_input::Variant::Dense(api::DenseVector { data: question.vector });
            let nearest = api::query::Variant::Nearest(api::VectorInput { variant: Some(dense) });
            query_points.push(QueryPoints {
                collection_name: collection_name.clone(),
                query: Some(api::Query { variant: Some(nearest) }),
                filter,
                params: Some(api::SearchParams { exact: Some(question.exact), ..Default::default() }),
                limit: Some(question.k as u64),
                with_payload: Some(wire::without_tokens()),
                with_vectors: Some(false.into()),
                ..Default::default()
            });
        }
        let (asked, all) = (query_points.len(), query_points.len() + nowhere.len());
        let mut results = Vec::new();
        if asked > 0 {
            let batch =
                QueryBatchPoints { collection_name, query_points, timeout: Some(self.seconds()), ..Default::default() };
            results = self.call(name, self.client.query_batch(batch)).await?.result;
        }
        if results.len() != asked {
            return Err(QdrantError::Refused(format!("{} answers to {asked} questions", results.len()).into()).into());
        }
        let mut results = results.into_iter();
        let answer = |at| match nowhere.contains(&at) {
            true => Ok(Vec::new()),
            false => found(name, schema, results.next().unwrap_or_default()),
        };
        (0..all).map(answer).collect()
    }

    /// Waits until so many points may be on their way, however long an answer may take.
    pub(super) async fn room_for(&self, points: usize) -> Result<tokio::sync::SemaphorePermit<'_>, CollectionError> {
        let wanted = u32::try_from(points.min(POINTS_MAX)).unwrap_or(u32::MAX);
        match tokio::time::timeout(self.left(), self.points.acquire_many(wanted)).await {
            Ok(Ok(permit)) => Ok(permit),
            // Never closed.
            Ok(Err(closed)) => Err(QdrantError::Away(closed.into()).into()),
            Err(_) => Err(QdrantError::Busy(BUSY_PAUSE).into()),
        }
    }
}

fn prepared(schema: &Schema, points: Vec<Point>) -> Result<Vec<api::PointStruct>, CollectionError> {
    let prepared = points.into_iter().map(|point| {
        let id = point.id.clone();
        wire::point(schema, point).ok_or_else(|| QdrantError::Payload(id).into())
    });
    prepared.collect()
}

/// The hits of one question, nearest first and equal ones by id.
fn found(name: &str, schema: &Schema, result: api::BatchResult) -> Result<Vec<Found>, CollectionError> {
    let hit = |point: api::ScoredPoint| {
        let (id, payload) = wire::from_payload(point.payload).ok_or_else(|| QdrantError::Foreign(name.to_owned()))?;
        // Qdrant's is the distance itself.
        let score = if schema.distance == Distance::Euclidean { -point.score } else { point.score };
        Ok(Found { id, score, payload })
    };
    let mut found = result.result.into_iter().map(hit).collect::<Result<Vec<_>, QdrantError>>()?;
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    Ok(found)
}

/// What Qdrant said of a call about the collection `name`.
fn refused(name: &str, error: ClientError) -> CollectionError {
    let code = match &error {
        ClientError::ResponseError { status } => status.code(),
        ClientError::ResourceExhaustedError { retry_after_seconds, .. } => {
            return QdrantError::Busy(Duration::from_secs(*retry_after_seconds)).into();
        }
        _ => return QdrantError::Refused(error.into()).into(),
    };
    match code {
        Code::NotFound => CollectionError::NotFound(name.to_owned()),
        Code::AlreadyExists => CollectionError::Exists(name.to_owned()),
        Code::ResourceExhausted => QdrantError::Busy(BUSY_PAUSE).into(),
        // Its client calls a server that it cannot reach `Internal`, and its own faults pass as a rule.
        Code::Internal
        | Code::Unavailable
        | Code::Unknown
        | Code::Cancelled
        | Code::Aborted
        | Code::DeadlineExceeded
        | Code::DataLoss => QdrantError::Away(error.into()).into(),
        _ => QdrantError::Refused(error.into()).into(),
    }
}
