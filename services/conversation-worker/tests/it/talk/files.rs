//! Pictures and files that people send into a conversation.

use conversation_worker::turn::{FileOutcome, Purpose};
use domain::Content;
use serde_json::json;

use super::driver::{ANA, MARKO, Talk, file, reference};

/// Ana reports damage of the atlas and is asked what happened.
fn reporting() -> Talk {
    let mut talk = Talk::new();
    talk.says("report damage of the atlas").expect(&["What happened?"]);
    talk
}

#[test]
fn a_file_that_may_be_added_is_mentioned_once() {
    let mut talk = reporting();
    talk.expect(&["What happened? A sentence is enough. You can add a photo."]);
    talk.says("a page is torn").expect_no("photo");
    talk.taps("Needs repair").expect_no("photo").expect_buttons(&["Yes", "Change"]);
}

#[test]
fn a_photo_fills_the_task_that_is_open_and_is_echoed_and_sent() {
    let mut talk = reporting();
    talk.sends_photo("torn", 240, "")
        .expect(&["Photo: 1, 240 kB", "What happened?"])
        .expect_no("you can add")
        .expect_effects(0);
    talk.says("a page is torn");
    talk.taps("Needs repair").expect(&["• Photo: 1, 240 kB", "Atlas of the World"]).expect_effects(0);
    talk.taps("Yes").expect_no("240 kB");
    assert_eq!(talk.only_effect().arguments["body:photo"], reference("torn"));
    assert_eq!(talk.fetched, ["torn"], "it is fetched once");
}

#[test]
fn words_with_a_photo_answer_the_question_that_is_open() {
    let mut talk = reporting();
    talk.sends_photo("torn", 240, "a page is torn").expect(&["Photo: 1, 240 kB"]).expect_buttons(&["Needs repair"]);
    talk.taps("Needs repair").expect(&["Photo: 1, 240 kB", "page is torn"]);
}

#[test]
fn a_photo_with_a_wish_begins_it() {
    let mut talk = Talk::new();
    talk.sends_photo("torn", 1_250, "report damage of the atlas").expect(&["Photo: 1, 1.2 MB", "What happened?"]);
    talk.expect_no("you can add");
    talk.says("a page is torn").taps("Needs repair").taps("Yes");
    assert_eq!(talk.only_effect().arguments["body:photo"], reference("torn"));
}

#[test]
fn a_photo_is_kept_for_the_wish_that_comes_next() {
    let mut talk = Talk::new();
    talk.sends_photo("torn", 240, "").expect(&["can't look at pictures"]);
    assert_eq!(talk.fetched, [""; 0], "nobody needs it yet");
    talk.wait(200).says("report damage of the atlas").expect(&["Photo: 1, 240 kB"]);
    let mut talk = Talk::new();
    talk.sends_photo("torn", 240, "").wait(301).says("report damage of the atlas").expect_no("240 kB");
    let mut talk = Talk::new();
    talk.sends_photo("torn", 240, "").person_says(MARKO, "report damage of the atlas").expect_no("240 kB");
}

#[test]
fn a_wish_that_has_to_be_asked_about_keeps_its_photo() {
    let mut talk = Talk::new();
    talk.catalogue.unsure("it is torn", &["POST /books/{book_id}/damage-reports", "GET /books/{book_id}"]);
    talk.sends_photo("torn", 240, "it is torn").expect_buttons(&["Report damage"]);
    talk.taps("Report damage").expect(&["Photo: 1, 240 kB"]);
}

#[test]
fn a_photo_at_the_yes_changes_the_question() {
    let mut talk = reporting();
    talk.says("a page is torn").taps("Needs repair");
    let old = talk.button("Yes");
    talk.sends_photo("torn", 240, "").expect(&["Changed: Photo 1, 240 kB"]).expect_buttons(&["Yes"]);
    talk.taps_choice(ANA, &old).expect_effects(0);
    // Words with it are no yes to what was not shown.
    talk.sends_photo("other", 300, "yes").expect(&["300 kB"]).expect_effects(0);
    talk.says("yes").expect_effects(1);
    assert_eq!(talk.only_effect().arguments["body:photo"], reference("other"), "one field has one file");
}

#[test]
fn a_photo_of_somebody_else_changes_nothing() {
    let mut talk = reporting();
    talk.sends(MARKO, file("image", "torn", "")).expect_no("Photo:");
    assert_eq!(talk.fetched, [""; 0]);
    talk.says("a page is torn").taps("Needs repair").expect_no("Photo:");
}

