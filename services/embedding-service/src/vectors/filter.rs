//! Which points a filter keeps: those whose payload has all of its fields with equal values.
//!
//! Payloads are looked at as they are stored, and only fields of the filter's names are decoded. What was picked is
//! kept for some filters and carried on from snapshot to snapshot: a search after a write looks only at what is new.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prost::{Message as _, encoding::decode_varint};
use prost_types::{Struct, Value, value::Kind};
use vector_index::{Selection, Snapshot, Stop};

use super::CollectionError;

/// Filters whose selections are kept: one bit a point each.
const KEPT_MAX: usize = 32;
/// One that was not used for so long is forgotten when segments change, because it holds on to the old ones.
const UNUSED_MAX: Duration = Duration::from_secs(60);
/// Points between two looks at the time.
const LOOK_POINTS: usize = 4096;

/// Fields and the values they must have.
#[derive(Debug)]
pub struct Filter {
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    value: Value,
    encoded: Vec<u8>,
}

impl Filter {
    /// None where nothing is asked for.
    pub fn new<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>) -> Option<Self> {
        let field = |(name, value): (&String, &Value)| Field {
            name: name.clone(),
            value: value.clone(),
            encoded: value.encode_to_vec(),
        };
        let fields: Vec<Field> = fields.map(field).collect();
        (!fields.is_empty()).then_some(Self { fields })
    }

    /// True for a payload, encoded, that has all fields with equal values.
    pub fn keeps(&self, mut payload: &[u8]) -> bool {
        let mut left = self.fields.len();
        while left > 0 {
            let Some((name, value)) = entry(&mut payload) else { return false };
            let Some(field) = self.fields.iter().find(|field| field.name.as_bytes() == name) else { continue };
            if !field.equals(value) {
                return false;
            }
            left -= 1;
        }
        true
    }

    /// The same for equal filters alone.
    fn key(&self) -> Vec<u8> {
        let fields = self.fields.iter().map(|field| (field.name.clone(), field.value.clone())).collect();
        Struct { fields }.encode_to_vec()
    }
}

impl Field {
    fn equals(&self, value: &[u8]) -> bool {
        match &self.value.kind {
            // Equal texts have equal bytes, and other kinds begin with another tag.
            Some(Kind::StringValue(_) | Kind::BoolValue(_)) => value == self.encoded,
            // Numbers can be equal in two ways (0 and -0), or to nothing.
            _ => Value::decode(value).is_ok_and(|value| value == self.value),
        }
    }
}

/// The next field of an encoded `Struct` and its encoded value; none at the end, or where it is no such thing.
fn entry<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    const FIRST: u8 = 1 << 3 | 2;
    const SECOND: u8 = 2 << 3 | 2;
    let (tag, mut entry) = part(rest)?;
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    if tag != FIRST {
        return None;
    }
    while !entry.is_empty() {
        match part(&mut entry)? {
            (FIRST, bytes) => name = bytes,
            (SECOND, bytes) => value = bytes,
            _ => return None,
        }
    }
    Some((name, value))
}

/// A tag and the bytes behind it.
fn part<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (tag, mut behind) = rest.split_first()?;
    let length = usize::try_from(decode_varint(&mut behind).ok()?).ok()?;
    let (bytes, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some((*tag, bytes))
}

/// Selections of the filters that were asked for last.
#[derive(Debug, Default)]
pub struct Selections {
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    key: Vec<u8>,
    selection: Arc<Selection>,
    used: Instant,
}

impl Selections {
    /// The points of a snapshot that a filter keeps.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn of(
        &self,
        filter: &Filter,
        snapshot: &Snapshot,
        stop: impl Fn() -> bool,
    ) -> Result<Arc<Selection>, CollectionError> {
        let key = filter.key();
        let before = self.find(&key);
        if let Some(selection) = before.as_ref().filter(|selection| selection.is_of(snapshot)) {
            return Ok(Arc::clone(selection));
        }
        let (mut looked_at, mut stopped) = (0usize, false);
        let picks = |point: vector_index::Point<'_>| {
            if looked_at.is_multiple_of(LOOK_POINTS) {
                stopped = stopped || stop();
            }
            looked_at += 1;
            !stopped && filter.keeps(point.payload)
        };
        let selection = Arc::new(match &before {
            Some(before) => snapshot.select_again(before, picks),
            None => snapshot.select(picks),
        });
        if stopped {
            return Err(CollectionError::Stopped);
        }
        self.keep(key, Arc::clone(&selection));
        Ok(selection)
    }

    /// Forgets what nobody asks for any more.
    pub fn forget_unused(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.used.elapsed() < UNUSED_MAX);
    }

    fn find(&self, key: &[u8]) -> Option<Arc<Selection>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter_mut().find(|kept| kept.key == key)?;
        found.used = Instant::now();
        Some(Arc::clone(&found.selection))
    }

    fn keep(&self, key: Vec<u8>, selection: Arc<Selection>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.key != key);
        if kept.len() >= KEPT_MAX {
            let oldest = kept.iter().enumerate().min_by_key(|(_, kept)| kept.used).map(|(at, _)| at);
            oldest.map(|at| kept.swap_remove(at));
        }
        kept.push(Kept { key, selection, used: Instant::now() });
    }
}

/// True when a search should end.
pub fn is_stopped(stop: &Stop<'_>) -> bool {
    stop.flag.is_some_and(|flag| flag.load(std::sync::atomic::Ordering::Relaxed))
        || stop.at.is_some_and(|at| Instant::now() >= at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let kind = prop_oneof![
            "[ab]{0,2}".prop_map(Kind::StringValue),
            any::<bool>().prop_map(Kind::BoolValue),
            prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(1.0)].prop_map(Kind::NumberValue),
            Just(Kind::NullValue(0)),
        ];
        prop::option::of(kind).prop_map(|kind| Value { kind })
    }

    fn fields() -> impl Strategy<Value = Struct> {
        prop::collection::btree_map("[xyz]{0,1}", value(), 0..4).prop_map(|fields| Struct { fields })
    }

    proptest! {
        #[test]
        fn encoded_payload_is_judged_as_the_decoded_one(payload in fields(), wanted in fields()) {
            let by_definition = wanted.fields.iter().all(|(name, value)| payload.fields.get(name) == Some(value));
            let keeps = Filter::new(wanted.fields.iter()).is_none_or(|filter| filter.keeps(&payload.encode_to_vec()));
            prop_assert_eq!(keeps, by_definition);
        }

        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..40), wanted in fields()) {
            Filter::new(wanted.fields.iter()).map(|filter| filter.keeps(&bytes));
        }
    }
}
