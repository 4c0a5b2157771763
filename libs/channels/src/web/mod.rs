//! Our own web chat: no webhook and nothing to send. The gateway takes its requests, and the worker's commit
//! inserts its rows as sent.

mod request;
mod upload;

use domain::Reply;

pub use request::{MAX_ATTACHMENTS, MAX_MESSAGE_CHARS, Request, RequestError, sanitise};
pub use upload::{upload_address, upload_content, upload_id};

/// Name of the channel, and provider of its inbox rows.
pub const NAME: &str = "web";

/// A configured web origin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Web;

/// A browser has no limits of ours: the reply is one part, with all its choices as buttons.
pub fn render(reply: &Reply) -> Vec<Reply> {
    if reply.text.trim().is_empty() && reply.choices.is_empty() {
        return Vec::new();
    }
    vec![Reply { text: reply.text.trim().to_owned(), ..reply.clone() }]
}
