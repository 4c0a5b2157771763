//! The built-in model: words and character grams hashed into a vector. It knows spelling, not meaning.

use retrieval::text;

/// Values of a vector.
pub const DIMENSION: usize = 384;

/// A vector of unit length, the same for the same text in every release of `lexical-hash-v1`.
pub fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0f32; DIMENSION];
    for word in text::words(text) {
        add(&mut vector, text::hash(word.chars()), 1.0);
    }
    for gram in text::grams(text) {
        add(&mut vector, gram, 0.4);
    }
    let length = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length(&vector) < 1e-6 {
        // Nothing but stop words, signs or grams that cancel out: then the text as a whole.
        vector.fill(0.0);
        add(&mut vector, text::hash(text.chars()), 1.0);
    }
    let length = length(&vector);
    vector.iter().map(|value| value / length).collect()
}

/// Hashing trick with a sign (Weinberger et al., *Feature Hashing for Large Scale Multitask Learning*, 2009).
fn add(vector: &mut [f32], hash: u64, weight: f32) {
    // FNV's low bits are weak: mixed as in SplitMix64.
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let mixed = mixed ^ (mixed >> 31);
    let sign = if mixed >> 63 == 0 { 1.0 } else { -1.0 };
    let at = (mixed % (DIMENSION as u64)) as usize;
    vector[at] += sign * weight;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        embed(a).iter().zip(embed(b)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_of_shared_words_are_nearer() {
        let question = "book a meeting room";
        assert!(similarity(question, "booking of meeting rooms") > similarity(question, "list the invoices") + 0.2);
        assert!(similarity("Čaša", "casa") > 0.99);
    }

    proptest! {
        #[test]
        fn every_text_has_unit_length(text in any::<String>()) {
            let length: f32 = embed(&text).iter().map(|value| value * value).sum();
            prop_assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
    }
}
