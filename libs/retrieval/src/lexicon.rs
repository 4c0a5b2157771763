//! A small dictionary of what APIs speak about, so that a sentence in one language finds operations described in
//! another, and a word its synonym, where no model does.
//!
//! A word is found by its beginning: Croatian, German and Spanish inflect at the end. German compounds are taken apart.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{language::Languages, text};

/// The lines: English words, then beginnings in the other languages.
const LINES: &str = include_str!("lexicon.txt");
/// Shortest part of a compound.
const PART_MIN: usize = 4;

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(LINES));

struct Lexicon {
    /// English words of each line, stemmed; the first stands for it.
    english: Vec<Vec<&'static str>>,
    /// Lines by the stem of an English word.
    by_english: BTreeMap<String, Vec<usize>>,
    /// Lines by the beginning of a word of another language, and which one that is.
    by_beginning: BTreeMap<&'static str, Vec<(usize, Languages)>>,
}

/// What a word means in English.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meanings {
    /// For each meaning, which are alternatives or the parts of a compound, its English words.
    pub words: Vec<&'static [&'static str]>,
    /// It is a word of another language.
    pub foreign: bool,
}

/// What a folded word of one of these languages means; nothing for a word that the dictionary does not have.
pub fn meanings(word: &str, languages: Languages) -> Meanings {
    LEXICON.meanings(word, languages)
}

/// The stems of its English words that begin with this character.
pub fn english_stems(first: char) -> impl Iterator<Item = &'static str> {
    let from = LEXICON.by_english.range(first.to_string()..);
    from.map(|(stem, _)| stem.as_str()).take_while(move |stem| stem.starts_with(first))
}

impl Lexicon {
    fn new(lines: &'static str) -> Self {
        let mut lexicon = Self { english: Vec::new(), by_english: BTreeMap::new(), by_beginning: BTreeMap::new() };
        for line in lines.lines().filter(|line| !line.starts_with('#')) {
            let mut languages = line.split('|');
            let english: Vec<&str> = languages.next().unwrap_or_default().split_whitespace().collect();
            let number = lexicon.english.len();
            for word in &english {
                lexicon.by_english.entry(text::stem(word)).or_default().push(number);
            }
            let columns = [Languages::SOUTH_SLAVIC, Languages::GERMAN, Languages::SPANISH].into_iter().zip(languages);
            for (language, words) in columns {
                for beginning in words.split_whitespace() {
                    lexicon.by_beginning.entry(beginning).or_default().push((number, language));
                }
            }
            lexicon.english.push(english);
        }
        lexicon
    }

    fn meanings(&'static self, word: &str, languages: Languages) -> Meanings {
        let english =
            || Some(Meanings { words: self.english_of(self.by_english.get(&text::stem(word))?), foreign: false });
        let beginning = || {
            let (_, lines) = self.beginning(word, languages)?;
            Some(Meanings { words: self.english_of(&lines), foreign: true })
        };
        // "Tag" is a day in German.
        let found = match languages.meets(Languages::ENGLISH) {
            true => english().or_else(beginning),
            false => beginning().or_else(english),
        };
        found.unwrap_or_else(|| Meanings { words: self.compound(word, languages), foreign: true })
    }

    fn english_of(&'static self, lines: &[usize]) -> Vec<&'static [&'static str]> {
        lines.iter().map(|line| self.english[*line].as_slice()).collect()
    }

    /// The longest beginning that leaves no more than an ending.
    fn beginning(&'static self, word: &str, languages: Languages) -> Option<(usize, Vec<usize>)> {
        let length = word.chars().count();
        let known = |end: usize| {
            let lines = self.by_beginning.get(word.get(..end)?)?;
            let mut lines: Vec<usize> =
                lines.iter().filter(|(_, language)| languages.meets(*language)).map(|(line, _)| *line).collect();
            lines.dedup();
            (!lines.is_empty()).then_some((end, lines))
        };
        let fits = |(end, _): &(usize, Vec<usize>)| {
            let known = word[..*end].chars().count();
            length - known <= if known < 4 { 2 } else { 4 }
        };
        word.char_indices().map(|(at, c)| at + c.len_utf8()).rev().filter_map(known).find(fits)
    }

    /// `Benutzergruppe`: both parts; `Hauptdarsteller`: the last part, which says what it is.
    fn compound(&'static self, word: &str, languages: Languages) -> Vec<&'static [&'static str]> {
        if !languages.meets(Languages::GERMAN) {
            return Vec::new();
        }
        let cuts = word.char_indices().map(|(at, _)| at).filter(|at| *at >= PART_MIN && word.len() - at >= PART_MIN);
        for cut in cuts {
            let (first, last) = word.split_at(cut);
            let Some((_, lines)) = self.beginning(last, Languages::GERMAN).filter(|(end, _)| *end >= PART_MIN) else {
                continue;
            };
            let mut words = self.english_of(&lines);
            if let Some((_, lines)) =
                self.beginning(first, Languages::GERMAN).filter(|(end, _)| *end + 2 >= first.len())
            {
                words.extend(self.english_of(&lines));
            }
            return words;
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(word: &str, expected: &[&str]) {
        let found: Vec<&str> = meanings(&text::fold(word), Languages::ANY).words.iter().map(|words| words[0]).collect();
        assert_eq!(found, expected, "{word}");
    }

    #[test]
    fn inflected_words_are_found_by_their_beginning() {
        check("korisnika", &["user"]);
        check("Nachrichten", &["message"]);
        check("archivos", &["file"]);
        check("qwertz", &[]);
    }

    #[test]
    fn compounds_are_taken_apart() {
        check("Benutzergruppe", &["group", "user"]);
        check("Hauptdarsteller", &["actor"]);
    }

    #[test]
    fn synonyms_share_a_line() {
        let meanings = |word| meanings(word, Languages::ANY);
        assert_eq!(meanings("picture"), meanings("images"));
        assert!(!meanings("picture").foreign && meanings("slika").foreign);
    }

    #[test]
    fn a_word_is_not_read_as_one_of_another_language() {
        assert!(meanings("mass", Languages::ENGLISH).words.is_empty());
        assert_eq!(meanings("mas", Languages::SPANISH).words, [["latest", "newest", "last"]]);
        assert!(meanings("mas", Languages::GERMAN).words.is_empty());
    }

    #[test]
    fn lines_have_four_languages() {
        for line in LINES.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(line.split('|').filter(|words| !words.trim().is_empty()).count(), 4, "{line}");
            assert!(line.split_whitespace().all(|word| text::fold(word) == word), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_word_is_taken(word in any::<String>()) {
            let _ = meanings(&word, Languages::ANY);
        }
    }
}
