//! What is meant: not sure, nothing near, words that steer, languages, other kinds of message, replay.

use conversation_worker::turn::{Next, Outcome, SearchAnswer, turn};
use domain::Content;
use serde_json::Value;

use super::{
    backend::Fault,
    driver::{ANA, Talk},
    effects::asked,
    world::operation,
};

#[test]
fn when_it_is_not_sure_it_offers_up_to_three() {
    let mut talk = Talk::new();
    talk.catalogue.unsure("book status", &["GET /books", "GET /loans", "GET /room-bookings", "GET /branches"]);
    talk.says("book status").expect_buttons(&["Find books", "Loans", "Room bookings"]).expect_effects(0);
    assert_eq!(talk.choices().len(), 3, "{}", talk.transcript());
    assert!(talk.called().is_empty(), "nothing is called on a guess: {:?}", talk.called());
    talk.taps("Loans").expect(&["Dune"]);
    assert_eq!(talk.called(), ["GET /loans"], "{}", talk.transcript());
}

#[test]
fn the_choice_of_a_meaning_works_by_number_and_by_word() {
    for answer in ["2", "loans"] {
        let mut talk = Talk::new();
        talk.catalogue.unsure("book status", &["GET /books", "GET /loans", "GET /room-bookings"]);
        talk.says("book status").says(answer).expect(&["Dune"]);
        assert_eq!(talk.called(), ["GET /loans"], "{}", talk.transcript());
    }
}

#[test]
fn the_chosen_meaning_takes_its_values_from_the_first_sentence() {
    let mut talk = Talk::new();
    talk.catalogue.unsure("red room tomorrow", &["GET /rooms", "POST /room-bookings", "GET /rooms/free"]);
    talk.says("the red room tomorrow 9-12")
        .taps("Book a room")
        .expect(&["Krleža", "09:00", "12:00"])
        .expect_buttons(&["Yes"]);
    talk.expect_effects(0);
}

#[test]
fn a_lone_effect_is_not_asked_about_twice() {
    let mut talk = Talk::new();
    talk.catalogue.unsure("red room", &["POST /room-bookings"]);
    talk.says("the red room tomorrow 9-12").expect(&["09:00", "12:00"]).expect_buttons(&["Yes"]).expect_effects(0);
    // What is only looked up has no echo, so the guess is a question.
    let mut talk = Talk::new();
    talk.catalogue.unsure("book status", &["GET /loans"]);
    talk.says("book status").expect_buttons(&["Loans"]);
    assert!(talk.called().is_empty(), "{:?}", talk.called());
}

#[test]
fn a_wish_of_its_own_leaves_the_question_which_one() {
    for (wish, said, called) in [
        ("show me all red books", "EN-04", "GET /books"),
        ("which red rooms are free tomorrow?", "Krleža", "GET /rooms/free"),
        ("my loans", "Dune", "GET /loans"),
    ] {
        let mut talk = Talk::new();
        talk.says("report damage").expect(&["Which book"]);
        talk.says(wish).expect(&[said]).expect_no("What happened");
        assert_eq!(talk.called(), [called], "{}", talk.transcript());
        assert!(!talk.answer().question, "{}", talk.transcript());
    }
    // Words of the rows choose, whatever stands around them.
    for answer in
        ["the atlas", "atlas please", "it is the atlas", "is it the atlas?", "report it for the green one", "2"]
    {
        let mut talk = Talk::new();
        talk.says("report damage").says(answer).expect(&["What happened"]);
    }
}

#[test]
fn a_wish_of_its_own_leaves_the_question_with_listed_answers() {
    let mut talk = Talk::new();
    talk.says("report damage").says("the atlas").says("page torn").expect_buttons(&["Readable"]);
    talk.says("which rooms are free tomorrow?").expect(&["Krleža"]).expect_effects(0);
    assert_eq!(talk.called(), ["GET /rooms/free"], "{}", talk.transcript());
    let mut talk = Talk::new();
    talk.says("report damage").says("the atlas").says("page torn").says("is it readable? yes").expect_buttons(&["Yes"]);
}

