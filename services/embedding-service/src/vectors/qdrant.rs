//! Collections on a Qdrant server, which replicas share: each is a collection of Qdrant, `<prefix>.<tenant>.<name>`.
//!
//! [`wire`] has how points are kept there, [`calls`] what is asked of it. Qdrant's client repeats a call about points once, on a new connection; all of
//! them may be repeated. Limits are looked at before a write, so replicas that write at once may pass them by what they
//! write. Each call asks for the collection first, since another replica may have made it anew.

mod calls;
mod import;
mod wire;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::Tenant;
use futures::{StreamExt as _, TryStreamExt as _};
use proto::embedding::v1 as pb;
use qdrant_client::qdrant::{self as api, DeleteCollection, DeletePoints, PointsIdsList, PointsSelector};
use secrecy::ExposeSecret as _;
use service_kit::Gate;
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use vector_index::{MAX_DIMENSION, check_vector};

use super::{
    CollectionError, Export, Found, Limits, Point, QdrantError, Question, Room, Schema, Stats, StoreError, VectorStore,
    backup, check_name,
    collection::{HIT_BYTES, check_point},
    partitions::FIELD_BYTES_MAX,
};
use crate::{config::QdrantConfig, embedding::to_bytes, work::Work};
use import::QdrantImport;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Points that are on their way from Qdrant at the same time: with the largest payloads some 300 MB.
const POINTS_MAX: usize = 4_096;
/// Points of a page when all are read.
const PAGE_POINTS: usize = 256;
/// Collections that are asked about at the same time.
const ASKED_MAX: usize = 8;
/// Pause between two looks whether it is there.
const LOOK_PAUSE: Duration = Duration::from_secs(15);

/// A Qdrant server. Cheap to clone.
#[derive(Clone)]
pub struct Qdrant {
    client: qdrant_client::Qdrant,
    timeout: Duration,
    prefix: Arc<str>,
    limits: Limits,
    work: Work,
    points: Arc<Semaphore>,
}

