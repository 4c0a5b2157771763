//! A rotation of vectors that a seed fixes: it spreads what a vector says over all its values, so that their signs
//! alone say most of it.

use crate::kernel::Kernel;

const ROUNDS: usize = 3;

/// Three rounds of random signs, Hadamard transform in blocks, and random permutation. Lengths and angles stay.
#[derive(Debug)]
pub struct Rotation {
    block: usize,
    signs: [Vec<f32>; ROUNDS],
    orders: [Vec<u16>; ROUNDS],
    kernel: Kernel,
}

impl Rotation {
    /// For vectors of `width` values, a multiple of 64 and at most 65,536.
    pub fn new(width: usize, seed: u64, kernel: Kernel) -> Self {
        let mut random = Random(seed);
        let block = 1 << width.trailing_zeros();
        // The transform makes lengths sqrt(block) times as long in each round.
        let scale = (block as f32).powf(-0.5);
        let signs = std::array::from_fn(|_| {
            (0..width).map(|_| if random.next() >> 63 == 0 { scale } else { -scale }).collect::<Vec<_>>()
        });
        let orders = std::array::from_fn(|_| {
            let mut order: Vec<u16> = (0..=u16::MAX).take(width).collect();
            for at in (1..width).rev() {
                order.swap(at, random.below(at + 1));
            }
            order
        });
        Self { block, signs, orders, kernel }
    }

    /// Rotates into `rotated`; `values` is used up.
    pub fn apply(&self, values: &mut Vec<f32>, rotated: &mut Vec<f32>) {
        rotated.resize(values.len(), 0.0);
        for (round, (signs, order)) in self.signs.iter().zip(&self.orders).enumerate() {
            self.kernel.turn(values, self.block, signs, order, rotated);
            if round + 1 < ROUNDS {
                std::mem::swap(values, rotated);
            }
        }
    }
}

/// SplitMix64: S. Vigna, 2015, public domain. Small, and the same for ever.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is greater than zero.
    #[expect(clippy::cast_possible_truncation, reason = "the result is below a usize")]
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}
