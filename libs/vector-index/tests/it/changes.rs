use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use proptest::{collection::vec, prelude::*};
use vector_index::{Config, Distance, Index, Search};

use super::support::{Clusters, DISTANCES, check_exact, filled, ids, nearest, point};

#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<(u8, Vec<f32>)>),
    Remove(Vec<u8>),
    Compact,
    Tidy,
    CompactFully,
}

fn value() -> impl Strategy<Value = f32> {
    // Few different values, so that ties and repeated vectors happen.
    prop_oneof![-3i8..=3, Just(7)].prop_map(|value| f32::from(value) / 2.0)
}

fn steps(dimension: usize) -> impl Strategy<Value = Vec<Step>> {
    let points = vec((0u8..60, vec(value(), dimension)), 1..12);
    let step = prop_oneof![
        6 => points.prop_map(Step::Upsert),
        2 => vec(0u8..60, 0..6).prop_map(Step::Remove),
        2 => Just(Step::Compact),
        1 => Just(Step::Tidy),
        1 => Just(Step::CompactFully),
    ];
    vec(step, 0..30)
}

proptest! {
    #[test]
    fn answers_equal_brute_force_after_any_writes(
        (steps, query) in (1usize..20).prop_flat_map(|n| (steps(n), vec(value(), n))),
        k in 0usize..12,
        which in 0usize..3,
    ) {
        let distance = DISTANCES[which];
        let index = Index::in_memory(Config { seal_rows: 8, ..Config::new(query.len(), distance) }).expect("an index");
        let mut model = BTreeMap::<String, Vec<f32>>::new();
        for step in steps {
            match step {
                Step::Upsert(points) => {
                    let fine = |vector: &[f32]| distance != Distance::Cosine || vector.iter().any(|x| *x != 0.0);
                    let named: Vec<_> = points.iter().map(|(id, vector)| (format!("p{id:02}"), vector)).collect();
                    let points: Vec<_> = named.iter().map(|(id, vector)| point(id, vector)).collect();
                    if named.iter().all(|(_, vector)| fine(vector)) {
                        let before = model.len();
                        model.extend(named.iter().map(|(id, vector)| (id.clone(), (*vector).clone())));
                        prop_assert_eq!(index.upsert(&points).expect("stored"), model.len() - before);
                    } else {
                        prop_assert!(index.upsert(&points).is_err());
                    }
                }
                Step::Remove(gone) => {
                    let named: Vec<String> = gone.iter().map(|id| format!("p{id:02}")).collect();
                    let names: Vec<&str> = named.iter().map(String::as_str).collect();
                    let there = names.iter().filter(|name| model.remove(**name).is_some()).count();
                    prop_assert_eq!(index.remove(&names).expect("removed"), there);
                }
                Step::Compact => while index.compact().expect("compacted") {},
                Step::Tidy => drop(index.tidy(&|| false).expect("tidied")),
                Step::CompactFully => index.compact_fully().expect("compacted"),
            }
        }
        let snapshot = index.snapshot();
        prop_assert_eq!(snapshot.len(), model.len());
        let mut points: Vec<_> = snapshot.points().map(|point| point.id).collect();
        points.sort_unstable();
        prop_assert!(points.iter().eq(model.keys()));
        for id in model.keys() {
            prop_assert_eq!(snapshot.get(id).map(|point| point.id), Some(id.as_str()));
        }
        prop_assert!(snapshot.get("nobody").is_none());
        if let Ok(hits) = snapshot.search(&Search { exact: true, ..Search::new(&query, k) }) {
            check_exact(distance, &model, &query, k, &hits);
        } else {
            prop_assert!(distance == Distance::Cosine && query.iter().all(|value| *value == 0.0));
        }
    }
}

#[test]
fn snapshot_stays_as_it_was_and_the_next_has_all() {
    let mut clusters = Clusters::new(11, 30, 5, 0.5);
    let (index, model) = filled(Distance::Cosine, &mut clusters, 500);
    let before = index.snapshot();
    let query = clusters.vector();
    let nearest_before = nearest(&before, &query, 5, true);
    index.remove(&nearest_before.iter().map(String::as_str).collect::<Vec<_>>()).expect("removed");
    index.upsert(&[point("new", &query)]).expect("stored");
    index.compact_fully().expect("compacted");
    assert_eq!(nearest(&before, &query, 5, true), nearest_before);
    assert_eq!(before.len(), model.len());
    let after = index.snapshot();
    assert_eq!(after.len(), model.len() - 4);
    assert_eq!(nearest(&after, &query, 1, true), ["new"]);
    assert!(nearest_before.iter().all(|id| after.get(id).is_none()));
}

#[test]
fn last_of_equal_ids_wins() {
    let index = Index::in_memory(Config::new(2, Distance::Cosine)).expect("an index");
    let new = index.upsert(&[point("a", &[1.0, 0.0]), point("a", &[0.0, 1.0])]).expect("stored");
    assert_eq!(new, 1);
    assert_eq!(index.snapshot().get("a").expect("a point").vector, [0.0, 1.0]);
}

