//! Admin service: what operators do (`dragoman.admin.v1`).

use std::process::ExitCode;

use admin_service::{App, Config, DEFAULTS, Listeners, Parts, SERVICE};
use service_kit::{cli, net};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    cli::main(SERVICE, DEFAULTS, run)
}

async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listeners = Listeners {
        grpc: net::bind(SERVICE, "grpc.listen", config.grpc.listen).await?,
        http: net::bind(SERVICE, "http.listen", config.http.listen).await?,
        ops: net::bind(SERVICE, "ops.listen", config.ops.listen).await?,
    };
    let parts = Parts::connect(&config).await?;
    tracing::info!(grpc = %listeners.grpc.local_addr()?, http = %listeners.http.local_addr()?, "listening");
    App::new(config, parts).serve(listeners, shutdown).await
}
