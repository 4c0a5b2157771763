//! The best k of a stream of scores.

use std::{cmp::Ordering, collections::BinaryHeap, sync::Arc};

use crate::Hit;

/// Keeps the best `k`; among equal scores the smaller ids.
pub struct Top<'a> {
    k: usize,
    /// The worst of the kept ones is on top.
    heap: BinaryHeap<Entry<'a>>,
}

struct Entry<'a> {
    score: f32,
    id: &'a Arc<str>,
}

impl<'a> Top<'a> {
    pub fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k.min(1024) + 1) }
    }

    /// True when a point of this score and id would be kept.
    pub fn takes(&self, score: f32, id: &'a Arc<str>) -> bool {
        if self.heap.len() < self.k {
            return self.k > 0;
        }
        self.heap.peek().is_some_and(|worst| Entry { score, id } < *worst)
    }

    pub fn push(&mut self, score: f32, id: &'a Arc<str>) {
        self.heap.push(Entry { score, id });
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    /// Best first.
    pub fn into_hits(self) -> Vec<Hit> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|entry| Hit { id: Arc::clone(entry.id), score: entry.score }).collect()
    }
}

/// Less is better: the greater score, then the smaller id. Zeros of both signs are one.
impl Ord for Entry<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.score + 0.0).total_cmp(&(self.score + 0.0)).then_with(|| self.id.cmp(other.id))
    }
}

impl PartialOrd for Entry<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry<'_> {}
