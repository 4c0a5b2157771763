//! An index: one writer at a time, any number of readers that wait for nobody.

mod compact;
mod writer;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use writer::Writer;

use crate::{
    files::{self, Durability, FileError, Files, RECORD_BYTES_MAX},
    kernel::Kernel,
    segment::{SegmentError, Shape},
    snapshot::{Point, Snapshot},
    vector::{Distance, MAX_DIMENSION, VectorError},
};

/// Longest id, in bytes.
pub const ID_BYTES_MAX: usize = 512;
/// Largest payload of a point, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Most points of an index, dead ones that were not yet cleared away included.
pub const POINTS_MAX: usize = 1 << 30;

/// What an index is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Values a vector, 1 to [`MAX_DIMENSION`].
    pub dimension: usize,
    /// How vectors are compared.
    pub distance: Distance,
    /// Points in the tail from which [`Index::compact`] makes a segment of it: 4,000 to 64,000 do well.
    pub seal_rows: usize,
    /// Rows of one tenant from which a segment parts them into lists around centres, of which a search that is not exact
    /// looks at the near ones only. Below 80,000 a scan of all is as fast; making lists takes about as long as all else
    /// of a segment. A segment with lists also gets a graph, from [`Index::tidy`], but under the inner product.
    pub list_rows: usize,
    /// Bytes that a graph may have; larger segments get none. With a dimension of 384 a row takes 2 KiB, with 1536 some
    /// 6.5 KiB, and half a KiB more while the graph is made.
    pub graph_bytes_max: usize,
}

impl Config {
    /// With the default for what is not said.
    pub fn new(dimension: usize, distance: Distance) -> Self {
        Self { dimension, distance, seal_rows: 4096, list_rows: 80_000, graph_bytes_max: 1 << 32 }
    }

    /// Of the index in a folder, with the default for what its files do not say; none where there is no index.
    ///
    /// # Errors
    /// When its manifest cannot be read, or is none of ours.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, FileError> {
        let manifest = files::manifest(folder)?;
        Ok(manifest.map(|manifest| Self::new(manifest.dimension, manifest.distance)))
    }
}

/// Why an index could not do it.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A point's id is empty or too long.
    #[error("id is {0} bytes; it must be from 1 to {ID_BYTES_MAX}")]
    Id(usize),
    /// A point's payload is too large.
    #[error("payload of `{id}` is {bytes} bytes; the limit is {PAYLOAD_BYTES_MAX}")]
    Payload {
        /// The point.
        id: String,
        /// Its size.
        bytes: usize,
    },
    /// A vector was refused.
    #[error("vector of `{id}`: {reason}")]
    Vector {
        /// The point.
        id: String,
        /// Why.
        reason: VectorError,
    },
    /// The dimension is outside the limits.
    #[error(transparent)]
    Dimension(VectorError),
    /// The points of one call are too many bytes for one record of the log.
    #[error("points are {0} bytes together; the limit is {RECORD_BYTES_MAX}, so write them in several calls")]
    Batch(usize),
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// There would be too many points.
    #[error("index would have more than {POINTS_MAX} points")]
    Full,
    /// A segment could not be made or read.
    #[error("segment {0}")]
    Segment(#[from] SegmentError),
}

/// Points with vectors, to be searched by nearness.
#[derive(Debug)]
pub struct Index {
    config: Config,
    shape: Arc<Shape>,
    current: ArcSwap<Snapshot>,
    writer: Mutex<Writer>,
    /// Held by whoever makes a segment of others.
    compacting: Mutex<()>,
    /// Held by whoever makes one of the tail. Taken after `compacting`, where both are.
    sealing: Mutex<()>,
}

/// The rotation's seed for new indexes.
const SEED: u64 = 0x6472_6167_6f6d_616e;

impl Index {
    /// An empty index without files: it ends with the process.
    ///
    /// # Errors
    /// [`IndexError::Dimension`].
    pub fn in_memory(config: Config) -> Result<Self, IndexError> {
        Ok(Self::of(config, Writer::new(shape(&config, SEED)?)))
    }

