//! A running service and clients with keys.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use domain::{Clock, SystemClock, Tenant};
use embedding_service::{
    App, CatalogConfig, Config, EmbeddingConfig, FilesConfig, Parts, StoreKind, VectorsConfig, WorkConfig,
};
use proto::{
    catalog::v1::{self as pb, catalog_service_client::CatalogServiceClient},
    embedding::v1::{embedding_service_client::EmbeddingServiceClient, vector_service_client::VectorServiceClient},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use service_kit::{
    config::{DatabaseConfig, OpsConfig},
    grpc::{AuthConfig, Client, ClientConfig, GrpcConfig, StaticKey, channel},
    telemetry::TelemetryConfig,
    tenants::{DocumentConfig, TenantConfig, Tenants},
};
use store::{Role, Store, StoreConfig};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything in a test.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until there is what is waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("it never came: {what}"))
}

/// A running service; keys are `<tenant>-key` for the tenants `acme` and `other`, and `vectors-key` for vectors only.
pub struct Service {
    pub store: Store,
    pub readiness: service_kit::Readiness,
    pub address: String,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

pub fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a name")
}

pub async fn sqlite(folder: &Path) -> Store {
    store_at(&format!("sqlite:{}", folder.join("test.db").display())).await
}

pub async fn store_at(url: &str) -> Store {
    let config = StoreConfig { url: url.to_owned(), max_connections: 4, connect_wait: PATIENCE, role: Role::Worker };
    let store = Store::connect(&config).await.expect("a database");
    store.migrate_up().await.expect("migrated");
    store
}

pub fn config(folder: &Path) -> Config {
    let key = |key: &str, tenant_name: &str, services: &[&str]| StaticKey {
        key: Some(SecretString::from(key)),
        sha256: None,
        tenant: tenant(tenant_name),
        services: services.iter().map(|service| (*service).to_owned()).collect(),
    };
    let keys = [
        ("acme", key("acme-key", "acme", &["*"])),
        ("other", key("other-key", "other", &["*"])),
        ("vectors", key("vectors-key", "acme", &["dragoman.embedding.v1.VectorService"])),
    ];
    Config {
        grpc: GrpcConfig {
            auth: AuthConfig::Keys,
            keys: keys.into_iter().map(|(name, key)| (name.to_owned(), key)).collect(),
            drain: Duration::from_secs(2),
            ..GrpcConfig::default()
        },
        ops: OpsConfig::default(),
        telemetry: TelemetryConfig::default(),
        database: DatabaseConfig {
            url: SecretString::from("sqlite:unused"),
            max_connections: 4,
            connect_wait: PATIENCE,
        },
        catalog: CatalogConfig { poll: Duration::from_millis(50) },
        files: FilesConfig { folder: folder.join("files"), cache_vectors_max: 1_000 },
        shared_cache: embedding_service::SharedCacheConfig::default(),
        vectors: VectorsConfig {
            store: StoreKind::Files,
            collections_max: 3,
            points_max: 10_000,
            tenant_bytes_max: 100_000_000,
            graph_bytes_max: 0,
        },
        qdrant: embedding_service::QdrantConfig::default(),
        work: WorkConfig { threads: 2, queue: 64 },
        ai: ai::Values::default(),
        embedding: EmbeddingConfig::default(),
        tenants: Tenants::default(),
    }
}

/// Where a service's files and collections are.
pub struct Home {
    pub folder: TempDir,
    #[cfg(feature = "qdrant")]
    pub qdrant: Option<crate::qdrant::Stub>,
}

impl Home {
    /// Collections in files.
    pub fn files() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            #[cfg(feature = "qdrant")]
            qdrant: None,
        }
    }

    /// Collections on a stub of Qdrant.
    #[cfg(feature = "qdrant")]
    pub async fn qdrant() -> Self {
        Self { qdrant: Some(crate::qdrant::Stub::start().await), ..Self::files() }
    }

    pub fn is_files(&self) -> bool {
        self.config().vectors.store == StoreKind::Files
    }

    pub fn config(&self) -> Config {
        #[cfg_attr(not(feature = "qdrant"), expect(unused_mut, reason = "files are the default"))]
        let mut config = config(self.folder.path());
        #[cfg(feature = "qdrant")]
        if let Some(qdrant) = &self.qdrant {
            crate::qdrant::point_to(&mut config, &qdrant.address);
        }
        config
    }

    pub async fn start(&self) -> Service {
        Service::start_with(self.config(), sqlite(self.folder.path()).await).await
    }
}

pub fn client(address: &str, key: &str) -> Client {
    let mut config = ClientConfig::new(address);
    config.api_key = Some(SecretString::from(key));
    config.timeout = PATIENCE;
    channel(&config).expect("a client")
}

pub fn document_config(source: &Path) -> DocumentConfig {
    serde_json::from_value(json!({"source": source})).expect("a document's settings")
}

