//! Somebody wants to know something.

use super::driver::{MARKO, Talk, instant, time_of};

#[test]
fn a_look_up_takes_its_day_from_the_sentence_and_is_told_in_lines() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?")
        .expect(&["1", "Tesla", "Krleža", "Gundulić", "Sun", "22"])
        .expect_effects(0);
    assert_eq!(talk.called(), ["GET /rooms/free"], "{}", talk.transcript());
    let call = talk.calls_of("GET /rooms/free")[0];
    assert!(time_of(call, "query:from") >= instant("2026-11-22T00:00:00"), "{call:?}");
    assert!(time_of(call, "query:to") <= instant("2026-11-23T00:00:00"), "{call:?}");
    assert!(time_of(call, "query:from") < time_of(call, "query:to"), "{call:?}");
    assert!(talk.choices().len() <= 3, "{}", talk.transcript());
}

#[test]
fn the_second_one_of_the_last_result_is_told_in_full() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    talk.says("the second one").expect(&["Krleža", "12"]).expect_no("Tesla").expect_no("Gundulić");
}

#[test]
fn a_number_chooses_of_the_last_result() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    talk.says("3").expect(&["Gundulić"]).expect_no("Tesla");
}

#[test]
fn after_five_minutes_the_second_one_means_nothing() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    talk.wait(301).says("the second one").expect_no("Krleža");
}

#[test]
fn and_the_day_after_repeats_the_look_up_for_the_next_day() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    talk.says("and the day after").expect(&["23"]);
    let calls = talk.calls_of("GET /rooms/free");
    assert_eq!(calls.len(), 2, "{}", talk.transcript());
    assert!(time_of(calls[1], "query:from") >= instant("2026-11-23T00:00:00"), "{}", talk.transcript());
    assert!(time_of(calls[1], "query:to") <= instant("2026-11-24T00:00:00"), "{}", talk.transcript());
}

#[test]
fn book_it_means_the_row_that_was_spoken_of() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?").says("the second one");
    talk.says("book it tomorrow 14-16")
        .expect(&["Krleža", "14:00", "16:00"])
        .expect_buttons(&["Yes"])
        .expect_effects(0);
    talk.taps("Yes").expect_effects(1);
    assert_eq!(talk.only_effect().arguments["body:room_id"], "rom_2");
}

#[test]
fn a_button_below_a_result_begins_what_can_be_done_with_it() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    assert!(!talk.choices().is_empty(), "operations that take a room are offered\n{}", talk.transcript());
    talk.taps("Book");
    assert!(talk.answer().question, "it goes on with a question\n{}", talk.transcript());
    talk.expect_effects(0);
}

#[test]
fn words_of_an_enum_fill_a_filter() {
    let mut talk = Talk::new();
    talk.says("show me the poetry books").expect(&["Leaves of Grass", "The Waste Land"]).expect_no("Dune");
    assert_eq!(talk.calls_of("GET /books")[0].arguments["query:genre"], "verse", "{}", talk.transcript());
}

#[test]
fn my_loans_are_those_of_the_person_who_asks() {
    let mut talk = Talk::new();
    talk.says("which loans do I have").expect(&["Dune", "Atlas", "30", "2"]).expect_no("Emma");
    assert_eq!(talk.calls_of("GET /loans")[0].arguments["query:member_id"], "mem_1", "{}", talk.transcript());
}

#[test]
fn my_is_a_filter_in_both_languages() {
    for sentence in ["my loans", "show me my loans", "moje posudbe", "pokaži moje posudbe"] {
        Talk::new().says(sentence).expect(&["Dune", "Atlas"]).expect_no("Emma");
    }
}

#[test]
fn an_empty_result_is_said_to_be_empty() {
    let mut talk = Talk::new();
    talk.person_says(MARKO, "my loans").expect_any(&["nothing", "no ", "none"]).expect_no("Dune");
    for (sentence, said) in [
        ("my loans", "Loans: nothing found."),
        ("moje posudbe", "Loans: nema ničega."),
        ("meine Ausleihen", "Loans: nichts gefunden."),
        ("mis préstamos", "Loans: no he encontrado nada."),
    ] {
        let mut talk = Talk::new();
        talk.settings.languages = ["en", "hr", "de", "es"].map(str::to_owned).to_vec();
        talk.person_says(MARKO, sentence);
        assert_eq!(talk.text(), said, "{}", talk.transcript());
    }
}

