//! What an endpoint was found not to take: compatible servers differ in a few settings, and say so with a 400 or 422.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::http::Refusal;

/// Learnt from refusals, and kept for as long as the client lives.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Takes `stream: true`.
    pub stream: AtomicBool,
    /// Takes `stream_options.include_usage`.
    pub stream_options: AtomicBool,
    /// Wants `max_completion_tokens` (OpenAI's reasoning models) in place of `max_tokens` (most others).
    pub completion_tokens: AtomicBool,
    /// Takes a temperature.
    pub temperature: AtomicBool,
}

/// The dialect as one request used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub stream: bool,
    pub stream_options: bool,
    pub completion_tokens: bool,
    pub temperature: bool,
}

impl Dialect {
    pub fn new(stream: bool) -> Self {
        Self {
            stream: AtomicBool::new(stream),
            stream_options: AtomicBool::new(true),
            completion_tokens: AtomicBool::new(false),
            temperature: AtomicBool::new(true),
        }
    }

    pub fn settings(&self) -> Settings {
        Settings {
            stream: self.stream.load(Relaxed),
            stream_options: self.stream_options.load(Relaxed),
            completion_tokens: self.completion_tokens.load(Relaxed),
            temperature: self.temperature.load(Relaxed),
        }
    }

    /// Learns from a refusal of a request made with `used`: the setting that is given up, or `None` if it was not about
    /// one. Each setting changes once, so that asking again comes to an end.
    pub fn learn(&self, used: Settings, refusal: &Refusal) -> Option<&'static str> {
        if used.stream && used.stream_options && refusal.is_about("stream_options") {
            self.stream_options.store(false, Relaxed);
            return Some("stream_options");
        }
        if !used.completion_tokens && refusal.is_about("max_tokens") {
            self.completion_tokens.store(true, Relaxed);
            return Some("max_tokens");
        }
        if used.temperature && refusal.is_about("temperature") {
            self.temperature.store(false, Relaxed);
            return Some("temperature");
        }
        if used.stream && refusal.is_about("stream") {
            self.stream.store(false, Relaxed);
            return Some("stream");
        }
        None
    }
}
