//! What the platform knows of each person besides the chat.

use std::collections::{BTreeMap, VecDeque};

use domain::Micros;
use sha2::{Digest as _, Sha256};

use super::pace::Pace;

/// Persons that can be written to; the API refuses sends to more.
pub(super) const MOST_PEOPLE: usize = 1_000_000;

/// Ids kept of what persons sent without a bubble of its own.
const MOST_EVENTS: usize = 10_000;

/// One person.
#[derive(Default)]
pub(super) struct Person {
    /// Given when the person hides the number.
    pub(super) user_name: Option<String>,
    /// When they wrote last: it opens the 24-hour window.
    pub(super) wrote: Option<Micros>,
    /// Typing is shown until then.
    pub(super) typing_until: Option<Micros>,
    pub(super) pace: Pace,
}

#[derive(Default)]
pub(super) struct People {
    by_number: BTreeMap<String, Person>,
    /// Numbers by business-scoped id.
    numbers: BTreeMap<String, String>,
    /// Numbers that the platform writes in another way, by how a business may write them.
    written: BTreeMap<String, String>,
    /// Reactions, edits and the like: id and number.
    events: VecDeque<(String, String)>,
}

impl People {
    pub(super) fn find(&self, peer: &str) -> Option<&Person> {
        self.by_number.get(peer)
    }

    pub(super) fn person(&mut self, peer: &str) -> &mut Person {
        if !self.by_number.contains_key(peer) {
            self.numbers.insert(user_id(peer), peer.to_owned());
        }
        self.by_number.entry(peer.to_owned()).or_default()
    }

    /// Whose business-scoped id this is; only persons whom the platform has met have one.
    pub(super) fn number(&self, user_id: &str) -> Option<&str> {
        self.numbers.get(user_id).map(String::as_str)
    }

    /// Keeps how a business may write a number.
    pub(super) fn write(&mut self, written: &str, number: &str) {
        self.written.insert(written.to_owned(), number.to_owned());
    }

    /// The number as the platform writes it.
    pub(super) fn read(&self, written: &str) -> String {
        self.written.get(written).map_or(written, String::as_str).to_owned()
    }

    /// Keeps the id of something that shows no bubble, so that it can be marked as read.
    pub(super) fn remember(&mut self, id: &str, peer: &str) {
        if self.events.len() >= MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back((id.to_owned(), peer.to_owned()));
    }

    /// Whose reaction, edit and the like has this id.
    pub(super) fn writer(&self, id: &str) -> Option<&str> {
        self.events.iter().find(|(event, _)| event == id).map(|(_, peer)| peer.as_str())
    }

    pub(super) fn is_full(&self) -> bool {
        self.by_number.len() >= MOST_PEOPLE
    }
}

/// The business-scoped id of a number: a country and 20 digits, from which the number cannot be read.
pub(super) fn user_id(peer: &str) -> String {
    let digits: String = Sha256::digest(peer).iter().take(20).map(|byte| char::from(b'0' + byte % 10)).collect();
    format!("HR.{digits}")
}
