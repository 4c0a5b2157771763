//! The service over real gRPC.

mod catalogue;
mod embeddings;
mod postgres;
mod remote;
mod start;
mod support;
mod vectors;
mod waiting;
