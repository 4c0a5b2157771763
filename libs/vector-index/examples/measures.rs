//! What the index costs beside plain searches: `measures searches BASE QUERIES [ROWS]` for what one core does, and
//! `measures serving BASE QUERIES [ROWS]` for searches beside a writer, with the index in the folder of `BASE`. Files as
//! for `bench`.
//!
//! Every figure is the median of five rounds, in each of which both sides of a ratio are measured in turn; the range of
//! the rounds stands beside it. Leave `serving` two cores: one searches, one writes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unsafe_code,
    clippy::inline_always,
    reason = "a tool for developers"
)]

mod support;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use support::{matrix, median};
use vector_index::{Config, Distance, Durability, Index, Point, Search, Snapshot};

const K: usize = 10;
const ROUNDS: usize = 5;
const BATCH: usize = 8;
/// Rows whose 1-bit codes no cache holds: of 384 values each, 112 MB. Of half as many, a cache of 32 MB keeps a good part
/// from one reading to the next.
const FAR_ROWS: usize = 2_000_000;
/// What a writer tries to insert each second, in writes of so many.
const INSERTS_PER_S: usize = 50_000;
const WRITE: usize = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let serves = match arguments[0].as_str() {
        "searches" => false,
        "serving" => true,
        other => panic!("`{other}` is neither searches nor serving"),
    };
    let (base, dimension) = matrix(&arguments[1]);
    let (queries, _) = matrix(&arguments[2]);
    let rows = arguments.get(3).map_or(100_000, |rows| rows.parse().unwrap()).min(base.len() / dimension);
    let queries: Vec<&[f32]> = queries.chunks_exact(dimension).take(300).collect();
    let ids: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
    let vectors: Vec<&[f32]> = base.chunks_exact(dimension).take(rows).collect();
    // Every tenth row is of tenant 1.
    let point = |row: usize| Point {
        id: &ids[row],
        tenant: u32::from(row.is_multiple_of(10)),
        payload: &[],
        vector: vectors[row],
    };
    let filled_with = |rows: usize, config: Config| {
        let index = Index::in_memory(config).unwrap();
        for start in (0..rows).step_by(10_000) {
            index.upsert(&(start..rows.min(start + 10_000)).map(point).collect::<Vec<_>>()).unwrap();
        }
        index.compact_fully().unwrap();
        index
    };
    let config = Config::new(dimension, Distance::Cosine);
    let filled = |rows: usize| filled_with(rows, config);
    let p50 = |snapshot: &Snapshot, tenant: Option<u32>| {
        let time = |query: &&[f32]| {
            let started = Instant::now();
            std::hint::black_box(snapshot.search(&Search { tenant, ..Search::new(query, K) }).unwrap());
            started.elapsed().as_secs_f64() * 1e6
        };
        median(&mut queries.iter().map(time).collect::<Vec<_>>())
    };

    if serves {
        let folder = Path::new(&arguments[1]).parent().unwrap();
        return serving(folder, dimension, &vectors, &point, &p50);
    }
    let (whole, gaps) = (filled(rows), filled(rows));
    let gone: Vec<&str> = (3..rows).step_by(10).map(|row| ids[row].as_str()).collect();
    gaps.remove(&gone).unwrap();
    let (whole, gaps) = (whole.snapshot(), gaps.snapshot());
    rounds("filter_10pct_speedup", || p50(&whole, None) / p50(&whole, Some(1)));
    rounds("deleted_10pct_slowdown", || p50(&gaps, None) / p50(&whole, None));
    rounds(&format!("batch{BATCH}_speedup"), || {
        let time = |size: usize| {
            let started = Instant::now();
            for queries in queries.chunks_exact(size) {
                let searches: Vec<Search<'_>> = queries.iter().map(|query| Search::new(query, K)).collect();
                std::hint::black_box(whole.search_batch(&searches));
            }
            started.elapsed().as_secs_f64() / (queries.len() / size * size) as f64
        };
        time(1) / time(BATCH)
    });
    drop((whole, gaps));

    // All rows are looked at. What twice the rows take longer is the scan alone, when the vectors that are compared after
    // it are in the cache for both: each question is asked until they are.
    let flat = Config { list_rows: usize::MAX, ..config };
    let near = |snapshot: &Snapshot, query: &[f32]| {
        let asked = (0..9).map(|_| {
            let started = Instant::now();
            std::hint::black_box(snapshot.search(&Search::new(query, K)).unwrap());
            started.elapsed().as_secs_f64() * 1e6
        });
        asked.fold(f64::INFINITY, f64::min)
    };
    let width = dimension.next_multiple_of(64);
    let (small, smaller) = (filled_with(1_000, flat).snapshot(), filled_with(500, flat).snapshot());
    rounds("bandwidth_share_int8", || {
        let longer = |query: &&[f32]| near(&small, query) - near(&smaller, query);
        read_us(500 * width, 1_000 * width) / median(&mut queries.iter().map(longer).collect::<Vec<_>>())
    });
    // More than the caches hold: each vector is there several times, since only the codes' number matters.
    let ids: Vec<String> = (0..FAR_ROWS).map(|row| row.to_string()).collect();
    let far = Index::in_memory(flat).unwrap();
    for start in (0..FAR_ROWS).step_by(10_000) {
        let copy = |row: usize| Point { id: &ids[row], ..point(row % rows) };
        far.upsert(&(start..FAR_ROWS.min(start + 10_000)).map(copy).collect::<Vec<_>>()).unwrap();
    }
    far.compact_fully().unwrap();
    let (far, codes) = (far.snapshot(), FAR_ROWS * (width / 8 + 8));
    rounds("bandwidth_share", || read_us(codes, codes) / p50(&far, None));
}

