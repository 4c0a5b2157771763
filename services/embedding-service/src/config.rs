//! The service's settings; `config.toml` explains each.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, time::Duration};

use coordination::{ConnectError, SharedCache};
use secrecy::{ExposeSecret as _, SecretString};

use serde::Deserialize;
use service_kit::{
    cli::Settings,
    config::{DatabaseConfig, OpsConfig, Problems, Validate},
    grpc::GrpcConfig,
    models::{AZURE_API_VERSION, ModelConfig, ModelProvider},
    telemetry::TelemetryConfig,
    tenants::Tenants,
};

use url::Url;

use crate::{
    embedding::{RemoteConfig, SourceConfig},
    vectors::Limits,
};

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
    /// Vectors that replicas share.
    #[serde(default)]
    pub shared_cache: SharedCacheConfig,
    /// Written collections.
    #[serde(default)]
    pub vectors: VectorsConfig,
    /// Their store, where it is no files.
    #[serde(default)]
    pub qdrant: QdrantConfig,
    /// CPU work.
    #[serde(default)]
    pub work: WorkConfig,
    /// The switches at the start.
    #[serde(default)]
    pub ai: ai::Values,
    /// The embedding model.
    #[serde(default)]
    pub embedding: EmbeddingConfig,
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

/// `[shared_cache]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SharedCacheConfig {
    /// A Redis; empty: none.
    pub url: SecretString,
    /// How long a vector is kept in it.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// Put before every key.
    pub prefix: String,
}

impl Default for SharedCacheConfig {
    fn default() -> Self {
        Self { url: SecretString::default(), lifetime: Duration::from_secs(30 * 24 * 60 * 60), prefix: String::new() }
    }
}

impl SharedCacheConfig {
    /// Begins to connect, where there is one.
    pub(crate) fn connect(&self) -> Result<Option<SharedCache>, ConnectError> {
        let is_on = !self.url.expose_secret().is_empty();
        is_on.then(|| SharedCache::connect(&self.url, &self.prefix, self.lifetime)).transpose()
    }
}

/// `[vectors]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VectorsConfig {
    /// Where they are.
    pub store: StoreKind,
    /// Collections of one tenant.
    pub collections_max: usize,
    /// Points of one collection.
    pub points_max: usize,
    /// Bytes on disk of one tenant's collections.
    pub tenant_bytes_max: u64,
    /// Bytes of a collection's graph.
    pub graph_bytes_max: usize,
}

impl Default for VectorsConfig {
    fn default() -> Self {
        Self {
            store: StoreKind::Files,
            collections_max: 100,
            points_max: 1_000_000,
            tenant_bytes_max: 20_000_000_000,
            graph_bytes_max: 500_000_000,
        }
    }
}

impl VectorsConfig {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            collections_max: self.collections_max,
            points_max: self.points_max,
            bytes_max: self.tenant_bytes_max,
            graph_bytes_max: self.graph_bytes_max,
        }
    }
}

/// Where written collections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// In files of this replica, which is the only one.
    Files,
    /// On a Qdrant, which replicas share.
    Qdrant,
}

/// Why `qdrant` is no choice for a program that was built without it.
pub(crate) const NO_QDRANT: &str =
    "this program was built without Qdrant; build it with `--features qdrant`, or set vectors.store to files";
/// Port of Qdrant's REST interface.
const REST_PORT: u16 = 6333;

/// `[qdrant]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QdrantConfig {
    /// Its gRPC address.
    pub url: Option<Url>,
    /// Its key, where it wants one.
    pub api_key: Option<SecretString>,
    /// Longest wait for an answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Begins the names of our collections.
    pub prefix: String,
}

impl Default for QdrantConfig {
    fn default() -> Self {
        Self { url: None, api_key: None, timeout: Duration::from_secs(10), prefix: "dragoman".to_owned() }
    }
}

