//! Runs in which people write while everything goes wrong, with their figures.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::ensure;
use simulator::{faults::Fault, infobip::Repeats};
use tokio::sync::Mutex;

use crate::{
    checker::{self, Verdict},
    faults::{Faults, Schedule, Tally},
    load::{self, Ledger, Load},
    plan::Plan,
    town::{Options, Town},
};

/// After the last fault everything has to be done by then: an unknown end takes 60 s, a lease 30.
pub const SETTLE: Duration = Duration::from_secs(300);
/// Of confirmed wishes, those whose yes may come late as a fault held it up, in percent; one at least.
const LATE_PERCENT: usize = 2;
/// The provider of most runs.
pub const REFERENCE: Options = Options { provider: Repeats::Honour, hold: false, sentinel: false, model: false };

/// What a run came to.
struct Outcome {
    verdict: Verdict,
    tally: Tally,
    /// Leases fenced, writes fenced, ends unknown, calls resumed: as the workers count them.
    counters: [u64; 4],
    drops: u64,
    left: i64,
}

/// Everything at once, with a provider that honours a key.
pub async fn storm(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let every = plan.over / u32::try_from(plan.kills.max(1))?;
    let schedule = Schedule {
        kill: Some(every),
        kills_max: plan.kills,
        pause: Some((plan.over / 5).min(Duration::from_secs(90))),
        pauses_max: usize::try_from(plan.over.as_secs() / 60)?.max(1),
        redis: Some(every * 10),
        postgres: Some(every * 15),
        link: Some(every * 4),
        send: Some(cuts(plan.over, plan.messages)),
        ..Schedule::default()
    };
    let load = Load { messages: plan.messages, people: plan.people, over: plan.over, seed: plan.seed };
    let outcome = run(REFERENCE, schedule, load).await?;
    outcome.show("chaos");
    let mut problems = outcome.problems();
    let (verdict, tally) = (&outcome.verdict, &outcome.tally);
    for (what, happened) in [
        ("kill", !tally.kills.is_empty()),
        ("pause", tally.pauses > 0),
        ("dropped connection", outcome.drops > 0),
        ("fenced worker", outcome.fenced() > 0),
        ("replay", verdict.replays > 0 || outcome.counters[3] > 0),
        // A few kills need not meet a worker in the middle of its work.
        ("takeover after a kill", plan.kills < 30 || !verdict.recoveries.is_empty()),
    ] {
        if !happened {
            problems.push(format!("there was no {what}: the run shows nothing"));
        }
    }
    Ok(problems)
}

/// The answer of one send in fifty is cut off: each may hold its conversation up for a minute.
fn cuts(over: Duration, messages: usize) -> Duration {
    over.mul_f64((50.0 / messages.max(1) as f64).min(0.3))
}

/// What becomes of our key, whether an end that nobody saw is held, and the name of the run.
pub const PROVIDERS: [(Repeats, bool, &str); 4] = [
    (Repeats::Echo, false, "echo_resend"),
    (Repeats::Echo, true, "echo_hold"),
    (Repeats::Forget, false, "forget_resend"),
    (Repeats::Forget, true, "forget_hold"),
];

/// Providers that do not honour a key, under both policies; or the one of them that is named.
pub async fn providers(plan: &Plan, only: &str) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let (messages, kills) = plan.provider;
    let over = plan.over.mul_f64(messages as f64 / plan.messages.max(1) as f64);
    let every = over / u32::try_from(kills.max(1))?;
    for (provider, hold, name) in PROVIDERS.into_iter().filter(|(.., name)| only.is_empty() || *name == only) {
        let send = Some(cuts(over, messages));
        let schedule = Schedule { kill: Some(every), kills_max: kills, send, ..Schedule::default() };
        let load = Load { messages, people: plan.people, over, seed: plan.seed };
        let outcome = run(Options { provider, hold, ..REFERENCE }, schedule, load).await?;
        outcome.show(&format!("chaos_{name}"));
        let verdict = &outcome.verdict;
        let mut wrong = outcome.always();
        // What the policy may cost is at most what nobody knew.
        let (never, cost, costs) = match hold {
            true => (verdict.repeated, verdict.lost, "lost"),
            false => (verdict.lost, verdict.repeated, "repeated"),
        };
        if never > 0 {
            wrong.push(format!("{never} {}", if hold { "repeated" } else { "lost" }));
        }
        if cost > verdict.unknown {
            wrong.push(format!("{cost} {costs}, but only {} ends were unknown", verdict.unknown));
        }
        if verdict.unexplained > 0 {
            wrong.push(format!("{} {costs} without an unknown end", verdict.unexplained));
        }
        if verdict.unknown == 0 {
            wrong.push("no end was unknown: the run shows nothing".to_owned());
        }
        problems.extend(wrong.into_iter().map(|problem| format!("{name}: {problem}")));
    }
    Ok(problems)
}

