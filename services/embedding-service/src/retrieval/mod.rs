//! The right operation: pure retrieval over names and texts, without a model.

pub mod affinity;
mod answer;
pub mod calibration;
pub mod entry;
pub mod index;
pub mod legs;
pub mod producers;
mod scored;
pub mod sentence;
pub mod text;

pub use answer::{Answer, Hit, Question};
pub use entry::Entry;
pub use index::Index;

#[cfg(test)]
mod tests;
