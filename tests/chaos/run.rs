//! The parts of a run, one after the other, each in a town of its own.

use std::time::Instant;

use anyhow::ensure;

use crate::{episodes, outage, plan::Plan, rolling, slow, storm};

/// Runs the parts of the plan.
///
/// # Errors
/// What is wrong, after the figures.
pub async fn all(plan: &Plan) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut wrong = Vec::new();
    for part in &plan.parts {
        println!("part {part}");
        // What broke a part does not hide what is wrong with the others.
        let problems = one(part, plan).await.unwrap_or_else(|error| vec![format!("{error:#}")]);
        wrong.extend(problems.into_iter().map(|problem| format!("{part}: {problem}")));
    }
    println!("figure chaos_duration_s {}", begun.elapsed().as_secs());
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

async fn one(part: &str, plan: &Plan) -> anyhow::Result<Vec<String>> {
    match part {
        "storm" => storm::storm(plan).await,
        "providers" => storm::providers(plan, "").await,
        "pauses" => storm::pauses(plan).await,
        "redis" => storm::redis(plan).await,
        "sentinel" => storm::sentinel(plan).await,
        "partitions" => episodes::partitions(plan).await,
        "rolling" => rolling::rolling(plan).await,
        "slow" => slow::slow(plan).await,
        "outage" => outage::outage(plan).await,
        other => storm::providers(plan, other.trim_start_matches("providers/")).await,
    }
}
