//! What people begin with, where nobody said anything yet: the collections that most other operations take ids from.

use super::{
    answer::{Answer, Hit, Question},
    entry::Entry,
    index::Index,
};

/// Titles beyond this many characters are sentences about an operation, not names of it.
const TITLE_MAX: usize = 40;

impl Index {
    /// Collections and what creates their members, those first that most operations lean on; nothing that needs a value
    /// of its path, and no title twice. Of `question` only `k`, `documents` and `tags` count.
    pub fn usual(&self, question: &Question<'_>) -> Answer {
        let leaning = self.leaning();
        let entries = self.entries();
        let leaned_on = |entry: &Entry| {
            let collection = entries.iter().position(|other| {
                other.method == "GET" && other.document == entry.document && other.path == entry.path
            });
            collection.map_or(0, |collection| leaning[collection])
        };
        let mut found: Vec<(bool, usize, usize)> = (0..entries.len())
            .filter(|at| self.is_allowed(*at, question))
            .filter(|at| matches!(entries[*at].method.as_str(), "GET" | "POST") && !entries[*at].path.contains('{'))
            .map(|at| (entries[at].title().chars().count() > TITLE_MAX, leaned_on(&entries[at]), at))
            .collect();
        found.sort_by_key(|(is_long, leaned, at)| (*is_long, std::cmp::Reverse(*leaned), *at));
        let mut titles = std::collections::BTreeSet::new();
        found.retain(|(_, _, at)| titles.insert(entries[*at].title().to_lowercase()));
        let hits = found.into_iter().take(question.k).map(|(_, leaned, at)| {
            let score = f64::from(u32::try_from(leaned).unwrap_or(u32::MAX));
            Hit { entry: at, score, probability: 0.0, parts: vec![("leaned on", score)], producer: false }
        });
        Answer { hits: hits.collect(), coverage: 1.0, left_out: Vec::new() }
    }

    /// How many needs of other operations each operation answers best.
    fn leaning(&self) -> Vec<usize> {
        let mut leaning = vec![0; self.entries().len()];
        for entry in 0..self.entries().len() {
            for best in self.producers().of(entry).iter().filter_map(|yielding| yielding.first()) {
                leaning[best.1] += 1;
            }
        }
        leaning
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_that_others_lean_on_come_first_and_nothing_that_needs_a_value() {
        let entry = |operation: &&str| {
            let (method, path) = operation.split_once(' ').expect("a method and a path");
            let label = format!("{method}{}", path.replace(['{', '}'], ""));
            Entry { document: "d".into(), method: method.into(), path: path.into(), label, ..Entry::default() }
        };
        let operations = [
            "GET /version",
            "GET /tickets/{ticket_id}",
            "POST /tickets",
            "GET /tickets",
            "DELETE /tickets/{ticket_id}",
            "GET /queues",
            "GET /queues/{queue_id}",
        ];
        let index = Index::new(operations.iter().map(entry).collect());
        let usual = |k| {
            let answer = index.usual(&Question { k, ..Question::default() });
            answer.hits.iter().map(|hit| operations[hit.entry]).collect::<Vec<_>>()
        };
        assert_eq!(usual(9), ["POST /tickets", "GET /tickets", "GET /queues", "GET /version"]);
        assert_eq!(usual(2), ["POST /tickets", "GET /tickets"]);
    }
}
