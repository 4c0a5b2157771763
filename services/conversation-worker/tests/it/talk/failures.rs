//! The backend refuses, is away, or says nothing after the request was sent.

use serde_json::{Value, json};

use super::{
    backend::Fault,
    driver::{Talk, instant, time_of},
    effects::asked,
};

const BOOK: &str = "POST /room-bookings";

#[test]
fn a_refusal_is_told_in_the_backends_words_with_what_is_possible_instead() {
    let mut talk = asked();
    talk.library.book("rom_2", "2026-11-22T09:00:00+01:00", "2026-11-22T10:30:00+01:00", "mem_9");
    talk.taps("Yes").expect(&["booked by somebody else a moment ago", "Tesla", "Gundulić"]).expect_effects(1);
    talk.expect_no("4711").expect_no("409");
    assert!(!talk.answer().trace.calls.is_empty());
    assert_eq!(talk.library.bookings(), 2, "nothing of ours was booked");
}

#[test]
fn an_alternative_after_a_refusal_is_asked_about_and_then_booked() {
    let mut talk = asked();
    talk.library.book("rom_2", "2026-11-22T09:00:00+01:00", "2026-11-22T10:30:00+01:00", "mem_9");
    talk.taps("Yes").expect_buttons(&["Tesla"]);
    talk.taps("Tesla").expect(&["Tesla", "09:00", "12:00"]).expect_buttons(&["Yes"]).expect_effects(1);
    talk.taps("Yes").expect_effects(2);
    assert_eq!(talk.effects()[1].arguments["body:room_id"], "rom_1", "{}", talk.transcript());
}

#[test]
fn after_a_refusal_another_time_is_asked_for_and_booked() {
    let taken = || {
        let mut talk = asked();
        talk.library.book("rom_2", "2026-11-22T09:00:00+01:00", "2026-11-22T10:30:00+01:00", "mem_9");
        talk.taps("Yes").expect_buttons(&["Tesla", "Gundulić", "Other time"]);
        assert_eq!(talk.choices().len(), 3, "{}", talk.transcript());
        talk
    };
    // Hours alone mean the day that was asked for.
    for (words, from, to) in [
        ("14-16", "2026-11-22T14:00:00", "2026-11-22T16:00:00"),
        ("from 2 pm to 4 pm", "2026-11-22T14:00:00", "2026-11-22T16:00:00"),
        ("on Monday 9-12", "2026-11-23T09:00:00", "2026-11-23T12:00:00"),
    ] {
        let mut talk = taken();
        talk.taps("Other time").expect(&["From", "22 November"]).expect_effects(1);
        talk.says(words).expect(&["Krleža"]).expect_buttons(&["Yes"]).expect_effects(1).taps("Yes").expect(&["4712"]);
        let call = talk.effects()[1];
        assert_eq!(time_of(call, "body:from"), instant(from), "{words}\n{}", talk.transcript());
        assert_eq!(time_of(call, "body:to"), instant(to), "{words}\n{}", talk.transcript());
        assert_eq!(call.arguments["body:room_id"], "rom_2");
    }
    let mut talk = taken();
    talk.taps("Other time").says("14:00").expect(&["To"]).says("16:00").expect_buttons(&["Yes"]);
    talk.says("yes").expect(&["14:00", "16:00", "4712"]);
}

#[test]
fn what_has_no_time_offers_no_other_one() {
    let mut talk = Talk::new();
    talk.library.fault("POST /suggestions", Fault::Refused(409, json!({"detail": "We have that book."})));
    talk.says("suggest buying the book \"Solaris\"").taps("Yes").expect(&["We have that book."]);
    talk.expect_buttons(&["Change", "Cancel"]);
    assert!(!talk.titles().iter().any(|title| title == "Other time"), "{}", talk.transcript());
}

#[test]
fn away_before_an_effect_says_that_nothing_was_done() {
    let mut talk = asked();
    talk.library.fault(BOOK, Fault::Away);
    talk.taps("Yes").expect_any(&["nothing", "not booked"]).expect_no("4711");
    assert_eq!(talk.library.bookings(), 1);
    assert_eq!(talk.effects().len(), 1, "{}", talk.transcript());
}