#[test]
fn a_yes_takes_the_only_thing_that_may_be_meant_and_a_no_leaves_the_question() {
    let mut talk = Talk::new();
    talk.catalogue.unsure("hm rooms", &["GET /rooms"]);
    talk.says("hm rooms").expect(&["Do you mean"]).says("yes").expect(&["Krleža"]);
    let mut talk = Talk::new();
    talk.catalogue.unsure("hm rooms", &["GET /rooms", "GET /books"]);
    talk.says("hm rooms").says("no").expect_no("Do you mean").expect_no("can't help");
    let mut talk = Talk::new();
    talk.says("report damage").expect(&["Which book"]).says("no").expect_no("I don't find").expect_effects(0);
    assert!(!talk.answer().question, "{}", talk.transcript());
}

#[test]
fn who_wants_to_know_something_is_not_asked_to_do_something() {
    for sentence in
        ["where is the atlas?", "which loan is overdue", "gdje je atlas", "wo ist der Atlas", "dónde está el atlas"]
    {
        let mut talk = Talk::new();
        talk.catalogue.unsure(sentence, &["DELETE /room-bookings/{booking_id}", "GET /loans"]);
        talk.says(sentence).expect_effects(0).expect_no("Yes");
        assert!(!talk.titles().iter().any(|title| title.starts_with("Yes")), "{}", talk.transcript());
    }
}

#[test]
fn when_nothing_is_near_it_says_so_and_calls_nothing() {
    for sentence in ["what's the weather in Split", "asdf qwer", "tko je izmislio gramofon"] {
        let mut talk = Talk::new();
        talk.says(sentence).expect_any(&["can't help", "ne mogu pomoći"]).expect_effects(0);
        assert!(talk.called().is_empty(), "{:?}", talk.called());
    }
}

#[test]
fn words_that_nobody_knows_may_name_what_is_wanted() {
    let mut talk = Talk::new();
    talk.catalogue.leaves_out("book the krleža", &["krleza"]);
    talk.says("book the Krleža tomorrow 9-12").expect(&["Krleža", "09:00", "12:00"]).expect_buttons(&["Yes"]);
    let mut talk = Talk::new();
    talk.catalogue.leaves_out("borrow leaves", &["leaves", "grass"]);
    talk.says("borrow leaves of grass please").expect(&["Leaves of Grass"]).expect_buttons(&["Yes"]);
    // Two have the name.
    let mut talk = Talk::new();
    talk.catalogue.leaves_out("borrow atlas", &["atlas"]);
    talk.says("borrow atlas").expect_no("can't help");
}

#[test]
fn words_that_nobody_knows_and_that_name_nothing_are_about_something_else() {
    for (sentence, words) in [
        ("book a flight to Paris tomorrow", vec!["flight", "paris"]),
        ("borrow money until Friday", vec!["money"]),
        // It takes no thing that could have a name.
        ("suggest Friday night drinks", vec!["night", "drinks"]),
    ] {
        let mut talk = Talk::new();
        talk.catalogue.leaves_out(sentence, &words);
        talk.says(sentence).expect(&["can't help"]).expect_effects(0);
        assert!(!talk.answer().question, "{}", talk.transcript());
    }
}

#[test]
fn when_nothing_is_near_it_offers_what_people_use() {
    let mut talk = Talk::new();
    talk.settings.suggestions = suggestions();
    talk.says("what's the weather in Split").expect_buttons(&["Free rooms"]);
}

#[test]
fn a_greeting_is_answered_with_the_name_and_what_it_can_do() {
    let mut talk = Talk::new();
    talk.settings.suggestions = suggestions();
    talk.says("hi").expect(&["Ana", "Free rooms"]).expect_effects(0);
    assert!(talk.choices().len() <= 3, "{}", talk.transcript());
    talk.taps("Loans").expect(&["Dune"]);
    let mut talk = Talk::new();
    talk.says("Bok").expect(&["Ana"]);
    assert_eq!(talk.answer().trace.language, "hr", "{}", talk.transcript());
}

#[test]
fn help_says_what_can_always_be_written() {
    Talk::new().says("help").expect(&["cancel", "back", "wrong"]);
    Talk::new().says("pomoć").expect(&["odustani", "natrag", "krivo"]);
}

