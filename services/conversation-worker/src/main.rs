//! Conversation worker: takes turns and serves `dragoman.conversation.v1`.

use std::process::ExitCode;

use anyhow::Context as _;
use conversation_worker::{App, Config, DEFAULTS, Parts};
use service_kit::{cli, net};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    cli::main("conversation-worker", DEFAULTS, run)
}

async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ops = net::bind("conversation-worker", "ops.listen", config.ops.listen).await?;
    let grpc = net::bind("conversation-worker", "grpc.listen", config.grpc.listen).await?;
    let parts = tokio::select! {
        parts = Parts::connect(&config) => parts?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let app = App::new(config, parts).context("cannot start")?;
    tracing::info!(grpc = %grpc.local_addr()?, ops = %ops.local_addr()?, "listening");
    app.serve(grpc, ops, shutdown).await
}