/// Workers that are stopped for longer than their lease, in the middle of their work.
pub async fn pauses(plan: &Plan) -> anyhow::Result<Vec<String>> {
    // Two at a time, each for some 36 s.
    let over = Duration::from_secs(20) * plan.pauses;
    let (paused_max, pauses_max) = (2, (plan.pauses as usize).div_ceil(2));
    let schedule = Schedule { pause: Some(Duration::from_secs(2)), paused_max, pauses_max, ..Schedule::default() };
    let load = Load { messages: plan.pauses as usize * 30, people: plan.people, over, seed: plan.seed };
    let outcome = run(REFERENCE, schedule, load).await?;
    outcome.show("chaos_pauses");
    let mut problems = outcome.problems();
    if outcome.fenced() == 0 || outcome.tally.pauses < plan.pauses as usize / 2 {
        problems.push(format!("{} pauses, {} fenced: the run shows nothing", outcome.tally.pauses, outcome.fenced()));
    }
    Ok(problems)
}

/// Redis loses all it knows again and again, and is away for long.
pub async fn redis(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let over = plan.over.max(plan.redis_outage * 2);
    // None of them lands in the outage.
    let every = (over - plan.redis_outage) / plan.flushes.max(1);
    let schedule = Schedule { flush: Some(every), outage: Some(plan.redis_outage), ..Schedule::default() };
    let load = Load { messages: plan.messages, people: plan.people, over, seed: plan.seed };
    let outcome = run(REFERENCE, schedule, load).await?;
    outcome.show("chaos_redis");
    let mut problems = outcome.problems();
    if outcome.tally.redis == 0 {
        problems.push("Redis lost nothing: the run shows nothing".to_owned());
    }
    Ok(problems)
}

/// Redis behind a Sentinel dies, and its replica lacks the last writes.
pub async fn sentinel(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let over = plan.over.max(Duration::from_secs(30));
    let schedule = Schedule { failover: Some(over / 3), ..Schedule::default() };
    let load = Load { messages: plan.messages, people: plan.people, over, seed: plan.seed };
    let outcome = run(Options { sentinel: true, ..REFERENCE }, schedule, load).await?;
    outcome.show("chaos_sentinel");
    let mut problems = outcome.problems();
    if outcome.tally.redis == 0 {
        problems.push("there was no failover: the run shows nothing".to_owned());
    }
    Ok(problems)
}

/// People write while the schedule's faults happen; then everything has time to end, and is judged.
async fn run(options: Options, schedule: Schedule, load: Load) -> anyhow::Result<Outcome> {
    let town = Town::start(options).await?;
    let (infobip, ledger) = (town.infobip.clone(), Ledger::default());
    town.backend.faults().times("GET /parcels/{number}/weight", usize::MAX, Fault::Delay(Duration::from_secs(1)));
    let town = Arc::new(Mutex::new(town));
    let faults = Faults::start(&town, schedule, load.seed);
    load::run(&infobip, &ledger, load).await;
    let tally = faults.stop().await;
    infobip.faults().clear();
    let mut town = town.lock().await;
    for process in &mut town.processes {
        process.ready().await?;
    }
    ensure!(infobip.settled(SETTLE).await, "a webhook is never taken");
    let left = town.quiet(SETTLE).await?;
    let verdict = checker::check(&town, &ledger.all(), &tally.kills).await?;
    let drops = town.proxies.iter().map(|proxy| proxy.dropped.load(Ordering::Relaxed)).sum();
    Ok(Outcome { counters: town.counters().await, verdict, tally, drops, left })
}