#[test]
fn a_photo_that_cannot_be_had_loses_nothing() {
    for (outcome, told) in [
        (FileOutcome::Unavailable { reason: "HTTP 404".to_owned() }, "I could not get the picture"),
        (FileOutcome::TooLarge { limit_bytes: 10_485_760 }, "At most 10 MB"),
        (
            FileOutcome::Kept {
                sha256: reference("x"),
                media_type: "application/octet-stream".to_owned(),
                size_bytes: 7,
            },
            "Please send one of these: JPEG, PNG",
        ),
    ] {
        let mut talk = reporting();
        talk.files.insert("x".to_owned(), outcome);
        talk.sends_file("image", "x", "").expect(&[told, "What happened?"]);
        talk.sends_file("image", "x", "a page is torn").expect(&[told]).expect_buttons(&["Needs repair"]);
        talk.taps("Needs repair").expect(&["a page is torn"]).expect_no("Photo:");
        talk.sends_file("image", "x", "").expect(&[told]).expect_buttons(&["Yes"]);
        talk.taps("Yes").expect_effects(1);
        assert_eq!(talk.only_effect().arguments.get("body:photo"), None);
        // And with a wish of its own.
        talk.sends_file("image", "x", "report damage of the atlas").expect(&[told, "What happened?"]);
    }
}

#[test]
fn a_file_that_is_needed_is_asked_for() {
    let mut talk = Talk::new();
    talk.says("hand in a scan").expect(&["Pages: please send a picture or a file."]).expect_effects(0);
    talk.says("here it is").expect(&["has to be a picture or a file", "please send"]).expect_effects(0);
    talk.sends_photo("one", 240, "3 copies").expect(&["• Pages: 1, 240 kB", "Copies: 3"]).expect_buttons(&["Yes"]);
    talk.sends_photo("two", 260, "").expect(&["Pages 2, 500 kB"]);
    talk.sends_photo("two", 260, "").expect(&["Pages 2, 500 kB"]);
    talk.sends_photo("three", 100, "").expect(&["no more files fit"]).expect_buttons(&["Yes"]);
    talk.taps("Yes").expect_effects(1);
    assert_eq!(talk.only_effect().arguments["body:pages"], json!([reference("one"), reference("two")]));
}

#[test]
fn files_are_not_more_than_a_request_holds() {
    let mut talk = Talk::new();
    talk.says("hand in a scan").sends_photo("one", 10_000, "").expect(&["Pages: 1, 10 MB"]);
    talk.sends_photo("two", 10_000, "").expect(&["no more files fit"]);
}

#[test]
fn a_voice_note_is_a_file_only_where_one_is_asked_for() {
    let mut talk = reporting();
    talk.sends_file("voice", "note", "").expect(&["can't listen"]);
    talk.sends_file("sticker", "smile", "");
    assert_eq!(talk.fetched, [""; 0]);
    let mut talk = Talk::new();
    let kept = FileOutcome::Kept { sha256: reference("note"), media_type: "audio/ogg".to_owned(), size_bytes: 9_000 };
    talk.files.insert("note".to_owned(), kept);
    talk.says("hand in a scan").sends_file("voice", "note", "").expect(&["Pages: 1, 9 kB"]);
}

#[test]
fn where_nobody_can_send_files_none_is_wanted() {
    let mut talk = Talk::new();
    talk.takes_files = false;
    talk.says("report damage of the atlas").expect(&["What happened?"]).expect_no("photo");
    talk.says("cancel");
    talk.says("hand in a scan").expect(&["I can't do that yet"]);
    talk.sends(ANA, Content::Media { media: "image".to_owned(), url: None, caption: None }).expect(&["can't look"]);
}

#[test]
fn a_photo_can_be_taken_out_by_changing_it() {
    let mut talk = reporting();
    talk.sends_photo("torn", 240, "a page is torn").taps("Needs repair").taps("Change").taps("Photo");
    talk.expect(&["Photo: please send a picture."]);
    talk.sends_photo("other", 300, "").expect(&["• Photo: 1, 300 kB"]).expect_no("240");
}

#[test]
fn a_call_that_is_made_again_has_the_same_photo() {
    let mut talk = reporting();
    talk.sends_photo("torn", 240, "a page is torn").taps("Needs repair");
    talk.library.fault("POST /books/{book_id}/damage-reports", super::backend::Fault::Away);
    talk.taps("Yes").rings();
    let calls = talk.calls_of("POST /books/{book_id}/damage-reports");
    assert_eq!(calls.len(), 2, "{}", talk.transcript());
    assert!(calls.iter().all(|call| call.purpose == Purpose::Act && call.arguments["body:photo"] == reference("torn")));
    assert_eq!(talk.fetched, ["torn"]);
}

#[test]
fn a_photo_is_talked_of_in_all_languages() {
    for (report, question, lost) in [
        ("prijavi štetu na atlasu", "Možeš dodati fotografiju", "Nisam uspio dobiti sliku"),
        ("melde einen schaden am atlas", "Du kannst ein Foto anhängen", "Ich konnte das Bild nicht abrufen"),
        ("un libro está dañado, el atlas", "Puedes añadir una foto", "No he podido obtener la imagen"),
    ] {
        let mut talk = Talk::new();
        talk.settings.languages = ["en", "hr", "de", "es"].map(str::to_owned).to_vec();
        talk.says(report);
        if talk.text().contains(question) {
            talk.sends_file("image", "gone", "").expect(&[lost]);
        } else {
            talk.taps("Atlas").expect(&[question]).sends_file("image", "gone", "").expect(&[lost]);
        }
    }
}
