//! The right operation: pure retrieval over names and texts, without a model.

pub mod affinity;
pub mod calibration;
pub mod entry;
pub mod index;
pub mod legs;
pub mod producers;
mod scored;
pub mod sentence;
pub mod text;

pub use entry::Entry;
pub use index::{Answer, Hit, Index, Question};

#[cfg(test)]
mod tests;
