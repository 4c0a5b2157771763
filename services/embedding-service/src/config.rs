//! The service's settings; `config.toml` explains each.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use serde::Deserialize;
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, OpsConfig, Problems, Validate},
    grpc::GrpcConfig,
    telemetry::TelemetryConfig,
    tenants::Tenants,
};

use crate::vectors::Limits;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The services' listener.
    pub grpc: GrpcConfig,
    /// Probes and metrics.
    pub ops: OpsConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// The catalogue.
    #[serde(default)]
    pub catalog: CatalogConfig,
    /// Files on disk.
    #[serde(default)]
    pub files: FilesConfig,
    /// Limits of collections.
    #[serde(default)]
    pub vectors: VectorsConfig,
    /// CPU work.
    #[serde(default)]
    pub work: WorkConfig,
    /// Documents by tenant.
    #[serde(default)]
    pub tenants: Tenants,
}

/// `[catalog]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogConfig {
    /// Pause between two looks at the catalogue's version.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
}

impl Default for CatalogConfig {
    fn default() -> Self {
        Self { poll: Duration::from_secs(2) }
    }
}

/// `[files]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    /// Folder of cache and collections.
    pub folder: PathBuf,
    /// Vectors kept in the cache.
    pub cache_vectors_max: usize,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { folder: "data/embedding".into(), cache_vectors_max: 200_000 }
    }
}

/// `[vectors]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VectorsConfig {
    /// Collections of one tenant.
    pub collections_max: usize,
    /// Points of one collection.
    pub points_max: usize,
}

impl Default for VectorsConfig {
    fn default() -> Self {
        Self { collections_max: 100, points_max: 200_000 }
    }
}

impl VectorsConfig {
    pub(crate) fn limits(&self) -> Limits {
        Limits { collections_max: self.collections_max, points_max: self.points_max }
    }
}

/// `[work]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkConfig {
    /// Pieces at the same time; 0 = as many as there are cores.
    pub threads: usize,
    /// Pieces that may wait.
    pub queue: usize,
}

impl Default for WorkConfig {
    fn default() -> Self {
        Self { threads: 0, queue: 256 }
    }
}

impl WorkConfig {
    pub(crate) fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        NonZeroUsize::new(self.threads).unwrap_or_else(cores)
    }
}

impl Settings for Config {
    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn ops(&self) -> &OpsConfig {
        &self.ops
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.within("grpc", |problems| self.grpc.validate(problems));
        problems.within("tenants", |problems| self.tenants.validate(problems));
        if self.catalog.poll < Duration::from_millis(10) {
            problems.add("catalog.poll", "must be 10ms or longer");
        }
        if self.files.folder.as_os_str().is_empty() {
            problems.add("files.folder", "names no folder");
        }
        for (path, value) in
            [("vectors.collections_max", self.vectors.collections_max), ("vectors.points_max", self.vectors.points_max)]
        {
            if value == 0 {
                problems.add(path, "must be 1 or greater");
            }
        }
    }
}
