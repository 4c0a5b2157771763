//! Which words of a sentence name a thing, and which only point at one.

use super::rows::naming_words;
use crate::language::{choose::is_filler, numbers::numbers, token::Kind, tokens, when::when};

/// The words of a sentence that may name a row: no dates, no measured numbers, no fillers, no leading verb.
pub fn naming(sentence: &str) -> Vec<String> {
    let words = tokens(sentence);
    let mut used = when(&words, jiff::civil::Date::constant(2000, 1, 1), None).used;
    for number in numbers(&words, &used) {
        if number.unit.as_deref().is_some_and(|unit| !is_filler(unit)) {
            for at in number.tokens.start..(number.tokens.end + 1).min(used.len()) {
                used[at] = true;
            }
        }
    }
    naming_words(sentence, &used)
}

/// True when a sentence points at something said before: "book it", "rezerviraj ga".
pub fn pronoun(sentence: &str) -> bool {
    tokens(sentence).iter().any(|token| {
        token.kind == Kind::Word
            && [
                "it", "that", "this", "them", "one", "him", "her", "ga", "nju", "njega", "je", "ju", "to", "taj", "tu",
                "ovaj", "onaj", "njih", "isti", "istu",
            ]
            .contains(&token.text.as_str())
    })
}

/// True when a sentence asks for what is the person's own: "my loans", "which loans do I have", "moje posudbe".
pub fn mine(sentence: &str) -> bool {
    let words = tokens(sentence);
    let own = |word: &str| {
        matches!(word, "my" | "mine" | "imam" | "mog" | "moga" | "mom" | "mome" | "svoj" | "svoje" | "svoju" | "svojih")
            || word.strip_prefix("moj").is_some_and(|rest| rest.len() <= 3)
    };
    words.iter().any(|token| own(&token.text))
        || words
            .windows(2)
            .any(|pair| pair[0].word("i") && pair[1].one_of(&["have", "got", "borrowed", "booked", "own"]))
}

/// How many words of a sentence are neither taken nor fillers.
pub fn left_over(sentence: &str, used: &[bool]) -> usize {
    tokens(sentence)
        .iter()
        .enumerate()
        .filter(|(at, token)| {
            token.kind != Kind::Mark && !used.get(*at).copied().unwrap_or(false) && !is_filler(&token.text)
        })
        .count()
}
