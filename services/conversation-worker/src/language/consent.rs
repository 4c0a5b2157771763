//! Words by which somebody wants no more messages that they did not ask for, or wants them again, in every dialogue
//! language at once.

use super::{Token, token::Kind, tokens};

/// What somebody wants of messages that they did not ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// No more.
    Stop,
    /// No more advertising.
    StopMarketing,
    /// Again.
    Start,
    /// Again, if they wanted none; the word means other things as well.
    StartIfStopped,
}

const STOP: &[&str] = &[
    "stop",
    "stop all",
    "stopall",
    "unsubscribe",
    "opt out",
    "optout",
    "no more messages",
    "odjava",
    "odjavi",
    "odjavi me",
    "bez poruka",
    "ne zelim poruke",
    "stopp",
    "abmelden",
    "abbestellen",
    "keine nachrichten",
    "baja",
    "dar de baja",
    "darme de baja",
    "no mas mensajes",
];
/// What stands on the buttons by which templates for advertising are ended.
const STOP_MARKETING: &[&str] = &[
    "stop promotions",
    "stop marketing",
    "zaustavi promocije",
    "bez promocija",
    "werbung stoppen",
    "keine werbung",
    "detener promociones",
    "no mas promociones",
];
const START: &[&str] = &["start", "unstop", "subscribe", "opt in", "optin"];
const START_IF_STOPPED: &[&str] = &[
    "kreni",
    "prijava",
    "prijavi",
    "prijavi me",
    "anmelden",
    "starten",
    "alta",
    "dar de alta",
    "darme de alta",
    "empezar",
];

/// The meaning of a message that is such a phrase and nothing else; no typo is forgiven.
pub fn consent(text: &str) -> Option<Consent> {
    let words: Vec<Token> = tokens(text).into_iter().filter(|token| token.kind != Kind::Mark).take(5).collect();
    let said = words.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ");
    match said.as_str() {
        said if STOP.contains(&said) => Some(Consent::Stop),
        said if STOP_MARKETING.contains(&said) => Some(Consent::StopMarketing),
        said if START.contains(&said) => Some(Consent::Start),
        said if START_IF_STOPPED.contains(&said) => Some(Consent::StartIfStopped),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_phrase_alone_counts() {
        for (text, expected) in [
            ("STOP", Some(Consent::Stop)),
            ("Stop.", Some(Consent::Stop)),
            ("/stop", Some(Consent::Stop)),
            ("Odjavi me", Some(Consent::Stop)),
            ("ne želim poruke", Some(Consent::Stop)),
            ("Abmelden!", Some(Consent::Stop)),
            ("Darme de baja", Some(Consent::Stop)),
            ("Stop promotions", Some(Consent::StopMarketing)),
            ("Detener promociones", Some(Consent::StopMarketing)),
            ("START", Some(Consent::Start)),
            ("/start", Some(Consent::Start)),
            ("kreni", Some(Consent::StartIfStopped)),
            ("anmelden", Some(Consent::StartIfStopped)),
            ("alta", Some(Consent::StartIfStopped)),
            ("stop the reminder", None),
            ("cancel", None),
            ("stpo", None),
            ("", None),
        ] {
            assert_eq!(consent(text), expected, "{text}");
        }
    }
}
