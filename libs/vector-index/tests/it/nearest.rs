use vector_index::{Config, Distance, Index, Point, Search};

use super::support::{Clusters, DISTANCES, check_exact, filled, ids, index, nearest};

#[test]
fn each_distance_orders_by_its_own_rule() {
    let points: [(&str, &[f32]); 3] = [("far", &[10.0, 0.0]), ("near", &[1.0, 0.2]), ("away", &[-1.0, 0.0])];
    let nearest = |distance| {
        let index = index(distance, &points);
        nearest(&index.snapshot(), &[1.0, 0.0], 3, false).join(" ")
    };
    assert_eq!(nearest(Distance::Cosine), "far near away");
    assert_eq!(nearest(Distance::InnerProduct), "far near away");
    assert_eq!(nearest(Distance::Euclidean), "near away far");
}

#[test]
fn equal_scores_are_ordered_by_id_whatever_order_they_came_in() {
    for order in [["b", "a", "c"], ["c", "b", "a"], ["a", "c", "b"]] {
        let points: Vec<(&str, &[f32])> = order.iter().map(|id| (*id, [1.0f32, 1.0].as_slice())).collect();
        for distance in DISTANCES {
            assert_eq!(nearest(&index(distance, &points).snapshot(), &[1.0, 0.0], 2, false), ["a", "b"]);
        }
    }
}

#[test]
fn zero_vector_is_a_point_where_directions_do_not_count() {
    for distance in [Distance::InnerProduct, Distance::Euclidean] {
        let index = index(distance, &[("zero", &[0.0, 0.0])]);
        let snapshot = index.snapshot();
        assert_eq!(snapshot.search(&Search::new(&[0.0, 0.0], 1)).expect("hits")[0].score, 0.0);
    }
}

#[test]
fn points_nearer_than_an_f32_can_square_are_told_apart() {
    let index = index(Distance::Euclidean, &[("a", &[2e-25, 0.0]), ("b", &[1e-25, 0.0])]);
    let snapshot = index.snapshot();
    let hits = snapshot.search(&Search::new(&[0.0, 0.0], 2)).expect("hits");
    assert_eq!(ids(&hits), ["b", "a"]);
    assert_eq!(hits[0].score, -1e-25);
}

/// Rows enough for every stage of the cascade, at a width that is no multiple of 64.
#[test]
fn nearly_all_of_the_nearest_are_found_and_all_when_asked() {
    for distance in DISTANCES {
        for (dimension, rows, floor) in [(100, 12_000, 0.98), (384, 4_000, 0.98), (20, 20_000, 0.95)] {
            let mut clusters = Clusters::new(7, dimension, 50, 0.6);
            let (index, model) = filled(distance, &mut clusters, rows);
            index.compact_fully().expect("compacted");
            let snapshot = index.snapshot();
            let (mut found, queries) = (0, 40);
            for _ in 0..queries {
                let query = clusters.vector();
                let exact = snapshot.search(&Search { exact: true, ..Search::new(&query, 10) }).expect("hits");
                check_exact(distance, &model, &query, 10, &exact);
                let near = ids(&snapshot.search(&Search::new(&query, 10)).expect("hits"));
                found += ids(&exact).iter().filter(|id| near.contains(id)).count();
            }
            let recall = found as f64 / (10 * queries) as f64;
            assert!(recall >= floor, "{distance:?} {dimension}: {recall}");
        }
    }
}

/// Vectors far from the origin and near each other: where codes of the vectors themselves would say nothing.
#[test]
fn near_points_far_from_the_origin_are_told_apart() {
    let mut clusters = Clusters::new(8, 64, 1, 1.0);
    let (_, model) = filled(Distance::Euclidean, &mut clusters, 9_000);
    let index = Index::in_memory(Config::new(64, Distance::Euclidean)).expect("an index");
    let far: Vec<(String, Vec<f32>)> =
        model.iter().map(|(id, vector)| (id.clone(), vector.iter().map(|x| x + 3000.0).collect())).collect();
    let points: Vec<Point<'_>> = far.iter().map(|(id, vector)| Point { id, tenant: 0, payload: b"", vector }).collect();
    index.upsert(&points).expect("stored");
    for sealed in [false, true] {
        if sealed {
            index.compact_fully().expect("compacted");
        }
        let snapshot = index.snapshot();
        let found =
            far.iter().step_by(100).filter(|(id, vector)| nearest(&snapshot, vector, 1, false) == [id.as_str()]);
        assert_eq!(found.count(), 90, "sealed: {sealed}");
    }
}

#[test]
fn batch_answers_as_single_searches_do() {
    let mut clusters = Clusters::new(9, 70, 30, 0.6);
    for distance in DISTANCES {
        let (index, _) = filled(distance, &mut clusters, 10_000);
        for sealed in [false, true] {
            if sealed {
                index.compact_fully().expect("compacted");
            }
            let snapshot = index.snapshot();
            let selection = snapshot.select(|point| point.id.ends_with('7'));
            let queries: Vec<Vec<f32>> = (0..9).map(|_| clusters.vector()).collect();
            let searches = queries.iter().zip(0..).map(|(query, number)| Search {
                exact: number % 3 == 1,
                among: (number % 2 == 0).then_some(&selection),
                ..Search::new(query, number * 3)
            });
            let searches: Vec<_> = searches.collect();
            for (search, answer) in searches.iter().zip(snapshot.search_batch(&searches)) {
                assert_eq!(snapshot.search(search), answer);
            }
        }
    }
}

