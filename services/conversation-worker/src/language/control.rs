//! Words that steer a dialogue, in every dialogue language at once: yes, no, cancel, back, help and the like.

use std::{collections::HashMap, sync::LazyLock};

use super::{Token, fold, fold::mistyped, phrases::PHRASES, token::Kind, tokens};

/// What a word asks the dialogue itself to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// Agreement.
    Yes,
    /// Refusal.
    No,
    /// Leave it.
    Cancel,
    /// One question back.
    Back,
    /// What can you do.
    Help,
    /// A human, please.
    Person,
    /// The last answer was not right.
    Wrong,
    /// Hello.
    Greeting,
    /// Something of it is to be different.
    Change,
    /// Go on with the list.
    More,
    /// Thank you.
    Thanks,
}

/// Words that may stand around a control phrase without changing it.
const POLITE: &[&str] =
    &["please", "molim", "te", "vas", "pls", "now", "sad", "sada", "bitte", "jetzt", "por", "favor", "porfa"];

/// Words that differ from one of the phrases by a letter and are others.
const OTHERS: &[&str] = &["anderen", "nicht", "personas", "buena", "gracia", "cambio", "mogen", "agentes"];

/// The meaning of a message that is a control phrase and nothing else.
///
/// A typo in a long word is forgiven, but never for a yes, which may book, nor for "wrong", which a description of
/// damage may say. A yes that asks ("sicher?", "¿vale?") is none.
pub fn control(text: &str) -> Option<Control> {
    if text.trim() == "👍" {
        return Some(Control::Yes);
    }
    match text.trim().to_ascii_lowercase().as_str() {
        "?" | "/help" => return Some(Control::Help),
        // What a Telegram bot is sent when somebody opens it.
        "/start" => return Some(Control::Greeting),
        "/cancel" => return Some(Control::Cancel),
        // A link to the bot may say where it stood.
        opened if opened.starts_with("/start ") => return Some(Control::Greeting),
        _ => {}
    }
    let words: Vec<Token> = tokens(text).into_iter().filter(|t| t.kind != Kind::Mark).take(9).collect();
    if words.is_empty() || words.len() > 8 {
        return None;
    }
    let all: Vec<&str> = words.iter().map(|t| t.text.as_str()).collect();
    let trimmed: Vec<&str> = all.iter().copied().filter(|w| !POLITE.contains(w)).collect();
    let found = exact(&all).or_else(|| exact(&trimmed)).or_else(|| {
        // "hi Ana", "hello everybody": a greeting and one more word.
        match trimmed.as_slice() {
            [first, _] if phrase_of(Control::Greeting, &[first]) => Some(Control::Greeting),
            _ => None,
        }
    });
    found.filter(|control| *control != Control::Yes || !text.contains(['?', '¿']))
}

fn exact(words: &[&str]) -> Option<Control> {
    if words.is_empty() {
        return None;
    }
    let phrases = BY_LENGTH.get(&words.len())?;
    let alike = |wanted: &[&str]| {
        wanted
            .iter()
            .zip(words)
            .all(|(wanted, word)| word == wanted || (!OTHERS.contains(word) && mistyped(word, wanted)))
    };
    let same = phrases.iter().find(|(_, wanted)| wanted == words);
    let found = same.or_else(|| {
        phrases.iter().find(|(control, wanted)| !matches!(control, Control::Yes | Control::Wrong) && alike(wanted))
    });
    found.map(|(control, _)| *control)
}

