//! Which language a message is in, and which words of it carry no content.

use std::{collections::BTreeSet, sync::LazyLock};

use super::{
    Lang, Token,
    fold::mistyped,
    function_words::{DE, DE_SIGNS, EN, EN_SIGNS, ES, ES_SIGNS, HR, HR_SIGNS},
    token::Kind,
    tokens,
};

/// Words that titles and names begin with.
const ARTICLES: &[&str] = &["the", "der", "die", "das", "el", "la", "los", "las"];

/// The words of one language.
struct Known {
    function: BTreeSet<&'static str>,
    signs: BTreeSet<&'static str>,
}

static KNOWN: LazyLock<[(Lang, Known); 4]> = LazyLock::new(|| {
    Lang::ALL.map(|lang| {
        let (function, signs) = match lang {
            Lang::En => (EN, EN_SIGNS),
            Lang::Hr => (HR, HR_SIGNS),
            Lang::De => (DE, DE_SIGNS),
            Lang::Es => (ES, ES_SIGNS),
        };
        let set = |words: &'static str| words.split_whitespace().collect();
        (lang, Known { function: set(function), signs: set(signs) })
    })
});

/// The languages that have a word; where none does, those that nearly have it: a long word with a letter too many or
/// too few, or two swapped, still shows its language.
fn languages_of(word: &str) -> Vec<Lang> {
    let which =
        |has: &dyn Fn(&Known) -> bool| KNOWN.iter().filter(|(_, known)| has(known)).map(|(lang, _)| *lang).collect();
    let exact: Vec<Lang> = which(&|known| known.function.contains(word) || known.signs.contains(word));
    if !exact.is_empty() || word.len() < 5 {
        return exact;
    }
    which(&|known| known.function.iter().chain(&known.signs).any(|own| mistyped(word, own)))
}

