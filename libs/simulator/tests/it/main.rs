//! The fakes, over HTTP, as the product meets them.

mod fleet;
mod infobip;
mod meta;
mod mock;
mod oauth2;
mod page;
mod telegram;
mod trouble;

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

/// Longest wait of any test.
const LIMIT: Duration = Duration::from_secs(20);

/// Serves on a free port until the runtime ends; returns the base URL.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A listener on a free port, and its base URL.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, base)
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(LIMIT).build().expect("a client")
}
