//! Somebody wants something done.

use domain::Choice;
use serde_json::json;

use super::driver::{MARKO, Talk, instant, time_of};

/// The question before booking Krleža tomorrow from nine to twelve.
pub fn asked() -> Talk {
    let mut talk = Talk::new();
    talk.says("book the red room tomorrow 9-12");
    talk
}

#[test]
fn the_words_of_a_name_outweigh_what_was_listed_before() {
    let mut talk = Talk::new();
    talk.says("show me the poetry books").expect(&["Leaves of Grass"]).expect_no("Dune");
    talk.says("borrow Whitman Dune").expect(&["Leaves of Grass", "Dune"]).expect_no("Waste").expect_effects(0);
    assert!(talk.answer().question, "{}", talk.transcript());
}

#[test]
fn a_wish_with_the_name_of_something_listed_is_a_wish() {
    let mut talk = Talk::new();
    talk.says("which rooms are free tomorrow?").expect(&["Krleža"]);
    talk.says("book Krleža tomorrow 9-12").expect(&["Krleža", "09:00"]).expect_buttons(&["Yes"]);
    talk.says("cancel").says("which rooms are free tomorrow?").says("the red one").expect(&["Krleža"]);
    assert!(!talk.answer().question, "{}", talk.transcript());
}

#[test]
fn a_wish_at_a_question_whose_operation_changed_is_answered() {
    for question in ["book the red room tomorrow 9-12", "book the red room"] {
        let mut talk = Talk::new();
        talk.says(question);
        assert!(talk.answer().question, "{}", talk.transcript());
        talk.document_changes().says("show me the poetry books").expect(&["changed meanwhile", "Leaves of Grass"]);
        talk.expect_effects(0);
    }
}

#[test]
fn a_field_that_is_named_with_its_new_value_is_changed() {
    for change in ["change the pages to 300", "set pages to 300", "change the number of pages to 300"] {
        let mut talk = Talk::new();
        talk.says("record 120 pages of The Waste Land").expect(&["120"]).expect_buttons(&["Yes"]);
        talk.says(change).expect(&["Changed", "300"]).expect_no("120").taps("Yes");
        assert_eq!(talk.only_effect().arguments["body:pages"], 300, "{}", talk.transcript());
    }
}

#[test]
fn an_effect_is_planned_with_an_id_found_from_a_name_and_the_person_filled_in() {
    let mut talk = asked();
    talk.expect(&["Krleža", "Sun", "22", "09:00", "12:00", "Ana Horvat"]).expect_buttons(&["Yes", "Change", "Cancel"]);
    talk.expect_effects(0);
    assert_eq!(talk.choices().len(), 3, "{}", talk.transcript());
    assert!(talk.answer().question);
    assert!(talk.called().iter().all(|name| name.starts_with("GET")), "only safe calls: {:?}", talk.called());
}

#[test]
fn one_yes_has_one_effect_with_exactly_what_was_shown() {
    let mut talk = asked();
    talk.taps("Yes").expect(&["Krleža", "4711"]);
    let call = talk.only_effect();
    assert_eq!(call.operation_id, "library/POST /room-bookings");
    assert_eq!(call.arguments["body:room_id"], "rom_2");
    assert_eq!(call.arguments["body:member_id"], "mem_1");
    assert_eq!(time_of(call, "body:from"), instant("2026-11-22T09:00:00"));
    assert_eq!(time_of(call, "body:to"), instant("2026-11-22T12:00:00"));
    assert!(!talk.answer().question, "{}", talk.transcript());
}

#[test]
fn yes_in_words_counts_as_the_button() {
    asked().says("yes").expect(&["4711"]).expect_effects(1);
    asked().says("Yes, please!").expect(&["4711"]).expect_effects(1);
    asked().says("👍").expect(&["4711"]).expect_effects(1);
}

#[test]
fn yes_but_changes_one_value_and_asks_anew_with_a_new_button() {
    let mut talk = asked();
    let old = talk.button("Yes");
    talk.says("yes, but until 1").expect(&["13:00"]).expect_buttons(&["Yes", "Change", "Cancel"]).expect_effects(0);
    let new = talk.button("Yes");
    assert_ne!(old.id, new.id, "a token is of one question\n{}", talk.transcript());
    talk.taps_choice(super::driver::ANA, &old).expect_effects(0);
    assert!(!talk.answer().replies.is_empty(), "the old button is answered\n{}", talk.transcript());
    talk.says("yes").expect(&["4711"]);
    let call = talk.only_effect();
    assert_eq!(time_of(call, "body:from"), instant("2026-11-22T09:00:00"), "the rest stays");
    assert_eq!(time_of(call, "body:to"), instant("2026-11-22T13:00:00"));
    assert_eq!(call.arguments["body:room_id"], "rom_2");
}

#[test]
fn a_new_day_keeps_the_hours() {
    let mut talk = asked();
    talk.says("yes, but on Monday").expect(&["23", "09:00", "12:00"]).expect_effects(0).says("yes");
    let call = talk.only_effect();
    assert_eq!(time_of(call, "body:from"), instant("2026-11-23T09:00:00"), "{}", talk.transcript());
    assert_eq!(time_of(call, "body:to"), instant("2026-11-23T12:00:00"), "{}", talk.transcript());
}

#[test]
fn a_made_up_button_does_nothing() {
    let mut talk = asked();
    let forged = Choice { id: "yes".to_owned(), title: "Yes, book".to_owned(), description: None };
    talk.taps_choice(super::driver::ANA, &forged).expect_effects(0);
}

#[test]
fn a_button_works_once() {
    let mut talk = asked();
    let yes = talk.button("Yes");
    talk.taps("Yes").expect_effects(1);
    talk.wait(60).taps_choice(super::driver::ANA, &yes).expect_effects(1);
}

