//! One collection: an index in a folder, searched without waiting for anybody while it is written and compacted.

use std::{
    collections::{BinaryHeap, HashSet},
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use prost::Message as _;
use prost_types::Struct;
use tokio::sync::Notify;
use vector_index::{
    Config, Distance, Durability, Hit, Index, IndexError, Point as IndexPoint, Search, SearchError, Selection,
    Snapshot, Stop, VectorError,
};

use super::{
    CollectionError, ID_BYTES_MAX, PAYLOAD_BYTES_MAX,
    filter::{Filter, Selections, is_stopped},
    partitions::{FIELD_BYTES_MAX, Partitions},
    passes::{Answers, Lane, Question},
};

/// Values in no segment from which upkeep makes one of them: searches look through such points by 8-bit codes alone.
const SEAL_VALUES: usize = 1 << 20;
/// As many points, but within these.
const SEAL_POINTS: RangeInclusive<usize> = 256..=4096;
/// When the tail has so many times what upkeep makes a segment of, whoever writes makes it.
const TAIL_BEHIND: usize = 2;
/// Points in no segment from which writers wait for upkeep.
const TAIL_MAX: usize = 65_536;
/// Segments from which writers wait for upkeep. Those of very different sizes, which are not merged, are half as many.
const SEGMENTS_MAX: usize = 64;
/// Most that an encoded hit or point has beside its id, payload and vector: score, tags and lengths.
pub(super) const HIT_BYTES: usize = 16;

/// What a collection's vectors are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Values a vector.
    pub dimension: usize,
    /// How they are compared.
    pub distance: Distance,
    /// Field of the payload by whose value points lie together; empty for none.
    pub partition_field: String,
}

/// One vector with its id and payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// 1 to 128 bytes.
    pub id: String,
    /// Its values.
    pub vector: Vec<f32>,
    /// Free fields.
    pub payload: Option<Struct>,
}

/// A point that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// Greater is nearer.
    pub score: f32,
    /// Its payload.
    pub payload: Option<Struct>,
}

/// Bytes that an answer may still have, so that nobody can ask for more than fits in memory.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    left: usize,
    most: usize,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(most: usize) -> Self {
        Self { left: most, most }
    }

    /// Takes some of it.
    ///
    /// # Errors
    /// `AnswerTooLarge`.
    pub fn take(&mut self, bytes: usize) -> Result<(), CollectionError> {
        self.left = self.left.checked_sub(bytes).ok_or(CollectionError::AnswerTooLarge(self.most))?;
        Ok(())
    }
}

/// Size of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Live points.
    pub points: usize,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Segments.
    pub segments: usize,
    /// Points in segments with a graph, dead ones included.
    pub linked: usize,
    /// Points in no segment, dead ones included.
    pub tail: usize,
    /// Counts the changes since it was opened.
    pub generation: u64,
}

/// An open collection.
#[derive(Debug)]
pub struct Collection {
    name: String,
    folder: PathBuf,
    index: Index,
    partitions: Option<Partitions>,
    selections: Selections,
    pub(super) lane: Lane,
    /// Held by whoever writes; true when the collection was deleted.
    writing: Mutex<bool>,
    /// Held during a piece of upkeep, and how many wait for that.
    upkeep: Mutex<()>,
    hurried: AtomicUsize,
    pub(super) waits_for_upkeep: AtomicBool,
    upkeep_failed: AtomicBool,
    /// Told after each piece of upkeep.
    upkept: Notify,
    disk_bytes: AtomicU64,
}

impl Collection {
    /// Makes the files of an empty collection in a folder, which is created.
    ///
    /// # Errors
    /// `Dimension`, `PartitionField`, `Disk`, `Index`.
    pub fn make(folder: &Path, schema: &Schema) -> Result<(), CollectionError> {
        if schema.partition_field.len() > FIELD_BYTES_MAX {
            return Err(CollectionError::PartitionField(schema.partition_field.len()));
        }
        fs::create_dir(folder)?;
        if !schema.partition_field.is_empty() {
            Partitions::create(folder, &schema.partition_field)?;
        }
        let config = Config::new(schema.dimension, schema.distance);
        Index::open(folder, config, Durability::Disk).map(drop).map_err(refused)
    }

