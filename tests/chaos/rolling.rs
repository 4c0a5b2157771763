//! Rolling restarts and a scale-down under load: each service ends by SIGTERM, hands over, and comes back; on a schema
//! that the next release has expanded, and beside binaries of an earlier release where a folder of these is given.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    checker,
    load::{self, Ledger, Load},
    plan::Plan,
    process::folder_of_binaries,
    storm::{REFERENCE, SETTLE},
    town::Town,
};

/// How long a worker is missing after a scale-down.
const SMALLER: Duration = Duration::from_secs(5);
/// What a migration of the next release may do while this one runs: expand.
const NEXT_SCHEMA: &str = "\
    alter table conversations add column next_release text;\
    alter table inbox add column next_release bigint not null default 0;\
    alter table outbox add column next_release text;\
    alter table steps add column next_release text default 'x';\
    create table next_release (id uuid primary key);\
    insert into schema_migrations (version, name, checksum, applied_at) values (9999, '9999_next', 'x', 0)";
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
        if rolls == 0 {
            let mut db = PgConnection::connect(&town.database).await?;
            db.execute(NEXT_SCHEMA).await.context("the next release's migration")?;
            db.close().await?;
        }
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
            if let Some(folder) = &plan.old_binaries {
                // Each second one is of the earlier release, in the next roll the others.
                let old = (at + rolls) % 2 == 0;
                town.processes[at].use_binaries(if old { folder.clone() } else { folder_of_binaries()? });
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
        "  {} messages, {} repeated, {} out of order, {} double effects, {} missing, {} late, {} ends unknown, {unclean} unclean \
         ends, {left} left",
        verdict.messages,
        verdict.repeated,
        verdict.reordered,
        verdict.double_effects,
        verdict.missing_effects,
        verdict.late,
        verdict.unknown
    );
    for example in &verdict.examples {
        println!("  {example}");
    }
    let effects = verdict.double_effects + verdict.missing_effects + verdict.late; // nothing here holds a yes up for 90 s
    let wrong = verdict.lost + verdict.repeated + verdict.reordered + effects + unclean;
    Ok(if wrong == 0 && left == 0 { Vec::new() } else { vec!["a rolling restart is not clean".to_owned()] })
}
