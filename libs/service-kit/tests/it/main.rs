//! service-kit as services use it: servers and clients over real sockets.

mod grpc;
mod otlp;
