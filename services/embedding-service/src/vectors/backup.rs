//! A collection as one file, to be kept elsewhere and made into a collection again.
//!
//! `magic "DRGMVCOL" | version u32 | records`, each `length u32 | first 8 bytes of the payload's SHA-256 | payload`.
//! A payload is `1 | Collection`, then `2 | UpsertRequest` as often as needed, then
//! `3 | points u64 | SHA-256 of all bytes before this record`, which a file that was cut off does not have. Numbers are
//! little-endian; messages are those of `dragoman.embedding.v1`.

use prost::Message as _;
use proto::embedding::v1 as pb;
use sha2::{Digest as _, Sha256};
use vector_index::{Distance, Snapshot};

use super::{CollectionError, Point, Schema, collection::decoded_payload};
use crate::embedding::{from_bytes, to_bytes};

const MAGIC: [u8; 8] = *b"DRGMVCOL";
const VERSION: u32 = 1;
const FILE_HEAD: usize = 12;
const HEAD: usize = 12;
/// A longer record is damage.
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Size from which a record of points is full.
const RECORD_BYTES: usize = 512 * 1024;
const SCHEMA: u8 = 1;
const POINTS: u8 = 2;
const END: u8 = 3;

/// Why a file is no collection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Another kind of file.
    #[error("is a file of another kind")]
    Foreign,
    /// Written by a newer program.
    #[error("has version {0} of the format; this program reads version {VERSION}")]
    Version(u32),
    /// Its end is missing.
    #[error("is cut off")]
    Truncated,
    /// It is not what was written.
    #[error("is damaged; take another copy")]
    Damaged,
}

/// Gives the file of a collection in pieces of some 512 kB, until `put` has enough of it.
///
/// # Errors
/// What `all` gives.
pub fn write(
    schema: &Schema,
    all: impl Iterator<Item = Result<pb::Point, CollectionError>>,
    put: impl FnMut(&[u8]) -> bool,
) -> Result<(), CollectionError> {
    let mut writer = Writer { put, all: Sha256::new() };
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    let mut goes_on = writer.bytes(&head) && writer.record(SCHEMA, &to_wire(String::new(), schema).encode_to_vec());
    let (mut points, mut size, mut count) = (Vec::new(), 0, 0u64);
    for point in all {
        if !goes_on {
            return Ok(());
        }
        let point = point?;
        size += point.id.len() + point.vector.len() + point.payload.as_ref().map_or(0, prost::Message::encoded_len);
        points.push(point);
        count += 1;
        if size >= RECORD_BYTES {
            goes_on = writer.points(std::mem::take(&mut points));
            size = 0;
        }
    }
    if goes_on && (points.is_empty() || writer.points(points)) {
        let mut end = count.to_le_bytes().to_vec();
        end.extend_from_slice(&writer.all.clone().finalize());
        writer.record(END, &end);
    }
    Ok(())
}

/// The points of a snapshot as a file has them.
pub fn points(snapshot: &Snapshot) -> impl Iterator<Item = Result<pb::Point, CollectionError>> {
    snapshot.points().map(|point| {
        let payload = decoded_payload(point.payload)?;
        Ok(pb::Point { id: point.id.to_owned(), vector: to_bytes(point.vector).into(), values: Vec::new(), payload })
    })
}

struct Writer<F> {
    put: F,
    all: Sha256,
}

impl<F: FnMut(&[u8]) -> bool> Writer<F> {
    fn bytes(&mut self, bytes: &[u8]) -> bool {
        self.all.update(bytes);
        (self.put)(bytes)
    }

    fn points(&mut self, points: Vec<pb::Point>) -> bool {
        self.record(POINTS, &pb::UpsertRequest { collection: String::new(), points }.encode_to_vec())
    }

    fn record(&mut self, kind: u8, message: &[u8]) -> bool {
        let mut payload = vec![kind];
        payload.extend_from_slice(message);
        let mut record = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        record.extend_from_slice(&checksum(&payload));
        record.extend_from_slice(&payload);
        self.bytes(&record)
    }
}

/// A file that comes in pieces.
#[derive(Debug, Default)]
pub struct Reader {
    /// What was not read yet.
    bytes: Vec<u8>,
    all: Sha256,
    has_head: bool,
    has_schema: bool,
    points: u64,
    ended: bool,
}

