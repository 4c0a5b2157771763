//! "The second one", "drugi", "2": which row of a list is meant.

use super::{Token, choose::is_filler, fold::same_stem, numbers::numeral, token::Kind, tokens};

/// Ordinals up to ten by their folded beginnings.
const ORDINALS: &[(&[&str], i64)] = &[
    (&["first", "1st", "prvi", "prva", "prvo", "prvu", "prvog"], 1),
    (&["second", "2nd", "drugi", "druga", "drugo", "drugu", "drugog"], 2),
    (&["third", "3rd", "treci", "treca", "trece", "trecu", "treceg"], 3),
    (&["fourth", "4th", "cetvrti", "cetvrta", "cetvrto", "cetvrtu", "cetvrtog"], 4),
    (&["fifth", "5th", "peti", "peta", "peto", "petu", "petog"], 5),
    (&["sixth", "6th", "sesti", "sesta", "sesto", "sestu", "sestog"], 6),
    (&["seventh", "7th", "sedmi", "sedma", "sedmo", "sedmu", "sedmog"], 7),
    (&["eighth", "8th", "osmi", "osma", "osmo", "osmu", "osmog"], 8),
    (&["ninth", "9th", "deveti", "deveta", "deveto", "devetu", "devetog"], 9),
    (&["tenth", "10th", "deseti", "deseta", "deseto", "desetu", "desetog"], 10),
    (&["last", "zadnji", "zadnja", "zadnje", "zadnju", "zadnjeg", "posljednji", "posljednja", "posljednju"], -1),
];

/// The same in German and Spanish, where they stand behind an article.
const WITH_ARTICLE: &[(&[&str], i64)] = &[
    (&["erste", "erster", "ersten", "erstes", "erstem", "primer", "primero", "primera"], 1),
    (&["zweite", "zweiter", "zweiten", "zweites", "zweitem", "segundo", "segunda"], 2),
    (&["dritte", "dritter", "dritten", "drittes", "drittem", "tercer", "tercero", "tercera"], 3),
    (&["vierte", "vierter", "vierten", "viertes", "viertem", "cuarto", "cuarta"], 4),
    (&["funfte", "funfter", "funften", "funftes", "funftem", "fuenfte", "fuenften", "quinto", "quinta"], 5),
    (&["sechste", "sechster", "sechsten", "sechstes", "sechstem", "sexto", "sexta"], 6),
    (&["siebte", "siebter", "siebten", "siebtes", "siebtem", "septimo", "septima"], 7),
    (&["achte", "achter", "achten", "achtes", "achtem", "octavo", "octava"], 8),
    (&["neunte", "neunter", "neunten", "neuntes", "neuntem", "noveno", "novena"], 9),
    (&["zehnte", "zehnter", "zehnten", "zehntes", "zehntem", "decimo", "decima"], 10),
    (&["letzte", "letzter", "letzten", "letztes", "letztem", "ultimo", "ultima"], -1),
];

/// Words that may stand beside an ordinal.
const AROUND: &[&str] = &[
    "the",
    "one",
    "ones",
    "number",
    "no",
    "nr",
    "broj",
    "br",
    "row",
    "option",
    "take",
    "i'll",
    "i",
    "choose",
    "want",
    "please",
    "that",
    "this",
    "molim",
    "uzmi",
    "uzet",
    "uzimam",
    "cu",
    "onaj",
    "onu",
    "ona",
    "ono",
    "taj",
    "ta",
    "tu",
    "to",
    "pod",
    "st",
    "nd",
    "rd",
    "th",
    "would",
    "like",
    "zelim",
    "moze",
    "hocu",
    "and",
    "a",
    "what",
    "about",
    "sto",
    "je",
    "s",
    "of",
    "them",
    "show",
    "me",
    "pokazi",
    "mi",
    "der",
    "die",
    "das",
    "den",
    "dem",
    "nummer",
    "nimm",
    "nehme",
    "ich",
    "bitte",
    "mochte",
    "moechte",
    "will",
    "gern",
    "gerne",
    "zeig",
    "zeige",
    "mir",
    "und",
    "was",
    "ist",
    "mit",
    "davon",
    "el",
    "la",
    "lo",
    "numero",
    "num",
    "opcion",
    "quiero",
    "elijo",
    "escojo",
    "dame",
    "ese",
    "esa",
    "por",
    "favor",
    "muestra",
    "muestrame",
    "y",
    "que",
    "hay",
    "de",
    "ellos",
    "ellas",
    "cojo",
    "tomo",
];

/// The row that a message names when it says nothing else: 1-based, `-1` for the last.
pub fn ordinal(text: &str) -> Option<i64> {
    let words: Vec<Token> = tokens(text).into_iter().filter(|t| t.kind != Kind::Mark).collect();
    if words.len() > 7 {
        return None;
    }
    let mut found = None;
    for token in &words {
        let value = token
            .number()
            .map_or_else(|| value_of(&token.text), |n| i64::try_from(n).ok().filter(|n| (1..=99).contains(n)));
        match value {
            Some(value) if found.is_none() => found = Some(value),
            Some(_) => return None,
            None if AROUND.contains(&token.text.as_str()) => {}
            None => return None,
        }
    }
    found
}

