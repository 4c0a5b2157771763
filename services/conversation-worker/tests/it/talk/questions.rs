//! A yes counts only for a question that was seen, in time, once, and from the person who was asked.

use std::{sync::LazyLock, time::Duration};

use domain::Content;
use proptest::prelude::*;

use super::{
    driver::{ANA, MARKO, Moment, Talk},
    effects::asked,
};

#[test]
fn a_yes_after_two_minutes_asks_again() {
    let mut talk = asked();
    talk.wait(115).says("yes").expect(&["Krleža", "minute"]).expect_buttons(&["Yes"]).expect_effects(0);
    talk.says("yes").expect(&["4711"]).expect_effects(1);
}

#[test]
fn a_yes_after_six_minutes_does_nothing() {
    let mut talk = asked();
    talk.wait(360).says("yes").expect_effects(0);
    assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
}

#[test]
fn an_old_button_after_two_minutes_asks_again() {
    asked().wait(115).taps("Yes").expect_effects(0).expect(&["Krleža"]);
}

#[test]
fn an_answer_that_does_not_ask_moves_no_clock() {
    let photo = || Content::Media { media: "image".to_owned(), url: None, caption: None };
    let mut talk = asked();
    talk.wait(75).sends(ANA, photo()).expect_no("Krleža");
    talk.wait(75).says("yes").expect_effects(0).expect(&["Krleža"]);
    let mut talk = asked();
    talk.wait(75).person_says(MARKO, "yes").expect(&["Ana"]);
    talk.wait(75).says("yes").expect_effects(0).expect(&["Krleža"]);
    // Nor is a question seen because something else was.
    let mut talk = asked();
    talk.forget_delivery();
    talk.sends(ANA, photo());
    talk.says("yes").expect_effects(0).expect(&["Krleža"]);
}

#[test]
fn a_yes_within_ninety_seconds_counts() {
    asked().wait(80).says("yes").expect(&["4711"]).expect_effects(1);
}

#[test]
fn ninety_seconds_are_not_ninety_one() {
    for (after_ms, effects) in [(90_000, 1), (90_001, 0), (90_999, 0)] {
        let mut talk = asked();
        let sent = talk.now();
        talk.deliver_at(sent);
        let moment = Moment { accepted: sent + Duration::from_millis(after_ms), written: None };
        talk.sends_at(ANA, Content::Text { text: "yes".to_owned() }, moment).expect_effects(effects);
    }
}

#[test]
fn a_second_yes_within_thirty_seconds_is_silence() {
    let mut talk = asked();
    talk.says("yes").expect_effects(1);
    talk.says("yes").expect_silence().expect_effects(1);
    talk.says("da").expect_silence().expect_effects(1);
}

#[test]
fn a_second_yes_later_has_no_effect_either() {
    let mut talk = asked();
    talk.says("yes").wait(120).says("yes").expect_effects(1);
}

#[test]
fn a_yes_of_another_person_is_refused_and_the_question_stays() {
    let mut talk = asked();
    let button = talk.button("Yes");
    talk.person_says(MARKO, "yes").expect(&["Ana"]).expect_effects(0);
    talk.taps_choice(MARKO, &button).expect_effects(0);
    talk.says("yes").expect_effects(1);
    assert_eq!(talk.only_effect().arguments["body:member_id"], "mem_1", "{}", talk.transcript());
}

#[test]
fn a_yes_before_the_question_was_sent_does_nothing_and_shows_it_again() {
    let mut talk = Talk::new();
    talk.delivers = false;
    talk.says("book the red room tomorrow 9-12");
    talk.says("yes").expect_effects(0).expect(&["Krleža"]).expect_buttons(&["Yes"]);
    talk.delivers = true;
    talk.deliver();
    talk.says("yes").expect_effects(1);
}

#[test]
fn a_tap_counts_from_the_begin_of_a_send_whose_end_is_not_known() {
    // A worker was killed between the turn and its send, and the next one during it.
    for (begun_after_s, effects) in [(None, 0), (Some(30), 0), (Some(60), 1)] {
        let mut talk = Talk::new();
        talk.delivers = false;
        talk.says("book the red room tomorrow 9-12");
        let asked_at = talk.now();
        talk.question_begun_at = begun_after_s.map(|after| asked_at + Duration::from_secs(after));
        talk.wait(130).taps("Yes").expect_effects(effects);
    }
}