/// What a file says.
#[derive(Debug, PartialEq)]
pub enum Record {
    /// First of all.
    Schema(Schema),
    /// Some of the points.
    Points(Vec<Point>),
}

impl Reader {
    /// Takes the next bytes and gives what they complete to `each`.
    ///
    /// # Errors
    /// `Backup`, and what `each` gives.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Record) -> Result<(), CollectionError>,
    ) -> Result<(), CollectionError> {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        if !self.has_head {
            let known = self.bytes.len().min(MAGIC.len());
            if self.bytes[..known] != MAGIC[..known] {
                return Err(BackupError::Foreign.into());
            }
            let Some((head, _)) = self.bytes.split_first_chunk::<FILE_HEAD>() else { return Ok(()) };
            let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
            if version != VERSION {
                return Err(BackupError::Version(version).into());
            }
            self.all.update(head);
            self.has_head = true;
            at = FILE_HEAD;
        }
        while let Some((head, rest)) = self.bytes[at..].split_first_chunk::<HEAD>() {
            let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            if self.ended || length > RECORD_BYTES_MAX {
                return Err(BackupError::Damaged.into());
            }
            let Some(payload) = rest.get(..length) else { break };
            if checksum(payload) != head[4..] {
                return Err(BackupError::Damaged.into());
            }
            if payload.first() == Some(&END) {
                let mut end = self.points.to_le_bytes().to_vec();
                end.extend_from_slice(&self.all.clone().finalize());
                self.ended = payload[1..] == end && self.has_schema;
                if !self.ended {
                    return Err(BackupError::Damaged.into());
                }
            } else {
                let record = decode(payload).ok_or(BackupError::Damaged)?;
                match (&record, self.has_schema) {
                    (Record::Schema(_), false) => self.has_schema = true,
                    (Record::Points(points), true) => self.points += points.len() as u64,
                    _ => return Err(BackupError::Damaged.into()),
                }
                each(record)?;
            }
            self.all.update(&self.bytes[at..at + HEAD + length]);
            at += HEAD + length;
        }
        self.bytes.drain(..at);
        if self.ended && !self.bytes.is_empty() {
            return Err(BackupError::Damaged.into());
        }
        Ok(())
    }

    /// How many points it had, once all of it was there.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn end(&self) -> Result<u64, BackupError> {
        if self.ended { Ok(self.points) } else { Err(BackupError::Truncated) }
    }
}

fn decode(payload: &[u8]) -> Option<Record> {
    let (kind, message) = payload.split_first()?;
    match *kind {
        SCHEMA => {
            let collection = pb::Collection::decode(message).ok()?;
            let dimension = usize::try_from(collection.dimension).ok()?;
            let distance = distance_from_wire(collection.distance());
            Some(Record::Schema(Schema { dimension, distance, partition_field: collection.partition_field }))
        }
        POINTS => {
            let points = pb::UpsertRequest::decode(message).ok()?.points.into_iter();
            let point = |point: pb::Point| {
                Some(Point { vector: from_bytes(&point.vector)?, id: point.id, payload: point.payload })
            };
            Some(Record::Points(points.map(point).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(payload).into();
    std::array::from_fn(|at| digest[at])
}

/// A collection as the protocol has it.
pub fn to_wire(name: String, schema: &Schema) -> pb::Collection {
    let dimension = i32::try_from(schema.dimension).unwrap_or(i32::MAX);
    let distance = distance_to_wire(schema.distance).into();
    pb::Collection { name, dimension, distance, partition_field: schema.partition_field.clone() }
}

/// Unspecified means cosine.
pub fn distance_from_wire(distance: pb::Distance) -> Distance {
    match distance {
        pb::Distance::Unspecified | pb::Distance::Cosine => Distance::Cosine,
        pb::Distance::InnerProduct => Distance::InnerProduct,
        pb::Distance::Euclidean => Distance::Euclidean,
    }
}

fn distance_to_wire(distance: Distance) -> pb::Distance {
    match distance {
        Distance::Cosine => pb::Distance::Cosine,
        Distance::InnerProduct => pb::Distance::InnerProduct,
        Distance::Euclidean => pb::Distance::Euclidean,
    }
}