impl Outcome {
    fn fenced(&self) -> u64 {
        self.counters[0] + self.counters[1]
    }

    /// What must not be, whatever the provider.
    fn always(&self) -> Vec<String> {
        let verdict = &self.verdict;
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let counted = usize::try_from(self.counters[2]).unwrap_or(usize::MAX);
        let late = if verdict.late > (verdict.confirmed * LATE_PERCENT / 100).max(1) { verdict.late } else { 0 };
        some(&[
            ("messages out of order", verdict.reordered),
            ("effects doubled", verdict.double_effects),
            ("effects missing", verdict.missing_effects),
            ("effects asked for again as their yes came late, more than faults explain", late),
            ("commits by who did not hold the conversation", verdict.foreign_commits),
            ("conversations or alarms that never end", left),
            // A killed worker takes with it what it counted last; nobody counts what was not.
            ("ends in outbound_unknown_total that were known", counted.saturating_sub(verdict.unknown)),
        ])
    }

    /// What must not be with a provider that honours a key.
    fn problems(&self) -> Vec<String> {
        let verdict = &self.verdict;
        let mut problems = some(&[("messages lost", verdict.lost), ("messages repeated", verdict.repeated)]);
        problems.extend(self.always());
        problems
    }

    fn show(&self, name: &str) {
        let (verdict, tally) = (&self.verdict, &self.tally);
        for (figure, value) in [
            ("messages", verdict.messages),
            ("kills", tally.kills.len()),
            ("pauses", tally.pauses),
            ("lost", verdict.lost),
            ("repeated", verdict.repeated),
            ("reordered", verdict.reordered),
            ("double_effects", verdict.double_effects),
            ("unknown_outcomes", verdict.unknown),
        ] {
            println!("figure {name}_{figure} {value}");
        }
        println!("figure {name}_fenced {}", self.fenced());
        println!("figure {name}_recovery_p99_s {:.1}", verdict.recovery_p99());
        let [leases, writes, unknown, resumed] = self.counters;
        println!("  takeovers after kills: {} {}", verdict.recoveries.len(), histogram(&verdict.recoveries));
        println!(
            "  faults: {} bad links, {} connections dropped, {} times Redis, {} sends without an answer",
            tally.links, self.drops, tally.redis, tally.sends
        );
        println!(
            "  by the workers' counters, as far as they lived to tell: {leases} leases and {writes} writes fenced, \
             {unknown} ends unknown, {resumed} calls resumed"
        );
        println!(
            "  {} turns begun again, {} held, {} dead letters, {} effects of {} confirmed missing and {} asked again as \
             their yes came late, {} answers that name no parcel, {} left",
            verdict.replays,
            verdict.held,
            verdict.dead_letters,
            verdict.missing_effects,
            verdict.confirmed,
            verdict.late,
            verdict.strange,
            self.left
        );
        for example in &verdict.examples {
            println!("  {example}");
        }
    }
}

/// Those that are not zero, in words.
fn some(counts: &[(&str, usize)]) -> Vec<String> {
    counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect()
}

/// Counts by upper bound in seconds.
fn histogram(sorted: &[f64]) -> String {
    let mut text = Vec::new();
    let mut below = 0;
    for bound in [1.0, 5.0, 10.0, 20.0, 25.0, 30.0, 32.0, 35.0, 60.0, f64::INFINITY] {
        let count = sorted.iter().filter(|seconds| **seconds <= bound).count();
        if count > below {
            text.push(format!("<={bound}s:{}", count - below));
        }
        below = count;
    }
    format!("[{}]", text.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_late_confirmations_than_faults_explain_are_a_problem() {
        let problems = |late, confirmed| {
            let verdict = Verdict { late, confirmed, ..Verdict::default() };
            Outcome { verdict, tally: Tally::default(), counters: [0; 4], drops: 0, left: 0 }.always().len()
        };
        assert_eq!([problems(1, 1), problems(2, 1), problems(2, 100), problems(3, 100)], [0, 1, 0, 1]);
    }
}
