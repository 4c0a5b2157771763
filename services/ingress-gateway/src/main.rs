//! Ingress gateway: takes webhooks and web chat messages, stores them, rings; nothing more.

use std::process::ExitCode;

use anyhow::Context as _;
use ingress_gateway::{App, Config, DEFAULTS, Parts, SERVICE};
use service_kit::{cli, net, ops};
use tokio_util::sync::CancellationToken;

/// The allocator of the C library took a fifth of a gateway's time in `make bench-ingest`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(SERVICE, "Takes webhooks and web chat messages, stores them and rings", DEFAULTS, run)
}

async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let http = net::bind(SERVICE, "http.listen", config.http.listen).await?;
    let ops = net::bind(SERVICE, "ops.listen", config.ops.listen).await?;
    let Some((parts, ops)) = ops::while_connecting(SERVICE, ops, Parts::connect(&config), &shutdown).await? else {
        return Ok(()); // stopped while it waited
    };
    let app = App::new(config, parts).context("cannot use the configured accounts")?;
    tracing::info!(listen = %http.local_addr()?, "listening");
    app.serve(http, ops, shutdown).await
}
