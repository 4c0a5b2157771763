//! A sentence as an index sees it: which of its words the documents know, in which language ever they are said.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    language::Languages,
    legs::counts,
    lexicon,
    sentence::{Sentence, is_verb},
    spelling, text,
};

/// Weight of a word's second synonym and later ones.
const SYNONYM: f32 = 0.5;
/// Weight of a verb of making or changing: what it says is in the intent.
const VERB: f32 = 0.5;

/// The stems of all documents, with their terms.
#[derive(Debug, Default)]
pub struct Vocabulary(BTreeMap<String, u64>);

/// A sentence, ready to be scored.
#[derive(Debug)]
pub struct Asked {
    /// It, taken apart. Its names are those that no document knows.
    pub sentence: Sentence,
    /// Terms for BM25 and names, by term.
    pub words: Vec<(u64, f32)>,
    /// Character grams, by gram.
    pub grams: Vec<(u64, f32)>,
    /// Terms of the subjects; `None` for a word that no document knows. Of the verbs where there are no others.
    pub subjects: Vec<Option<u64>>,
    /// Stems of the subjects that no document knows.
    pub unknown: Vec<String>,
    /// Beside its verbs it has nothing but names: whether these name anything here, no document says.
    pub names_alone: bool,
}

impl Vocabulary {
    /// The term of a stem, which is known from now on.
    pub fn insert(&mut self, stem: String) -> u64 {
        *self.0.entry(stem).or_insert_with_key(|stem| text::hash(stem.chars()))
    }

    /// The term of a known stem.
    pub fn find(&self, stem: &str) -> Option<u64> {
        self.0.get(stem).copied()
    }

    /// Known stems that begin with this character.
    pub fn stems(&self, first: char) -> impl Iterator<Item = &str> {
        self.0.range(first.to_string()..).map(|(stem, _)| stem.as_str()).take_while(move |stem| stem.starts_with(first))
    }

    /// The term of a stem: itself, or the known one that shares most of its beginning.
    pub fn near(&self, stem: &str) -> Option<u64> {
        if let Some(term) = self.find(stem) {
            return Some(term);
        }
        let length = stem.chars().count();
        if length < 5 {
            return None;
        }
        let prefix = text::first_chars(stem, 4);
        let near = self.0.range(prefix.to_owned()..).take_while(|(word, _)| word.starts_with(prefix));
        let scored = near.filter_map(|(word, term)| {
            let shared = word.chars().zip(stem.chars()).take_while(|(a, b)| a == b).count();
            let longer = word.chars().count().max(length);
            (shared * 4 >= longer * 3).then_some((shared, std::cmp::Reverse(longer), *term))
        });
        scored.max().map(|(_, _, term)| term)
    }
}

/// What the words of a sentence were found as.
#[derive(Default)]
struct Reading {
    /// Terms, and texts for the grams.
    words: Vec<u64>,
    text: Vec<String>,
    /// The same of synonyms, which weigh less.
    other_words: Vec<u64>,
    other_text: Vec<&'static str>,
    /// Terms by the stem of a word that the dictionary stands in for.
    translated: BTreeMap<String, Vec<u64>>,
}

