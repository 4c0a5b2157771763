//! How many event streams each session has open on this gateway.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts streams by session; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<String, usize>>>,
    max: usize,
}

/// One open stream; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Slot {
    streams: Streams,
    subject: String,
}

impl Streams {
    /// At most `max` for each session.
    pub fn new(max: usize) -> Self {
        Self { open: Arc::default(), max }
    }

    /// Room for one more stream, if there is any.
    pub fn open(&self, subject: &str) -> Option<Slot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(subject.to_owned()).or_default();
        if *count >= self.max {
            if *count == 0 {
                open.remove(subject);
            }
            return None;
        }
        *count += 1;
        Some(Slot { streams: self.clone(), subject: subject.to_owned() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_stream_makes_room() {
        let streams = Streams::new(2);
        let (first, _second) = (streams.open("a").expect("room"), streams.open("a").expect("room"));
        assert!(streams.open("a").is_none());
        assert!(streams.open("b").is_some());
        drop(first);
        assert!(streams.open("a").is_some());
        assert_eq!(streams.open.lock().expect("no panic").len(), 1, "nothing is kept for those who left");
    }
}
