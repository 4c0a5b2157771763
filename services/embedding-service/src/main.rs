//! Embedding service: the operation catalogue, embeddings and nearest-neighbour search.

use std::process::ExitCode;

use embedding_service::{App, Config, DEFAULTS, Parts, SERVICE};
use service_kit::{cli, net, ops};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    cli::main(SERVICE, DEFAULTS, run)
}

async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let grpc = net::bind(SERVICE, "grpc.listen", config.grpc.listen).await?;
    let ops = net::bind(SERVICE, "ops.listen", config.ops.listen).await?;
    let Some((parts, ops)) = ops::while_connecting(SERVICE, ops, Parts::connect(&config), &shutdown).await? else {
        return Ok(()); // stopped while it waited
    };
    let app = App::new(config, parts)?;
    tracing::info!(listen = %grpc.local_addr()?, "listening");
    app.serve(grpc, ops, shutdown).await
}
