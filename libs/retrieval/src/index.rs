//! The retrieval index: from a sentence to ranked operations.
//!
//! `0.4 z(BM25) + 0.6 z(characters)` over short texts, a boost for documents that fit, what the names, the method and the
//! answer's fields add, one for searches where the sentence names something, then a walk that puts the producers of
//! needed ids behind the first hits. `eval_retrieval` (an example of embedding-service) measures what the weights are worth.
//!
//! Vectors of a model add a quarter of a lexical leg's weight where the documents know the sentence's words; the fewer
//! they know, the less the words weigh, and the more the vectors ([`Meaning`]).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    affinity::{Shape, are_siblings},
    answer::{Answer, Hit, Question},
    asked::{Asked, Vocabulary},
    calibration::{Calibration, RIVALS},
    entry::{Entry, spaced},
    legs::{Bm25, TfIdf, counts},
    meaning::Meaning,
    producers::Producers,
    scored::{Scale, Scored, Value, mean, ratio, z_scores},
    sentence::Intent,
    text,
};

const DOCUMENT_WEIGHT: f64 = 0.5;
const BM25_WEIGHT: f64 = 0.4;
const CHARACTERS_WEIGHT: f64 = 0.6;
/// Weight of the vectors where all words are known, and how much more they have where none is.
const VECTOR_WEIGHT: (f64, f64) = (0.25, 0.75);
/// Share of known words up to which the lexical legs say nothing beside vectors, and how much more makes them whole.
const COVERAGE_GATE: (f64, f64) = (0.25, 0.35);
const NAMES_WEIGHT: f64 = 3.0;
const ANSWER_WEIGHT: f64 = 2.0;
/// Of a search, where the sentence names something that no document knows.
const LOOKUP_WEIGHT: f64 = 1.4;
const METHOD_WEIGHT: f64 = 2.0;
/// How far behind its sibling a simpler operation may be to come first, and its lead then.
const SIBLING_REACH: f64 = 2.5;
const SIBLING_LEAD: f64 = 0.5;
/// The first hits whose needed ids are followed.
const FOLLOWED: usize = 6;
/// Probability below which nothing is near.
const NEAR_MIN: f64 = 0.2;
/// Weight of a producer's own score against the graph's weight.
const PRODUCER_OWN: f64 = 0.9;

/// Operations, ready to be searched. Built at once, never changed.
#[derive(Debug)]
pub struct Index {
    entries: Arc<[Entry]>,
    shapes: Vec<Shape>,
    /// The entry of each row of text: first one row an entry, then one for each alias and example.
    row_entry: Vec<usize>,
    bm25: Bm25,
    characters: TfIdf,
    names: Vec<Vec<NameSet>>,
    known: Vec<BTreeSet<u64>>,
    /// Terms of each answer's fields, and how rare they are among answers.
    answers: Vec<NameSet>,
    answer_idf: HashMap<u64, f64>,
    vocabulary: Vocabulary,
    producers: Producers,
    calibrations: BTreeMap<String, Calibration>,
}

/// The first name sets of an entry: its path and its title. Then come those of the overlay's texts.
const OWN_NAMES: usize = 2;

/// Distinct terms of a path, a title or an overlay text.
type NameSet = Vec<u64>;

/// A sentence beside the operations' vectors.
struct Nearness<'a> {
    meaning: &'a Meaning,
    /// For each entry; none without a vector.
    scores: Vec<Option<Value>>,
    /// Weight of the lexical legs, and of the names.
    lexical: f64,
    /// Weight of the vectors.
    vector: f64,
}

