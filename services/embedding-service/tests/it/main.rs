//! The service over real gRPC.

mod catalogue;
mod embeddings;
mod postgres;
mod start;
mod support;
mod vectors;