impl Qdrant {
    /// Connects with the first call.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(config: &QdrantConfig, limits: Limits, work: Work) -> anyhow::Result<Self> {
        let url = config.url.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut builder = qdrant_client::Qdrant::from_url(url.trim_end_matches('/'))
            .skip_compatibility_check()
            .connect_timeout(config.timeout.min(CONNECT_MAX))
            // Ours is the shorter one, which also holds for a call with its repetition.
            .timeout(config.timeout * 2);
        builder.api_key = config.api_key.as_ref().map(|key| key.expose_secret().to_owned());
        Ok(Self {
            client: builder.build()?,
            timeout: config.timeout,
            prefix: config.prefix.as_str().into(),
            limits,
            work,
            points: Arc::new(Semaphore::new(POINTS_MAX)),
        })
    }

    /// Shows whether it is there, until `stop`.
    pub async fn watch(self, gate: Gate, stop: CancellationToken) {
        loop {
            match self.call("", self.client.health_check()).await {
                Ok(_) => gate.set(true),
                Err(error) => gate.set_reason(error.to_string()),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
    }
}

impl VectorStore for Qdrant {
    type Import = QdrantImport;

    async fn create(&self, tenant: &Tenant, name: &str, schema: &Schema) -> Result<(), StoreError> {
        check_name(name)?;
        check_schema(schema)?;
        let is_same = |found: Result<(api::CollectionInfo, Schema, bool), CollectionError>| match found {
            Ok((_, there, unfinished)) if there == *schema && !unfinished => Ok(true),
            Ok(_) => Err(CollectionError::Exists(name.to_owned())),
            Err(CollectionError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        };
        if is_same(self.look(tenant, name).await)? {
            // Whoever made it may not have come so far.
            return Ok(self.index(tenant, name, schema).await?);
        }
        self.check_count(tenant).await?;
        match self.make(tenant, name, schema, false).await {
            // Somebody else did it meanwhile.
            Err(CollectionError::Exists(_)) if is_same(self.look(tenant, name).await)? => {
                Ok(self.index(tenant, name, schema).await?)
            }
            made => Ok(made?),
        }
    }

    async fn delete(&self, tenant: &Tenant, name: &str) -> Result<(), StoreError> {
        check_name(name).map_err(|_| CollectionError::NotFound(name.to_owned()))?;
        self.look(tenant, name).await?;
        let delete = DeleteCollection { collection_name: self.name_of(tenant, name), timeout: Some(self.seconds()) };
        let answer = self.call(name, self.client.delete_collection(delete)).await?;
        if answer.result { Ok(()) } else { Err(CollectionError::NotFound(name.to_owned()).into()) }
    }

    async fn list(&self, tenant: &Tenant, after: &str, limit: usize) -> Result<Vec<(String, Schema)>, StoreError> {
        let names = self.names(tenant).await?.into_iter().filter(|name| name.as_str() > after);
        let look = async |name: String| match self.find(tenant, &name).await {
            Ok((_, schema)) => Ok(Some((name, schema))),
            Err(CollectionError::NotFound(_) | CollectionError::Qdrant(QdrantError::Foreign(_))) => Ok(None),
            Err(error) => Err(error),
        };
        let found = futures::stream::iter(names).map(look).buffered(ASKED_MAX).try_filter_map(async |found| Ok(found));
        Ok(found.take(limit).try_collect().await?)
    }

    async fn upsert(&self, tenant: &Tenant, name: &str, points: Vec<Point>) -> Result<usize, StoreError> {
        let (info, schema) = self.find(tenant, name).await?;
        let given = points.len();
        let mut last: std::collections::HashMap<String, Point> = Default::default();
        for point in points {
            check(&schema, &point)?;
            last.insert(point.id.clone(), point);
        }
        let points: Vec<Point> = last.into_values().collect();
        if points.is_empty() {
            return Ok(0);
        }
        let most = self.limits.points_max;
        // Qdrant's own figure may count a point twice, never too few; ids are looked up only where it matters.
        let about = usize::try_from(info.points_count.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        if about.saturating_add(points.len()) > most {
            let ids = points.iter().map(|point| wire::point_id(&point.id)).collect();
            let known = self.known(tenant, name, ids).await?.len();
            if self.count(tenant, name).await? + points.len() - known > most {
                return Err(CollectionError::TooManyPoints(most).into());
            }
        }
        self.put(tenant, name, &schema, points).await?;
        Ok(given)
    }

    async fn remove(&self, tenant: &Tenant, name: &str, ids: Vec<String>) -> Result<usize, StoreError> {
        self.find(tenant, name).await?;
        let ids: HashSet<String> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let ids = self.known(tenant, name, ids.iter().map(|id| wire::point_id(id)).collect()).await?;
        let removed = ids.len();
        if removed > 0 {
            let selected = api::points_selector::PointsSelectorOneOf::Points(PointsIdsList { ids });
            let delete = DeletePoints {
                collection_name: self.name_of(tenant, name),
                wait: Some(true),
                points: Some(PointsSelector { points_selector_one_of: Some(selected) }),
                timeout: Some(self.seconds()),
                ..Default::default()
            };
            self.write(name, self.client.delete_points(delete)).await?;
        }
        Ok(removed)
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        name: &str,
        questions: Vec<Question>,
        mut room: Room,
        // Nothing has more time than is left of the call.
        _until: Option<Instant>,
    ) -> Result<Vec<Vec<Found>>, StoreError> {
        let _place = self.work.place()?;
        let (_, schema) = self.find(tenant, name).await?;
        for question in &questions {
            check_vector(&question.vector, schema.dimension, schema.distance)
                .map_err(|reason| CollectionError::Vector { id: String::new(), reason })?;
        }
        let mut answers = Vec::with_capacity(questions.len());
        let mut questions = questions.into_iter().peekable();
        while let Some(first) = questions.next() {
            let (mut points, mut together) = (first.k, vec![first]);
            while let Some(next) = questions.next_if(|next| points + next.k <= PAGE_POINTS) {
                points += next.k;
                together.push(next);
            }
            let _room = self.room_for(points).await?;
            for found in self.query(tenant, name, &schema, together).await? {
                for hit in &found {
                    room.take(size(&hit.id, hit.payload.as_ref(), 0))?;
                }
                answers.push(found);
            }
        }
        Ok(answers)
    }

    async fn page(
        &self,
        tenant: &Tenant,
        name: &str,
        (after, limit): (&str, usize),
        with_vectors: bool,
        mut room: Room,
    ) -> Result<(Vec<Point>, bool), StoreError> {
        let _place = self.work.place()?;
        self.find(tenant, name).await?;
        let _room = self.room_for(limit).await?;
        // The offset is the first point of a page, so the last one of the page before comes again if it is still there.
        let offset = (!after.is_empty()).then(|| wire::point_id(after));
        let (mut points, next) = self.scroll(tenant, name, (offset, limit + 1), with_vectors).await?;
        points.retain(|point| point.id != after);
        let mut more = next.is_some() || points.len() > limit;
        points.truncate(limit);
        for at in 0..points.len() {
            let point = &points[at];
            let taken = room.take(size(&point.id, point.payload.as_ref(), point.vector.len()));
            if taken.is_err() && at > 0 {
                points.truncate(at);
                more = true;
                break;
            }
            taken?;
        }
        Ok((points, more))
    }

    async fn stats(&self, tenant: &Tenant, name: &str) -> Result<(Schema, Stats), StoreError> {
        let (info, schema) = self.find(tenant, name).await?;
        let points = self.count(tenant, name).await?;
        let indexed = usize::try_from(info.indexed_vectors_count.unwrap_or(0)).unwrap_or(usize::MAX);
        let stats = Stats {
            points,
            disk_bytes: 0,
            segments: usize::try_from(info.segments_count).unwrap_or(usize::MAX),
            linked: indexed.min(points),
            tail: points.saturating_sub(indexed),
            generation: 0,
        };
        Ok((schema, stats))
    }

    async fn export(&self, tenant: &Tenant, name: &str) -> Result<Export, StoreError> {
        let (_, schema) = self.find(tenant, name).await?;
        let (this, tenant, name, runtime) = (self.clone(), tenant.clone(), name.to_owned(), Handle::current());
        Ok(Box::new(move |put| {
            let mut offset = Some(None);
            let pages = std::iter::from_fn(|| {
                let page = (offset.take()?, PAGE_POINTS);
                let read = async {
                    let _room = this.room_for(PAGE_POINTS).await?;
                    this.scroll(&tenant, &name, page, true).await
                };
                Some(runtime.block_on(read).map(|(points, next)| {
                    offset = next.map(Some);
                    points
                }))
            });
            let points = pages.flat_map(|page| match page {
                Ok(points) => points.into_iter().map(|point| Ok(exported(point))).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            });
            backup::write(&schema, points, put)
        }))
    }

    async fn import(&self, tenant: &Tenant, name: &str) -> Result<QdrantImport, StoreError> {
        check_name(name)?;
        match self.look(tenant, name).await {
            Ok(_) => return Err(CollectionError::Exists(name.to_owned()).into()),
            Err(CollectionError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.check_count(tenant).await?;
        Ok(QdrantImport::new(self.clone(), tenant.clone(), name.to_owned()))
    }
}

fn check_schema(schema: &Schema) -> Result<(), CollectionError> {
    if !(1..=MAX_DIMENSION).contains(&schema.dimension) {
        return Err(CollectionError::Dimension(schema.dimension));
    }
    if schema.partition_field.len() > FIELD_BYTES_MAX {
        return Err(CollectionError::PartitionField(schema.partition_field.len()));
    }
    Ok(())
}

fn check(schema: &Schema, point: &Point) -> Result<(), CollectionError> {
    check_point(point)?;
    check_vector(&point.vector, schema.dimension, schema.distance)
        .map_err(|reason| CollectionError::Vector { id: point.id.clone(), reason })
}

fn exported(point: Point) -> pb::Point {
    pb::Point { id: point.id, vector: to_bytes(&point.vector).into(), values: Vec::new(), payload: point.payload }
}

/// Bytes of a point in an answer.
fn size(id: &str, payload: Option<&prost_types::Struct>, values: usize) -> usize {
    HIT_BYTES + id.len() + payload.map_or(0, prost::Message::encoded_len) + 4 * values
}
