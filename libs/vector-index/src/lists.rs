//! Lists of rows around centres, so that a search of many rows looks at the lists near it only.

use crate::segment::{Segment, Shape};

/// Centres, and the list of each row.
#[derive(Debug)]
pub struct Lists {
    /// Centre after centre. The last list holds rows of tenants that are too small to be parted.
    pub centres: Vec<f32>,
    pub of_rows: Vec<u32>,
}

/// The lists to look at, nearest first.
pub fn nearest(segment: &Segment, query: &[f32], shape: &Shape) -> Vec<usize> {
    let _ = (query, shape);
    (0..segment.header().lists).collect()
}
