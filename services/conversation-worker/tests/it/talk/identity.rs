//! Who somebody is.

use domain::{Contact, Content};

use super::{
    backend::Fault,
    driver::{ANA, Person, STRANGER, Talk},
};

#[test]
fn a_person_is_looked_up_once_and_then_known() {
    let mut talk = Talk::new();
    talk.says("which loans do I have").says("my bookings").expect(&["Gundulić"]);
    let looked_up = talk.calls_of("GET /members");
    assert_eq!(looked_up.len(), 1, "{}", talk.transcript());
    assert_eq!(looked_up[0].arguments["query:phone"], ANA.phone);
}

#[test]
fn a_mapping_that_has_expired_is_looked_up_again() {
    let mut talk = Talk::new();
    talk.says("which loans do I have").wait(90_000).says("which loans do I have").expect(&["Dune"]);
    assert_eq!(talk.calls_of("GET /members").len(), 2, "{}", talk.transcript());
}

#[test]
fn the_identity_parameter_may_be_written_with_its_place() {
    let mut talk = Talk::new();
    if let Some(identity) = &mut talk.settings.documents[0].identity {
        identity.parameter = "query:phone".to_owned();
    }
    talk.says("which loans do I have").expect(&["Dune"]);
}

#[test]
fn a_stranger_is_told_and_nothing_else_is_called() {
    for sentence in ["book the red room tomorrow 9-12", "which loans do I have", "Which rooms are free tomorrow?"] {
        let mut talk = Talk::new();
        talk.person_says(STRANGER, sentence).expect_effects(0).expect_no("Tesla").expect_no("Dune");
        assert!(talk.called().is_empty(), "{sentence}: {:?}\n{}", talk.called(), talk.transcript());
        talk.expect_any(&["don't find you", "don't know you", "do not find you", "records"]);
    }
}

#[test]
fn whoever_is_known_by_no_number_shares_their_contact() {
    let nobody = Person { phone: "", ..ANA };
    let contact = |phone: &str| Content::Contacts {
        contacts: vec![Contact { name: "Ana".to_owned(), phones: vec![phone.to_owned()] }],
    };
    let mut talk = Talk::new();
    talk.person_says(nobody, "which loans do I have").expect_no("Dune").expect_no("Share your own contact");
    talk.wait(400).knows_contacts = true;
    talk.person_says(nobody, "which loans do I have").expect_no("Dune").expect(&["Share your own contact"]);
    // Somebody else's contact tells nothing about the person who sends it.
    talk.sends(nobody, contact(ANA.phone)).expect(&["write"]);
    assert!(talk.calls_of("GET /members").is_empty(), "{}", talk.transcript());
    talk.sends(ANA, contact(&format!("+{}", ANA.phone))).expect(&["Ana"]);
    talk.person_says(nobody, "which loans do I have").expect(&["Dune"]);
    assert_eq!(talk.calls_of("GET /members").len(), 1, "{}", talk.transcript());
}

#[test]
fn a_stranger_gets_what_is_public() {
    let mut talk = Talk::new();
    talk.person_says(STRANGER, "opening hours").expect(&["Centre", "Ilica 5", "Trešnjevka"]);
    assert_eq!(talk.called(), ["GET /branches"], "{}", talk.transcript());
}

#[test]
fn without_identity_in_the_configuration_nobody_is_a_stranger() {
    let mut talk = Talk::new();
    talk.settings.documents[0].identity = None;
    talk.person_says(STRANGER, "Which rooms are free tomorrow?").expect(&["Tesla"]);
    assert!(talk.calls_of("GET /members").is_empty(), "{}", talk.transcript());
}

#[test]
fn a_check_of_identity_that_fails_does_not_make_a_stranger() {
    let mut talk = Talk::new();
    talk.library.fault("GET /members", Fault::Away);
    talk.says("which loans do I have").expect_no("Dune").expect_effects(0);
    assert!(talk.called().is_empty(), "{}", talk.transcript());
    talk.wait(60).says("which loans do I have").expect(&["Dune"]);
}

#[test]
fn somebody_else_cannot_be_named_as_the_member() {
    let mut talk = Talk::new();
    talk.says("book the red room tomorrow 9-12 for mem_2").expect(&["Ana Horvat"]).says("yes");
    assert_eq!(talk.only_effect().arguments["body:member_id"], "mem_1", "{}", talk.transcript());
}
