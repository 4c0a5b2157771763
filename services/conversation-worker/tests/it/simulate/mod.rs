//! Whole workers in one thread, over a real store in memory, under a clock of their own: a seed decides who is ended,
//! stopped, delayed or told twice, and when. `make simulate SEEDS=<n>`, `make simulate SEED=<one>` with its schedule.
//!
//! Every process, worker or gateway, passes named points and the beginnings of statements ([`process`]). The other side of
//! the network is [`platform`] and [`backend`]; [`people`] talk; [`check`] looks at what all of them saw in the end.

mod backend;
mod check;
mod decide;
mod people;
mod platform;
mod process;
mod run;
mod world;

use std::{
    env,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use run::Bench;
use world::{Kind, Stats};

/// Seeds of one test run.
const SEEDS: u64 = 2_000;
/// Interleavings of question, delay and yes.
const QUESTIONS: u64 = 1_000;

#[test]
fn nothing_is_lost_repeated_or_reordered_whatever_is_ended_stopped_or_delayed() {
    let stats = many(Kind::Script, seeds(SEEDS));
    if only().is_none() {
        for (what, count) in stats.happened() {
            assert!(count > 0, "no {what} in all these seeds: {stats:?}");
        }
    }
    println!("figure simulate_seeds {}", stats.seeds);
    println!("figure simulate_kills {}", stats.kills);
    println!("figure simulate_pauses {}", stats.stops);
    println!("figure simulate_messages {}", stats.messages);
    println!("figure simulate_unknown_outcomes {}", stats.unknown);
}

#[test]
fn a_yes_has_an_effect_only_after_its_question_was_seen_and_by_whom_it_was_asked() {
    let stats = many(Kind::Questions, seeds(QUESTIONS));
    if only().is_none() {
        let faults =
            [("question", stats.questions), ("effect", stats.effects), ("yes of somebody else", stats.foreign)];
        for (what, count) in faults.into_iter().chain([("early yes", stats.early)]) {
            assert!(count > 0, "no {what} in all these seeds: {stats:?}");
        }
    }
    println!("figure yes_before_seen_interleavings {}", stats.seeds);
    println!("figure yes_before_seen_effects 0"); // one is a failure of its seed
}

#[test]
fn a_seed_has_one_schedule() {
    for seed in 1..=10 {
        let schedule = || Bench::new().run(Kind::Script, seed).schedule;
        let (first, second) = (schedule(), schedule());
        let differs = first.iter().zip(&second).position(|(a, b)| a != b);
        assert!(first == second, "seed {seed}: {:?}", differs.map(|at| (&first[at], &second[at])));
    }
}

/// `SEED=<one>` or `SEEDS=<count>` or as many as the test has.
fn seeds(count: u64) -> Range<u64> {
    match only() {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("SEEDS").unwrap_or(count),
    }
}

/// The one seed that is asked for.
fn only() -> Option<u64> {
    number("SEED")
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs seeds on all cores; fails with the first bad one and its schedule.
fn many(kind: Kind, seeds: Range<u64>) -> Stats {
    let (next, all, bad) = (AtomicU64::new(seeds.start), Mutex::new(Stats::default()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut bench = Bench::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || bad.lock().unwrap().len() >= 5 {
                        return;
                    }
                    let ran = bench.run(kind, seed);
                    all.lock().unwrap().add(&ran.stats);
                    if !ran.wrong.is_empty() {
                        bad.lock().unwrap().push((seed, ran.wrong, ran.schedule));
                    } else if only().is_some() {
                        show(&ran.schedule);
                    }
                }
            });
        }
    });
    let bad = bad.into_inner().unwrap();
    if let Some((seed, wrong, schedule)) = bad.first() {
        let others: Vec<_> = bad.iter().map(|(seed, wrong, _)| (seed, &wrong[0])).collect();
        panic!("{}\nseed {seed}: {wrong:#?}\nall: {others:?}\nSEED={seed} replays it", schedule.join("\n"));
    }
    all.into_inner().unwrap()
}

#[expect(clippy::print_stdout, reason = "the schedule is what was asked for")]
fn show(schedule: &[String]) {
    println!("{}", schedule.join("\n"));
}