/// An ordinal word somewhere in a sentence that says more ("reserve the second one"): its value and token place.
///
/// In German and Spanish it names a row behind an article, or at the end: "den zweiten", "la segunda". Before a day or
/// a month it names that ("la última semana"), and "el cuarto azul" is a room.
pub fn ordinal_within(words: &[Token]) -> Option<(i64, usize)> {
    words.iter().enumerate().find_map(|(at, token)| {
        let next = words.get(at + 1).map(|t| t.text.as_str());
        if let Some(value) = value_in(WITH_ARTICLE, &token.text) {
            let led = words[..at].last().is_some_and(|t| t.one_of(ARTICLES));
            let ends = words.get(at + 1).is_none_or(|t| t.kind == Kind::Mark || is_filler(&t.text));
            let timed = next.is_some_and(super::dates::is_unit) || dated(words, at + 1);
            return (led && !timed && (ends || !token.text.starts_with("cuart"))).then_some((value, at));
        }
        let value = value_in(ORDINALS, &token.text)?;
        let english =
            next.is_none_or(|next| matches!(next, "one" | "of")) || words[..at].last().is_some_and(|t| t.word("the"));
        (english || same_stem(&token.text, "drugi") || value == 1).then_some((value, at))
    })
}

const ARTICLES: &[&str] = &["der", "die", "das", "den", "dem", "el", "la", "lo", "al", "del"];

/// True where a day or month is named, after "de" or at once.
fn dated(words: &[Token], at: usize) -> bool {
    let after = at + usize::from(words.get(at).is_some_and(|t| t.one_of(&["de", "del"])));
    [at, after].into_iter().any(|at| super::dates::names_day(words, at))
}

/// The value of an ordinal in words.
pub fn word_value(word: &str) -> Option<i64> {
    value_in(ORDINALS, word).or_else(|| value_in(WITH_ARTICLE, word))
}

/// The same, and "die Zwei", "el dos".
fn value_of(word: &str) -> Option<i64> {
    word_value(word).or_else(|| numeral(word).filter(|n| (2..=20).contains(n)).and_then(|n| i64::try_from(n).ok()))
}

fn value_in(ordinals: &[(&[&str], i64)], word: &str) -> Option<i64> {
    ordinals.iter().find(|(words, _)| words.contains(&word)).map(|(_, value)| *value)
}

/// The place in a list of `count`, from 0.
pub fn place(ordinal: i64, count: usize) -> Option<usize> {
    let count = i64::try_from(count).ok()?;
    let place = if ordinal < 0 { count + ordinal } else { ordinal - 1 };
    (0..count).contains(&place).then(|| usize::try_from(place).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_word_or_number() {
        for (text, expected) in [
            ("the second one", Some(2)),
            ("2", Some(2)),
            ("2.", Some(2)),
            ("#3", Some(3)),
            ("number 4", Some(4)),
            ("2nd", Some(2)),
            ("drugi", Some(2)),
            ("druga", Some(2)),
            ("onaj treći", Some(3)),
            ("broj 5", Some(5)),
            ("the last one", Some(-1)),
            ("zadnji molim", Some(-1)),
            ("der zweite", Some(2)),
            ("Den dritten bitte", Some(3)),
            ("ich nehme den ersten", Some(1)),
            ("Nummer 4", Some(4)),
            ("die letzte", Some(-1)),
            ("das fünfte", Some(5)),
            ("el segundo", Some(2)),
            ("la tercera, por favor", Some(3)),
            ("quiero el primero", Some(1)),
            ("número 4", Some(4)),
            ("el último", Some(-1)),
            ("die zwei", Some(2)),
            ("el dos", Some(2)),
            ("a las dos", None),
            ("um zwei", None),
            ("zwei bücher", None),
            ("eine", None),
            ("a las 2", None),
            ("um 2", None),
            ("el segundo o el tercero", None),
            ("book the second one", None),
            ("2 or 3", None),
            ("hello", None),
            ("the one", None),
            ("84300", None),
        ] {
            assert_eq!(ordinal(text), expected, "{text}");
        }
    }

    #[test]
    fn an_ordinal_within_a_sentence_names_a_row() {
        for (text, expected) in [
            ("reserve the second one", Some(2)),
            ("rezerviraj drugu", Some(2)),
            ("buche den zweiten", Some(2)),
            ("buch den letzten morgen 9-12", Some(-1)),
            ("reserva la segunda", Some(2)),
            ("reserva el tercero mañana de 9 a 12", Some(3)),
            ("reserva la primera sala", Some(1)),
            ("reserva el cuarto azul", None),
            ("a las nueve y cuarto", None),
            ("am ersten Dezember", None),
            ("el primero de diciembre", None),
            ("letzte Woche", None),
            ("die letzte Woche", None),
            ("la última semana", None),
            ("zuerst das blaue", None),
            ("den letzten Freitag", None),
        ] {
            assert_eq!(ordinal_within(&tokens(text)).map(|(value, _)| value), expected, "{text}");
        }
    }

    #[test]
    fn places_stay_within_the_list() {
        for (ordinal, count, expected) in
            [(1, 2, Some(0)), (2, 2, Some(1)), (3, 2, None), (-1, 3, Some(2)), (-1, 0, None)]
        {
            assert_eq!(place(ordinal, count), expected, "{ordinal} of {count}");
        }
    }
}
