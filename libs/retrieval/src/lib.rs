//! The right operation: pure retrieval over names and texts; vectors of a model, where there are any, come from outside.

pub mod affinity;
mod answer;
mod asked;
pub mod calibration;
pub mod entry;
pub mod index;
mod keep;
mod language;
pub mod legs;
mod lexicon;
pub mod meaning;
pub mod producers;
mod scored;
pub mod sentence;
mod spelling;
pub mod text;
mod usual;

pub use answer::{Answer, Hit, Question};
pub use entry::Entry;
pub use index::Index;
pub use meaning::Meaning;

#[cfg(test)]
mod tests;
