//! How fast and how good searches are: `bench BASE QUERIES [--rows N] [--queries N] [--rounds N] [--exact]
//! [--batch N] [--lists N] [--files FOLDER] [--serve] [--lists-only]`.
//!
//! A file is `rows (u64 LE) | dimension (u64 LE) | f32 LE`, as tests/support/bench-vectors/data.py writes them. Prints the
//! median time of a search in us, the share of the ten nearest that were found (recall), and how long it took to store the
//! rows, to make one segment of them, and to give it a graph (which `--lists-only` leaves out).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

mod support;

use std::{collections::HashSet, fs, time::Instant};

use support::{matrix, median};
use vector_index::{Config, Distance, Durability, Index, Point, Search, kernel_name};

const K: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<usize>().ok()
    };
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let (base, dimension) = matrix(&arguments[0]);
    let (queries, _) = matrix(&arguments[1]);
    let rows = option("--rows").unwrap_or(usize::MAX).min(base.len() / dimension);
    let count = option("--queries").unwrap_or(1000).min(queries.len() / dimension);
    let base = &base[..rows * dimension];
    let queries: Vec<&[f32]> = queries.chunks_exact(dimension).take(count).collect();

    let ids: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
    let points: Vec<Point<'_>> = ids
        .iter()
        .zip(base.chunks_exact(dimension))
        .map(|(id, vector)| Point { id, tenant: 0, payload: &[], vector })
        .collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--files") {
        files(&arguments[at + 1], &points, flag("--lists-only"));
        return;
    }
    let config = Config::new(dimension, Distance::Cosine);
    let config = Config { list_rows: option("--lists").unwrap_or(config.list_rows), ..config };
    let index = Index::in_memory(config).unwrap();
    let started = Instant::now();
    for points in points.chunks(10_000) {
        index.upsert(points).unwrap();
    }
    let stored = started.elapsed();
    index.compact_fully().unwrap();
    let built = started.elapsed();
    while !flag("--lists-only") && index.tidy(&|| false).unwrap() {}
    let tidied = started.elapsed();
    let snapshot = index.snapshot();

    let search = |query: &[f32]| {
        let search = Search { exact: flag("--exact"), ..Search::new(query, K) };
        let hits = snapshot.search(&search).unwrap();
        hits.iter().map(|hit| hit.point.id.to_owned()).collect::<Vec<_>>()
    };
    if flag("--serve") {
        println!("ready {} {} {}", built.as_millis(), kernel_name(), tidied.as_millis());
        for line in std::io::stdin().lines().map(Result::unwrap) {
            match line.strip_prefix("ids ") {
                Some(number) => println!("{}", search(queries[number.parse::<usize>().unwrap()]).join(" ")),
                None => println!("{:.2}", median(&mut round(&search, &queries))),
            }
        }
        return;
    }

    let truth = truth(&snapshot, &queries);
    let answers: Vec<_> = queries.iter().map(|query| search(query)).collect();
    let right = answers.iter().zip(&truth).map(|(ids, truth)| ids.iter().filter(|id| truth.contains(*id)).count());
    let recall = right.sum::<usize>() as f64 / (count * K) as f64;
    let mut times: Vec<f64> = (0..option("--rounds").unwrap_or(3)).flat_map(|_| round(&search, &queries)).collect();
    let p50 = median(&mut times);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "n {rows} d {dimension} recall {recall:.4} p10 {:.1} us p50 {p50:.1} us p99 {:.1} us stored {stored:.2?} built {built:.2?} tidied {tidied:.2?}",
        at(0.1),
        at(0.99)
    );
    if let Some(size) = option("--batch") {
        let times = queries.chunks_exact(size).map(|queries| {
            let searches: Vec<Search<'_>> = queries.iter().map(|query| Search::new(query, K)).collect();
            let started = Instant::now();
            std::hint::black_box(snapshot.search_batch(&searches));
            started.elapsed().as_secs_f64() * 1e6 / size as f64
        });
        println!("batch of {size}: p50 {:.1} us a query", median(&mut times.collect::<Vec<_>>()));
    }
}

/// The time of each search, in us.
fn round(search: &impl Fn(&[f32]) -> Vec<String>, queries: &[&[f32]]) -> Vec<f64> {
    let time = |query: &&[f32]| {
        let started = Instant::now();
        std::hint::black_box(search(query));
        started.elapsed().as_secs_f64() * 1e6
    };
    queries.iter().map(time).collect()
}

/// Prints the milliseconds that opening takes, the seconds that building took, the milliseconds of opening with a first
/// search, the bytes a row takes in its file, and the seconds that the graph took.
fn files(folder: &str, points: &[Point<'_>], lists_only: bool) {
    let folder = std::path::Path::new(folder).join(format!("bench-{}", std::process::id()));
    let config = Config::new(points[0].vector.len(), Distance::Cosine);
    let started = Instant::now();
    let index = Index::open(&folder, config, Durability::System).unwrap();
    for points in points.chunks(10_000) {
        index.upsert(points).unwrap();
    }
    index.compact_fully().unwrap();
    let built = started.elapsed().as_secs_f64();
    while !lists_only && index.tidy(&|| false).unwrap() {}
    let linked = started.elapsed().as_secs_f64() - built;
    let bytes = index.snapshot().stats().bytes as usize / points.len();
    drop(index);
    let (mut opened, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let started = Instant::now();
        let index = Index::open(&folder, config, Durability::System).unwrap();
        opened.push(started.elapsed().as_secs_f64() * 1e3);
        assert_eq!(index.snapshot().len(), points.len());
        index.snapshot().search(&Search::new(points[0].vector, K)).unwrap();
        answered.push(started.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_dir_all(&folder).unwrap();
    println!("{:.3} {built:.3} {:.3} {bytes} {linked:.3}", median(&mut opened), median(&mut answered));
}

/// The ten nearest of each query.
fn truth(snapshot: &vector_index::Snapshot, queries: &[&[f32]]) -> Vec<HashSet<String>> {
    queries
        .iter()
        .map(|query| {
            let hits = snapshot.search(&Search { exact: true, ..Search::new(query, K) }).unwrap();
            hits.iter().map(|hit| hit.point.id.to_owned()).collect()
        })
        .collect()
}
