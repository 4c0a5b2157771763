//! What has no end at once: tried again or looked for by an alarm, told when it has one.

use domain::Choice;
use serde_json::json;

use super::{
    backend::Fault,
    driver::{ANA, MARKO, Talk},
    effects::asked,
};

const BOOK: &str = "POST /room-bookings";
const RENT: &str = "POST /locker-rentals";

/// Ana has said yes to Krleža tomorrow from nine to twelve, and the library is not reached so many times.
fn away(times: usize) -> Talk {
    let mut talk = asked();
    for _ in 0..times {
        talk.library.fault(BOOK, Fault::Away);
    }
    talk.taps("Yes");
    talk
}

/// Ana has said yes to a locker, which may be rented once only, and nobody knows how that ended.
fn locker_unknown(done: bool) -> Talk {
    let mut talk = Talk::new();
    talk.library.fault(RENT, Fault::Unknown { done });
    talk.says("rent a locker tomorrow").expect_buttons(&["Yes"]).taps("Yes");
    talk
}

#[test]
fn a_library_that_is_away_is_tried_again_and_the_end_is_told() {
    let mut talk = away(3);
    talk.expect(&["can't reach Library", "try again for 10 minutes", "nothing is booked yet"]).expect_no("4711");
    assert!(!talk.answer().question, "nothing is asked\n{}", talk.transcript());
    assert_eq!(talk.alarms().len(), 1);
    talk.rings().expect_silence().rings().expect_silence();
    talk.rings().expect(&["Booked", "Krleža", "09:00", "4711"]).expect_effects(4);
    assert_eq!(talk.library.bookings(), 2);
    assert_eq!(talk.alarms(), [] as [u64; 0], "{}", talk.transcript());
    let calls = talk.effects();
    assert!(calls.iter().all(|call| call.arguments == calls[0].arguments), "exactly what was confirmed: {calls:?}");
    assert!(calls[1..].iter().all(|call| call.repeats.is_some() && call.repeats == calls[1].repeats), "{calls:?}");
    talk.says("yes").expect_silence().expect_effects(4);
}

#[test]
fn tries_come_less_and_less_often_and_end_after_ten_minutes() {
    let mut talk = away(20);
    let begun = talk.now();
    let mut waits = Vec::new();
    while !talk.alarms().is_empty() {
        waits.push(talk.alarms()[0]);
        talk.rings();
    }
    assert!((12..=18).contains(&waits[0]), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 240) && waits.len() <= 8, "{waits:?}");
    let took = talk.now().since(begun).as_secs();
    assert!((600..=605).contains(&took), "{took} s of {waits:?}\n{}", talk.transcript());
    talk.expect(&["still can't reach Library", "nothing is booked", "Krleža"]).expect_buttons(&["Try again", "Cancel"]);
    assert!(talk.answer().question);
    assert_eq!(talk.library.bookings(), 1);
    // Whoever says yes to that begins anew.
    let mut again = talk.clone();
    again.library = super::backend::Library::new();
    again.taps("Try again").expect(&["Booked", "4711"]);
    talk.says("no").expect_any(&["nothing"]);
    assert!(talk.alarms().is_empty());
}

#[test]
fn a_cancel_ends_it_by_word_and_by_button() {
    for word in ["cancel", "no", "forget it"] {
        let mut talk = away(1);
        talk.wait(40).says(word).expect(&["stopped trying", "nothing was done", "Krleža"]);
        assert!(talk.alarms().is_empty(), "{}", talk.transcript());
        talk.rings_at(ANA, "2.1", talk.now()).expect_silence().expect_effects(1);
        assert_eq!(talk.library.bookings(), 1);
    }
    let mut talk = away(1);
    let button = talk.button("Cancel");
    talk.wait(400).taps_choice(ANA, &button).expect(&["nothing was done"]);
    assert!(talk.alarms().is_empty());
    talk.taps_choice(ANA, &button).expect_effects(1);
}