/// A phrase as its words.
type Phrase = (Control, Vec<&'static str>);

/// All phrases in their order, by how many words they have.
static BY_LENGTH: LazyLock<HashMap<usize, Vec<Phrase>>> = LazyLock::new(|| {
    let mut all: HashMap<usize, Vec<Phrase>> = HashMap::new();
    for (control, phrases) in PHRASES {
        for phrase in phrases.split(',') {
            let words: Vec<_> = phrase.split_whitespace().collect();
            all.entry(words.len()).or_default().push((*control, words));
        }
    }
    all
});

fn phrase_of(wanted: Control, words: &[&str]) -> bool {
    exact(words) == Some(wanted)
}

/// True for a "wrong" of one word, exactly as it is written: as a whole answer it is no description of anything.
pub fn only_wrong(text: &str) -> bool {
    let words: Vec<Token> = tokens(text).into_iter().filter(|token| token.kind != Kind::Mark).collect();
    matches!(words.as_slice(), [only] if exact(&[only.text.as_str()]) == Some(Control::Wrong))
}

/// A message that begins with a yes or no and goes on: the answer and the rest ("yes, but until 1").
pub fn leading(text: &str) -> Option<(Control, &str)> {
    let words = tokens(text);
    let first = words.first()?;
    let (control, clear) = match fold(&first.text).as_str() {
        "yes" | "yeah" | "yep" | "ok" | "okay" | "da" | "moze" | "sure" => (Control::Yes, true),
        // "Ja" is "I" in Croatian, "si" is "if" in Spanish.
        "ja" | "klar" | "gerne" | "si" | "vale" | "claro" => (Control::Yes, false),
        "no" | "nope" | "ne" | "nein" | "nee" => (Control::No, true),
        _ => return None,
    };
    let joins = |t: &Token| {
        t.kind == Kind::Mark
            || t.one_of(&[
                "but", "ali", "only", "samo", "however", "please", "molim", "nego", "vec", "just", "aber", "nur",
                "bitte", "sondern", "lieber", "jedoch", "pero", "solo", "sino", "mejor", "por", "favor",
            ])
    };
    if !clear && !words.get(1).is_some_and(joins) {
        return None;
    }
    let mut rest = 1;
    while words.get(rest).is_some_and(joins) {
        rest += 1;
    }
    let start = words.get(rest)?.span.start;
    Some((control, &text[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_phrases_are_understood_in_english_and_croatian() {
        for (text, expected) in [
            ("Yes!", Some(Control::Yes)),
            ("da", Some(Control::Yes)),
            ("Može", Some(Control::Yes)),
            ("u redu", Some(Control::Yes)),
            ("OK 👍", Some(Control::Yes)),
            ("👍", Some(Control::Yes)),
            ("no", Some(Control::No)),
            ("Ne, hvala", Some(Control::No)),
            ("cancle", Some(Control::Cancel)),
            ("Odustani", Some(Control::Cancel)),
            ("odustanni", Some(Control::Cancel)),
            ("forget it", Some(Control::Cancel)),
            ("natrag", Some(Control::Back)),
            ("Pomoć!", Some(Control::Help)),
            ("help", Some(Control::Help)),
            ("What can you do?", Some(Control::Help)),
            ("a person please", Some(Control::Person)),
            ("želim razgovarati s osobom", Some(Control::Person)),
            ("krivo", Some(Control::Wrong)),
            ("that's wrong", Some(Control::Wrong)),
            ("That’s wrong", Some(Control::Wrong)),
            ("hi", Some(Control::Greeting)),
            ("Dobar dan", Some(Control::Greeting)),
            ("Bok, Dragoman", Some(Control::Greeting)),
            ("promijeni", Some(Control::Change)),
            ("još", Some(Control::More)),
            ("more please", Some(Control::More)),
            ("hvala", Some(Control::Thanks)),
            ("that's right", Some(Control::Yes)),
            ("jasno", Some(Control::Yes)),
            ("cancel my appointment on Friday", None),
            ("yes, but until 1", None),
            ("show me all books", None),
            ("", None),
            ("!!!", None),
        ] {
            assert_eq!(control(text), expected, "{text}");
        }
    }

    #[test]
    fn control_phrases_are_understood_in_german() {
        for (text, expected) in [
            ("Ja!", Some(Control::Yes)),
            ("ja, bitte", Some(Control::Yes)),
            ("Ja, gerne", Some(Control::Yes)),
            ("klar", Some(Control::Yes)),
            ("Natürlich", Some(Control::Yes)),
            ("passt", Some(Control::Yes)),
            ("nein", Some(Control::No)),
            ("Nein, danke", Some(Control::No)),
            ("Abbrechen", Some(Control::Cancel)),
            ("abrechen", Some(Control::Cancel)),
            ("vergiss es", Some(Control::Cancel)),
            ("zurück", Some(Control::Back)),
            ("zurueck", Some(Control::Back)),
            ("Hilfe!", Some(Control::Help)),
            ("Was kannst du?", Some(Control::Help)),
            ("ein Mensch bitte", Some(Control::Person)),
            ("Ich möchte mit einem Menschen sprechen", Some(Control::Person)),
            ("falsch", Some(Control::Wrong)),
            ("Das stimmt nicht", Some(Control::Wrong)),
            ("Guten Tag", Some(Control::Greeting)),
            ("Hallo Dragoman", Some(Control::Greeting)),
            ("ändern", Some(Control::Change)),
            ("mehr", Some(Control::More)),
            ("die nächsten", Some(Control::More)),
            ("Vielen Dank", Some(Control::Thanks)),
            ("storniere meine Buchung", None),
            ("ja, aber bis 13 Uhr", None),
            ("bitte", None),
            // No yes: a question, a typo, another word.
            ("sicher?", None),
            ("stimmt das", None),
            ("sicherlich", None),
            ("klarr", None),
            ("richtung", None),
            ("gutes", None),
            ("jahr", None),
            ("jana", None),
            ("genauso", None),
            ("passst", None),
            // Nor another phrase.
            ("anderen", None),
            ("die anderen", None),
            ("nicht", None),
            ("recht", None),
            ("mensa", None),
            ("personen", None),
            ("falsche Seite", None),
        ] {
            assert_eq!(control(text), expected, "{text}");
        }
    }

    #[test]
    fn control_phrases_are_understood_in_spanish() {
        for (text, expected) in [
            ("Sí", Some(Control::Yes)),
            ("si", Some(Control::Yes)),
            ("sí, por favor", Some(Control::Yes)),
            ("vale", Some(Control::Yes)),
            ("¡Claro que sí!", Some(Control::Yes)),
            ("De acuerdo", Some(Control::Yes)),
            ("está bien", Some(Control::Yes)),
            ("no", Some(Control::No)),
            ("No, gracias", Some(Control::No)),
            ("Cancelar", Some(Control::Cancel)),
            ("olvídalo", Some(Control::Cancel)),
            ("cancealr", Some(Control::Cancel)),
            ("atrás", Some(Control::Back)),
            ("Ayuda", Some(Control::Help)),
            ("¿Qué puedes hacer?", Some(Control::Help)),
            ("una persona, por favor", Some(Control::Person)),
            ("quiero hablar con una persona", Some(Control::Person)),
            ("incorrecto", Some(Control::Wrong)),
            ("eso está mal", Some(Control::Wrong)),
            ("hola", Some(Control::Greeting)),
            ("¡Buenos días!", Some(Control::Greeting)),
            ("cambiar", Some(Control::Change)),
            ("más", Some(Control::More)),
            ("ver más", Some(Control::More)),
            ("muchas gracias", Some(Control::Thanks)),
            ("cancela mi reserva", None),
            ("sí, pero hasta la una", None),
            ("por favor", None),
            // No yes: a question, a typo, another word.
            ("¿vale?", None),
            ("y?", None),
            ("vale la pena", None),
            ("valle", None),
            ("siglo", None),
            ("correctos", None),
            ("perfecta", None),
            ("claros", None),
            ("bueno", None),
            ("mal", None),
            ("dalí", None),
            // Nor another phrase.
            ("personas", None),
            ("buena", None),
            ("nadar", None),
            ("cambio", None),
            ("para", None),
        ] {
            assert_eq!(control(text), expected, "{text}");
        }
    }

    #[test]
    fn other_words_are_no_control_phrases() {
        for text in [
            // One letter from a yes.
            "right",
            "right now",
            "eight",
            "night",
            "light",
            "might",
            "tight",
            "kasno",
            "masno",
            "dobra",
            "corect",
            "naravvno",
            "surely",
            // One letter from a no, or from leaving it.
            "nekako",
            "about",
            "cancer",
            "forgot it",
            "leaves it",
            "lista",
            "niste",
            "cista",
            "stan",
            "stari",
            "strani",
            // From the others.
            "ponoć",
            "charge",
            "chance",
            "prison",
            "urgent",
            "not eight",
            "krilo",
            "krivi",
            "wring",
            "smart",
            "cello",
            "dulje",
        ] {
            assert_eq!(control(text), None, "{text}");
        }
    }

    #[test]
    fn a_typo_in_a_long_word_is_forgiven() {
        for (text, expected) in [
            ("cancle", Control::Cancel),
            ("canccel", Control::Cancel),
            ("odustnai", Control::Cancel),
            ("odustajm", Control::Cancel),
            ("promjieni", Control::Change),
            ("operatro", Control::Person),
            ("contiue", Control::More),
            ("pozdarv", Control::Greeting),
        ] {
            assert_eq!(control(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn only_one_exact_word_is_a_plain_wrong() {
        for (text, expected) in [
            ("wrong", true),
            ("Wrong!", true),
            ("krivo", true),
            ("Pogrešno.", true),
            ("falsch", true),
            ("¡Incorrecto!", true),
            ("not right", false),
            ("nije dobro", false),
            ("wrong page torn", false),
            ("wrongg", false),
            ("krivi", false),
        ] {
            assert_eq!(only_wrong(text), expected, "{text}");
        }
    }

    #[test]
    fn a_yes_that_goes_on_gives_the_rest() {
        assert_eq!(leading("yes, but until 1"), Some((Control::Yes, "until 1")));
        assert_eq!(leading("da, ali do 13"), Some((Control::Yes, "do 13")));
        assert_eq!(leading("No, tomorrow"), Some((Control::No, "tomorrow")));
        assert_eq!(leading("Ja, aber bis 13 Uhr"), Some((Control::Yes, "bis 13 Uhr")));
        assert_eq!(leading("nein, lieber den blauen"), Some((Control::No, "den blauen")));
        assert_eq!(leading("sí, pero hasta la una"), Some((Control::Yes, "hasta la una")));
        assert_eq!(leading("ja trebam veću sobu"), None);
        assert_eq!(leading("si puedes, a las 10"), None);
        assert_eq!(leading("no, mejor el azul"), Some((Control::No, "el azul")));
        assert_eq!(leading("yes"), None);
        assert_eq!(leading("until 1"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in ".{0,120}") {
            let _ = control(&text);
            let _ = leading(&text);
        }
    }
}