/// Readers beside a writer and a compaction: every answer is of one moment, in which each id has one vector.
#[test]
fn readers_see_one_moment_while_all_changes() {
    let mut clusters = Clusters::new(12, 32, 5, 0.5);
    let index = Index::in_memory(Config { seal_rows: 200, ..Config::new(32, Distance::Euclidean) }).expect("an index");
    let vectors: Vec<Vec<f32>> = (0..40).map(|_| clusters.vector()).collect();
    let names: Vec<String> = (0..40).map(|number| format!("p{number:02}")).collect();
    let write = |shift: usize| {
        let points: Vec<_> = (0..40).map(|at| point(&names[at], &vectors[(at + shift) % 40])).collect();
        index.upsert(&points).expect("stored");
    };
    write(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !done.load(Ordering::Relaxed) || seen == 0 {
                        let snapshot = index.snapshot();
                        let hits = snapshot.search(&Search { exact: true, ..Search::new(&vectors[0], 100) });
                        let hits = hits.expect("hits");
                        let mut all = ids(&hits);
                        all.sort_unstable();
                        assert!(all.iter().eq(names.iter()), "{all:?}");
                        assert_eq!(hits[0].score, 0.0, "somebody has the first vector at any moment");
                        seen += 1;
                    }
                })
            })
            .collect();
        let compacting = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                index.compact().expect("compacted");
                thread::yield_now();
            }
        });
        for round in 1..150 {
            write(round);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().expect("a reader");
        }
        compacting.join().expect("compaction");
    });
    while index.compact().expect("compacted") {}
    assert_eq!(index.snapshot().len(), 40);
}

#[test]
fn tidying_makes_one_segment_until_few_rows_are_outside_it() {
    let index = Index::in_memory(Config { seal_rows: 10, ..Config::new(2, Distance::InnerProduct) }).expect("an index");
    let add = |ids: std::ops::Range<u32>| {
        for id in ids {
            index.upsert(&[point(&format!("p{id}"), &[1.0, 0.0])]).expect("stored");
            while index.compact().expect("compacted") {}
        }
        index.snapshot().stats()
    };
    assert!(!index.tidy(&|| false).expect("tidied"), "nothing is there");
    assert!(add(0..75).segments > 1);
    assert!(index.tidy(&|| false).expect("tidied"));
    let stats = index.snapshot().stats();
    assert_eq!((stats.segments, stats.points, stats.tail), (1, 75, 5), "the tail stays one");
    assert!(!index.tidy(&|| false).expect("tidied"), "one is enough");
    assert_eq!(add(75..85).segments, 2);
    assert!(!index.tidy(&|| false).expect("tidied"), "an eighth at most is outside the largest");
    assert_eq!(add(85..95).segments, 3);
    assert!(index.tidy(&|| false).expect("tidied"));
    assert_eq!(index.snapshot().stats().segments, 1);
}

/// What is written while a graph is made is not lost; and the graph is given up when somebody says so, or when the tail
/// should become a segment.
#[test]
fn writes_go_on_while_a_graph_is_made() {
    for distance in [Distance::Cosine, Distance::Euclidean] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { seal_rows: 50, list_rows: 3_000, ..Config::new(64, distance) };
        let open = || Index::open(folder.path(), config, vector_index::Durability::System).expect("an index");
        let index = open();
        let mut clusters = Clusters::new(31, 64, 20, 0.5);
        let all: Vec<(String, Vec<f32>)> = (0..7_000).map(|row| (format!("p{row}"), clusters.vector())).collect();
        index.upsert(&all.iter().map(|(id, vector)| point(id, vector)).collect::<Vec<_>>()).expect("stored");
        index.compact_fully().expect("compacted");
        drop(index);
        let config = Config { graph_bytes_max: 7_000 * 2 * 256, ..config };
        let index = Index::open(folder.path(), config, vector_index::Durability::System).expect("an index");
        assert!(!index.tidy(&|| false).expect("tidied"), "a graph would be too large");
        drop(index);
        let index = open();
        let files = || std::fs::read_dir(folder.path()).expect("a folder").count();
        let before = files();

        assert!(!index.tidy(&|| true).expect("tidied"));
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let fill_the_tail = || {
            let at = asked.fetch_add(1, Ordering::Relaxed);
            index.upsert(&[point(&all[at % 60].0, &all[at % 60].1)]).expect("stored");
            false
        };
        assert!(!index.tidy(&fill_the_tail).expect("tidied"), "the tail is full");
        assert_eq!(index.snapshot().stats().linked, 0);
        assert_eq!(files(), before, "nothing is left of what was given up");

        while index.compact().expect("compacted") {}
        let asked = AtomicBool::new(false);
        let write = || {
            if !asked.swap(true, Ordering::Relaxed) {
                index.remove(&["p100"]).expect("removed");
                index.upsert(&[point("p200", &all[300].1), point("new", &all[100].1)]).expect("stored");
                let again: Vec<_> = all[1_000..1_048].iter().map(|(id, vector)| point(id, vector)).collect();
                index.upsert(&again).expect("stored");
                assert!(index.seal().expect("sealed"), "a full tail waits for no other piece of upkeep");
            }
            false
        };
        assert!(index.tidy(&write).expect("tidied"));
        drop(index);
        let index = open();
        let snapshot = index.snapshot();
        assert_eq!((snapshot.stats().linked, snapshot.len()), (7_000, 7_000));
        assert_eq!(nearest(&snapshot, &all[100].1, 1, false), ["new"]);
        let mut two = nearest(&snapshot, &all[300].1, 2, false);
        two.sort_unstable();
        assert_eq!(two, ["p200", "p300"]);
    }
}

