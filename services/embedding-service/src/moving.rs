//! Vectors that move in and out as JSON ([`exchange`]): a catalogue whose operations another program has embedded needs
//! no request for them.
//!
//! A vector's name in the file is found among the operations of all configured tenants: by id, by method and path, by
//! `operationId`, each without regard to case and punctuation. What names no operation, or two of one tenant, is taken for
//! a text.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use ai::Switches;
use anyhow::{Context as _, bail, ensure};
use domain::Tenant;
use retrieval::meaning::NEUTRAL;

use crate::{
    Config, Parts,
    catalogue::{Catalogue, Snapshot, import_configured},
    embedding::{Embedder, Remote, exchange},
    work::Work,
};

/// What the command line can do with vectors.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Take over the vectors of a file, such as a predecessor's `tool_embeddings.json`, for the embedding model that is
    /// configured: then nothing is embedded again. All of the file or nothing.
    Import {
        /// A map from operation (id, method and path, or `operationId`) or text to its vector, or a list of such.
        file: PathBuf,
        /// A name that the file may have for the configured model.
        #[arg(long, value_name = "NAME")]
        model: Vec<String>,
    },
    /// Write the vectors of the configured tenants' operations to a file.
    Export {
        /// Made, or replaced.
        file: PathBuf,
        /// Name operations by their `operationId` where they have one.
        #[arg(long)]
        labels: bool,
    },
}

impl Command {
    /// Does it, and says what was done on standard output. The service must not run.
    ///
    /// # Errors
    /// As [`import`] and [`export`].
    pub async fn run(&self, config: &Config, parts: &Parts) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        match self {
            Self::Import { file, model } => {
                let Imported { operations, texts, missing } = import(config, parts, file, model).await?;
                writeln!(
                    out,
                    "{operations} operations and {texts} texts have their vectors; {missing} operations have none"
                )?;
            }
            Self::Export { file, labels } => {
                let Exported { operations, texts, missing } = export(config, parts, file, *labels).await?;
                writeln!(
                    out,
                    "{operations} operations and {texts} texts written; {missing} operations have no vector"
                )?;
            }
        }
        Ok(())
    }
}

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// What an import took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Vectors of operations.
    pub operations: usize,
    /// Vectors of other texts.
    pub texts: usize,
    /// Operations that have no vector yet.
    pub missing: usize,
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Vectors of operations.
    pub operations: usize,
    /// Vectors of other texts.
    pub texts: usize,
    /// Operations without a vector.
    pub missing: usize,
}

/// Reads a file of vectors of the default model and keeps them; all of it or nothing. `models` are further names of this
/// model, as the file may have them. Imports the configured documents first; asks the model for nothing.
///
/// # Errors
/// When the file is not sound or is of another model, no model is configured, or the service is running.
pub async fn import(config: &Config, parts: &Parts, file: &Path, models: &[String]) -> anyhow::Result<Imported> {
    let (catalogue, remote) = open(config, parts)?;
    let what = || format!("cannot import {}", file.display());
    let path = file.to_owned();
    let read = move || {
        let file = File::open(path)?;
        ensure!(file.metadata()?.len() <= FILE_BYTES_MAX, "it has more than {FILE_BYTES_MAX} bytes");
        Ok(exchange::read(file)?)
    };
    let found = tokio::task::spawn_blocking(read).await.map_err(anyhow::Error::new).flatten().with_context(what)?;
    ensure!(!found.vectors.is_empty(), "{}: it holds no vectors", what());
    let is_ours = |name: &String| name == &**remote.name() || models.contains(name);
    if let Some(other) = found.models.iter().find(|name| !is_ours(name)) {
        let name = remote.name();
        bail!(
            "{}: its vectors are of the model `{other}`, the configured one is `{name}`; if both are the same model, say --model {other}",
            what()
        );
    }
    import_configured(&catalogue, &config.tenants).await?;
    let snapshots = snapshots(config, &catalogue).await?;
    let names = names(&snapshots);
    let mut vectors = Vec::with_capacity(found.vectors.len());
    let (mut operations, mut texts) = (0, 0);
    for (name, vector) in found.vectors {
        match names.get(&folded(&name)) {
            Some(found) => {
                operations += 1;
                vectors.extend(found.iter().map(|text| (text.clone(), vector.clone())));
            }
            None => {
                texts += 1;
                vectors.push((name, vector));
            }
        }
    }
    let keeping = Arc::clone(&remote);
    let adopt = move || {
        keeping.adopt(found.dimension, &vectors)?;
        anyhow::Ok(vectors.into_iter().map(|(text, _)| text).collect::<Vec<String>>())
    };
    let kept = tokio::task::spawn_blocking(adopt).await.map_err(anyhow::Error::new).flatten().with_context(what)?;
    remote.share_operations(&kept).await;
    let missing = snapshots.iter().map(|snapshot| without_vector(snapshot, &remote)).sum();
    Ok(Imported { operations, texts, missing })
}

