//! The service over real gRPC.

mod catalogue;
mod crash;
mod embeddings;
mod moving;
mod postgres;
mod remote;
mod shared;
mod start;
mod support;
mod vectors;
mod waiting;
