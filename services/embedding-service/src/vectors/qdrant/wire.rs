//! Our points, filters and schemas as Qdrant has them, and back.
//!
//! A point of ours is a point of Qdrant with this payload:
//!
//! - `id`: our id. Qdrant's own is a UUID (version 8) of the SHA-256 of it.
//! - `payload`: the payload as it came; missing where there is none. Numbers are always doubles, as in our protocol.
//! - `fields`: a token for each field of the payload, a hash of name and value. A filter asks for tokens: Qdrant's own
//!   conditions would also find a value in a list, and cannot compare doubles, lists and objects.
//! - `partition`: the token of the partition field, instead of among `fields`.
//!
//! What Qdrant does not tell of a schema stands in the collection's metadata, with the version of this format.

use std::collections::HashMap;

use domain::Tenant;
use prost::Message as _;
use prost_types::{ListValue, Struct, Value, value::Kind};
use qdrant_client::qdrant as wire;
use sha2::{Digest as _, Sha256};
use vector_index::Distance;
use wire::{
    condition::ConditionOneOf, r#match::MatchValue, point_id::PointIdOptions, value::Kind as WireKind,
    vectors::VectorsOptions, vectors_config::Config as VectorsKind, with_payload_selector::SelectorOptions,
};

use crate::vectors::{Point, Schema};

/// Version of what is described above.
const FORMAT: i64 = 1;
/// Objects and lists within each other, so that both programs' limits on nested messages hold.
const DEPTH_MAX: usize = 24;

pub const ID: &str = "id";
pub const PAYLOAD: &str = "payload";
pub const FIELDS: &str = "fields";
pub const PARTITION: &str = "partition";

const FORMAT_KEY: &str = "dragoman_format";
const PARTITION_FIELD_KEY: &str = "partition_field";
const UNFINISHED_KEY: &str = "unfinished";

/// A tenant's part of the collections; no name of ours has a dot.
pub fn collections_of(prefix: &str, tenant: &Tenant) -> String {
    format!("{prefix}.{tenant}.")
}

/// Qdrant's id of a point.
pub fn point_id(id: &str) -> wire::PointId {
    let digest: [u8; 32] = Sha256::digest(id).into();
    let uuid = uuid::Builder::from_custom_bytes(std::array::from_fn(|at| digest[at])).into_uuid();
    wire::PointId { point_id_options: Some(PointIdOptions::Uuid(uuid.to_string())) }
}

/// A point for Qdrant; none when it has a payload that Qdrant cannot keep.
pub fn point(schema: &Schema, point: Point) -> Option<wire::PointStruct> {
    let mut payload = HashMap::from([(ID.to_owned(), text(point.id.clone()))]);
    if let Some(given) = point.payload.filter(|given| !given.fields.is_empty()) {
        let mut tokens = Vec::with_capacity(given.fields.len());
        for (name, value) in &given.fields {
            let token = text(token(name, value)?);
            if *name == schema.partition_field {
                payload.insert(PARTITION.to_owned(), token);
            } else {
                tokens.push(token);
            }
        }
        let tokens = wire::ListValue { values: tokens };
        payload.insert(FIELDS.to_owned(), wire::Value { kind: Some(WireKind::ListValue(tokens)) });
        let given = Value { kind: Some(Kind::StructValue(given)) };
        payload.insert(PAYLOAD.to_owned(), to_wire(given, 0)?);
    }
    let dense = wire::vector::Vector::Dense(wire::DenseVector { data: point.vector });
    let vector = wire::Vector { vector: Some(dense), ..Default::default() };
    let vectors = wire::Vectors { vectors_options: Some(VectorsOptions::Vector(vector)) };
    Some(wire::PointStruct { id: Some(point_id(&point.id)), payload, vectors: Some(vectors) })
}

/// Our id and payload of what Qdrant gives; none where it is not of ours.
pub fn from_payload(mut payload: HashMap<String, wire::Value>) -> Option<(String, Option<Struct>)> {
    let Some(WireKind::StringValue(id)) = payload.remove(ID)?.kind else { return None };
    let payload = match payload.remove(PAYLOAD).and_then(|value| value.kind) {
        None => None,
        Some(WireKind::StructValue(fields)) => Some(from_struct(fields)),
        Some(_) => return None,
    };
    Some((id, payload))
}

