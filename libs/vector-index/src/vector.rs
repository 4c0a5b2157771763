//! What a vector must be, and how two are compared.

use crate::kernel::Kernel;

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

/// Checks a vector as an index of these settings does.
///
/// # Errors
/// As [`VectorError`] says.
pub fn check_vector(vector: &[f32], dimension: usize, distance: Distance) -> Result<(), VectorError> {
    prepare(vector, dimension, distance).map(|_| ())
}

/// The vector as it is stored and compared: checked, of unit length under cosine, filled with zeros.
pub(crate) fn prepare(vector: &[f32], dimension: usize, distance: Distance) -> Result<Vec<f32>, VectorError> {
    let mut prepared = Vec::new();
    prepare_into(vector, dimension, distance, &mut prepared)?;
    Ok(prepared)
}

/// The same, in `prepared`, which is empty.
pub(crate) fn prepare_into(
    vector: &[f32],
    dimension: usize,
    distance: Distance,
    prepared: &mut Vec<f32>,
) -> Result<(), VectorError> {
    if vector.len() != dimension {
        return Err(VectorError::WrongDimension { expected: dimension, got: vector.len() });
    }
    let kernel = Kernel::best();
    let squares = kernel.squares(vector);
    // Squares of an f32 are far from the end of an f64's range, so nothing else makes their sum infinite.
    if !squares.is_finite() {
        let position = vector.iter().position(|value| !value.is_finite()).unwrap_or_default();
        return Err(VectorError::NotFinite { position });
    }
    let length = squares.sqrt();
    prepared.resize(padded(dimension), 0.0);
    let values = &mut prepared[..dimension];
    match distance {
        Distance::Cosine if length == 0.0 => return Err(VectorError::NoDirection),
        Distance::Cosine => {
            // The shortest length above zero is 1e-45 or so: no scale is infinite.
            kernel.scale(vector, 1.0 / length, values);
        }
        Distance::InnerProduct | Distance::Euclidean if length > f64::from(MAX_LENGTH) => {
            return Err(VectorError::TooLong);
        }
        Distance::InnerProduct | Distance::Euclidean => values.copy_from_slice(vector),
    }
    Ok(())
}
