//! Conversation worker: takes turns and serves `dragoman.conversation.v1`.

use std::process::ExitCode;

use anyhow::Context as _;
use conversation_worker::{App, Config, DEFAULTS, Parts, SERVICE};
use service_kit::{cli, net, ops};
use tokio_util::sync::CancellationToken;

/// The allocator of the C library took a fifth of a worker's time in `make bench-turns`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(SERVICE, "Answers what people wrote: turns, calls to backends, sending", DEFAULTS, run)
}

async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ops = net::bind(SERVICE, "ops.listen", config.ops.listen).await?;
    let grpc = net::bind(SERVICE, "grpc.listen", config.grpc.listen).await?;
    let Some((parts, ops)) = ops::while_connecting(SERVICE, ops, Parts::connect(&config), &shutdown).await? else {
        return Ok(()); // stopped while it waited
    };
    let app = App::new(config, parts).context("cannot start")?;
    tracing::info!(grpc = %grpc.local_addr()?, ops = %ops.local_addr()?, "listening");
    app.serve(grpc, ops, shutdown).await
}
