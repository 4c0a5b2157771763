//! A reply as WhatsApp takes it, through whomever it is sent: split, with buttons, as a list, or with numbers where it takes neither.

use std::time::Duration;

use domain::{Choice, Location, Reply};
use serde_json::{Value, json};

use crate::{
    marks,
    split::{shorten, units},
    words::Words,
};

/// For so long after a person wrote they may be written to in free words.
pub(crate) const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Longest text message.
const TEXT: usize = 4_096;
/// Parts of a text that does not fit into one message.
const LONG_TEXT_PART: usize = 4_000;
/// Longest text above buttons or a list.
const INTERACTIVE_TEXT: usize = 1_024;
/// Longest name of a location; the platforms take more, no phone shows it.
const LOCATION_NAME: usize = 200;
const MAX_BUTTONS: usize = 3;
const BUTTON_TITLE: usize = 20;
const MAX_ROWS: usize = 10;
const ROW_TITLE: usize = 24;
const ROW_DESCRIPTION: usize = 72;
/// Longest id that comes back from a list row; buttons take more.
const MAX_ID: usize = 200;
/// Words on the button that opens a list.
const LIST_TITLE: usize = 20;
/// On the button that opens a list, where the reply brings no word.
const DEFAULT_LIST_TITLE: &str = "…";

/// The parts of `reply`, in order; each fits one request: its words, then its place and its file, which hold up no words so.
/// A reply without text and choices has no words.
pub fn render(reply: &Reply) -> Vec<Reply> {
    let mut parts = match (reply.choices.is_empty(), buttons(&reply.choices), rows(&reply.choices)) {
        (true, ..) => texts(&Words::of(reply)),
        (false, Some(buttons), _) => interactive(reply, buttons, false),
        (false, None, Some(rows)) => interactive(reply, rows, true),
        (false, None, None) => texts(&numbered(reply)),
    };
    parts.extend(reply.beside_words());
    parts
}

fn texts(words: &Words) -> Vec<Reply> {
    let limit = if units(&words.text) <= TEXT { TEXT } else { LONG_TEXT_PART };
    words.split(limit).into_iter().map(Words::into_reply).collect()
}

/// Text that is too long for one interactive message goes ahead; its last part carries the choices.
fn interactive(reply: &Reply, choices: Vec<Choice>, list: bool) -> Vec<Reply> {
    let title = reply.list_title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    let mut words = Words::of(reply);
    if words.text.is_empty() {
        words = Words::plain(title.unwrap_or(DEFAULT_LIST_TITLE));
    }
    let mut parts = if units(&words.text) <= INTERACTIVE_TEXT {
        vec![words]
    } else {
        // Split from the front at the size of a text, then the rest at the size of an interactive one.
        let mut parts = words.split(LONG_TEXT_PART);
        let last = parts.pop().unwrap_or_default();
        parts.extend(last.split(INTERACTIVE_TEXT));
        parts
    };
    let last = parts.pop().unwrap_or_default();
    let mut replies: Vec<Reply> = parts.into_iter().map(Words::into_reply).collect();
    let list_title = list.then(|| shorten(title.unwrap_or(DEFAULT_LIST_TITLE), LIST_TITLE));
    replies.push(Reply { choices, list_title, ..last.into_reply() });
    replies
}

/// Up to three, when their titles still differ after shortening.
fn buttons(choices: &[Choice]) -> Option<Vec<Choice>> {
    if choices.len() > MAX_BUTTONS || !ids_are_usable(choices) {
        return None;
    }
    let buttons: Vec<Choice> = choices
        .iter()
        .map(|choice| Choice { id: choice.id.clone(), title: shorten(title(choice), BUTTON_TITLE), description: None })
        .collect();
    let differ = buttons.iter().enumerate().all(|(n, one)| buttons[..n].iter().all(|other| other.title != one.title));
    differ.then_some(buttons)
}

