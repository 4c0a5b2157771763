//! OpenAPI and Swagger documents as operations: import, checks, requests, credentials.
//!
//! [`fetch`] reads a document with everything it refers to, [`import`] turns it into self-contained
//! [`Operation`]s, [`Operation::check`] checks arguments, [`Backend`] builds and sends the request.

mod backend;
mod check;
mod fetch;
mod guard;
mod import;
mod media;
pub mod model;
mod read;
mod refs;
mod resources;
mod schema;
mod text;

pub use backend::{
    Backend, BackendConfig, BackendError, CallError, Credential, PageLimits, Pages, PagesEnd, PrepareError, Prepared,
    Response, ResponseBody,
};
pub use fetch::{FetchError, fetch};
pub use guard::{is_public, refusal};
pub use import::{ImportError, ImportOptions, import};
pub use model::{
    BodyEncoding, BodyShape, Document, Field, File, FileField, Files, KeyLocation, Location, MAX_OPERATION_BYTES, Need,
    Operation, Problem, ProblemKind, ResponseOutline, Risk, SecurityScheme, Style,
};
pub use resources::Producers;
