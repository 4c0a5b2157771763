//! Kernels: the arithmetic for the processor at hand, chosen when the program runs.
//!
//! All kernels give the same bits for the same input. This is the one place where intrinsics are called.
#![allow(unsafe_code, reason = "intrinsics, and calls of functions compiled for what the processor was found to have")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::inline_always,
    reason = "arithmetic on bounded integers; bodies are inlined to be compiled for wider registers"
)]

#[cfg(target_arch = "aarch64")]
mod arm;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

/// Rows a block has: their scores are made together.
pub const BLOCK: usize = 8;

/// Rows that a scan found, in the order of the scan: scores with the rows' numbers.
#[derive(Debug, Default)]
pub struct Found {
    scores: Vec<f32>,
    rows: Vec<u32>,
    len: usize,
}

impl Found {
    /// Room for `capacity` rows.
    pub fn new(capacity: usize) -> Self {
        let mut found = Self::default();
        found.reset(capacity);
        found
    }

    /// Room for `capacity` rows, without any.
    pub fn reset(&mut self, capacity: usize) {
        // Two blocks are written whole behind the last row, and read whole from any multiple of their rows.
        let room = (capacity + 2 * BLOCK).next_multiple_of(2 * BLOCK);
        self.scores.resize(room, 0.0);
        self.rows.resize(room, 0);
        self.len = 0;
    }

    /// Rows that it takes memory for.
    pub fn room(&self) -> usize {
        self.scores.capacity()
    }

    /// True when another block may not fit.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.len + 2 * BLOCK > self.scores.len()
    }

    #[inline(always)]
    pub fn push(&mut self, score: f32, row: u32) {
        self.scores[self.len] = score;
        self.rows[self.len] = row;
        self.len += 1;
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    pub fn scores(&self) -> &[f32] {
        &self.scores[..self.len]
    }

    pub fn rows(&self) -> &[u32] {
        &self.rows[..self.len]
    }

    /// Keeps the rows for which `keep` is true, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(f32) -> bool) {
        let mut len = 0;
        for at in 0..self.len {
            let (score, row) = (self.scores[at], self.rows[at]);
            self.scores[len] = score;
            self.rows[len] = row;
            len += usize::from(keep(score));
        }
        self.len = len;
    }
}

/// A number that orders as the score does; zeros of both signs are one.
#[inline(always)]
pub fn key(score: f32) -> i32 {
    let bits = (score + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 31) & i32::MAX)
}

/// Rows in bytes: `round(value / scale) + 128` each, row after row, with a scale (and a bias) for each row.
#[derive(Clone, Copy, Debug)]
pub struct ByteRows<'a> {
    pub values: &'a [u8],
    /// Whole blocks.
    pub scales: &'a [f32],
    /// Whole blocks, or none.
    pub biases: &'a [f32],
    /// Number of the first row.
    pub first: u32,
}

/// A query in bytes.
#[derive(Clone, Copy, Debug)]
pub struct ByteQuery<'a> {
    /// One for each value of a row.
    pub values: &'a [i8],
    pub scale: f32,
    /// 128 times the sum of `values`.
    pub correction: i32,
    /// Added to every score.
    pub offset: f32,
}

/// Rows in bits, in blocks of eight: a line of factors, perhaps a line of biases, then a line for each 64 values.
#[derive(Clone, Copy, Debug)]
pub struct BitRows<'a> {
    pub blocks: &'a [u64],
    /// Lines of 64 bytes before the codes of a block: 1, or 2 with biases.
    pub head_lines: usize,
    /// Number of the first row.
    pub first: u32,
    /// They are part of what a cache does not hold: lines are fetched ahead.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "other processors fetch ahead by themselves"))]
    pub far: bool,
}

/// A query in 1 to 4 planes of bits; a value is `step * (number - middle)`.
#[derive(Clone, Copy, Debug)]
pub struct BitQuery<'a> {
    /// For each 64 values a word of each plane.
    pub planes: &'a [u64],
    pub count: usize,
    pub step: f32,
    pub middle: f32,
    /// Sum of the numbers.
    pub sum: i32,
    /// Added to every score.
    pub offset: f32,
}

impl BitQuery<'_> {
    #[inline(always)]
    fn words(&self) -> usize {
        self.planes.len() / self.count
    }
}

/// The arithmetic of one kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Calls the function of the processor's module.
macro_rules! dispatch {
    ($kernel:expr, $name:ident ( $($argument:expr),* )) => {
        match $kernel.0 {
            Kind::Portable => portable::$name($($argument),*),
            // SAFETY: `Kernel` values of these kinds are made by `all` alone, after the features were found.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::avx2::$name($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { x86::avx512::$name($($argument),*) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => unsafe { arm::$name($($argument),*) },
        }
    };
}

