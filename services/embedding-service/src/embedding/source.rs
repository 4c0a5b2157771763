//! What makes vectors: a provider's model, or one that runs here.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use llm::LlmError;

/// Which model is used.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// A provider's.
    Llm(Box<llm::EmbedderConfig>),
    /// The folder of a local model.
    Local(PathBuf),
}

/// A model.
pub struct Source {
    kind: Kind,
    id: String,
    name: Arc<str>,
}

enum Kind {
    Llm {
        config: llm::EmbedderConfig,
        llm: Mutex<llm::Embedder>,
    },
    #[cfg(feature = "local-model")]
    Local {
        model: Arc<local_model::Model>,
        /// One request at a time has the processor: others wait here, not in threads.
        turn: tokio::sync::Semaphore,
    },
}

impl Source {
    /// Connects to nothing; loads a local model.
    ///
    /// # Errors
    /// When the configuration or the folder cannot be used, or this program was built without local models.
    pub fn open(config: &SourceConfig) -> anyhow::Result<Self> {
        match config {
            SourceConfig::Llm(config) => {
                let dimensions = config.dimensions.map_or_else(|| "own".to_owned(), |asked| asked.to_string());
                let llm = Mutex::new(llm::Embedder::new(config.as_ref().clone())?);
                Ok(Self {
                    id: format!("{} {dimensions}", endpoint(&config.provider)),
                    name: config.provider.model().into(),
                    kind: Kind::Llm { config: config.as_ref().clone(), llm },
                })
            }
            SourceConfig::Local(folder) => local(folder),
        }
    }

    /// Names model, place and length of vectors: those of two sources are never mixed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// For people and for EmbeddingService.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it runs, if it is not a provider's.
    pub fn is_local(&self) -> bool {
        !matches!(self.kind, Kind::Llm { .. })
    }

    /// The length of its vectors, where that is known without asking.
    pub fn dimension(&self) -> Option<usize> {
        match &self.kind {
            Kind::Llm { config, .. } => config.dimensions.and_then(|asked| usize::try_from(asked).ok()),
            #[cfg(feature = "local-model")]
            Kind::Local { model, .. } => Some(model.dimension()),
        }
    }

    /// What a person asks and what is looked for have different vectors, even where the text is the same.
    pub fn tells_questions(&self) -> bool {
        match &self.kind {
            Kind::Llm { .. } => false,
            #[cfg(feature = "local-model")]
            Kind::Local { model, .. } => model.has_prompts(),
        }
    }

    /// How the texts are best divided into requests.
    pub fn batches(&self, texts: &[String]) -> Vec<Range<usize>> {
        match &self.kind {
            Kind::Llm { llm, .. } => lock(llm).batches(texts),
            // So many that what came is used now and then, and a question does not wait for long.
            #[cfg(feature = "local-model")]
            Kind::Local { .. } => (0..texts.len()).step_by(8).map(|from| from..(from + 8).min(texts.len())).collect(),
        }
    }

    /// The vectors of texts; `are_questions` has a value for each text.
    ///
    /// # Errors
    /// [`LlmError`].
    pub async fn embed(&self, texts: &[String], are_questions: &[bool]) -> Result<Vec<Vec<f32>>, LlmError> {
        match &self.kind {
            Kind::Llm { llm, .. } => {
                debug_assert_eq!(texts.len(), are_questions.len());
                let llm = lock(llm).clone();
                Ok(llm.embed(texts).await?.vectors)
            }
            #[cfg(feature = "local-model")]
            Kind::Local { model, turn } => {
                let _turn = turn.acquire().await.map_err(|error| LlmError::Away(error.to_string()))?;
                let (model, texts, are_questions) = (Arc::clone(model), texts.to_vec(), are_questions.to_vec());
                let work = move || {
                    let role = |is| if is { local_model::Role::Query } else { local_model::Role::Passage };
                    let of = |(text, is): (&String, &bool)| model.embed(text, role(*is));
                    texts.iter().zip(&are_questions).map(of).collect::<Result<Vec<_>, _>>()
                };
                let done = tokio::task::spawn_blocking(work).await;
                done.map_err(|error| LlmError::Away(error.to_string()))?
                    .map_err(|error| LlmError::Nonsense(error.to_string()))
            }
        }
    }

    /// Whether it would answer, without cost.
    ///
    /// # Errors
    /// [`LlmError`].
    pub async fn probe(&self, within: Duration) -> Result<(), LlmError> {
        match &self.kind {
            Kind::Llm { llm, .. } => {
                let llm = lock(llm).clone();
                llm.probe(within).await
            }
            #[cfg(feature = "local-model")]
            Kind::Local { .. } => Ok(()),
        }
    }

    /// Forgets what it learnt of the model's vectors: it may have taken a wrong length for the right one.
    pub fn forget(&self) {
        match &self.kind {
            Kind::Llm { config, llm } => {
                if let Ok(fresh) = llm::Embedder::new(config.clone()) {
                    *lock(llm) = fresh;
                }
            }
            #[cfg(feature = "local-model")]
            Kind::Local { .. } => {}
        }
    }
}

#[cfg(feature = "local-model")]
fn local(folder: &std::path::Path) -> anyhow::Result<Source> {
    let model = local_model::Model::open(folder)?;
    let name = folder.file_name().map_or_else(|| "local".into(), |name| name.to_string_lossy().into_owned());
    Ok(Source {
        id: format!("local {}", model.fingerprint()),
        name: format!("local/{name}").into(),
        kind: Kind::Local { model: Arc::new(model), turn: tokio::sync::Semaphore::new(1) },
    })
}

#[cfg(not(feature = "local-model"))]
fn local(folder: &std::path::Path) -> anyhow::Result<Source> {
    anyhow::bail!(
        "this program was built without local models ({}): build it with `--features local-model`",
        folder.display()
    )
}

/// Names model and place: two endpoints of one's own may serve two models under one name.
fn endpoint(provider: &llm::Provider) -> String {
    match provider {
        llm::Provider::OpenAiCompatible { base_url, model, .. } => format!("{base_url} {model}"),
        llm::Provider::Azure { endpoint, deployment, .. } => format!("{endpoint} {deployment}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A client is sound after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
