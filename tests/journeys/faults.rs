//! Processes that die while they work.

use std::time::{Duration, Instant};

use simulator::{faults::Fault, fleet::ANA};

use crate::world::{PATIENCE, World, count, journeys};

journeys! {
    a_worker_killed_during_a_call_acts_once_and_answers_once,
    a_backend_that_is_away_is_tried_again_and_the_end_is_told_though_the_worker_dies,
    every_process_ends_cleanly_on_sigterm_under_load,
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