impl Kernel {
    /// The fastest that this processor has.
    pub fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().last().copied().unwrap_or(Self(Kind::Portable)))
    }

    /// All that this processor has, the fastest last.
    pub fn all() -> Vec<Self> {
        #[allow(unused_mut, reason = "some processors have one only")]
        let mut all = vec![Self(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
            if avx2 {
                all.push(Self(Kind::Avx2));
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512vpopcntdq");
            if avx2 && avx512 {
                all.push(Self(Kind::Avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            all.push(Self(Kind::Neon));
        }
        all
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512 (VNNI, VPOPCNTDQ)",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "NEON (dot product)",
        }
    }

    /// Inner product of two vectors of one length, a multiple of 64.
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        dispatch!(self, dot(a, b))
    }

    /// Square of the Euclidean distance of two vectors of one length, a multiple of 64.
    pub fn squared_distance(self, a: &[f32], b: &[f32]) -> f32 {
        dispatch!(self, squared_distance(a, b))
    }

    /// Sum of the squares of a vector's values, of any number.
    pub fn squares(self, values: &[f32]) -> f64 {
        dispatch!(self, squares(values))
    }

    /// Lays each value times `scale` into `scaled`, which is as long.
    pub fn scale(self, values: &[f32], scale: f64, scaled: &mut [f32]) {
        dispatch!(self, scale(values, scale, scaled));
    }

    /// Sum of the products of a row (0 to 255) and a query; their length is a multiple of 64.
    pub fn byte_dot(self, row: &[u8], query: &[i8]) -> i32 {
        dispatch!(self, byte_dot(row, query))
    }

    /// Adds to `found` the rows whose score is above `floor` and whose bit is set in `masks` (a byte for each block).
    /// Ends early when `found` is full; gives the number of blocks that are done.
    pub fn bytes(
        self,
        rows: &ByteRows<'_>,
        masks: &[u8],
        query: &ByteQuery<'_>,
        floor: f32,
        found: &mut Found,
    ) -> usize {
        let blocks = masks.len().min(rows.scales.len() / BLOCK).min(rows.values.len() / (query.values.len() * BLOCK));
        let masks = &masks[..blocks];
        match self.0 {
            Kind::Portable => portable::bytes(rows, masks, query, floor, found, portable::byte_dot),
            // SAFETY: as in `dispatch`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::avx2::bytes(rows, masks, query, floor, found) },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { x86::avx512::bytes(rows, masks, query, floor, found) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => unsafe { arm::bytes(rows, masks, query, floor, found) },
        }
    }

    /// As [`bytes`](Self::bytes), over rows in bits.
    pub fn bits(self, rows: &BitRows<'_>, masks: &[u8], query: &BitQuery<'_>, floor: f32, found: &mut Found) -> usize {
        let blocks = rows.blocks.len() / ((rows.head_lines + query.words()) * 8);
        let masks = &masks[..masks.len().min(blocks)];
        dispatch!(self, bits(rows, masks, query, floor, found))
    }

    /// Cuts values into `2^n` numbers, `value * scale + middle` to the nearest, and lays their bits in `n` planes.
    /// Gives the sum of the numbers.
    pub fn planes(self, values: &[f32], scale: f32, middle: f32, planes: &mut [u64]) -> i32 {
        dispatch!(self, planes(values, scale, middle, planes))
    }

    /// One round of the rotation: signs, Hadamard transform of each `block`, permutation into `turned`.
    pub fn turn(self, values: &mut [f32], block: usize, signs: &[f32], order: &[u16], turned: &mut [f32]) {
        dispatch!(self, turn(values, block, signs, order, turned));
    }

    /// Rounds to steps of one 127th of the largest magnitude; gives the size of a step, zero for nothing but zeros.
    pub fn quantise(self, values: &[f32], steps: &mut [i8]) -> f32 {
        dispatch!(self, quantise(values, steps))
    }

    /// Takes from values what their `steps` say, so that the rest is left, and gives the squares of the steps, summed.
    /// The steps are laid in `bytes` with 128 added.
    pub fn leave(self, values: &mut [f32], steps: &[i8], scale: f32, bytes: &mut [u8]) -> i32 {
        dispatch!(self, leave(values, steps, scale, bytes))
    }

    /// A word for each 64 values, a bit for each that is greater than zero.
    pub fn signs(self, values: &[f32], words: &mut [u64]) {
        dispatch!(self, signs(values, words));
    }

    /// Lays the greatest [`key`] of each of as many groups of scores as there is room for, and gives the least and the
    /// greatest of them. A score's group is the remainder of its place by their number.
    pub fn keys(self, scores: &[f32], keys: &mut [i32]) -> (i32, i32) {
        dispatch!(self, keys(scores, keys))
    }

    /// How many keys are greater than `than`.
    pub fn count_greater(self, keys: &[i32], than: i32) -> usize {
        dispatch!(self, count_greater(keys, than))
    }

    /// Keeps the rows whose score's [`key`] is greater than `than`, in their order.
    pub fn keep_greater(self, found: &mut Found, than: i32) {
        dispatch!(self, keep_greater(found, than));
    }

    /// Asks the processor to fetch what will be read soon.
    #[inline(always)]
    pub fn prefetch<T>(self, values: &[T]) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let start = values.as_ptr().cast::<i8>();
            for line in (0..size_of_val(values)).step_by(64) {
                // SAFETY: a prefetch reads nothing; the address is inside the slice.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(line)) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = values;
    }
}

#[cfg(test)]
mod tests;
