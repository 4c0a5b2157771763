//! Journeys through the front door: the real binaries, the platform and the backend simulated in the test.
//!
//! Each journey runs on SQLite in one process and on PostgreSQL and Redis in five.

mod browser;
mod chat;
#[expect(clippy::print_stdout, reason = "findings are for the terminal")]
mod console;
mod database;
mod default_start;
mod faults;
mod files;
mod fleet;
mod free;
mod learned;
mod metrics;
mod misuse;
mod model;
mod notifications;
mod phone_page;
mod phone_platforms;
mod platforms;
mod process;
mod services;
mod shown;
mod simulate_alone;
mod switches;
mod trace;
mod widget;
mod world;