#[test]
fn the_language_follows_the_person_and_a_bare_name_does_not_switch_it() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?");
    assert_eq!(talk.answer().trace.language, "en", "{}", talk.transcript());
    talk.says("koje su sobe slobodne prekosutra?").expect(&["pon", "23"]).expect_no("Monday");
    assert_eq!(talk.answer().trace.language, "hr", "{}", talk.transcript());
    talk.says("Tesla");
    assert_eq!(talk.answer().trace.language, "hr", "{}", talk.transcript());
    talk.says("which loans do I have").expect(&["Dune"]);
    assert_eq!(talk.answer().trace.language, "en", "{}", talk.transcript());
}

#[test]
fn a_question_is_answered_in_another_language() {
    let mut talk = asked();
    talk.says("da").expect(&["4711"]).expect_effects(1);
}

#[test]
fn a_tenant_that_speaks_one_language_is_answered_in_it() {
    let mut talk = Talk::new();
    talk.settings.languages = vec!["en".to_owned()];
    talk.says("koje su sobe slobodne sutra?");
    assert_eq!(talk.answer().trace.language, "en", "{}", talk.transcript());
}

#[test]
fn wrong_becomes_a_report_with_what_was_asked_and_answered() {
    for (sentence, wrong) in [("Which rooms are free tomorrow?", "wrong"), ("koje su sobe slobodne sutra?", "krivo")] {
        let mut talk = Talk::new();
        talk.says(sentence).says(wrong).expect_any(&["sorry", "žao"]);
        let mut report = talk.answer().trace.report.clone();
        assert!((1..=3).contains(&talk.choices().len()), "{}", talk.transcript());
        let first = talk.choices()[0].clone();
        talk.taps_choice(ANA, &first).expect_any(&["thank", "hvala"]).expect_effects(0);
        report = talk.answer().trace.report.clone().or(report);
        let report = report.unwrap_or_else(|| panic!("there is no report\n{}", talk.transcript()));
        let text = |key: &str| report[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("question"), sentence, "{report}");
        assert!(text("answer").contains("Tesla"), "the answer is in {report}");
        let categories = ["wrong_tool", "wrong_data", "wrong_format", "other"];
        assert!(report["category"].is_null() || categories.contains(&text("category").as_str()), "{report}");
        assert!(report.to_string().contains("/rooms/free"), "the call is in {report}");
    }
}

#[test]
fn what_was_wrong_may_be_said_in_words() {
    let mut talk = Talk::new();
    talk.says("which loans do I have").says("that's wrong").says("the second book is not mine").expect_effects(0);
    let report = talk.answer().trace.report.clone().unwrap_or_else(|| panic!("no report\n{}", talk.transcript()));
    assert!(report.to_string().contains("the second book is not mine"), "{report}");
}

#[test]
fn wrong_is_understood_while_a_value_is_asked_for() {
    let described = || {
        let mut talk = Talk::new();
        talk.says("report damage").says("the atlas").expect(&["happened"]);
        talk
    };
    for word in ["wrong", "Krivo!", "pogrešno"] {
        let mut talk = described();
        talk.says(word).expect_any(&["sorry", "žao"]).expect_any(&["Wrong detail", "Krivi podatak"]).expect_effects(0);
    }
    for description in ["not right", "wrong page torn out", "krivo uvezana", "the colour is wrong"] {
        let mut talk = described();
        talk.says(description).expect_buttons(&["Readable"]).taps("Readable").expect(&[description]);
    }
    described().says("page torn").says("nije dobro").expect_any(&["sorry", "žao"]).expect_effects(0);
    asked().taps("Change").says("that's wrong").expect(&["sorry"]).expect_effects(0);
}

#[test]
fn the_wish_for_a_person_is_noted() {
    for sentence in ["a person please", "želim razgovarati s osobom"] {
        let mut talk = Talk::new();
        talk.says(sentence).expect_any(&["person", "osob"]);
        assert!(talk.answer().trace.report.is_some(), "{}", talk.transcript());
    }
}