#[test]
fn somebody_else_cannot_end_it() {
    let mut talk = away(1);
    let button = talk.button("Cancel");
    talk.taps_choice(MARKO, &button).expect_no("stopped");
    talk.person_says(MARKO, "cancel").expect_no("stopped");
    assert_eq!(talk.alarms().len(), 1);
    talk.rings().expect(&["Booked"]);
}

#[test]
fn who_asks_is_told_at_once() {
    let mut talk = away(2);
    talk.wait(5)
        .says("is it booked?")
        .expect(&["still can't reach Library", "nothing is booked yet"])
        .expect_effects(2);
    assert_eq!(talk.alarms().len(), 1, "the alarm stays");
    talk.says("any news?").expect(&["Booked", "4711"]).expect_effects(3);
    assert!(talk.alarms().is_empty());
    talk.rings_at(ANA, "2.1", talk.now()).expect_silence().expect_effects(3);
    assert_eq!(talk.library.bookings(), 2);
}

#[test]
fn a_yes_while_it_waits_repeats_nothing() {
    let mut talk = away(1);
    talk.says("yes").expect_silence();
    talk.wait(60).says("yes").expect(&["still trying"]).expect_effects(1);
}

#[test]
fn the_same_wish_said_again_is_one_with_the_first() {
    let mut talk = away(1);
    talk.wait(20).says("book the red room tomorrow 9-12").expect_buttons(&["Yes"]).taps("Yes").expect(&["Booked"]);
    assert!(talk.alarms().is_empty(), "{}", talk.transcript());
    assert_eq!(talk.library.bookings(), 2);
    let effects = talk.effects();
    assert!(effects[1].repeats.is_some(), "with the key of the first: {effects:?}");
    // Another hour is another wish.
    let mut talk = away(1);
    talk.wait(20).says("book the red room tomorrow 14-15").taps("Yes").expect(&["Booked", "14:00"]);
    assert_eq!(talk.alarms().len(), 1);
    talk.rings().expect(&["Booked", "09:00"]);
    assert_eq!(talk.library.bookings(), 3);
}

#[test]
fn a_refusal_that_comes_later_offers_what_would_go() {
    let mut talk = away(1);
    talk.library.book("rom_2", "2026-11-22T09:00:00+01:00", "2026-11-22T10:30:00+01:00", "mem_9");
    talk.rings().expect(&["Krleža", "booked by somebody else a moment ago"]).expect_buttons(&["Tesla"]);
    talk.taps("Tesla").expect(&["Tesla", "09:00", "12:00"]).taps("Yes").expect(&["Booked"]);
    assert!(talk.alarms().is_empty());
}

#[test]
fn what_comes_later_leaves_an_open_question_as_it_is() {
    for refused in [false, true] {
        let mut talk = away(1);
        if refused {
            talk.library.book("rom_2", "2026-11-22T09:00:00+01:00", "2026-11-22T10:30:00+01:00", "mem_9");
        }
        talk.says("suggest buying the book \"Solaris\"").expect_buttons(&["Yes"]);
        let yes = talk.button("Yes");
        talk.rings().expect(&["Krleža"]);
        assert!(talk.answer().question && !talk.answer().asks, "{}", talk.transcript());
        assert_eq!(talk.choices(), [] as [Choice; 0], "{}", talk.transcript());
        talk.taps_choice(ANA, &yes).expect(&["Solaris"]);
        assert_eq!(talk.calls_of("POST /suggestions").len(), 1);
    }
    let mut talk = away(30);
    for _ in 0..5 {
        talk.rings();
    }
    talk.wait(60).says("suggest buying the book \"Solaris\"");
    while !talk.alarms().is_empty() {
        talk.rings();
    }
    talk.expect(&["stopped trying", "nothing is booked"]).expect_no("Try again?");
    talk.says("yes").expect(&["Solaris"]);
    assert_eq!(talk.library.bookings(), 1);
}

#[test]
fn a_result_that_comes_later_is_not_what_the_second_one_means() {
    let mut talk = away(1);
    talk.says("list rooms").rings().expect(&["Booked"]);
    talk.says("the first one").expect(&["Tesla", "Seats"]);
}

