//! Vectors by content hash, in memory and in an append-only file. Losing it costs time, never truth.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use crate::frames::Frames;

const MAGIC: [u8; 8] = *b"DRGMEMB1";

/// SHA-256 of model and text.
pub type Key = [u8; 32];

#[derive(Debug)]
pub struct Cache {
    inner: Mutex<Inner>,
    vectors_max: usize,
}

#[derive(Debug)]
struct Inner {
    vectors: HashMap<Key, Arc<[f32]>>,
    /// None after the disk refused: the cache goes on in memory.
    file: Option<Frames>,
}

impl Cache {
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, vectors_max: usize) -> io::Result<Self> {
        let mut vectors = HashMap::new();
        let file = Frames::open(path, MAGIC, |record| {
            let Some((key, values)) = record.split_first_chunk::<32>() else { return };
            let sound = |vector: &Vec<f32>| !vector.is_empty() && vector.iter().all(|value| value.is_finite());
            let vector = super::from_bytes(values).filter(sound);
            if let Some(vector) = vector {
                vectors.insert(*key, vector.into());
            }
        })?;
        Ok(Self { inner: Mutex::new(Inner { vectors, file: Some(file) }), vectors_max })
    }

    pub fn find(&self, key: &Key) -> Option<Arc<[f32]>> {
        self.lock().vectors.get(key).cloned()
    }

    /// Keeps a vector. A full cache is emptied first: it fills again with what is asked for now.
    pub fn keep(&self, key: Key, vector: &Arc<[f32]>) {
        let mut inner = self.lock();
        if inner.vectors.len() >= self.vectors_max {
            inner.vectors.clear();
            if let Some(path) = inner.file.take().map(|file| file.path().to_owned()) {
                inner.file = Frames::replace(&path, MAGIC, std::iter::empty()).map_err(forgo).ok();
            }
        }
        if self.vectors_max == 0 || inner.vectors.insert(key, Arc::clone(vector)).is_some() {
            return;
        }
        let record = [key.as_slice(), &super::to_bytes(vector)].concat();
        if let Some(Err(error)) = inner.file.as_mut().map(|file| file.append(&record)) {
            forgo(error);
            inner.file = None;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A map of finished vectors is sound after a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forgo(error: io::Error) {
    tracing::warn!(%error, "the embedding cache cannot be written; going on in memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_cache_starts_anew_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache");
        let cache = Cache::open(&path, 2).expect("a cache");
        for number in 0..3u8 {
            cache.keep([number; 32], &Arc::from([f32::from(number)]));
        }
        let found = |cache: &Cache| (0..3u8).filter(|number| cache.find(&[*number; 32]).is_some()).collect::<Vec<_>>();
        assert_eq!(found(&cache), [2]);
        drop(cache);
        assert_eq!(found(&Cache::open(&path, 2).expect("a cache")), [2]);
    }
}
