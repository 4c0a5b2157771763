//! How models are reached and what they may cost in time and bytes.

use std::time::Duration;

use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Where a model is and who pays. Printing it shows no key.
#[derive(Clone, Debug)]
pub enum Provider {
    /// OpenAI and whatever speaks like it.
    OpenAiCompatible {
        /// Up to the part that `chat/completions` follows: `https://api.openai.com/v1`.
        base_url: Url,
        /// Sent as bearer token; absent for endpoints of one's own that want none.
        api_key: Option<SecretString>,
        /// The model.
        model: String,
    },
    /// Azure OpenAI: the deployment names the model.
    Azure {
        /// `https://<resource>.openai.azure.com`.
        endpoint: Url,
        /// Sent as `api-key`.
        api_key: SecretString,
        /// Such as `2024-10-21`.
        api_version: String,
        /// The deployment.
        deployment: String,
    },
}

/// Why a provider cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No URL of HTTP.
    #[error("the model's URL has to begin with http:// or https://")]
    Url,
    /// The key holds what a header cannot.
    #[error("the model's API key holds characters that cannot be sent (a line break?)")]
    Key,
    /// A name is missing.
    #[error("the model's {0} is empty")]
    Empty(&'static str),
    /// The HTTP client can't be made (no TLS provider).
    #[error("cannot make the HTTP client")]
    Client(#[from] reqwest::Error),
}

impl Provider {
    /// The model or deployment asked for.
    pub fn model(&self) -> &str {
        match self {
            Self::OpenAiCompatible { model, .. } => model,
            Self::Azure { deployment, .. } => deployment,
        }
    }

    /// The value of `gen_ai.provider.name`: a well-known name by host, else `openai_compatible`.
    pub fn name(&self) -> &'static str {
        let Self::OpenAiCompatible { base_url, .. } = self else { return "azure.ai.openai" };
        let host = base_url.host_str().unwrap_or_default();
        let of = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.'));
        [
            ("openai.com", "openai"),
            ("azure.com", "azure.ai.openai"),
            ("mistral.ai", "mistral_ai"),
            ("googleapis.com", "gcp.gemini"),
            ("openrouter.ai", "openrouter"),
        ]
        .into_iter()
        .find(|(domain, _)| of(domain))
        .map_or("openai_compatible", |(_, name)| name)
    }

    /// The URL of an action, such as `["chat", "completions"]`.
    pub(crate) fn url(&self, action: &[&str]) -> Result<Url, ConfigError> {
        let (base, deployment) = match self {
            Self::OpenAiCompatible { base_url, .. } => (base_url, None),
            Self::Azure { endpoint, deployment, .. } => (endpoint, Some(deployment)),
        };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(ConfigError::Url);
        }
        let mut url = base.clone();
        {
            let mut path = url.path_segments_mut().map_err(|()| ConfigError::Url)?;
            path.pop_if_empty();
            if let Some(deployment) = deployment {
                path.push("openai");
                if action != ["models"] {
                    path.extend(["deployments", deployment.as_str()]);
                }
            }
            path.extend(action);
        }
        if let Self::Azure { api_version, .. } = self {
            url.query_pairs_mut().append_pair("api-version", api_version);
        }
        Ok(url)
    }

    /// The header that shows the key.
    pub(crate) fn authorization(&self) -> Result<Option<(HeaderName, HeaderValue)>, ConfigError> {
        let (name, text) = match self {
            Self::OpenAiCompatible { api_key: None, .. } => return Ok(None),
            Self::OpenAiCompatible { api_key: Some(key), .. } => {
                (AUTHORIZATION, format!("Bearer {}", key.expose_secret().trim()))
            }
            Self::Azure { api_key, .. } => {
                (HeaderName::from_static("api-key"), api_key.expose_secret().trim().to_owned())
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| ConfigError::Key)?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }

    pub(crate) fn key(&self) -> Option<&SecretString> {
        match self {
            Self::OpenAiCompatible { api_key, .. } => api_key.as_ref(),
            Self::Azure { api_key, .. } => Some(api_key),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::OpenAiCompatible { model, .. } if model.trim().is_empty() => Err(ConfigError::Empty("name")),
            Self::Azure { deployment, .. } if deployment.trim().is_empty() => Err(ConfigError::Empty("deployment")),
            Self::Azure { api_version, .. } if api_version.trim().is_empty() => Err(ConfigError::Empty("API version")),
            Self::OpenAiCompatible { .. } | Self::Azure { .. } => Ok(()),
        }
    }
}

/// Repeats, which happen only before the first token.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts at most, the first one included.
    pub attempts: u32,
    /// Wait before the second attempt, at most; doubles with each one.
    pub wait_base: Duration,
    /// No wait is longer, except one that the endpoint asks for.
    pub wait_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, wait_base: Duration::from_millis(400), wait_max: Duration::from_secs(4) }
    }
}

/// Configuration of [`crate::Chat`].
#[derive(Clone, Debug)]
pub struct ChatConfig {
    /// The model.
    pub provider: Provider,
    /// Ask for a stream. An endpoint that refuses is asked for whole answers from then on.
    pub streaming: bool,
    /// Limits.
    pub limits: ChatLimits,
    /// Repeats.
    pub retry: Retry,
}

