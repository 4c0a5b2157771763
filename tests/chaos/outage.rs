//! PostgreSQL goes away: the platform hears 503 with `Retry-After` within 2.5 s, and everything resumes by itself.

use std::time::Duration;

use simulator::infobip::Said;

use crate::{
    plan::Plan,
    process::send_signal,
    storm::{REFERENCE, SETTLE},
    town::Town,
};

/// What the platform may wait for a 503.
const ANSWER_MAX: Duration = Duration::from_millis(2_500);
/// How long the database is away.
const AWAY: Duration = Duration::from_secs(8);
/// Messages of an outage.
const MESSAGES: usize = 20;

/// The outages: killed and stopped in turn.
pub async fn outage(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let town = Town::start(REFERENCE).await?;
    let (mut slowest, mut refused, mut untold, mut other) = (Duration::ZERO, 0, 0, 0);
    let mut peers = Vec::new();
    for round in 0..plan.db_outages {
        let known = town.infobip.webhooks().len();
        let ids = town.postgres.process_ids();
        match round % 2 {
            0 => drop(town.postgres.kill()),
            _ => ids.iter().for_each(|id| send_signal(*id, "STOP")),
        }
        for n in 0..MESSAGES {
            let peer = format!("38595{round:04}{n:03}");
            town.infobip.say(&peer, Said::text(&format!("where is parcel {}", 1_000_000 + n)));
            peers.push(peer);
            tokio::time::sleep(AWAY / u32::try_from(MESSAGES)?).await;
        }
        // What was asked while it was away has been answered by then, before it is back.
        tokio::time::sleep(ANSWER_MAX).await;
        for webhook in town.infobip.webhooks().into_iter().skip(known) {
            refused += webhook.statuses.iter().filter(|status| **status == 503).count();
            untold +=
                webhook.statuses.iter().filter(|status| **status == 503).count().saturating_sub(webhook.told_when);
            other += webhook.statuses.iter().filter(|status| !matches!(status, 200..300 | 503)).count();
            slowest = slowest.max(webhook.took.iter().copied().max().unwrap_or_default());
        }
        match round % 2 {
            0 => town.postgres.restart().await?,
            _ => ids.iter().for_each(|id| send_signal(*id, "CONT")),
        }
        // Everybody is answered before the next one.
        for peer in peers.drain(..) {
            if town.infobip.wait_for(&peer, SETTLE, |chat| chat.answers().next().is_some()).await.is_err() {
                return Ok(vec![format!("{peer} was never answered")]);
            }
        }
    }
    let left = town.quiet(SETTLE).await?;
    println!("figure db_down_503_max_ms {}", slowest.as_millis());
    println!("  {refused} answers 503, {untold} of them without Retry-After, {other} other failures, {left} left");
    let mut problems = Vec::new();
    if refused == 0 {
        problems.push("nothing was refused: the run shows nothing".to_owned());
    }
    if untold + other > 0 || left > 0 {
        problems.push(format!("{untold} 503 without Retry-After, {other} other failures, {left} left"));
    }
    if slowest > ANSWER_MAX {
        problems.push(format!("an answer took {slowest:?}"));
    }
    Ok(problems)
}