/// Searches alone, and while a thread inserts and another compacts.
fn serving<'a>(
    folder: &Path,
    dimension: usize,
    vectors: &[&'a [f32]],
    point: &(impl Fn(usize) -> Point<'a> + Sync),
    p50: &impl Fn(&Snapshot, Option<u32>) -> f64,
) {
    let folder = folder.join(format!("measures-{}", std::process::id()));
    let index = Index::open(&folder, Config::new(dimension, Distance::Cosine), Durability::System).unwrap();
    for start in (0..vectors.len()).step_by(10_000) {
        index.upsert(&(start..vectors.len().min(start + 10_000)).map(point).collect::<Vec<_>>()).unwrap();
    }
    index.compact_fully().unwrap();
    let (mut written, mut alone) = (AtomicUsize::new(0), Vec::new());
    let (mut ratios, mut rates, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    let busy_ns = AtomicUsize::new(0);
    for _ in 0..ROUNDS {
        while index.compact().unwrap() {}
        alone.push(p50(&index.snapshot(), None));
        let before = *written.get_mut();
        let (done, started) = (AtomicBool::new(false), Instant::now());
        let beside = thread::scope(|scope| {
            scope.spawn(|| {
                for write in 0.. {
                    if done.load(Relaxed) {
                        break;
                    }
                    let rows = (0..WRITE).map(|at| (before + write * WRITE + at) % vectors.len());
                    index.upsert(&rows.map(point).collect::<Vec<_>>()).unwrap();
                    if index.snapshot().stats().tail >= 2 * index.config().seal_rows {
                        index.seal().unwrap();
                    }
                    written.fetch_add(WRITE, Relaxed);
                    let due = Duration::from_secs_f64(((write + 1) * WRITE) as f64 / INSERTS_PER_S as f64);
                    thread::sleep(due.saturating_sub(started.elapsed()));
                }
                // Linux alone says how long a thread was on a processor.
                let busy = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
                let busy = busy.split(' ').next().and_then(|busy| busy.parse().ok());
                busy_ns.store(busy.unwrap_or_default(), Relaxed);
            });
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    if !index.compact().unwrap() {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            });
            // A new snapshot for each round of questions, as a server takes one for each question.
            let mut times = Vec::new();
            while started.elapsed() < Duration::from_secs(2) {
                times.push(p50(&index.snapshot(), None));
            }
            done.store(true, Relaxed);
            median(&mut times)
        });
        let inserted = (*written.get_mut() - before) as f64;
        rates.push(inserted / started.elapsed().as_secs_f64());
        costs.push(inserted * 1e9 / busy_ns.load(Relaxed).max(1) as f64);
        ratios.push(beside / alone[alone.len() - 1]);
    }
    drop(index);
    fs::remove_dir_all(&folder).unwrap();
    print("serving_insert_p50_ratio", &mut ratios);
    print("inserts_per_s", &mut rates);
    print("inserts_per_core_s", &mut costs);
}

fn rounds(name: &str, mut round: impl FnMut() -> f64) {
    print(name, &mut (0..ROUNDS).map(|_| round()).collect::<Vec<_>>());
}

fn print(name: &str, rounds: &mut [f64]) {
    let middle = median(rounds);
    println!("{name}: {:.2} to {:.2}", rounds[0], rounds[rounds.len() - 1]);
    println!("figure {name} {middle:.2}");
}

/// The time that reading so many bytes takes, in us, when `all` of them are read again and again.
fn read_us(bytes: usize, all: usize) -> f64 {
    // In large pages, as the codes are.
    let mut words = memmap2::MmapMut::map_anon(all).unwrap();
    #[cfg(target_os = "linux")]
    let _ = words.advise(memmap2::Advice::HugePage);
    words.fill(1);
    let words: &[u64] = bytemuck::cast_slice(&words);
    let read = || {
        let started = Instant::now();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what the function is compiled for.
            std::hint::black_box(unsafe { mixed_wide(words) });
            return started.elapsed().as_secs_f64() * 1e6;
        }
        std::hint::black_box(mixed(words));
        started.elapsed().as_secs_f64() * 1e6
    };
    median(&mut (0..200).map(|_| read()).collect::<Vec<_>>()) * bytes as f64 / all as f64
}

#[inline(always)]
fn mixed(words: &[u64]) -> [u64; 64] {
    words.as_chunks::<64>().0.iter().fold([0u64; 64], |mut sums, words| {
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum ^= word;
        }
        sums
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn mixed_wide(words: &[u64]) -> [u64; 64] {
    mixed(words)
}
