//! Questions for how something stands that has no end yet.

use super::{fold, token::Kind, tokens};

/// Words that ask how something stands, folded; a word of [`FILLERS`] may follow. Only heard while something has no end.
const WHETHER: &[&str] = &[
    "is it there",
    "is it in",
    "is it done",
    "is it through",
    "is it ok",
    "is it okay",
    "did it work",
    "did it go through",
    "did you check",
    "has it worked",
    "was it done",
    "any news",
    "what about it",
    "and now",
    "status",
    "je li tamo",
    "je li tu",
    "je li upisano",
    "je li uspjelo",
    "je li proslo",
    "je li gotovo",
    "jel upisano",
    "jel proslo",
    "jel uspjelo",
    "ima li novosti",
    "ima novosti",
    "jesi li provjerio",
    "sto je s tim",
    "ist es da",
    "ist es jetzt da",
    "ist es schon da",
    "ist es fertig",
    "ist es durch",
    "hat es geklappt",
    "hat das geklappt",
    "gibt es neues",
    "gibt es etwas neues",
    "schon was neues",
    "esta ya",
    "ya esta",
    "esta hecho",
    "ha funcionado",
    "se ha hecho",
    "ha salido bien",
    "hay novedades",
    "alguna novedad",
];

/// Words that say nothing more behind such a question; anything else makes it a wish of its own.
const FILLERS: &[&str] = &[
    "now",
    "yet",
    "already",
    "then",
    "please",
    "finally",
    "meanwhile",
    "sada",
    "sad",
    "vec",
    "molim",
    "konacno",
    "jetzt",
    "schon",
    "nun",
    "bitte",
    "endlich",
    "ya",
    "ahora",
    "por",
    "fin",
    "favor",
];

/// True for a short question about how it stands; `done` is what would have been done ("booked").
pub fn asks_whether(text: &str, done: &str) -> bool {
    const WORDS_MAX: usize = 6;
    let words: Vec<String> = tokens(text).into_iter().filter(|t| t.kind != Kind::Mark).map(|t| t.text).collect();
    let joined = words.join(" ");
    let filled = |rest: &str| rest.split_whitespace().all(|word| FILLERS.contains(&word));
    let begins = |phrase: &str| {
        let rest = joined.strip_prefix(phrase);
        rest.is_some_and(|rest| (rest.is_empty() || rest.starts_with(' ')) && filled(rest))
    };
    let own = ["is it", "was it", "is that", "has it been"].map(|start| format!("{start} {}", fold(done)));
    let polite = ["and ", "so ", "i ", "a ", "und ", "y "].iter().find_map(|word| joined.strip_prefix(word));
    words.len() <= WORDS_MAX
        && (WHETHER.iter().any(|phrase| begins(phrase) || polite == Some(phrase)) || own.iter().any(|own| begins(own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_question_for_the_state_of_things_is_heard() {
        for text in [
            "is it there?",
            "Is it there now?",
            "is it booked?",
            "was it booked yet",
            "and, is it there?",
            "Any news?",
            "je li upisano?",
            "Je li prošlo?",
            "ist es da?",
            "Hat es geklappt?",
            "¿ya está?",
            "¿Hay novedades?",
        ] {
            assert!(asks_whether(text, "booked"), "{text}");
        }
        for text in [
            "is it red?",
            "and now show me rooms",
            "status of order 5",
            "is it booked by Ana?",
            "book it",
            "is it possible to book the red one tomorrow",
            "there",
            "which are free",
            "",
        ] {
            assert!(!asks_whether(text, "booked"), "{text}");
        }
    }
}