#[test]
fn an_alarm_that_comes_much_too_late_makes_no_call() {
    let mut talk = away(1);
    let late = talk.now() + std::time::Duration::from_secs(3_600);
    talk.rings_at(ANA, "2.1", late).expect(&["still can't reach", "nothing is booked"]).expect_effects(1);
    talk.expect_buttons(&["Try again"]);
}

#[test]
fn a_busy_library_is_left_alone_for_as_long_as_it_asks() {
    let mut talk = asked();
    talk.library.fault(BOOK, Fault::Busy(200));
    talk.taps("Yes").expect(&["try again for 10 minutes"]);
    assert!(talk.alarms()[0] >= 200, "{:?}", talk.alarms());
    talk.rings().expect(&["Booked"]);
    let mut talk = asked();
    talk.library.fault(BOOK, Fault::Busy(2_000));
    talk.taps("Yes").expect(&["nothing"]).expect_buttons(&["Try again"]);
    assert!(talk.alarms().is_empty());
}

#[test]
fn what_may_happen_once_only_is_tried_again_where_no_byte_left() {
    let rent = |fault| {
        let mut talk = Talk::new();
        talk.library.fault(RENT, fault);
        talk.says("rent a locker tomorrow").expect_buttons(&["Yes"]).taps("Yes");
        talk
    };
    let mut talk = rent(Fault::Away);
    talk.expect(&["nothing is done yet"]).rings().expect(&["Done"]).expect_effects(2);
    assert_eq!(talk.library.lockers(), 1);
    let mut talk = rent(Fault::Busy(20));
    talk.expect_buttons(&["Try again"]);
    assert!(talk.alarms().is_empty(), "a person decides\n{}", talk.transcript());
}

#[test]
fn an_unknown_end_is_looked_for_later_and_never_repeated() {
    let mut talk = locker_unknown(false);
    talk.expect(&["did not answer", "don't see it yet", "Please don't send it again", "write in a few minutes"]);
    assert_eq!(talk.alarms().len(), 1);
    assert!((59..=61).contains(&talk.alarms()[0]), "{:?}", talk.alarms());
    talk.rings().expect_silence().rings().expect_silence();
    talk.rings().expect(&["still don't see it", "can't say"]).expect_no("not done").expect_no("nothing was");
    assert!(talk.alarms().is_empty());
    talk.expect_effects(1);
    assert_eq!(talk.calls_of("GET /locker-rentals").len(), 4);
}

#[test]
fn what_is_found_later_is_told() {
    let mut talk = locker_unknown(false);
    talk.rings().expect_silence();
    // It was on its way all the time.
    talk.library.rent("2026-11-22", "mem_1");
    talk.rings().expect(&["it is there", "80"]).expect_effects(1);
    assert!(talk.alarms().is_empty());
}

#[test]
fn who_asks_for_an_unknown_end_has_it_looked_for_at_once() {
    let mut talk = locker_unknown(false);
    talk.says("is it there?").expect(&["don't see it yet", "Please don't send it again"]).expect_effects(1);
    assert_eq!(talk.alarms().len(), 1);
    talk.library.rent("2026-11-22", "mem_1");
    talk.says("Is it done now?").expect(&["it is there", "80"]).expect_effects(1);
    assert!(talk.alarms().is_empty());
}

#[test]
fn a_cancel_of_what_may_have_happened_is_no_promise() {
    let mut talk = locker_unknown(false);
    talk.wait(40).says("cancel").expect(&["don't know whether"]).expect_no("nothing was done");
    assert!(talk.alarms().is_empty());
}

#[test]
fn the_same_again_while_its_end_is_unknown_is_not_sent() {
    let mut talk = locker_unknown(true);
    talk.expect(&["it is there", "80"]);
    let mut talk = locker_unknown(false);
    talk.wait(30).says("rent a locker tomorrow").taps("Yes").expect(&["don't see it yet", "don't send it again"]);
    talk.expect_effects(1);
    assert_eq!(talk.library.lockers(), 0);
}

