//! The service over real gRPC.

mod accepted;
mod catalogue;
mod crash;
mod embeddings;
mod moving;
mod postgres;
#[cfg(feature = "qdrant")]
mod qdrant;
mod remote;
mod shared;
mod start;
mod support;
mod vectors;
mod waiting;
