//! API keys: shown once, kept as hashes.

use std::io::Write;

use anyhow::Context as _;
use clap::Subcommand;
use domain::Tenant;
use store::api_keys::key_hash;
use uuid::Uuid;

use crate::Config;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and print it, once.
    Add {
        /// What you call it.
        name: String,
        /// The tenant whose data it opens.
        #[arg(long, default_value = "default")]
        tenant: TenantName,
        /// What it may call: an area (`conversation`), a full service name, or `*`. Several are allowed.
        #[arg(long = "service", value_name = "SERVICE", default_value = "*")]
        services: Vec<String>,
    },
    /// List a tenant's keys.
    List {
        /// The tenant.
        #[arg(long, default_value = "default")]
        tenant: TenantName,
    },
    /// Take a key back; it opens nothing a few seconds later.
    Revoke {
        /// Its name.
        name: String,
        /// The tenant.
        #[arg(long, default_value = "default")]
        tenant: TenantName,
    },
}

/// A tenant's name on the command line.
#[derive(Clone, Debug)]
pub struct TenantName(Tenant);

impl std::str::FromStr for TenantName {
    type Err = domain::id::NameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Tenant::new(name).map(Self)
    }
}

pub(crate) async fn run(command: KeysCommand, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let store = config.connect().await?;
    match command {
        KeysCommand::Add { name, tenant, services } => {
            anyhow::ensure!(domain::id::is_name(&name), "`{name}` is no name: use 1 to 64 of a-z, 0-9, `_` and `-`");
            let key = new_key();
            store
                .add_api_key(&tenant.0, &name, &key_hash(&key), &services, None)
                .await
                .with_context(|| format!("cannot add the key {name}"))?;
            writeln!(out, "{key}")?;
        }
        KeysCommand::List { tenant } => {
            for key in store.list_api_keys(&tenant.0).await? {
                let state = if key.revoked_at.is_some() { "revoked" } else { "valid" };
                let start = key.hash.get(..8).unwrap_or_default();
                writeln!(out, "{:<24} {state:<8} {:<32} sha256 {start}..", key.name, key.services.join(","))?;
            }
        }
        KeysCommand::Revoke { name, tenant } => {
            store.revoke_api_key(&tenant.0, &name).await.with_context(|| format!("cannot revoke the key {name}"))?;
            writeln!(out, "{name} is revoked")?;
        }
    }
    Ok(())
}

/// 244 random bits in hex (two UUIDs of version 4), with a prefix that secret scanners can look for.
fn new_key() -> String {
    format!("dgm_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
