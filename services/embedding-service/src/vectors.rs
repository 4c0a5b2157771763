//! Collections of vectors, each in memory and in a log on disk.

mod collection;
mod log;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use domain::Tenant;

pub use collection::{Collection, Found, Point, Room, Schema, Stats};
pub use log::{distance_from_wire, distance_to_wire};
use vector_index::{MAX_DIMENSION, VectorError};

use crate::frames::{self, FolderLock};

/// Largest id of a point, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Largest payload of a point, in bytes as encoded.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// What one tenant may keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Collections of one tenant.
    pub collections_max: usize,
    /// Points of one collection.
    pub points_max: usize,
}

/// Why a collection could not do it.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// There is none of this name.
    #[error("there is no collection `{0}`")]
    NotFound(String),
    /// There is one of this name and another schema.
    #[error("collection `{0}` exists with another dimension or distance")]
    Exists(String),
    /// The name cannot be one.
    #[error("`{0}` is no name: use 1 to 64 of a-z, 0-9, `_` and `-`")]
    Name(String),
    /// The dimension is outside the limits.
    #[error("dimension is {0}; it must be from 1 to {MAX_DIMENSION}")]
    Dimension(i64),
    /// A point's id is empty or too long.
    #[error("id is {0} bytes; it must be from 1 to {ID_BYTES_MAX}")]
    Id(usize),
    /// A point's payload is too large.
    #[error("payload of `{id}` is {size_bytes} bytes; the limit is {PAYLOAD_BYTES_MAX}")]
    Payload {
        /// The point.
        id: String,
        /// Size as encoded.
        size_bytes: usize,
    },
    /// A vector was refused.
    #[error("vector of `{id}`: {reason}")]
    Vector {
        /// The point; empty in a search.
        id: String,
        /// Why.
        reason: VectorError,
    },
    /// The tenant has too many collections.
    #[error("there are {0} collections already, the most that are allowed")]
    TooManyCollections(usize),
    /// The collection has too many points.
    #[error("the collection would have more than {0} points")]
    TooManyPoints(usize),
    /// What was found does not go into one answer.
    #[error("the answer would have more than {0} bytes; ask for fewer hits, or search fewer times in one call")]
    AnswerTooLarge(usize),
    /// The disk refused.
    #[error("cannot write the collection")]
    Disk(#[from] io::Error),
}

/// All collections of all tenants. Calls block on the disk: make them beside the async threads.
#[derive(Debug)]
pub struct Collections {
    folder: PathBuf,
    limits: Limits,
    open: RwLock<Open>,
    /// Held as long as anybody can write.
    _lock: FolderLock,
}

/// Open collections by tenant and name.
type Open = BTreeMap<(Tenant, String), Arc<RwLock<Collection>>>;

impl Collections {
    /// Opens what is under `folder`.
    ///
    /// # Errors
    /// When another process has the folder open, or a file cannot be read or is of another kind.
    pub fn open(folder: &Path, limits: Limits) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = frames::lock(folder)?;
        let mut open = BTreeMap::new();
        for tenant_folder in fs::read_dir(folder)? {
            let tenant_folder = tenant_folder?;
            let Some(tenant) = tenant_folder.file_name().to_str().and_then(|name| Tenant::new(name).ok()) else {
                continue;
            };
            if !tenant_folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(tenant_folder.path())? {
                let path = file?.path();
                let name = path.file_stem().and_then(|name| name.to_str()).filter(|name| domain::id::is_name(name));
                let is_log = path.extension().is_some_and(|end| end == "log");
                let Some(name) = name.filter(|_| is_log) else { continue };
                if let Some(collection) = Collection::open(&path)? {
                    open.insert((tenant.clone(), name.to_owned()), Arc::new(RwLock::new(collection)));
                }
            }
        }
        Ok(Self { folder: folder.to_owned(), limits, open: RwLock::new(open), _lock: lock })
    }

    /// Creates a collection; one of the same name and schema is left as it is.
    ///
    /// # Errors
    /// `Name`, `Dimension`, `Exists`, `TooManyCollections`, `Disk`.
    pub fn create(&self, tenant: &Tenant, name: &str, schema: Schema) -> Result<(), CollectionError> {
        if !domain::id::is_name(name) {
            return Err(CollectionError::Name(name.to_owned()));
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), name.to_owned());
        if let Some(there) = open.get(&key) {
            let same = there.read().unwrap_or_else(PoisonError::into_inner).schema() == schema;
            return if same { Ok(()) } else { Err(CollectionError::Exists(name.to_owned())) };
        }
        if open.keys().filter(|(of, _)| of == tenant).count() >= self.limits.collections_max {
            return Err(CollectionError::TooManyCollections(self.limits.collections_max));
        }
        let folder = self.folder.join(tenant.as_str());
        fs::create_dir_all(&folder)?;
        let collection = Collection::create(&folder.join(format!("{name}.log")), schema)?;
        open.insert(key, Arc::new(RwLock::new(collection)));
        Ok(())
    }

    /// Deletes a collection and its file.
    ///
    /// # Errors
    /// `NotFound`, `Disk`.
    pub fn delete(&self, tenant: &Tenant, name: &str) -> Result<(), CollectionError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), name.to_owned());
        let collection = open.get(&key).ok_or_else(|| CollectionError::NotFound(name.to_owned()))?;
        // Whoever still holds it finds it closed; the file goes first, so that a failure leaves all as it was.
        collection.write().unwrap_or_else(PoisonError::into_inner).remove_file()?;
        open.remove(&key);
        Ok(())
    }

    /// The tenant's collections behind `after`, by name, at most `limit`.
    pub fn list(&self, tenant: &Tenant, after: &str, limit: usize) -> Vec<(String, Schema)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter()
            .filter(|((of, name), _)| of == tenant && name.as_str() > after)
            .take(limit)
            .map(|((_, name), there)| (name.clone(), there.read().unwrap_or_else(PoisonError::into_inner).schema()))
            .collect()
    }

    /// Reads a collection.
    ///
    /// # Errors
    /// `NotFound`, and what `read` gives.
    pub fn read<T>(
        &self,
        tenant: &Tenant,
        name: &str,
        read: impl FnOnce(&Collection) -> Result<T, CollectionError>,
    ) -> Result<T, CollectionError> {
        read(&self.find(tenant, name)?.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Inserts or replaces points: all of them on disk afterwards, or none.
    ///
    /// # Errors
    /// `NotFound`, `Id`, `Payload`, `Vector`, `TooManyPoints`, `Disk`.
    pub fn upsert(&self, tenant: &Tenant, name: &str, points: Vec<Point>) -> Result<usize, CollectionError> {
        let collection = self.find(tenant, name)?;
        collection.write().unwrap_or_else(PoisonError::into_inner).upsert(points, self.limits.points_max)
    }

    /// Removes points; how many were there.
    ///
    /// # Errors
    /// `NotFound`, `Disk`.
    pub fn remove(&self, tenant: &Tenant, name: &str, ids: &[String]) -> Result<usize, CollectionError> {
        let collection = self.find(tenant, name)?;
        collection.write().unwrap_or_else(PoisonError::into_inner).remove(ids)
    }

    fn find(&self, tenant: &Tenant, name: &str) -> Result<Arc<RwLock<Collection>>, CollectionError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let found = open.get(&(tenant.clone(), name.to_owned()));
        found.cloned().ok_or_else(|| CollectionError::NotFound(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
