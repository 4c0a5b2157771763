//! How an answer looks: titles and labels, numbers to quote, places on a map, files. What it says is the same without.

use conversation_worker::turn::{AnswerFile, FileOutcome};
use domain::{Location, Style};

use super::{backend::Fault, driver::Talk};

const HOURS: &str = "GET /branches";

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

fn answered_with(name: Option<&str>, kept: FileOutcome) -> Fault {
    Fault::File(AnswerFile { name: name.map(str::to_owned), kept })
}

fn kept(sha256: &str, media_type: &str) -> FileOutcome {
    FileOutcome::Kept { sha256: sha256.to_owned(), media_type: media_type.to_owned(), size_bytes: 240_000 }
}

#[test]
fn an_answer_that_is_a_file_is_named_and_goes_with_the_reply() {
    let mut talk = Talk::new();
    talk.library.fault(HOURS, answered_with(Some("hours.pdf"), kept("aa", "application/pdf")));
    talk.says("opening hours").expect(&["hours.pdf, 240 kB"]).expect_no("application/pdf");
    let [reply] = &talk.answer().replies[..] else { panic!("one reply\n{}", talk.transcript()) };
    let file = reply.file.as_ref().expect("a file");
    assert_eq!((file.sha256.as_str(), file.name.as_deref(), file.size_bytes), ("aa", Some("hours.pdf"), 240_000));
    assert!(file.caption.as_ref().is_some_and(|caption| !caption.is_empty()));
    assert_eq!(file.instead, "I could not send you hours.pdf here.");
    talk.library.fault(HOURS, answered_with(None, kept("bb", "image/png")));
    talk.says("opening hours").expect(&["a picture, 240 kB"]);
    talk.says("thanks");
    assert!(talk.answer().replies.iter().all(|reply| reply.file.is_none()), "once");
}

#[test]
fn an_effect_whose_answer_is_a_file_is_told_as_done_and_shows_it() {
    let mut talk = Talk::new();
    talk.library.fault("POST /room-bookings", answered_with(Some("ticket.pdf"), kept("cc", "application/pdf")));
    talk.says("book the Krleža room tomorrow 9-12").taps("Yes").expect(&["Krleža"]);
    let [reply] = &talk.answer().replies[..] else { panic!("one reply\n{}", talk.transcript()) };
    assert_eq!(reply.file.as_ref().and_then(|file| file.name.as_deref()), Some("ticket.pdf"), "{}", talk.transcript());
    assert_eq!(talk.effects().len(), 1);
}

#[test]
fn a_file_that_is_not_there_is_told_and_nobody_is_told_to_do_it_again() {
    for (kept, told) in [
        (FileOutcome::TooLarge { limit_bytes: 10_000_000 }, "more than 10 MB"),
        (FileOutcome::Unavailable { reason: "away".to_owned() }, "ticket.pdf) that I could not keep"),
    ] {
        let mut talk = Talk::new();
        talk.library.fault("POST /room-bookings", answered_with(Some("ticket.pdf"), kept));
        talk.says("book the Krleža room tomorrow 9-12").taps("Yes").expect(&["Krleža", told]).expect_no("again");
        assert!(talk.answer().replies.iter().all(|reply| reply.file.is_none()), "{}", talk.transcript());
    }
}
