//! The conversations of the demo fleet.

use simulator::fleet::{ANA, MARKO};

use crate::{
    model::journeys_with_models,
    world::{World, journeys, whole},
};

journeys! {
    a_look_up_is_answered_in_lines,
    a_sentence_becomes_one_booking_after_one_yes,
    a_croatian_sentence_asks_which_of_two_is_meant,
    what_somebody_else_took_is_told_with_what_would_go,
    sixteen_copies_are_answered_once,
    a_stranger_is_told_and_nothing_runs,
    what_is_missing_is_asked_one_by_one,
    a_wish_that_names_something_of_the_list_is_a_wish,
    a_cancelled_effect_never_happens,
    a_change_of_language_is_followed,
}

journeys_with_models! {
    a_look_up_is_answered_in_lines,
    a_sentence_becomes_one_booking_after_one_yes,
    a_croatian_sentence_asks_which_of_two_is_meant,
    what_somebody_else_took_is_told_with_what_would_go,
    sixteen_copies_are_answered_once,
    a_stranger_is_told_and_nothing_runs,
    what_is_missing_is_asked_one_by_one,
    a_cancelled_effect_never_happens,
    a_change_of_language_is_followed,
}

async fn a_look_up_is_answered_in_lines(world: World) {
    let mut ana = world.person(ANA);
    ana.says("Which vehicles are free tomorrow?").await;
    let answer = ana.hears(&["ZG 1234-AB", "ZG 5678-CD"]).await;
    for inside in ["{", "null", "veh_"] {
        assert!(!whole(&answer).contains(inside), "{}", whole(&answer));
    }
    ana.says("the second one").await;
    ana.hears(&["ZG 5678-CD"]).await;
    assert!(world.effects().is_empty());
}

async fn a_sentence_becomes_one_booking_after_one_yes(world: World) {
    let mut ana = world.person(ANA);
    ana.says("book the red van tomorrow 9-12").await;
    let echo = ana.hears(&["ZG 9012-EF", "09:00", "12:00"]).await;
    assert!(!whole(&echo).contains("veh_"), "no id is shown: {}", whole(&echo));
    assert!(world.effects().is_empty(), "nothing runs before the yes");
    ana.taps("Yes");
    ana.hears(&["4711"]).await;
    let effects = world.effects();
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert_eq!(effects[0].operation, "POST /bookings");
    assert!(effects[0].idempotency_key.is_some());
    assert!(effects[0].body["from"].as_str().is_some_and(|from| from.contains("T09:00") || from.contains("T08:00")));
    // A second yes has no second effect, and needs no answer.
    ana.says("yes").await;
    ana.says("help").await;
    ana.hears(&["a person"]).await;
    assert_eq!(world.effects().len(), 1);
}

async fn a_croatian_sentence_asks_which_of_two_is_meant(world: World) {
    let mut ana = world.person(ANA);
    ana.says("prijavi 84300 km za octaviju").await;
    ana.hears(&["ZG 1234-AB", "ZG 3456-GH"]).await;
    ana.says("siva").await;
    ana.hears(&["ZG 3456-GH", "84.300"]).await;
    ana.taps("Da");
    let mut marko = world.person(MARKO);
    marko.says("bok").await;
    marko.hears(&["Marko"]).await;
    ana.hears(&["84.300"]).await;
    let effects = world.effects();
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert_eq!(effects[0].operation, "POST /vehicles/{vehicle_id}/mileage");
}

async fn what_somebody_else_took_is_told_with_what_would_go(world: World) {
    for (peer, done) in [(MARKO, "Number"), (ANA, "Possible instead")] {
        let mut person = world.person(peer);
        person.says("book the red van on monday 9-12").await;
        person.hears(&["ZG 9012-EF", "09:00"]).await;
        person.taps("Yes");
        person.hears(&[done]).await;
    }
    assert_eq!(world.effects().len(), 1, "{:?}", world.effects());
}

async fn sixteen_copies_are_answered_once(world: World) {
    let mut ana = world.person(ANA);
    ana.says_in_copies("hello", 16);
    ana.hears(&["Ana"]).await;
    ana.says("Which vehicles are free tomorrow?").await;
    ana.hears(&["ZG 1234-AB"]).await;
    assert!(world.platform.infobip.settled(crate::process::PATIENCE).await);
    let greetings = ana.chat().answers().filter(|bubble| bubble.text.contains("Hello")).count();
    assert_eq!(greetings, 1);
}

async fn a_stranger_is_told_and_nothing_runs(world: World) {
    let mut stranger = world.person("385990000001");
    stranger.says("book the red van tomorrow 9-12").await;
    stranger.hears(&["records"]).await;
    assert!(world.effects().is_empty());
}

async fn what_is_missing_is_asked_one_by_one(world: World) {
    let mut ana = world.person(ANA);
    ana.says("report damage").await;
    ana.hears(&["Which vehicle", "ZG 5678-CD"]).await;
    ana.says("the caddy").await;
    ana.hears(&["What happened"]).await;
    ana.says("mirror broken").await;
    ana.hears(&["[Drivable]"]).await;
    ana.taps("Drivable");
    ana.hears(&["ZG 5678-CD", "mirror broken", "Drivable"]).await;
    assert!(world.effects().is_empty(), "nothing runs before the yes");
    ana.taps("Yes");
    ana.hears(&["mirror broken"]).await;
    let effects = world.effects();
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert_eq!(effects[0].operation, "POST /vehicles/{vehicle_id}/damage-reports");
    assert_eq!(effects[0].body["severity"], "drivable");
}

async fn a_wish_that_names_something_of_the_list_is_a_wish(world: World) {
    let mut ana = world.person(ANA);
    ana.says("Which vehicles are free tomorrow?").await;
    ana.hears(&["ZG 1234-AB"]).await;
    ana.says("book the red Octavia tomorrow 9-12").await;
    ana.hears(&["Octavia", "09:00", "12:00"]).await;
    ana.says("cancel").await;
    ana.hears(&["nothing"]).await;
    ana.says("the red Octavia").await;
    ana.hears(&["Savska"]).await;
    assert!(world.effects().is_empty(), "{:?}", world.effects());
}

async fn a_cancelled_effect_never_happens(world: World) {
    let mut ana = world.person(ANA);
    ana.says("book the red van tomorrow 9-12").await;
    ana.hears(&["ZG 9012-EF", "09:00", "12:00"]).await;
    ana.says("cancel").await;
    ana.hears(&["nothing"]).await;
    // The buttons of a question that is cancelled start nothing, and a yes has nothing to belong to.
    ana.taps("Yes");
    ana.says("yes").await;
    ana.says("help").await;
    ana.hears(&["a person"]).await;
    assert!(world.effects().is_empty(), "{:?}", world.effects());
}

async fn a_change_of_language_is_followed(world: World) {
    let mut ana = world.person(ANA);
    ana.says("Which vehicles are free tomorrow?").await;
    ana.hears(&["ZG 1234-AB", "ZG 5678-CD"]).await;
    ana.says("što bih sutra mogao voziti, koja su vozila slobodna?").await;
    ana.hears(&["ZG 1234-AB", "ZG 5678-CD"]).await;
    ana.says("pomoć").await;
    ana.hears(&["osoba"]).await;
    assert!(world.effects().is_empty());
}