impl Asked {
    /// Reads a sentence with the words that an index knows.
    pub fn new(text: &str, vocabulary: &Vocabulary) -> Self {
        let mut sentence = Sentence::new(&spelling::repaired(&text::latin(text), vocabulary));
        let is_unknown =
            |name: &String| !text::is_stop_in_question(name) && vocabulary.find(&text::stem(name)).is_none();
        sentence.names.retain(is_unknown);
        let folded = text::fold(&sentence.text);
        let plain: Vec<&str> =
            text::runs(&folded).filter(|word| !sentence.names.iter().any(|name| name == word)).collect();
        let mut reading = Reading::default();
        for word in plain.iter().filter(|word| !text::is_stop_in_question(word)) {
            reading.add(word, vocabulary, sentence.languages);
        }
        let mut subjects = Vec::new();
        let mut joined = BTreeSet::new();
        // "log out" is written "logout" in many documents.
        for two in plain.windows(2) {
            let parts = [text::stem(two[0]), text::stem(two[1])];
            if let Some(term) = vocabulary.find(&text::stem(&two.concat())) {
                reading.words.push(term);
                if parts.iter().any(|part| vocabulary.find(part).is_none()) {
                    subjects.push(Some(term));
                    joined.extend(parts);
                }
            }
        }
        let count = vocabulary.find("count").filter(|_| sentence.counts);
        reading.words.extend(count);
        subjects.extend(count.map(Some));
        let names: BTreeSet<String> = sentence.names.iter().map(|name| text::stem(name)).collect();
        let mut unknown = Vec::new();
        for stem in sentence.subjects.iter().filter(|stem| !joined.contains(*stem) && !names.contains(*stem)) {
            match reading.translated.get(stem) {
                Some(terms) => subjects.extend(terms.iter().copied().map(Some)),
                None => {
                    let near = vocabulary.near(stem);
                    if near.is_none() {
                        unknown.push(stem.clone());
                    }
                    subjects.push(near);
                }
            }
        }
        // Nothing but what is to be done: that is what it is about.
        let by_verb = subjects.is_empty();
        if by_verb {
            for stem in &sentence.verbs {
                match reading.translated.get(stem) {
                    Some(terms) => subjects.extend(terms.iter().copied().map(Some)),
                    None => subjects.extend(vocabulary.near(stem).map(Some)),
                }
            }
        }
        let names_alone = by_verb && !sentence.verbs.is_empty() && !sentence.names.is_empty();
        subjects.sort_unstable();
        let mut words = weighted(reading.words, reading.other_words);
        let mut grams = weighted(text::grams(&reading.text.join(" ")), text::grams(&reading.other_text.join(" ")));
        for verb in plain.iter().filter(|word| is_verb(word)) {
            lower(&mut words, vocabulary.near(&text::stem(verb)).into_iter());
            lower(&mut grams, text::grams(verb).into_iter());
        }
        Self { sentence, words, grams, subjects, unknown, names_alone }
    }

    /// The sentence without the words that no document knows, and these, folded.
    pub fn without_unknown(&self) -> (String, Vec<String>) {
        let (mut kept, mut unknown) = (Vec::new(), Vec::new());
        for token in self.sentence.text.split_whitespace() {
            let folded = text::fold(token);
            let found = text::runs(&folded).filter(|run| self.unknown.contains(&text::stem(run)));
            let before = unknown.len();
            unknown.extend(found.map(str::to_owned));
            if unknown.len() == before {
                kept.push(token);
            }
        }
        (kept.join(" "), unknown)
    }

    /// It speaks of something by a name that no document knows: that one has to be looked up.
    pub fn names_something(&self) -> bool {
        !self.sentence.names.is_empty() || self.sentence.quoted > 0
    }
}

impl Reading {
    /// A word is what the documents know it as; one of another language, or one that they do not know, also what the
    /// dictionary makes of it. A known one has its synonyms beside it: another document may call the same thing otherwise.
    fn add(&mut self, word: &str, vocabulary: &Vocabulary, languages: Languages) {
        let stem = text::stem(word);
        let known = vocabulary.find(&stem);
        self.words.extend(known);
        let meanings = lexicon::meanings(word, languages);
        let mut terms = Vec::new();
        if known.is_none() || meanings.foreign {
            for alternatives in &meanings.words {
                let found = alternatives.iter().filter_map(|word| Some((vocabulary.find(&text::stem(word))?, *word)));
                for (place, (term, word)) in found.enumerate() {
                    match place {
                        0 => {
                            terms.push(term);
                            self.text.push(word.to_owned());
                        }
                        _ => {
                            self.other_words.push(term);
                            self.other_text.push(word);
                        }
                    }
                }
            }
        }
        if known.is_some() && !meanings.foreign {
            for word in meanings.words.iter().copied().flatten() {
                let term = vocabulary.find(&text::stem(word)).filter(|term| Some(*term) != known);
                self.other_words.extend(term);
                self.other_text.extend(term.map(|_| *word));
            }
        }
        if terms.is_empty() {
            if known.is_none() {
                self.words.extend(vocabulary.near(&stem));
            }
            self.text.push(word.to_owned());
        } else {
            // A text of the overlay may say it in the same language.
            if let Some(own) = known.or_else(|| vocabulary.near(&stem)).filter(|_| meanings.foreign) {
                self.words.extend(known.is_none().then_some(own));
                self.text.push(word.to_owned());
            }
            self.words.extend(&terms);
            self.translated.insert(stem, terms);
        }
    }
}

