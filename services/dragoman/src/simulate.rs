//! `dragoman simulate`: the simulated other sides alone, for services that run apart.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::Router;
use domain::{Account, Tenant};
use secrecy::ExposeSecret as _;
use service_kit::net;
use simulator::page::{Page, Someone, phone_router};
use store::{Role, Store, StoreConfig};
use tokio_util::sync::CancellationToken;

use crate::{Config, SERVICE, fakes, inside::Journals, options::SimulateOptions};

/// Serves until `shutdown`. The database of `config` is only read, for the page's right side.
///
/// # Errors
/// A busy port, a file that cannot be written, a database that is not there.
pub async fn run(options: SimulateOptions, config: &Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let at = |offset: u16| SocketAddr::new(options.listen.ip(), options.listen.port().saturating_add(offset));
    let bind = async |offset| net::bind(SERVICE, "simulate --listen", at(offset)).await;
    let (page, api, tokens, backend) = (bind(0).await?, bind(1).await?, bind(2).await?, bind(3).await?);
    let folder = std::env::temp_dir().join(format!("dragoman-simulate-{}", page.local_addr()?.port()));
    let platform = fakes::platform(api, options.gateway, shutdown.clone())?;
    let fleet = fakes::demo_fleet(backend, tokens, &folder, shutdown.clone())?;
    if let Some(path) = &options.write_config {
        // Complete or not there: others wait for it.
        let part = path.with_extension("part");
        std::fs::write(&part, fakes::as_toml(&platform.account, &fleet.document))
            .and_then(|()| std::fs::rename(&part, path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let store = Store::connect(&StoreConfig {
        url: config.database.url.expose_secret().to_owned(),
        max_connections: 2,
        connect_wait: config.database.connect_wait,
        role: Role::Worker,
    })
    .await?;
    let routes: Router = phone_router(Page {
        infobip: platform.infobip,
        people: Someone::demo(),
        title: "Fleet desk".to_owned(),
        suggestions: Vec::new(),
        inside: Arc::new(Journals {
            store,
            tenant: Tenant::new("default")?,
            account: Account::new("infobip", "main")?,
        }),
    });
    tracing::info!("write a message: http://{}/phone", page.local_addr()?);
    let stop = shutdown.clone();
    tokio::select! {
        served = axum::serve(page, routes) => served.context("the page's listener failed"),
        () = stop.cancelled() => Ok(()),
    }
}
