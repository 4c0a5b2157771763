//! STOP and START: messages that nobody asked for, and no others.

use domain::Content;
use store::{OptChange, Scope};

use super::{
    driver::{ANA, Talk},
    effects::asked,
};

fn change(scope: Scope, out: bool, how: &str) -> OptChange {
    OptChange { scope, out, how: how.to_owned() }
}

#[test]
fn stop_without_an_open_question_opts_out_and_start_comes_back() {
    let mut talk = Talk::new();
    talk.says("STOP");
    assert_eq!(talk.answer().opt_outs, [change(Scope::All, true, "word")]);
    talk.expect(&["START", "no more messages"]);
    // What is written is still answered.
    talk.says("help").expect(&["help"]);
    assert_eq!(talk.answer().opt_outs, []);
    talk.says("start");
    assert_eq!(talk.answer().opt_outs, [change(Scope::All, false, "word"), change(Scope::Marketing, false, "word")]);
    talk.expect(&["STOP"]);
    // Said again it is a word like any other; what is written is put right in any case.
    talk.says("kreni");
    assert_eq!(talk.answer().opt_outs, [], "it means other things as well");
    talk.says("start").expect_no("STOP");
    assert_eq!(talk.answer().opt_outs, [change(Scope::All, false, "word"), change(Scope::Marketing, false, "word")]);
}

#[test]
fn stop_while_a_question_is_open_only_cancels_it() {
    let mut talk = asked();
    talk.says("stop").expect_effects(0);
    assert!(!talk.answer().question, "it is gone");
    assert_eq!(talk.answer().opt_outs, []);
    talk.says("stop");
    assert_eq!(talk.answer().opt_outs, [change(Scope::All, true, "word")]);
}

#[test]
fn other_words_for_it_end_the_question_and_opt_out_and_so_does_stop_to_a_message_that_nobody_asked_for() {
    let mut talk = asked();
    talk.says("unsubscribe").expect_effects(0);
    assert!(!talk.answer().question, "it is gone");
    assert_eq!(talk.answer().opt_outs, [change(Scope::All, true, "word")]);
    let mut talk = asked();
    talk.is_told_unasked();
    talk.says("stop").expect_effects(0);
    assert!(!talk.answer().question, "it is gone");
    assert_eq!(talk.answer().opt_outs, [change(Scope::All, true, "word")]);
    let mut talk = asked();
    talk.is_told_unasked();
    talk.says("help").says("stop").expect_effects(0);
    assert_eq!(talk.answer().opt_outs, [], "said to the question");
}

#[test]
fn a_button_of_a_template_says_what_stands_on_it() {
    for (id, title, scope) in [("stop", "Stop", Scope::All), ("p1", "Stop promotions", Scope::Marketing)] {
        let mut talk = Talk::new();
        talk.sends(ANA, Content::Choice { id: id.to_owned(), title: title.to_owned() });
        assert_eq!(talk.answer().opt_outs, [change(scope, true, "word")], "{title}");
        talk.expect(&["START"]);
    }
    // Also of ours, which are no template's, whatever an operation is called.
    for (id, title) in [("p2", "Details"), ("00112233445566778899aabb", "Odjava")] {
        let mut talk = Talk::new();
        talk.sends(ANA, Content::Choice { id: id.to_owned(), title: title.to_owned() });
        assert_eq!(talk.answer().opt_outs, [], "{title}");
    }
}

#[test]
fn each_language_has_its_words() {
    for (out, back) in [("odjavi me", "kreni"), ("abmelden", "anmelden"), ("darme de baja", "alta")] {
        let mut talk = Talk::new();
        talk.says(out);
        assert_eq!(talk.answer().opt_outs, [change(Scope::All, true, "word")], "{out}");
        talk.says(back);
        assert_eq!(talk.answer().opt_outs.len(), 2, "{back}");
    }
}

#[test]
fn what_a_platform_tells_about_it_is_kept_in_silence() {
    for (kind, scope, out) in [
        ("notifications.stop", Scope::All, true),
        ("notifications.resume", Scope::All, false),
        ("marketing_messages.stop", Scope::Marketing, true),
        ("marketing_messages.resume", Scope::Marketing, false),
        ("my_chat_member.kicked", Scope::Blocked, true),
        ("my_chat_member.member", Scope::Blocked, false),
    ] {
        let mut talk = Talk::new();
        talk.sends(ANA, Content::Notice { kind: kind.to_owned(), text: None });
        assert_eq!(talk.answer().opt_outs, [change(scope, out, kind)]);
        talk.expect_silence();
    }
    for kind in ["live_location", "user_changed_number", "my_chat_member.restricted", "notifications."] {
        let mut talk = Talk::new();
        talk.sends(ANA, Content::Notice { kind: kind.to_owned(), text: None });
        assert_eq!(talk.answer().opt_outs, [], "{kind}");
    }
}
