//! Conversations of the dialogue without a model, each in kind on a lending library, in a world without I/O.
//!
//! [`world`] holds the document and the catalogue, [`backend`] the library's own data and its faults, [`driver`] plays
//! a messenger: it carries state, identity and the time a question was sent from one turn to the next. [`checks`]
//! looks at every reply for what no reply may hold.

mod backend;
mod checks;
mod consent;
mod driver;
mod effects;
mod failures;
mod files;
mod free;
mod identity;
mod languages;
mod later;
mod looks;
mod lookups;
mod meaning;
mod pages;
mod people;
mod questions;
mod time;
mod values;
mod world;