#[test]
fn change_asks_what_and_then_asks_anew() {
    let mut talk = asked();
    talk.taps("Change").expect_effects(0);
    assert!(talk.answer().question, "{}", talk.transcript());
    talk.says("until 13:30").expect(&["13:30", "Krleža"]).expect_buttons(&["Yes"]).says("yes").expect_effects(1);
    assert_eq!(time_of(talk.only_effect(), "body:to"), instant("2026-11-22T13:30:00"));
}

#[test]
fn a_value_that_is_chosen_for_change_is_asked_alone() {
    let mut talk = asked();
    talk.taps("Change").taps("To");
    assert!(talk.answer().question, "{}", talk.transcript());
    talk.says("14:00").expect(&["14:00", "09:00", "Krleža"]).expect_buttons(&["Yes"]).taps("Yes").expect_effects(1);
    assert_eq!(time_of(talk.only_effect(), "body:to"), instant("2026-11-22T14:00:00"));
}

#[test]
fn another_row_can_be_named_instead() {
    let mut talk = asked();
    talk.says("yes, but the blue one").expect(&["Tesla", "09:00", "12:00"]).expect_effects(0).says("yes");
    assert_eq!(talk.only_effect().arguments["body:room_id"], "rom_1", "{}", talk.transcript());
}

#[test]
fn cancel_leaves_everything_as_it_is_and_a_later_yes_does_nothing() {
    for word in ["cancel", "no", "forget it"] {
        let mut talk = asked();
        talk.says(word).expect_effects(0);
        assert!(!talk.answer().question, "{}", talk.transcript());
        assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
        talk.says("yes").expect_effects(0);
    }
    let mut talk = asked();
    talk.taps("Cancel").expect_any(&["nothing", "not "]).says("yes").expect_effects(0);
}

#[test]
fn an_effect_works_in_croatian_with_declined_words() {
    let mut talk = Talk::new();
    talk.says("rezerviraj crvenu sobu sutra od 9 do 12").expect(&["Krleža", "09:00", "12:00", "Ana Horvat"]);
    talk.expect_buttons(&["Da", "Promijeni", "Odustani"]).expect_effects(0);
    talk.says("da, ali do 13").expect(&["13:00"]).expect_buttons(&["Da"]).expect_effects(0);
    talk.taps("Da").expect(&["Krleža", "4711"]);
    assert_eq!(time_of(talk.only_effect(), "body:to"), instant("2026-11-22T13:00:00"));
    let mut talk = Talk::new();
    talk.says("rezerviraj crvenu sobu sutra od 9 do 12").says("odustani").expect_any(&["ništa"]).expect_effects(0);
}

#[test]
fn a_patch_of_the_person_takes_the_id_from_identity_and_the_value_from_the_sentence() {
    let mut talk = Talk::new();
    talk.says("change my e-mail address to ana.h@example.com")
        .expect(&["ana.h@example.com"])
        .expect_effects(0)
        .says("yes");
    let call = talk.only_effect();
    assert_eq!(call.operation_id, "library/PATCH /members/{member_id}", "{}", talk.transcript());
    assert_eq!(call.arguments["path:member_id"], "mem_1");
    assert_eq!(call.arguments["body:email"], "ana.h@example.com");
}

#[test]
fn a_delete_asks_first_and_its_empty_answer_is_told_as_done() {
    let mut talk = Talk::new();
    talk.says("cancel my booking of the room").expect(&["Gundulić"]).expect_buttons(&["Yes"]).expect_effects(0);
    talk.taps("Yes").expect_effects(1);
    assert_eq!(talk.only_effect().arguments["path:booking_id"], json!(4700), "{}", talk.transcript());
    assert_eq!(talk.library.bookings(), 0);
    assert!(!talk.text().is_empty());
}

#[test]
fn my_booking_is_never_somebody_elses() {
    let mut talk = Talk::new();
    talk.library.book("rom_1", "2026-11-22T09:00:00+01:00", "2026-11-22T12:00:00+01:00", "mem_9");
    talk.says("cancel my booking of the room").expect(&["Gundulić"]).expect_no("Tesla").expect_effects(0);
}

#[test]
fn a_yes_to_the_next_question_counts_however_soon_it_comes() {
    let mut talk = asked();
    talk.says("yes").expect_effects(1).says("suggest buying the book \"Solaris\"").says("yes").expect_effects(2);
}

#[test]
fn each_person_of_a_group_acts_as_themselves() {
    let mut talk = asked();
    talk.says("yes");
    talk.person_says(MARKO, "book the blue room tomorrow 9-12").expect(&["Tesla", "Marko Babić"]).expect_no("Ana");
    talk.person_says(MARKO, "yes").expect_effects(2);
    assert_eq!(talk.effects()[1].arguments["body:member_id"], "mem_2", "{}", talk.transcript());
}

#[test]
fn a_quoted_text_is_taken_as_it_is() {
    let mut talk = Talk::new();
    talk.says("suggest buying the book \"Solaris, a novel\"")
        .expect(&["Solaris, a novel"])
        .expect_effects(0)
        .says("yes");
    assert_eq!(talk.only_effect().arguments["body:title"], "Solaris, a novel", "{}", talk.transcript());
}

#[test]
fn the_trace_of_an_effect_names_its_call_and_end() {
    let mut talk = asked();
    talk.taps("Yes");
    let calls = &talk.answer().trace.calls;
    assert!(
        calls.iter().any(|call| call.operation_id == "library/POST /room-bookings" && call.end == "201"),
        "{calls:?}\n{}",
        talk.transcript()
    );
}
