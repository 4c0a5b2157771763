//! The search: a cascade from short codes of many rows to the vectors of few.
//!
//! 1. 1-bit codes of all rows, or in large segments of the lists near the question, give some two hundred candidates
//!    (skipped while the 8-bit codes are few enough);
//! 2. their 8-bit codes give some twenty;
//! 3. their vectors give the answer.
//!
//! A segment with a graph is not scanned: a walk along the links gives the rows of the second stage.
//!
//! An exact search goes on: the `k`-th score that was found, less the greatest error that an 8-bit code can have, is a
//! floor that no row of the true answer is below; every row above it is compared by its vector.

mod pass;

use std::{
    cmp::Ordering,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Instant,
};

use pass::Pass;

use crate::{
    snapshot::{Point, Selection, Snapshot},
    vector::VectorError,
};

/// A question to a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// As many values as the index has.
    pub vector: &'a [f32],
    /// How many points are wanted; fewer come when there are fewer.
    pub k: usize,
    /// Points of this tenant only.
    pub tenant: Option<u32>,
    /// Points of this selection only.
    pub among: Option<&'a Selection>,
    /// False: nearly always the nearest (0.99 of ten on the data that it was measured with). True: surely the nearest,
    /// as far as `f32` can tell them apart; takes several times as long.
    pub exact: bool,
    /// When to give up.
    pub stop: Stop<'a>,
}

impl<'a> Search<'a> {
    /// The `k` nearest of all points, without a time limit.
    pub fn new(vector: &'a [f32], k: usize) -> Self {
        Self { vector, k, tenant: None, among: None, exact: false, stop: Stop::default() }
    }
}

/// When a search gives up: it looks every 4,096 rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stop<'a> {
    /// At this time.
    pub at: Option<Instant>,
    /// When this becomes true.
    pub flag: Option<&'a AtomicBool>,
}

impl Stop<'_> {
    fn check(&self) -> Result<(), SearchError> {
        let stopped =
            self.flag.is_some_and(|flag| flag.load(Relaxed)) || self.at.is_some_and(|at| Instant::now() >= at);
        if stopped { Err(SearchError::Stopped) } else { Ok(()) }
    }
}

/// Why a search gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// The vector cannot be compared.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// Its time was up, or its caller gave up.
    #[error("search was stopped before it was done")]
    Stopped,
    /// The selection was made from another snapshot.
    #[error("selection belongs to another snapshot; select again from this one")]
    OtherSnapshot,
}

/// A point and how near it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit<'a> {
    /// By the index's distance, from the `f32` values; greater is nearer.
    pub score: f32,
    /// The point.
    pub point: Point<'a>,
}

impl Snapshot {
    /// The nearest points, nearest first, equal scores by id.
    ///
    /// # Errors
    /// As [`SearchError`] says.
    pub fn search(&self, search: &Search<'_>) -> Result<Vec<Hit<'_>>, SearchError> {
        let mut pass = Pass::new(self, search)?;
        pass.scan(self)?;
        pass.finish(self)
    }

    /// The rows of the nearest points, nearest first.
    pub(crate) fn search_rows(&self, search: &Search<'_>) -> Result<Vec<usize>, SearchError> {
        let mut pass = Pass::new(self, search)?;
        pass.scan(self)?;
        pass.finish_rows(self)
    }

    /// Answers many questions together: what is read for one is used for all, which pays when there are many rows.
    pub fn search_batch(&self, searches: &[Search<'_>]) -> Vec<Result<Vec<Hit<'_>>, SearchError>> {
        let mut passes: Vec<_> = searches.iter().map(|search| Pass::new(self, search)).collect();
        Pass::scan_together(self, &mut passes);
        passes.into_iter().map(|pass| pass?.finish(self)).collect()
    }
}

/// Nearest first, equal scores by id.
fn order(a: &Hit<'_>, b: &Hit<'_>) -> Ordering {
    (b.score + 0.0).total_cmp(&(a.score + 0.0)).then_with(|| a.point.id.cmp(b.point.id))
}
