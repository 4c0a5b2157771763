//! One collection: an exact index, payloads, and the log that both come from.

use std::{collections::HashMap, fs, io, path::Path};

use prost::Message as _;
use prost_types::Struct;
use vector_index::{Distance, FlatIndex};

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
    index: FlatIndex,
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
        let index = FlatIndex::new(schema.dimension, schema.distance)
            .map_err(|_| CollectionError::Dimension(i64::try_from(schema.dimension).unwrap_or(i64::MAX)))?;
        let log = Frames::replace(path, MAGIC, std::iter::once(Record::Schema(schema).encode()))?;
        Ok(Self { schema, index, payloads: HashMap::new(), log, dead: 0, removed: false })
    }

    /// Opens a log; none if it holds no schema: it was cut before its creation was acknowledged.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is of another kind.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut state: Option<(Schema, FlatIndex)> = None;
        let mut payloads = HashMap::new();
        let (mut dead, mut unknown) = (0, 0);
        let log = Frames::open(path, MAGIC, |record| match (Record::decode(record), &mut state) {
            (Some(Record::Schema(schema)), None) => {
                state = FlatIndex::new(schema.dimension, schema.distance).ok().map(|index| (schema, index));
            }
            (Some(Record::Upsert(points)), Some((_, index))) => {
                for point in points {
                    match index.upsert(&point.id, &point.vector) {
                        Ok(new) => dead += usize::from(!new),
                        Err(_) => unknown += 1,
                    }
                    put_payload(&mut payloads, point.id, point.payload);
                }
            }
            (Some(Record::Remove(ids)), Some((_, index))) => {
                for id in ids {
                    dead += usize::from(index.remove(&id)) + 1;
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
        Stats { points: self.index.len(), disk_bytes: self.log.bytes() }
    }

    /// Inserts or replaces points: all of them on disk afterwards, or none.
    pub(super) fn upsert(&mut self, points: Vec<Point>, points_max: usize) -> Result<usize, CollectionError> {
        self.check_open()?;
        let mut new = std::collections::HashSet::new();
        for point in &points {
            self.check_point(point)?;
            if !self.index.contains(&point.id) {
                new.insert(point.id.as_str());
            }
        }
        if self.index.len() + new.len() > points_max {
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
            for point in points {
                let new = self.index.upsert(&point.id, &point.vector);
                let new = new.map_err(|reason| CollectionError::Vector { id: point.id.clone(), reason })?;
                self.dead += usize::from(!new);
                put_payload(&mut self.payloads, point.id, point.payload);
            }
        }
        self.rewrite_when_worth_it()?;
        Ok(count)
    }

    /// Removes points; how many were there.
    pub(super) fn remove(&mut self, ids: &[String]) -> Result<usize, CollectionError> {
        self.check_open()?;
        let there: Vec<String> = ids.iter().filter(|id| self.index.contains(id)).cloned().collect();
        if there.is_empty() {
            return Ok(0);
        }
        let record = Record::Remove(there.clone());
        self.log.append(&record.encode())?;
        self.log.sync()?;
        let mut removed = 0;
        for id in &there {
            removed += usize::from(self.index.remove(id));
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
        let keep = |id: &str| {
            let Some(filter) = filter.filter(|filter| !filter.fields.is_empty()) else { return true };
            let payload = self.payloads.get(id);
            payload.is_some_and(|payload| {
                filter.fields.iter().all(|(name, value)| payload.fields.get(name) == Some(value))
            })
        };
        let hits = self.index.search(vector, k, keep);
        let hits = hits.map_err(|reason| CollectionError::Vector { id: String::new(), reason })?;
        let found = hits.into_iter().map(|hit| {
            let payload = self.payloads.get(&*hit.id);
            room.take(HIT_BYTES + hit.id.len() + payload.map_or(0, Struct::encoded_len))?;
            Ok(Found { id: hit.id.as_ref().to_owned(), score: hit.score, payload: payload.cloned() })
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
        if self.dead < DEAD_MIN.max(self.index.len()) {
            return Ok(());
        }
        let ids: Vec<&str> = self.index.ids().collect();
        let upserts = ids.chunks(REWRITE_BATCH).map(|ids| {
            let point = |id: &&str| Point {
                id: (*id).to_owned(),
                vector: self.index.vector(id).unwrap_or_default().to_vec(),
                payload: self.payloads.get(*id).cloned(),
            };
            Record::Upsert(ids.iter().map(point).collect()).encode()
        });
        let records = std::iter::once(Record::Schema(self.schema).encode()).chain(upserts);
        self.log = Frames::replace(self.log.path(), MAGIC, records)?;
        self.dead = 0;
        Ok(())
    }
}

fn put_payload(payloads: &mut HashMap<String, Struct>, id: String, payload: Option<Struct>) {
    match payload.filter(|payload| !payload.fields.is_empty()) {
        Some(payload) => payloads.insert(id, payload),
        None => payloads.remove(&id),
    };
}
