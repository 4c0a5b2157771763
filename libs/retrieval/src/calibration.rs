//! From scores to a probability, per document, on the document's own texts.
//!
//! Three questions, multiplied:
//! - Is this document meant at all? The evidence for the operation is compared with what chat lines that mean nothing
//!   here reach (a fixed bank in four languages, asked of each document when the index is built).
//! - Is it this operation and not a rival? A soft maximum over the scores.
//! - Can this document's operations be told apart? The share of operations whose own title leads to them.
//!
//! The three constants were set on RestBench and ToolAlpaca and on sentences about other things: see
//! `eval_retrieval` (an example of embedding-service), which prints how often "sure" is right and how often "nothing near" is said wrongly.

use std::{collections::BTreeMap, num::NonZeroUsize, panic::resume_unwind, thread};

use super::{answer::Question, index::Index, scored::ratio};

/// Evidence above the bank's best lines at which it is as likely as not that the document is meant.
const ABOVE_BANK: f64 = 0.12;
/// Bounds of the evidence that is as likely as not.
const MIDDLE: (f64, f64) = (0.5, 0.7);
/// How fast evidence becomes certainty.
const EVIDENCE_SCALE: f64 = 0.07;
/// Difference of scores by which a rival becomes e times less likely.
const RIVAL_SCALE: f64 = 0.35;
/// Rivals that count.
pub const RIVALS: usize = 20;
/// Rivals that a probability is shared among at most: of many alike, some are still worth asking about.
const SHARED_MAX: f64 = 4.0;
/// Titles asked of each document.
const TITLES: usize = 48;

/// Operations of a document whose questions are too quick to be worth a thread.
const ALONE_MAX: usize = 100;
/// Threads that ask a larger one.
const THREADS_MAX: usize = 4;

/// Neutral lines: what people write to any assistant.
const BANK: [&str; 24] = [
    "hello, can you help me?",
    "what can you do?",
    "how much does it cost?",
    "what's the weather like today?",
    "tell me a joke",
    "who won the match last night?",
    "how do I cook rice?",
    "I feel tired today",
    "is it going to rain tomorrow?",
    "translate good morning into French",
    "bok, možeš li mi pomoći?",
    "koliko to košta?",
    "kakvo je vrijeme danas?",
    "ispričaj mi vic",
    "tko je jučer pobijedio?",
    "hallo, kannst du mir helfen?",
    "wie viel kostet das?",
    "wie ist das Wetter heute?",
    "erzähl mir einen Witz",
    "wer hat gestern gewonnen?",
    "hola, ¿puedes ayudarme?",
    "¿cuánto cuesta?",
    "¿qué tiempo hace hoy?",
    "cuéntame un chiste",
];

/// How to read the scores of one document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Evidence that is as likely as not.
    middle: f64,
    /// Share of the operations whose own title leads to them, 0 to 1.
    told_apart: f64,
}

impl Calibration {
    /// Of each document of an index.
    pub fn of_documents(index: &Index) -> BTreeMap<String, Self> {
        let mut documents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, entry) in index.entries().iter().enumerate() {
            documents.entry(&entry.document).or_default().push(number);
        }
        documents
            .into_iter()
            .map(|(name, members)| (name.to_owned(), Self::of_document(index, name, &members)))
            .collect()
    }

    fn of_document(index: &Index, name: &str, members: &[usize]) -> Self {
        let only = [name.to_owned()];
        let asked = Question { k: 1, documents: &only, ..Question::default() };
        let threads = if members.len() < ALONE_MAX { 1 } else { THREADS_MAX };
        let bank = side_by_side(&BANK, threads, |line| index.best_evidence(Question { text: line, ..asked }));
        let mut bank: Vec<f64> = bank.into_iter().flatten().collect();
        bank.sort_by(f64::total_cmp);
        // All but the two best lines: one of a bank may well mean something here.
        let reached = bank.len().checked_sub(3).and_then(|at| bank.get(at)).copied().unwrap_or(0.0);
        let step = members.len().div_ceil(TITLES).max(1);
        let titles = members.iter().step_by(step).map(|member| (*member, index.entries()[*member].title()));
        let titles: Vec<(usize, String)> = titles.filter(|(_, title)| !title.is_empty()).collect();
        let homes = side_by_side(&titles, threads, |(member, title)| {
            index
                .best(Question { text: title, ..asked })
                .is_some_and(|found| found == *member || index.entries()[found].title() == *title)
        });
        let home = homes.iter().filter(|home| **home).count();
        Self {
            middle: (reached + ABOVE_BANK).clamp(MIDDLE.0, MIDDLE.1),
            told_apart: if titles.is_empty() { 1.0 } else { ratio(home, titles.len()) },
        }
    }

    /// Probability that an operation of this evidence and score is meant; `scores` are those of its rivals and
    /// its own, best first.
    /// `meaning` is how likely its vector makes it that it is near at all, 0 without a model: words or meaning will do.
    pub fn probability(&self, evidence: f64, meaning: f64, score: f64, scores: &[f64]) -> f64 {
        let near = 1.0 / (1.0 + (-(evidence - self.middle) / EVIDENCE_SCALE).exp());
        let near = near.max(meaning);
        let rivals =
            scores.iter().map(|rival| ((rival - score) / RIVAL_SCALE).exp()).sum::<f64>().clamp(1.0, SHARED_MAX);
        near * (0.6 + 0.4 * self.told_apart) / rivals
    }
}

/// Of each item, in their order, on so many threads at most: the questions are most of what an index costs.
fn side_by_side<T: Sync, R: Send>(items: &[T], threads_max: usize, of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(threads_max);
    if threads < 2 {
        return items.iter().map(of).collect();
    }
    let of = &of;
    thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(threads).max(1));
        let running: Vec<_> = parts.map(|part| scope.spawn(move || part.iter().map(of).collect::<Vec<R>>())).collect();
        running.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARP: Calibration = Calibration { middle: 0.5, told_apart: 1.0 };

    #[test]
    fn clear_winner_with_evidence_is_sure() {
        assert!(SHARP.probability(1.0, 0.0, 5.0, &[5.0, 3.0, 1.0]) > 0.9);
    }

    #[test]
    fn close_rivals_share() {
        let probability = SHARP.probability(1.0, 0.0, 5.0, &[5.0, 5.0]);
        assert!((0.45..0.55).contains(&probability), "{probability}");
    }

    #[test]
    fn no_evidence_is_nothing_near_however_great_the_score() {
        assert!(SHARP.probability(0.0, 0.0, 9.0, &[9.0, 1.0]) < 0.01);
    }

    #[test]
    fn probabilities_stay_between_zero_and_one() {
        for evidence in [0.0, 0.5, 1.3] {
            for score in [-5.0, 0.0, 40.0] {
                let probability = SHARP.probability(evidence, 0.0, score, &[1.0, 0.5]);
                assert!((0.0..=1.0).contains(&probability), "{probability}");
            }
        }
    }
}
