//! A value is missing, wrong, or fits more than one thing.

use super::driver::{Talk, instant, time_of};

#[test]
fn missing_values_are_asked_one_by_one_and_an_enum_by_its_titles() {
    let mut talk = Talk::new();
    talk.says("report damage").expect(&["Dune", "Atlas"]).expect_effects(0);
    assert!((4..=10).contains(&talk.choices().len()), "six books are a list\n{}", talk.transcript());
    talk.says("the atlas").expect(&["happened"]);
    talk.says("page torn").expect_buttons(&["Readable", "Needs repair", "Not readable"]).expect_effects(0);
    talk.taps("Needs repair")
        .expect(&["Atlas", "page torn", "Needs repair"])
        .expect_buttons(&["Yes"])
        .expect_effects(0);
    talk.taps("Yes");
    let call = talk.only_effect();
    assert_eq!(call.arguments["path:book_id"], "bok_2");
    assert_eq!(call.arguments["body:description"], "page torn");
    assert_eq!(call.arguments["body:severity"], "mend");
}

#[test]
fn what_stands_behind_a_colon_is_told_word_for_word() {
    for (sentence, told) in [
        ("report damage of the atlas: page 12 torn, see room 3 tomorrow", "page 12 torn, see room 3 tomorrow"),
        ("report damage of the atlas saying page torn", "page torn"),
        ("prijavi oštećenje atlasa: poderana stranica 12", "poderana stranica 12"),
    ] {
        let mut talk = Talk::new();
        talk.says(sentence).expect_effects(0).says("3").expect(&["Atlas", told]).expect_effects(0);
        talk.says(if sentence.starts_with("prijavi") { "da" } else { "yes" });
        let call = talk.only_effect();
        assert_eq!(call.arguments["path:book_id"], "bok_2", "{sentence}\n{}", talk.transcript());
        assert_eq!(call.arguments["body:description"], told, "{}", talk.transcript());
        assert_eq!(call.arguments["body:severity"], "not_usable", "{}", talk.transcript());
    }
}

#[test]
fn a_short_wish_in_a_question_for_a_row_or_a_listed_value_is_a_wish() {
    for wish in ["list rooms", "show my loans"] {
        let mut talk = Talk::new();
        talk.says("report damage").says(wish).expect_effects(0);
        assert!(!talk.answer().replies.iter().any(|reply| reply.text.contains("Which")), "{}", talk.transcript());
        let mut talk = Talk::new();
        talk.says("report damage").says("the atlas").says("page torn").says(wish).expect_effects(0);
        assert!(!talk.answer().replies.iter().any(|r| r.text.contains("bad")), "{}", talk.transcript());
    }
}

#[test]
fn an_enum_is_also_answered_in_words_and_by_number() {
    for answer in ["not readable", "Not readable!", "3"] {
        let mut talk = Talk::new();
        talk.says("report damage")
            .says("the atlas")
            .says("page torn")
            .says(answer)
            .expect(&["Not readable"])
            .says("yes");
        assert_eq!(talk.only_effect().arguments["body:severity"], "not_usable", "{answer}\n{}", talk.transcript());
    }
}

#[test]
fn a_row_is_chosen_by_tap_number_or_word() {
    for (tap, answer, id) in
        [(true, "Dune", "bok_1"), (false, "3", "bok_3"), (false, "waste", "bok_6"), (false, "EN-05", "bok_5")]
    {
        let mut talk = Talk::new();
        talk.says("report damage");
        if tap {
            talk.taps(answer)
        } else {
            talk.says(answer)
        };
        talk.says("page torn").says("readable").says("yes");
        assert_eq!(talk.only_effect().arguments["path:book_id"], id, "{answer}\n{}", talk.transcript());
    }
}

#[test]
fn two_rows_that_fit_are_told_apart_by_a_word() {
    let mut talk = Talk::new();
    talk.says("upiši 12500 stranica za emmu").expect(&["Emma"]).expect_effects(0);
    assert_eq!(talk.choices().len(), 2, "the two copies are offered\n{}", talk.transcript());
    talk.says("siva").expect(&["Emma", "12.500"]).expect_buttons(&["Da"]).expect_effects(0);
    talk.taps("Da");
    let call = talk.only_effect();
    assert_eq!(call.arguments["path:book_id"], "bok_5");
    assert_eq!(call.arguments["body:pages"], 12500);
}

#[test]
fn two_rows_that_fit_are_shown_by_what_differs() {
    let mut talk = Talk::new();
    talk.says("record 120 pages of emma").expect(&["EN-04", "EN-05"]);
    talk.taps("EN-04").expect(&["120"]).says("yes");
    assert_eq!(talk.only_effect().arguments["path:book_id"], "bok_4", "{}", talk.transcript());
}

#[test]
fn one_row_that_fits_is_not_asked_about() {
    let mut talk = Talk::new();
    talk.says("record 120 pages of dune").expect(&["Dune", "120"]).expect_buttons(&["Yes"]).says("yes");
    assert_eq!(talk.only_effect().arguments["path:book_id"], "bok_1");
}

#[test]
fn a_word_that_fits_no_row_is_told_and_the_rows_are_shown() {
    let mut talk = Talk::new();
    talk.says("report damage").says("zzyzx").expect(&["Dune"]).expect_effects(0);
    talk.says("dune").expect(&["happened"]);
}