#[test]
fn filters_keep_what_they_should_and_lose_nothing() {
    let mut clusters = Clusters::new(10, 80, 30, 0.6);
    for distance in DISTANCES {
        let (index, model) = filled(distance, &mut clusters, 6_000);
        // Tenants of very different sizes, in turn.
        let tenant = |id: &str| if id.ends_with("00") { 1 } else { u32::from(id.ends_with('3')) * 2 };
        let points = |model: &std::collections::BTreeMap<String, Vec<f32>>| {
            let points = model.iter().map(|(id, vector)| Point { id, tenant: tenant(id), payload: b"", vector });
            index.upsert(&points.collect::<Vec<_>>()).expect("stored");
        };
        points(&model);
        for sealed in [false, true] {
            if sealed {
                index.compact_fully().expect("compacted");
            }
            let snapshot = index.snapshot();
            let even = snapshot.select(|point| point.id.as_bytes()[point.id.len() - 2] % 2 == 0);
            assert_eq!(even.len(), 3_000);
            for of in [Some(0), Some(1), Some(2), Some(3), None] {
                for among in [None, Some(&even)] {
                    let query = clusters.vector();
                    let search = Search { tenant: of, among, exact: true, ..Search::new(&query, 10) };
                    let hits = snapshot.search(&search).expect("hits");
                    let mut kept = model.clone();
                    kept.retain(|id, _| {
                        of.is_none_or(|of| of == tenant(id))
                            && (among.is_none() || id.as_bytes()[id.len() - 2].is_multiple_of(2))
                    });
                    check_exact(distance, &kept, &query, 10, &hits);
                }
            }
        }
    }
}

/// A segment with lists, then with a graph: near ones find nearly all, and what is asked of few of the rows finds them
/// wherever they are.
#[test]
fn lists_and_graphs_find_nearly_all_and_lose_no_filtered_rows() {
    for distance in DISTANCES {
        let mut clusters = Clusters::new(14, 80, 60, 0.6);
        let (folder, mut model) = (tempfile::tempdir().expect("a folder"), std::collections::BTreeMap::new());
        let config = Config { list_rows: 4_000, ..Config::new(80, distance) };
        let open = || Index::open(folder.path(), config, vector_index::Durability::System).expect("an index");
        let mut index = open();
        // Two large tenants, and many of two rows each, which are too small for lists of their own.
        let tenant = |id: &str| match id[1..].parse::<u32>().expect("a number") {
            number if number % 10 == 0 => 10 + number / 20,
            number => number % 2,
        };
        let all: Vec<(String, Vec<f32>)> = (0..12_000).map(|row| (format!("p{row:06}"), clusters.vector())).collect();
        let write = |index: &Index, some: &[(String, Vec<f32>)]| {
            let points = some.iter().map(|(id, vector)| Point { id, tenant: tenant(id), payload: b"", vector });
            index.upsert(&points.collect::<Vec<_>>()).expect("stored");
        };
        write(&index, &all[..11_000]);
        index.compact_fully().expect("compacted");
        // Some go, some come, and some come again elsewhere.
        index.remove(&["p000007", "p000020"]).expect("removed");
        write(&index, &all[11_000..]);
        let moved: Vec<_> = (0..100).map(|at| (all[at * 50].0.clone(), clusters.vector())).collect();
        write(&index, &moved);
        model.extend(all.iter().cloned().chain(moved));
        model.retain(|id, _| id != "p000007" && id != "p000020");
        let (mut found, mut filtered) = (0, 0);
        for graph in [false, false, true, true] {
            if index.snapshot().stats().linked == 0 && graph {
                assert_eq!(index.tidy(&|| false).expect("tidied"), distance != Distance::InnerProduct);
                assert!(!index.tidy(&|| false).expect("tidied"), "it is in order");
            } else {
                drop(index);
                index = open();
                index.verify().expect("whole");
            }
            let snapshot = index.snapshot();
            let linked = if graph && distance != Distance::InnerProduct { 11_000 } else { 0 };
            assert_eq!(snapshot.stats().linked, linked, "dead rows are in it too");
            assert_eq!(snapshot.len(), model.len());
            let few = snapshot.select(|point| point.id.ends_with("77"));
            for _ in 0..30 {
                let query = clusters.vector();
                let exact = snapshot.search(&Search { exact: true, ..Search::new(&query, 10) }).expect("hits");
                check_exact(distance, &model, &query, 10, &exact);
                let near = ids(&snapshot.search(&Search::new(&query, 10)).expect("hits"));
                found += ids(&exact).iter().filter(|id| near.contains(id)).count();
                for (of, among) in [(Some(17), None), (None, Some(&few)), (Some(1), Some(&few))] {
                    let search = Search { tenant: of, among, ..Search::new(&query, 5) };
                    let exact = snapshot.search(&Search { exact: true, ..search }).expect("hits");
                    let near = snapshot.search(&search).expect("hits");
                    filtered += ids(&exact).iter().filter(|id| ids(&near).contains(id)).count();
                    assert_eq!(near.len(), exact.len());
                    assert_eq!(snapshot.search_batch(&[search]), [Ok(near)]);
                }
            }
        }
        assert!(found >= 120 * 10 * 97 / 100, "{distance:?}: {found}");
        // Together as alone, whoever asks beside them.
        let snapshot = index.snapshot();
        let queries: Vec<_> = (0..12).map(|_| clusters.vector()).collect();
        let searches: Vec<Search<'_>> = queries
            .iter()
            .enumerate()
            .map(|(at, query)| Search { tenant: [None, Some(1), Some(17)][at % 3], ..Search::new(query, 1 + at * 5) })
            .collect();
        let alone: Vec<_> = searches.iter().map(|search| snapshot.search(search)).collect();
        assert_eq!(snapshot.search_batch(&searches), alone, "{distance:?}");
        assert!(filtered >= 120 * 12 * 97 / 100, "{distance:?}: {filtered} of few");
    }
}
