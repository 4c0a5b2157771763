//! Collections of vectors, each an index in a folder of its own: `<tenant>/<collection>/`. Or all of them on a Qdrant:
//! [`store`] is what both are.

mod backup;
mod collection;
mod files;
mod filter;
mod partitions;
mod passes;
#[cfg(feature = "qdrant")]
pub mod qdrant;
mod store;
mod upkeep;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use domain::Tenant;
use vector_index::{IndexError, MAX_DIMENSION, VectorError};

pub use backup::{BackupError, distance_from_wire, to_wire};
pub use collection::{Collection, Found, Point, Room, Schema, Stats};
pub use files::Files;
pub use passes::{Answers, Question, ask};
pub use store::{Export, QdrantError, StoreError, VectorImport, VectorStore};

use crate::frames::{self, FolderLock};
use upkeep::Upkeep;

/// Largest id of a point, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Largest payload of a point, in bytes as encoded.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Ending of a folder that is not whole yet, or no longer; no collection's name has a dot.
const UNFINISHED: &str = "new";
const GONE: &str = "gone";

/// What one tenant may keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Collections of one tenant.
    pub collections_max: usize,
    /// Points of one collection.
    pub points_max: usize,
    /// Bytes on disk of all collections of one tenant.
    pub bytes_max: u64,
    /// Bytes that the graph of a collection may have, while it is made in memory too.
    pub graph_bytes_max: usize,
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
    Dimension(usize),
    /// The partition field's name is too long.
    #[error("name of the partition field is {0} bytes; the limit is {max}", max = partitions::FIELD_BYTES_MAX)]
    PartitionField(usize),
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
    /// The partition field has too many values.
    #[error("the partition field would have more than {max} different values", max = partitions::VALUES_MAX)]
    TooManyPartitions,
    /// The tenant's files are too large.
    #[error("the tenant's collections have {0} bytes on disk, the most that are allowed; delete points or collections")]
    TooManyBytes(u64),
    /// The search's time was up.
    #[error("the search was stopped before it was done")]
    Stopped,
    /// Points come faster than they can be put in order, which fails.
    #[error("collection `{0}` takes no more points until it can be compacted; see the service's log")]
    Behind(String),
    /// A file is no collection.
    #[error("the file {0}")]
    Backup(#[from] BackupError),
    /// What was found does not go into one answer.
    #[error("the answer would have more than {0} bytes; ask for fewer hits, or search fewer times in one call")]
    AnswerTooLarge(usize),
    /// The disk refused.
    #[error("cannot write the collection")]
    Disk(#[from] io::Error),
    /// The index refused.
    #[error("cannot use the collection's index")]
    Index(#[source] IndexError),
    /// Qdrant could not.
    #[error(transparent)]
    Qdrant(#[from] QdrantError),
}

/// All collections of all tenants. Calls that are not async block on the disk: make them beside the async threads.
#[derive(Debug)]
pub struct Collections {
    folder: PathBuf,
    limits: Limits,
    open: RwLock<Open>,
    /// Held by whoever makes or removes a collection's folder, so that `open` is locked but for a moment.
    making: Mutex<()>,
    upkeep: Upkeep,
    /// Held as long as anybody can write.
    _lock: FolderLock,
}

/// Open collections by tenant and name.
type Open = BTreeMap<(Tenant, String), Arc<Collection>>;

impl Collections {
    /// Opens what is under `folder`. Vectors are mapped, not read.
    ///
    /// # Errors
    /// When another process has the folder open, or a file cannot be read or is of another kind.
    pub fn open(folder: &Path, limits: Limits) -> anyhow::Result<Self> {
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
            for entry in fs::read_dir(tenant_folder.path())? {
                let path = entry?.path();
                let ending = path.extension().and_then(|end| end.to_str());
                if matches!(ending, Some(UNFINISHED | GONE)) {
                    fs::remove_dir_all(&path)?;
                } else if ending == Some("log") {
                    anyhow::bail!(
                        "{} was written before the first release, which cannot read it: move it away and write its \
                         points again",
                        path.display()
                    );
                } else if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(is_name(&path)) {
                    let collection = Collection::open(&path, name, limits.graph_bytes_max)?;
                    open.insert((tenant.clone(), name.to_owned()), Arc::new(collection));
                }
            }
        }
        let upkeep = Upkeep::start()?;
        open.values().for_each(|collection| upkeep.look_at(collection));
        Ok(Self {
            folder: folder.to_owned(),
            limits,
            open: RwLock::new(open),
            making: Mutex::new(()),
            upkeep,
            _lock: lock,
        })
    }

    /// Creates a collection; one of the same name and schema is left as it is.
    ///
    /// # Errors
    /// `Name`, `Dimension`, `PartitionField`, `Exists`, `TooManyCollections`, `Disk`, `Index`.
    pub fn create(&self, tenant: &Tenant, name: &str, schema: &Schema) -> Result<(), CollectionError> {
        check_name(name)?;
        let _one = self.making();
        if let Ok(there) = self.find(tenant, name) {
            return if there.schema() == *schema { Ok(()) } else { Err(CollectionError::Exists(name.to_owned())) };
        }
        self.check_count(tenant)?;
        let unfinished = self.unfinished(tenant, name)?;
        Collection::make(&unfinished.0, schema)?;
        self.finish(unfinished, tenant, name)
    }

    /// Deletes a collection and its files.
    ///
    /// # Errors
    /// `NotFound`, `Disk`.
    pub fn delete(&self, tenant: &Tenant, name: &str) -> Result<(), CollectionError> {
        let _one = self.making();
        let collection = self.find(tenant, name)?;
        let (folder, gone) = (self.path(tenant, name), self.path(tenant, &format!("{name}.{GONE}")));
        // The rename goes first, so that a failure leaves all as it was. Who searches meanwhile finds what was there.
        collection.close(|| {
            fs::rename(&folder, &gone)?;
            self.write().remove(&(tenant.clone(), name.to_owned()));
            sync_folder(&gone)?;
            Ok(())
        })?;
        fs::remove_dir_all(&gone)?;
        Ok(())
    }

    /// The tenant's collections behind `after`, by name, at most `limit`.
    pub fn list(&self, tenant: &Tenant, after: &str, limit: usize) -> Vec<(String, Schema)> {
        let open = self.read();
        let behind = (Bound::Excluded((tenant.clone(), after.to_owned())), Bound::Unbounded);
        open.range(behind)
            .take_while(|((of, _), _)| of == tenant)
            .take(limit)
            .map(|((_, name), there)| (name.clone(), there.schema()))
            .collect()
    }

    /// A collection.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn find(&self, tenant: &Tenant, name: &str) -> Result<Arc<Collection>, CollectionError> {
        let open = self.read();
        let found = open.get(&(tenant.clone(), name.to_owned()));
        found.cloned().ok_or_else(|| CollectionError::NotFound(name.to_owned()))
    }

    /// Waits, where points came faster than they could be put in order, until there is room for more.
    ///
    /// # Errors
    /// `NotFound`, `Behind`.
    pub async fn wait_for_room(&self, tenant: &Tenant, name: &str) -> Result<(), CollectionError> {
        let collection = self.find(tenant, name)?;
        collection.wait_for_upkeep().await
    }

    /// Inserts or replaces points: all of them on disk afterwards, or none.
    ///
    /// # Errors
    /// `NotFound`, `Id`, `Payload`, `Vector`, `TooManyPoints`, `TooManyBytes`, `TooManyPartitions`, `Disk`, `Index`.
    pub fn upsert(&self, tenant: &Tenant, name: &str, points: &[Point]) -> Result<usize, CollectionError> {
        let collection = self.find(tenant, name)?;
        if points.is_empty() {
            return Ok(0);
        }
        self.check_bytes(tenant, 0)?;
        if collection.upsert(points, self.limits.points_max)? {
            self.upkeep.look_at(&collection);
        }
        Ok(points.len())
    }

    /// Removes points; how many were there.
    ///
    /// # Errors
    /// `NotFound`, `Disk`, `Index`.
    pub fn remove(&self, tenant: &Tenant, name: &str, ids: &[String]) -> Result<usize, CollectionError> {
        let collection = self.find(tenant, name)?;
        let removed = collection.remove(ids)?;
        if removed > 0 {
            self.upkeep.look_at(&collection);
        }
        Ok(removed)
    }

    /// Points of a collection behind `after`, by id, at most `limit` and as many as there is room for; true when there
    /// are more.
    ///
    /// # Errors
    /// `NotFound`; `AnswerTooLarge`, when there is no room for one.
    pub fn page(
        &self,
        tenant: &Tenant,
        name: &str,
        (after, limit): (&str, usize),
        with_vectors: bool,
        room: Room,
    ) -> Result<(Vec<Point>, bool), CollectionError> {
        self.find(tenant, name)?.page(after, limit, with_vectors, room)
    }

    /// The file of a collection as it is now, in pieces, until `put` has enough.
    ///
    /// # Errors
    /// `Disk`, when what is stored is damaged.
    pub fn export(collection: &Collection, put: impl FnMut(&[u8]) -> bool) -> Result<(), CollectionError> {
        backup::write(&collection.schema(), backup::points(&collection.snapshot()), put)
    }

    /// Begins to make a collection of such a file.
    ///
    /// # Errors
    /// `Name`, `Exists`, `TooManyCollections`, `Disk`.
    pub fn import(self: &Arc<Self>, tenant: &Tenant, name: &str) -> Result<Import, CollectionError> {
        check_name(name)?;
        let _one = self.making();
        if self.find(tenant, name).is_ok() {
            return Err(CollectionError::Exists(name.to_owned()));
        }
        self.check_count(tenant)?;
        let unfinished = self.unfinished(tenant, name)?;
        Ok(Import {
            collections: Arc::clone(self),
            tenant: tenant.clone(),
            name: name.to_owned(),
            reader: backup::Reader::default(),
            made: None,
            unfinished,
        })
    }

    fn check_count(&self, tenant: &Tenant) -> Result<(), CollectionError> {
        let most = self.limits.collections_max;
        let there = self.read().keys().filter(|(of, _)| of == tenant).count();
        if there >= most { Err(CollectionError::TooManyCollections(most)) } else { Ok(()) }
    }

    fn check_bytes(&self, tenant: &Tenant, more: u64) -> Result<(), CollectionError> {
        let open = self.read();
        let of_tenant = open.range((tenant.clone(), String::new())..).take_while(|((of, _), _)| of == tenant);
        let bytes = of_tenant.map(|(_, collection)| collection.disk_bytes()).sum::<u64>() + more;
        if bytes >= self.limits.bytes_max { Err(CollectionError::TooManyBytes(self.limits.bytes_max)) } else { Ok(()) }
    }

    /// The folder that a collection is made in; nobody else makes one of its name at the same time.
    fn unfinished(&self, tenant: &Tenant, name: &str) -> Result<Unfinished, CollectionError> {
        fs::create_dir_all(self.folder.join(tenant.as_str()))?;
        let lock = self.path(tenant, &format!("{name}.{UNFINISHED}"));
        match fs::create_dir(&lock) {
            Ok(()) => Ok(Unfinished(lock.join("collection"), lock)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(CollectionError::Exists(name.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a collection its name, and opens it.
    fn finish(&self, made: Unfinished, tenant: &Tenant, name: &str) -> Result<(), CollectionError> {
        let folder = self.path(tenant, name);
        fs::rename(&made.0, &folder)?;
        sync_folder(&folder)?;
        let collection = Arc::new(Collection::open(&folder, name, self.limits.graph_bytes_max)?);
        self.upkeep.look_at(&collection);
        self.write().insert((tenant.clone(), name.to_owned()), collection);
        Ok(())
    }

    fn making(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, tenant: &Tenant, name: &str) -> PathBuf {
        self.folder.join(tenant.as_str()).join(name)
    }

    fn read(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Open> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A folder in the making, and the one around it, which goes with this.
#[derive(Debug)]
struct Unfinished(PathBuf, PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = fs::remove_dir_all(&self.1);
    }
}

/// A collection that is made of a file: there with [`finish`](Self::finish), and not at all without it.
#[derive(Debug)]
pub struct Import {
    collections: Arc<Collections>,
    tenant: Tenant,
    name: String,
    reader: backup::Reader,
    made: Option<Collection>,
    unfinished: Unfinished,
}

impl Import {
    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// `Backup`, and what `create` and `upsert` give.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), CollectionError> {
        let Self { collections, tenant, name, reader, made, unfinished } = self;
        reader.feed(bytes, |record| {
            match record {
                backup::Record::Schema(schema) => {
                    Collection::make(&unfinished.0, &schema)?;
                    *made = Some(Collection::open(&unfinished.0, name, collections.limits.graph_bytes_max)?);
                }
                backup::Record::Points(points) => {
                    // The reader gives the schema first.
                    let made = made.as_ref().ok_or(BackupError::Damaged)?;
                    collections.check_bytes(tenant, made.disk_bytes())?;
                    made.upsert(&points, collections.limits.points_max)?;
                    while made.keep_up() {}
                }
            }
            Ok(())
        })
    }

    /// Puts the collection where it belongs; its schema, and how many points it has.
    ///
    /// # Errors
    /// `Backup`, `Exists`, `TooManyCollections`, `Disk`, `Index`.
    pub fn finish(self) -> Result<(Schema, usize), CollectionError> {
        let points = self.reader.end()?;
        let made = self.made.ok_or(BackupError::Truncated)?;
        let (schema, stored) = (made.schema(), made.stats().points);
        // Ids that came twice.
        if stored as u64 != points {
            return Err(BackupError::Damaged.into());
        }
        drop(made);
        let _one = self.collections.making();
        if self.collections.find(&self.tenant, &self.name).is_ok() {
            return Err(CollectionError::Exists(self.name));
        }
        self.collections.check_count(&self.tenant)?;
        self.collections.finish(self.unfinished, &self.tenant, &self.name)?;
        Ok((schema, stored))
    }
}

fn check_name(name: &str) -> Result<(), CollectionError> {
    if domain::id::is_name(name) { Ok(()) } else { Err(CollectionError::Name(name.to_owned())) }
}

fn is_name(path: &Path) -> impl Fn(&&str) -> bool {
    let is_dir = path.is_dir();
    move |name| is_dir && domain::id::is_name(name)
}

/// Brings the names in a file's folder to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests;