#[test]
fn a_day_that_does_not_exist_is_told() {
    let mut talk = Talk::new();
    talk.says("extend the loan of dune until 31.2.").expect(&["31", "February"]).expect_effects(0);
    assert!(talk.answer().question, "{}", talk.transcript());
    talk.says("5 December").expect(&["Dune", "5 Dec"]).expect_buttons(&["Yes"]).says("yes");
    let call = talk.only_effect();
    assert_eq!(call.arguments["path:loan_id"], "loa_1");
    assert_eq!(call.arguments["body:due"], "2026-12-05");
}

#[test]
fn a_day_that_does_not_exist_is_told_in_croatian() {
    let mut talk = Talk::new();
    talk.says("produži posudbu dune do 31.2.").expect(&["31", "velja"]).expect_effects(0);
    talk.says("5.12.").expect(&["Dune", "5"]).says("da");
    assert_eq!(talk.only_effect().arguments["body:due"], "2026-12-05", "{}", talk.transcript());
}

#[test]
fn a_number_out_of_range_is_told_with_its_limit() {
    let mut talk = Talk::new();
    talk.says("record 90000 pages of dune").expect_any(&["50,000"]).expect_effects(0);
    talk.says("90").expect(&["90"]).expect_buttons(&["Yes"]).says("yes");
    assert_eq!(talk.only_effect().arguments["body:pages"], 90, "{}", talk.transcript());
}

#[test]
fn a_word_where_a_number_is_wanted_is_asked_again() {
    let mut talk = Talk::new();
    talk.says("record pages").says("dune").says("many").expect_any(&["number"]).expect_effects(0);
    talk.says("75").expect(&["75"]).says("yes");
    assert_eq!(talk.only_effect().arguments["body:pages"], 75, "{}", talk.transcript());
}

#[test]
fn a_missing_time_is_asked_and_the_day_of_the_sentence_stays() {
    let mut talk = Talk::new();
    talk.says("book the blue room tomorrow").expect_effects(0);
    assert!(talk.answer().question, "{}", talk.transcript());
    talk.says("9-12").expect(&["09:00", "12:00"]).expect_buttons(&["Yes"]).expect_effects(0).says("yes");
    let call = talk.only_effect();
    assert_eq!(time_of(call, "body:from"), instant("2026-11-22T09:00:00"), "{}", talk.transcript());
    assert_eq!(time_of(call, "body:to"), instant("2026-11-22T12:00:00"), "{}", talk.transcript());
}

#[test]
fn hours_that_nobody_gave_are_asked_and_not_made_up() {
    let mut talk = Talk::new();
    talk.says("book the blue room tomorrow").expect_no("00:00").expect_effects(0);
    assert!(talk.answer().question, "{}", talk.transcript());
}

#[test]
fn a_day_that_answers_a_question_for_a_time_is_kept() {
    let mut talk = Talk::new();
    talk.says("book a room").says("the red one").expect(&["From", "day"]);
    talk.says("tomorrow").expect(&["what time on Sunday 22 November"]).expect_no("right").expect_effects(0);
    talk.says("9-12").expect(&["Sun 22 Nov", "09:00", "12:00"]).expect_effects(0).says("yes");
    assert_eq!(time_of(talk.only_effect(), "body:from"), instant("2026-11-22T09:00:00"), "{}", talk.transcript());
    assert_eq!(time_of(talk.only_effect(), "body:to"), instant("2026-11-22T12:00:00"), "{}", talk.transcript());
}

#[test]
fn an_end_before_its_begin_never_reaches_a_plan() {
    let mut talk = Talk::new();
    talk.says("book the red room tomorrow from 15:00 to 12:00").expect_effects(0);
    assert!(talk.titles().iter().all(|title| !title.starts_with("Yes")), "{}", talk.transcript());
}

#[test]
fn back_asks_the_question_before() {
    let mut talk = Talk::new();
    talk.says("report damage").says("the atlas").expect(&["happened"]);
    talk.says("back").expect(&["Dune", "Atlas"]).expect_effects(0);
    talk.says("dune").says("page torn").says("readable").expect(&["Dune"]).says("yes");
    assert_eq!(talk.only_effect().arguments["path:book_id"], "bok_1", "{}", talk.transcript());
}

#[test]
fn help_in_the_middle_does_not_lose_the_question() {
    let mut talk = Talk::new();
    talk.says("report damage").says("the atlas").says("help").expect(&["cancel"]).expect_effects(0);
    assert!(talk.answer().question, "{}", talk.transcript());
    talk.says("page torn").expect_buttons(&["Readable", "Needs repair"]);
}

#[test]
fn cancel_in_the_middle_ends_it() {
    let mut talk = Talk::new();
    talk.says("report damage").says("the atlas").says("cancel").expect_effects(0);
    assert!(!talk.answer().question, "{}", talk.transcript());
    talk.says("page torn").expect_effects(0);
    assert!(talk.titles().iter().all(|title| title != "Needs repair"), "{}", talk.transcript());
}

#[test]
fn a_new_sentence_leaves_an_open_question_for_what_it_asks() {
    let mut talk = Talk::new();
    talk.says("report damage").says("Which rooms are free tomorrow?").expect(&["Tesla", "Krleža"]).expect_effects(0);
}