impl ChatConfig {
    /// Streams, with the default limits.
    pub fn new(provider: Provider) -> Self {
        Self { provider, streaming: true, limits: ChatLimits::default(), retry: Retry::default() }
    }
}

/// What a chat may take.
#[derive(Clone, Copy, Debug)]
pub struct ChatLimits {
    /// From the call to its first token, repeats and their waits included. Without a stream only `whole` counts.
    pub first_token: Duration,
    /// From the call to the end of the answer.
    pub whole: Duration,
    /// Most tokens of an answer.
    pub max_output_tokens: u32,
    /// Most bytes of text and arguments of an answer.
    pub max_answer_bytes: usize,
    /// Most bytes on the wire; a stream needs some 200 for each token.
    pub max_response_bytes: usize,
    /// Tool calls of an answer beyond this are dropped.
    pub max_tool_calls: usize,
}

impl Default for ChatLimits {
    fn default() -> Self {
        Self {
            first_token: Duration::from_secs(15),
            whole: Duration::from_secs(60),
            max_output_tokens: 1_024,
            max_answer_bytes: 256 * 1024,
            max_response_bytes: 8 * 1024 * 1024,
            max_tool_calls: 16,
        }
    }
}

/// Configuration of [`crate::Embedder`].
#[derive(Clone, Debug)]
pub struct EmbedderConfig {
    /// The model.
    pub provider: Provider,
    /// Length of the vectors: sent with the request and checked. Absent: the model's own.
    pub dimensions: Option<u32>,
    /// Limits.
    pub limits: EmbedderLimits,
    /// Repeats.
    pub retry: Retry,
}

impl EmbedderConfig {
    /// The model's own dimension, with the default limits.
    pub fn new(provider: Provider) -> Self {
        Self { provider, dimensions: None, limits: EmbedderLimits::default(), retry: Retry::default() }
    }
}

/// What a request for vectors may take.
#[derive(Clone, Copy, Debug)]
pub struct EmbedderLimits {
    /// From a batch's request to its vectors, repeats and their waits included.
    pub whole: Duration,
    /// Most texts of one request: 2,048 at OpenAI, 100 at Google.
    pub max_batch_texts: usize,
    /// Most characters of one request, together.
    pub max_batch_chars: usize,
    /// A longer text is embedded by its beginning.
    pub max_text_chars: usize,
    /// Most bytes of one answer.
    pub max_response_bytes: usize,
}

impl Default for EmbedderLimits {
    fn default() -> Self {
        Self {
            whole: Duration::from_secs(60),
            max_batch_texts: 96,
            max_batch_chars: 200_000,
            max_text_chars: 8_000,
            max_response_bytes: 64 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compatible(base: &str) -> Provider {
        Provider::OpenAiCompatible {
            base_url: base.parse().expect("a URL"),
            api_key: Some(SecretString::from("sk-secret")),
            model: "m".to_owned(),
        }
    }

    fn check_url(provider: &Provider, action: &[&str], expected: &str) {
        assert_eq!(provider.url(action).expect("a URL").as_str(), expected);
    }

    #[test]
    fn actions_go_below_the_base() {
        let chat = ["chat", "completions"];
        check_url(&compatible("https://api.openai.com/v1"), &chat, "https://api.openai.com/v1/chat/completions");
        let google = compatible("https://generativelanguage.googleapis.com/v1beta/openai/");
        check_url(&google, &["embeddings"], "https://generativelanguage.googleapis.com/v1beta/openai/embeddings");
        assert_eq!(google.name(), "gcp.gemini");
        assert_eq!(compatible("https://notopenai.com/v1").name(), "openai_compatible");
        let azure = Provider::Azure {
            endpoint: "https://r.openai.azure.com/".parse().expect("a URL"),
            api_key: SecretString::from("k"),
            api_version: "2024-10-21".to_owned(),
            deployment: "gpt 4/o".to_owned(),
        };
        check_url(
            &azure,
            &chat,
            "https://r.openai.azure.com/openai/deployments/gpt%204%2Fo/chat/completions?api-version=2024-10-21",
        );
        check_url(&azure, &["models"], "https://r.openai.azure.com/openai/models?api-version=2024-10-21");
        assert!(matches!(compatible("file:///etc").url(&chat), Err(ConfigError::Url)));
        assert!(matches!(compatible("mailto:a@b").url(&chat), Err(ConfigError::Url)));
    }

    #[test]
    fn no_key_is_printed_and_a_broken_one_is_an_error() {
        let provider = compatible("https://api.openai.com/v1");
        let (_, value) = provider.authorization().expect("a header").expect("a key");
        assert!(!format!("{provider:?} {value:?}").contains("secret"));
        let broken = Provider::OpenAiCompatible {
            base_url: "https://api.openai.com/v1".parse().expect("a URL"),
            api_key: Some(SecretString::from("a\nb")),
            model: "m".to_owned(),
        };
        assert!(matches!(broken.authorization(), Err(ConfigError::Key)));
    }
}
