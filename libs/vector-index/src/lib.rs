//! Exact nearest neighbours over vectors in memory.
//!
//! A [`FlatIndex`] keeps its vectors in one flat `f32` array and compares a query with every one of them, so an answer
//! is exact and the same for the same points, whatever order they came in: equal scores are ordered by id.
//! Reads take `&self`; writes take `&mut self`. There is no I/O here.
//!
//! ```
//! use vector_index::{Distance, FlatIndex};
//!
//! let mut index = FlatIndex::new(2, Distance::Cosine)?;
//! index.upsert("east", &[2.0, 0.0])?;
//! index.upsert("north", &[0.0, 1.0])?;
//! let hits = index.search(&[1.0, 0.1], 1, |_| true)?;
//! assert_eq!(&*hits[0].id, "east");
//! # Ok::<(), vector_index::VectorError>(())
//! ```

mod kernel;
mod top;

use std::{collections::HashMap, sync::Arc};

use top::Top;

/// Most values a vector can have.
pub const MAX_DIMENSION: usize = 4096;

/// How two vectors are compared. Greater scores are nearer in all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distance {
    /// Cosine of the angle, -1 to 1. Vectors are kept at unit length.
    Cosine,
    /// Inner product.
    InnerProduct,
    /// The negative of the Euclidean distance.
    Euclidean,
}

/// Why a vector was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VectorError {
    /// The dimension of an index must be from 1 to [`MAX_DIMENSION`].
    #[error("dimension is {0}; it must be from 1 to {MAX_DIMENSION}")]
    BadDimension(usize),
    /// The vector has another number of values than the index.
    #[error("vector has {got} values; the index has {expected}")]
    WrongDimension {
        /// Values the index has.
        expected: usize,
        /// Values the vector has.
        got: usize,
    },
    /// A value is NaN or infinite.
    #[error("value {position} is not a finite number")]
    NotFinite {
        /// Position of the first such value, from 0.
        position: usize,
    },
    /// A vector without a direction has no cosine.
    #[error("vector has no direction: all values are zero, or so small or large that its length is")]
    NoDirection,
}

/// A point and how near it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The point's id.
    pub id: Arc<str>,
    /// By the index's distance; greater is nearer.
    pub score: f32,
}

/// Vectors under ids, all of one dimension.
#[derive(Clone, Debug)]
pub struct FlatIndex {
    dimension: usize,
    distance: Distance,
    ids: Vec<Arc<str>>,
    rows: HashMap<Arc<str>, usize>,
    values: Vec<f32>,
}

impl FlatIndex {
    /// An empty index.
    ///
    /// # Errors
    /// [`VectorError::BadDimension`].
    pub fn new(dimension: usize, distance: Distance) -> Result<Self, VectorError> {
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            return Err(VectorError::BadDimension(dimension));
        }
        Ok(Self { dimension, distance, ids: Vec::new(), rows: HashMap::new(), values: Vec::new() })
    }

    /// Values a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How vectors are compared.
    pub fn distance(&self) -> Distance {
        self.distance
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True when there is no point.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// True when there is a point of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// The ids of all points, in no order that means something.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(|id| &**id)
    }

    /// The vector of a point; at unit length under cosine.
    pub fn vector(&self, id: &str) -> Option<&[f32]> {
        let row = *self.rows.get(id)?;
        self.values.get(row * self.dimension..(row + 1) * self.dimension)
    }

    /// Checks a vector as [`upsert`](Self::upsert) and [`search`](Self::search) do, without storing it.
    ///
    /// # Errors
    /// [`VectorError::WrongDimension`], [`VectorError::NotFinite`]; [`VectorError::NoDirection`] under cosine.
    pub fn check(&self, vector: &[f32]) -> Result<(), VectorError> {
        self.prepared(vector).map(|_| ())
    }

    /// Inserts a point or replaces its vector. True when it is new.
    ///
    /// # Errors
    /// As [`check`](Self::check); nothing is stored then.
    pub fn upsert(&mut self, id: &str, vector: &[f32]) -> Result<bool, VectorError> {
        let prepared = self.prepared(vector)?;
        if let Some(&row) = self.rows.get(id) {
            self.values[row * self.dimension..(row + 1) * self.dimension].copy_from_slice(&prepared);
            return Ok(false);
        }
        let id: Arc<str> = id.into();
        self.rows.insert(Arc::clone(&id), self.ids.len());
        self.ids.push(id);
        self.values.extend_from_slice(&prepared);
        Ok(true)
    }

    /// Removes a point. True when it was there.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(row) = self.rows.remove(id) else {
            return false;
        };
        let last = self.ids.len() - 1;
        self.ids.swap_remove(row);
        let start = last * self.dimension;
        self.values.copy_within(start..start + self.dimension, row * self.dimension);
        self.values.truncate(start);
        if let Some(moved) = self.ids.get(row) {
            self.rows.insert(Arc::clone(moved), row);
        }
        true
    }

    /// The `k` nearest points for which `keep` is true, nearest first, equal scores by id.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn search(&self, query: &[f32], k: usize, keep: impl Fn(&str) -> bool) -> Result<Vec<Hit>, VectorError> {
        let query = self.prepared(query)?;
        let mut top = Top::new(k);
        for (id, row) in self.ids.iter().zip(self.values.chunks_exact(self.dimension)) {
            let score = match self.distance {
                Distance::Cosine => kernel::dot(&query, row).clamp(-1.0, 1.0),
                Distance::InnerProduct => kernel::dot(&query, row),
                Distance::Euclidean => -kernel::distance(&query, row),
            };
            if top.takes(score, id) && keep(id) {
                top.push(score, id);
            }
        }
        Ok(top.into_hits())
    }

    /// The vector as it is compared: checked, of unit length under cosine.
    fn prepared(&self, vector: &[f32]) -> Result<Vec<f32>, VectorError> {
        if vector.len() != self.dimension {
            return Err(VectorError::WrongDimension { expected: self.dimension, got: vector.len() });
        }
        if let Some(position) = vector.iter().position(|value| !value.is_finite()) {
            return Err(VectorError::NotFinite { position });
        }
        match self.distance {
            Distance::Cosine => kernel::unit(vector).ok_or(VectorError::NoDirection),
            Distance::InnerProduct | Distance::Euclidean => Ok(vector.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests;
