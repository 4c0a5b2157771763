//! The other sides of the network: fake platforms, OAuth2 server and a demo fleet with its backend.

mod backend;
mod contract;
pub mod faults;
pub mod fleet;
pub mod infobip;
pub mod oauth2;
mod serve;

pub use infobip::Infobip;
pub mod mock;
pub mod page;
pub use page::{Inside, Page, phone_router};
