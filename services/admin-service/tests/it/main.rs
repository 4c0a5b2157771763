//! Admin service over real sockets, on a SQLite file of its own.

mod dead_letters;
mod support;
