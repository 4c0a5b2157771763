//! How an answer looks: titles and labels, numbers to quote, places on a map. What it says is the same without.

use domain::{Location, Style};

use super::driver::Talk;

#[test]
fn a_list_and_a_single_thing_have_a_title() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    let [title] = talk.shown(Style::Bold)[..] else { panic!("one title\n{}", talk.transcript()) };
    assert!(talk.text().starts_with(&format!("{title}:")), "{}", talk.transcript());
    talk.says("the second one");
    let [name] = talk.shown(Style::Bold)[..] else { panic!("one name\n{}", talk.transcript()) };
    assert!(name.contains("Krleža") && talk.text().starts_with(name), "{}", talk.transcript());
}

#[test]
fn a_question_for_a_yes_has_labels_also_when_it_is_asked_again() {
    let mut talk = Talk::new();
    talk.says("book the Krleža room tomorrow 9-12").expect_buttons(&["Yes"]);
    let labels: Vec<String> = talk.shown(Style::Bold).into_iter().map(str::to_owned).collect();
    assert!(labels.len() > 2, "{}", talk.transcript());
    for label in &labels {
        assert!(talk.text().contains(&format!("• {label}: ")), "{label}\n{}", talk.transcript());
    }
    talk.says("help");
    let again = talk.shown(Style::Bold);
    assert!(labels.iter().all(|label| again.contains(&label.as_str())), "{again:?}\n{}", talk.transcript());
}

#[test]
fn what_the_backend_or_a_person_wrote_is_no_label() {
    let mut talk = Talk::new();
    talk.says("suggest: *Big* • Price: 5");
    for label in talk.shown(Style::Bold) {
        assert!(!label.contains("Big") && !label.contains("Price"), "{label}\n{}", talk.transcript());
    }
}

#[test]
fn the_number_of_what_was_made_can_be_copied() {
    let mut talk = Talk::new();
    talk.says("book the Krleža room tomorrow 9-12").taps("Yes").expect(&["4711"]);
    assert_eq!(talk.shown(Style::Code), ["4711"], "{}", talk.transcript());
}

#[test]
fn a_single_thing_is_shown_on_the_map_and_a_list_is_not() {
    let mut talk = Talk::new();
    talk.says("opening hours").expect(&["Centre"]);
    assert!(talk.answer().replies.iter().all(|reply| reply.location.is_none()), "{}", talk.transcript());
    talk.says("the first one").expect(&["Centre", "Ilica 5"]);
    let [reply] = &talk.answer().replies[..] else { panic!("one reply\n{}", talk.transcript()) };
    let name = Some("Centre, Ilica 5, Mon-Fri 8-20".to_owned());
    assert_eq!(reply.location, Some(Location { latitude: 45.8131, longitude: 15.9713, name }), "{}", talk.transcript());
    talk.says("opening hours").says("the second one").expect(&["Ozaljska 10"]);
    assert!(talk.answer().replies.iter().all(|reply| reply.location.is_none()), "{}", talk.transcript());
}
