//! What a vector must be, and how two are compared.

/// Most values a vector can have.
pub const MAX_DIMENSION: usize = 4096;
/// Longest vector, so that no product of two overflows an `f32`; vectors under cosine may be longer.
pub const MAX_LENGTH: f32 = 1e18;

/// Values are kept in groups of so many; the last group is filled with zeros.
pub(crate) const GROUP: usize = 64;

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
    /// The vector is longer than [`MAX_LENGTH`].
    #[error("vector is longer than {MAX_LENGTH:e}; divide all vectors of the index by one number")]
    TooLong,
}

/// Dimension as it is stored: the next multiple of [`GROUP`].
pub(crate) fn padded(dimension: usize) -> usize {
    dimension.next_multiple_of(GROUP)
}

/// The vector as it is stored and compared: checked, of unit length under cosine, filled with zeros.
pub(crate) fn prepare(vector: &[f32], dimension: usize, distance: Distance) -> Result<Vec<f32>, VectorError> {
    if vector.len() != dimension {
        return Err(VectorError::WrongDimension { expected: dimension, got: vector.len() });
    }
    // One pass that the compiler vectorises; the position is looked for when something is wrong.
    if !vector.iter().fold(true, |fine, value| fine & value.is_finite()) {
        let position = vector.iter().position(|value| !value.is_finite()).unwrap_or_default();
        return Err(VectorError::NotFinite { position });
    }
    let mut sums = [0.0f64; 8];
    let (groups, rest) = vector.as_chunks::<8>();
    for group in groups {
        for (sum, value) in sums.iter_mut().zip(group) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest: f64 = rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    let length = (sums.iter().sum::<f64>() + rest).sqrt();
    let mut prepared = Vec::with_capacity(padded(dimension));
    match distance {
        Distance::Cosine if length == 0.0 || !length.is_finite() => return Err(VectorError::NoDirection),
        Distance::Cosine => {
            let scale = 1.0 / length;
            if scale.is_finite() {
                prepared.extend(vector.iter().map(|value| narrow(f64::from(*value) * scale)));
            } else {
                prepared.extend(vector.iter().map(|value| narrow(f64::from(*value) / length)));
            }
        }
        Distance::InnerProduct | Distance::Euclidean if length > f64::from(MAX_LENGTH) => {
            return Err(VectorError::TooLong);
        }
        Distance::InnerProduct | Distance::Euclidean => prepared.extend_from_slice(vector),
    }
    prepared.resize(padded(dimension), 0.0);
    Ok(prepared)
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
fn narrow(value: f64) -> f32 {
    value as f32
}
