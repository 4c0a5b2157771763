//! Starts the service twice with a document of 950 operations and the simulator's embedding model, and prints what the
//! first start and the second one cost: `make figures-model`; how long they take is told by a release build alone, as
//! `make bench-embedding` makes it.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use domain::SystemClock;
use embedding_service::{App, Config, Parts, SERVICE};
use proto::catalog::v1::{
    SearchOperationsRequest, SearchOperationsResponse, catalog_service_client::CatalogServiceClient,
};
use retrieval::meaning::NEUTRAL;
use serde_json::{Value, json};
use service_kit::grpc::{ClientConfig, channel};
use simulator::model::{self, Server};
use store::{Role, Store, StoreConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const OPERATIONS: usize = 950;
/// As long as `text-embedding-3-small`'s.
const DIMENSIONS: usize = 1_536;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service_kit::install_crypto();
    let folder = tempfile::tempdir()?;
    let document = folder.path().join("document.json");
    std::fs::write(&document, generated().to_string())?;
    let store = Store::connect(&StoreConfig {
        url: format!("sqlite:{}", folder.path().join("test.db").display()),
        max_connections: 4,
        connect_wait: PATIENCE,
        role: Role::Worker,
    })
    .await?;
    store.migrate_up().await?;
    let mut settings = model::Config::new("k");
    settings.embedding_models = vec![("text-embedding-3-small".to_owned(), DIMENSIONS)];
    let (server, stop) = (Server::new(settings), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}/v1", listener.local_addr()?);
    let serving = tokio::spawn({
        let (server, stop) = (server.clone(), stop.clone());
        async move { server.serve(listener, stop).await }
    });
    let config = config(folder.path(), &document, &base)?;

    let cold = start(config.clone(), store.clone()).await?;
    let inputs: Vec<String> = server.embedding_requests().into_iter().flat_map(|request| request.inputs).collect();
    let distinct: BTreeSet<&String> = inputs.iter().collect();
    let neutral = inputs.iter().filter(|input| NEUTRAL.contains(&input.as_str())).count();
    println!("a {} build", if cfg!(debug_assertions) { "dev" } else { "release" });
    println!("figure cold_start_operations {OPERATIONS}");
    println!("figure cold_start_embedded_texts {}", inputs.len() - neutral - 1);
    println!("figure cold_start_neutral_lines {neutral}");
    println!("figure cold_start_texts_twice {}", inputs.len() - distinct.len());
    println!("figure cold_start_embedding_requests {}", server.embedding_requests().len() - 1);
    print_ms("cold_start_ms", cold.ready_and_embedded);

    server.forget_requests();
    let warm = start(config, store).await?;
    // The sentence that is asked at the end is one.
    println!("figure warm_start_embedding_requests {}", server.embedding_requests().len() - 1);
    print_ms("warm_start_ms", warm.ready_and_embedded);
    print_ms("warm_search_ms", warm.search);
    stop.cancel();
    serving.await?;
    Ok(())
}

/// Times of another build than the one that is released would be taken for those of this one.
fn print_ms(name: &str, took: Duration) {
    if !cfg!(debug_assertions) {
        println!("figure {name} {:.1}", took.as_secs_f64() * 1e3);
    }
}

struct Took {
    /// From nothing to ready with a vector for each operation.
    ready_and_embedded: Duration,
    /// A search whose sentence is known.
    search: Duration,
}

/// Starts the service, asks it one sentence, and stops it.
async fn start(config: Config, store: Store) -> anyhow::Result<Took> {
    let grpc = TcpListener::bind("127.0.0.1:0").await?;
    let ops = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", grpc.local_addr()?);
    let began = Instant::now();
    let app = App::new(config, Parts { store, clock: Arc::new(SystemClock) })?;
    let (readiness, shutdown) = (app.readiness().clone(), CancellationToken::new());
    let running = tokio::spawn(app.serve(grpc, ops, shutdown.clone()));
    let complete = async {
        readiness.wait_ready().await;
        while readiness.state().gates.get("embeddings").is_none_or(Option::is_some) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, complete).await.context("it is not complete in time")?;
    let ready_and_embedded = began.elapsed();
    let mut client = ClientConfig::new(&address);
    client.timeout = PATIENCE;
    let mut client = CatalogServiceClient::new(channel(&client)?);
    let mut ask = async || {
        let request = SearchOperationsRequest { text: "show the drivers of region one".into(), ..Default::default() };
        anyhow::Ok(client.search_operations(request).await?.into_inner())
    };
    let is_fused = |answer: &SearchOperationsResponse| {
        answer.hits.iter().flat_map(|hit| &hit.parts).any(|part| part.name == "vector")
    };
    anyhow::ensure!(is_fused(&ask().await?), "the search knows no vectors");
    let began = Instant::now();
    ask().await?;
    let search = began.elapsed();
    shutdown.cancel();
    running.await?.context(SERVICE)?;
    Ok(Took { ready_and_embedded, search })
}

fn config(folder: &Path, document: &Path, base: &str) -> anyhow::Result<Config> {
    let config = json!({
        "grpc": {"listen": "127.0.0.1:0", "auth": {"mode": "off", "tenant": "acme"}},
        "ops": {"listen": "127.0.0.1:0"},
        "telemetry": {},
        "database": {"url": "sqlite:unused"},
        "files": {"folder": folder.join("files")},
        "embedding": {
            "provider": "compatible", "base_url": base, "api_key": "k", "name": "text-embedding-3-small",
            "dimensions": DIMENSIONS, "query_timeout": "10s",
        },
        "tenants": {"acme": {"documents": {"fleet": {"source": document}}}},
    });
    Ok(serde_json::from_value(config)?)
}

/// 190 resources with five operations each.
fn generated() -> Value {
    const THINGS: [&str; 19] = [
        "vehicle",
        "driver",
        "booking",
        "invoice",
        "trip",
        "tyre",
        "damage",
        "contract",
        "lease",
        "fine",
        "permit",
        "depot",
        "route",
        "charger",
        "card",
        "policy",
        "claim",
        "inspection",
        "message",
    ];
    const SIDES: [&str; 10] =
        ["", "archived", "regional", "shared", "draft", "external", "monthly", "pending", "internal", "special"];
    let mut paths = serde_json::Map::new();
    for side in SIDES {
        for thing in THINGS {
            let name = format!("{side} {thing}").trim().to_owned();
            let path = format!("/{}s", name.replace(' ', "-"));
            let ok = json!({"200": {"description": "ok"}});
            let id = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}]);
            paths.insert(
                path.clone(),
                json!({
                    "get": {"summary": format!("List {name}s"), "description": format!("All {name}s of the company, newest first."), "responses": ok},
                    "post": {"summary": format!("Create a {name}"), "responses": ok},
                }),
            );
            paths.insert(
                format!("{path}/{{id}}"),
                json!({
                    "get": {"summary": format!("Show a {name}"), "parameters": id, "responses": ok},
                    "put": {"summary": format!("Change a {name}"), "parameters": id, "responses": ok},
                    "delete": {"summary": format!("Delete a {name}"), "parameters": id, "responses": ok},
                }),
            );
        }
    }
    json!({"openapi": "3.0.3", "info": {"title": "Fleet", "version": "1"}, "servers": [{"url": "https://fleet.test"}], "paths": paths})
}