/// Writes the vectors of the configured tenants' operations, of their aliases and examples and of the neutral lines;
/// `labels`: operations by `operationId` where they have one.
///
/// # Errors
/// When the file cannot be written, no model is configured, or the service is running.
pub async fn export(config: &Config, parts: &Parts, file: &Path, labels: bool) -> anyhow::Result<Exported> {
    let (catalogue, remote) = open(config, parts)?;
    let snapshots = snapshots(config, &catalogue).await?;
    let (mut operations, mut others, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let texts = snapshots.iter().flat_map(|snapshot| snapshot.index().entries()).flat_map(|entry| &entry.others);
    for text in NEUTRAL.into_iter().chain(texts.map(String::as_str)) {
        if seen.insert(text.to_owned()) {
            others.extend(remote.find_operation(text).map(|vector| (text.to_owned(), vector)));
        }
    }
    seen.clear();
    for entry in snapshots.iter().flat_map(|snapshot| snapshot.index().entries()) {
        let name = if labels && !entry.label.is_empty() { &entry.label } else { &entry.id };
        if let Some(vector) = remote.find_operation(&entry.short_text())
            && seen.insert(name.clone())
        {
            operations.push((name.clone(), vector));
        }
    }
    let missing = snapshots.iter().map(|snapshot| without_vector(snapshot, &remote)).sum();
    let exported = Exported { operations: operations.len(), texts: others.len(), missing };
    let path = file.to_owned();
    let write = move || {
        // Under another name until it is whole.
        let beside = path.with_extension("new");
        let mut out = BufWriter::new(File::create(&beside)?);
        exchange::write(&mut out, remote.name(), remote.dimension().unwrap_or(0), &operations, &others)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        Ok(std::fs::rename(&beside, &path)?)
    };
    let written = tokio::task::spawn_blocking(write).await.map_err(anyhow::Error::new).flatten();
    written.with_context(|| format!("cannot write {}", file.display()))?;
    Ok(exported)
}

fn open(config: &Config, parts: &Parts) -> anyhow::Result<(Catalogue, Arc<Remote>)> {
    let folder = &config.files.folder;
    let embedder = Embedder::open(folder, config.files.cache_vectors_max)
        .with_context(|| format!("cannot use the files in {}; is the service stopped?", folder.display()))?;
    let shared = config.shared_cache.connect().context("cannot use the shared cache: see [shared_cache]")?;
    let embedder = embedder
        .with_shared(shared)
        .with_remotes(config.embedding.remotes(), folder, &parts.clock)
        .context("cannot use the embedding model: see [embedding]")?;
    let remote = embedder.remote().context("no embedding model is configured: see [embedding]")?;
    let work = Work::new(config.work.threads(), config.work.queue);
    let switches = Switches::new(parts.store.clone(), config.ai);
    // Without models: nothing is to be asked.
    let catalogue = Catalogue::new(parts.store.clone(), work, config.tenants.clone(), Vec::new(), switches);
    Ok((catalogue, Arc::clone(remote)))
}

async fn snapshots(config: &Config, catalogue: &Catalogue) -> anyhow::Result<Vec<Arc<Snapshot>>> {
    let mut snapshots = Vec::new();
    for tenant in tenants(config)? {
        snapshots.push(catalogue.snapshot(&tenant).await?);
    }
    Ok(snapshots)
}

/// The configured ones, those of keys, and the one without a key.
fn tenants(config: &Config) -> anyhow::Result<BTreeSet<Tenant>> {
    let keys = config.grpc.keys.values().map(|key| key.tenant.clone());
    let mut all: BTreeSet<Tenant> = config.tenants.0.keys().cloned().chain(keys).collect();
    if all.is_empty() {
        all.insert(Tenant::new("default")?);
    }
    Ok(all)
}

/// By what an operation may be called, its texts in all tenants.
fn names(snapshots: &[Arc<Snapshot>]) -> HashMap<String, BTreeSet<String>> {
    let mut all: HashMap<String, BTreeSet<String>> = HashMap::new();
    for snapshot in snapshots {
        let mut of_tenant: HashMap<String, Option<(&str, String)>> = HashMap::new();
        for entry in snapshot.index().entries() {
            let plain = format!("{} {}", entry.method, entry.path);
            let called: BTreeSet<String> = [&entry.id, &plain, &entry.label]
                .into_iter()
                .map(|name| folded(name))
                .filter(|name| !name.is_empty())
                .collect();
            for name in called {
                let place = of_tenant.entry(name).or_insert_with(|| Some((&entry.id, entry.short_text())));
                // Of two operations with one name neither is meant.
                if place.as_ref().is_some_and(|(id, _)| *id != entry.id) {
                    *place = None;
                }
            }
        }
        for (name, found) in of_tenant {
            all.entry(name).or_default().extend(found.map(|(_, text)| text));
        }
    }
    all.retain(|_, texts| !texts.is_empty());
    all
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn without_vector(snapshot: &Snapshot, remote: &Remote) -> usize {
    let entries = snapshot.index().entries().iter();
    entries.filter(|entry| !remote.has_operation(&entry.short_text())).count()
}
