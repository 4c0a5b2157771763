//! What a choice teaches: a sentence that could have meant several operations meant the one that the person chose.
//!
//! Only a choice counts, and only when its call ended well. A yes to what was found at once says nothing new, and saying
//! it again and again would push aside what was learned by choosing.

use openapi::Operation;
use serde_json::Value;

use super::{
    hints::told,
    identity,
    scope::Scope,
    state::{Frame, Task},
    words::{pronoun, values_said},
};
use crate::{
    language::{fold::same_stem, token::Kind, tokens},
    mask,
    turn::Accepted,
};

/// Longest sentence that is looked at, in characters.
const CHARS_MAX: usize = 300;
/// Most words of it that are values.
const VALUES_MAX: usize = 50;

/// The call of a task ended well: notes its sentence, if the person chose the operation for it. The catalogue decides what
/// of it is kept.
pub fn ended_well(scope: &mut Scope<'_>, task: &Task, operation: &Operation) {
    let (Some(sentence), Some(frame)) = (&task.picked, task.frames.first()) else { return };
    let Some(text) = general(sentence) else { return };
    let values = values_in(&text, &names_of(scope, frame));
    scope.accepted =
        Some(Accepted { operation_id: operation.id.clone(), language: scope.lang.tag().to_owned(), text, values });
}

/// A sentence without what it says of this one time: addresses and numbers, days and amounts, what is told word for word.
/// None when it is about what was said before, when it is long, or when nothing is left.
fn general(sentence: &str) -> Option<String> {
    let sentence = told(sentence).map_or(sentence, |start| &sentence[..start]);
    if pronoun(sentence) || sentence.chars().count() > CHARS_MAX {
        return None;
    }
    let masked = mask::without(sentence);
    let words = tokens(&masked);
    let mut text = String::with_capacity(masked.len());
    let mut from = 0;
    for (token, said) in words.iter().zip(values_said(&words)) {
        if said || token.kind == Kind::Digits {
            text.push_str(&masked[from..token.span.start]);
            text.push(' ');
            from = token.span.end;
        }
    }
    text.push_str(&masked[from..]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.contains(char::is_alphabetic).then_some(text)
}

/// What the call was made with, as text, and who the person is.
fn names_of(scope: &Scope<'_>, frame: &Frame) -> Vec<String> {
    let mut names: Vec<String> = frame.arguments.values().flat_map(texts).collect();
    names.extend(frame.labels.values().cloned());
    names.extend(identity::display_name(scope));
    names.extend(scope.input.messages.iter().filter_map(|said| said.contact_name.clone()));
    names
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// The words of a sentence that are forms of words of these texts.
fn values_in(sentence: &str, names: &[String]) -> Vec<String> {
    let names: Vec<String> = names.iter().flat_map(|name| tokens(name)).map(|token| token.text).collect();
    let said = tokens(sentence).into_iter().filter(|token| token.kind == Kind::Word).map(|token| token.text);
    said.filter(|word| names.iter().any(|name| same_stem(name, word))).take(VALUES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sentence_says_of_one_time_is_left_out() {
        for (sentence, expected) in [
            ("room status", Some("room status")),
            ("which rooms are free tomorrow 9-12?", Some("which rooms are free ?")),
            ("room status for ana@example.com, +385 91 234 5678", Some("room status for ,")),
            ("add a note: the door of Ana's room is broken", Some("add a note:")),
            ("record 120 pages", Some("record")),
            ("book it", None),
            ("17", None),
            ("", None),
        ] {
            assert_eq!(general(sentence).as_deref(), expected, "{sentence}");
        }
        assert_eq!(general(&"room status ".repeat(30)), None);
    }

    #[test]
    fn forms_of_what_the_call_was_made_with_are_values() {
        let names = ["Škoda Octavia, ZG 1234-AB".to_owned(), "Ana Horvat".to_owned()];
        assert_eq!(values_in("status za Octaviju i Anu", &names), ["octaviju"]);
        assert_eq!(values_in("status of the škoda of ana horvat", &names), ["skoda", "ana", "horvat"]);
    }
}
