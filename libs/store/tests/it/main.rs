//! The conformance suite: the same promises on PostgreSQL and on SQLite.

mod support;

mod accept;
mod alarms;
mod console;
mod errors;
mod feedback;
mod fence;
mod lease;
mod media;
mod migrations;
mod model;
mod notifications;
mod operators;
mod rights;
mod send;
mod switches;
mod tenants;
mod turn;
mod unreadable;
mod uploads;
mod walk;
