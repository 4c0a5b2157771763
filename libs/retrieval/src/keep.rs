//! What may be kept of a sentence that a person said, so that it finds its operation the next time: words that anybody
//! may know, and nothing about the person. What cannot be told from a name is taken for one.

use std::collections::BTreeSet;

use super::{
    asked::Vocabulary,
    index::Index,
    language::Languages,
    lexicon,
    sentence::{Sentence, is_common},
    text,
};

/// Fewest words that are kept: one alone would draw every sentence that has it.
const WORDS_MIN: usize = 2;
/// Most of them.
const WORDS_MAX: usize = 24;
/// Longest sentence that is kept, in characters.
const CHARS_MAX: usize = 200;

impl Index {
    /// The sentence in lower case, without numbers, codes, addresses, quotes and those of `values` that are no words of
    /// the documents. None where it has a word besides that neither documents nor dictionary know, where it is too short or
    /// too long, or where nothing in it says what it is about.
    pub fn keepable(&self, text: &str, values: &[String]) -> Option<String> {
        keepable(text, values, self.vocabulary())
    }
}

fn keepable(text: &str, values: &[String], vocabulary: &Vocabulary) -> Option<String> {
    let sentence = Sentence::new(&text::latin(text));
    if sentence.text.split_whitespace().count() > 2 * WORDS_MAX {
        return None;
    }
    let values: BTreeSet<String> =
        values.iter().flat_map(|value| stems(value)).filter(|stem| vocabulary.find(stem).is_none()).collect();
    let (mut kept, mut says) = (Vec::new(), false);
    let spoken = sentence.text.split_whitespace().filter(|token| !token.chars().any(char::is_numeric));
    for word in spoken.flat_map(|token| token.split(|c: char| !c.is_alphanumeric())).filter(|word| !word.is_empty()) {
        let folded = text::fold(word);
        let stem = text::stem(&folded);
        let little = text::is_stop_in_question(&folded) || is_common(&folded);
        if !little && values.contains(&stem) {
            continue;
        }
        let documents_know = vocabulary.find(&stem).is_some();
        let is_name = sentence.names.contains(&folded);
        if !documents_know && !little && (is_name || !is_in_dictionary(&folded, sentence.languages)) {
            return None;
        }
        says |= sentence.subjects.contains(&stem);
        kept.push(word.to_lowercase());
    }
    let text = kept.join(" ");
    (says && (WORDS_MIN..=WORDS_MAX).contains(&kept.len()) && text.chars().count() <= CHARS_MAX).then_some(text)
}

fn is_in_dictionary(folded: &str, languages: Languages) -> bool {
    !lexicon::meanings(folded, languages).words.is_empty()
}

/// The stems of a text's words.
fn stems(text: &str) -> Vec<String> {
    text::runs(&text::fold(&text::latin(text))).map(text::stem).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(text: &str, values: &[&str]) -> Option<String> {
        let mut vocabulary = Vocabulary::default();
        for word in ["room", "status", "booking", "meet", "open", "show", "rose"] {
            vocabulary.insert(text::stem(word));
        }
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        keepable(text, &values, &vocabulary)
    }

    fn check(text: &str, values: &[&str], expected: &str) {
        assert_eq!(kept(text, values).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn words_that_anybody_knows_are_kept() {
        check("Room status?", &[], "room status");
        check("what's the status of the meeting rooms", &[], "what s the status of the meeting rooms");
        check("pokaži poruke grupe", &[], "pokaži poruke grupe");
        check("welche Nachrichten hat die Gruppe", &[], "welche nachrichten hat die gruppe");
        check("прикажи поруке групе", &[], "prikaži poruke grupe");
    }

    #[test]
    fn numbers_codes_addresses_and_quotes_are_left_out() {
        check("status of room 17", &[], "status of room");
        check("status of room 1234-AB", &[], "status of room");
        check("status of room \"Ana's den\"", &[], "status of room");
        check("room status for ana@example.com https://x.example/ana ops/alpha", &[], "room status for");
    }

    #[test]
    fn values_are_left_out_and_the_documents_own_words_stay() {
        check("status of the Krleža room", &["Krleža, meeting room"], "status of the room");
        check("room status of ivo", &["Ivo Marić"], "room status of");
    }

    #[test]
    fn a_sentence_with_a_name_is_not_kept_in_whatever_case() {
        for text in
            ["room status of Ivo Marić", "room status of ivo", "is ivo in the meeting room", "Ivo's bookings of rooms"]
        {
            assert_eq!(kept(text, &[]), None, "{text}");
        }
        // A word of the documents is a word, whoever is called so.
        check("room status of Rose", &[], "room status of rose");
    }

    #[test]
    fn what_says_too_little_or_too_much_is_not_kept() {
        let long = "room status ".repeat(20);
        for text in
            ["", "   ", "17", "17.5 km", "rooms", "show it", "list all", "84300", "!!!", "what about those", &long]
        {
            assert_eq!(kept(text, &[]), None, "{text}");
        }
    }

    #[test]
    fn what_was_kept_is_kept_again_as_it_is() {
        for text in ["Room status?", "pokaži poruke grupe", "welche Nachrichten hat die Gruppe"] {
            let once = kept(text, &[]).expect("kept");
            assert_eq!(kept(&once, &[]), Some(once.clone()));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_and_no_digit_is_kept(text in any::<String>(), value in any::<String>()) {
            let kept = kept(&format!("room status {text}"), &[&value]).unwrap_or_default();
            prop_assert!(!kept.chars().any(char::is_numeric) && kept.chars().count() <= CHARS_MAX, "{kept}");
        }
    }
}