#[test]
fn too_many_rows_become_a_count_five_rows_and_more() {
    let mut talk = busy();
    talk.says("all room bookings this month").expect(&["37"]).expect_buttons(&["More"]);
    assert!(talk.choices().len() <= 3, "{}", talk.transcript());
    let call = talk.calls_of("GET /room-bookings")[0];
    assert!(!call.arguments.contains_key("query:member_id"), "nobody said mine: {call:?}");
    let first = numbered(&talk.text());
    assert_eq!(first.len(), 5, "{}", talk.transcript());
    talk.taps("More");
    let next = numbered(&talk.text());
    assert_eq!(next.len(), 5, "{}", talk.transcript());
    assert!(first.iter().all(|row| !next.contains(row)), "the next rows are others\n{}", talk.transcript());
    talk.says("more");
    let third = numbered(&talk.text());
    assert!(third.iter().all(|row| !next.contains(row) && !first.contains(row)), "{}", talk.transcript());
}

#[test]
fn rows_that_are_out_of_reach_are_not_called_all() {
    let mut talk = busy();
    for at in 0..40 {
        let (hour, minute) = (8 + at / 4, at % 4 * 15);
        let time = |minute: usize| format!("2026-11-30T{hour:02}:{minute:02}:00+01:00");
        talk.library.book("rom_3", &time(minute), &time(minute + 14), "mem_9");
    }
    talk.library.pages(50, 50);
    talk.says("all room bookings this month").expect(&["77"]);
    for _ in 0..9 {
        talk.taps("More");
    }
    // The fiftieth row is the last that can be read.
    assert_eq!(talk.text().lines().filter(|line| line.starts_with("50. ")).count(), 1, "{}", talk.transcript());
    for _ in 0..2 {
        talk.says("more");
        talk.expect(&["77", "first 50"]).expect_no("That was all").expect_buttons(&["Only mine", "By room"]);
    }
    assert_eq!(talk.calls_of("GET /room-bookings").len(), 2, "it is read on once, not each time");
    talk.taps("Only mine").expect(&["Gundulić", "Ana Horvat"]).expect_no("Ivo");
    talk.says("more").expect(&["That was all"]);
}

#[test]
fn only_mine_is_a_filter_that_the_person_fills() {
    let mut talk = busy();
    talk.says("all room bookings this month").expect_buttons(&["Only mine"]);
    talk.taps("Only mine").expect(&["Gundulić", "Ana Horvat"]).expect_no("Ivo");
    let calls = talk.calls_of("GET /room-bookings");
    assert_eq!(calls.last().expect("a call").arguments["query:member_id"], "mem_1", "{}", talk.transcript());
}

#[test]
fn a_look_up_works_in_croatian() {
    let mut talk = Talk::new();
    talk.says("koje su sobe slobodne sutra?").expect(&["Tesla", "Krleža", "ned", "22", "plava"]).expect_no("blue");
    assert_eq!(talk.answer().trace.language, "hr", "{}", talk.transcript());
    assert_eq!(talk.calls_of("GET /rooms/free")[0].language, "hr", "the backend is asked in Croatian");
    talk.says("druga").expect(&["Krleža"]).expect_no("Tesla");
}

#[test]
fn the_trace_tells_what_was_found_chosen_and_called() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    let trace = &talk.answer().trace;
    assert_eq!(trace.chosen.as_deref(), Some("library/GET /rooms/free"), "{}", talk.transcript());
    assert_eq!(trace.candidates[0].operation_id, "library/GET /rooms/free");
    assert!(trace.calls.iter().any(|call| call.operation_id == "library/GET /rooms/free" && call.end == "200"));
}

/// 37 bookings in November.
fn busy() -> Talk {
    let mut talk = Talk::new();
    for at in 0..36 {
        let (day, hour) = (22 + at % 8, 8 + at / 8);
        let room = ["rom_1", "rom_2"][at % 2];
        let (from, to) =
            (format!("2026-11-{day}T{hour:02}:00:00+01:00"), format!("2026-11-{day}T{hour:02}:30:00+01:00"));
        talk.library.book(room, &from, &to, "mem_9");
    }
    assert_eq!(talk.library.bookings(), 37);
    talk
}

/// The lines that begin with a number and a point, without it.
fn numbered(text: &str) -> Vec<String> {
    let row = |line: &str| {
        let (number, rest) = line.split_once(['.', ')'])?;
        number.trim().parse::<u32>().ok().map(|_| rest.trim().to_owned())
    };
    text.lines().filter_map(row).collect()
}
