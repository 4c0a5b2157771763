//! Processes that die while they work.

use simulator::fleet::ANA;

use crate::world::{World, count, journeys};

journeys! {
    a_worker_killed_during_a_call_acts_once_and_answers_once,
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

async fn every_process_ends_cleanly_on_sigterm_under_load(mut world: World) {
    for n in 0..20 {
        world.platform.infobip.say(&format!("38591000{n:04}"), simulator::infobip::Said::text("hello"));
    }
    for name in world.names() {
        assert_eq!(world.process(name).terminate(), Some(0), "{name}");
    }
}
