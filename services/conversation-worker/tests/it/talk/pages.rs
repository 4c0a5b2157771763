//! Lists longer than a page: counted, told to the end, chosen from, and narrowed by words that no filter takes.

use super::{backend::Fault, driver::Talk};

/// Thirty-six bookings of others beside Ana's, of Tesla and Krleža by turns, one a day from 22 November on.
fn many_bookings() -> Talk {
    let mut talk = Talk::new();
    for day in 0..36 {
        let (month, day, room) = if day < 9 { (11, 22 + day, "rom_1") } else { (12, day - 8, "rom_2") };
        let at = |hour: u32| format!("2026-{month}-{day:02}T{hour:02}:00:00+01:00");
        talk.library.book(room, &at(16), &at(17), "mem_9");
    }
    talk
}

#[test]
fn a_list_whose_length_nobody_says_is_counted_over_its_pages() {
    let mut talk = Talk::new();
    talk.library.pages(2, 100);
    talk.says("find books").expect(&["6 results", "the first 5", "Dune"]).expect_buttons(&["More"]);
    let calls = talk.calls_of("GET /books");
    assert_eq!(calls.iter().map(|call| call.whole).collect::<Vec<_>>(), [false, true], "{}", talk.transcript());
    talk.taps("More").expect(&["6. The Waste Land"]);
    assert_eq!(talk.calls_of("GET /books").len(), 2, "it was there already");
}

#[test]
fn a_list_that_says_how_long_it_is_is_read_on_when_somebody_wants_more() {
    let mut talk = many_bookings();
    talk.library.pages(12, 100);
    talk.says("room bookings").expect(&["37 results", "the first 5"]);
    talk.expect_buttons(&["More", "Only mine", "By room"]);
    assert_eq!(talk.calls_of("GET /room-bookings").len(), 1, "its length is known");
    talk.taps("More").expect(&["The next 5", "10. "]).expect_buttons(&["More", "Only mine", "By room"]);
    assert_eq!(talk.calls_of("GET /room-bookings").len(), 1);
    talk.says("more").expect(&["11. ", "15. "]);
    assert!(talk.calls_of("GET /room-bookings")[1].whole);
    for _ in 0..4 {
        talk.taps("More").expect(&["The next 5"]);
    }
    talk.taps("More").expect(&["The next 2", "37. "]).expect_no("can only see");
    assert!(!talk.titles().iter().any(|title| title == "More"), "{}", talk.transcript());
    assert_eq!(talk.calls_of("GET /room-bookings").len(), 2);
    talk.says("the second one").expect(&["Gundulić"]);
}

#[test]
fn a_list_that_cannot_be_read_on_says_so() {
    let mut talk = many_bookings();
    talk.library.pages(5, 100);
    talk.says("room bookings").expect(&["37 results", "the first 5"]);
    talk.library.fault("GET /room-bookings", Fault::Away);
    talk.taps("More").expect_any(&["reach", "later"]);
    talk.says("more").expect(&["The next 5", "10. "]);
}

#[test]
fn filters_stay_below_the_rows_that_come_next() {
    let mut talk = many_bookings();
    talk.says("room bookings").taps("More").taps("Only mine").expect(&["Gundulić"]).expect_no("Krleža");
}

#[test]
fn what_lies_beyond_the_limits_is_told_honestly() {
    let mut talk = Talk::new();
    talk.library.pages(2, 4);
    talk.says("find books").expect(&["More than 4 results"]).expect_no("6 results");
    let mut talk = many_bookings();
    talk.library.pages(6, 20);
    talk.says("room bookings").expect(&["37 results"]);
    for _ in 0..3 {
        talk.taps("More");
    }
    talk.expect(&["20. ", "There are 37", "first 20"]);
}

#[test]
fn a_row_of_the_last_page_is_found_by_its_name() {
    let mut talk = Talk::new();
    talk.library.pages(1, 100);
    talk.says("book the green room tomorrow 9-12").expect(&["Gundulić"]).expect_buttons(&["Yes"]);
    let mut talk = Talk::new();
    talk.library.pages(1, 100);
    talk.says("record 120 pages of The Waste Land").expect(&["The Waste Land", "120"]).expect_buttons(&["Yes"]);
}

#[test]
fn words_that_no_filter_takes_narrow_a_list() {
    let mut talk = Talk::new();
    talk.says("list red rooms")
        .expect(&["1 of 3", "red", "Krleža"])
        .expect_no("Tesla")
        .expect_buttons(&["All of them"]);
    talk.taps("All of them").expect(&["Krleža", "Tesla", "Gundulić"]).expect_no("of 3");
    let mut talk = many_bookings();
    talk.library.pages(5, 100);
    talk.says("room bookings of Krleža").expect(&["27 of 37 with “Krleža”", "the first 5"]).expect_no("Tesla");
    talk.taps("More").expect(&["The next 5", "Krleža"]).expect_no("Tesla");
    // A narrowed list is what "the second one" means.
    talk.says("the second one").expect(&["Krleža"]);
}

#[test]
fn words_that_all_rows_have_or_none_narrow_nothing() {
    for wish in
        ["list rooms", "please list all rooms that you have", "list nice rooms", "which rooms are free tomorrow"]
    {
        let mut talk = Talk::new();
        talk.says(wish).expect(&["Krleža", "Tesla", "Gundulić"]).expect_no("with “");
    }
}

#[test]
fn a_list_that_was_narrowed_without_all_of_it_says_so() {
    let mut talk = Talk::new();
    talk.library.pages(2, 4);
    talk.says("find books by Austen").expect(&["of 4 with", "first 4"]);
}
