//! OpenAPI and Swagger documents as operations: import, checks, requests, credentials.
//!
//! [`fetch`] reads a document with everything it refers to, [`import`] turns it into self-contained
//! [`Operation`]s, [`Operation::check`] checks arguments, [`Backend`] builds and sends the request.

pub mod model;

pub use model::{
    BodyShape, Document, Field, KeyLocation, Location, Need, Operation, Problem, ProblemKind,
    ResponseOutline, Risk, SecurityScheme, Style,
};
