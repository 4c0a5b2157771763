//! An operation's score in its parts, and the little statistics that scores need.

use super::answer::Hit;

/// An entry's score, in parts.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    pub entry: usize,
    pub bm25: f64,
    pub characters: f64,
    pub names: f64,
    pub answer: f64,
    pub lookup: f64,
    pub method: f64,
    pub document: f64,
    /// The vector leg; none without a model.
    pub vector: Option<f64>,
}

impl Scored {
    /// The parts together.
    pub fn total(&self) -> f64 {
        self.bm25
            + self.characters
            + self.names
            + self.answer
            + self.lookup
            + self.method
            + self.document
            + self.vector.unwrap_or(0.0)
    }

    /// As an answer's hit; with the graph's weight when it is here as a producer.
    pub fn hit(&self, producer: Option<f64>) -> Hit {
        let mut parts = vec![
            ("bm25", self.bm25),
            ("characters", self.characters),
            ("names", self.names),
            ("answer", self.answer),
            ("lookup", self.lookup),
            ("method", self.method),
            ("document", self.document),
        ];
        parts.extend(self.vector.map(|value| ("vector", value)));
        parts.extend(producer.map(|weight| ("producer", weight)));
        Hit { entry: self.entry, score: self.total(), probability: 0.0, parts, producer: producer.is_some() }
    }
}

/// A part of a whole; `ratio(n, 1)` is n.
#[expect(clippy::cast_precision_loss, reason = "counts of operations and words are far below 2^52")]
pub fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Their mean; 0 for none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() * ratio(1, values.len())
}

/// Distance from the mean in standard deviations; zeros when all are equal.
pub fn z_scores(mut values: Vec<f64>) -> Vec<f64> {
    let middle = mean(&values);
    let deviation = mean(&values.iter().map(|value| (value - middle).powi(2)).collect::<Vec<_>>()).sqrt();
    for value in &mut values {
        *value = if deviation > 1e-9 { (*value - middle) / deviation } else { 0.0 };
    }
    values
}
