//! `dragoman embeddings`: vectors in and out, as JSON.

use std::sync::Arc;

use anyhow::Context as _;
use domain::SystemClock;
use embedding_service::{Parts, moving};

use crate::{
    Config, compose,
    config::main_tenant,
    options::RunOptions,
    running::{connect, document},
};

/// Does it, and says what was done on standard output.
///
/// # Errors
/// When the database or the files cannot be used, or the file is not sound.
pub async fn run(command: &moving::Command, config: &Config, options: &RunOptions) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot make the folder {}; --data names another", options.data.display()))?;
    let mut tenants = config.tenants.clone();
    if let Some(source) = &options.document {
        let name = main_tenant(&tenants)?;
        let document = document(source, options).await?;
        tenants.0.entry(name).or_default().documents.insert(options.name.clone(), document);
    }
    let parts = Parts { store: connect(config).await?, clock: Arc::new(SystemClock) };
    command.run(&compose::embedding(&tenants, &options.data)?, &parts).await
}