/// The language of a message, or `None` when nothing in it decides.
///
/// A word that only one language has counts two, one that several have counts one for each of them, and so does an
/// article, with which a title may begin ("Der Prozess"). Letters that only one language has count two in a sentence;
/// in a word alone, or in one with a capital, they may be of a name. Two are enough; among equals the language that
/// the tenant speaks is meant.
pub fn language(text: &str, languages: &[Lang]) -> Option<Lang> {
    let mut points = Lang::ALL.map(|lang| (lang, 0_u32));
    let words: Vec<Token> = tokens(text).into_iter().filter(|token| token.kind == Kind::Word).collect();
    // "AB" in "ZG 1234-AB" is no word.
    for token in words.iter().filter(|token| !in_code(text, token)) {
        let word = token.text.as_str();
        let knowing = languages_of(word);
        let worth = if knowing.len() == 1 && !ARTICLES.contains(&word) { 2 } else { 1 };
        for (_, sum) in points.iter_mut().filter(|(lang, _)| knowing.contains(lang)) {
            *sum += worth;
        }
        let raw = &text[token.span.clone()];
        if words.len() > 1 && knowing.is_empty() && !raw.starts_with(char::is_uppercase) {
            let shown = letters(raw);
            for (_, sum) in points.iter_mut().filter(|(lang, _)| shown == Some(*lang)) {
                *sum += 2;
            }
        }
    }
    if text.contains(['¿', '¡']) {
        points[3].1 += 2;
    }
    let most = points.iter().map(|(_, sum)| *sum).max().filter(|sum| *sum > 1)?;
    let best = || points.iter().filter(|(_, sum)| *sum == most).map(|(lang, _)| *lang);
    let mut spoken = best().filter(|lang| languages.contains(lang));
    match (spoken.next(), spoken.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// True when a digit or dash stands right before a word.
fn in_code(text: &str, token: &Token) -> bool {
    text[..token.span.start].ends_with(|c: char| c.is_ascii_digit() || c == '-')
}

/// The language whose letters a word has.
fn letters(word: &str) -> Option<Lang> {
    let has = |letters: &str| word.chars().any(|c| letters.contains(c));
    if has("čćđžš") {
        Some(Lang::Hr)
    } else if has("äöß") {
        Some(Lang::De)
    } else if has("ñáéíóú") {
        Some(Lang::Es)
    } else if has("ü") {
        Some(Lang::De)
    } else {
        None
    }
}

/// True for a word that names nothing: articles, prepositions, pronouns and the verbs of asking.
pub fn is_filler(word: &str) -> bool {
    const MORE: &[&str] = &[
        "ones", "them", "him", "her", "also", "too", "then", "same", "ok", "okay", "well", "pa", "onda", "isto", "taj",
        "tu", "tom", "ih", "nju", "njega", "njih", "bilo", "bude", "hm", "and", "i", "a", "o", "what", "sta", "about",
        "vs", "je", "l",
    ];
    KNOWN.iter().any(|(_, known)| known.function.contains(word)) || MORE.contains(&word)
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
            ("4711", None),
            ("Octavia", None),
            ("where is the Škoda", Some(Lang::En)),
            ("", None),
        ] {
            assert_eq!(language(text, &Lang::ALL), expected, "{text}");
        }
        assert_eq!(language("koje su knjige", &[Lang::En]), None, "a language that is not configured");
    }

    fn check(lang: Lang, lines: &[&str]) {
        for line in lines {
            assert_eq!(language(line, &Lang::ALL), Some(lang), "{line}");
        }
    }

    #[test]
    fn short_english_lines_are_english() {
        check(
            Lang::En,
            &[
                "which rooms are free",
                "book it",
                "the second one",
                "and the day after",
                "tomorow 9-12",
                "show my loans",
                "what's booked on friday",
                "until 1 please",
                "yes but until 1",
                "im looking for a book",
                "wich one is availble",
                "cancel my booking",
                "no, the red one",
                "more",
                "where is the Krleža room",
                "i need a person",
                "will it be open",
            ],
        );
    }

    #[test]
    fn short_croatian_lines_are_croatian() {
        check(
            Lang::Hr,
            &[
                "koje su sobe slobodne",
                "rezerviraj je",
                "druga",
                "a dan poslije",
                "sutra 9-12",
                "pokazi moje posudbe",
                "sto je rezervirano u petak",
                "do 13 molim",
                "da ali do 13",
                "trebam sobu",
                "ima li sto slobodno",
                "otkazi moju rezervaciju",
                "ne, crvenu",
                "jos",
                "gdje je soba Krleža",
                "zelim osobu",
                "prikaži račune",
                "daj mi sve sobe",
            ],
        );
    }

    #[test]
    fn short_german_lines_are_german() {
        check(
            Lang::De,
            &[
                "welche räume sind frei",
                "welche raeume sind frei",
                "buch es",
                "der zweite",
                "und am Tag danach",
                "morgen 9-12",
                "zeig meine Ausleihen",
                "was ist am freitag gebucht",
                "bis 13 uhr bitte",
                "ja aber bis 13 uhr",
                "ich brauch nen raum",
                "welhce sind verfügbar",
                "storniere meine buchung",
                "nein, den roten",
                "mehr",
                "wo ist der Raum Krleža",
                "ich möchte mit einem menschen sprechen",
                "hallo, welche Autos sind frei?",
                "was ist in der bibliothek los",
                "halb neun",
                "wann habt ihr offen",
                "is da noch was frei",
                "übermorgen",
            ],
        );
    }

    #[test]
    fn short_spanish_lines_are_spanish() {
        check(
            Lang::Es,
            &[
                "qué salas están libres",
                "que salas estan libres",
                "resérvala",
                "el segundo",
                "y al día siguiente",
                "manana de 9 a 12",
                "muestra mis prestamos",
                "que hay reservado el viernes",
                "hasta la una por favor",
                "si, pero hasta la una",
                "necesito una sala",
                "cuales estan disponbiles",
                "cancela mi reserva",
                "no, la roja",
                "más",
                "donde esta la sala Krleža",
                "quiero hablar con una persona",
                "¿a qué hora abrís?",
                "mañana",
                "a las nueve y media",
                "hola, que coches hay libres?",
                "pasado mañana",
                "me la reservas",
            ],
        );
    }

    #[test]
    fn names_numbers_and_words_of_several_languages_decide_nothing() {
        for text in [
            "Tesla",
            "Krleža",
            "krleža",
            "Müller",
            "müller",
            "José",
            "josé",
            "Peña",
            "Gundulić",
            "ok",
            "OK 👍",
            "no 4",
            "Emma",
            "Dune",
            "ZG 1234-AB",
            "9-12",
            "22.11.",
            "Ana Horvat",
            "Die Hard",
            "Der Prozess",
            "La Regenta",
            "Los Angeles",
            "no",
            "da igual",
            "👍",
            "Café Müller",
            "hm",
        ] {
            assert_eq!(language(text, &Lang::ALL), None, "{text}");
        }
    }

    #[test]
    fn among_equals_the_language_of_the_tenant_is_meant() {
        for (languages, expected) in [
            (&[Lang::En, Lang::De][..], Some(Lang::En)),
            (&[Lang::Es, Lang::De], Some(Lang::Es)),
            (&[Lang::En, Lang::Es], None),
            (&[Lang::De, Lang::Hr], None),
        ] {
            assert_eq!(language("no no", languages), expected, "{languages:?}");
        }
    }
}
