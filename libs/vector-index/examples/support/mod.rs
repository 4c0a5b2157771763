//! What the benchmarks share.

use std::fs;

/// The one in the middle, of the sorted values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The values of a file, and how many make a row.
pub fn matrix(path: &str) -> (Vec<f32>, usize) {
    let bytes = fs::read(path).unwrap();
    let (head, values) = bytes.split_at(16);
    let dimension = u64::from_le_bytes(head[8..].try_into().unwrap()) as usize;
    (values.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect(), dimension)
}
