//! Nearest neighbours over vectors: exact when asked, and otherwise nearly so and much faster.
//!
//! An [`Index`] takes points (an id, a tenant, a payload and a vector) and gives [`Snapshot`]s, which are searched
//! without waiting for anybody. Vectors are `f32` values of one dimension, 1 to [`MAX_DIMENSION`].
//!
//! ```
//! use vector_index::{Config, Distance, Index, Point, Search};
//!
//! let index = Index::in_memory(Config::new(2, Distance::Cosine))?;
//! index.upsert(&[
//!     Point { id: "east", tenant: 0, payload: b"", vector: &[2.0, 0.0] },
//!     Point { id: "north", tenant: 0, payload: b"", vector: &[0.0, 1.0] },
//! ])?;
//! let snapshot = index.snapshot();
//! let hits = snapshot.search(&Search::new(&[1.0, 0.1], 1))?;
//! assert_eq!(hits[0].point.id, "east");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(not(target_endian = "little"))]
compile_error!("segments are read as they lie in the file, which is little-endian");

mod files;
mod graph;
mod index;
mod kernel;
mod lists;
mod live;
mod memory;
mod page;
mod rotation;
mod search;
mod segment;
mod snapshot;
mod top;
mod vector;

pub use files::{Durability, FileError, LogError, ManifestError};
pub use index::{Config, ID_BYTES_MAX, Index, IndexError, PAYLOAD_BYTES_MAX, POINTS_MAX};
pub use search::{Hit, Search, SearchError, Stop};
pub use segment::SegmentError;
pub use snapshot::{Point, Selection, Snapshot, Stats};
pub use vector::{Distance, MAX_DIMENSION, MAX_LENGTH, VectorError, check_vector};

/// The kernel that this processor runs, by name: for what an operator or a benchmark prints.
pub fn kernel_name() -> &'static str {
    kernel::Kernel::best().name()
}
