//! The figures of the vector cache and of importing vectors: `cargo run --release -p embedding-service --example
//! embedding_figures`. Needs no network.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use domain::SystemClock;
use embedding_service::embedding::{Embedder, Remote, RemoteConfig, SourceConfig, exchange};

const OPERATIONS: usize = 950;
const DIMENSIONS: usize = 1_536;
const MANY: usize = 50_000;

fn main() -> anyhow::Result<()> {
    service_kit::install_crypto();
    println!("a {} build", if cfg!(debug_assertions) { "dev" } else { "release" });
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tool_embeddings.json");
    write_file(&file)?;
    println!("figure import_file_bytes {}", std::fs::metadata(&file)?.len());
    let began = Instant::now();
    let found = exchange::read(std::fs::File::open(&file)?)?;
    println!("figure import_40mb_read_ms {:.0}", ms(began.elapsed()));
    anyhow::ensure!(found.vectors.len() == OPERATIONS && found.dimension == DIMENSIONS, "not all was read");
    let remote = remote(folder.path(), OPERATIONS + 100)?;
    remote.adopt(found.dimension, &found.vectors)?;
    println!("figure import_40mb_ms {:.0}", ms(began.elapsed()));
    drop(remote);

    let began = Instant::now();
    let opened = self::remote(folder.path(), OPERATIONS + 100)?;
    println!("figure cache_open_950_ms {:.2}", ms(began.elapsed()));
    let began = Instant::now();
    let there = found.vectors.iter().filter(|(name, _)| opened.find_operation(name).is_some()).count();
    println!("figure cache_first_reads_950_ms {:.2}", ms(began.elapsed()));
    anyhow::ensure!(there == OPERATIONS, "only {there} are there");
    let began = Instant::now();
    found.vectors.iter().for_each(|(name, _)| drop(opened.find_operation(name)));
    println!("figure cache_read_us {:.2}", ms(began.elapsed()) * 1e3 / OPERATIONS as f64);
    drop(opened);

    let folder = tempfile::tempdir()?;
    let remote = self::remote(folder.path(), MANY)?;
    let vector: Vec<f32> = (0..DIMENSIONS).map(|at| (at as f32).sin()).collect();
    let began = Instant::now();
    for from in (0..MANY).step_by(1_000) {
        let part: Vec<(String, Vec<f32>)> =
            (from..from + 1_000).map(|at| (format!("text {at}"), vector.clone())).collect();
        remote.adopt(DIMENSIONS, &part)?;
    }
    println!("figure cache_write_us {:.1}", ms(began.elapsed()) * 1e3 / MANY as f64);
    drop(remote);
    let began = Instant::now();
    let remote = self::remote(folder.path(), MANY)?;
    println!("figure cache_open_50k_ms {:.1}", ms(began.elapsed()));
    anyhow::ensure!(remote.find_operation("text 49999").is_some(), "the last one is missing");
    Ok(())
}

/// 950 vectors as `json.dump(.., indent=2)` of Python writes them: some 41 MB.
fn write_file(path: &Path) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut seed = 7u64;
    let mut value = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64 * 0.1 - 0.05
    };
    writeln!(out, "{{\n  \"embeddings\": {{")?;
    for operation in 0..OPERATIONS {
        writeln!(out, "    \"get_thing_{operation}\": [")?;
        for at in 0..DIMENSIONS {
            writeln!(out, "      {}{}", value(), if at + 1 == DIMENSIONS { "" } else { "," })?;
        }
        writeln!(out, "    ]{}", if operation + 1 == OPERATIONS { "" } else { "," })?;
    }
    writeln!(out, "  }}\n}}")?;
    Ok(out.flush()?)
}

fn remote(folder: &Path, vectors_max: usize) -> anyhow::Result<Arc<Remote>> {
    let provider = llm::Provider::OpenAiCompatible {
        base_url: "http://127.0.0.1:1/v1".parse()?,
        api_key: None,
        model: "text-embedding-3-small".to_owned(),
    };
    let llm = llm::EmbedderConfig {
        provider,
        dimensions: Some(u32::try_from(DIMENSIONS)?),
        limits: llm::EmbedderLimits::default(),
        retry: llm::Retry::default(),
    };
    let config = RemoteConfig {
        source: SourceConfig::Llm(Box::new(llm)),
        requests_per_minute: 0,
        texts_per_day: 0,
        query_timeout: Duration::from_secs(1),
    };
    let clock: Arc<dyn domain::Clock> = Arc::new(SystemClock);
    let embedder = Embedder::open(folder, vectors_max)?.with_remotes(vec![(String::new(), config)], folder, &clock)?;
    embedder.remote().cloned().context("no model")
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
