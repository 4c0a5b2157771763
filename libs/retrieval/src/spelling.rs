//! Slips of the fingers: a word that nobody knows is read as a known one that is nearly the same.

use std::borrow::Cow;

use super::{asked::Vocabulary, language::Languages, lexicon, sentence, text};

/// Shortest word that is repaired to a word of the documents.
const LENGTH_MIN: usize = 4;
/// From this length on another letter is a slip too; in a shorter word it may make another word.
const OTHER_LETTER_MIN: usize = 7;

/// The sentence with slips repaired; lent where there are none. Words with a capital letter inside the sentence, digits
/// or signs stay.
pub fn repaired<'a>(text: &'a str, vocabulary: &Vocabulary) -> Cow<'a, str> {
    let mut words: Vec<Cow<'_, str>> = Vec::new();
    let mut changed = false;
    for (at, token) in text.split_whitespace().enumerate() {
        let bare = token.trim_matches(|c: char| !c.is_alphanumeric());
        let plain = bare.chars().all(char::is_alphabetic) && (at == 0 || bare.starts_with(char::is_lowercase));
        match plain.then(|| repair(&text::fold(bare), vocabulary)).flatten() {
            Some(word) => {
                changed = true;
                words.push(token.replacen(bare, &word, 1).into());
            }
            None => words.push(token.into()),
        }
    }
    if changed { words.join(" ").into() } else { Cow::Borrowed(text) }
}

/// The known word that a folded one is nearly the same as; `None` for a word that is known itself.
fn repair(word: &str, vocabulary: &Vocabulary) -> Option<String> {
    let first = word.chars().next()?;
    let length = word.chars().count();
    let stem = text::stem(word);
    // Of three letters one is a slip where it cannot be said: "shw", but not "bok".
    let said = word.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    let known = length < 3
        || (length == 3 && said)
        || text::is_stop_in_question(word)
        || sentence::is_common(word)
        || vocabulary.find(&stem).is_some()
        || !lexicon::meanings(word, Languages::ANY).words.is_empty();
    if known {
        return None;
    }
    let verb = sentence::verbs(first).filter(|verb| verb.len() >= 4 && is_slip(word, verb));
    if let Some(verb) = verb.min_by_key(|verb| verb.len().abs_diff(word.len())) {
        return Some(verb.to_owned());
    }
    if length < LENGTH_MIN {
        return None;
    }
    // A stem is shorter than the word that was meant.
    let known_min = if length > LENGTH_MIN { 4 } else { 5 };
    let fits = |known: &&str| known.chars().count() >= known_min && (is_slip(&stem, known) || is_slip(word, known));
    let nearest = |known: &&str| (known.len().abs_diff(stem.len()), std::cmp::Reverse(shared(known, &stem)));
    let of_documents = vocabulary.stems(first).filter(fits).min_by_key(nearest);
    of_documents.or_else(|| lexicon::english_stems(first).filter(fits).min_by_key(nearest)).map(str::to_owned)
}

/// True for two words of one slip: a letter left out, one too many, two swapped; another one in long words.
fn is_slip(word: &str, known: &str) -> bool {
    let (word, known): (Vec<char>, Vec<char>) = (word.chars().collect(), known.chars().collect());
    if word.len().abs_diff(known.len()) > 1 {
        return false;
    }
    let same = word.iter().zip(&known).take_while(|(a, b)| a == b).count();
    let (rest, other) = (&word[same..], &known[same..]);
    match rest.len().cmp(&other.len()) {
        std::cmp::Ordering::Less => rest == &other[1..],
        std::cmp::Ordering::Greater => &rest[1..] == other,
        std::cmp::Ordering::Equal if rest.len() >= 2 && rest[0] == other[1] && rest[1] == other[0] => {
            rest[2..] == other[2..]
        }
        std::cmp::Ordering::Equal => !rest.is_empty() && word.len() >= OTHER_LETTER_MIN && rest[1..] == other[1..],
    }
}

fn shared(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vocabulary() -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for word in ["ticket", "state", "members", "subscription"] {
            vocabulary.insert(text::stem(word));
        }
        vocabulary
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(repaired(text, &vocabulary()), expected);
    }

    #[test]
    fn slips_are_read_as_the_word_that_was_meant() {
        check("list tickts", "list ticket");
        check("shw me tikcets", "show me ticket");
        check("lsit the memebrs", "list the member");
        check("cancle my subscripton!", "cancel my subscription!");
    }

    #[test]
    fn other_words_names_and_values_stay() {
        for text in ["bok", "on stage", "tell Tickt", "x/tickt", "tickt5", "the weather", "prikaži članove", "", "!!"]
        {
            check(text, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            let _ = repaired(&text, &vocabulary());
        }
    }
}
