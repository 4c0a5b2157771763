//! A list that keeps its newest entries and says where an entry lies for as long as it is kept.

use std::collections::VecDeque;

use crate::posting::page;

/// How many entries are kept.
const MOST: usize = 100_000;

/// Entries by the number that [`Kept::push`] gave.
pub(super) struct Kept<T> {
    first: usize,
    entries: VecDeque<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { first: 0, entries: VecDeque::new() }
    }
}

impl<T: Clone> Kept<T> {
    /// Adds an entry, at the price of the oldest when there are too many; gives its number.
    pub(super) fn push(&mut self, entry: T) -> usize {
        if self.entries.len() == MOST {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(entry);
        self.first + self.entries.len() - 1
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.entries.get_mut(number.checked_sub(self.first)?)
    }

    /// The kept entries, oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.iter()
    }

    /// See [`page`].
    pub(super) fn page(&self, before: Option<usize>, limit: usize) -> impl Iterator<Item = (usize, &T)> {
        page(&self.entries, self.first, before, limit)
    }

    pub(super) fn to_vec(&self) -> Vec<T> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_numbers_stay() {
        let mut kept = Kept::default();
        for number in 0..MOST + 2 {
            assert_eq!(kept.push(number), number);
        }
        assert_eq!(kept.entries.len(), MOST);
        assert_eq!((kept.get_mut(1).copied(), kept.get_mut(2).copied()), (None, Some(2)));
    }
}
