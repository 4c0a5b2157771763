//! Which words of a sentence name a thing, and which only point at one.

use super::rows::naming_words;
use crate::language::{
    Lang, Token, choose, choose::is_filler, numbers::numbers, token::Kind, tokens, verbs, when::when,
};

/// The words of a sentence that may name a row: no dates, no measured numbers, no fillers, no leading verb.
pub fn naming(sentence: &str) -> Vec<String> {
    naming_words(sentence, &values_said(&tokens(sentence)))
}

/// Which tokens of a sentence are dates and measured numbers.
pub fn values_said(words: &[Token]) -> Vec<bool> {
    let mut used = when(words, jiff::civil::Date::constant(2000, 1, 1), None).used;
    for number in numbers(words, &used) {
        if number.unit.as_deref().is_some_and(|unit| !is_filler(unit)) {
            for at in number.tokens.start..(number.tokens.end + 1).min(used.len()) {
                used[at] = true;
            }
        }
    }
    used
}

/// True when a sentence points at something said before: "book it", "rezerviraj ga", "buch es", "resérvalo".
pub fn pronoun(sentence: &str) -> bool {
    let words = tokens(sentence);
    let clear = words.iter().any(|token| {
        token.kind == Kind::Word
            && [
                "it", "that", "this", "them", "one", "him", "her", "ga", "nju", "njega", "je", "ju", "to", "taj", "tu",
                "ovaj", "onaj", "njih", "isti", "istu", "ihn", "dies", "ese", "esa", "eso", "esto",
            ]
            .contains(&token.text.as_str())
    });
    clear || german_pronoun(sentence, &words) || spanish_pronoun(&words)
}

/// "buch es", "nimm den", "buche sie": not "das Zimmer", nor "können Sie".
fn german_pronoun(sentence: &str, words: &[Token]) -> bool {
    let is_german = || choose::language(sentence, &[Lang::De]) == Some(Lang::De);
    words.iter().enumerate().any(|(at, token)| match token.text.as_str() {
        "es" => is_german(),
        "sie" => at > 0 && !words[at - 1].text.ends_with("en") && !words[at - 1].one_of(&["sind"]),
        "der" | "die" | "das" | "den" | "diesen" | "diese" | "dieses" => {
            at > 0 && words[at - 1].kind == Kind::Word && points(words, at + 1)
        }
        _ => false,
    })
}

/// "resérvalo", "lo quiero", "la reservo": not "la sala", nor "lo que".
fn spanish_pronoun(words: &[Token]) -> bool {
    words.iter().enumerate().any(|(at, token)| {
        let next = words.get(at + 1).map(|t| t.text.as_str()).unwrap_or_default();
        match token.text.as_str() {
            "lo" | "la" | "los" | "las" => {
                next.chars().count() > 3 && verbs::leads(next) || ["quiero", "cojo", "tomo", "elijo"].contains(&next)
            }
            "este" | "esta" => points(words, at + 1) && at > 0 && words[at - 1].kind == Kind::Word,
            word => ["lo", "la", "los", "las"].into_iter().any(|end| {
                word.strip_suffix(end).is_some_and(|verb| {
                    verb.chars().count() > 3 && verbs::leads(verb)
                        || ["quiero", "coge", "toma", "elige", "muestrame", "dame", "pon"].contains(&verb)
                })
            }),
        }
    })
}

/// True where nothing follows that a pointing word could stand beside: no noun.
fn points(words: &[Token], at: usize) -> bool {
    words.get(at).is_none_or(|next| {
        next.kind != Kind::Word
            || ["fur", "fuer", "bitte", "um", "am", "ab", "von", "bis", "heute", "morgen", "ubermorgen", "por", "para"]
                .contains(&next.text.as_str())
    })
}

/// True when a sentence asks for what is the person's own: "my loans", "which loans do I have", "moje posudbe",
/// "meine Ausleihen", "mis préstamos".
pub fn mine(sentence: &str) -> bool {
    let words = tokens(sentence);
    let own = |word: &str| {
        matches!(word, "my" | "mine" | "imam" | "mog" | "moga" | "mom" | "mome" | "svoj" | "svoje" | "svoju" | "svojih")
            || word.strip_prefix("moj").is_some_and(|rest| rest.len() <= 3)
            || word.strip_prefix("mein").is_some_and(|rest| ["", "e", "en", "em", "er", "es"].contains(&rest))
            || matches!(word, "mis" | "mio" | "mia" | "mios" | "mias")
    };
    let has = |a: &str, b: &[&str]| words.windows(2).any(|pair| pair[0].word(a) && pair[1].one_of(b));
    words.iter().any(|token| own(&token.text))
        || has("i", &["have", "got", "borrowed", "booked", "own"])
        || has("ich", &["habe", "hab"])
        || has("habe", &["ich"])
        || has("hab", &["ich"])
        || words.iter().enumerate().any(|(at, token)| {
            // "mi" is "to me" in Croatian, and "tengo que" is "I must".
            token.word("mi") && choose::language(sentence, &[Lang::Es]) == Some(Lang::Es)
                || token.word("tengo") && !words.get(at + 1).is_some_and(|next| next.word("que"))
        })
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
