//! The gateway over real HTTP, on SQLite, with the tests in the place of the worker.

mod ai;
mod broken;
mod chat;
mod limits;
mod platforms;
mod sessions;
mod stream_cuts;
mod streams;
mod support;
mod uploads;
mod waiting;
mod webhooks;
