//! Which language a message is in, and which words of it carry no content.

use super::{Lang, Token, token::Kind, tokens};

/// Function words of English.
const EN: &[&str] = &[
    "a", "an", "the", "is", "are", "was", "were", "be", "am", "i", "i'd", "i'll", "i'm", "me", "my", "mine", "you",
    "your", "we", "our", "us", "it", "its", "he", "she", "they", "this", "that", "these", "those", "of", "in", "on",
    "at", "to", "for", "from", "with", "by", "about", "and", "or", "but", "not", "no", "yes", "do", "does", "did",
    "can", "could", "would", "will", "please", "which", "what", "where", "when", "who", "how", "why", "show", "tell",
    "give", "get", "want", "need", "have", "has", "had", "there", "any", "some", "all", "one", "until", "till", "next",
    "today", "tomorrow", "list", "find", "hello", "hi", "thanks", "new", "it's", "what's", "let", "like", "just",
    "also", "so", "if",
];

/// Function words of Croatian, folded.
const HR: &[&str] = &[
    "je",
    "su",
    "sam",
    "si",
    "smo",
    "ste",
    "biti",
    "bi",
    "bih",
    "se",
    "mi",
    "ti",
    "me",
    "te",
    "ga",
    "mu",
    "joj",
    "nam",
    "vam",
    "moj",
    "moja",
    "moje",
    "moju",
    "moji",
    "nas",
    "vas",
    "ja",
    "on",
    "ona",
    "ono",
    "oni",
    "u",
    "na",
    "za",
    "od",
    "iz",
    "s",
    "sa",
    "po",
    "pri",
    "kod",
    "ili",
    "ali",
    "ne",
    "da",
    "koji",
    "koja",
    "koje",
    "koju",
    "kojih",
    "sto",
    "gdje",
    "kada",
    "kad",
    "tko",
    "kako",
    "zasto",
    "koliko",
    "pokazi",
    "reci",
    "daj",
    "zelim",
    "trebam",
    "imam",
    "ima",
    "imamo",
    "hocu",
    "molim",
    "sve",
    "svi",
    "sva",
    "neki",
    "neka",
    "ovo",
    "to",
    "taj",
    "ta",
    "ovaj",
    "ova",
    "danas",
    "sutra",
    "prekosutra",
    "jucer",
    "jedan",
    "jedna",
    "jedno",
    "jednu",
    "hvala",
    "bok",
    "pozdrav",
    "dobar",
    "dan",
    "li",
    "jos",
    "prijavi",
    "upisi",
    "popis",
    "nadi",
    "trazi",
    "odustani",
    "krivo",
    "mogu",
    "moze",
    "nije",
    "nisu",
    "ipak",
];

/// Words that stand in both languages and so decide nothing.
const BOTH: &[&str] =
    &["a", "i", "do", "me", "to", "on", "no", "so", "all", "dan", "ti", "bi", "te", "by", "ne", "from"];

/// The language of a message, or `None` when nothing in it decides.
///
/// Function words count one, letters that only Croatian has count one.
pub fn language(text: &str, languages: &[Lang]) -> Option<Lang> {
    let (mut en, mut hr) = (0_i32, 0_i32);
    for token in tokens(text) {
        let word = token.text.as_str();
        if token.kind != Kind::Word {
            continue;
        }
        if !BOTH.contains(&word) {
            en += i32::from(EN.contains(&word));
            hr += i32::from(HR.contains(&word));
        }
        let raw = &text[token.span];
        hr += i32::from(raw.chars().any(|c| "čćđžšČĆĐŽŠ".contains(c)) && !raw.starts_with(char::is_uppercase));
    }
    let best = match en.cmp(&hr) {
        std::cmp::Ordering::Greater => Lang::En,
        std::cmp::Ordering::Less => Lang::Hr,
        std::cmp::Ordering::Equal => return single(text, languages),
    };
    languages.contains(&best).then_some(best)
}

/// A message of few words may still be a control word of one language alone.
fn single(text: &str, languages: &[Lang]) -> Option<Lang> {
    const EN_ONLY: &[&str] = &["cancel", "help", "back", "wrong", "change", "more", "hey", "ok", "no", "morning"];
    const HR_ONLY: &[&str] = &[
        "da",
        "ne",
        "pomoc",
        "natrag",
        "promijeni",
        "dalje",
        "nista",
        "jutro",
        "vecer",
        "osobu",
        "hej",
        "drugi",
        "druga",
        "prvi",
        "prva",
    ];
    let words: Vec<Token> = tokens(text).into_iter().filter(|t| t.kind == Kind::Word).collect();
    let en = words.iter().filter(|t| EN_ONLY.contains(&t.text.as_str())).count();
    let hr = words.iter().filter(|t| HR_ONLY.contains(&t.text.as_str())).count();
    let best = match en.cmp(&hr) {
        std::cmp::Ordering::Greater => Lang::En,
        std::cmp::Ordering::Less => Lang::Hr,
        std::cmp::Ordering::Equal => return None,
    };
    languages.contains(&best).then_some(best)
}

/// True for a word that names nothing: articles, prepositions, pronouns and the verbs of asking.
pub fn is_filler(word: &str) -> bool {
    const MORE: &[&str] = &[
        "ones", "them", "him", "her", "also", "too", "then", "same", "ok", "okay", "well", "pa", "onda", "isto", "taj",
        "tu", "tom", "ih", "nju", "njega", "njih", "bilo", "bude", "hm", "and", "i", "a", "o", "what", "sta", "about",
        "vs", "je", "l",
    ];
    EN.contains(&word) || HR.contains(&word) || MORE.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_a_message_is_found_or_left_open() {
        for (text, expected) in [
            ("Which books are free tomorrow?", Some(Lang::En)),
            ("koje su knjige slobodne sutra", Some(Lang::Hr)),
            ("prijavi 84300 km za octaviju", Some(Lang::Hr)),
            ("što je slobodno", Some(Lang::Hr)),
            ("odustani", Some(Lang::Hr)),
            ("cancel", Some(Lang::En)),
            ("da", Some(Lang::Hr)),
            ("ok", Some(Lang::En)),
            ("4711", None),
            ("Octavia", None),
            ("where is the Škoda", Some(Lang::En)),
            ("", None),
        ] {
            assert_eq!(language(text, &Lang::ALL), expected, "{text}");
        }
        assert_eq!(language("koje su knjige", &[Lang::En]), None, "a language that is not configured");
    }
}