#[test]
fn a_tap_counts_from_the_send_that_it_can_answer() {
    // Seconds after the turn that asks: begin of the last send, its record, the tap; whether an earlier send may have
    // been seen.
    for (begun_s, sent_s, tap_s, resent, effects) in [
        (30, 50, 110, false, 1),
        (30, 50, 130, false, 0), // not from the record
        (60, 140, 130, false, 1),
        (30, 140, 130, false, 0),
        (60, 70, 130, true, 1),
        (30, 125, 130, true, 0), // a late report of the first send: nobody has seen the last one
        (60, 140, 130, true, 0), // the tap may be on the first
        (60, 140, 80, true, 1),
        (140, 150, 130, false, 0),
        (140, 150, 80, false, 1),
    ] {
        let mut talk = Talk::new();
        talk.delivers = false;
        talk.says("book the red room tomorrow 9-12");
        let after = |seconds| Some(talk.now() + Duration::from_secs(seconds));
        (talk.question_begun_at, talk.question_resent) = (after(begun_s), resent);
        talk.deliver_at(talk.now() + Duration::from_secs(sent_s));
        talk.wait(tap_s).taps("Yes").expect_effects(effects);
    }
}

#[test]
fn a_yes_accepted_before_the_question_was_recorded_sent_does_nothing() {
    let mut talk = asked();
    let asked_at = talk.now();
    talk.deliver_at(asked_at + Duration::from_secs(4));
    let early = Moment { accepted: asked_at + Duration::from_secs(3), written: None };
    talk.sends_at(ANA, Content::Text { text: "yes".to_owned() }, early).expect_effects(0).expect(&["Krleža"]);
}

#[test]
fn a_yes_written_before_the_question_was_sent_does_nothing() {
    let mut talk = asked();
    let asked_at = talk.now();
    talk.deliver_at(asked_at + Duration::from_secs(10));
    let late = Moment {
        accepted: asked_at + Duration::from_secs(20),
        written: Some((asked_at + Duration::from_secs(5)).floor_second()),
    };
    talk.sends_at(ANA, Content::Text { text: "yes".to_owned() }, late).expect_effects(0).expect(&["Krleža"]);
}

#[test]
fn words_for_a_question_that_nobody_has_seen_show_it_again_and_do_nothing() {
    for question in questions() {
        // Nothing is recorded; recorded only after the words were accepted; written before it was sent.
        for (sent, written) in [(None, None), (Some(30), None), (Some(10), Some(5))] {
            let mut talk = (question.talk)();
            let asked_at = talk.now();
            let after = |seconds: u64| asked_at + Duration::from_secs(seconds);
            match sent {
                Some(seconds) => talk.deliver_at(after(seconds)),
                None => talk.forget_delivery(),
            };
            let moment = Moment { accepted: after(20), written: written.map(|at| after(at).floor_second()) };
            let text = Content::Text { text: question.words.to_owned() };
            talk.sends_at(ANA, text, moment).expect(&["first", question.shown]).expect_effects(0);
            assert!(talk.called().is_empty(), "{:?}\n{}", talk.called(), talk.transcript());
            assert!(talk.answer().asks && talk.answer().trace.report.is_none(), "{}", talk.transcript());
            // Now it was seen.
            talk.says(question.words).expect(&[question.then]);
        }
    }
}

#[test]
fn a_button_proves_that_its_question_was_seen() {
    for question in questions() {
        let mut talk = (question.talk)();
        if let Some(choice) = talk.choices().first().cloned() {
            talk.forget_delivery().taps_choice(ANA, &choice).expect_no("look at this first");
        }
    }
}

#[test]
fn what_leaves_a_question_needs_no_look_at_it() {
    for question in questions() {
        let mut talk = (question.talk)();
        talk.forget_delivery().says("cancel").expect(&["nothing was done"]);
        assert!(!talk.answer().question, "{}", talk.transcript());
        let mut talk = (question.talk)();
        talk.forget_delivery().says("help").expect(&["You can always write", question.shown]);
    }
}

#[test]
fn other_words_than_a_yes_are_no_yes() {
    for word in ["right", "right now", "eight", "night", "light", "might", "kasno", "surely", "dobra"] {
        asked().says(word).expect_effects(0);
    }
    for word in ["about", "lista", "cancer", "nekako", "stan"] {
        let mut talk = asked();
        talk.says(word).expect_effects(0).expect_no("nothing was done");
    }
}

/// An open question, words that answer it, and what is said when it is shown again and when it is answered.
struct Question {
    talk: fn() -> Talk,
    words: &'static str,
    shown: &'static str,
    then: &'static str,
}