impl Validate for QdrantConfig {
    fn validate(&self, problems: &mut Problems) {
        match &self.url {
            None => problems.add("url", "is missing, and vectors.store is qdrant: give Qdrant's gRPC address"),
            Some(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
                problems.add("url", "must begin with http:// or https://");
            }
            Some(url) if url.port() == Some(REST_PORT) => {
                problems.add("url", "6333 is the port of Qdrant's REST interface; gRPC has 6334 unless it was changed");
            }
            Some(_) => {}
        }
        // The client would tell the key when it cannot send it.
        if self.api_key.as_ref().is_some_and(|key| !key.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())) {
            problems.add("api_key", "has characters that no key of Qdrant has: use visible ASCII");
        }
        if self.timeout.is_zero() {
            problems.add("timeout", "must be longer than 0");
        }
        if !domain::id::is_name(&self.prefix) {
            problems.add("prefix", "use 1 to 64 of a-z, 0-9, `_` and `-`");
        }
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

/// `[embedding]`: the remote model; the default is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddingConfig {
    /// Who serves it.
    pub provider: ModelProvider,
    /// Folder of a model that runs in this process, instead of a provider.
    pub local_model: Option<PathBuf>,
    /// Address up to the part that `embeddings` follows; of an Azure resource. The known providers have one.
    pub base_url: Option<Url>,
    /// Key; endpoints of one's own may want none.
    pub api_key: Option<SecretString>,
    /// The model; at Azure the deployment.
    pub name: Option<String>,
    /// Azure's API version.
    pub api_version: Option<String>,
    /// Length of the vectors that is asked for; none: the model's own.
    pub dimensions: Option<u32>,
    /// Requests of a minute; 0 = without a limit.
    pub requests_per_minute: usize,
    /// Texts of a day; 0 = without a limit.
    pub texts_per_day: u64,
    /// Longest wait of a search for its sentence's vector.
    #[serde(with = "humantime_serde")]
    pub query_timeout: Duration,
    /// Longest request.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Further models by name, beside the default one; none of them has more.
    pub models: BTreeMap<String, EmbeddingConfig>,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self {
            provider: ModelProvider::None,
            local_model: None,
            base_url: None,
            api_key: None,
            name: None,
            api_version: None,
            dimensions: None,
            requests_per_minute: 300,
            texts_per_day: 0,
            query_timeout: Duration::from_millis(800),
            timeout: Duration::from_secs(30),
            models: BTreeMap::new(),
        }
    }
}

impl EmbeddingConfig {
    /// What it shares with other models.
    fn model(&self) -> ModelConfig {
        ModelConfig {
            provider: self.provider,
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            name: self.name.clone(),
            api_version: self.api_version.clone(),
            ..ModelConfig::default()
        }
    }

    /// The models that there are, by name; the default one has none.
    pub(crate) fn remotes(&self) -> Vec<(String, RemoteConfig)> {
        let others = self.models.iter().map(|(name, config)| (name.clone(), config));
        let all = std::iter::once((String::new(), self)).chain(others);
        all.filter_map(|(name, config)| Some((name, config.remote()?))).collect()
    }

    /// The model, if there is one.
    fn remote(&self) -> Option<RemoteConfig> {
        if let Some(folder) = &self.local_model {
            // Nobody counts what this machine does itself.
            return Some(RemoteConfig {
                source: SourceConfig::Local(folder.clone()),
                requests_per_minute: 0,
                texts_per_day: 0,
                query_timeout: self.query_timeout,
            });
        }
        let model = self.model();
        let (endpoint, name) = (model.endpoint()?, self.name.clone()?);
        let provider = match (self.provider, self.api_key.clone()) {
            (ModelProvider::None, _) => return None,
            (ModelProvider::Azure, api_key) => llm::Provider::Azure {
                endpoint,
                api_key: api_key?,
                api_version: self.api_version.clone().unwrap_or_else(|| AZURE_API_VERSION.to_owned()),
                deployment: name,
            },
            (_, api_key) => llm::Provider::OpenAiCompatible { base_url: endpoint, api_key, model: name },
        };
        let limits = llm::EmbedderLimits { whole: self.timeout, ..llm::EmbedderLimits::default() };
        // Repeats are ours: they count against the limits too.
        let retry = llm::Retry { attempts: 1, ..llm::Retry::default() };
        let llm = llm::EmbedderConfig { provider, dimensions: self.dimensions, limits, retry };
        Some(RemoteConfig {
            source: SourceConfig::Llm(Box::new(llm)),
            requests_per_minute: self.requests_per_minute,
            texts_per_day: self.texts_per_day,
            query_timeout: self.query_timeout,
        })
    }
}

