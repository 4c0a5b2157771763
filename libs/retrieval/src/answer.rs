//! What is asked of the index and what it answers.

use super::meaning::Meaning;

/// What to search for and where.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// The sentence.
    pub text: &'a str,
    /// Most hits wanted.
    pub k: usize,
    /// Only these documents; empty means all.
    pub documents: &'a [String],
    /// Only operations with one of these tags; empty means all.
    pub tags: &'a [String],
    /// Only operations that yield this resource; empty means any.
    pub yields: &'a str,
    /// Only operations that need an id of this resource; empty means any.
    pub takes: &'a str,
    /// The operations' vectors and the sentence's, of unit length; none: the words alone.
    pub meaning: Option<(&'a Meaning, &'a [f32])>,
}

/// The ranked operations.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Share of the sentence's words that the searched documents know, 0 to 1.
    pub coverage: f64,
    /// Words, folded, without which the hits were found, since nothing was near with them: nobody knows them, so they
    /// name something or are about something else. Empty where the hits are of the whole sentence.
    pub left_out: Vec<String>,
}

/// One ranked operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Position in [`Index::entries`](super::Index::entries).
    pub entry: usize,
    /// Fused score; comparable within one answer only.
    pub score: f64,
    /// Probability that this operation is meant, 0 to 1.
    pub probability: f64,
    /// Weighted share of each part.
    pub parts: Vec<(&'static str, f64)>,
    /// Here because a better hit needs an id that it yields.
    pub producer: bool,
}