/// The values of a point's vector.
pub fn from_vectors(vectors: Option<wire::VectorsOutput>) -> Option<Vec<f32>> {
    match vectors?.get_vector()? {
        wire::vector_output::Vector::Dense(dense) => Some(dense.data),
        _ => None,
    }
}

/// What a filter asks for: all of these. None: no point can have it.
pub fn filter(schema: &Schema, filter: &Struct) -> Option<wire::Filter> {
    let condition = |(name, value): (&String, &Value)| {
        let key = if *name == schema.partition_field { PARTITION } else { FIELDS }.to_owned();
        let r#match = wire::Match { match_value: Some(MatchValue::Keyword(token(name, value)?)) };
        let field = wire::FieldCondition { key, r#match: Some(r#match), ..Default::default() };
        Some(wire::Condition { condition_one_of: Some(ConditionOneOf::Field(field)) })
    };
    let must = filter.fields.iter().map(condition).collect::<Option<_>>()?;
    Some(wire::Filter { must, ..Default::default() })
}

/// What of a point's payload is asked for: all but the tokens.
pub fn without_tokens() -> wire::WithPayloadSelector {
    let fields = vec![ID.to_owned(), PAYLOAD.to_owned()];
    let include = SelectorOptions::Include(wire::PayloadIncludeSelector { fields });
    wire::WithPayloadSelector { selector_options: Some(include) }
}

/// A new collection.
pub fn create(collection_name: String, schema: &Schema, unfinished: bool, timeout: u64) -> wire::CreateCollection {
    let distance = match schema.distance {
        Distance::Cosine => wire::Distance::Cosine,
        Distance::InnerProduct => wire::Distance::Dot,
        Distance::Euclidean => wire::Distance::Euclid,
    };
    let params = wire::VectorParams { size: schema.dimension as u64, distance: distance.into(), ..Default::default() };
    wire::CreateCollection {
        collection_name,
        vectors_config: Some(wire::VectorsConfig { config: Some(VectorsKind::Params(params)) }),
        metadata: HashMap::from([
            (FORMAT_KEY.to_owned(), wire::Value { kind: Some(WireKind::IntegerValue(FORMAT)) }),
            (PARTITION_FIELD_KEY.to_owned(), text(schema.partition_field.clone())),
            (UNFINISHED_KEY.to_owned(), truth(unfinished)),
        ]),
        timeout: Some(timeout),
        ..Default::default()
    }
}

/// The change that finishes a collection.
pub fn finish(collection_name: String, timeout: u64) -> wire::UpdateCollection {
    let metadata = HashMap::from([(UNFINISHED_KEY.to_owned(), truth(false))]);
    wire::UpdateCollection { collection_name, metadata, timeout: Some(timeout), ..Default::default() }
}

/// The schema of a collection, and whether it is unfinished; none when it is not one of ours.
pub fn schema(info: &wire::CollectionInfo) -> Option<(Schema, bool)> {
    let config = info.config.as_ref()?;
    let kind = |name: &str| config.metadata.get(name)?.kind.as_ref();
    let (Some(WireKind::IntegerValue(FORMAT)), Some(WireKind::StringValue(partition_field))) =
        (kind(FORMAT_KEY), kind(PARTITION_FIELD_KEY))
    else {
        return None;
    };
    let VectorsKind::Params(params) = config.params.as_ref()?.vectors_config.as_ref()?.config.as_ref()? else {
        return None;
    };
    let distance = match params.distance() {
        wire::Distance::Cosine => Distance::Cosine,
        wire::Distance::Dot => Distance::InnerProduct,
        wire::Distance::Euclid => Distance::Euclidean,
        wire::Distance::UnknownDistance | wire::Distance::Manhattan => return None,
    };
    let dimension = usize::try_from(params.size).ok()?;
    let unfinished = kind(UNFINISHED_KEY) == Some(&WireKind::BoolValue(true));
    Some((Schema { dimension, distance, partition_field: partition_field.clone() }, unfinished))
}

/// Equal for equal fields, and for no others. None: the value is equal to nothing, or cannot be kept.
fn token(name: &str, value: &Value) -> Option<String> {
    let mut hash = Sha256::new();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(plain(value, 0)?.encode_to_vec());
    Some(hex::encode(&hash.finalize()[..16]))
}

/// Equal values as one: 0 for -0. None where Qdrant has no such value.
fn plain(value: &Value, depth: usize) -> Option<Value> {
    let kind = match value.kind.as_ref().filter(|_| depth <= DEPTH_MAX)? {
        Kind::NullValue(_) => Kind::NullValue(0),
        Kind::NumberValue(number) if !number.is_finite() => return None,
        Kind::NumberValue(number) => Kind::NumberValue(number + 0.0),
        Kind::StructValue(Struct { fields }) => {
            let plain = |(name, value): (&String, &Value)| Some((name.clone(), plain(value, depth + 1)?));
            Kind::StructValue(Struct { fields: fields.iter().map(plain).collect::<Option<_>>()? })
        }
        Kind::ListValue(ListValue { values }) => {
            let values = values.iter().map(|value| plain(value, depth + 1)).collect::<Option<_>>()?;
            Kind::ListValue(ListValue { values })
        }
        kind @ (Kind::StringValue(_) | Kind::BoolValue(_)) => kind.clone(),
    };
    Some(Value { kind: Some(kind) })
}

fn to_wire(value: Value, depth: usize) -> Option<wire::Value> {
    let kind = match value.kind.filter(|_| depth <= DEPTH_MAX)? {
        Kind::NullValue(_) => WireKind::NullValue(0),
        Kind::NumberValue(number) if !number.is_finite() => return None,
        Kind::NumberValue(number) => WireKind::DoubleValue(number),
        Kind::StringValue(text) => WireKind::StringValue(text),
        Kind::BoolValue(truth) => WireKind::BoolValue(truth),
        Kind::StructValue(Struct { fields }) => {
            let field = |(name, value)| Some((name, to_wire(value, depth + 1)?));
            WireKind::StructValue(wire::Struct { fields: fields.into_iter().map(field).collect::<Option<_>>()? })
        }
        Kind::ListValue(ListValue { values }) => {
            let values = values.into_iter().map(|value| to_wire(value, depth + 1)).collect::<Option<_>>()?;
            WireKind::ListValue(wire::ListValue { values })
        }
    };
    Some(wire::Value { kind: Some(kind) })
}

fn from_struct(fields: wire::Struct) -> Struct {
    Struct { fields: fields.fields.into_iter().map(|(name, value)| (name, from_wire(value))).collect() }
}

#[expect(clippy::cast_precision_loss, reason = "what another program wrote as an integer; ours writes doubles")]
fn from_wire(value: wire::Value) -> Value {
    let kind = value.kind.map(|kind| match kind {
        WireKind::NullValue(_) => Kind::NullValue(0),
        WireKind::DoubleValue(number) => Kind::NumberValue(number),
        WireKind::IntegerValue(number) => Kind::NumberValue(number as f64),
        WireKind::StringValue(text) => Kind::StringValue(text),
        WireKind::BoolValue(truth) => Kind::BoolValue(truth),
        WireKind::StructValue(fields) => Kind::StructValue(from_struct(fields)),
        WireKind::ListValue(list) => {
            Kind::ListValue(ListValue { values: list.values.into_iter().map(from_wire).collect() })
        }
    });
    Value { kind }
}

fn text(text: String) -> wire::Value {
    wire::Value { kind: Some(WireKind::StringValue(text)) }
}

fn truth(truth: bool) -> wire::Value {
    wire::Value { kind: Some(WireKind::BoolValue(truth)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schema() -> Schema {
        Schema { dimension: 2, distance: Distance::Cosine, partition_field: "owner".to_owned() }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[ab]{0,2}".prop_map(Kind::StringValue),
            any::<bool>().prop_map(Kind::BoolValue),
            prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(1.5), Just(9e15), Just(-1e300)]
                .prop_map(Kind::NumberValue),
            Just(Kind::NullValue(0)),
        ];
        let kind = leaf.prop_recursive(3, 12, 3, |inner| {
            let value = inner.prop_map(|kind| Value { kind: Some(kind) });
            prop_oneof![
                prop::collection::vec(value.clone(), 0..3).prop_map(|values| Kind::ListValue(ListValue { values })),
                prop::collection::btree_map("[xy]{0,1}", value, 0..3)
                    .prop_map(|fields| Kind::StructValue(Struct { fields })),
            ]
        });
        kind.prop_map(|kind| Value { kind: Some(kind) })
    }

    fn fields() -> impl Strategy<Value = Struct> {
        let name = prop_oneof!["[xyz]{0,1}", Just("owner".to_owned()), Just("id".to_owned())];
        prop::collection::btree_map(name, value(), 0..4).prop_map(|fields| Struct { fields })
    }

    fn kept(payload: Struct) -> wire::PointStruct {
        let of = Point { id: "p".to_owned(), vector: vec![1.0, 0.0], payload: Some(payload) };
        point(&schema(), of).expect("can be kept")
    }

    /// The tokens under a key.
    fn tokens(point: &wire::PointStruct, key: &str) -> Vec<String> {
        let values = match point.payload.get(key).and_then(|value| value.kind.clone()) {
            Some(WireKind::ListValue(list)) => list.values,
            Some(kind) => vec![wire::Value { kind: Some(kind) }],
            None => Vec::new(),
        };
        let text = |value: wire::Value| match value.kind {
            Some(WireKind::StringValue(text)) => text,
            other => panic!("no token: {other:?}"),
        };
        values.into_iter().map(text).collect()
    }

    proptest! {
        #[test]
        fn payloads_come_back_as_they_were(payload in fields()) {
            let (id, back) = from_payload(kept(payload.clone()).payload).expect("one of ours");
            prop_assert_eq!(id, "p");
            prop_assert_eq!(back.unwrap_or_default(), payload);
        }

        #[test]
        fn tokens_find_what_has_equal_fields(payload in fields(), wanted in fields()) {
            let by_definition = wanted.fields.iter().all(|(name, value)| payload.fields.get(name) == Some(value));
            let point = kept(payload);
            let asked = filter(&schema(), &wanted).expect("a filter");
            let holds = |condition: wire::Condition| match condition.condition_one_of {
                Some(ConditionOneOf::Field(wire::FieldCondition { key, r#match: Some(found), .. })) => {
                    matches!(found.match_value, Some(MatchValue::Keyword(word)) if tokens(&point, &key).contains(&word))
                }
                other => panic!("no field: {other:?}"),
            };
            prop_assert_eq!(asked.must.into_iter().all(holds), by_definition);
        }
    }

    #[test]
    fn what_qdrant_cannot_keep_is_refused_and_found_nowhere() {
        let mut deep = Value { kind: Some(Kind::BoolValue(true)) };
        for _ in 0..=DEPTH_MAX {
            deep = Value { kind: Some(Kind::ListValue(ListValue { values: vec![deep] })) };
        }
        for value in [Value { kind: Some(Kind::NumberValue(f64::NAN)) }, Value { kind: None }, deep] {
            let payload = Struct { fields: [("x".to_owned(), value)].into() };
            assert!(filter(&schema(), &payload).is_none());
            let of = Point { id: "p".to_owned(), vector: vec![1.0, 0.0], payload: Some(payload) };
            assert!(point(&schema(), of).is_none());
        }
    }

    #[test]
    fn ids_are_what_they_were_in_the_first_release() {
        let Some(PointIdOptions::Uuid(uuid)) = point_id("note 1").point_id_options else { panic!("a uuid") };
        assert_eq!(uuid, "282832bf-5600-824e-a0cb-23703e88cb9c");
    }
}
