//! Text to vectors, through caches on disk: a built-in model that knows spelling, and a remote one where configured.

mod cache;
pub mod exchange;
mod lexical;
mod limits;
mod remote;
mod shared;
mod source;

use std::{io, path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};

use cache::{About, Cache, Key, Shelf};
use coordination::SharedCache;
use domain::telemetry::metric;
pub use limits::Purpose;
pub use remote::{Found, Remote, RemoteConfig, RemoteError};
pub use source::SourceConfig;

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
    #[error("there is no model `{0}`; `{LEXICAL}` is always there, and those of [embedding]")]
    UnknownModel(String),
    /// The remote model gave none.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// A vector and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Unit length.
    pub vector: Arc<[f32]>,
    /// Model that made it.
    pub model: Arc<str>,
    /// It was in the cache.
    pub cached: bool,
}

/// The models and their caches.
#[derive(Debug)]
pub struct Embedder {
    shelf: Arc<Shelf>,
    shared: Option<SharedCache>,
    cache: Cache,
    lexical: Arc<str>,
    /// The default one first, which has no name of its own.
    remotes: Vec<(String, Arc<Remote>)>,
}

impl Embedder {
    /// Opens the caches under `folder`, of at most `vectors_max` vectors each; a full one gives up what was unused
    /// longest.
    ///
    /// # Errors
    /// When the folder cannot be written or another process has it.
    pub fn open(folder: &Path, vectors_max: usize) -> io::Result<Self> {
        let shelf = Shelf::open(&folder.join("cache"), vectors_max)?;
        for name in ["embeddings.cache", "operations.cache", "remote-embeddings.json"] {
            set_aside(&folder.join(name))?;
        }
        let cache = shelf.cache("texts", &About { model: LEXICAL.to_owned(), version: 1, dimension: DIMENSION });
        Ok(Self { shelf, shared: None, cache, lexical: LEXICAL.into(), remotes: Vec::new() })
    }

    /// With vectors that other replicas keep, for the remote models that follow.
    pub fn with_shared(self, shared: Option<SharedCache>) -> Self {
        Self { shared, ..self }
    }

    /// With remote models by their names in the configuration; one without a name is the default from then on.
    ///
    /// # Errors
    /// When a model's configuration or the files cannot be used.
    pub fn with_remotes(
        mut self,
        configs: Vec<(String, RemoteConfig)>,
        folder: &Path,
        clock: &Arc<dyn domain::Clock>,
    ) -> anyhow::Result<Self> {
        for (name, config) in configs {
            let remote = Remote::open(config, folder, Arc::clone(&self.shelf), self.shared.clone(), Arc::clone(clock))?;
            if let Some((other, _)) = self.remotes.iter().find(|(_, other)| other.id() == remote.id()) {
                anyhow::bail!("`{name}` is the same model as `{other}`; configure it once");
            }
            let at = if name.is_empty() { 0 } else { self.remotes.len() };
            self.remotes.insert(at, (name, remote));
        }
        self.shelf.prune();
        Ok(self)
    }

    /// The default remote model, where there is one.
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.remote_of("")
    }

    /// All remote models, the default one first.
    pub fn remotes(&self) -> Vec<Arc<Remote>> {
        self.remotes.iter().map(|(_, remote)| Arc::clone(remote)).collect()
    }

    /// The remote model that this name means: an empty one is the default; the name in the configuration comes before
    /// the provider's.
    pub fn remote_of(&self, model: &str) -> Option<&Arc<Remote>> {
        let by_key = self.remotes.iter().find(|(name, _)| name == model);
        let by_name = || self.remotes.iter().find(|(_, remote)| model == &**remote.name());
        by_key.or_else(by_name).map(|(_, remote)| remote)
    }

    /// The vector of a text by the built-in model.
    ///
    /// # Errors
    /// [`EmbedError`].
    pub fn embed(&self, model: &str, text: &str) -> Result<Embedded, EmbedError> {
        if !model.is_empty() && model != LEXICAL {
            return Err(EmbedError::UnknownModel(model.to_owned()));
        }
        check(text)?;
        let key = key(LEXICAL, text);
        let model = Arc::clone(&self.lexical);
        if let Some(vector) = self.cache.find(&key) {
            metrics::counter!(metric::EMBEDDING_CACHE, "result" => "hit").increment(1);
            return Ok(Embedded { vector, model, cached: true });
        }
        metrics::counter!(metric::EMBEDDING_CACHE, "result" => "miss").increment(1);
        let vector: Arc<[f32]> = lexical::embed(text).into();
        self.cache.keep(key, &vector);
        Ok(Embedded { vector, model, cached: false })
    }
}

/// Vectors of texts by the remote model, in their order; bad ones among them cost the others nothing. Not `allowed`:
/// none, whatever is kept, so that nothing depends on what was asked before.
pub async fn embed_remote(remote: &Arc<Remote>, texts: &[String], allowed: bool) -> Vec<Result<Embedded, EmbedError>> {
    if !allowed {
        return texts.iter().map(|_| Err(RemoteError::Off.into())).collect();
    }
    let checked: Vec<Result<(), EmbedError>> = texts.iter().map(|text| check_remote(text)).collect();
    let sound = texts.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
    let sound: Vec<String> = sound.map(|(text, _)| text.clone()).collect();
    let mut found = remote.vectors(&sound, Purpose::Call).await.into_iter();
    let all = checked.into_iter().map(|checked| {
        checked?;
        let found = found.next().unwrap_or(Err(RemoteError::Ended))?;
        let result = if found.cached { "hit" } else { "miss" };
        metrics::counter!(metric::EMBEDDING_CACHE, "result" => result).increment(1);
        Ok(Embedded { vector: found.vector, model: Arc::clone(remote.name()), cached: found.cached })
    });
    all.collect()
}

fn check(text: &str) -> Result<(), EmbedError> {
    match text.len() {
        0 => Err(EmbedError::Empty),
        size_bytes if size_bytes > TEXT_BYTES_MAX => Err(EmbedError::TooLong { size_bytes }),
        _ => Ok(()),
    }
}

/// Providers refuse a whole request for one blank text.
fn check_remote(text: &str) -> Result<(), EmbedError> {
    if text.trim().is_empty() { Err(EmbedError::Empty) } else { check(text) }
}

/// Hash of model and text: model names hold no NUL.
fn key(model: &str, text: &str) -> Key {
    Sha256::new().chain_update(model).chain_update([0]).chain_update(text).finalize().into()
}

/// A cache of an earlier release cannot be used: its file gets another name, so that people see it.
fn set_aside(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
    let aside = path.with_extension("aside");
    std::fs::rename(path, &aside)?;
    tracing::warn!(
        aside = %aside.display(),
        "a cache of vectors of an earlier release was set aside; they are made anew, and the file may be deleted"
    );
    Ok(())
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
