//! Keeping the best of what a scan finds.

use crate::kernel::{Found, Kernel, key};

/// Cuts `found` down to its best: `keep` of them and up to an eighth more, in their order. Among equal scores the first
/// stay. Gives the score that others must exceed from now on.
///
/// The boundary is found by halving the range of the scores' bits and counting, which costs some ten passes over keys
/// in the nearest cache and no sorting.
pub fn cut(found: &mut Found, keep: usize, kernel: Kernel, keys: &mut Vec<i32>) -> f32 {
    if found.len() <= keep {
        return f32::NEG_INFINITY;
    }
    if keep == 0 {
        found.retain(|_| false);
        return f32::INFINITY;
    }
    keys.clear();
    keys.extend(found.scores().iter().map(|score| key(*score)));
    let (mut low, mut high) = (i32::MAX, i32::MIN);
    for key in keys.iter() {
        low = low.min(*key);
        high = high.max(*key);
    }
    // At least `keep` are greater than `low`, fewer are greater than `high`.
    low = low.saturating_sub(1);
    while high.abs_diff(low) > 1 {
        let middle = low.midpoint(high);
        let count = kernel.count_greater(keys, middle);
        if count < keep {
            high = middle;
        } else {
            low = middle;
            if count <= keep + keep / 8 {
                kernel.keep_greater(found, low);
                return score(low);
            }
        }
    }
    // Many are equal to the worst that is kept.
    let mut equal = keep - kernel.count_greater(keys, high);
    found.retain(|score| {
        let key = key(score);
        let keeps = key > high || key == high && equal > 0;
        equal -= usize::from(key == high && equal > 0);
        keeps
    });
    score(high)
}

/// The score of a key.
fn score(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & i32::MAX)).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_stay_in_their_order(
            scores in proptest::collection::vec(prop_oneof![-2.0f32..2.0, (-2i8..2).prop_map(f32::from)], 0..200),
            keep in 0usize..60,
        ) {
            let mut found = Found::new(scores.len());
            for (row, score) in (0u32..).zip(&scores) {
                found.push(*score, row);
            }
            let floor = cut(&mut found, keep, Kernel::best(), &mut Vec::new());
            let mut sorted = scores.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let kept = found.len();
            prop_assert!(kept >= keep.min(scores.len()) && kept <= scores.len().min(keep + keep / 8));
            prop_assert!(found.rows().is_sorted());
            let mut kept_scores = found.scores().to_vec();
            kept_scores.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(&kept_scores[..], &sorted[..kept]);
            for (row, score) in found.rows().iter().zip(found.scores()) {
                prop_assert_eq!(scores[*row as usize].to_bits(), score.to_bits());
            }
            // What is at the floor or below it would not be among the best.
            if scores.len() > keep && keep > 0 {
                prop_assert!(sorted[keep - 1] >= floor);
                prop_assert!(sorted[keep..].iter().filter(|score| **score > floor).count() <= keep / 8);
            }
        }
    }
}
