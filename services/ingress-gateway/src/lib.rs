//! Webhooks and web chat: accepts and rings, nothing more.
