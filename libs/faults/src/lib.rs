//! Named points at which tests stop, delay or end a process, and bugs that tests plant to see whether they are found.
//!
//! Without the feature `on`, which no shipped build has (one without debug assertions refuses it), a point is an empty
//! future and [`planted`] is a constant `false`.
//!
//! With it:
//! - `DRAGOMAN_CRASH_AT=commit.before:2` aborts the process when it comes to that point for the second time, as a power
//!   cut would; `DRAGOMAN_CRASHED=<file>` names a file that is written before, so that a test knows that it happened.
//! - `DRAGOMAN_PLANTED=no_fence,no_dedupe` plants bugs.
//! - A simulation takes the place of the network for its thread ([`send`], `wire`).
//! - A test in the same process gives a store a [`Process`] of its own, which hears of each point, may let it wait, and
//!   may lose what the database answers.

#[cfg(all(feature = "on", not(debug_assertions)))]
compile_error!("the feature `on` of `faults` is for tests and never part of a release");

mod bugs;
mod points;
mod process;
mod random;
#[cfg(feature = "on")]
pub mod wire;

pub use bugs::{Bug, planted};
pub use points::POINTS;
pub use process::Process;
#[cfg(feature = "on")]
pub use process::Watch;
pub use random::unit;
#[cfg(feature = "on")]
pub use random::{Random, draw_from};

/// Sends a `reqwest::RequestBuilder`: its future gives what `send` gives.
#[cfg(not(feature = "on"))]
#[macro_export]
macro_rules! send {
    ($request:expr) => {
        $request.send()
    };
}

/// Sends a `reqwest::RequestBuilder`, to the simulation of this thread if there is one.
#[cfg(feature = "on")]
#[macro_export]
macro_rules! send {
    ($request:expr) => {
        $crate::wire::send($request)
    };
}
