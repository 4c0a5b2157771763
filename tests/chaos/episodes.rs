//! Bad links, one after the other: after each, what a person wrote meanwhile is answered within 60 s.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use simulator::infobip::Said;
use sqlx::{Connection as _, PgConnection};

use crate::{
    plan::Plan,
    proxy::{FAULTS, Mode},
    storm::{REFERENCE, SETTLE},
    town::Town,
};

/// From the end of an episode.
const PROGRESS_MAX: Duration = Duration::from_secs(60);
/// More for an answer that is sent again when its unknown end is over.
const UNKNOWN_MORE: Duration = Duration::from_secs(20);
/// People who write during an episode.
const PEOPLE: usize = 4;

/// The episodes.
pub async fn partitions(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let town = Town::start(REFERENCE).await?;
    let mut chance = StdRng::seed_from_u64(plan.seed);
    let links = town.links();
    let (mut stuck, mut later) = (0, 0);
    let mut slowest = Duration::ZERO;
    for episode in 0..plan.episodes {
        // Each link meets each fault in turn.
        let proxy = &town.proxies[links[episode % links.len()]];
        let mode = FAULTS[(episode / links.len() + episode) % FAULTS.len()];
        proxy.set(mode);
        let mut peers = Vec::new();
        for person in 0..PEOPLE {
            tokio::time::sleep(Duration::from_millis(chance.random_range(100..1_200))).await;
            let peer = format!("38593{episode:05}{person}");
            town.infobip.say(&peer, Said::text(&format!("where is parcel {}", 1_000_000 + episode * 10 + person)));
            peers.push(peer);
        }
        proxy.set(Mode::Good);
        let healed = Instant::now();
        for peer in peers {
            let left = PROGRESS_MAX.saturating_sub(healed.elapsed());
            if answered(&town, &peer, left).await {
                continue;
            }
            // A send that vanished has a clock of its own, which may have begun at the very end of the episode.
            if had_unknown_end(&town, &peer).await? && answered(&town, &peer, UNKNOWN_MORE).await {
                later += 1;
                continue;
            }
            stuck += 1;
            println!("  {mode:?} on {}: {peer} has no answer after 60 s", proxy.name);
        }
        slowest = slowest.max(healed.elapsed());
    }
    let left = town.quiet(SETTLE).await?;
    println!("figure partition_episodes {}", plan.episodes);
    println!("figure partition_stuck {stuck}");
    println!(
        "  the slowest of {} episodes needed {:.1} s after its end; {later} answers came after 60 s because nobody knew the \
         end of their first send; {left} left",
        plan.episodes,
        slowest.as_secs_f64()
    );
    let mut problems = Vec::new();
    if stuck > 0 || left > 0 {
        problems.push(format!("{stuck} people without an answer within 60 s, {left} conversations that never end"));
    }
    Ok(problems)
}

async fn answered(town: &Town, peer: &str, patience: Duration) -> bool {
    town.infobip.wait_for(peer, patience, |chat| chat.answers().next().is_some()).await.is_ok()
}

async fn had_unknown_end(town: &Town, peer: &str) -> anyhow::Result<bool> {
    let mut db = PgConnection::connect(&town.database).await?;
    let had = "select exists (select from chaos_log l join conversations c on c.id = l.conversation \
               where l.kind = 'unknown' and c.peer = $1)";
    Ok(sqlx::query_scalar(had).bind(peer).fetch_one(&mut db).await?)
}
