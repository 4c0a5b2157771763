//! Chat and embedding models behind our own types.
//!
//! [`Chat`] asks a model for an answer or for tool calls, [`Embedder`] for vectors; both speak OpenAI's wire format, to
//! OpenAI, Azure OpenAI or any endpoint that is compatible (Mistral, Google, OpenRouter, Ollama, vLLM). Whatever comes
//! back ends in a sound answer or in an [`LlmError`] that says what to do; the model and its server are believed in
//! nothing. [`estimate`] gives tokens before a request is made.
//!
//! async-openai gives the types of what we send and stays inside (`wire.rs`). What we receive is read by ourselves: its
//! stream parses each event into closed enums, so that an unknown `finish_reason` of a compatible server fails; it
//! buffers events without a limit, in a task of its own; it hides `Retry-After`; and its client unwraps the header made
//! of the key. So its features for types are on, those for its client are off, and no second HTTP stack is built.
//!
//! Absent on purpose: tool arguments are not checked here (they stay text), calls are not run, nothing is counted
//! against a budget (answers carry [`Usage`]), and no configuration is read: callers pass plain structs.

mod assemble;
mod chat;
mod config;
mod dialect;
mod embed;
mod error;
pub mod estimate;
mod http;
mod message;
mod observe;
mod retry;
mod sse;
mod wire;

pub use chat::Chat;
pub use config::{ChatConfig, ChatLimits, ConfigError, EmbedderConfig, EmbedderLimits, Provider, Retry};
pub use embed::{Embedded, Embedder};
pub use error::LlmError;
pub use message::{ChatAnswer, ChatRequest, Finish, Message, Tool, ToolCall, Usage};
