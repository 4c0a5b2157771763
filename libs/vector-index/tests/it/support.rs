//! Vectors to test with, and the search by its definition.

use std::collections::BTreeMap;

use vector_index::{Config, Distance, Hit, Index, Point, Search, Snapshot};

pub const DISTANCES: [Distance; 3] = [Distance::Cosine, Distance::InnerProduct, Distance::Euclidean];

pub fn point<'a>(id: &'a str, vector: &'a [f32]) -> Point<'a> {
    Point { id, tenant: 0, payload: b"", vector }
}

pub fn index(distance: Distance, points: &[(&str, &[f32])]) -> Index {
    let dimension = points.first().map_or(2, |point| point.1.len());
    let index = Index::in_memory(Config::new(dimension, distance)).expect("an index");
    let points: Vec<_> = points.iter().map(|(id, vector)| point(id, vector)).collect();
    index.upsert(&points).expect("stored");
    index
}

pub fn ids<'a>(hits: &[Hit<'a>]) -> Vec<&'a str> {
    hits.iter().map(|hit| hit.point.id).collect()
}

pub fn nearest(snapshot: &Snapshot, query: &[f32], k: usize, exact: bool) -> Vec<String> {
    let hits = snapshot.search(&Search { exact, ..Search::new(query, k) }).expect("hits");
    hits.iter().map(|hit| hit.point.id.to_owned()).collect()
}

/// The score by its definition, in f64.
pub fn score(distance: Distance, a: &[f32], b: &[f32]) -> f64 {
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

/// Checks an answer against the points it should be of: true scores, best first, equal scores by id, none missing.
pub fn check_exact(distance: Distance, model: &BTreeMap<String, Vec<f32>>, query: &[f32], k: usize, hits: &[Hit<'_>]) {
    assert_eq!(hits.len(), k.min(model.len()));
    let size = |vector: &[f32]| vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let slack = |vector: &[f32]| match distance {
        Distance::Cosine => 1e-5,
        Distance::InnerProduct => 1e-5 * size(query) * size(vector) + 1e-12,
        Distance::Euclidean => 2e-4 * (size(query) + size(vector)) + 1e-12,
    };
    for hit in hits {
        let vector = &model[hit.point.id];
        let exact = score(distance, query, vector);
        assert!((f64::from(hit.score) - exact).abs() <= slack(vector), "{} is not {exact}", hit.score);
    }
    for pair in hits.windows(2) {
        let ordered =
            pair[0].score > pair[1].score || (pair[0].score == pair[1].score && pair[0].point.id < pair[1].point.id);
        assert!(ordered, "{pair:?}");
    }
    let Some(last) = hits.last().filter(|_| hits.len() == k) else { return };
    for (id, vector) in model {
        if !hits.iter().any(|hit| hit.point.id == id) {
            let exact = score(distance, query, vector);
            assert!(
                exact <= f64::from(last.score) + slack(vector),
                "{id} with {exact} is missing behind {}",
                last.score
            );
        }
    }
}

/// Vectors around centres, of one seed.
pub struct Clusters {
    state: u64,
    centres: Vec<Vec<f32>>,
    spread: f32,
}

impl Clusters {
    pub fn new(seed: u64, dimension: usize, count: usize, spread: f32) -> Self {
        let mut clusters = Self { state: seed, centres: Vec::new(), spread };
        clusters.centres = (0..count).map(|_| (0..dimension).map(|_| clusters.normal()).collect()).collect();
        clusters
    }

    pub fn vector(&mut self) -> Vec<f32> {
        let at = (self.random() >> 33) as usize % self.centres.len();
        let centre = self.centres[at].clone();
        centre.into_iter().map(|value| value + self.spread * self.normal()).collect()
    }

    pub fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.state ^ (self.state >> 31)
    }

    fn normal(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| (self.random() >> 40) as f32 / (1u64 << 24) as f32).sum();
        (sum - 2.0) * 1.732
    }
}

/// An index of so many vectors, and the vectors by id.
pub fn filled(distance: Distance, clusters: &mut Clusters, rows: usize) -> (Index, BTreeMap<String, Vec<f32>>) {
    let model: BTreeMap<String, Vec<f32>> = (0..rows).map(|row| (format!("p{row:06}"), clusters.vector())).collect();
    let dimension = model.values().next().map_or(1, Vec::len);
    let index = Index::in_memory(Config::new(dimension, distance)).expect("an index");
    let points: Vec<_> = model.iter().map(|(id, vector)| point(id, vector)).collect();
    index.upsert(&points).expect("stored");
    (index, model)
}
