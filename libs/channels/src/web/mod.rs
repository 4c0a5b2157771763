//! Our own web chat: no webhook and nothing to send. The gateway takes its requests, and the worker's commit
//! inserts its rows as sent.

mod request;
mod upload;

use domain::{Location, Reply};

pub use request::{MAX_ATTACHMENTS, MAX_MESSAGE_CHARS, Request, RequestError, sanitise};
pub use upload::{upload_address, upload_content, upload_id};

use crate::words::Words;

/// Name of the channel, and provider of its inbox rows.
pub const NAME: &str = "web";

/// A configured web origin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Web;

/// A browser has no limits of ours: the reply is one part, with all its choices as buttons. A location without a text is
/// told in words.
pub fn render(reply: &Reply) -> Vec<Reply> {
    let mut words = Words::of(reply);
    if words.text.is_empty() {
        words = Words::plain(reply.location.as_ref().map(Location::in_words).unwrap_or_default());
    }
    if words.text.is_empty() && reply.choices.is_empty() && reply.file.is_none() {
        return Vec::new();
    }
    vec![Reply { text: words.text, spans: words.spans, ..reply.clone() }]
}
