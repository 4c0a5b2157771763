//! Scans for processors with AVX-512. Two blocks are a pair, whose rows are the lanes of a register; the scores of many
//! pairs are made before the best of them are kept, so that no score is waited for.

use std::arch::x86_64::*;

use super::{
    super::{BLOCK, BitQuery, BitRows, ByteQuery, ByteRows, Found},
    avx512::{load, load8},
};

/// Rows of a pair.
const PAIR: usize = 2 * BLOCK;
/// Pairs whose scores are made before the best of them are kept.
const PAIRS: usize = 16;
/// How far ahead lines of codes in memory are fetched: 8 KiB. Further is no faster, and what lies behind the end of a list
/// is fetched in vain.
const PREFETCH_LINES: usize = 128;
/// How far ahead lines of 8-bit codes are fetched, which lie in the second level of the cache: 3 KiB.
const PREFETCH_NEAR_LINES: usize = 48;

/// Rows of a pair that are read alone, as a filter leaves them, and not with those beside them.
const FEW: u32 = 4;

type Line = [u64; 8];

/// Two blocks' eight values each.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn pair_of(low: &[f32; BLOCK], high: &[f32; BLOCK]) -> __m512 {
    _mm512_insertf32x8::<1>(_mm512_castps256_ps512(load8(low)), load8(high))
}

/// The masks of two blocks; the last one may have no neighbour.
#[inline(always)]
fn mask_of(masks: &[u8]) -> __mmask16 {
    match *masks {
        [low, high, ..] => u16::from_le_bytes([low, high]),
        [low] => u16::from(low),
        [] => 0,
    }
}

/// Sums of four registers, of which each quarter has a part.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarters([a, b, c, d]: [__m512i; 4]) -> __m512i {
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd))
}

/// The sums of sixteen registers, one in each lane, from those of four each.
#[inline]
#[target_feature(enable = "avx512f")]
fn sums([a, b, c, d]: [__m512i; 4]) -> __m512i {
    let halves = |a, b| {
        let (low, high) = (_mm512_shuffle_i32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b));
        _mm512_add_epi32(low, high)
    };
    let (ab, cd) = (halves(a, b), halves(c, d));
    let (low, high) = (_mm512_shuffle_i32x4::<0b10_00_10_00>(ab, cd), _mm512_shuffle_i32x4::<0b11_01_11_01>(ab, cd));
    _mm512_add_epi32(low, high)
}

