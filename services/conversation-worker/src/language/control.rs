//! Words that steer a dialogue, in every dialogue language at once: yes, no, cancel, back, help and the like.

use super::{Token, fold, fold::near, token::Kind, tokens};

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

/// Phrases by meaning, folded; longer ones first within a meaning does not matter, the whole message is compared.
const PHRASES: &[(Control, &[&str])] = &[
    (
        Control::Yes,
        &[
            "yes",
            "y",
            "yep",
            "yeah",
            "yes please",
            "sure",
            "ok",
            "okay",
            "ok yes",
            "go ahead",
            "do it",
            "confirm",
            "i confirm",
            "correct",
            "right",
            "that's right",
            "of course",
            "please do",
            "yes do it",
            "fine",
            "da",
            "moze",
            "naravno",
            "u redu",
            "tako je",
            "potvrdujem",
            "potvrdi",
            "da molim",
            "jasno",
            "slazem se",
            "da da",
            "da moze",
            "ajde",
            "vazi",
            "dobro",
        ],
    ),
    (Control::No, &["no", "n", "nope", "no thanks", "not really", "ne", "ne hvala", "nemoj", "nikako"]),
    (
        Control::Cancel,
        &[
            "cancel",
            "cancel it",
            "cancel that",
            "stop",
            "abort",
            "forget it",
            "never mind",
            "nevermind",
            "quit",
            "leave it",
            "odustani",
            "odustajem",
            "prekini",
            "zaboravi",
            "nista",
            "stani",
            "ponisti",
            "ipak ne",
            "nema veze",
        ],
    ),
    (Control::Back, &["back", "go back", "one step back", "previous", "natrag", "nazad", "vrati se", "korak natrag"]),
    (
        Control::Help,
        &[
            "help",
            "help me",
            "what can you do",
            "what can i do",
            "menu",
            "commands",
            "how does this work",
            "?",
            "pomoc",
            "upomoc",
            "pomozi",
            "pomozi mi",
            "sto mozes",
            "sto sve mozes",
            "sto znas",
            "izbornik",
            "kako ovo radi",
        ],
    ),
    (
        Control::Person,
        &[
            "a person",
            "a person please",
            "person",
            "human",
            "a human",
            "a human please",
            "agent",
            "operator",
            "talk to a person",
            "talk to a human",
            "i want to talk to a person",
            "i want a person",
            "i need a person",
            "let me talk to a person",
            "speak to a person",
            "real person",
            "covjek",
            "osoba",
            "osobu",
            "osobu molim",
            "zelim osobu",
            "zelim razgovarati s osobom",
            "zivu osobu",
            "agenta",
            "operatera",
            "razgovor s osobom",
            "s osobom",
            "zelim covjeka",
            "trebam osobu",
            "osoba molim",
        ],
    ),
    (
        Control::Wrong,
        &[
            "wrong",
            "that's wrong",
            "thats wrong",
            "that is wrong",
            "this is wrong",
            "not right",
            "incorrect",
            "that's not right",
            "wrong answer",
            "that's not what i asked",
            "that's not what i meant",
            "krivo",
            "to je krivo",
            "pogresno",
            "to je pogresno",
            "netocno",
            "nije tocno",
            "nije dobro",
            "krivi odgovor",
        ],
    ),
    (
        Control::Greeting,
        &[
            "hi",
            "hello",
            "hey",
            "hi there",
            "hello there",
            "good morning",
            "good afternoon",
            "good evening",
            "good day",
            "start",
            "bok",
            "bog",
            "pozdrav",
            "hej",
            "zdravo",
            "cao",
            "dobar dan",
            "dobro jutro",
            "dobra vecer",
            "dobro vece",
            "halo",
            "hallo",
            "ej",
        ],
    ),
    (
        Control::Change,
        &[
            "change",
            "change it",
            "change that",
            "edit",
            "change something",
            "promijeni",
            "promjeni",
            "izmijeni",
            "uredi",
            "ispravi",
            "promijeni to",
        ],
    ),
    (
        Control::More,
        &[
            "more",
            "show more",
            "next",
            "more please",
            "the rest",
            "go on",
            "continue",
            "show me more",
            "jos",
            "vise",
            "dalje",
            "pokazi jos",
            "pokazi vise",
            "sljedece",
            "nastavi",
            "ostalo",
        ],
    ),
    (
        Control::Thanks,
        &[
            "thanks",
            "thank you",
            "thx",
            "great thanks",
            "thank you very much",
            "hvala",
            "hvala lijepa",
            "puno hvala",
            "fala",
        ],
    ),
];

/// Words that may stand around a control phrase without changing it.
const POLITE: &[&str] = &["please", "molim", "te", "vas", "pls", "now", "sad", "sada"];

/// The meaning of a message that is a control phrase and nothing else, one typo allowed in long words.
pub fn control(text: &str) -> Option<Control> {
    if text.trim() == "👍" {
        return Some(Control::Yes);
    }
    if text.trim() == "?" {
        return Some(Control::Help);
    }
    let words: Vec<Token> = tokens(text).into_iter().filter(|t| t.kind != Kind::Mark).take(9).collect();
    if words.is_empty() || words.len() > 8 {
        return None;
    }
    let all: Vec<&str> = words.iter().map(|t| t.text.as_str()).collect();
    let trimmed: Vec<&str> = all.iter().copied().filter(|w| !POLITE.contains(w)).collect();
    exact(&all).or_else(|| exact(&trimmed)).or_else(|| {
        // "hi Ana", "hello everybody": a greeting and one more word.
        match trimmed.as_slice() {
            [first, _] if phrase_of(Control::Greeting, &[first]) => Some(Control::Greeting),
            _ => None,
        }
    })
}

fn exact(words: &[&str]) -> Option<Control> {
    if words.is_empty() {
        return None;
    }
    let same = |phrase: &str| phrase.split(' ').eq(words.iter().copied());
    let alike = |phrase: &str| {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        wanted.len() == words.len() && wanted.iter().zip(words).all(|(wanted, word)| near(word, wanted))
    };
    let find = |test: &dyn Fn(&str) -> bool| {
        PHRASES.iter().find(|(_, phrases)| phrases.iter().any(|phrase| test(phrase))).map(|(control, _)| *control)
    };
    find(&same).or_else(|| find(&alike))
}

fn phrase_of(wanted: Control, words: &[&str]) -> bool {
    exact(words) == Some(wanted)
}

/// A message that begins with a yes or no and goes on: the answer and the rest ("yes, but until 1").
pub fn leading(text: &str) -> Option<(Control, &str)> {
    let words = tokens(text);
    let first = words.first()?;
    let control = match fold(&first.text).as_str() {
        "yes" | "yeah" | "yep" | "ok" | "okay" | "da" | "moze" | "sure" => Control::Yes,
        "no" | "nope" | "ne" => Control::No,
        _ => return None,
    };
    let mut rest = 1;
    while words.get(rest).is_some_and(|t| {
        t.kind == Kind::Mark
            || t.one_of(&["but", "ali", "only", "samo", "however", "please", "molim", "nego", "vec", "just"])
    }) {
        rest += 1;
    }
    let start = words.get(rest)?.span.start;
    Some((control, &text[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_phrases_are_understood_in_both_languages() {
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
    fn a_yes_that_goes_on_gives_the_rest() {
        assert_eq!(leading("yes, but until 1"), Some((Control::Yes, "until 1")));
        assert_eq!(leading("da, ali do 13"), Some((Control::Yes, "do 13")));
        assert_eq!(leading("No, tomorrow"), Some((Control::No, "tomorrow")));
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
