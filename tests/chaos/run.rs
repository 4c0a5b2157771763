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
        let problems = match part.as_str() {
            "storm" => storm::storm(plan).await?,
            "providers" => storm::providers(plan, "").await?,
            one if one.starts_with("providers/") => storm::providers(plan, &one["providers/".len()..]).await?,
            "pauses" => storm::pauses(plan).await?,
            "redis" => storm::redis(plan).await?,
            "sentinel" => storm::sentinel(plan).await?,
            "partitions" => episodes::partitions(plan).await?,
            "rolling" => rolling::rolling(plan).await?,
            "slow" => slow::slow(plan).await?,
            "outage" => outage::outage(plan).await?,
            other => anyhow::bail!("CHAOS_PARTS names {other}, which is no part"),
        };
        wrong.extend(problems.into_iter().map(|problem| format!("{part}: {problem}")));
    }
    println!("figure chaos_duration_s {}", begun.elapsed().as_secs());
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}