#[test]
fn away_before_a_look_up_is_said() {
    let mut talk = Talk::new();
    talk.library.fault("GET /rooms/free", Fault::Away);
    talk.says("Which rooms are free tomorrow?")
        .expect_any(&["reach", "later", "again"])
        .expect_no("Tesla")
        .expect_no("refused");
}

#[test]
fn an_unknown_end_is_checked_and_reported_and_not_repeated() {
    let mut talk = asked();
    talk.library.fault(BOOK, Fault::Unknown { done: true });
    talk.taps("Yes").expect_any(&["did not answer", "didn't answer", "no answer"]).expect_any(&["it is there", "4711"]);
    assert!(talk.called().contains(&"GET /room-bookings"), "the paired look-up is asked\n{}", talk.transcript());
    assert_eq!(talk.effects().len(), 1);
    talk.says("yes").expect_effects(1);
    talk.wait(60).says("yes").expect_effects(1);
    assert_eq!(talk.library.bookings(), 2);
}

#[test]
fn an_unknown_end_that_is_not_seen_is_never_called_not_done() {
    let mut talk = asked();
    talk.library.fault(BOOK, Fault::Unknown { done: false });
    talk.taps("Yes")
        .expect_any(&["did not answer", "didn't answer", "no answer"])
        .expect_no("4711")
        .expect_no("checked: it is there");
    talk.expect_no("nothing was done").expect_no("was not done").expect_no("not booked");
    talk.expect_any(&["don't", "do not"]).expect_effects(1);
    talk.says("yes").expect_effects(1);
    talk.wait(60).says("yes").expect_effects(1);
}

#[test]
fn an_unknown_end_of_something_that_cannot_be_looked_up_is_unknown() {
    let mut talk = Talk::new();
    talk.library.fault("POST /suggestions", Fault::Unknown { done: true });
    talk.says("suggest buying the book \"Solaris\"").taps("Yes");
    talk.expect_any(&["did not answer", "didn't answer", "no answer"]).expect_no("it is there").expect_effects(1);
}

#[test]
fn another_booking_of_somebody_else_does_not_prove_ours() {
    let mut talk = asked();
    talk.library.fault(BOOK, Fault::Unknown { done: false });
    talk.library.book("rom_1", "2026-11-22T09:00:00+01:00", "2026-11-22T12:00:00+01:00", "mem_9");
    talk.taps("Yes").expect_no("checked: it is there").expect_any(&["don't see", "don't know"]).expect_effects(1);
}

#[test]
fn backend_errors_become_sentences() {
    for (status, body) in [
        (400, json!({"errors": [{"loc": ["body", "room_id"], "msg": "bad"}]})),
        (401, Value::Null),
        (403, json!({"title": "Forbidden"})),
        (404, Value::Null),
        (422, json!({"detail": [{"loc": ["body", "from"], "msg": "field required", "type": "value_error.missing"}]})),
        (429, Value::Null),
        (500, Value::String("<html><body>stack_trace at Foo.java:17 null</body></html>".to_owned())),
        (503, json!({"message": null})),
    ] {
        let mut talk = asked();
        talk.library.fault(BOOK, Fault::Refused(status, body.clone()));
        talk.taps("Yes")
            .expect_no("4711")
            .expect_no(&status.to_string())
            .expect_no("html")
            .expect_no("Foo.java")
            .expect_effects(1);
        assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
        let mut talk = Talk::new();
        talk.library.fault("GET /loans", Fault::Refused(status, body));
        talk.says("which loans do I have").expect_no("Dune").expect_no(&status.to_string()).expect_no("html");
        assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
    }
}

#[test]
fn refused_credentials_are_no_fault_of_the_person() {
    let mut talk = Talk::new();
    talk.library.fault("GET /loans", Fault::NoCredentials);
    talk.says("which loans do I have").expect_no("401").expect_no("credential").expect_no("Dune");
    assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
}

#[test]
fn a_failed_look_up_of_rows_ends_without_an_effect() {
    let mut talk = Talk::new();
    for name in ["GET /rooms", "GET /rooms/free"] {
        talk.library.fault(name, Fault::Away);
    }
    talk.says("book the red room tomorrow 9-12").expect_effects(0).expect_no("Krleža");
    assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
}