#[test]
fn thanks_are_taken_kindly() {
    let mut talk = asked();
    talk.says("yes").says("thanks").expect_effects(1);
    assert!(!talk.text().contains("can't"), "{}", talk.transcript());
}

#[test]
fn voice_pictures_and_the_like_are_answered_politely_and_leave_the_question_open() {
    let media = |media: &str| Content::Media {
        media: media.to_owned(),
        url: Some("https://x.test/1".to_owned()),
        caption: None,
    };
    for (content, word) in [
        (media("voice"), "voice"),
        (media("audio"), "voice"),
        (media("image"), "picture"),
        (media("document"), "file"),
        (Content::Location { latitude: 45.8, longitude: 15.97, name: None }, "address"),
        (Content::Unknown { kind: "hologram".to_owned() }, "write"),
        (Content::Other { kind: "poll".to_owned() }, "write"),
        (Content::Contacts { contacts: Vec::new() }, "write"),
    ] {
        Talk::new().sends(ANA, content.clone()).expect(&[word]).expect_effects(0);
        let mut talk = asked();
        talk.sends(ANA, content).expect(&[word]).expect_effects(0);
        talk.says("yes").expect_effects(1);
    }
}

#[test]
fn what_nobody_said_is_not_answered_and_moves_no_question() {
    for content in [
        Content::Reaction { of: "m1".to_owned(), emoji: Some("👍".to_owned()) },
        Content::Revoke { of: "m1".to_owned() },
        Content::Notice { kind: "my_chat_member.kicked".to_owned(), text: None },
    ] {
        Talk::new().sends(ANA, content.clone()).expect_silence().expect_effects(0);
        let mut talk = asked();
        talk.sends(ANA, content).expect_silence().expect_effects(0);
        talk.wait(80).says("yes").expect_effects(1);
    }
}

#[test]
fn an_edit_is_a_wish_in_place_of_the_earlier_one_and_no_yes() {
    let mut talk = asked();
    talk.edits("yes").expect_effects(0).expect(&["Krleža"]);
    talk.edits("tomorrow").expect_effects(0).expect(&["Krleža"]);
    talk.edits("book the red room tomorrow 10-13").expect_effects(0).expect(&["Krleža", "10:00", "13:00"]);
    talk.says("yes").expect_effects(1);
    let mut talk = asked();
    talk.edits("Which rooms are free tomorrow?").expect(&["Tesla"]).says("yes").expect_effects(0);
    Talk::new().edits("Which rooms are free tomorrow?").expect(&["Tesla"]);
}

#[test]
fn an_edit_in_which_nothing_changed_is_not_answered_again() {
    let question = "Which rooms are free tomorrow?";
    let mut talk = Talk::new();
    talk.says(question).expect(&["Tesla"]).edits_of(1, question).expect_silence();
    talk.edits_of(1, "Which rooms are free today?").expect(&["Tesla"]);
    talk.edits_of(1, "Which rooms are free today?").expect_silence();
    talk.edits_of(1, question).expect(&["Tesla"]);
    // Nor does it touch a question.
    let mut talk = Talk::new();
    talk.says("book the red room tomorrow 9-12").expect(&["Krleža"]);
    talk.edits_of(1, "book the red room tomorrow 9-12").expect_silence();
    talk.says("yes").expect_effects(1);
}

#[test]
fn a_bot_that_is_opened_greets() {
    Talk::new().says("/start").expect(&["Hello"]);
    asked().says("/cancel").says("yes").expect_effects(0);
}

#[test]
fn texts_sent_at_once_are_one_sentence() {
    let mut talk = Talk::new();
    talk.says_at_once(&["book the red room", "tomorrow 9-12"]).expect(&["Krleža", "09:00", "12:00"]).expect_effects(0);
    talk.says("yes").expect_effects(1);
    Talk::new().says_at_once(&["hi", "Which rooms are free tomorrow?"]).expect(&["Tesla"]);
}

#[test]
fn a_yes_in_a_burst_with_its_wish_confirms_nothing() {
    Talk::new().says_at_once(&["book the red room tomorrow 9-12", "yes"]).expect_effects(0);
}

