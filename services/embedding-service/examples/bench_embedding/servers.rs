//! What is measured: the service, and a bare server beside it; each a process of its own that ends with its input.

use std::{path::Path, sync::Arc, time::Duration};

use domain::SystemClock;
use embedding_service::{App, Config, Parts};
use proto::embedding::v1 as pb;
use serde_json::json;
use store::{Role, Store, StoreConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    codegen::{BoxFuture, http},
    transport::Server,
};

/// The service, until the input ends.
pub async fn serve(folder: &Path) {
    service_kit::install_crypto();
    std::fs::create_dir_all(folder).unwrap();
    let store = Store::connect(&StoreConfig {
        url: format!("sqlite:{}", folder.join("bench.db").display()),
        max_connections: 2,
        connect_wait: Duration::from_secs(20),
        role: Role::Worker,
    })
    .await
    .unwrap();
    store.migrate_up().await.unwrap();
    let config: Config = serde_json::from_value(json!({
        "grpc": {"listen": "127.0.0.1:0", "auth": {"mode": "off", "tenant": "acme"}},
        "ops": {"listen": "127.0.0.1:0"},
        "telemetry": {},
        "database": {"url": "sqlite:unused"},
        "files": {"folder": folder.join("files")},
    }))
    .unwrap();
    let (grpc, ops) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = grpc.local_addr().unwrap();
    let app = App::new(config, Parts { store, clock: Arc::new(SystemClock) }).unwrap();
    let (readiness, shutdown) = (app.readiness().clone(), CancellationToken::new());
    let running = tokio::spawn(app.serve(grpc, ops, shutdown.clone()));
    readiness.wait_ready().await;
    println!("ready http://{address}");
    input_ended().await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

async fn input_ended() {
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await.unwrap().unwrap();
}

/// A bare server whose search answers ten hits at once: what calls cost without a service.
pub async fn serve_empty() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ready http://{}", listener.local_addr().unwrap());
    let hit = |at: u16| pb::SearchHit { id: format!("p{}", 500 + at), score: 1.0 / f32::from(at + 2), payload: None };
    let empty = Empty(pb::SearchResponse { hits: (0..10).map(hit).collect() });
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().add_service(empty).serve_with_incoming_shutdown(incoming, input_ended()).await.unwrap();
}

#[derive(Clone)]
struct Empty(pb::SearchResponse);

impl tonic::server::NamedService for Empty {
    const NAME: &'static str = pb::vector_service_server::SERVICE_NAME;
}

impl tonic::server::UnaryService<pb::SearchRequest> for Empty {
    type Response = pb::SearchResponse;
    type Future = std::future::Ready<Result<tonic::Response<pb::SearchResponse>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<pb::SearchRequest>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(self.0.clone())))
    }
}

impl tonic::codegen::Service<http::Request<tonic::body::Body>> for Empty {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let answer = self.clone();
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<pb::SearchResponse, pb::SearchRequest>::default();
            Ok(tonic::server::Grpc::new(codec).unary(answer, request).await)
        })
    }
}
