use proptest::prelude::*;

use super::*;

const DISTANCES: [Distance; 3] = [Distance::Cosine, Distance::InnerProduct, Distance::Euclidean];

fn index(distance: Distance, points: &[(&str, &[f32])]) -> FlatIndex {
    let mut index = FlatIndex::new(points.first().map_or(2, |point| point.1.len()), distance).expect("an index");
    for (id, vector) in points {
        index.upsert(id, vector).expect("a good vector");
    }
    index
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| &*hit.id).collect()
}

/// The score by its definition, in f64.
fn score(distance: Distance, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let dot: f64 = pairs().map(|(x, y)| x * y).sum();
    match distance {
        Distance::InnerProduct => dot,
        Distance::Cosine => {
            let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            dot / (length(a) * length(b))
        }
        Distance::Euclidean => -pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt(),
    }
}

#[test]
fn each_distance_orders_by_its_own_rule() {
    let points: [(&str, &[f32]); 3] = [("far", &[10.0, 0.0]), ("near", &[1.0, 0.2]), ("away", &[-1.0, 0.0])];
    let nearest = |distance| ids(&index(distance, &points).search(&[1.0, 0.0], 3, |_| true).expect("hits")).join(" ");
    assert_eq!(nearest(Distance::Cosine), "far near away");
    assert_eq!(nearest(Distance::InnerProduct), "far near away");
    assert_eq!(nearest(Distance::Euclidean), "near away far");
}

#[test]
fn equal_scores_are_ordered_by_id_whatever_order_they_came_in() {
    for order in [["b", "a", "c"], ["c", "b", "a"], ["a", "c", "b"]] {
        let points: Vec<(&str, &[f32])> = order.iter().map(|id| (*id, [1.0f32, 1.0].as_slice())).collect();
        for distance in DISTANCES {
            let index = index(distance, &points);
            assert_eq!(ids(&index.search(&[1.0, 0.0], 2, |_| true).expect("hits")), ["a", "b"]);
        }
    }
}

#[test]
fn bad_vectors_are_refused_and_change_nothing() {
    let mut index = index(Distance::Cosine, &[("a", &[1.0, 0.0])]);
    let cases: [(&[f32], VectorError); 5] = [
        (&[1.0], VectorError::WrongDimension { expected: 2, got: 1 }),
        (&[], VectorError::WrongDimension { expected: 2, got: 0 }),
        (&[0.0, f32::NAN], VectorError::NotFinite { position: 1 }),
        (&[f32::NEG_INFINITY, 0.0], VectorError::NotFinite { position: 0 }),
        (&[0.0, -0.0], VectorError::NoDirection),
    ];
    for (vector, expected) in cases {
        assert_eq!(index.upsert("a", vector), Err(expected.clone()));
        assert_eq!(index.search(vector, 1, |_| true), Err(expected));
    }
    assert_eq!(index.search(&[1.0, 0.0], 9, |_| true).expect("hits")[0].score, 1.0);
}

#[test]
fn zero_vector_is_a_point_where_directions_do_not_count() {
    for distance in [Distance::InnerProduct, Distance::Euclidean] {
        let index = index(distance, &[("zero", &[0.0, 0.0])]);
        assert_eq!(index.search(&[0.0, 0.0], 1, |_| true).expect("hits")[0].score, 0.0);
    }
}

#[test]
fn huge_values_give_an_ordered_answer_and_no_nan() {
    let huge = f32::MAX;
    for distance in DISTANCES {
        let index = index(distance, &[("down", &[-huge, huge]), ("up", &[huge, huge])]);
        let hits = index.search(&[huge, huge], 2, |_| true).expect("hits");
        assert_eq!(ids(&hits), ["up", "down"], "{distance:?}");
        assert!(hits.iter().all(|hit| !hit.score.is_nan()));
    }
}

#[test]
fn dimensions_outside_the_limits_are_refused() {
    for dimension in [0, MAX_DIMENSION + 1] {
        assert_eq!(FlatIndex::new(dimension, Distance::Cosine).err(), Some(VectorError::BadDimension(dimension)));
    }
    assert!(FlatIndex::new(MAX_DIMENSION, Distance::Cosine).is_ok());
}

#[test]
fn none_are_found_where_none_are_asked_for_or_kept() {
    let index = index(Distance::Cosine, &[("a", &[1.0, 0.0])]);
    assert!(index.search(&[1.0, 0.0], 0, |_| true).expect("hits").is_empty());
    assert!(index.search(&[1.0, 0.0], 5, |id| id != "a").expect("hits").is_empty());
}

fn value() -> impl Strategy<Value = f32> {
    // Few different values, so that ties and repeated vectors happen.
    prop_oneof![-3i8..=3, Just(7)].prop_map(|value| f32::from(value) / 2.0)
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(u8, Vec<f32>),
    Remove(u8),
}

fn steps(dimension: usize) -> impl Strategy<Value = Vec<Step>> {
    let vector = proptest::collection::vec(value(), dimension);
    let step = prop_oneof![
        4 => (0u8..24, vector).prop_map(|(id, vector)| Step::Upsert(id, vector)),
        1 => (0u8..24).prop_map(Step::Remove),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn answers_equal_brute_force_after_any_writes(
        (steps, query) in (1usize..20).prop_flat_map(|n| (steps(n), proptest::collection::vec(value(), n))),
        k in 0usize..12,
        which in 0usize..3,
    ) {
        let distance = DISTANCES[which];
        let mut index = FlatIndex::new(query.len(), distance).expect("an index");
        let mut model = std::collections::BTreeMap::<String, Vec<f32>>::new();
        for step in steps {
            match step {
                Step::Upsert(id, vector) => {
                    let id = format!("p{id:02}");
                    match index.upsert(&id, &vector) {
                        Ok(new) => prop_assert_eq!(new, model.insert(id, vector).is_none()),
                        Err(error) => prop_assert_eq!(error, VectorError::NoDirection),
                    }
                }
                Step::Remove(id) => {
                    let id = format!("p{id:02}");
                    prop_assert_eq!(index.remove(&id), model.remove(&id).is_some());
                }
            }
        }
        prop_assert_eq!(index.len(), model.len());
        let keep = |id: &str| !id.ends_with('3');
        let Ok(hits) = index.search(&query, k, keep) else {
            prop_assert!(distance == Distance::Cosine && query.iter().all(|value| *value == 0.0));
            return Ok(());
        };
        // Every hit has its true score; none that is missing is nearer than the last; ids settle ties.
        let kept: Vec<_> = model.iter().filter(|(id, _)| keep(id)).collect();
        prop_assert_eq!(hits.len(), k.min(kept.len()));
        for hit in &hits {
            let exact = score(distance, &query, &model[&*hit.id]);
            prop_assert!((f64::from(hit.score) - exact).abs() < 1e-5, "{} is not {exact}", hit.score);
        }
        for pair in hits.windows(2) {
            prop_assert!(pair[0].score > pair[1].score || (pair[0].score == pair[1].score && pair[0].id < pair[1].id));
        }
        if let Some(last) = hits.last() {
            for (id, vector) in kept {
                if !hits.iter().any(|hit| *hit.id == **id) {
                    prop_assert!(score(distance, &query, vector) < f64::from(last.score) + 1e-5);
                }
            }
        }
    }
}