    /// Opens the files of a collection.
    ///
    /// # Errors
    /// `Disk`, `Index`.
    pub fn open(folder: &Path, name: &str, graph_bytes_max: usize) -> Result<Self, CollectionError> {
        let config = Config::of_folder(folder).map_err(|error| refused(error.into()))?;
        let no_index = || io::Error::new(io::ErrorKind::InvalidData, format!("{} holds no index", folder.display()));
        let config = config.ok_or_else(no_index)?;
        let seal_rows = (SEAL_VALUES / config.dimension).clamp(*SEAL_POINTS.start(), *SEAL_POINTS.end());
        let config = Config { seal_rows, graph_bytes_max, ..config };
        let collection = Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            index: Index::open(folder, config, Durability::Disk).map_err(refused)?,
            partitions: Partitions::open(folder)?,
            selections: Selections::default(),
            lane: Lane::default(),
            writing: Mutex::new(false),
            upkeep: Mutex::new(()),
            hurried: AtomicUsize::new(0),
            waits_for_upkeep: AtomicBool::new(false),
            upkeep_failed: AtomicBool::new(false),
            upkept: Notify::new(),
            disk_bytes: AtomicU64::new(0),
        };
        collection.measure();
        Ok(collection)
    }

    /// What its vectors are like.
    pub fn schema(&self) -> Schema {
        let Config { dimension, distance, .. } = self.index.config();
        let partition_field = self.partitions.as_ref().map(Partitions::field).unwrap_or_default().to_owned();
        Schema { dimension, distance, partition_field }
    }

    /// Its size.
    pub fn stats(&self) -> Stats {
        let snapshot = self.index.snapshot();
        let stats = snapshot.stats();
        Stats {
            points: stats.points,
            disk_bytes: self.disk_bytes(),
            segments: stats.segments,
            linked: stats.linked,
            tail: stats.tail,
            generation: snapshot.version(),
        }
    }

    /// Bytes on disk after the last write.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    /// What it holds now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.index.snapshot()
    }

    /// Values that the search of a question may have to look through; none where only its payloads tell.
    pub(super) fn values(&self, question: &Question) -> Option<usize> {
        let snapshot = self.index.snapshot();
        let rows = match &question.filter {
            None => snapshot.len(),
            Some(filter) if filter.fields.len() == 1 => {
                let partitions = self.partitions.as_ref()?;
                let partition = partitions.find(filter.fields.get(partitions.field())?)?;
                partition.map_or(0, |partition| snapshot.rows_of(partition))
            }
            Some(_) => return None,
        };
        Some(rows * self.index.config().dimension)
    }

    /// Waits until upkeep is near enough to take more points.
    ///
    /// # Errors
    /// `Behind`.
    pub(super) async fn wait_for_upkeep(&self) -> Result<(), CollectionError> {
        loop {
            let upkept = self.upkept.notified();
            let stats = self.index.snapshot().stats();
            if stats.tail < TAIL_MAX && stats.segments < SEGMENTS_MAX {
                return Ok(());
            }
            if self.upkeep_failed.load(Ordering::Acquire) {
                return Err(CollectionError::Behind(self.name.clone()));
            }
            upkept.await;
        }
    }

    /// Inserts or replaces points: all of them on disk afterwards, or none. True when upkeep should look at it.
    pub(super) fn upsert(&self, points: &[Point], points_max: usize) -> Result<bool, CollectionError> {
        for point in points {
            check_point(point)?;
        }
        let payloads: Vec<Vec<u8>> = points.iter().map(encoded_payload).collect();
        let _one = self.write()?;
        let snapshot = self.index.snapshot();
        // Ids are looked up only where it matters.
        if snapshot.len() + points.len() > points_max {
            let fresh = points.iter().filter(|point| snapshot.get(&point.id).is_none());
            let fresh: HashSet<&str> = fresh.map(|point| point.id.as_str()).collect();
            if snapshot.len() + fresh.len() > points_max {
                return Err(CollectionError::TooManyPoints(points_max));
            }
        }
        drop(snapshot);
        let numbers = match &self.partitions {
            Some(partitions) => {
                let payloads: Vec<Option<&Struct>> = points.iter().map(|point| point.payload.as_ref()).collect();
                partitions.number(&payloads)?
            }
            None => vec![0; points.len()],
        };
        let rows = points.iter().zip(&payloads).zip(numbers).map(|((point, payload), tenant)| IndexPoint {
            id: &point.id,
            tenant,
            payload,
            vector: &point.vector,
        });
        let new = self.index.upsert(&rows.collect::<Vec<_>>()).map_err(refused)?;
        let (tail, full) = (self.index.snapshot().stats().tail, self.index.config().seal_rows);
        if tail >= TAIL_BEHIND * full && !self.upkeep_failed.load(Ordering::Acquire) {
            // Upkeep is busy with a large piece, and searches would become slower until it is done. Other writers wait
            // meanwhile: they would only fill the next tail.
            self.note(&self.index.seal());
        }
        self.measure();
        Ok(new < points.len() || tail >= full)
    }

    /// Removes points; how many were there.
    pub(super) fn remove(&self, ids: &[String]) -> Result<usize, CollectionError> {
        let _one = self.write()?;
        let removed = self.index.remove(&ids.iter().map(String::as_str).collect::<Vec<_>>()).map_err(refused)?;
        self.measure();
        Ok(removed)
    }

    /// Counts the changes since it was opened.
    pub(super) fn generation(&self) -> u64 {
        self.index.snapshot().version()
    }

    /// Does a piece of upkeep; true when there may be more to do. Searches go on, and writes but for a moment.
    pub(super) fn keep_up(&self) -> bool {
        self.index.wants_compaction() && self.compact(self.hurry(), Index::compact)
    }

    /// Puts it in order, if it is worth it; for a time when nobody writes. True when there may be more to do. A graph, which
    /// takes longest, is given up when something else has to be done, or on `stop`.
    pub(super) fn tidy(&self, stop: &AtomicBool) -> bool {
        let one = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let give_up = || self.hurried.load(Ordering::Relaxed) > 0 || stop.load(Ordering::Relaxed);
        self.compact(one, |index| index.tidy(&give_up))
    }

    /// The right to do upkeep, soon; whatever piece was on its way is over then.
    pub(super) fn hurry(&self) -> MutexGuard<'_, ()> {
        self.hurried.fetch_add(1, Ordering::Relaxed);
        let one = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        self.hurried.fetch_sub(1, Ordering::Relaxed);
        one
    }

    fn compact(&self, _one: MutexGuard<'_, ()>, how: impl FnOnce(&Index) -> Result<bool, IndexError>) -> bool {
        if *self.writing.lock().unwrap_or_else(PoisonError::into_inner) {
            return false;
        }
        let outcome = how(&self.index);
        self.measure();
        self.note(&outcome);
        outcome.unwrap_or(false)
    }

    /// Notes how a piece of upkeep ended.
    fn note(&self, outcome: &Result<bool, IndexError>) {
        match outcome {
            Ok(true) => self.selections.forget_unused(),
            Ok(false) => {}
            Err(error) => {
                let error: &dyn std::error::Error = error;
                tracing::error!(collection = %self.name, error, "cannot compact a collection; will try again after the next write");
            }
        }
        self.upkeep_failed.store(outcome.is_err(), Ordering::Release);
        self.upkept.notify_waiters();
    }

    /// What is asked in these calls, all in one pass.
    pub(super) fn answer(&self, calls: &[Asked<'_>]) -> Vec<Answers> {
        let snapshot = self.index.snapshot();
        let asked = || calls.iter().flat_map(|call| call.questions.iter().map(|question| (question, call.stop)));
        let scopes: Vec<Result<Scope, CollectionError>> =
            asked().map(|(question, stop)| self.scope(question, &snapshot, &stop)).collect();
        let searches = asked().zip(&scopes).filter_map(|((question, stop), scope)| {
            let scope = scope.as_ref().ok()?;
            let k = if scope.nothing { 0 } else { question.k };
            let (tenant, among) = (scope.partition, scope.among.as_deref());
            Some(Search { tenant, among, exact: question.exact, stop, ..Search::new(&question.vector, k) })
        });
        let searches: Vec<Search<'_>> = searches.collect();
        let mut hits = match &searches[..] {
            [search] => vec![snapshot.search(search)],
            searches => snapshot.search_batch(searches),
        }
        .into_iter();
        drop(searches);
        let hits: Vec<Result<Vec<Hit<'_>>, CollectionError>> = scopes
            .into_iter()
            .map(|scope| scope.and_then(|_| hits.next().unwrap_or(Err(SearchError::Stopped)).map_err(not_found)))
            .collect();
        let mut hits = hits.into_iter();
        let answer = |call: &Asked<'_>| {
            let mut room = call.room;
            let of_call: Vec<_> = hits.by_ref().take(call.questions.len()).collect();
            of_call.into_iter().map(|hits| found(&hits?, &mut room)).collect()
        };
        calls.iter().map(answer).collect()
    }

    /// Points behind `after` by id, at most `limit` and as many as there is room for; true when there are more.
    pub(super) fn page(
        &self,
        after: &str,
        limit: usize,
        with_vectors: bool,
        mut room: Room,
    ) -> Result<(Vec<Point>, bool), CollectionError> {
        let snapshot = self.index.snapshot();
        let mut first = BinaryHeap::with_capacity(limit + 2);
        for point in snapshot.points().filter(|point| point.id > after) {
            if first.len() <= limit || first.peek().is_some_and(|last| point.id < *last) {
                first.push(point.id);
                if first.len() > limit + 1 {
                    first.pop();
                }
            }
        }
        let ids = first.into_sorted_vec();
        let mut points = Vec::new();
        for point in ids.iter().take(limit).filter_map(|id| snapshot.get(id)) {
            let vector = if with_vectors { point.vector.to_vec() } else { Vec::new() };
            let taken = room.take(HIT_BYTES + point.id.len() + point.payload.len() + 4 * vector.len());
            if taken.is_err() && !points.is_empty() {
                return Ok((points, true));
            }
            taken?;
            points.push(Point { id: point.id.to_owned(), vector, payload: decoded_payload(point.payload)? });
        }
        Ok((points, ids.len() > limit))
    }

    /// Keeps everybody from changing the files, then does `last`, and keeps them away for good if that goes well.
    pub(super) fn close(&self, last: impl FnOnce() -> Result<(), CollectionError>) -> Result<(), CollectionError> {
        let _upkeep = self.hurry();
        let mut removed = self.write()?;
        last()?;
        *removed = true;
        Ok(())
    }

    /// What a question's filter leaves of a snapshot.
    fn scope(&self, question: &Question, snapshot: &Snapshot, stop: &Stop<'_>) -> Result<Scope, CollectionError> {
        let mut scope = Scope::default();
        let Some(filter) = &question.filter else { return Ok(scope) };
        let mut fields: Vec<_> = filter.fields.iter().collect();
        if let Some(partitions) = &self.partitions
            && let Some(at) = fields.iter().position(|(name, _)| **name == *partitions.field())
            && let Some(partition) = partitions.find(fields[at].1)
        {
            fields.swap_remove(at);
            scope.nothing = partition.is_none();
            scope.partition = partition;
        }
        if let Some(filter) = Filter::new(fields.into_iter()).filter(|_| !scope.nothing) {
            scope.among = Some(self.selections.of(&filter, snapshot, || is_stopped(stop))?);
        }
        Ok(scope)
    }

    /// The right to write.
    fn write(&self) -> Result<MutexGuard<'_, bool>, CollectionError> {
        let removed = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if *removed { Err(CollectionError::NotFound(self.name.clone())) } else { Ok(removed) }
    }

    /// Looks how large the files are.
    fn measure(&self) {
        // A file that upkeep removes meanwhile counts nothing.
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let bytes = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        self.disk_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// Checks what is not the vector of a point.
///
/// # Errors
/// `Id`, `Payload`.
pub(super) fn check_point(point: &Point) -> Result<(), CollectionError> {
    if !(1..=ID_BYTES_MAX).contains(&point.id.len()) {
        return Err(CollectionError::Id(point.id.len()));
    }
    let size_bytes = point.payload.as_ref().map_or(0, Struct::encoded_len);
    if size_bytes > PAYLOAD_BYTES_MAX {
        return Err(CollectionError::Payload { id: point.id.clone(), size_bytes });
    }
    Ok(())
}

/// What a call asks.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub questions: &'a [Question],
    pub stop: Stop<'a>,
    pub room: Room,
}