/// Up to ten rows; a title that had to be shortened is repeated whole in the second line.
fn rows(choices: &[Choice]) -> Option<Vec<Choice>> {
    if choices.len() > MAX_ROWS || !ids_are_usable(choices) {
        return None;
    }
    let row = |choice: &Choice| {
        let whole = title(choice);
        let short = shorten(whole, ROW_TITLE);
        let second = match choice.description.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(description) if short == whole => Some(description.to_owned()),
            Some(description) => Some(format!("{whole} · {description}")),
            None => (short != whole).then(|| whole.to_owned()),
        };
        Choice {
            id: choice.id.clone(),
            title: short,
            description: second.map(|second| shorten(&second, ROW_DESCRIPTION)),
        }
    };
    let mut rows: Vec<Choice> = choices.iter().map(row).collect();
    // The platform refuses titles that are the same.
    for at in 1..rows.len() {
        if rows[..at].iter().any(|other| other.title == rows[at].title) {
            rows[at].title = shorten(&format!("{}. {}", at + 1, rows[at].title), ROW_TITLE);
        }
    }
    Some(rows)
}

/// The text of a part with its spans as WhatsApp's marks, as far as they fit into one message.
pub(crate) fn marked(part: &Reply) -> String {
    marked_words(&Words::of(part), if part.choices.is_empty() { TEXT } else { INTERACTIVE_TEXT })
}

/// The text of a part with its choices as numbered lines, for where there are no buttons.
pub(crate) fn marked_numbered(part: &Reply) -> String {
    marked_words(&numbered(part), TEXT)
}

/// A location, as both ways to WhatsApp take it.
pub(crate) fn place(location: &Location) -> Value {
    let mut place = json!({ "latitude": location.latitude, "longitude": location.longitude });
    if let Some(name) = location.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        place["name"] = json!(shorten(name, LOCATION_NAME));
    }
    place
}

fn marked_words(words: &Words, limit: usize) -> String {
    let marked = marks::marked(words);
    if units(&marked) <= limit { marked } else { words.text.clone() }
}

