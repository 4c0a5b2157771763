//! Vectors that replicas keep for each other in a Redis. It is not trusted: what does not look like a vector of the
//! model is none.
//!
//! `vectors:<hash of the model>:<key, hex>` holds `CRC-32 of the rest (u32) | little-endian f32`. How long the vectors are
//! is not learned from it.

use std::sync::Arc;

use bytes::Bytes;
use coordination::SharedCache;
use sha2::{Digest as _, Sha256};

use super::cache::Key;

/// One model's part of the shared cache.
#[derive(Clone, Debug)]
pub struct Shared {
    cache: SharedCache,
    model: Arc<str>,
}

impl Shared {
    pub fn new(cache: SharedCache, model: &str) -> Self {
        Self { cache, model: hex::encode(&Sha256::digest(model)[..16]).into() }
    }

    /// The vectors of keys, in their order.
    pub async fn find(&self, keys: &[Key], dimension: usize) -> Vec<Option<Arc<[f32]>>> {
        let names: Vec<String> = keys.iter().map(|key| self.name(key)).collect();
        let found = self.cache.get(&names).await;
        found.into_iter().map(|value| decode(&value?, dimension)).collect()
    }

    /// Keeps vectors.
    pub async fn keep(&self, vectors: Vec<(Key, Arc<[f32]>)>) {
        let values = vectors.iter().map(|(key, vector)| (self.name(key), encode(vector)));
        self.cache.put(values.collect()).await;
    }

    fn name(&self, key: &Key) -> String {
        format!("vectors:{}:{}", self.model, hex::encode(key))
    }
}

fn encode(vector: &[f32]) -> Bytes {
    let bytes = super::to_bytes(vector);
    [crc32fast::hash(&bytes).to_le_bytes().as_slice(), &bytes].concat().into()
}

/// A vector of this length, whole, and of unit length.
fn decode(value: &[u8], dimension: usize) -> Option<Arc<[f32]>> {
    let (checksum, bytes) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*checksum) != crc32fast::hash(bytes) {
        return None;
    }
    let vector = super::from_bytes(bytes).filter(|vector| vector.len() == dimension)?;
    let length: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    ((length - 1.0).abs() < 1e-3).then(|| vector.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_vectors_of_the_models_length_come_back() {
        let vector = [0.6, 0.8];
        let value = encode(&vector);
        assert_eq!(decode(&value, 2).as_deref(), Some(vector.as_slice()));
        assert_eq!(decode(&value, 3), None);
        for at in 0..value.len() {
            let mut damaged = value.to_vec();
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged, 2), None, "at {at}");
            assert_eq!(decode(&value[..at], 2), None, "cut at {at}");
        }
        for bad in [[3.0, 4.0], [0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 0.0]] {
            assert_eq!(decode(&encode(&bad), 2), None, "{bad:?}");
        }
    }
}
