//! A request's body of which is known whether all of it was handed over. A form that is not complete is nothing to a
//! platform: whoever takes it back before its end has sent nothing.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::Bytes;
use futures::stream;

/// Bytes that are handed over at a time.
const CHUNK_BYTES: usize = 64 * 1024;
const GOING: u8 = 0;
const OUT: u8 = 1;
const BACK: u8 = 2;

/// Whether the end of a body was handed to the connection.
#[derive(Clone)]
pub(crate) struct Handed(Arc<AtomicU8>);

impl Handed {
    /// True when the end was not handed over, and never will be.
    pub fn take_back(&self) -> bool {
        self.settle(BACK)
    }

    fn settle(&self, to: u8) -> bool {
        let settled = self.0.compare_exchange(GOING, to, Ordering::AcqRel, Ordering::Acquire);
        settled == Ok(GOING) || settled == Err(to)
    }
}

/// A body and what is known of it. Its length is to be told in `content-length`.
pub(crate) fn body(content: Vec<u8>) -> (reqwest::Body, Handed) {
    let handed = Handed(Arc::new(AtomicU8::new(GOING)));
    let (mut rest, of_body) = (Bytes::from(content), handed.clone());
    let chunks = std::iter::from_fn(move || {
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        // What was taken back ends before the length that was announced, so it is no message.
        let may = !chunk.is_empty() && (!rest.is_empty() || of_body.settle(OUT));
        may.then_some(Ok::<_, Infallible>(chunk))
    });
    (reqwest::Body::wrap_stream(stream::iter(chunks)), handed)
}
