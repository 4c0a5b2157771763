//! Numbers of the values of a collection's partition field: points of one number lie together in the index.
//!
//! The file `partitions` has the field's name as its first record and each value, encoded, as one more; a value's number
//! is its place. A number is on disk before the first point that has it.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{PoisonError, RwLock},
};

use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};

use super::CollectionError;
use crate::frames::Frames;

const FILE: &str = "partitions";
const MAGIC: [u8; 8] = *b"DRGMPRT1";
/// Different values of a field.
pub const VALUES_MAX: usize = 65_536;
/// Longest name of a field, in bytes.
pub const FIELD_BYTES_MAX: usize = 128;
/// Of points that have no text, number or truth value in the field.
const NONE: u32 = 0;

/// The values of a field.
#[derive(Debug)]
pub struct Partitions {
    field: String,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    numbers: HashMap<Vec<u8>, u32>,
    file: Frames,
    /// The disk refused; what it has is not known until the file is opened again.
    broken: bool,
}

impl Partitions {
    /// Makes the file in an index' folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(folder: &Path, field: &str) -> io::Result<Self> {
        let file = Frames::replace(&folder.join(FILE), MAGIC, std::iter::once(field.as_bytes().to_vec()))?;
        Ok(Self { field: field.to_owned(), known: RwLock::new(Known { numbers: HashMap::new(), file, broken: false }) })
    }

    /// Opens the file, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is of another kind.
    pub fn open(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let (mut field, mut numbers) = (None, HashMap::new());
        let file = Frames::open(&path, MAGIC, |record| match &field {
            None => field = Some(String::from_utf8_lossy(record).into_owned()),
            Some(_) => {
                let number = next(&numbers);
                numbers.insert(record.to_vec(), number);
            }
        })?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", path.display()));
        Ok(Some(Self { field: field.ok_or_else(damaged)?, known: RwLock::new(Known { numbers, file, broken: false }) }))
    }

    /// The field's name.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The number of a value that a filter asks for. The outer none: points of this value do not lie together. The
    /// inner one: no point has it.
    pub fn find(&self, value: &Value) -> Option<Option<u32>> {
        let key = key(value)?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Some(known.numbers.get(&key).copied())
    }

    /// The numbers of payloads that are about to be stored.
    ///
    /// # Errors
    /// `TooManyPartitions`, `Disk`.
    pub fn number(&self, payloads: &[Option<&Struct>]) -> Result<Vec<u32>, CollectionError> {
        let of = |payload: &Option<&Struct>| payload.and_then(|payload| key(payload.fields.get(&self.field)?));
        let keys: Vec<Option<Vec<u8>>> = payloads.iter().map(of).collect();
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.broken {
                return Err(io::Error::other("an earlier write of the partitions failed; restart the service").into());
            }
            let number = |key: &Option<Vec<u8>>| key.as_ref().map_or(Some(NONE), |key| known.numbers.get(key).copied());
            if let Some(numbers) = keys.iter().map(number).collect() {
                return Ok(numbers);
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for key in keys.iter().flatten() {
            if !known.numbers.contains_key(key) {
                if known.numbers.len() >= VALUES_MAX {
                    return Err(CollectionError::TooManyPartitions);
                }
                known.file.append(key)?;
                let number = next(&known.numbers);
                known.numbers.insert(key.clone(), number);
            }
        }
        known.broken = true;
        known.file.sync()?;
        known.broken = false;
        let number = |key: &Option<Vec<u8>>| key.as_ref().and_then(|key| known.numbers.get(key)).copied();
        Ok(keys.iter().map(|key| number(key).unwrap_or(NONE)).collect())
    }
}

fn next(numbers: &HashMap<Vec<u8>, u32>) -> u32 {
    u32::try_from(numbers.len() + 1).unwrap_or(u32::MAX)
}

/// Equal for equal texts, numbers and truth values; none for anything else.
fn key(value: &Value) -> Option<Vec<u8>> {
    match value.kind.as_ref()? {
        Kind::NumberValue(number) if number.is_nan() => None,
        // -0 is 0.
        Kind::NumberValue(number) => Some(Value { kind: Some(Kind::NumberValue(number + 0.0)) }.encode_to_vec()),
        Kind::StringValue(_) | Kind::BoolValue(_) => Some(value.encode_to_vec()),
        Kind::NullValue(_) | Kind::ListValue(_) | Kind::StructValue(_) => None,
    }
}
