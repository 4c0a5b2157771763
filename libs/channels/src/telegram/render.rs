//! A reply as Telegram takes it: split, its choices as an inline keyboard, or with numbers where their ids do not fit.

use domain::{Choice, Reply};

use crate::{
    split::{shorten, units},
    whatsapp::numbered,
    words::Words,
};

/// Longest text of a message, in UTF-16 units.
const TEXT: usize = 4_096;
/// Parts of a text that does not fit into one message.
const LONG_TEXT_PART: usize = 4_000;
/// Longest id of a button, in bytes.
const BUTTON_ID_BYTES: usize = 64;
/// Words on a button; longer ones are cut on a phone.
const BUTTON_TITLE: usize = 60;
/// Most buttons under a message.
const MAX_BUTTONS: usize = 100;
/// Where the reply has choices and says nothing.
const NO_TEXT: &str = "…";

/// The parts of `reply`, in order; each fits one request: its words, then its place and its file. A reply without text and
/// choices has no words. Choices stand under the last part of the words.
pub fn render(reply: &Reply) -> Vec<Reply> {
    let buttons = buttons(&reply.choices);
    let words = match &buttons {
        None => numbered(reply),
        Some(buttons) if !buttons.is_empty() && reply.text.trim().is_empty() => {
            Words::plain(reply.list_title.as_deref().unwrap_or(NO_TEXT))
        }
        Some(_) => Words::of(reply),
    };
    let limit = if units(&words.text) <= TEXT { TEXT } else { LONG_TEXT_PART };
    let mut texts: Vec<Reply> = words.split(limit).into_iter().map(Words::into_reply).collect();
    if let Some(last) = texts.last_mut() {
        last.choices = buttons.unwrap_or_default();
    }
    texts.extend(reply.beside_words());
    texts
}

/// None when an id cannot be a button's.
fn buttons(choices: &[Choice]) -> Option<Vec<Choice>> {
    let fits = |choice: &Choice| (1..=BUTTON_ID_BYTES).contains(&choice.id.len());
    if choices.len() > MAX_BUTTONS || !choices.iter().all(fits) {
        return None;
    }
    let button = |choice: &Choice| {
        let title = choice.title.trim();
        let title = if title.is_empty() { &choice.id } else { title };
        let title = match choice.description.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(description) => format!("{title} · {description}"),
            None => title.to_owned(),
        };
        Choice { id: choice.id.clone(), title: shorten(&title, BUTTON_TITLE), description: None }
    };
    Some(choices.iter().map(button).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice(id: &str, title: &str, description: Option<&str>) -> Choice {
        Choice { id: id.to_owned(), title: title.to_owned(), description: description.map(str::to_owned) }
    }

    #[test]
    fn choices_become_buttons_under_the_last_part() {
        let choices = vec![choice("a", "Oak room", Some("12 seats")), choice("b", "Elm room", None)];
        let parts = render(&Reply { text: "A sentence of it. ".repeat(300), choices, ..Reply::default() });
        assert_eq!(parts.len(), 2);
        assert!(parts[0].choices.is_empty());
        let titles: Vec<&str> = parts[1].choices.iter().map(|choice| choice.title.as_str()).collect();
        assert_eq!(titles, ["Oak room · 12 seats", "Elm room"]);
    }

    #[test]
    fn ids_that_do_not_fit_become_numbers() {
        let long = choice(&"x".repeat(65), "Oak room", None);
        let parts = render(&Reply { text: "Which?".to_owned(), choices: vec![long], ..Reply::default() });
        assert_eq!(parts, [Reply { text: "Which?\n\n1. Oak room".to_owned(), ..Reply::default() }]);
    }

    #[test]
    fn choices_alone_have_a_text_above_them() {
        let parts = render(&Reply { text: " ".into(), choices: vec![choice("a", "A", None)], ..Reply::default() });
        assert_eq!((parts.len(), parts[0].text.as_str(), parts[0].choices.len()), (1, "…", 1));
        assert_eq!(render(&Reply::default()), []);
    }

    proptest! {
        #[test]
        fn every_part_fits_the_platform(
            text in "(?s).{0,200}", repeat in 1_usize..60, titles in prop::collection::vec(".{0,80}", 0..14),
        ) {
            let choices: Vec<Choice> =
                titles.iter().enumerate().map(|(n, title)| choice(&format!("c{n}"), title, Some("x"))).collect();
            let count = choices.len();
            let parts = render(&Reply { text: text.repeat(repeat), choices, ..Reply::default() });
            prop_assert!(parts.iter().all(|part| (1..=TEXT).contains(&units(&part.text))));
            prop_assert_eq!(parts.last().map_or(0, |part| part.choices.len()), count);
            for button in parts.iter().flat_map(|part| &part.choices) {
                prop_assert!((1..=BUTTON_TITLE).contains(&units(&button.title)));
            }
        }
    }
}
