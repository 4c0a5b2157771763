//! Processes that die while they work.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use simulator::{faults::Fault, fleet::ANA};

use crate::{
    database::count,
    process::PATIENCE,
    world::{World, journeys},
};

journeys! {
    a_worker_killed_during_a_call_acts_once_and_answers_once,
    a_backend_that_is_away_is_tried_again_and_the_end_is_told_though_the_worker_dies,
    every_process_ends_cleanly_on_sigterm_under_load,
    a_gateway_that_ends_while_it_writes_loses_nothing_and_doubles_nothing,
}

async fn a_worker_killed_during_a_call_acts_once_and_answers_once(mut world: World) {
    let worker = world.worker();
    let hold = world.demo.fleet.faults().hold("POST /bookings");
    {
        let mut ana = world.person(ANA);
        ana.says("book the red van tomorrow 9-12").await;
        ana.hears(&["ZG 9012-EF", "09:00"]).await;
        ana.taps("Yes");
    }
    // The backend has the request and holds its answer: a journaled, unfinished step.
    hold.reached().await;
    let unfinished = "select count(*) from steps where kind = 'call' and status = 'started'";
    assert_eq!(count(&world.database, unfinished).await, 1);
    world.process(worker).kill();
    hold.release();
    world.restart(worker);
    let mut ana = world.person(ANA);
    ana.says("hello").await;
    ana.hears(&["4711"]).await;
    ana.hears(&["Ana"]).await;
    assert_eq!(world.effects().len(), 1, "{:?}", world.effects());
    let told = ana.chat().answers().filter(|bubble| bubble.text.contains("4711")).count();
    assert_eq!(told, 1);
}

async fn a_backend_that_is_away_is_tried_again_and_the_end_is_told_though_the_worker_dies(mut world: World) {
    let worker = world.worker();
    world.demo.fleet.faults().times("POST /bookings", 2, Fault::Status { status: 503, retry_after: Some(5) });
    let hold = world.demo.fleet.faults().hold("POST /bookings");
    {
        let mut ana = world.person(ANA);
        ana.says("book the red van tomorrow 9-12").await;
        ana.hears(&["ZG 9012-EF", "09:00"]).await;
        ana.taps("Yes");
        ana.hears(&["try again for 10 minutes", "nothing is booked yet"]).await;
    }
    let tried = |world: &World| world.demo.fleet.calls().iter().filter(|c| c.operation == "POST /bookings").count();
    assert_eq!(tried(&world), 1);
    world.quiet().await;
    // It dies while nothing runs: the alarm is the store's. The first new try fails as well, and nobody is told.
    world.process(worker).kill();
    world.until_the_alarm().await;
    world.restart(worker);
    let begun = Instant::now();
    while tried(&world) < 2 {
        assert!(begun.elapsed() < PATIENCE, "the call is made again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It dies while the second one runs: the backend has acted and holds its answer.
    world.until_the_alarm().await;
    hold.reached().await;
    world.process(worker).kill();
    hold.release();
    world.restart(worker);
    let mut ana = world.person(ANA);
    ana.hears(&["Booked", "4711"]).await;
    world.quiet().await;
    assert_eq!(world.effects().len(), 1, "{:?}", world.effects());
    let calls = world.demo.fleet.calls();
    let calls: Vec<_> = calls.iter().filter(|call| call.operation == "POST /bookings").collect();
    assert!(calls[0].idempotency_key.is_some());
    assert!(
        calls.iter().all(|call| call.idempotency_key == calls[0].idempotency_key && call.body == calls[0].body),
        "exactly what was confirmed: {calls:?}"
    );
    let told = |words: &str| ana.chat().answers().filter(|bubble| bubble.text.contains(words)).count();
    assert_eq!((told("4711"), told("can't reach")), (1, 1));
}

async fn every_process_ends_cleanly_on_sigterm_under_load(mut world: World) {
    for n in 0..20 {
        world.platform.infobip.say(&format!("38591000{n:04}"), simulator::infobip::Said::text("hello"));
    }
    for name in world.names() {
        assert_eq!(world.process(name).terminate(), Some(0), "{name}");
    }
}

/// Its program ends at each point of what it writes, as by a power cut; the platform delivers again what it was not thanked
/// for. The first hit of each point, or with POINT=all the first three.
async fn a_gateway_that_ends_while_it_writes_loses_nothing_and_doubles_nothing(mut world: World) {
    const TRIES: usize = 12;
    let gateway = world.gateway();
    let hits = if std::env::var("POINT").is_ok_and(|point| point == "all") { 3 } else { 1 };
    let (mut said, mut people) = (0, BTreeSet::from([ANA]));
    for point in ::faults::POINTS.iter().filter(|point| point.starts_with("accept.") || point.starts_with("receipt.")) {
        for hit in 1..=hits {
            world.restart_with(gateway, &[("DRAGOMAN_CRASH_AT", &format!("{point}:{hit}"))]);
            let before = said;
            while !world.process(gateway).has_ended() {
                assert!(said < before + TRIES, "{point}:{hit}: nothing ended");
                // Of people who are known PostgreSQL accepts by one statement, which has no inside.
                let person = if *point == "accept.inside" { format!("3859155501{said:02}").leak() } else { ANA };
                world.platform.infobip.say(person, simulator::infobip::Said::text("hello"));
                people.insert(person);
                said += 1;
                taken_or_ended(&mut world, gateway).await;
            }
            world.restart(gateway);
            world.quiet().await;
        }
    }
    let answers: usize = people.iter().map(|person| world.person(person).chat().answers().count()).sum();
    assert_eq!(answers, said, "one to each");
    assert_eq!(count(&world.database, "select count(*) from inbox").await, i64::try_from(said).expect("few"));
}

/// Waits until all is answered and reported, or the process has ended.
async fn taken_or_ended(world: &mut World, process: &str) {
    let begun = Instant::now();
    loop {
        let is_settled = world.platform.infobip.settled(Duration::from_millis(20)).await;
        if world.process(process).has_ended() || (is_settled && !world.is_busy().await) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{process} neither answers nor ends");
    }
}
