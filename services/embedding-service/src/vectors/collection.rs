//! One collection: an index that is searched exactly, payloads, and the log that both come from.

use std::{collections::HashMap, fs, io, path::Path};

use prost::Message as _;
use prost_types::Struct;
use vector_index::{Config, Distance, Index, IndexError, Point as IndexPoint, Search, SearchError};

use super::{
    CollectionError, ID_BYTES_MAX, PAYLOAD_BYTES_MAX,
    log::{MAGIC, Record},
};
use crate::frames::Frames;

/// Points a record of a rewritten log holds.
const REWRITE_BATCH: usize = 500;
/// Dead points below which a log is never rewritten.
const DEAD_MIN: usize = 1_000;

/// Most that an encoded hit has beside its id and payload: score, tags and lengths.
const HIT_BYTES: usize = 16;

/// What a collection's vectors are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Values a vector.
    pub dimension: usize,
    /// How they are compared.
    pub distance: Distance,
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
#[derive(Debug)]
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
}

/// An open collection.
#[derive(Debug)]
pub struct Collection {
    schema: Schema,
    index: Index,
    payloads: HashMap<String, Struct>,
    log: Frames,
    /// Points in the log that were replaced or removed since.
    dead: usize,
    /// Its file is gone.
    removed: bool,
}

impl Collection {
    /// # Errors
    /// `Dimension`, `Disk`.
    pub fn create(path: &Path, schema: Schema) -> Result<Self, CollectionError> {
        let index = Index::in_memory(Config::new(schema.dimension, schema.distance))
            .map_err(|_| CollectionError::Dimension(i64::try_from(schema.dimension).unwrap_or(i64::MAX)))?;
        let log = Frames::replace(path, MAGIC, std::iter::once(Record::Schema(schema).encode()))?;
        Ok(Self { schema, index, payloads: HashMap::new(), log, dead: 0, removed: false })
    }

