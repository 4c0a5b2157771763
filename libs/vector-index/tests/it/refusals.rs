use std::{sync::atomic::AtomicBool, time::Instant};

use vector_index::{
    Config, Distance, ID_BYTES_MAX, Index, IndexError, MAX_DIMENSION, Search, SearchError, Stop, VectorError,
};

use super::support::{Clusters, DISTANCES, filled, ids, index, point};

#[test]
fn bad_vectors_are_refused_and_change_nothing() {
    let index = index(Distance::Cosine, &[("a", &[1.0, 0.0])]);
    let cases: [(&[f32], VectorError); 5] = [
        (&[1.0], VectorError::WrongDimension { expected: 2, got: 1 }),
        (&[], VectorError::WrongDimension { expected: 2, got: 0 }),
        (&[0.0, f32::NAN], VectorError::NotFinite { position: 1 }),
        (&[f32::NEG_INFINITY, 0.0], VectorError::NotFinite { position: 0 }),
        (&[0.0, -0.0], VectorError::NoDirection),
    ];
    for (vector, expected) in cases {
        let refused = index.upsert(&[point("a", &[0.0, 1.0]), point("b", vector)]);
        assert!(matches!(refused, Err(IndexError::Vector { id, reason }) if id == "b" && reason == expected));
        assert_eq!(index.check(vector), Err(expected.clone()));
        assert_eq!(index.snapshot().search(&Search::new(vector, 1)), Err(SearchError::Vector(expected)));
    }
    let snapshot = index.snapshot();
    assert_eq!(snapshot.len(), 1);
    assert_eq!(snapshot.search(&Search::new(&[1.0, 0.0], 9)).expect("hits")[0].score, 1.0);
}

#[test]
fn ids_and_payloads_have_limits() {
    let index = index(Distance::Cosine, &[("a", &[1.0, 0.0])]);
    let long = "x".repeat(ID_BYTES_MAX);
    assert_eq!(index.upsert(&[point(&long, &[1.0, 1.0])]).expect("stored"), 1);
    for id in ["", &format!("{long}x")] {
        assert!(matches!(index.upsert(&[point(id, &[1.0, 1.0])]), Err(IndexError::Id(bytes)) if bytes == id.len()));
    }
    let payload = vec![0; vector_index::PAYLOAD_BYTES_MAX + 1];
    let large = vector_index::Point { payload: &payload, ..point("b", &[1.0, 1.0]) };
    assert!(matches!(index.upsert(&[large]), Err(IndexError::Payload { .. })));
    assert_eq!(index.snapshot().len(), 2);
}

#[test]
fn dimensions_outside_the_limits_are_refused() {
    for dimension in [0, MAX_DIMENSION + 1] {
        let error = Index::in_memory(Config::new(dimension, Distance::Cosine)).expect_err("refused");
        assert!(matches!(error, IndexError::Dimension(VectorError::BadDimension(of)) if of == dimension));
    }
    assert!(Index::in_memory(Config::new(MAX_DIMENSION, Distance::Cosine)).is_ok());
}

#[test]
fn vectors_too_long_for_their_products_are_refused_and_others_ordered() {
    let huge = f32::MAX;
    let cosine = index(Distance::Cosine, &[("down", &[-huge, huge]), ("up", &[huge, huge])]);
    let snapshot = cosine.snapshot();
    assert_eq!(ids(&snapshot.search(&Search::new(&[huge, huge], 2)).expect("hits")), ["up", "down"]);
    for distance in [Distance::InnerProduct, Distance::Euclidean] {
        let index = index(distance, &[("down", &[-1e17, 1e17]), ("up", &[1e17, 1e17])]);
        let hits = index.snapshot();
        let hits = hits.search(&Search::new(&[1e17, 1e17], 2)).expect("hits");
        assert_eq!(ids(&hits), ["up", "down"], "{distance:?}");
        assert!(hits.iter().all(|hit| hit.score.is_finite()));
        assert_eq!(index.check(&[huge, huge]), Err(VectorError::TooLong));
    }
}

#[test]
fn any_number_of_hits_may_be_asked_for() {
    for distance in DISTANCES {
        for rows in [1, 300, 3000] {
            let mut clusters = Clusters::new(5, 20, 10, 0.5);
            let (index, model) = filled(distance, &mut clusters, rows);
            index.compact_fully().expect("compacted");
            let snapshot = index.snapshot();
            let query = clusters.vector();
            for exact in [false, true] {
                let search = |k| snapshot.search(&Search { exact, ..Search::new(&query, k) }).expect("hits");
                assert!(search(0).is_empty());
                assert_eq!(search(7).len(), 7.min(rows));
                assert_eq!(search(1_000_000_000).len(), model.len());
                assert_eq!(search(usize::MAX).len(), model.len());
            }
        }
    }
    // Rows that a scan keeps, at every place within a register.
    let mut clusters = Clusters::new(6, 64, 10, 0.5);
    let (index, model) = filled(Distance::Cosine, &mut clusters, 20_000);
    index.compact_fully().expect("compacted");
    index.remove(&model.keys().step_by(9).map(String::as_str).collect::<Vec<_>>()).expect("removed");
    let snapshot = index.snapshot();
    for k in 20..140 {
        assert_eq!(snapshot.search(&Search::new(&clusters.vector(), k)).expect("hits").len(), k);
    }
    let empty = Index::in_memory(Config::new(2, Distance::Cosine)).expect("an index");
    assert!(empty.snapshot().search(&Search::new(&[1.0, 0.0], 3)).expect("hits").is_empty());
}

#[test]
fn search_gives_up_when_told() {
    let (index, _) = filled(Distance::Cosine, &mut Clusters::new(6, 8, 4, 0.5), 100);
    let snapshot = index.snapshot();
    let raised = AtomicBool::new(true);
    let stops = [Stop { at: Some(Instant::now()), flag: None }, Stop { at: None, flag: Some(&raised) }];
    for stop in stops {
        let search = Search { stop, ..Search::new(&[1.0; 8], 3) };
        assert_eq!(snapshot.search(&search), Err(SearchError::Stopped));
        // One of a batch gives up alone.
        let answers = snapshot.search_batch(&[search, Search::new(&[1.0; 8], 3)]);
        assert_eq!(answers[0], Err(SearchError::Stopped));
        assert_eq!(answers[1].as_ref().map(Vec::len), Ok(3));
    }
}

#[test]
fn selection_serves_its_own_snapshot_only() {
    let index = index(Distance::Cosine, &[("a", &[1.0, 0.0]), ("b", &[0.0, 1.0])]);
    let before = index.snapshot();
    let selection = before.select(|point| point.id == "b");
    index.upsert(&[point("c", &[1.0, 1.0])]).expect("stored");
    let search = Search { among: Some(&selection), ..Search::new(&[1.0, 0.0], 3) };
    assert_eq!(ids(&before.search(&search).expect("hits")), ["b"]);
    assert_eq!(index.snapshot().search(&search), Err(SearchError::OtherSnapshot));
}
