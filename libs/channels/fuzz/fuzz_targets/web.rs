#![no_main]

use channels::web::{MAX_MESSAGE_CHARS, Request};
use domain::Content;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(Request { content, attachments, .. }) = Request::parse(body) else { return };
    assert!(content.is_some() || !attachments.is_empty(), "nothing is said");
    if let Some(Content::Text { text }) = content {
        assert!(!text.contains('\0') && text.chars().count() <= MAX_MESSAGE_CHARS && !text.trim().is_empty());
    }
});