/// A segment is being made (a thread does nothing else) while points come and go: each write is seen at once, the thread
/// is only woken when there is something to do, and nothing is lost.
#[test]
fn writes_go_on_while_a_thread_compacts() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { seal_rows: 64, ..Config::new(16, Distance::InnerProduct) };
    let open = || Index::open(folder.path(), config, vector_index::Durability::System).expect("an index");
    let index = open();
    assert!(!index.wants_compaction());
    let mut clusters = Clusters::new(13, 16, 4, 0.5);
    let mut model = BTreeMap::<String, Vec<f32>>::new();
    let (wake, woken) = std::sync::mpsc::sync_channel::<()>(1);
    let made = thread::scope(|scope| {
        let compacting = scope.spawn(|| {
            let mut made = 0;
            for () in woken {
                while index.compact().expect("compacted") {
                    made += 1;
                }
            }
            made
        });
        for round in 0..200u32 {
            let vectors: Vec<(String, Vec<f32>)> =
                (0..20).map(|at| (format!("p{:04}", (round * 7 + at * 13) % 900), clusters.vector())).collect();
            index.upsert(&vectors.iter().map(|(id, vector)| point(id, vector)).collect::<Vec<_>>()).expect("stored");
            model.extend(vectors);
            let gone = format!("p{:04}", round % 900);
            assert_eq!(index.remove(&[&gone]).expect("removed"), usize::from(model.remove(&gone).is_some()));
            if round % 5 == 0 {
                index.seal().expect("sealed or not due");
            }
            let snapshot = index.snapshot();
            assert_eq!(snapshot.len(), model.len());
            assert!(snapshot.get(&gone).is_none());
            if index.wants_compaction() {
                let _ = wake.try_send(());
            }
        }
        drop(wake);
        compacting.join().expect("compaction")
    });
    assert!(made > 0);
    while index.compact().expect("compacted") {}
    assert!(!index.wants_compaction());
    drop(index);
    let index = open();
    let snapshot = index.snapshot();
    let found: BTreeMap<String, Vec<f32>> =
        snapshot.points().map(|point| (point.id.to_owned(), point.vector.to_vec())).collect();
    assert!(found == model);
}

#[test]
fn selection_is_carried_on_by_looking_at_what_is_new() {
    let index = Index::in_memory(Config { seal_rows: 100, ..Config::new(2, Distance::Euclidean) }).expect("an index");
    let write = |numbers: std::ops::Range<usize>| {
        let names: Vec<String> = numbers.clone().map(|number| format!("p{number:04}")).collect();
        let vectors: Vec<[f32; 2]> = numbers.map(|number| [number as f32, 0.0]).collect();
        let points: Vec<_> = names.iter().zip(&vectors).map(|(id, vector)| point(id, vector)).collect();
        index.upsert(&points).expect("stored");
    };
    let even = |point: vector_index::Point<'_>| (point.vector[0] as usize).is_multiple_of(2);
    write(0..1000);
    index.compact_fully().expect("compacted");
    let mut selection = index.snapshot().select(even);
    write(1000..1200);
    index.remove(&["p0000", "p0001"]).expect("removed");
    write(2..4);
    for compacted in [false, true] {
        if compacted {
            index.compact_fully().expect("compacted");
        }
        let snapshot = index.snapshot();
        let mut looked_at = 0;
        selection = snapshot.select_again(&selection, |point| {
            looked_at += 1;
            even(point)
        });
        assert!(looked_at == if compacted { 1198 } else { 202 }, "{looked_at}");
        assert_eq!(selection.len(), 599);
        let search = |selection| Search { among: Some(selection), exact: true, ..Search::new(&[0.0, 0.0], 700) };
        let fresh = snapshot.select(even);
        let (carried, fresh) = (snapshot.search(&search(&selection)), snapshot.search(&search(&fresh)));
        assert_eq!(ids(&carried.expect("hits")), ids(&fresh.expect("hits")));
    }
}
