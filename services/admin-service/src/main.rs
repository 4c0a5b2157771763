//! Admin service: what operators do (`dragoman.admin.v1`).

use std::process::ExitCode;

use admin_service::{App, Config, DEFAULTS, Listeners, Parts, SERVICE};
use service_kit::{cli, net, ops};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    cli::main(SERVICE, "The operator's console, privacy and costs", DEFAULTS, run)
}

async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let grpc = net::bind(SERVICE, "grpc.listen", config.grpc.listen).await?;
    let http = net::bind(SERVICE, "http.listen", config.http.listen).await?;
    let ops = net::bind(SERVICE, "ops.listen", config.ops.listen).await?;
    let Some((parts, ops)) = ops::while_connecting(SERVICE, ops, Parts::connect(&config), &shutdown).await? else {
        return Ok(()); // stopped while it waited
    };
    tracing::info!(grpc = %grpc.local_addr()?, http = %http.local_addr()?, "listening");
    App::new(config, parts).serve(Listeners { grpc, http: Some(http), ops }, shutdown).await
}