#[test]
fn the_words_with_a_picture_are_understood() {
    let caption = Content::Media {
        media: "image".to_owned(),
        url: None,
        caption: Some("Which rooms are free tomorrow?".to_owned()),
    };
    Talk::new().sends(ANA, caption).expect(&["Tesla"]);
}

#[test]
fn empty_and_endless_texts_are_survived() {
    let long = "book ".repeat(2_000);
    for text in [
        "",
        " ",
        "\u{0}",
        "🙂",
        "....",
        "???",
        "1",
        "{}",
        "'; drop table rooms; --",
        long.as_str(),
        "\u{202e}skoob",
        "ééé ﷽",
    ] {
        Talk::new().says(text).expect_effects(0);
        asked().says(text).expect_effects(0);
    }
}

#[test]
fn a_replay_from_the_journal_asks_nobody_again() {
    let mut talk = asked();
    talk.taps("Yes").expect_effects(1);
    let (input, history) = talk.last_run();
    assert!(!history.is_empty());
    for cut in 0..history.len() {
        let first = format!("{:?}", turn(input, &history[..cut]));
        assert!(matches!(turn(input, &history[..cut]), Next::Do(_)), "{cut} outcomes do not end the turn");
        assert_eq!(first, format!("{:?}", turn(input, &history[..cut])), "the same history asks the same");
    }
    let Next::Done(again) = turn(input, history) else { panic!("the whole history ends the turn") };
    assert_eq!(again.replies, talk.answer().replies);
}

#[test]
fn a_journal_of_another_decision_ends_with_an_apology_and_no_effect() {
    let mut talk = Talk::new();
    talk.says("Which rooms are free tomorrow?").says("which loans do I have");
    let (input, history) = talk.last_run();
    assert!(!input.state.offers.is_empty(), "there are buttons of before\n{}", talk.transcript());
    let Next::Done(answer) = turn(input, &turned(history)) else { panic!("another kind of outcome ends the turn") };
    let [reply] = answer.replies.as_slice() else { panic!("one apology is expected: {:?}", answer.replies) };
    assert!(reply.text.starts_with("Sorry"), "{}", reply.text);
    assert!(reply.text.contains("write it again"), "{}", reply.text);
    assert!(answer.state.offers.is_empty(), "no button of before counts");
}

#[test]
fn a_journal_of_another_decision_that_holds_an_effect_asks_nobody_to_repeat_it() {
    let journal_after = |fault: Option<Fault>, language: &str| {
        let mut talk = asked();
        if let Some(fault) = fault {
            talk.library.fault("POST /room-bookings", fault);
        }
        talk.says(language).expect_effects(1);
        let (input, history) = talk.last_run();
        let Next::Done(answer) = turn(input, &turned(history)) else { panic!("another kind of outcome ends the turn") };
        assert!(answer.state.open.is_none() && !answer.question, "the old yes no longer counts");
        let [reply] = answer.replies.as_slice() else { panic!("one message is expected: {:?}", answer.replies) };
        reply.text.clone()
    };
    for happened in [None, Some(Fault::Unknown { done: true }), Some(Fault::Refused(500, Value::Null))] {
        let text = journal_after(happened.clone(), "yes");
        assert!(text.contains("Library") && text.contains("don't know whether it was done"), "{happened:?}: {text}");
        assert!(!text.contains("write it again"), "{happened:?}: {text}");
    }
    for not_done in [Fault::Away, Fault::NoCredentials, Fault::Refused(403, Value::Null)] {
        let text = journal_after(Some(not_done.clone()), "yes");
        assert!(text.contains("write it again"), "{not_done:?}: {text}");
    }
}

#[test]
fn a_look_up_before_another_decision_is_no_effect() {
    let mut talk = asked();
    talk.says("which loans do I have").expect(&["Dune"]).expect_effects(0);
    let (input, history) = talk.last_run();
    let call = history.iter().position(|outcome| matches!(outcome, Outcome::Call(_))).expect("a look-up");
    let mut other = history[..=call].to_vec();
    assert!(history.len() > other.len(), "the turn goes on after its look-up");
    other.push(turned(&history[call + 1..=call + 1]).remove(0));
    let Next::Done(answer) = turn(input, &other) else { panic!("another kind of outcome ends the turn") };
    assert!(answer.replies[0].text.contains("write it again"), "{:?}", answer.replies);
}

