//! Why there is no answer, in classes that a caller acts on.

use std::time::Duration;

/// Why a model gave no answer. Its text is for operators: it holds no key, no URL and no text of a person or model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// No connection, no first token in time, or a failure of the server: another call may do better.
    #[error("the model is away: {0}")]
    Away(String),
    /// The answer had begun, or was to come whole, and was not complete in time.
    #[error("the model's answer was not complete within {} ms", limit.as_millis())]
    Slow {
        /// The whole deadline.
        limit: Duration,
    },
    /// The same request will be refused again: key, model, quota or request have to change.
    #[error("the model's endpoint refuses the request (status {status}): {reason}")]
    Refused {
        /// HTTP status, or the one that the error body told.
        status: u16,
        /// The endpoint's error code and parameter, or what we know ourselves.
        reason: String,
    },
    /// Too many requests.
    #[error("the model's endpoint is busy{}", retry_after.map(|wait| format!(", and asks to wait {} s", wait.as_secs_f32().ceil())).unwrap_or_default())]
    Busy {
        /// How long it asks to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// The answer broke off after its first token; what came is not used.
    #[error("the model's answer broke off: {0}")]
    Cut(String),
    /// There is an answer, and it is not one.
    #[error("the model's answer makes no sense: {0}")]
    Nonsense(String),
}

impl LlmError {
    /// A short name for metrics (`error.type`) and tables.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::Slow { .. } => "slow",
            Self::Refused { .. } => "refused",
            Self::Busy { .. } => "busy",
            Self::Cut(_) => "cut",
            Self::Nonsense(_) => "nonsense",
        }
    }
}
