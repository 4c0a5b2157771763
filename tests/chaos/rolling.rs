//! Rolling restarts and a scale-down under load: each service ends by SIGTERM, hands over, and comes back.

use std::time::Duration;

use anyhow::ensure;

use crate::{
    checker,
    load::{self, Ledger, Load},
    plan::Plan,
    storm::{REFERENCE, SETTLE},
    town::Town,
};

/// How long a worker is missing after a scale-down.
const SMALLER: Duration = Duration::from_secs(5);
/// About what a restart of all services takes on a machine that does nothing else.
const ROLL: Duration = Duration::from_secs(25);

/// The restarts.
pub async fn rolling(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let mut town = Town::start(REFERENCE).await?;
    let (infobip, ledger) = (town.infobip.clone(), Ledger::default());
    let over = ROLL * u32::try_from(plan.rolls)?;
    let load = Load { messages: plan.rolls * 100, people: plan.people, over, seed: plan.seed };
    let writing = tokio::spawn({
        let (infobip, ledger) = (infobip.clone(), ledger.clone());
        async move { load::run(&infobip, &ledger, load).await }
    });
    let (mut rolls, mut unclean) = (0, 0);
    while rolls < plan.rolls {
        for at in 0..town.processes.len() {
            let name = town.processes[at].name.clone();
            let code = town.terminate(at).await;
            if code != Some(0) {
                unclean += 1;
                println!("  {name} ended with {code:?}: {}", town.processes[at].log_tail());
            }
            // The last worker goes for a while: a scale-down.
            if name == "worker-3" {
                tokio::time::sleep(SMALLER).await;
            }
            town.processes[at].start()?;
            town.processes[at].ready().await?;
        }
        rolls += 1;
    }
    writing.await?;
    ensure!(infobip.settled(SETTLE).await, "a webhook is never taken");
    let left = town.quiet(SETTLE).await?;
    let verdict = checker::check(&town, &ledger.all(), &[]).await?;
    println!("figure rolling_restarts {rolls}");
    println!("figure rolling_restart_lost {}", verdict.lost);
    println!(
        "  {} messages, {} repeated, {} out of order, {} double effects, {} ends unknown, {unclean} unclean ends, {left} left",
        verdict.messages, verdict.repeated, verdict.reordered, verdict.double_effects, verdict.unknown
    );
    for example in &verdict.examples {
        println!("  {example}");
    }
    let wrong = verdict.lost + verdict.repeated + verdict.reordered + verdict.double_effects + unclean;
    Ok(if wrong == 0 && left == 0 { Vec::new() } else { vec!["a rolling restart is not clean".to_owned()] })
}
