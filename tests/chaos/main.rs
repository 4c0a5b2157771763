//! The chaos run: real binaries with real PostgreSQL and Redis, everything killed, stopped and cut while people write,
//! and a checker that reads what the platform, the backend and the database saw. `make chaos` runs it; its size is in
//! variables, see `plan.rs`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod checker;
mod episodes;
mod faults;
mod load;
mod outage;
mod plan;
mod process;
mod proxy;
mod rolling;
mod run;
mod slow;
mod storm;
mod town;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match chaos().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn chaos() -> anyhow::Result<()> {
    let plan = plan::Plan::from_environment()?;
    println!("{plan:?}");
    println!("as shipped: {}", process::shipped().await?);
    let mut ended = signal(SignalKind::terminate())?;
    // Whatever ends the run, its processes and servers end with it.
    tokio::select! {
        done = run::all(&plan) => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = ended.recv() => anyhow::bail!("terminated"),
    }
}