/// The text with its choices, if there are any, as numbered lines.
pub(crate) fn numbered(reply: &Reply) -> Words {
    let lines = reply.choices.iter().enumerate().map(|(n, choice)| match choice.description.as_deref() {
        Some(description) if !description.trim().is_empty() => format!("{}. {} – {description}", n + 1, title(choice)),
        _ => format!("{}. {}", n + 1, title(choice)),
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let words = Words::of(reply);
    let text = format!("{}\n\n{lines}", words.text);
    match words.text.is_empty() {
        true => Words::plain(text.trim()),
        false => Words { text: text.trim_end().to_owned(), ..words },
    }
}

fn title(choice: &Choice) -> &str {
    let title = choice.title.trim();
    if title.is_empty() { &choice.id } else { title }
}

/// WhatsApp refuses empty, long and equal ids.
fn ids_are_usable(choices: &[Choice]) -> bool {
    choices
        .iter()
        .enumerate()
        .all(|(n, one)| (1..=MAX_ID).contains(&units(&one.id)) && choices[..n].iter().all(|other| other.id != one.id))
}

#[cfg(test)]
mod tests {
    use domain::{Span, Style};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn choices_of_one_title_become_a_list_whose_titles_differ() {
        let parts = render(&reply("Possible instead:", choices(&["Octavia", "Octavia", "Change"])));
        assert_eq!(parts.len(), 1);
        assert!(parts[0].list_title.is_some(), "buttons of one title are refused: {:?}", parts[0]);
        let titles: Vec<&str> = parts[0].choices.iter().map(|choice| choice.title.as_str()).collect();
        assert_eq!(titles, ["Octavia", "2. Octavia", "Change"]);
    }

    fn choices(titles: &[&str]) -> Vec<Choice> {
        titles
            .iter()
            .enumerate()
            .map(|(n, title)| Choice { id: format!("c{n}"), title: (*title).to_owned(), description: None })
            .collect()
    }

    fn reply(text: &str, choices: Vec<Choice>) -> Reply {
        Reply { text: text.to_owned(), choices, ..Reply::default() }
    }

    #[test]
    fn a_short_text_is_one_part_and_a_long_one_is_split_at_sentences() {
        assert_eq!(render(&reply("Hello.", vec![])), [reply("Hello.", vec![])]);
        assert_eq!(render(&reply(&"x".repeat(4_096), vec![])).len(), 1);
        let sentence = "This sentence has forty-eight characters in it. ";
        let parts = render(&reply(&sentence.repeat(200), vec![]));
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| units(&part.text) <= 4_000 && part.text.ends_with("in it.")));
        assert_eq!(render(&reply(" \n", vec![])), []);
    }

    #[test]
    fn marks_that_do_not_fit_are_left_out() {
        let bold = |text: String| Reply {
            spans: vec![Span { start: 0, end: 1, style: Style::Bold }],
            choices: choices(&["Yes"]),
            ..reply(&text, vec![])
        };
        assert_eq!(marked(&bold("x y".to_owned())), "*x* y");
        let full = format!("x {}", "y".repeat(INTERACTIVE_TEXT - 2));
        assert_eq!(marked(&bold(full.clone())), full);
    }

    #[test]
    fn up_to_three_choices_are_buttons() {
        let parts = render(&reply("Sure?", choices(&["Yes", "A very long title for a button"])));
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].list_title, None);
        let titles: Vec<_> = parts[0].choices.iter().map(|c| c.title.as_str()).collect();
        assert_eq!(titles, ["Yes", "A very long title f…"]);
    }

    #[test]
    fn buttons_that_would_look_alike_become_a_list() {
        let parts = render(&reply("Which?", choices(&["The long corridor room one", "The long corridor room two"])));
        assert!(parts[0].list_title.is_some());
        assert_eq!(parts[0].choices[1].description.as_deref(), Some("The long corridor room two"));
    }

    #[test]
    fn four_to_ten_choices_are_a_list_and_more_are_numbered() {
        let titles: Vec<String> = (1..=11).map(|n| format!("Row {n}")).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        for n in [4, 10] {
            let parts = render(&reply("Which?", choices(&titles[..n])));
            assert_eq!((parts.len(), parts[0].choices.len(), parts[0].list_title.as_deref()), (1, n, Some("…")));
        }
        let parts = render(&reply("Which?", choices(&titles)));
        assert_eq!(parts.len(), 1);
        assert!(parts[0].choices.is_empty());
        assert!(parts[0].text.starts_with("Which?\n\n1. Row 1\n2. Row 2\n") && parts[0].text.ends_with("11. Row 11"));
    }

    #[test]
    fn text_too_long_for_choices_goes_ahead() {
        let parts = render(&reply(&"A sentence of this text. ".repeat(60), choices(&["Yes", "No"])));
        assert!(parts.len() > 1);
        let (last, ahead) = parts.split_last().expect("parts");
        assert_eq!(last.choices.len(), 2);
        assert!(units(&last.text) <= 1_024 && ahead.iter().all(|part| part.choices.is_empty()));
    }

    #[test]
    fn equal_ids_are_numbered() {
        let twice = vec![Choice { id: "a".into(), title: "A".into(), description: None }; 2];
        assert!(render(&reply("Which?", twice))[0].choices.is_empty());
    }

    proptest! {
        #[test]
        fn every_part_fits_the_platform(
            text in "(?s).{0,200}", repeat in 1_usize..40,
            titles in prop::collection::vec(".{0,60}", 0..14), description in prop::option::of(".{0,100}"),
        ) {
            let mut choices = choices(&titles.iter().map(String::as_str).collect::<Vec<_>>());
            for choice in &mut choices {
                choice.description = description.clone();
            }
            let count = choices.len();
            let parts = render(&Reply { text: text.repeat(repeat), choices, ..Reply::default() });
            prop_assert!(parts.iter().all(|part| (1..=TEXT).contains(&units(&part.text))));
            for part in parts.iter().filter(|part| !part.choices.is_empty()) {
                prop_assert_eq!(part.choices.len(), count);
                prop_assert!(units(&part.text) <= INTERACTIVE_TEXT);
                let (most, title) = match part.list_title {
                    Some(_) => (MAX_ROWS, ROW_TITLE),
                    None => (MAX_BUTTONS, BUTTON_TITLE),
                };
                prop_assert!(count <= most);
                for choice in &part.choices {
                    prop_assert!((1..=title).contains(&units(&choice.title)));
                    prop_assert!(choice.description.as_deref().is_none_or(|text| units(text) <= ROW_DESCRIPTION));
                }
            }
            prop_assert!(render(&Reply::default()).is_empty());
        }
    }
}
