//! OpenAPI and Swagger documents as operations: import, checks, requests, credentials.
//!
//! [`import`] turns a document into self-contained [`Operation`]s, [`Operation::check`] checks arguments.

mod check;
mod import;
pub mod model;
mod read;
mod refs;
mod resources;
mod schema;
mod text;

pub use import::{ImportError, ImportOptions, import};
pub use model::{
    BodyShape, Document, Field, KeyLocation, Location, MAX_OPERATION_BYTES, Need, Operation,
    Problem, ProblemKind, ResponseOutline, Risk, SecurityScheme, Style,
};
pub use resources::Producers;