/// A journal in which nothing stands where this release looks for it.
fn turned(history: &[Outcome]) -> Vec<Outcome> {
    let mut turned = history.to_vec();
    turned.reverse();
    let first = match turned.first() {
        Some(Outcome::Search(_)) => Outcome::Operations(vec![Err("gone".to_owned())]),
        _ => Outcome::Search(SearchAnswer::default()),
    };
    turned.insert(0, first);
    turned
}

#[test]
fn tokens_are_of_one_conversation_and_turn() {
    let mut first = asked();
    let mut second = asked();
    assert_eq!(first.titles(), second.titles());
    let strange = Talk::new().says("hi").says("book the red room tomorrow 9-12").button("Yes");
    first.taps_choice(ANA, &strange).expect_effects(0);
    second.taps("Yes").expect_effects(1);
}

fn suggestions() -> Vec<String> {
    ["GET /rooms/free", "GET /loans", "POST /room-bookings"].map(|name| operation(name).id.clone()).to_vec()
}

#[test]
fn what_a_person_chose_for_a_sentence_is_learned_when_it_ended_well() {
    let learned = |talk: &Talk| {
        talk.answer().accepted.clone().map(|accepted| (accepted.operation_id, accepted.text, accepted.values))
    };
    let expected = |name: &str, text: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Some((format!("library/{name}"), text.to_owned(), values))
    };
    // By its button, its number, its words, and by a yes to the only one.
    for choice in ["[All rooms]", "1", "rooms", "the first one"] {
        let mut talk = Talk::new();
        talk.catalogue.unsure("hm rooms", &["GET /rooms", "GET /books"]);
        talk.says("hm rooms 17 tomorrow");
        assert_eq!(learned(&talk), None, "nothing is chosen yet");
        match choice.strip_prefix('[').and_then(|title| title.strip_suffix(']')) {
            Some(title) => talk.taps(title),
            None => talk.says(choice),
        };
        assert_eq!(learned(&talk), expected("GET /rooms", "hm rooms", &[]), "{choice} {}", talk.transcript());
        talk.says("the second one");
        assert_eq!(learned(&talk), None, "once");
    }
    // An effect: with its end, not with the choice nor the echo; words of what it was made with are named.
    let mut talk = Talk::new();
    talk.catalogue.unsure("krleža by ana", &["POST /room-bookings", "GET /books"]);
    talk.says("krleža by ana").taps("Book");
    while talk.effects().is_empty() {
        assert_eq!(learned(&talk), None, "{}", talk.transcript());
        match talk.titles().iter().any(|title| title.starts_with("Yes")) {
            true => talk.taps("Yes"),
            false => talk.says("tomorrow 9-12"),
        };
    }
    assert_eq!(learned(&talk), expected("POST /room-bookings", "krleža by ana", &["krleza", "ana"]));
}

#[test]
fn what_nobody_chose_or_what_ended_badly_is_not_learned() {
    let mut talk = asked();
    talk.taps("Yes").expect(&["4711"]);
    assert_eq!(talk.answer().accepted, None, "a yes to what was found at once says nothing new");
    let mut talk = Talk::new();
    talk.says("free rooms");
    assert_eq!(talk.answer().accepted, None);
    let mut talk = Talk::new();
    talk.catalogue.unsure("hm rooms", &["GET /rooms", "GET /books"]);
    talk.says("hm rooms").library.fault("GET /rooms", Fault::Refused(500, Value::Null));
    talk.taps("All rooms");
    assert_eq!(talk.answer().accepted, None, "{}", talk.transcript());
    // Another wish instead of a choice.
    let mut talk = Talk::new();
    talk.catalogue.unsure("hm rooms", &["GET /rooms", "GET /books"]);
    talk.says("hm rooms").says("my loans").expect(&["Dune"]);
    assert_eq!(talk.answer().accepted, None, "{}", talk.transcript());
}