impl Index {
    /// Builds the index; about 0.1 ms an operation.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self::of(entries.into())
    }

    /// The same over entries that somebody else has, too.
    pub fn of(entries: Arc<[Entry]>) -> Self {
        let mut row_entry: Vec<usize> = (0..entries.len()).collect();
        let mut vocabulary = Vocabulary::default();
        let mut seen = HashSet::new();
        let mut terms = |text: &str| {
            let words = text::words(&text::latin(text)).into_iter();
            let term = |word: String| {
                let term = text::hash(word.chars());
                // Most words are there already.
                if seen.insert(term) { vocabulary.insert(word) } else { term }
            };
            words.map(term).collect::<Vec<u64>>()
        };
        let mut word_rows = Vec::with_capacity(entries.len());
        let mut gram_rows = Vec::with_capacity(entries.len());
        for entry in entries.iter() {
            let short = entry.short_text();
            word_rows.push(counts(terms(&entry.long_text(&short))));
            gram_rows.push(counts(text::grams(&text::latin(&short))));
        }
        for (number, entry) in entries.iter().enumerate() {
            for other in &entry.others {
                row_entry.push(number);
                word_rows.push(counts(terms(other)));
                gram_rows.push(counts(text::grams(&text::latin(other))));
            }
        }
        let distinct = |terms: Vec<u64>| counts(terms).into_iter().map(|(term, _)| term).collect::<NameSet>();
        let names = entries
            .iter()
            .map(|entry| {
                let texts = [entry.path_words(), entry.title()];
                texts.iter().chain(&entry.others).map(|text| distinct(terms(text))).collect()
            })
            .collect();
        let answers: Vec<NameSet> = entries
            .iter()
            .map(|entry| distinct(entry.answer.iter().flat_map(|name| terms(&spaced(name))).collect()))
            .collect();
        let mut answer_idf: HashMap<u64, f64> = HashMap::new();
        for term in answers.iter().flatten() {
            *answer_idf.entry(*term).or_default() += 1.0;
        }
        for idf in answer_idf.values_mut() {
            *idf = (1.0 + (ratio(entries.len(), 1) - *idf + 0.5) / (*idf + 0.5)).ln();
        }
        let mut known = vec![BTreeSet::new(); entries.len()];
        for (row, words) in word_rows.iter().enumerate() {
            known[row_entry[row]].extend(words.iter().map(|(term, _)| *term));
        }
        let mut index = Self {
            shapes: Shape::of_all(&entries),
            row_entry,
            bm25: Bm25::new(&word_rows),
            characters: TfIdf::new(&gram_rows),
            names,
            known,
            answers,
            answer_idf,
            vocabulary,
            producers: Producers::new(&entries),
            calibrations: BTreeMap::new(),
            entries,
        };
        index.calibrations = Calibration::of_documents(&index);
        index
    }

    /// The operations, in the order they were given.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub(crate) fn producers(&self) -> &Producers {
        &self.producers
    }

    /// Ranks the operations; once more without the words that nobody knows, where nothing is near with them.
    pub fn search(&self, question: Question<'_>) -> Answer {
        let asked = Asked::new(question.text, &self.vocabulary);
        let whole = self.search_for(&asked, question);
        let is_near = |answer: &Answer| answer.hits.iter().any(|hit| hit.probability >= NEAR_MIN);
        if asked.unknown.is_empty() || is_near(&whole) {
            return whole;
        }
        let (text, unknown) = asked.without_unknown();
        let known = Question { text: &text, meaning: None, ..question };
        let rest = Asked::new(&text, &self.vocabulary);
        let mut answer = self.search_for(&rest, known);
        // What is left has to be what an operation is called by, not a word of its description.
        let is_named = answer.hits.first().is_some_and(|hit| self.is_named(&rest, hit.entry));
        if !is_named || !is_near(&answer) {
            return whole;
        }
        answer.coverage = whole.coverage;
        answer.left_out.extend(unknown);
        answer
    }

    fn search_for(&self, asked: &Asked, question: Question<'_>) -> Answer {
        let allowed: Vec<usize> = (0..self.entries.len()).filter(|entry| self.is_allowed(*entry, &question)).collect();
        let coverage = self.coverage(asked, &allowed);
        let known = ((coverage - COVERAGE_GATE.0) / COVERAGE_GATE.1).clamp(0.0, 1.0);
        let nearness = question.meaning.map(|(meaning, sentence)| Nearness {
            meaning,
            scores: meaning.scores(sentence),
            vector: VECTOR_WEIGHT.0 + VECTOR_WEIGHT.1 * (1.0 - known),
            lexical: known,
        });
        let ranked = self.rank(asked, &allowed, nearness.as_ref());
        let mut hits = self.with_producers(asked, &ranked, question.k);
        self.give_probabilities(asked, &ranked, nearness.as_ref(), &mut hits);
        let left_out = if asked.names_alone { asked.sentence.names.clone() } else { Vec::new() };
        Answer { hits, coverage, left_out }
    }

    /// The best operation by the words alone, without producers and probabilities.
    pub fn best(&self, question: Question<'_>) -> Option<usize> {
        let allowed: Vec<usize> = (0..self.entries.len()).filter(|entry| self.is_allowed(*entry, &question)).collect();
        self.rank(&Asked::new(question.text, &self.vocabulary), &allowed, None).first().map(|scored| scored.entry)
    }

    /// The evidence for the best operation by the words alone.
    pub(crate) fn best_evidence(&self, question: Question<'_>) -> Option<f64> {
        let allowed: Vec<usize> = (0..self.entries.len()).filter(|entry| self.is_allowed(*entry, &question)).collect();
        let asked = Asked::new(question.text, &self.vocabulary);
        let best = self.rank(&asked, &allowed, None).first()?.entry;
        Some(self.evidence_for(&asked, best))
    }

    pub(crate) fn is_allowed(&self, entry: usize, question: &Question<'_>) -> bool {
        let entry = &self.entries[entry];
        (question.documents.is_empty() || question.documents.contains(&entry.document))
            && (question.tags.is_empty() || entry.tags.iter().any(|tag| question.tags.contains(tag)))
            && (question.yields.is_empty() || entry.yields.iter().any(|resource| resource == question.yields))
            && (question.takes.is_empty() || entry.needs.iter().any(|resource| resource == question.takes))
    }

    /// Scores of the allowed entries, best first; ties in the entries' order.
    fn rank(&self, asked: &Asked, allowed: &[usize], nearness: Option<&Nearness<'_>>) -> Vec<Scored> {
        let bm25 = self.leg(allowed, |rows| self.bm25.score(&asked.words, rows));
        let characters = self.leg(allowed, |rows| self.characters.score(&asked.grams, rows));
        let vector = nearness.map(|nearness| {
            let lexical = |at: usize| {
                let sum = |of: fn(Value) -> f64| BM25_WEIGHT * of(bm25[at]) + CHARACTERS_WEIGHT * of(characters[at]);
                Value { own: sum(|value| value.own), example: sum(|value| value.example) }
            };
            vector_leg(&nearness.scores, allowed, lexical)
        });
        let lexical = nearness.map_or(1.0, |nearness| nearness.lexical);
        let names = lexical;
        let meant = nearness.map_or(0.0, |nearness| nearness.vector);
        let names_something = asked.names_something();
        let mut ranked: Vec<Scored> = allowed
            .iter()
            .enumerate()
            .map(|(at, entry)| {
                let named = self.name_match(asked, *entry);
                let near = vector.as_ref().map(|vector| vector[at]);
                let of_legs = BM25_WEIGHT * bm25[at].example + CHARACTERS_WEIGHT * characters[at].example;
                Scored {
                    entry: *entry,
                    bm25: lexical * BM25_WEIGHT * bm25[at].own,
                    characters: lexical * CHARACTERS_WEIGHT * characters[at].own,
                    names: names * NAMES_WEIGHT * named.own,
                    method: METHOD_WEIGHT * self.shapes[*entry].affinity(&asked.sentence),
                    answer: ANSWER_WEIGHT * self.answer_match(asked, *entry),
                    lookup: if names_something && self.shapes[*entry].looks_up { LOOKUP_WEIGHT } else { 0.0 },
                    document: 0.0,
                    example: lexical * of_legs
                        + names * NAMES_WEIGHT * named.example
                        + near.map_or(0.0, |near| meant * near.example),
                    vector: near.map(|near| meant * near.own),
                }
            })
            .collect();
        let boosts = self.document_boosts(&ranked);
        if boosts.len() > 1 {
            for scored in &mut ranked {
                scored.document = boosts.get(self.entries[scored.entry].document.as_str()).copied().unwrap_or(0.0);
            }
        }
        ranked.sort_by(|a, b| b.total().total_cmp(&a.total()).then(a.entry.cmp(&b.entry)));
        self.prefer_simplest(asked, &mut ranked);
        ranked
    }

    /// When the best operation needs an id that the sentence does not give, a sibling that does without comes first:
    /// "which rooms are there" means the list, however well the words fit one room.
    fn prefer_simplest(&self, asked: &Asked, ranked: &mut [Scored]) {
        let sentence = &asked.sentence;
        let creates_or_reads = matches!(sentence.intent, None | Some(Intent::Read | Intent::Create));
        let Some(best) = ranked.first().copied() else { return };
        if !creates_or_reads || self.shapes[best.entry].missing(sentence) == 0 {
            return;
        }
        let evidence = self.evidence_for(asked, best.entry);
        let is_simpler = |scored: &Scored| {
            self.shapes[scored.entry].missing(sentence) == 0
                && self.evidence_for(asked, scored.entry) + 0.1 > evidence
                && are_siblings(&self.entries[scored.entry], &self.entries[best.entry])
        };
        if let Some(place) =
            ranked.iter().position(is_simpler).filter(|place| ranked[*place].total() + SIBLING_REACH > best.total())
        {
            let simpler = &mut ranked[place];
            simpler.method += best.total() + SIBLING_LEAD - simpler.total();
            ranked[..=place].rotate_right(1);
        }
    }

    /// One leg, z-scored over the allowed entries; the best row of an entry counts.
    fn leg(&self, allowed: &[usize], score: impl Fn(&mut [f32])) -> Vec<Value> {
        let mut rows = vec![0.0f32; self.row_entry.len()];
        score(&mut rows);
        let mut best = vec![0.0f64; self.entries.len()];
        for (row, value) in rows.iter().enumerate() {
            let best = &mut best[self.row_entry[row]];
            *best = best.max(f64::from(*value));
        }
        let scale = Scale::of(&allowed.iter().map(|entry| best[*entry]).collect::<Vec<f64>>());
        allowed.iter().map(|entry| Value::scaled(f64::from(rows[*entry]), best[*entry], scale)).collect()
    }

    /// Weighted F1 of the sentence's known words and the words of path or title, 0 to 1; the best text counts.
    fn name_match(&self, asked: &Asked, entry: usize) -> Value {
        let weight = |term: u64| f64::from(self.bm25.idf(term).unwrap_or(0.0));
        let ours: f64 = asked.words.iter().map(|(term, _)| weight(*term)).sum();
        let of = |names: &NameSet| {
            let theirs: f64 = names.iter().map(|term| weight(*term)).sum();
            let shared = asked.words.iter().filter(|(term, _)| names.binary_search(term).is_ok());
            let shared: f64 = shared.map(|(term, _)| weight(*term)).sum();
            if shared > 0.0 { 2.0 * shared / (ours + theirs) } else { 0.0 }
        };
        let best = |sets: &[NameSet]| sets.iter().map(of).fold(0.0, f64::max);
        let (own, others) = self.names[entry].split_at(OWN_NAMES);
        let own = best(own);
        Value { own, example: (best(others) - own).max(0.0) }
    }

    /// The share of the subjects that the operation's answer has, but not its texts, 0 to 1.
    fn answer_match(&self, asked: &Asked, entry: usize) -> f64 {
        let (mut found, mut all) = (0.0, 0.0);
        for term in asked.subjects.iter().flatten() {
            let in_answers = self.answer_idf.get(term).copied();
            let weight = f64::from(self.bm25.idf(*term).unwrap_or(0.0)).max(in_answers.unwrap_or(0.0)).max(0.3);
            all += weight;
            if self.answers[entry].binary_search(term).is_ok() && !self.known[entry].contains(term) {
                found += in_answers.unwrap_or(0.0);
            }
        }
        if found > 0.0 { found / all } else { 0.0 }
    }

    /// For each document half the mean of its five best scores.
    fn document_boosts(&self, ranked: &[Scored]) -> BTreeMap<&str, f64> {
        let mut scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for scored in ranked {
            scores.entry(&self.entries[scored.entry].document).or_default().push(scored.total());
        }
        let boost = |mut scores: Vec<f64>| {
            scores.sort_by(|a, b| b.total_cmp(a));
            scores.truncate(5);
            DOCUMENT_WEIGHT * mean(&scores)
        };
        scores.into_iter().map(|(document, scores)| (document, boost(scores))).collect()
    }

    /// Walks the ranking and puts the best producer of each needed id behind each of the first hits.
    fn with_producers(&self, asked: &Asked, ranked: &[Scored], k: usize) -> Vec<Hit> {
        let totals: Vec<f64> = ranked.iter().map(Scored::total).collect();
        let z: HashMap<usize, f64> = ranked.iter().map(|scored| scored.entry).zip(z_scores(totals)).collect();
        let by_entry: HashMap<usize, &Scored> = ranked.iter().map(|scored| (scored.entry, scored)).collect();
        let mut hits: Vec<Hit> = Vec::with_capacity(k);
        let mut seen = BTreeSet::new();
        for (place, scored) in ranked.iter().enumerate() {
            if hits.len() >= k {
                break;
            }
            if seen.insert(scored.entry) {
                hits.push(scored.hit(None));
            }
            // Where the sentence itself gives the ids, nobody has to be asked for them.
            if place >= FOLLOWED || self.shapes[scored.entry].has_values(&asked.sentence) {
                continue;
            }
            for found in self.producers.of(scored.entry) {
                let best = found
                    .iter()
                    .filter_map(|(weight, entry)| Some((weight + PRODUCER_OWN * z.get(entry)?, *weight, *entry)))
                    .max_by(|a, b| a.0.total_cmp(&b.0).then(b.2.cmp(&a.2)));
                if let Some((_, weight, entry)) = best.filter(|(_, _, entry)| seen.insert(*entry)) {
                    hits.extend(by_entry.get(&entry).map(|scored| scored.hit(Some(weight))));
                }
            }
        }
        hits.truncate(k);
        hits
    }

    /// Gives each hit its probability. Where the first hits have nothing to do with what the sentence is about (their
    /// examples share its little words), those that have come before them.
    fn give_probabilities(
        &self,
        asked: &Asked,
        ranked: &[Scored],
        nearness: Option<&Nearness<'_>>,
        hits: &mut Vec<Hit>,
    ) {
        let near = |entry: usize| {
            let nearness = nearness?;
            let score = nearness.scores.get(entry).copied().flatten()?;
            Some(nearness.meaning.near(&self.entries[entry].document, score.best()))
        };
        let is_rival = |scored: &&Scored| self.evidence_for(asked, scored.entry) > 0.0 || near(scored.entry).is_some();
        let rivals: Vec<f64> = ranked.iter().filter(is_rival).take(RIVALS).map(Scored::total).collect();
        for hit in hits.iter_mut() {
            let calibration = self.calibrations.get(&self.entries[hit.entry].document);
            let evidence = self.evidence_for(asked, hit.entry);
            let meaning = near(hit.entry).unwrap_or(0.0);
            hit.probability =
                calibration.map_or(0.0, |calibration| calibration.probability(evidence, meaning, hit.score, &rivals));
        }
        if hits.first().is_some_and(|first| first.probability < NEAR_MIN) {
            let (first, rest) =
                std::mem::take(hits).into_iter().partition(|hit| hit.probability >= NEAR_MIN && !hit.producer);
            *hits = first;
            hits.extend::<Vec<Hit>>(rest);
        }
    }

    /// How much an operation has to do with a sentence, about 0 to 1.3, whatever the other operations have: the share of what
    /// the sentence is about that its texts speak of, and a part of the share of its name that the sentence says.
    fn evidence_for(&self, asked: &Asked, entry: usize) -> f64 {
        // A word no document knows may be a name or a value, so it weighs less than a known one that is missed.
        const UNKNOWN: f64 = 0.7;
        const IN_TEXT: f64 = 0.6;
        const NAME: f64 = 0.3;
        let weight = |term: u64| f64::from(self.bm25.idf(term).unwrap_or(0.0)).max(0.3);
        let names = |term: u64| self.names[entry].iter().any(|names| names.binary_search(&term).is_ok());
        let (mut found, mut all) = (0.0, 0.0);
        for subject in &asked.subjects {
            let Some(term) = *subject else {
                all += UNKNOWN * rarest_idf(self.entries.len());
                continue;
            };
            all += weight(term);
            if names(term) {
                found += weight(term);
            } else if self.known[entry].contains(&term) {
                found += IN_TEXT * weight(term);
            }
        }
        let said = |names: &NameSet| {
            let all: f64 = names.iter().map(|term| weight(*term)).sum();
            let said: f64 =
                names.iter().filter(|term| asked.subjects.contains(&Some(**term))).map(|term| weight(*term)).sum();
            if all > 0.0 { said / all } else { 0.0 }
        };
        let name = self.names[entry].iter().map(said).fold(0.0, f64::max);
        if all > 0.0 { found / all + NAME * name } else { 0.0 }
    }

    /// True when a subject is a word of the operation's path, title or overlay.
    fn is_named(&self, asked: &Asked, entry: usize) -> bool {
        let mut subjects = asked.subjects.iter().flatten();
        subjects.any(|term| self.names[entry].iter().any(|names| names.binary_search(term).is_ok()))
    }

    fn coverage(&self, asked: &Asked, allowed: &[usize]) -> f64 {
        let total = asked.subjects.len();
        if total == 0 {
            return 0.0;
        }
        let known = |term: &u64| allowed.iter().any(|entry| self.known[*entry].contains(term));
        let found = asked.subjects.iter().flatten().filter(|term| known(term)).count();
        ratio(found, total)
    }
}

/// The vector leg, z-scored over the allowed entries; one without a vector has its lexical score instead.
fn vector_leg(scores: &[Option<Value>], allowed: &[usize], lexical: impl Fn(usize) -> Value) -> Vec<Value> {
    let of = |entry: &usize| scores.get(*entry).copied().flatten();
    let scale = Scale::of(&allowed.iter().filter_map(of).map(Value::best).collect::<Vec<f64>>());
    let leg = allowed.iter().enumerate().map(|(at, entry)| match of(entry) {
        Some(value) => Value::scaled(value.own, value.best(), scale),
        None => lexical(at),
    });
    leg.collect()
}

/// The idf BM25 gives to a word of one operation.
fn rarest_idf(operations: usize) -> f64 {
    (1.0 + (ratio(operations, 1) - 0.5) / 1.5).max(1.0).ln()
}