/// How often each term occurs; of the others, those that are not among them, with less weight.
fn weighted(terms: Vec<u64>, others: Vec<u64>) -> Vec<(u64, f32)> {
    let mut all = counts(terms);
    for (term, count) in counts(others) {
        if let Err(at) = all.binary_search_by_key(&term, |(term, _)| *term) {
            all.insert(at, (term, count * SYNONYM));
        }
    }
    all
}

fn lower(weights: &mut [(u64, f32)], which: impl Iterator<Item = u64>) {
    for term in which.collect::<BTreeSet<u64>>() {
        if let Ok(at) = weights.binary_search_by_key(&term, |(term, _)| *term) {
            weights[at].1 *= VERB;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(words: &[&str]) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for word in words {
            vocabulary.insert(text::stem(word));
        }
        vocabulary
    }

    fn check(sentence: &str, known: &[&str], expected: &[&str]) {
        let vocabulary = vocabulary(known);
        let mut subjects: Vec<Option<u64>> = expected.iter().map(|word| vocabulary.find(&text::stem(word))).collect();
        subjects.sort_unstable();
        assert_eq!(Asked::new(sentence, &vocabulary).subjects, subjects, "{sentence}");
    }

    #[test]
    fn words_of_other_languages_are_known() {
        let known = ["group", "member", "message"];
        check("tko su članovi grupe", &known, &["member", "group"]);
        check("wer sind die Mitglieder der Gruppe", &known, &["member", "group"]);
        check("mensajes del grupo", &known, &["message", "group"]);
        check("ко су чланови групе", &known, &["member", "group"]);
    }

    #[test]
    fn a_document_s_own_word_stands_beside_its_translation() {
        let vocabulary = vocabulary(&["grupa", "group"]);
        let asked = Asked::new("grupa", &vocabulary);
        assert_eq!(asked.words.len(), 2);
    }

    #[test]
    fn a_known_word_has_its_synonyms_beside_it() {
        let vocabulary = vocabulary(&["picture", "image"]);
        let asked = Asked::new("picture", &vocabulary);
        let weight = |word: &str| {
            let term = vocabulary.find(&text::stem(word));
            asked.words.iter().find(|(known, _)| Some(*known) == term).map(|(_, weight)| *weight)
        };
        assert_eq!((weight("picture"), weight("image")), (Some(1.0), Some(SYNONYM)));
        assert_eq!(asked.subjects, [vocabulary.find(&text::stem("picture"))]);
    }

    #[test]
    fn names_are_no_subjects_and_have_to_be_looked_up() {
        let vocabulary = vocabulary(&["song", "sing"]);
        let asked = Asked::new("songs that Sofia Coppola sings", &vocabulary);
        assert_eq!((asked.subjects.len(), asked.names_something()), (2, true));
        assert!(!Asked::new("songs and singing", &vocabulary).names_something());
    }

    #[test]
    fn a_name_that_is_a_known_word_is_a_word() {
        let vocabulary = vocabulary(&["plugin", "docker"]);
        assert!(!Asked::new("the plugin of Docker", &vocabulary).names_something());
    }
}
