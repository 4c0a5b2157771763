//! One question in ten to the model hangs until its deadline: the others' conversations are as fast as before.

use std::time::{Duration, Instant};

use simulator::{
    infobip::{Infobip, Said},
    model::{BadAnswer, Reply, When},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    plan::Plan,
    storm::REFERENCE,
    town::{Options, Town},
};

/// Conversations that are timed.
const TIMED: usize = 9;
/// How questions begin about which the model never says anything.
const HANGS: &str = "how heavy";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Times the same load without and with questions that hang.
pub async fn slow(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let town = Town::start(Options { model: true, ..REFERENCE }).await?;
    town.model.script(When::user(HANGS), Reply::Bad(BadAnswer::Hang));
    let each = plan.slow_messages.div_ceil(TIMED);
    timed(&town.infobip, 1, each.min(3)).await; // whatever is made on first use
    let before = p95(timed(&town.infobip, 2, each).await);
    let stop = CancellationToken::new();
    let hanging = tokio::spawn(hang(town.infobip.clone(), stop.clone()));
    let beside = p95(timed(&town.infobip, 3, each).await);
    stop.cancel();
    hanging.await?;
    let asked = town.model.asked();
    let hung = asked.iter().filter(|asked| asked.last_user().contains(HANGS)).count();
    let shift = (beside.as_secs_f64() / before.as_secs_f64() - 1.0) * 100.0;
    println!("figure slow_model_p95_shift_pct {shift:.1}");
    println!(
        "  p95 from webhook to answer {} ms, beside {hung} questions to the model that hang {} ms, {} messages each",
        before.as_millis(),
        beside.as_millis(),
        each * TIMED
    );
    let mut problems = Vec::new();
    if hung == 0 || asked.len() < hung + 2 * TIMED * each {
        problems.push(format!("{hung} of {} questions hung: the run shows nothing", asked.len()));
    }
    // Timings of a busy machine are a figure, not a verdict; a conversation that waits for another's question would be far off.
    if beside > before * 3 {
        problems.push(format!("questions that hang make others wait: {before:?} became {beside:?}"));
    }
    Ok(problems)
}

/// Nine people ask one question after the other; how long each answer took.
async fn timed(infobip: &Infobip, round: usize, each: usize) -> Vec<Duration> {
    let mut people = JoinSet::new();
    for person in 0..TIMED {
        let infobip = infobip.clone();
        people.spawn(async move {
            let peer = format!("3859400{round}{person:02}");
            let mut took = Vec::new();
            for n in 0..each {
                let begun = Instant::now();
                infobip.say(&peer, Said::text(&format!("where is parcel {}", 1_000_000 + n)));
                let _ = infobip.wait_for(&peer, PATIENCE, |chat| chat.answers().count() > n).await;
                took.push(begun.elapsed());
            }
            took
        });
    }
    people.join_all().await.into_iter().flatten().collect()
}

/// A tenth person, about whom the model thinks all the time.
async fn hang(infobip: Infobip, stop: CancellationToken) {
    let mut said = 0;
    // Several chats, so that one question hangs at each moment though each takes eight seconds.
    while !stop.is_cancelled() {
        infobip
            .say(&format!("38594900{:03}", said % 100), Said::text(&format!("{HANGS} is parcel {}", 2_000_000 + said)));
        said += 1;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(800)) => {}
            () = stop.cancelled() => {}
        }
    }
}

fn p95(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took.get(took.len() * 95 / 100).copied().unwrap_or_default()
}
