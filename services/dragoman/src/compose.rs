//! The services' configurations inside one process: their own defaults and variables, with what the process decides.

use std::net::{Ipv4Addr, SocketAddr};

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service_kit::{
    config::{Args, ConfigErrors, Validate, environment, load},
    tenants::Tenants,
};
use uuid::Uuid;

use crate::Config;

/// The four services' configurations.
pub struct Services {
    /// Of ingress-gateway.
    pub gateway: ingress_gateway::Config,
    /// Of conversation-worker.
    pub worker: conversation_worker::Config,
    /// Of embedding-service.
    pub embedding: embedding_service::Config,
    /// Of admin-service.
    pub admin: admin_service::Config,
}

/// Reads the four configurations.
///
/// `address` is where embedding-service listens.
///
/// # Errors
/// When a variable of a single service is wrong.
pub fn services(
    config: &Config,
    tenants: &Tenants,
    data: &std::path::Path,
    address: SocketAddr,
) -> Result<Services, ConfigErrors> {
    let auth = match tenants.0.keys().collect::<Vec<_>>().as_slice() {
        // On loopback, one tenant needs no key.
        [only] => json!({ "mode": "off", "tenant": only.as_str() }),
        _ => json!({ "mode": "keys" }),
    };
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string();
    let listen = |listeners: &[&str]| -> Vec<(Vec<String>, Value)> {
        let mut overrides: Vec<_> = listeners.iter().map(|name| (path(&[name, "listen"]), json!(loopback))).collect();
        if listeners.contains(&"grpc") {
            overrides.push((path(&["grpc", "auth"]), auth.clone()));
        }
        overrides
    };
    let mut gateway: ingress_gateway::Config =
        read(ingress_gateway::SERVICE, ingress_gateway::DEFAULTS, listen(&["http", "ops"]))?;
    let mut worker: conversation_worker::Config = {
        let mut overrides = listen(&["grpc", "ops"]);
        overrides.push((path(&["catalog", "url"]), json!(format!("http://{address}"))));
        // Those of this process come below. What the variables alone make of them is only a part, and the worker's rules
        // are about the whole.
        overrides.push((path(&["tenants"]), json!({})));
        read(conversation_worker::SERVICE, conversation_worker::DEFAULTS, overrides)?
    };
    let mut embedding: embedding_service::Config = {
        let mut overrides = listen(&["grpc", "ops"]);
        overrides.push((path(&["files", "folder"]), json!(data.join("embedding"))));
        read(embedding_service::SERVICE, embedding_service::DEFAULTS, overrides)?
    };
    let mut admin: admin_service::Config = {
        let mut overrides = listen(&["grpc", "ops"]);
        overrides.push((path(&["catalog", "url"]), json!(format!("http://{address}"))));
        // The one that the catalogue asks no key of; with several, each has its key below.
        overrides.extend(tenants.0.keys().next().map(|first| (path(&["catalog", "tenant"]), json!(first.as_str()))));
        read(admin_service::SERVICE, admin_service::DEFAULTS, overrides)?
    };
    if tenants.0.len() > 1 {
        for tenant in tenants.0.keys() {
            let key = SecretString::from(Uuid::new_v4().simple().to_string());
            worker.catalog.api_keys.insert(tenant.clone(), key.clone());
            admin.catalog.api_keys.insert(tenant.clone(), key.clone());
            embedding.grpc.keys.insert(
                tenant.to_string(),
                service_kit::grpc::StaticKey {
                    key: Some(key),
                    sha256: None,
                    tenant: tenant.clone(),
                    services: vec!["catalog".to_owned()],
                },
            );
        }
    }
    (gateway.ai, worker.ai, embedding.ai) = (config.ai, config.ai, config.ai);
    if let Some(chat) = &config.chat {
        gateway.chat = chat.clone();
    }
    gateway.tenants = tenants.clone();
    worker.tenants = tenants.clone();
    if config.model.is_on() {
        worker.model = config.model.clone();
    }
    embedding.tenants = tenants.clone();
    // Beside the database that is a file, too; else a folder may be gone with the machine.
    let place = config.database.url.expose_secret().starts_with("sqlite:").then(|| data.join("files"));
    let files = config.files.clone().or_in(place);
    (worker.files, admin.files) = (files.clone(), files);
    Ok(Services { gateway, worker, embedding, admin })
}

/// Of embedding-service alone, while nothing runs.
///
/// # Errors
/// When a variable of the service is wrong.
pub fn embedding(tenants: &Tenants, data: &std::path::Path) -> Result<embedding_service::Config, ConfigErrors> {
    let overrides = vec![
        (path(&["files", "folder"]), json!(data.join("embedding"))),
        (path(&["grpc", "listen"]), json!(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string())),
    ];
    let config = read(embedding_service::SERVICE, embedding_service::DEFAULTS, overrides)?;
    Ok(embedding_service::Config { tenants: tenants.clone(), ..config })
}

fn path(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn read<T: DeserializeOwned + Validate>(
    service: &str,
    defaults: &'static str,
    overrides: Vec<(Vec<String>, Value)>,
) -> Result<T, ConfigErrors> {
    load(service, defaults, &Args { overrides, ..Args::default() }, environment())
}