/// One of each kind.
fn questions() -> Vec<Question> {
    let question = |talk, words, shown, then| Question { talk, words, shown, then };
    vec![
        question(|| said(&["report damage"]), "the atlas", "Dune", "What happened"),
        question(|| said(&["report damage", "the atlas"]), "page torn", "What happened", "Readable"),
        question(|| said(&["report damage", "the atlas", "page torn"]), "readable", "Needs repair", "Atlas"),
        question(
            || {
                let mut talk = Talk::new();
                talk.catalogue.unsure("book status", &["GET /books", "GET /loans", "GET /room-bookings"]);
                talk.says("book status");
                talk
            },
            "loans",
            "Room bookings",
            "Dune",
        ),
        question(asked, "yes", "12:00", "4711"),
        question(asked, "no", "12:00", "nothing was done"),
        question(asked, "yes, but until 1", "12:00", "13:00"),
        question(asked, "the blue one", "Krleža", "Tesla"),
        question(asked, "change", "12:00", "different"),
        question(
            || said(&["book the red room tomorrow 9-12", "change"]),
            "until 13:30",
            "should be different",
            "13:30",
        ),
        question(|| said(&["my loans", "wrong"]), "the second is not mine", "What was wrong", "Thank you"),
        question(
            || said(&["my loans", "wrong", "the second is not mine"]),
            "yes",
            "talk to a person",
            "noted that you",
        ),
    ]
}

fn said(texts: &[&str]) -> Talk {
    let mut talk = Talk::new();
    for text in texts {
        talk.says(text);
    }
    talk
}

#[test]
fn a_yes_with_nothing_open_does_nothing() {
    let mut talk = Talk::new();
    talk.says("yes").expect_effects(0);
    assert!(!talk.answer().replies.is_empty(), "{}", talk.transcript());
}

/// The open question of [`asked`], made once.
static ASKED: LazyLock<Talk> = LazyLock::new(asked);

/// One way in which question, delay and yes meet; times in milliseconds after the question was decided.
#[derive(Clone, Debug)]
struct Meeting {
    /// The sending is recorded at this time, if it is recorded when the yes is worked on.
    sent: Option<u64>,
    /// The yes is accepted at this time.
    accepted: u64,
    /// The person wrote it so long before that, if the platform tells.
    travelled: Option<u64>,
    /// It comes from the person who was asked.
    own: bool,
    word: &'static str,
}

impl Meeting {
    /// The promise: the question was recorded sent before the yes was accepted, and not written before it was sent.
    fn seen(&self, asked_at: domain::Micros) -> bool {
        let at = |after: u64| asked_at + Duration::from_millis(after);
        self.sent.is_some_and(|sent| {
            let written = self.travelled.map(|travelled| at(self.accepted.saturating_sub(travelled)).floor_second());
            at(self.accepted) > at(sent) && written.is_none_or(|written| written >= at(sent).floor_second())
        })
    }

    fn age(&self) -> u64 {
        self.accepted.saturating_sub(self.sent.unwrap_or(0))
    }
}

fn meetings() -> impl Strategy<Value = Meeting> {
    let sent = prop_oneof![1 => Just(None), 5 => (0_u64..20_000).prop_map(Some)];
    let accepted = prop_oneof![3 => 0_u64..25_000, 2 => 25_000_u64..400_000];
    let travelled = prop_oneof![Just(None), (0_u64..25_000).prop_map(Some)];
    let word = prop_oneof![Just("yes"), Just("da"), Just("ok"), Just("yes please")];
    (sent, accepted, travelled, prop::bool::weighted(0.8), word)
        .prop_map(|(sent, accepted, travelled, own, word)| Meeting { sent, accepted, travelled, own, word })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Promise 13 of the protocol.
    #[test]
    fn nothing_runs_on_a_yes_that_was_given_before_the_question_was_seen_or_by_somebody_else(meeting in meetings()) {
        let mut talk = ASKED.clone();
        let asked_at = talk.now();
        let at = |after: u64| asked_at + Duration::from_millis(after);
        // The send was recorded by the time the turn runs, be it after the yes was accepted; or not at all.
        talk.delivers = false;
        talk.forget_delivery();
        if let Some(sent) = meeting.sent {
            talk.question_begun_at = Some(at(sent));
            talk.deliver_at(at(sent));
        }
        let moment = Moment {
            accepted: at(meeting.accepted),
            written: meeting.travelled.map(|travelled| at(meeting.accepted.saturating_sub(travelled)).floor_second()),
        };
        let person = if meeting.own { ANA } else { MARKO };
        talk.sends_at(person, Content::Text { text: meeting.word.to_owned() }, moment);
        let effects = talk.effects().len();
        let allowed = meeting.own && meeting.seen(asked_at) && meeting.age() <= 90_000;
        if !allowed {
            prop_assert_eq!(effects, 0, "{:?}\n{}", meeting, talk.transcript());
        } else if meeting.age() < 89_000 {
            prop_assert_eq!(effects, 1, "{:?}\n{}", meeting, talk.transcript());
        }
    }
}
