//! The arithmetic: plain Rust in eight lanes, which the compiler turns into vector instructions.
//!
//! The order of additions is fixed, so a score is the same on every run and machine.

const LANES: usize = 8;

/// Inner product of two vectors of one length; infinite where it is too large for an `f32`, never NaN.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (sum, rest) = lanes(a, b, |x, y| x * y);
    let sum = sum + rest;
    // Products of opposite infinities only; then the sum says nothing in f32, and is made in f64.
    if sum.is_nan() {
        let exact: f64 = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
        return narrow(exact);
    }
    sum
}

/// Euclidean distance of two vectors of one length.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    let (sum, rest) = lanes(a, b, |x, y| (x - y) * (x - y));
    let sum = sum + rest;
    if sum.is_finite() && (sum > f32::MIN_POSITIVE || a == b) {
        return sum.sqrt();
    }
    let exact: f64 = a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
    narrow(exact.sqrt())
}

/// The vector at unit length, or `None` when it has no length.
pub fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length == 0.0 || !length.is_finite() {
        return None;
    }
    Some(vector.iter().map(|value| narrow(f64::from(*value) / length)).collect())
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Sum of `term` over eight running sums, and over what is left at the end.
fn lanes(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> (f32, f32) {
    let mut sums = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| term(*x, *y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    let sum = (sums[0] + sums[4]) + (sums[1] + sums[5]) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
    (sum, rest)
}
