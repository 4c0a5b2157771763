//! How many event streams each session and each address has open on this gateway.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts streams by whom they belong to; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// One open stream; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Slot {
    streams: Streams,
    owners: Vec<String>,
}

impl Streams {
    /// Room for one more stream, if each of its owners has less than the most that is theirs.
    pub fn open(&self, owners: &[(String, usize)]) -> Option<Slot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.iter().any(|(owner, max)| open.get(owner).copied().unwrap_or_default() >= *max) {
            return None;
        }
        let owners: Vec<String> = owners.iter().map(|(owner, _)| owner.clone()).collect();
        for owner in &owners {
            *open.entry(owner.clone()).or_default() += 1;
        }
        Some(Slot { streams: self.clone(), owners })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        for owner in &self.owners {
            if let Some(count) = open.get_mut(owner) {
                *count -= 1;
                if *count == 0 {
                    open.remove(owner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_stream_makes_room() {
        let streams = Streams::default();
        let open =
            |owners: &[&str]| streams.open(&owners.iter().map(|owner| ((*owner).to_owned(), 2)).collect::<Vec<_>>());
        let (first, _second) = (open(&["a"]).expect("room"), open(&["a"]).expect("room"));
        assert!(open(&["a"]).is_none());
        assert!(open(&["b", "a"]).is_none(), "one owner without room is enough");
        assert!(open(&["b"]).is_some());
        drop(first);
        assert!(open(&["b", "a"]).is_some());
        assert_eq!(streams.open.lock().expect("no panic").len(), 1, "nothing is kept for those who left");
    }
}
