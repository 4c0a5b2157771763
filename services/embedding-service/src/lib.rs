//! The operation catalogue, embeddings and nearest-neighbour search.

pub mod retrieval;
