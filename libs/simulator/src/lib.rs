//! The other sides of the network: fake platforms, OAuth2 server and a demo fleet with its backend.

mod backend;
mod contract;
pub mod faults;
pub mod fleet;
pub mod oauth2;
mod serve;
