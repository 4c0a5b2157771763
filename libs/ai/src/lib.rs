//! The switches `AI_*` as operators left them, and how the models are.
//!
//! Both go through the database, so that every process knows the same: an operator's change is a row of `switches`,
//! which [`Switches`] looks at every second; what a service was started with, and how its model is, is a row of
//! `ai_services`, which [`tell`] writes. The live feed hastens nothing here: it is by conversation, and embedding-service
//! does not hear it.

mod health;
mod switch;
mod switches;
mod tell;
mod values;

pub use health::Health;
pub use switch::{BadValue, Switch};
pub use switches::Switches;
pub use tell::{Model, SILENT_AFTER, Told, tell};
pub use values::Values;