/// Adds the rows that are above the floor, of the pairs' rows a bit each. Where there are some, which they are cannot be
/// foretold: so no branch asks. Late in a long scan there are hardly any, and four pairs are passed over at once. Gives the
/// block to go on with when there is no room for more.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn keep(found: &mut Found, above: &[u64; PAIRS / 4], scores: &[[f32; PAIR]; PAIRS], first: u32) -> Option<usize> {
    let places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut len = found.len;
    for (four, above) in above.iter().enumerate().filter(|(_, above)| **above != 0) {
        for at in 0..4 {
            let pair = 4 * four + at;
            let (scores_out, rows_out) = (found.scores.get_mut(len..len + PAIR), found.rows.get_mut(len..len + PAIR));
            let (Some(scores_out), Some(rows_out)) = (scores_out, rows_out) else {
                found.len = len;
                return Some(2 * pair);
            };
            let (above, scores) = ((above >> (16 * at)) as u16, _mm512_castsi512_ps(load(&scores[pair])));
            let rows = _mm512_add_epi32(_mm512_set1_epi32((first as usize + pair * PAIR) as i32), places);
            // SAFETY: both slices have room for sixteen values of four bytes; no alignment is asked for.
            unsafe {
                _mm512_storeu_ps(scores_out.as_mut_ptr(), _mm512_maskz_compress_ps(above, scores));
                _mm512_storeu_si512(rows_out.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(above, rows));
            }
            len += above.count_ones() as usize;
        }
    }
    found.len = len;
    None
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(place: &mut [f32; PAIR], values: __m512) {
    // SAFETY: 64 writable bytes; no alignment is asked for.
    unsafe { _mm512_storeu_ps(place.as_mut_ptr(), values) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,popcnt")]
pub fn bytes(rows: &ByteRows<'_>, masks: &[u8], query: &ByteQuery<'_>, floor: f32, found: &mut Found) -> usize {
    match query.values.len() / 64 {
        6 => scan_bytes::<6>(rows, masks, query, floor, found),
        12 => scan_bytes::<12>(rows, masks, query, floor, found),
        16 => scan_bytes::<16>(rows, masks, query, floor, found),
        24 => scan_bytes::<24>(rows, masks, query, floor, found),
        _ => scan_bytes::<0>(rows, masks, query, floor, found),
    }
}

/// The product of a row and the query, in parts.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn product(row: &[[u8; 64]], values: &[[i8; 64]]) -> __m512i {
    let mut part = _mm512_setzero_si512();
    for (row, value) in row.iter().zip(values) {
        part = _mm512_dpbusd_epi32(part, load(row), load(value));
    }
    part
}

/// The scan for a fixed number of lines of a row, where that is not zero: the loop is unrolled then.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,popcnt")]
fn scan_bytes<const LINES: usize>(
    rows: &ByteRows<'_>,
    masks: &[u8],
    query: &ByteQuery<'_>,
    floor: f32,
    found: &mut Found,
) -> usize {
    let values = query.values.as_chunks::<64>().0;
    let values = if LINES > 0 { &values[..LINES] } else { values };
    let width = values.len();
    let (lines, scales, biases) =
        (rows.values.as_chunks::<64>().0, rows.scales.as_chunks::<8>().0, rows.biases.as_chunks::<8>().0);
    let (correction, scale) = (_mm512_set1_epi32(query.correction), _mm512_set1_ps(query.scale));
    let (offset, floor) = (_mm512_set1_ps(query.offset), _mm512_set1_ps(floor));
    let mut scores = [[0.0; PAIR]; PAIRS];
    for (first, masks) in (0..).step_by(2 * PAIRS).zip(masks.chunks(2 * PAIRS)) {
        let mut above = [0; PAIRS / 4];
        for (pair, (masks, score)) in masks.chunks(2).zip(&mut scores).enumerate() {
            let mask = mask_of(masks);
            if mask == 0 {
                continue;
            }
            let block = first + 2 * pair;
            // Of a last block without a neighbour the other half is left out by its mask. The rows are read as they lie: in
            // any other order they come slower.
            let mut parts = [_mm512_setzero_si512(); PAIR];
            let both = parts.iter_mut().zip(lines[block * BLOCK * width..].chunks_exact(width));
            if mask.count_ones() <= FEW {
                for (_, (part, row)) in both.enumerate().filter(|(at, _)| mask >> at & 1 == 1) {
                    *part = product(row, values);
                }
            } else {
                for (part, row) in both {
                    let soon = row.as_ptr().wrapping_add(PREFETCH_NEAR_LINES);
                    for line in 0..width {
                        _mm_prefetch::<_MM_HINT_T0>(soon.wrapping_add(line).cast());
                    }
                    *part = product(row, values);
                }
            }
            let mut fours = [_mm512_setzero_si512(); PAIR / 4];
            for (four, parts) in fours.iter_mut().zip(parts.as_chunks::<4>().0) {
                *four = quarters(*parts);
            }
            let sums = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums(fours), correction));
            let next = |of: &[[f32; BLOCK]]| pair_of(&of[block], of.get(block + 1).unwrap_or(&of[block]));
            let mut both = _mm512_add_ps(_mm512_mul_ps(sums, _mm512_mul_ps(next(scales), scale)), offset);
            if !biases.is_empty() {
                both = _mm512_add_ps(both, next(biases));
            }
            above[pair / 4] |= u64::from(_mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(mask, both, floor)) << (pair % 4 * 16);
            store(score, both);
        }
        if let Some(block) = keep(found, &above, &scores, rows.first + (first * BLOCK) as u32) {
            return first + block;
        }
    }
    masks.len()
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx2,popcnt")]
pub fn bits(rows: &BitRows<'_>, masks: &[u8], query: &BitQuery<'_>, floor: f32, found: &mut Found) -> usize {
    match (rows.head_lines, query.count, query.words()) {
        (1, 2, 6) => scan_bits::<1, 2, 6>(rows, masks, query, floor, found),
        (1, 2, 12) => scan_bits::<1, 2, 12>(rows, masks, query, floor, found),
        (1, 2, 16) => scan_bits::<1, 2, 16>(rows, masks, query, floor, found),
        (1, 2, 24) => scan_bits::<1, 2, 24>(rows, masks, query, floor, found),
        (2, 2, 6) => scan_bits::<2, 2, 6>(rows, masks, query, floor, found),
        (2, 2, 12) => scan_bits::<2, 2, 12>(rows, masks, query, floor, found),
        (2, 2, 16) => scan_bits::<2, 2, 16>(rows, masks, query, floor, found),
        (2, 2, 24) => scan_bits::<2, 2, 24>(rows, masks, query, floor, found),
        (_, 1, _) => scan_bits::<0, 1, 0>(rows, masks, query, floor, found),
        (_, 2, _) => scan_bits::<0, 2, 0>(rows, masks, query, floor, found),
        (_, 3, _) => scan_bits::<0, 3, 0>(rows, masks, query, floor, found),
        _ => scan_bits::<0, 4, 0>(rows, masks, query, floor, found),
    }
}

