//! What stands in a collection's log: the schema first, then upserts and removals in the order they happened.

use prost::Message as _;
use proto::embedding::v1 as pb;
use vector_index::Distance;

use super::{Point, Schema};
use crate::embedding::{from_bytes, to_bytes};

/// First bytes of a log.
pub const MAGIC: [u8; 8] = *b"DRGMVEC1";

const SCHEMA: u8 = 1;
const UPSERT: u8 = 2;
const REMOVE: u8 = 3;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The collection's schema.
    Schema(Schema),
    /// Points that came together: all or none.
    Upsert(Vec<Point>),
    /// Points that went.
    Remove(Vec<String>),
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Schema(schema) => {
                let collection = pb::Collection {
                    name: String::new(),
                    dimension: i32::try_from(schema.dimension).unwrap_or(i32::MAX),
                    distance: distance_to_wire(schema.distance).into(),
                };
                tagged(SCHEMA, &collection)
            }
            Self::Upsert(points) => {
                let points = points.iter().map(|point| pb::Point {
                    id: point.id.clone(),
                    vector: to_bytes(&point.vector).into(),
                    values: Vec::new(),
                    payload: point.payload.clone(),
                });
                tagged(UPSERT, &pb::UpsertRequest { collection: String::new(), points: points.collect() })
            }
            Self::Remove(ids) => tagged(REMOVE, &pb::DeleteRequest { collection: String::new(), ids: ids.clone() }),
        }
    }

    /// None for a record that this program does not know.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, message) = bytes.split_first()?;
        match *kind {
            SCHEMA => {
                let collection = pb::Collection::decode(message).ok()?;
                let dimension = usize::try_from(collection.dimension).ok()?;
                Some(Self::Schema(Schema { dimension, distance: distance_from_wire(collection.distance()) }))
            }
            UPSERT => {
                let points = pb::UpsertRequest::decode(message).ok()?.points.into_iter();
                let point = |point: pb::Point| {
                    Some(Point { vector: from_bytes(&point.vector)?, id: point.id, payload: point.payload })
                };
                Some(Self::Upsert(points.map(point).collect::<Option<_>>()?))
            }
            REMOVE => Some(Self::Remove(pb::DeleteRequest::decode(message).ok()?.ids)),
            _ => None,
        }
    }
}

/// Unspecified means cosine.
pub fn distance_from_wire(distance: pb::Distance) -> Distance {
    match distance {
        pb::Distance::Unspecified | pb::Distance::Cosine => Distance::Cosine,
        pb::Distance::InnerProduct => Distance::InnerProduct,
        pb::Distance::Euclidean => Distance::Euclidean,
    }
}

pub fn distance_to_wire(distance: Distance) -> pb::Distance {
    match distance {
        Distance::Cosine => pb::Distance::Cosine,
        Distance::InnerProduct => pb::Distance::InnerProduct,
        Distance::Euclidean => pb::Distance::Euclidean,
    }
}

fn tagged(kind: u8, message: &impl prost::Message) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(message.encode_to_vec());
    bytes
}
