//! Models that services use: which provider, with which key, for how long. Shared by those that chat and those that
//! embed.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::config::{Problems, Validate};

/// `[model]`: a chat or an embedding model; the default is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Who serves it.
    pub provider: ModelProvider,
    /// Address of an OpenAI-compatible endpoint, up to the part that `chat/completions` or `embeddings` follows; of an
    /// Azure resource. The known providers have one.
    pub base_url: Option<Url>,
    /// Key; endpoints of one's own may want none.
    pub api_key: Option<SecretString>,
    /// The model; at Azure the deployment.
    pub name: Option<String>,
    /// Azure's API version.
    pub api_version: Option<String>,
    /// From the request to the first token.
    #[serde(with = "humantime_serde")]
    pub first_token: Option<Duration>,
    /// From the request to the end of the answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Option<Duration>,
}

/// Who serves a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelProvider {
    /// No model: the dialogue alone, or lexical search alone.
    #[default]
    None,
    /// OpenAI.
    Openai,
    /// Azure OpenAI.
    Azure,
    /// Mistral.
    Mistral,
    /// Google, by its OpenAI-compatible endpoint.
    Google,
    /// OpenRouter.
    Openrouter,
    /// Any endpoint that speaks like OpenAI (Ollama, vLLM); needs `base_url`.
    Compatible,
}

/// Azure's API version, where none is set.
pub const AZURE_API_VERSION: &str = "2024-10-21";

impl ModelProvider {
    /// Its word in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Openai => "openai",
            Self::Azure => "azure",
            Self::Mistral => "mistral",
            Self::Google => "google",
            Self::Openrouter => "openrouter",
            Self::Compatible => "compatible",
        }
    }

    /// Where it is, where that is known.
    pub fn base_url(self) -> Option<&'static str> {
        match self {
            Self::Openai => Some("https://api.openai.com/v1"),
            Self::Mistral => Some("https://api.mistral.ai/v1"),
            Self::Google => Some("https://generativelanguage.googleapis.com/v1beta/openai"),
            Self::Openrouter => Some("https://openrouter.ai/api/v1"),
            Self::None | Self::Azure | Self::Compatible => None,
        }
    }
}

impl ModelConfig {
    /// True when a model is configured.
    pub fn is_on(&self) -> bool {
        self.provider != ModelProvider::None
    }

    /// The endpoint: as set, else the provider's own.
    pub fn endpoint(&self) -> Option<Url> {
        self.base_url.clone().or_else(|| self.provider.base_url().and_then(|url| url.parse().ok()))
    }
}

impl Validate for ModelConfig {
    fn validate(&self, problems: &mut Problems) {
        if !self.is_on() {
            return;
        }
        if self.endpoint().is_none() {
            problems.add("base_url", "is missing: this provider has no address of its own");
        }
        if let Some(url) = self.base_url.as_ref().filter(|url| !matches!(url.scheme(), "http" | "https")) {
            problems.add("base_url", format!("`{}:` is no address of HTTP", url.scheme()));
        }
        if self.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
            let what = if self.provider == ModelProvider::Azure { "deployment" } else { "model" };
            problems.add("name", format!("is missing: name the {what}"));
        }
        if self.api_key.is_none() && self.provider != ModelProvider::Compatible {
            problems.add("api_key", "is missing");
        }
    }
}
