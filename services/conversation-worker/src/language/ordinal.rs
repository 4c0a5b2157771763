//! "The second one", "drugi", "2": which row of a list is meant.

use super::{Token, fold::same_stem, token::Kind, tokens};

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

/// Words that may stand beside an ordinal.
const AROUND: &[&str] = &[
    "the", "one", "ones", "number", "no", "nr", "broj", "br", "row", "option", "take", "i'll", "i", "choose", "want",
    "please", "that", "this", "molim", "uzmi", "uzet", "uzimam", "cu", "onaj", "onu", "ona", "ono", "taj", "ta", "tu",
    "to", "pod", "st", "nd", "rd", "th", "would", "like", "zelim", "moze", "hocu", "and", "a", "what", "about", "sto",
    "je", "s", "of", "them", "show", "me", "pokazi", "mi",
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
            .map_or_else(|| word_value(&token.text), |n| i64::try_from(n).ok().filter(|n| (1..=99).contains(n)));
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
pub fn ordinal_within(words: &[Token]) -> Option<(i64, usize)> {
    words.iter().enumerate().find_map(|(at, token)| {
        let value = word_value(&token.text)?;
        let next = words.get(at + 1).map(|t| t.text.as_str());
        let english =
            next.is_none_or(|next| matches!(next, "one" | "of")) || words[..at].last().is_some_and(|t| t.word("the"));
        (english || same_stem(&token.text, "drugi") || value == 1).then_some((value, at))
    })
}

fn word_value(word: &str) -> Option<i64> {
    ORDINALS.iter().find(|(words, _)| words.contains(&word)).map(|(_, value)| *value)
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
    fn places_stay_within_the_list() {
        for (ordinal, count, expected) in
            [(1, 2, Some(0)), (2, 2, Some(1)), (3, 2, None), (-1, 3, Some(2)), (-1, 0, None)]
        {
            assert_eq!(place(ordinal, count), expected, "{ordinal} of {count}");
        }
    }
}
