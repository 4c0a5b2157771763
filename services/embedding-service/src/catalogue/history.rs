//! What became of a tenant's operations from version to version: for imports, and for those who watch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Stored;

/// Versions that are remembered.
const STEPS_MAX: usize = 64;
/// Operation ids in them.
const IDS_MAX: usize = 20_000;

/// Operation ids by what became of them; no id is in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// They came.
    pub added: BTreeSet<String>,
    /// Their content hash is another one.
    pub altered: BTreeSet<String>,
    /// They went.
    pub removed: BTreeSet<String>,
}

impl Diff {
    /// From one snapshot's operations to another's; of one document or of all.
    pub fn between(
        before: &BTreeMap<String, Stored>,
        after: &BTreeMap<String, Stored>,
        document: Option<&str>,
    ) -> Self {
        let counts = |stored: &Stored| document.is_none_or(|document| stored.operation.document == document);
        let mut diff = Self::default();
        for (id, stored) in after.iter().filter(|(_, stored)| counts(stored)) {
            match before.get(id) {
                None => diff.added.insert(id.clone()),
                Some(old) if old.operation.content_hash != stored.operation.content_hash => {
                    diff.altered.insert(id.clone())
                }
                Some(_) => false,
            };
        }
        let gone = before.iter().filter(|(id, stored)| counts(stored) && !after.contains_key(*id));
        diff.removed = gone.map(|(id, _)| id.clone()).collect();
        diff
    }

    /// This one and a later one as one.
    fn then(mut self, later: &Self) -> Self {
        for id in &later.added {
            // What went and came again may not be what it was.
            if self.removed.remove(id) {
                self.altered.insert(id.clone())
            } else {
                self.added.insert(id.clone())
            };
        }
        for id in &later.altered {
            if !self.added.contains(id) {
                self.altered.insert(id.clone());
            }
        }
        for id in &later.removed {
            self.altered.remove(id);
            if !self.added.remove(id) {
                self.removed.insert(id.clone());
            }
        }
        self
    }

    fn len(&self) -> usize {
        self.added.len() + self.altered.len() + self.removed.len()
    }
}

/// The last changes: this bounds what a watcher that is late costs.
#[derive(Debug)]
pub struct History {
    /// Version before the first step.
    base: i64,
    steps: VecDeque<(i64, Diff)>,
    ids: usize,
}

impl History {
    /// None yet; there was no version before.
    pub fn new() -> Self {
        Self { base: -1, steps: VecDeque::new(), ids: 0 }
    }

    /// The catalogue went to this version; `diff` is none where it was unknown before.
    pub fn push(&mut self, version: i64, diff: Option<Diff>) {
        let Some(diff) = diff else {
            *self = Self { base: version, ..Self::new() };
            return;
        };
        self.ids += diff.len();
        self.steps.push_back((version, diff));
        while self.steps.len() > STEPS_MAX || self.ids > IDS_MAX {
            let Some((version, diff)) = self.steps.pop_front() else { break };
            self.base = version;
            self.ids -= diff.len();
        }
    }

    /// The latest version, and what changed since `version`; none where that is not remembered.
    pub fn since(&self, version: i64) -> (i64, Option<Diff>) {
        let latest = self.steps.back().map_or(self.base, |(latest, _)| *latest);
        let first = if version == self.base {
            Some(0)
        } else {
            self.steps.iter().position(|(step, _)| *step == version).map(|at| at + 1)
        };
        let diff =
            first.map(|first| self.steps.iter().skip(first).fold(Diff::default(), |diff, step| diff.then(&step.1)));
        (latest, diff)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn diff(added: &[&str], altered: &[&str], removed: &[&str]) -> Diff {
        Diff { added: ids(added), altered: ids(altered), removed: ids(removed) }
    }

    #[test]
    fn steps_become_one_and_what_is_forgotten_is_said() {
        let mut history = History::new();
        history.push(3, None);
        history.push(4, Some(diff(&["a", "b"], &[], &["c"])));
        history.push(6, Some(diff(&["c"], &["a", "d"], &["b"])));
        assert_eq!(history.since(3), (6, Some(diff(&["a"], &["c", "d"], &[]))));
        assert_eq!(history.since(4), (6, Some(diff(&["c"], &["a", "d"], &["b"]))));
        assert_eq!(history.since(6), (6, Some(Diff::default())));
        for unknown in [0, 2, 5, 7] {
            assert_eq!(history.since(unknown), (6, None));
        }
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut history = History::new();
        history.push(0, None);
        for version in 1..=70 {
            history.push(version, Some(diff(&[&version.to_string()], &[], &[])));
        }
        assert_eq!(history.since(5), (70, None));
        assert_eq!(history.since(6).1.map(|diff| diff.added.len()), Some(64));
        let many: BTreeSet<String> = (0..IDS_MAX + 1).map(|id| id.to_string()).collect();
        history.push(71, Some(Diff { altered: many, ..Diff::default() }));
        assert_eq!(history.since(70), (71, None));
        assert_eq!(history.since(71), (71, Some(Diff::default())));
    }

    proptest! {
        /// Catalogues as maps from id to hash: whatever way they took, the diff leads from the one to the other.
        #[test]
        fn sum_of_steps_leads_from_the_first_to_the_last(
            states in prop::collection::vec(prop::collection::btree_map("[a-f]", 0u8..3, 0..6), 2..8)
        ) {
            let step = |before: &BTreeMap<String, u8>, after: &BTreeMap<String, u8>| Diff {
                added: after.keys().filter(|id| !before.contains_key(*id)).cloned().collect(),
                altered: after.iter().filter(|(id, hash)| before.get(*id).is_some_and(|old| old != *hash)).map(|(id, _)| id.clone()).collect(),
                removed: before.keys().filter(|id| !after.contains_key(*id)).cloned().collect(),
            };
            let mut history = History::new();
            history.push(0, None);
            for (version, pair) in (1..).zip(states.windows(2)) {
                history.push(version, Some(step(&pair[0], &pair[1])));
            }
            let sum = history.since(0).1.expect("remembered");
            let exact = step(&states[0], states.last().expect("a state"));
            prop_assert_eq!((&sum.added, &sum.removed), (&exact.added, &exact.removed));
            // What changed and changed back may be named.
            prop_assert!(sum.altered.is_superset(&exact.altered));
            prop_assert!(sum.altered.iter().all(|id| !sum.added.contains(id) && !sum.removed.contains(id)));
        }
    }
}
