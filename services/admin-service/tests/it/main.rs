//! Admin service over real sockets, on a database of its own.

mod browser;
mod catalogue;
mod console;
mod dead_letters;
mod files;
mod support;
mod switches;
mod waiting;