pub fn tenants(documents: impl IntoIterator<Item = (&'static str, DocumentConfig)>) -> Tenants {
    let documents = documents.into_iter().map(|(id, config)| (id.to_owned(), config)).collect();
    Tenants(BTreeMap::from([(tenant("acme"), TenantConfig { documents, ..TenantConfig::default() })]))
}

impl Service {
    pub async fn start(folder: &TempDir) -> Self {
        let store = sqlite(folder.path()).await;
        Self::start_with(config(folder.path()), store).await
    }

    /// Starts it and waits until it is ready.
    pub async fn start_with(config: Config, store: Store) -> Self {
        let service = Self::spawn(config, store).await;
        let ready = tokio::time::timeout(PATIENCE, service.readiness.wait_ready()).await;
        ready.unwrap_or_else(|_| panic!("not ready: {:?}", service.readiness.state().gates));
        service
    }

    pub async fn spawn(config: Config, store: Store) -> Self {
        Self::spawn_at(config, store, Arc::new(SystemClock)).await
    }

    pub async fn spawn_at(config: Config, store: Store, clock: Arc<dyn Clock>) -> Self {
        service_kit::install_crypto();
        let grpc = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ops = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", grpc.local_addr().expect("an address"));
        let parts = Parts { store: store.clone(), clock };
        let app = App::new(config, parts).expect("an app");
        let readiness = app.readiness().clone();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(app.serve(grpc, ops, shutdown.clone()));
        Self { store, readiness, address, shutdown, running }
    }

    fn client(&self, key: &str) -> Client {
        client(&self.address, key)
    }

    pub fn catalog(&self, key: &str) -> CatalogServiceClient<Client> {
        CatalogServiceClient::new(self.client(key))
    }

    pub fn embedding(&self, key: &str) -> EmbeddingServiceClient<Client> {
        EmbeddingServiceClient::new(self.client(key))
    }

    pub fn vectors(&self, key: &str) -> VectorServiceClient<Client> {
        VectorServiceClient::new(self.client(key))
    }

    /// How it ends by itself.
    pub async fn ended(self) -> anyhow::Result<()> {
        tokio::time::timeout(PATIENCE, self.running).await.expect("it ends").expect("it does not panic")
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await.expect("a clean end");
    }
}

/// A document of meeting rooms and their reservations.
pub fn rooms() -> Value {
    let list = |of: &str| {
        json!({"200": {"description": "ok", "content": {"application/json": {"schema": {
            "type": "array", "items": {"$ref": format!("#/components/schemas/{of}")}}}}}})
    };
    let id = json!([{"name": "room_id", "in": "path", "required": true, "schema": {"type": "integer"}}]);
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Rooms", "version": "1.2"},
        "servers": [{"url": "https://rooms.test"}],
        "paths": {
            "/rooms": {
                "get": {"summary": "List meeting rooms", "tags": ["rooms"], "responses": list("Room")},
                "post": {"summary": "Create a meeting room", "tags": ["rooms"], "responses": {"201": {"description": "ok"}}}
            },
            "/rooms/{room_id}": {
                "get": {"summary": "Show a meeting room", "tags": ["rooms"], "parameters": id, "responses": {"200": {"description": "ok"}}},
                "delete": {"summary": "Delete a meeting room", "tags": ["rooms"], "parameters": id, "responses": {"204": {"description": "ok"}}}
            },
            "/rooms/{room_id}/reservations": {
                "get": {"summary": "List the reservations of a room", "tags": ["reservations"], "parameters": id, "responses": list("Reservation")}
            },
            "/invoices": {
                "get": {"summary": "List invoices", "tags": ["billing"], "responses": list("Invoice")}
            }
        },
        "components": {"schemas": {
            "Room": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
            "Reservation": {"type": "object", "properties": {"id": {"type": "integer"}, "room_id": {"type": "integer"}}},
            "Invoice": {"type": "object", "properties": {"id": {"type": "integer"}}}
        }}
    })
}

pub async fn import(service: &Service, key: &str, id: &str, document: &Value) -> pb::ImportDocumentResponse {
    let request = pb::ImportDocumentRequest {
        document_id: id.to_owned(),
        content: document.to_string().into_bytes().into(),
        ..Default::default()
    };
    service.catalog(key).import_document(request).await.expect("imported").into_inner()
}

pub async fn search(service: &Service, request: pb::SearchOperationsRequest) -> pb::SearchOperationsResponse {
    service.catalog("acme-key").search_operations(request).await.expect("an answer").into_inner()
}

pub fn ids(answer: &pb::SearchOperationsResponse) -> Vec<&str> {
    answer.hits.iter().filter_map(|hit| Some(hit.summary.as_ref()?.operation_id.as_str())).collect()
}

pub fn asks(text: &str) -> pb::SearchOperationsRequest {
    pb::SearchOperationsRequest { text: text.to_owned(), ..Default::default() }
}