    /// Opens the index in a folder, or makes an empty one there. Writes are acknowledged by `durability`.
    ///
    /// Reads the headers of segments and the log of the last writes, not the vectors: what those say is believed as far
    /// as nothing can go wrong with it, and checked by [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`IndexError::Dimension`]; [`IndexError::File`] when the folder is in use, holds another index, or has a file
    /// that is missing, cut, damaged, of another kind or of a newer program.
    pub fn open(folder: &Path, config: Config, durability: Durability) -> Result<Self, IndexError> {
        shape(&config, SEED)?;
        let (files, manifest) = Files::open(folder, durability)?;
        if let Some(manifest) = &manifest
            && (manifest.dimension, manifest.distance) != (config.dimension, config.distance)
        {
            return Err(FileError::OtherShape(folder.to_owned()).into());
        }
        let seed = manifest.as_ref().map_or(SEED, |manifest| manifest.seed);
        Ok(Self::of(config, Writer::open(shape(&config, seed)?, files, manifest.as_ref())?))
    }

    /// Checks every byte of all segments against the checksums.
    ///
    /// # Errors
    /// [`IndexError::Segment`] when one is damaged.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.snapshot().verify()?)
    }

    fn of(config: Config, writer: Writer) -> Self {
        Self {
            config,
            shape: Arc::clone(writer.shape()),
            current: ArcSwap::from_pointee(writer.snapshot()),
            writer: Mutex::new(writer),
            compacting: Mutex::new(()),
            sealing: Mutex::new(()),
        }
    }

    /// What it is like.
    pub fn config(&self) -> Config {
        self.config
    }

    /// What it holds now. Waits for nobody.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Checks a vector as [`upsert`](Self::upsert) and a search do.
    ///
    /// # Errors
    /// As [`VectorError`] says.
    pub fn check(&self, vector: &[f32]) -> Result<(), VectorError> {
        crate::vector::prepare(vector, self.config.dimension, self.config.distance).map(|_| ())
    }

    /// Inserts points or replaces those of the same id, the last of equal ids winning: all of them or, after an error,
    /// none. Gives how many ids are new. Snapshots that are taken from now on have them.
    ///
    /// # Errors
    /// As [`IndexError`] says.
    pub fn upsert(&self, points: &[Point<'_>]) -> Result<usize, IndexError> {
        let prepared = self.prepare(points)?;
        let mut writer = self.writer();
        let new = writer.upsert(points, &prepared)?;
        self.current.store(Arc::new(writer.snapshot()));
        Ok(new)
    }

    /// Removes points; gives how many were there.
    ///
    /// # Errors
    /// As [`IndexError`] says.
    pub fn remove(&self, ids: &[&str]) -> Result<usize, IndexError> {
        let mut writer = self.writer();
        let removed = writer.remove(ids)?;
        if removed > 0 {
            self.current.store(Arc::new(writer.snapshot()));
        }
        Ok(removed)
    }

    /// The points' vectors as they are stored, one behind the other.
    fn prepare(&self, points: &[Point<'_>]) -> Result<Vec<Vec<f32>>, IndexError> {
        let prepare = |point: &Point<'_>| {
            if !(1..=ID_BYTES_MAX).contains(&point.id.len()) {
                return Err(IndexError::Id(point.id.len()));
            }
            if point.payload.len() > PAYLOAD_BYTES_MAX {
                return Err(IndexError::Payload { id: point.id.to_owned(), bytes: point.payload.len() });
            }
            let prepared = crate::vector::prepare(point.vector, self.config.dimension, self.config.distance);
            prepared.map_err(|reason| IndexError::Vector { id: point.id.to_owned(), reason })
        };
        points.iter().map(prepare).collect()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shape(config: &Config, seed: u64) -> Result<Arc<Shape>, IndexError> {
    if !(1..=MAX_DIMENSION).contains(&config.dimension) {
        return Err(IndexError::Dimension(VectorError::BadDimension(config.dimension)));
    }
    Ok(Arc::new(Shape::new(config.dimension, config.distance, seed, Kernel::best())))
}
