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

use std::collections::BTreeMap;

use super::{answer::Question, index::Index};

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
        let best = |text: &str| index.best(Question { text, k: 1, documents: &only, ..Question::default() });
        let mut bank: Vec<f64> =
            BANK.iter().filter_map(|line| best(line).map(|entry| index.evidence(line, entry))).collect();
        bank.sort_by(f64::total_cmp);
        // All but the two best lines: one of a bank may well mean something here.
        let reached = bank.len().checked_sub(3).and_then(|at| bank.get(at)).copied().unwrap_or(0.0);
        let step = members.len().div_ceil(TITLES).max(1);
        let (mut asked, mut home) = (0.0, 0.0);
        for member in members.iter().step_by(step) {
            let title = index.entries()[*member].title();
            if title.is_empty() {
                continue;
            }
            asked += 1.0;
            if best(&title).is_some_and(|found| found == *member || index.entries()[found].title() == title) {
                home += 1.0;
            }
        }
        Self {
            middle: (reached + ABOVE_BANK).clamp(MIDDLE.0, MIDDLE.1),
            told_apart: if asked > 0.0 { home / asked } else { 1.0 },
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