impl Validate for EmbeddingConfig {
    fn validate(&self, problems: &mut Problems) {
        self.model().validate(problems);
        if self.local_model.is_some() && self.provider != ModelProvider::None {
            problems.add("local_model", "a folder and a provider; choose one");
        }
        if self.local_model.is_some() && !cfg!(feature = "local-model") {
            problems.add(
                "local_model",
                "this program was built without local models; build it with `--features local-model`",
            );
        }
        if self.dimensions.is_some_and(|dimensions| !(1..=16_384).contains(&dimensions)) {
            problems.add("dimensions", "must be from 1 to 16384");
        }
        for (path, value) in [("query_timeout", self.query_timeout), ("timeout", self.timeout)] {
            if value.is_zero() {
                problems.add(path, "must be longer than 0");
            }
        }
        for (name, model) in &self.models {
            let mut add = |problem| problems.add(&format!("models.{name}"), problem);
            if !domain::id::is_name(name) {
                add("use 1 to 64 of a-z, 0-9, `_` and `-` as a name");
            }
            if model.provider == ModelProvider::None && model.local_model.is_none() {
                add("it has neither a provider nor a local_model");
            }
            if self.provider == ModelProvider::None && self.local_model.is_none() {
                add("there is no default model beside it: set embedding.provider or embedding.local_model");
            }
            if !model.models.is_empty() {
                add("a further model has no further ones");
            }
            problems.within(&format!("models.{name}"), |problems| model.validate(problems));
        }
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
        problems.within("telemetry", |problems| self.telemetry.validate(problems));
        problems.within("grpc", |problems| self.grpc.validate(problems));
        problems.within("tenants", |problems| self.tenants.validate(problems));
        problems.within("embedding", |problems| self.embedding.validate(problems));
        if self.vectors.store == StoreKind::Qdrant {
            if !cfg!(feature = "qdrant") {
                problems.add("vectors.store", NO_QDRANT);
            }
            problems.within("qdrant", |problems| self.qdrant.validate(problems));
        }
        if self.catalog.poll < Duration::from_millis(10) {
            problems.add("catalog.poll", "must be 10ms or longer");
        }
        if self.shared_cache.lifetime < Duration::from_secs(60) {
            problems.add("shared_cache.lifetime", "must be 1m or longer");
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
        if self.vectors.tenant_bytes_max == 0 {
            problems.add("vectors.tenant_bytes_max", "must be 1 or greater");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn remote(section: serde_json::Value) -> Option<llm::EmbedderConfig> {
        let remote = serde_json::from_value::<EmbeddingConfig>(section).expect("a section").remote()?;
        match remote.source {
            SourceConfig::Llm(llm) => Some(*llm),
            SourceConfig::Local(_) => None,
        }
    }

    #[test]
    fn providers_are_reached_where_they_are() {
        assert!(remote(json!({})).is_none());
        let google = remote(json!({"provider": "google", "api_key": "k", "name": "gemini-embedding-001"}));
        assert_eq!(google.expect("a model").provider.name(), "gcp.gemini");
        let azure = json!({
            "provider": "azure", "base_url": "https://r.openai.azure.com", "api_key": "k", "name": "vectors", "dimensions": 256,
        });
        let azure = remote(azure).expect("a model");
        assert_eq!((azure.provider.name(), azure.provider.model()), ("azure.ai.openai", "vectors"));
        assert_eq!((azure.dimensions, azure.retry.attempts), (Some(256), 1));
    }

    #[test]
    fn qdrant_is_chosen_with_an_address_and_by_a_program_that_has_it() {
        let check = |variables: &[(&str, &str)], words: &[&str]| {
            let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let loaded = service_kit::config::load::<Config>(crate::SERVICE, crate::DEFAULTS, &Default::default(), env);
            let errors = loaded.err().map(|errors| errors.to_string()).unwrap_or_default();
            assert!(words.iter().all(|words| errors.contains(words)), "{variables:?}: {errors}");
            assert!(!words.is_empty() || errors.is_empty(), "{variables:?}: {errors}");
        };
        let (store, url) = (("EMBEDDING_SERVICE__VECTORS__STORE", "qdrant"), "EMBEDDING_SERVICE__QDRANT__URL");
        let built = |words: &'static [&'static str]| match cfg!(feature = "qdrant") {
            true => words.to_vec(),
            false => {
                [&["vectors.store: this program was built without Qdrant; build it with `--features qdrant`"], words]
                    .concat()
            }
        };
        check(&[], &[]);
        check(&[store, (url, "https://q.example:6334")], &built(&[]));
        check(&[("QDRANT_URL", "http://qdrant:6333"), ("QDRANT_API_KEY", "k")], &built(&[]));
        check(&[("QDRANT_URL", "http://qdrant:6333"), ("EMBEDDING_SERVICE__VECTORS__STORE", "files")], &[]);
        check(&[store], &built(&["qdrant.url: is missing"]));
        check(
            &[store, (url, "http://qdrant:6333")],
            &built(&["qdrant.url: 6333 is the port of Qdrant's REST interface"]),
        );
        check(&[store, (url, "ftp://qdrant")], &built(&["qdrant.url: must begin with http:// or https://"]));
        let prefix = ("EMBEDDING_SERVICE__QDRANT__PREFIX", "a.b");
        check(&[store, (url, "http://qdrant:6334"), prefix], &built(&["qdrant.prefix"]));
        let key = ("QDRANT_API_KEY", "geheim\u{fc}");
        check(&[store, (url, "http://qdrant:6334"), key], &built(&["qdrant.api_key: has characters"]));
        check(&[("EMBEDDING_SERVICE__VECTORS__STORE", "both")], &["vectors.store"]);
    }

    #[test]
    fn half_a_model_is_a_problem() {
        for section in [
            json!({"provider": "openai", "name": "x"}),
            json!({"provider": "openai", "name": "x", "api_key": "k", "local_model": "models/e5"}),
            json!({"provider": "azure", "api_key": "k", "name": "x"}),
            json!({"provider": "compatible", "base_url": "http://localhost:11434/v1"}),
            json!({"provider": "openai", "api_key": "k", "name": "x", "dimensions": 0}),
        ] {
            let mut problems = Problems::default();
            serde_json::from_value::<EmbeddingConfig>(section.clone()).expect("a section").validate(&mut problems);
            assert!(!problems.is_empty(), "{section}");
        }
    }
}
