//! A message that ended an earlier attempt without an explanation runs alone, so that it takes nobody with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::ConversationId;

/// Who runs alone in this worker, if anybody.
#[derive(Default)]
pub struct Alone {
    holder: Mutex<Option<ConversationId>>,
}

impl Alone {
    /// Takes the place for `conversation`; none while another has it. Given back when dropped.
    pub fn enter(&self, conversation: ConversationId) -> Option<Place<'_>> {
        let mut holder = self.lock();
        if holder.is_some() {
            return None;
        }
        *holder = Some(conversation);
        Some(Place { alone: self })
    }

    /// True while a turn runs alone or waits for that: no other conversation is taken.
    pub fn is_taken(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<ConversationId>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place, held.
pub struct Place<'a> {
    alone: &'a Alone,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.alone.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let alone = Alone::default();
        let place = alone.enter(ConversationId::new()).expect("free");
        assert!(alone.is_taken());
        assert!(alone.enter(ConversationId::new()).is_none());
        drop(place);
        assert!(!alone.is_taken());
    }
}
