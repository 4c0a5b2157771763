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
    /// What an alias or example brings beyond the document's own texts.
    pub example: f64,
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
            + self.example
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
            ("example", self.example),
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
    let scale = Scale::of(&values);
    for value in &mut values {
        *value = scale.z(*value);
    }
    values
}

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    middle: f64,
    deviation: f64,
}

impl Scale {
    /// Of these values.
    pub fn of(values: &[f64]) -> Self {
        let middle = mean(values);
        let deviation = mean(&values.iter().map(|value| (value - middle).powi(2)).collect::<Vec<_>>()).sqrt();
        Self { middle, deviation }
    }

    /// Distance of a value from the mean in standard deviations; 0 where all were equal.
    pub fn z(self, value: f64) -> f64 {
        if self.deviation > 1e-9 { (value - self.middle) / self.deviation } else { 0.0 }
    }
}

/// An entry's value in one leg.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value {
    /// Of the document's own text.
    pub own: f64,
    /// How much better the best alias or example is; 0 where none is.
    pub example: f64,
}

impl Value {
    /// In standard deviations of the best values of all.
    pub fn scaled(own: f64, best: f64, scale: Scale) -> Self {
        let own = scale.z(own);
        Self { own, example: scale.z(best) - own }
    }

    /// Both together.
    pub fn best(self) -> f64 {
        self.own + self.example
    }
}
