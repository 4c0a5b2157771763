//! Text to vectors, through a cache on disk.

mod cache;
mod lexical;

use std::{io, path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};

use cache::{Cache, Key};

/// Name of the built-in model.
pub const LEXICAL: &str = "lexical-hash-v1";
/// Values of a vector of the built-in model.
pub const DIMENSION: usize = lexical::DIMENSION;
/// Largest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;

/// Why a text has no vector.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// There is nothing to embed.
    #[error("text is empty")]
    Empty,
    /// The text is too long.
    #[error("text is {size_bytes} bytes; the limit is {TEXT_BYTES_MAX}")]
    TooLong {
        /// Its size.
        size_bytes: usize,
    },
    /// No model has this name.
    #[error("there is no model `{0}`; there is `{LEXICAL}`")]
    UnknownModel(String),
}

/// A vector and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Unit length.
    pub vector: Arc<[f32]>,
    /// Model that made it.
    pub model: &'static str,
    /// It was in the cache.
    pub cached: bool,
}

/// The models and their cache.
#[derive(Debug)]
pub struct Embedder {
    cache: Cache,
}

impl Embedder {
    /// Opens the cache under `folder`, for at most `vectors_max` vectors; a full cache starts anew.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(folder: &Path, vectors_max: usize) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { cache: Cache::open(&folder.join("embeddings.cache"), DIMENSION, vectors_max)? })
    }

    /// The vector of a text. An empty model name means the default.
    ///
    /// # Errors
    /// [`EmbedError`].
    pub fn embed(&self, model: &str, text: &str) -> Result<Embedded, EmbedError> {
        if !model.is_empty() && model != LEXICAL {
            return Err(EmbedError::UnknownModel(model.to_owned()));
        }
        match text.len() {
            0 => return Err(EmbedError::Empty),
            size_bytes if size_bytes > TEXT_BYTES_MAX => return Err(EmbedError::TooLong { size_bytes }),
            _ => {}
        }
        let key = key(LEXICAL, text);
        if let Some(vector) = self.cache.find(&key) {
            metrics::counter!("embedding_cache_total", "result" => "hit").increment(1);
            return Ok(Embedded { vector, model: LEXICAL, cached: true });
        }
        metrics::counter!("embedding_cache_total", "result" => "miss").increment(1);
        let vector: Arc<[f32]> = lexical::embed(text).into();
        self.cache.keep(key, &vector);
        Ok(Embedded { vector, model: LEXICAL, cached: false })
    }
}

/// Hash of model and text: model names hold no NUL.
fn key(model: &str, text: &str) -> Key {
    Sha256::new().chain_update(model).chain_update([0]).chain_update(text).finalize().into()
}

/// Little-endian bytes of a vector.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A vector from its little-endian bytes; `None` when a value is cut.
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<f32>> {
    let (values, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| values.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_time_comes_from_the_cache_also_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let embedder = Embedder::open(folder.path(), 10).expect("a cache");
        let first = embedder.embed("", "free rooms").expect("a vector");
        assert!(!first.cached);
        assert!(embedder.embed(LEXICAL, "free rooms").expect("a vector").cached);
        drop(embedder);
        let again = Embedder::open(folder.path(), 10).expect("a cache").embed("", "free rooms").expect("a vector");
        assert!(again.cached);
        assert_eq!(again.vector, first.vector);
    }

    #[test]
    fn bad_texts_and_models_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let embedder = Embedder::open(folder.path(), 10).expect("a cache");
        assert_eq!(embedder.embed("", ""), Err(EmbedError::Empty));
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!(embedder.embed("", &long), Err(EmbedError::TooLong { size_bytes: long.len() }));
        assert!(embedder.embed("", &long[1..]).is_ok());
        assert_eq!(embedder.embed("other", "x"), Err(EmbedError::UnknownModel("other".into())));
    }

    #[test]
    fn bytes_round_trip_and_cut_values_are_refused() {
        assert_eq!(from_bytes(&to_bytes(&[1.5, -0.25])), Some(vec![1.5, -0.25]));
        assert_eq!(from_bytes(&[0, 0, 0]), None);
    }
}
