//! The worker's program, ended at each named point at its first, second and third hit: every accepted message is answered
//! all the same. The store is PostgreSQL; without a doorbell the sweeper rings. The dialogue is the real one, so its calls
//! are look-ups: an effect would need a yes. The simulation has effects.

use std::{collections::BTreeMap, env, path::Path, process::ExitStatus, time::Duration};

use tokio::process::Child;

use crate::bench::{Bench, Engine, eventually, incoming};

/// Points of the gateway, which the journeys end there, and of streams, which write nothing.
const ELSEWHERE: &[&str] = &["accept.", "receipt.", "watch."];
/// Messages after which a conversation lets others go first, and one more.
const MANY: u32 = 21;
/// Hits of each point.
const HITS: u32 = 3;
/// A process that did not come to its end within this will not: the point is not hit so often.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_ends_at_any_point_loses_nothing() {
    // The whole matrix takes minutes: `make crashes`.
    let few = ["journal.after", "call.after", "commit.after", "record.before"];
    let only = env::var("POINT").unwrap_or_default();
    let (mut tried, mut ended) = (0, 0);
    for point in faults::POINTS.iter().copied().filter(|point| !ELSEWHERE.iter().any(|no| point.starts_with(no))) {
        let chosen = match only.as_str() {
            "" => few.contains(&point),
            "all" => true,
            only => point == only,
        };
        if chosen {
            let hits = crash(point).await;
            println!("{point}: ended at {hits} of {HITS} hits");
            assert!(hits > 0, "no process ended at {point}");
            (tried, ended) = (tried + HITS, ended + hits);
        }
    }
    println!("figure crash_points {tried}");
    println!("figure crash_points_hit {ended}");
    println!("figure crash_points_lost 0"); // one is a failure of its point
}

/// Ends one worker after the other at the point; gives how many of them ended there.
async fn crash(point: &str) -> u32 {
    let bench = Bench::new(Engine::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut conversations, mut ended) = (BTreeMap::new(), 0);
    for hit in 1..=HITS {
        for (n, word) in ["safe", "safe", "safe", "hello"].into_iter().enumerate() {
            let peer = format!("38591{hit}{n}");
            let many = ["yield.", "release.", "look."].iter().any(|part| point.starts_with(part));
            let count = if many { MANY } else { 1 };
            for message in 0..count {
                let said = incoming(&peer, &format!("{peer}-{message}"), if message == 0 { word } else { "hello" });
                let accepted = bench.store.accept(&[said]).await.unwrap()[0];
                conversations.insert(peer.clone(), accepted.conversation);
            }
        }
        lead_to(&bench, point).await;
        let crashed = folder.path().join(format!("{hit}"));
        let plan = format!("{point}:{hit}");
        let variables = [("DRAGOMAN_CRASH_AT", plan.as_str()), ("DRAGOMAN_CRASHED", crashed.to_str().unwrap())];
        let mut worker = bench.spawn(&variables);
        if let Some(status) = end(&bench, &mut worker).await {
            assert!(!status.success() && Path::new(&crashed).exists(), "{plan}: {status}");
            ended += 1;
        }
        bench.backend.release();
        // Its leases run out.
        bench.changed_by("update conversations set lease_until = 0").await;
    }
    let mut worker = bench.spawn(&[]);
    for conversation in conversations.values() {
        eventually(&format!("answered after {point}"), async || {
            pass(&bench).await;
            let row = bench.conversation(*conversation).await;
            row.next_seq == row.done_seq && row.unsent == 0
        })
        .await;
    }
    worker.kill().await.unwrap();
    for (peer, conversation) in &conversations {
        let told = bench.told(*conversation).await;
        let end = |status: &str| status == "sent" || (status == "held" && point.starts_with("resolve"));
        assert!(!told.is_empty() && told.iter().all(|(_, status)| end(status)), "{point} {peer}: {told:?}");
    }
    ended
}

/// Makes come about what leads to the point.
async fn lead_to(bench: &Bench, point: &str) {
    let part = point.split('.').next().unwrap_or_default();
    for _ in 0..HITS {
        match part {
            "resolve" => bench.platform.fail_next(500, None),
            "park" | "sending" => bench.platform.fail_next(429, Some(1)),
            _ => {}
        }
    }
    match part {
        // Calls that last until leases are renewed.
        "renew" => bench.backend.hold(),
        // As if each had ended a process already.
        "alone" => bench.meddle("update inbox set attempts = 1 where attempts = 0").await,
        "ripen" => {
            let alarms = "insert into alarms (conversation, key, tenant, person, due_at, payload, created_at) \
                          select conversation, provider_message_id, tenant, person, 1, payload, accepted_at from inbox \
                          where provider = 'infobip' on conflict do nothing";
            bench.meddle(alarms).await;
        }
        _ => {}
    }
}

/// Waits for the worker's end; none when it does not come: then it is ended.
async fn end(bench: &Bench, worker: &mut Child) -> Option<ExitStatus> {
    let died = tokio::time::timeout(PATIENCE, async {
        loop {
            tokio::select! {
                status = worker.wait() => return status.unwrap(),
                () = tokio::time::sleep(Duration::from_secs(1)) => pass(bench).await,
            }
        }
    });
    match died.await {
        Ok(status) => Some(status),
        Err(_) => {
            worker.kill().await.unwrap();
            None
        }
    }
}

/// Lets the time pass for what waits for its time: parked conversations, and sends whose end nobody knows.
async fn pass(bench: &Bench) {
    for sql in [
        "update conversations set wake_at = 0 where owner is null and (next_seq > done_seq or unsent > 0)",
        "update outbox set sending_at = sending_at - 61000000, due_at = due_at - 61000000 where status = 'unknown' \
         or (status = 'sending' and sending_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint - 11000000)",
    ] {
        bench.changed_by(sql).await;
    }
}