#[test]
fn a_call_with_a_key_is_made_again_until_its_end_is_known() {
    for done in [true, false] {
        let mut talk = asked();
        talk.library.fault(BOOK, Fault::Unknown { done });
        talk.library.fault("GET /room-bookings", Fault::Away);
        talk.taps("Yes").expect(&["did not answer", "Please don't send it again"]).expect_no("nothing");
        talk.rings().expect(&["Booked", "4711"]).expect_effects(2);
        assert_eq!(talk.library.bookings(), 2, "once\n{}", talk.transcript());
    }
}

#[test]
fn a_call_with_a_key_whose_end_stays_unknown_is_told_so() {
    let mut talk = asked();
    for _ in 0..20 {
        talk.library.fault(BOOK, Fault::Unknown { done: false });
    }
    talk.taps("Yes");
    while !talk.alarms().is_empty() {
        talk.rings();
    }
    talk.expect(&["does not answer", "can't say whether this was done", "Krleža"]).expect_no("nothing");
    assert!(!talk.answer().question);
}

#[test]
fn a_refusal_after_an_unknown_end_is_no_proof() {
    let mut talk = asked();
    talk.library.fault(BOOK, Fault::Unknown { done: false });
    talk.taps("Yes");
    talk.library.fault(BOOK, Fault::Refused(409, json!({"detail": "That room is taken."})));
    talk.rings().expect(&["That room is taken", "can't say whether"]).expect_no("nothing was");
}

#[test]
fn the_same_again_after_an_unknown_end_is_no_new_call_and_no_proof() {
    for fault in [Fault::Away, Fault::Refused(409, json!({"detail": "That room is taken."})), Fault::NoCredentials] {
        let mut talk = asked();
        talk.library.fault(BOOK, Fault::Unknown { done: true });
        talk.library.fault("GET /room-bookings", Fault::Away);
        talk.taps("Yes").expect(&["Please don't send it again"]);
        talk.library.fault(BOOK, fault);
        talk.wait(30).says("book the red room tomorrow 9-12").taps("Yes");
        talk.expect_no("nothing is").expect_no("nothing was").expect_effects(2);
        assert_eq!(talk.library.bookings(), 2, "once\n{}", talk.transcript());
    }
}

#[test]
fn the_same_wish_of_another_person_is_one_of_its_own() {
    let mut talk = away(1);
    talk.person_says(MARKO, "book the red room tomorrow 9-12");
    let yes = talk.button("Yes");
    talk.taps_choice(MARKO, &yes);
    talk.expect(&["Booked"]).expect_effects(2);
    assert_eq!(talk.alarms().len(), 1, "Ana's still waits\n{}", talk.transcript());
}

#[test]
fn a_call_that_was_sure_not_to_have_happened_may_happen_at_a_later_try() {
    let mut talk = Talk::new();
    talk.library.fault(RENT, Fault::Away);
    talk.library.fault(RENT, Fault::Unknown { done: false });
    talk.says("rent a locker tomorrow").taps("Yes").expect(&["nothing is done yet"]);
    talk.rings().expect(&["did not answer", "don't see it yet"]).expect_effects(2);
    talk.rings().expect_silence().expect_effects(2);
    talk.library.rent("2026-11-22", "mem_1");
    talk.rings().expect(&["it is there"]).expect_effects(2);
}

#[test]
fn it_is_told_in_the_persons_language() {
    for (wish, yes, first, last) in [
        ("rezerviraj crvenu sobu sutra od 9 do 12", "Da", "10 minuta", "Krleža"),
        ("buche den roten raum morgen 9-12", "Ja", "10 Minuten", "Gebucht"),
        ("reserva la sala roja mañana de 9 a 12", "Sí", "10 minutos", "Krleža"),
    ] {
        let mut talk = Talk::new();
        talk.settings.languages = ["en", "hr", "de", "es"].map(str::to_owned).to_vec();
        talk.library.fault(BOOK, Fault::Away);
        talk.says(wish).taps(yes).expect(&[first]);
        talk.rings().expect(&[last, "4711"]).expect_no("Booked");
    }
}
