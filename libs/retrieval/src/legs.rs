//! The two lexical legs, BM25 over words and TF-IDF cosine over character grams, as weighted posting lists.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map by term. Terms are hashes already, so they are taken as they are.
type ByTerm<T> = HashMap<u64, T, BuildHasherDefault<AsIs>>;

/// Weights of terms in rows of text, by term.
#[derive(Debug, Default)]
struct Postings {
    terms: ByTerm<Term>,
    rows: Vec<(u32, f32)>,
}

#[derive(Debug)]
struct Term {
    start: usize,
    end: usize,
    idf: f32,
}

/// BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza, *The Probabilistic Relevance Framework*, 2009).
#[derive(Debug)]
pub struct Bm25(Postings);

/// Cosine of TF-IDF vectors with `1 + ln tf` and smoothed idf.
#[derive(Debug)]
pub struct TfIdf(Postings);

/// How often each term occurs, by term.
pub fn counts(mut terms: Vec<u64>) -> Vec<(u64, f32)> {
    terms.sort_unstable();
    let mut counts: Vec<(u64, f32)> = Vec::new();
    for term in terms {
        match counts.last_mut() {
            Some((last, count)) if *last == term => *count += 1.0,
            _ => counts.push((term, 1.0)),
        }
    }
    counts
}

impl Bm25 {
    /// Over the terms of each row.
    pub fn new(rows: &[Vec<(u64, f32)>]) -> Self {
        const K1: f32 = 1.2;
        const B: f32 = 0.75;
        let lengths: Vec<f32> = rows.iter().map(|row| row.iter().map(|(_, count)| count).sum()).collect();
        let mean = (lengths.iter().sum::<f32>() / to_f32(rows.len().max(1))).max(1e-9);
        let n = to_f32(rows.len());
        let idf = |df: f32| (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
        Self(Postings::new(rows, idf, |row, count, idf| {
            idf * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * lengths[row] / mean))
        }))
    }

    /// Score of every row; a term counts twice at most. `rows` is as long as the index.
    pub fn score(&self, question: &[(u64, f32)], rows: &mut [f32]) {
        for (term, count) in question {
            for (row, weight) in self.0.list(*term) {
                rows[*row as usize] += weight * count.min(2.0);
            }
        }
    }

    /// How rare a term is; `None` for one that no row has.
    pub fn idf(&self, term: u64) -> Option<f32> {
        self.0.terms.get(&term).map(|term| term.idf)
    }
}

impl TfIdf {
    /// Over the terms of each row.
    pub fn new(rows: &[Vec<(u64, f32)>]) -> Self {
        let n = to_f32(rows.len());
        let idf = |df: f32| ((1.0 + n) / (1.0 + df)).ln() + 1.0;
        let mut postings = Postings::new(rows, idf, |_, count, idf| (1.0 + count.ln()) * idf);
        let weigh = |(term, count): &(u64, f32)| {
            let idf = postings.terms.get(term).map_or(0.0, |term| term.idf);
            ((1.0 + count.ln()) * idf).powi(2)
        };
        let squares: Vec<f32> = rows.iter().map(|row| row.iter().map(weigh).sum()).collect();
        for (row, weight) in &mut postings.rows {
            *weight /= squares[*row as usize].sqrt().max(1e-9);
        }
        Self(postings)
    }

    /// Cosine with every row. `rows` is as long as the index.
    pub fn score(&self, question: &[(u64, f32)], rows: &mut [f32]) {
        let known: Vec<(&Term, f32)> = question
            .iter()
            .filter_map(|(term, count)| {
                self.0.terms.get(term).map(|term| (term, (1.0 + count.ln()).max(0.3) * term.idf))
            })
            .collect();
        let length = known.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt().max(1e-9);
        for (term, ours) in known {
            for (row, weight) in &self.0.rows[term.start..term.end] {
                rows[*row as usize] += weight * ours / length;
            }
        }
    }
}

impl Postings {
    fn new(rows: &[Vec<(u64, f32)>], idf: impl Fn(f32) -> f32, weight: impl Fn(usize, f32, f32) -> f32) -> Self {
        let mut terms: ByTerm<Term> = ByTerm::default();
        for (term, _) in rows.iter().flatten() {
            terms.entry(*term).or_insert(Term { start: 0, end: 0, idf: 0.0 }).end += 1;
        }
        let mut start = 0;
        for term in terms.values_mut() {
            term.idf = idf(to_f32(term.end));
            (term.start, start) = (start, start + term.end);
            term.end = term.start;
        }
        let mut lists = vec![(0u32, 0.0f32); start];
        for (number, row) in rows.iter().enumerate() {
            for (key, count) in row {
                if let Some(term) = terms.get_mut(key) {
                    let row = u32::try_from(number).unwrap_or(u32::MAX);
                    lists[term.end] = (row, weight(number, *count, term.idf));
                    term.end += 1;
                }
            }
        }
        Self { terms, rows: lists }
    }

    fn list(&self, term: u64) -> &[(u32, f32)] {
        self.terms.get(&term).map_or(&[], |term| &self.rows[term.start..term.end])
    }
}

#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, term: u64) {
        self.0 = term;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of texts and words are far below 2^24")]
fn to_f32(count: usize) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[&str]) -> Vec<Vec<(u64, f32)>> {
        texts.iter().map(|text| terms(text)).collect()
    }

    fn terms(text: &str) -> Vec<(u64, f32)> {
        counts(text.split_whitespace().map(|word| crate::text::hash(word.chars())).collect())
    }

    #[test]
    fn rare_words_weigh_more_than_common_ones() {
        let bm25 = Bm25::new(&rows(&["list cars", "list bikes", "list boats"]));
        let mut scores = [0.0; 3];
        bm25.score(&terms("list bikes"), &mut scores);
        assert!(scores[1] > scores[0] && scores[0] == scores[2] && scores[0] > 0.0, "{scores:?}");
    }

    #[test]
    fn same_text_has_cosine_one() {
        let tfidf = TfIdf::new(&rows(&["red car", "red bike", "green boat"]));
        let mut scores = [0.0; 3];
        tfidf.score(&terms("red bike"), &mut scores);
        assert!((scores[1] - 1.0).abs() < 1e-6 && scores[0] > 0.0 && scores[2] == 0.0, "{scores:?}");
    }

    #[test]
    fn empty_index_and_unknown_words_score_nothing() {
        let mut none: [f32; 0] = [];
        Bm25::new(&[]).score(&terms("x"), &mut none);
        TfIdf::new(&[]).score(&terms("x"), &mut none);
        let mut scores = [0.0; 1];
        TfIdf::new(&rows(&["a"])).score(&terms("x"), &mut scores);
        assert_eq!(scores, [0.0]);
    }
}
