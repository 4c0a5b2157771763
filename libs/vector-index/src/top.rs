//! Keeping the best of what a scan finds.

use crate::kernel::{Found, Kernel, key};

/// Halvings by the scores themselves, before those by their keys.
const SCORES_HALVINGS: u32 = 16;

/// Groups for each row that is kept. Of rows that lie anyhow, up to a third more than are kept exceed what as many bests do.
const GROUPS: usize = 4;
/// Rows of a group, from which on groups pay.
const GROUP_ROWS: usize = 4;

/// Cuts `found` down to its best: `keep` of them and up to an eighth more, in their order. Among equal scores the first
/// stay. Gives the score that others must exceed from now on.
///
/// Of very many, the bests of groups come first: what `keep` of these exceed, `keep` rows exceed as well, and hardly more.
/// So all rows are read twice, and nothing is sorted.
pub fn cut(found: &mut Found, keep: usize, kernel: Kernel, keys: &mut Vec<i32>) -> f32 {
    if found.len() <= keep {
        return f32::NEG_INFINITY;
    }
    if keep == 0 {
        found.retain(|_| false);
        return f32::INFINITY;
    }
    let groups = GROUPS * keep;
    if found.len() >= GROUP_ROWS * groups {
        let (low, _) = boundary(found, groups, keep, kernel, keys);
        kernel.keep_greater(found, low);
        if found.len() <= keep + keep / 8 {
            return score(low);
        }
    }
    let (low, high) = boundary(found, found.len(), keep, kernel, keys);
    if low.abs_diff(high) > 1 {
        kernel.keep_greater(found, low);
        return score(low);
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

/// A key that the bests of `keep` groups or more exceed, of an eighth more at most, and one that fewer exceed: its
/// neighbour, where too many are equal to it.
///
/// It is found by halving the range of the scores and counting. Where each row is a group, whenever half of them are below
/// they are left out, so that all passes together cost about as much as three over the keys where scores lie about evenly.
fn boundary(found: &mut Found, groups: usize, keep: usize, kernel: Kernel, keys: &mut Vec<i32>) -> (i32, i32) {
    let alone = groups == found.len();
    keys.resize(groups, 0);
    let (low, mut high) = kernel.keys(found.scores(), keys);
    // At least `keep` are greater than `low`, fewer are greater than `high`.
    let mut low = low.saturating_sub(1);
    let mut halvings = 0;
    while high.abs_diff(low) > 1 {
        // Half of all keys stand for what is nearly zero: the scores' own middle comes sooner to the boundary. Where they
        // lie very unevenly, the keys' middle comes to it at all.
        let middle = if halvings < SCORES_HALVINGS { between(low, high) } else { low.midpoint(high) };
        halvings += 1;
        let count = kernel.count_greater(keys, middle);
        if count < keep {
            high = middle;
            continue;
        }
        low = middle;
        if count <= keep + keep / 8 {
            break;
        }
        if alone && count <= found.len() / 2 {
            kernel.keep_greater(found, low);
            keys.truncate(found.len());
            kernel.keys(found.scores(), keys);
        }
    }
    (low, high)
}

/// The key of the score in the middle of two keys' scores; between them, which are no neighbours.
fn between(low: i32, high: i32) -> i32 {
    key(score(low).midpoint(score(high))).clamp(low + 1, high - 1)
}

/// The score of a key.
fn score(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & i32::MAX)).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Even and uneven, with many that are equal.
    fn scores() -> impl Strategy<Value = Vec<f32>> {
        use prop::num::f32::{INFINITE, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL};
        let any = POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | INFINITE;
        let score = prop_oneof![4 => -2.0f32..2.0, 2 => (-2i8..2).prop_map(f32::from), 1 => any];
        prop::collection::vec(score, 0..400)
    }

    proptest! {
        #[test]
        fn the_best_stay_in_their_order(scores in scores(), keep in 0usize..60) {
            for kernel in Kernel::all() {
                let mut found = Found::new(scores.len());
                for (row, score) in (0u32..).zip(&scores) {
                    found.push(*score, row);
                }
                let floor = cut(&mut found, keep, kernel, &mut Vec::new());
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
}
