//! `dragoman simulate`: the simulated other sides alone, for services that run apart; or one platform, for any bot.

mod alone;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context as _;
use axum::Router;
use domain::{Account, Tenant};
use secrecy::ExposeSecret as _;
use service_kit::tenants::AccountConfig;
use simulator::{
    Platform,
    page::{Page, Phone, Someone, phone_router},
};
use store::{Role, Store, StoreConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Config, fakes, inside::Journals, options::SimulateOptions};

/// Where the phone page listens unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);

/// Serves until `shutdown`. The database of `config` is only read, for the page's right side.
///
/// # Errors
/// A busy port, a file that cannot be written, a database that is not there.
pub async fn run(options: SimulateOptions, config: &Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    if let Some(platform) = options.platform {
        return alone::run(platform, &options, shutdown).await;
    }
    let [page, api, tokens, backend, meta, telegram] = listeners(options.listen.unwrap_or(LISTEN)).await?;
    let folder = std::env::temp_dir().join(format!("dragoman-simulate-{}", page.local_addr()?.port()));
    let mut meta_webhook = options.gateway.clone();
    if let Ok(mut path) = meta_webhook.path_segments_mut() {
        path.pop_if_empty().extend(["meta", "main"]);
    }
    let infobip = fakes::platform(api, options.gateway, shutdown.clone())?;
    let (meta, meta_config) = fakes::meta(meta, meta_webhook, shutdown.clone())?;
    let (telegram, telegram_config) = fakes::telegram(telegram, shutdown.clone())?;
    let fleet = fakes::demo_fleet(backend, tokens, &folder, shutdown.clone())?;
    if let Some(path) = &options.write_config {
        // Complete or not there: others wait for it.
        let part = path.with_extension("part");
        let accounts =
            [fakes::account(&infobip), AccountConfig::Meta(meta_config), AccountConfig::Telegram(telegram_config)];
        std::fs::write(&part, fakes::as_toml(&accounts, &fleet.document))
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
    let tenant = Tenant::new("default")?;
    let mut phones = Vec::new();
    for platform in [Platform::Infobip(infobip.infobip), Platform::Meta(meta), Platform::Telegram(telegram)] {
        let account = Account::new(platform.name(), "main")?;
        let inside = Journals { store: store.clone(), tenant: tenant.clone(), account };
        phones.push(Phone { people: Someone::demo(&platform), platform, inside: Some(Arc::new(inside)) });
    }
    let routes: Router = phone_router(Page {
        phones,
        title: "Fleet desk".to_owned(),
        suggestions: simulator::fleet::SENTENCES.map(str::to_owned).to_vec(),
        stop: shutdown.clone(),
    });
    tracing::info!("write a message: http://{}/phone", page.local_addr()?);
    let stop = shutdown.clone();
    tokio::select! {
        served = axum::serve(page, routes) => served.context("the page's listener failed"),
        () = stop.cancelled() => Ok(()),
    }
}

/// The page at `first`; Infobip, the token server, the backend, Meta and Telegram on the ports after it.
async fn listeners(first: SocketAddr) -> anyhow::Result<[TcpListener; 6]> {
    let bind = async |offset: u16| {
        let port = first.port().checked_add(offset).context("--listen takes six ports in a row, up to 65535")?;
        let address = SocketAddr::new(first.ip(), port);
        TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; choose another address with --listen, which takes six ports in a row")
        })
    };
    Ok([bind(0).await?, bind(1).await?, bind(2).await?, bind(3).await?, bind(4).await?, bind(5).await?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_port_names_the_option_that_moves_all() {
        let busy = TcpListener::bind("127.0.0.1:0").await.expect("free");
        let address = busy.local_addr().expect("bound");
        let error = format!("{:#}", listeners(address).await.expect_err("busy"));
        assert!(error.starts_with(&format!("cannot listen on {address}; ")), "{error}");
        assert!(error.contains(" --listen, which takes six ports in a row: "), "{error}");
        let error = listeners(SocketAddr::from(([127, 0, 0, 1], u16::MAX))).await.expect_err("no port after it");
        assert!(error.to_string().contains("--listen takes six ports in a row"), "{error}");
    }
}
