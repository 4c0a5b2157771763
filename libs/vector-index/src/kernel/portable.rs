//! The arithmetic in plain Rust: the reference, and (compiled for wider registers by `x86` and `arm`) most of the rest.
//!
//! The order of every operation on `f32` is fixed and nothing is fused, so that all kernels give the same bits.

use super::{BitQuery, BitRows, ByteQuery, ByteRows, Found};

/// Running sums of an inner product.
const LANES: usize = 32;
/// Values that one step of the rotation holds at once.
const STEP: usize = 16;

/// Folds the running sums by halves. Not inlined: where the compiler sees both loops, it holds the sums in pairs.
#[inline(never)]
fn fold(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

#[inline(always)]
fn lanes(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (x, y) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    fold(sums)
}

#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |x, y| x * y)
}

#[inline(always)]
pub fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |x, y| (x - y) * (x - y))
}

/// Sum of the squares, in eight sums of twice the precision.
#[inline(always)]
pub fn squares(values: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (groups, rest) = values.as_chunks::<8>();
    for group in groups {
        for (sum, value) in sums.iter_mut().zip(group) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest: f64 = rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Each value times `scale`, rounded once.
#[inline(always)]
pub fn scale(values: &[f32], scale: f64, scaled: &mut [f32]) {
    for (place, value) in scaled.iter_mut().zip(values) {
        *place = (f64::from(*value) * scale) as f32;
    }
}

#[inline(always)]
pub fn byte_dot(row: &[u8], query: &[i8]) -> i32 {
    row.iter().zip(query).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}

#[inline(always)]
pub fn bytes(
    rows: &ByteRows<'_>,
    masks: &[u8],
    query: &ByteQuery<'_>,
    floor: f32,
    found: &mut Found,
    dot: impl Fn(&[u8], &[i8]) -> i32,
) -> usize {
    let (scales, biases) = (rows.scales.as_chunks::<8>().0, rows.biases.as_chunks::<8>().0);
    let width = query.values.len();
    for (block, (mask, scales)) in masks.iter().zip(scales).enumerate() {
        if found.is_full() {
            return block;
        }
        if *mask == 0 {
            continue;
        }
        for lane in 0..8 {
            if mask & (1 << lane) == 0 {
                continue;
            }
            let at = (block * 8 + lane) * width;
            let Some(row) = rows.values.get(at..at + width) else { continue };
            let sum = dot(row, query.values) - query.correction;
            let mut score = sum as f32 * (scales[lane] * query.scale) + query.offset;
            if let Some(biases) = biases.get(block) {
                score += biases[lane];
            }
            if score > floor {
                found.push(score, rows.first + (block * 8 + lane) as u32);
            }
        }
    }
    masks.len()
}

#[inline(always)]
pub fn bits(rows: &BitRows<'_>, masks: &[u8], query: &BitQuery<'_>, floor: f32, found: &mut Found) -> usize {
    let words = query.words();
    let head = rows.head_lines * 8;
    for (block, (mask, lines)) in masks.iter().zip(rows.blocks.chunks_exact(head + words * 8)).enumerate() {
        if found.is_full() {
            return block;
        }
        if *mask == 0 {
            continue;
        }
        let (head, codes) = lines.split_at(head);
        let mut sums = [0u64; 8];
        for (words, line) in query.planes.chunks_exact(query.count).zip(codes.as_chunks::<8>().0) {
            for (plane, word) in words.iter().enumerate() {
                for lane in 0..8 {
                    sums[lane] += u64::from((line[lane] & word).count_ones()) << plane;
                }
            }
        }
        let factors: &[f32] = bytemuck::cast_slice(head);
        for lane in 0..8 {
            let whole = (2 * sums[lane] as i32 - query.sum) as f32;
            let mut score = query.step * (factors[lane] * whole - query.middle * factors[8 + lane]) + query.offset;
            if rows.head_lines > 1 {
                score += factors[16 + lane];
            }
            if score > floor && mask & (1 << lane) != 0 {
                found.push(score, rows.first + (block * 8 + lane) as u32);
            }
        }
    }
    masks.len()
}

/// Cuts values into `2^planes` steps and lays their bits in planes; gives the sum of the steps.
#[inline(always)]
pub fn planes(values: &[f32], scale: f32, middle: f32, planes: &mut [u64]) -> i32 {
    let words = values.len() / 64;
    let count = planes.len() / words;
    let most = ((1u32 << count) - 1) as f32 + 0.5;
    let mut sum = 0;
    for (word, values) in values.as_chunks::<64>().0.iter().enumerate() {
        let mut bits = [0u64; 4];
        for (place, value) in values.iter().enumerate() {
            let step = (value * scale + (middle + 0.5)).max(0.0).min(most) as u32;
            sum += step as i32;
            for (plane, bits) in bits.iter_mut().enumerate() {
                *bits |= u64::from(step >> plane & 1) << place;
            }
        }
        for plane in 0..count {
            planes[word * count + plane] = bits[plane];
        }
    }
    sum
}

/// One round of the rotation: signs, Hadamard transform of each block (a power of two, 16 at least), permutation.
#[inline(always)]
pub fn turn(values: &mut [f32], block: usize, signs: &[f32], order: &[u16], turned: &mut [f32]) {
    for (value, sign) in values.iter_mut().zip(signs) {
        *value *= sign;
    }
    for block in values.chunks_exact_mut(block) {
        let steps = block.as_chunks_mut::<STEP>().0;
        for step in steps.iter_mut() {
            *step = within::<8>(within::<4>(within::<2>(within::<1>(*step))));
        }
        let mut half = 1;
        while half < steps.len() {
            for pair in steps.chunks_exact_mut(2 * half) {
                let (low, high) = pair.split_at_mut(half);
                for (low, high) in low.iter_mut().zip(high) {
                    for lane in 0..STEP {
                        let (a, b) = (low[lane], high[lane]);
                        low[lane] = a + b;
                        high[lane] = a - b;
                    }
                }
            }
            half *= 2;
        }
    }
    for (place, from) in turned.iter_mut().zip(order) {
        *place = values[*from as usize];
    }
}

#[inline(always)]
fn within<const HALF: usize>(step: [f32; STEP]) -> [f32; STEP] {
    std::array::from_fn(|lane| {
        let other = step[lane ^ HALF];
        if lane & HALF == 0 { step[lane] + other } else { other - step[lane] }
    })
}

/// Rounds to steps of one 127th of the largest magnitude; gives the size of a step.
#[inline(always)]
pub fn quantise(values: &[f32], steps: &mut [i8]) -> f32 {
    let most = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    if most < 1e-30 {
        steps.fill(0);
        return 0.0;
    }
    let scale = 127.0 / most;
    for (step, value) in steps.iter_mut().zip(values) {
        // To nearest by adding a half of the value's sign.
        let scaled = value * scale;
        *step = (scaled + 0.5f32.copysign(scaled)) as i32 as i8;
    }
    most / 127.0
}

/// Takes from values what their steps say; gives the sum of the steps' squares.
#[inline(always)]
pub fn leave(values: &mut [f32], steps: &[i8], scale: f32, bytes: &mut [u8]) -> i32 {
    let mut squares = 0;
    for ((value, step), byte) in values.iter_mut().zip(steps).zip(bytes) {
        *byte = step.cast_unsigned() ^ 0x80;
        squares += i32::from(*step) * i32::from(*step);
        *value -= f32::from(*step) * scale;
    }
    squares
}

/// A bit for each value that is greater than zero.
#[inline(always)]
pub fn signs(values: &[f32], words: &mut [u64]) {
    for (word, values) in words.iter_mut().zip(values.as_chunks::<64>().0) {
        *word = values.iter().rev().fold(0, |bits, value| bits << 1 | u64::from(*value > 0.0));
    }
}

/// Lays the greatest key of each group of scores, and gives the least and the greatest of them.
#[inline(always)]
pub fn keys(scores: &[f32], keys: &mut [i32]) -> (i32, i32) {
    let mut ends = (i32::MAX, i32::MIN);
    for (key, score) in keys.iter_mut().zip(scores) {
        *key = super::key(*score);
        ends = (ends.0.min(*key), ends.1.max(*key));
    }
    let others = scores.get(keys.len()..).unwrap_or_default();
    if others.is_empty() || keys.is_empty() {
        return ends;
    }
    for scores in others.chunks(keys.len()) {
        for (key, score) in keys.iter_mut().zip(scores) {
            *key = super::key(*score).max(*key);
        }
    }
    keys.iter().fold((i32::MAX, i32::MIN), |(least, greatest), key| (least.min(*key), greatest.max(*key)))
}

/// How many are greater.
#[inline(always)]
pub fn count_greater(keys: &[i32], than: i32) -> usize {
    keys.iter().map(|key| u32::from(*key > than)).sum::<u32>() as usize
}

/// Keeps the rows whose score's key is greater.
#[inline(always)]
pub fn keep_greater(found: &mut Found, than: i32) {
    found.retain(|score| super::key(score) > than);
}