/// Of a block's rows, the bits that they and the planes have in common, each plane by its weight.
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn common<const PLANES: usize>(codes: &[Line], planes: &[[u64; PLANES]]) -> __m512i {
    let mut counts = [_mm512_setzero_si512(); PLANES];
    for (line, words) in codes.iter().zip(planes) {
        let line = load(line);
        for plane in 0..PLANES {
            let both = _mm512_and_si512(line, _mm512_set1_epi64(words[plane] as i64));
            counts[plane] = _mm512_add_epi64(counts[plane], _mm512_popcnt_epi64(both));
        }
    }
    let mut whole = counts[PLANES - 1];
    for count in counts[..PLANES - 1].iter().rev() {
        whole = _mm512_add_epi64(_mm512_add_epi64(whole, whole), *count);
    }
    whole
}

/// The scan for a number of planes, and fixed numbers of a block's lines where these are not zero: the loop is unrolled
/// then.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx2,popcnt")]
fn scan_bits<const HEAD: usize, const PLANES: usize, const WORDS: usize>(
    rows: &BitRows<'_>,
    masks: &[u8],
    query: &BitQuery<'_>,
    floor: f32,
    found: &mut Found,
) -> usize {
    let planes = query.planes.as_chunks::<PLANES>().0;
    let (head_lines, planes) = if WORDS > 0 { (HEAD, &planes[..WORDS]) } else { (rows.head_lines, planes) };
    let lines_of_block = head_lines + planes.len();
    let evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let sum = _mm512_set1_epi32(query.sum);
    let (step, middle) = (_mm512_set1_ps(query.step), _mm512_set1_ps(query.middle));
    let (offset, floor) = (_mm512_set1_ps(query.offset), _mm512_set1_ps(floor));
    let lines = rows.blocks.as_chunks::<8>().0;
    let mut scores = [[0.0; PAIR]; PAIRS];
    for (first, masks) in (0..).step_by(2 * PAIRS).zip(masks.chunks(2 * PAIRS)) {
        let blocks = lines[first * lines_of_block..].chunks(2 * lines_of_block);
        let mut above = [0; PAIRS / 4];
        for (pair, ((masks, score), blocks)) in masks.chunks(2).zip(&mut scores).zip(blocks).enumerate() {
            let mask = mask_of(masks);
            if mask == 0 {
                continue;
            }
            if rows.far {
                // The processor alone does not look past a page, and from memory it fetches no line's neighbour.
                let soon = blocks.as_ptr().wrapping_add(PREFETCH_LINES);
                for line in 0..2 * lines_of_block {
                    _mm_prefetch::<_MM_HINT_T0>(soon.wrapping_add(line).cast());
                }
            }
            // Of a last block without a neighbour the other half is left out by its mask.
            let (low, high) = blocks.split_at(lines_of_block);
            let high = if high.len() == lines_of_block { high } else { low };
            let ((low_head, low), (high_head, high)) = (low.split_at(head_lines), high.split_at(head_lines));
            let whole = _mm512_permutex2var_epi32(common(low, planes), evens, common(high, planes));
            let whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_add_epi32(whole, whole), sum));
            let values = |line: &Line| -> [[f32; BLOCK]; 2] { bytemuck::cast(*line) };
            let (low, high) = (values(&low_head[0]), values(&high_head[0]));
            let (factors, surplus) = (pair_of(&low[0], &high[0]), pair_of(&low[1], &high[1]));
            let both = _mm512_sub_ps(_mm512_mul_ps(factors, whole), _mm512_mul_ps(middle, surplus));
            let mut both = _mm512_add_ps(_mm512_mul_ps(step, both), offset);
            if let (Some(low), Some(high)) = (low_head.get(1), high_head.get(1)) {
                both = _mm512_add_ps(both, pair_of(&values(low)[0], &values(high)[0]));
            }
            above[pair / 4] |= u64::from(_mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(mask, both, floor)) << (pair % 4 * 16);
            store(score, both);
        }
        if let Some(block) = keep(found, &above, &scores, rows.first + (first * BLOCK) as u32) {
            return first + block;
        }
    }
    masks.len()
}
