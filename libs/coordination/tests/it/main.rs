//! Coordination: one suite over Redis and in-process, and what only Redis can suffer.

mod conformance;
mod lag;
mod redis_faults;
mod server;