    /// Opens a log; none if it holds no schema: it was cut before its creation was acknowledged.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is of another kind.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut state: Option<(Schema, Index)> = None;
        let mut payloads = HashMap::new();
        let (mut dead, mut unknown) = (0, 0);
        let log = Frames::open(path, MAGIC, |record| match (Record::decode(record), &mut state) {
            (Some(Record::Schema(schema)), None) => {
                let config = Config::new(schema.dimension, schema.distance);
                state = Index::in_memory(config).ok().map(|index| (schema, index));
            }
            (Some(Record::Upsert(points)), Some((_, index))) => {
                match index.upsert(&index_points(&points)) {
                    Ok(new) => dead += points.len() - new,
                    Err(_) => unknown += 1,
                }
                for point in points {
                    put_payload(&mut payloads, point.id, point.payload);
                }
            }
            (Some(Record::Remove(ids)), Some((_, index))) => {
                match index.remove(&ids.iter().map(String::as_str).collect::<Vec<_>>()) {
                    Ok(removed) => dead += removed + ids.len(),
                    Err(_) => unknown += 1,
                }
                for id in ids {
                    payloads.remove(&id);
                }
            }
            _ => unknown += 1,
        })?;
        if unknown > 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} was written by a newer program", path.display()),
            ));
        }
        let Some((schema, index)) = state else { return Ok(None) };
        while index.compact().map_err(io::Error::other)? {}
        let mut collection = Self { schema, index, payloads, log, dead, removed: false };
        collection.rewrite_when_worth_it()?;
        Ok(Some(collection))
    }

    /// What its vectors are like.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Its size.
    pub fn stats(&self) -> Stats {
        Stats { points: self.index.snapshot().len(), disk_bytes: self.log.bytes() }
    }

    /// Inserts or replaces points: all of them on disk afterwards, or none.
    pub(super) fn upsert(&mut self, points: Vec<Point>, points_max: usize) -> Result<usize, CollectionError> {
        self.check_open()?;
        let mut new = std::collections::HashSet::new();
        let snapshot = self.index.snapshot();
        for point in &points {
            self.check_point(point)?;
            if snapshot.get(&point.id).is_none() {
                new.insert(point.id.as_str());
            }
        }
        if snapshot.len() + new.len() > points_max {
            return Err(CollectionError::TooManyPoints(points_max));
        }
        let count = points.len();
        if count == 0 {
            return Ok(0);
        }
        let record = Record::Upsert(points);
        self.log.append(&record.encode())?;
        self.log.sync()?;
        if let Record::Upsert(points) = record {
            let new = self.index.upsert(&index_points(&points)).map_err(refused)?;
            self.dead += points.len() - new;
            for point in points {
                put_payload(&mut self.payloads, point.id, point.payload);
            }
        }
        while self.index.compact().map_err(refused)? {}
        self.rewrite_when_worth_it()?;
        Ok(count)
    }

    /// Removes points; how many were there.
    pub(super) fn remove(&mut self, ids: &[String]) -> Result<usize, CollectionError> {
        self.check_open()?;
        let snapshot = self.index.snapshot();
        let there: Vec<String> = ids.iter().filter(|id| snapshot.get(id).is_some()).cloned().collect();
        if there.is_empty() {
            return Ok(0);
        }
        let record = Record::Remove(there.clone());
        self.log.append(&record.encode())?;
        self.log.sync()?;
        let removed = self.index.remove(&there.iter().map(String::as_str).collect::<Vec<_>>()).map_err(refused)?;
        for id in &there {
            self.payloads.remove(id);
            self.dead += 2;
        }
        self.rewrite_when_worth_it()?;
        Ok(removed)
    }

    /// The `k` nearest points whose payload has all fields of `filter` with equal values, as long as `room` lasts.
    ///
    /// # Errors
    /// `Vector`, `AnswerTooLarge`.
    pub fn search(
        &self,
        vector: &[f32],
        k: usize,
        filter: Option<&Struct>,
        room: &mut Room,
    ) -> Result<Vec<Found>, CollectionError> {
        self.check_open()?;
        let snapshot = self.index.snapshot();
        let filter = filter.filter(|filter| !filter.fields.is_empty());
        let among = filter.map(|filter| {
            snapshot.select(|point| {
                let payload = self.payloads.get(point.id);
                payload.is_some_and(|payload| {
                    filter.fields.iter().all(|(name, value)| payload.fields.get(name) == Some(value))
                })
            })
        });
        let search = Search { among: among.as_ref(), exact: true, ..Search::new(vector, k) };
        let hits = snapshot.search(&search).map_err(|error| match error {
            SearchError::Vector(reason) => CollectionError::Vector { id: String::new(), reason },
            SearchError::Stopped | SearchError::OtherSnapshot => CollectionError::Disk(io::Error::other(error)),
        })?;
        let found = hits.into_iter().map(|hit| {
            let payload = self.payloads.get(hit.point.id);
            room.take(HIT_BYTES + hit.point.id.len() + payload.map_or(0, Struct::encoded_len))?;
            Ok(Found { id: hit.point.id.to_owned(), score: hit.score, payload: payload.cloned() })
        });
        found.collect()
    }

    /// Removes the file; the collection is closed then.
    pub(super) fn remove_file(&mut self) -> io::Result<()> {
        fs::remove_file(self.log.path())?;
        self.removed = true;
        Ok(())
    }

    fn check_open(&self) -> Result<(), CollectionError> {
        let name = || self.log.path().file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if self.removed { Err(CollectionError::NotFound(name())) } else { Ok(()) }
    }

    fn check_point(&self, point: &Point) -> Result<(), CollectionError> {
        if !(1..=ID_BYTES_MAX).contains(&point.id.len()) {
            return Err(CollectionError::Id(point.id.len()));
        }
        let size_bytes = point.payload.as_ref().map_or(0, Struct::encoded_len);
        if size_bytes > PAYLOAD_BYTES_MAX {
            return Err(CollectionError::Payload { id: point.id.clone(), size_bytes });
        }
        self.index.check(&point.vector).map_err(|reason| CollectionError::Vector { id: point.id.clone(), reason })
    }

    /// Rewrites the log when more of it is dead than alive.
    fn rewrite_when_worth_it(&mut self) -> io::Result<()> {
        let snapshot = self.index.snapshot();
        if self.dead < DEAD_MIN.max(snapshot.len()) {
            return Ok(());
        }
        let points: Vec<IndexPoint<'_>> = snapshot.points().collect();
        let upserts = points.chunks(REWRITE_BATCH).map(|points| {
            let point = |point: &IndexPoint<'_>| Point {
                id: point.id.to_owned(),
                vector: point.vector.to_vec(),
                payload: self.payloads.get(point.id).cloned(),
            };
            Record::Upsert(points.iter().map(point).collect()).encode()
        });
        let records = std::iter::once(Record::Schema(self.schema).encode()).chain(upserts);
        self.log = Frames::replace(self.log.path(), MAGIC, records)?;
        self.dead = 0;
        Ok(())
    }
}

fn index_points(points: &[Point]) -> Vec<IndexPoint<'_>> {
    points.iter().map(|point| IndexPoint { id: &point.id, tenant: 0, payload: &[], vector: &point.vector }).collect()
}

fn refused(error: IndexError) -> CollectionError {
    match error {
        IndexError::Vector { id, reason } => CollectionError::Vector { id, reason },
        other => CollectionError::Disk(io::Error::other(other)),
    }
}

fn put_payload(payloads: &mut HashMap<String, Struct>, id: String, payload: Option<Struct>) {
    match payload.filter(|payload| !payload.fields.is_empty()) {
        Some(payload) => payloads.insert(id, payload),
        None => payloads.remove(&id),
    };
}