/// Points that can be found.
#[derive(Debug, Default)]
struct Scope {
    partition: Option<u32>,
    among: Option<Arc<Selection>>,
    nothing: bool,
}

fn found(hits: &[Hit<'_>], room: &mut Room) -> Result<Vec<Found>, CollectionError> {
    let found = hits.iter().map(|hit| {
        room.take(HIT_BYTES + hit.point.id.len() + hit.point.payload.len())?;
        let payload = decoded_payload(hit.point.payload)?;
        Ok(Found { id: hit.point.id.to_owned(), score: hit.score, payload })
    });
    found.collect()
}

/// A payload as it is stored: empty when it has no fields.
pub(super) fn encoded_payload(point: &Point) -> Vec<u8> {
    point.payload.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default()
}

pub(super) fn decoded_payload(bytes: &[u8]) -> Result<Option<Struct>, CollectionError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let damaged = |error| CollectionError::Disk(io::Error::new(io::ErrorKind::InvalidData, error));
    Struct::decode(bytes).map(Some).map_err(damaged)
}

fn not_found(error: SearchError) -> CollectionError {
    match error {
        SearchError::Vector(reason) => CollectionError::Vector { id: String::new(), reason },
        SearchError::Stopped => CollectionError::Stopped,
        SearchError::OtherSnapshot => CollectionError::Disk(io::Error::other(error)),
    }
}

pub(super) fn refused(error: IndexError) -> CollectionError {
    match error {
        IndexError::Vector { id, reason } => CollectionError::Vector { id, reason },
        IndexError::Dimension(VectorError::BadDimension(dimension)) => CollectionError::Dimension(dimension),
        other => CollectionError::Index(other),
    }
}
