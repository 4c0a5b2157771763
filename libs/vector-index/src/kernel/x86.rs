//! Kernels for x86-64: the portable bodies compiled for wider registers, and the scans by hand where it pays.

mod scan;

/// For processors with AVX2.
pub mod avx2 {
    use super::super::{BitQuery, BitRows, ByteQuery, ByteRows, Found, portable};

    macro_rules! compiled {
        ($(fn $name:ident($($argument:ident: $kind:ty),*) $(-> $gives:ty)?;)*) => {$(
            #[target_feature(enable = "avx2,popcnt")]
            pub fn $name($($argument: $kind),*) $(-> $gives)? {
                portable::$name($($argument),*)
            }
        )*};
    }

    compiled! {
        fn dot(a: &[f32], b: &[f32]) -> f32;
        fn squared_distance(a: &[f32], b: &[f32]) -> f32;
        fn squares(values: &[f32]) -> f64;
        fn scale(values: &[f32], scale: f64, scaled: &mut [f32]);
        fn byte_dot(row: &[u8], query: &[i8]) -> i32;
        fn bits(rows: &BitRows<'_>, masks: &[u8], query: &BitQuery<'_>, floor: f32, found: &mut Found) -> usize;
        fn planes(values: &[f32], scale: f32, middle: f32, planes: &mut [u64]) -> i32;
        fn turn(values: &mut [f32], block: usize, signs: &[f32], order: &[u16], turned: &mut [f32]);
        fn quantise(values: &[f32], steps: &mut [i8]) -> f32;
        fn leave(values: &mut [f32], steps: &[i8], scale: f32, bytes: &mut [u8]) -> i32;
        fn signs(values: &[f32], words: &mut [u64]);
        fn keys(scores: &[f32], keys: &mut [i32]) -> (i32, i32);
        fn count_greater(keys: &[i32], than: i32) -> usize;
        fn keep_greater(found: &mut Found, than: i32);
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub fn bytes(rows: &ByteRows<'_>, masks: &[u8], query: &ByteQuery<'_>, floor: f32, found: &mut Found) -> usize {
        portable::bytes(rows, masks, query, floor, found, portable::byte_dot)
    }
}

/// For processors with AVX-512 and its instructions for bytes (VNNI) and for counting bits (VPOPCNTDQ).
pub mod avx512 {
    use std::arch::x86_64::*;

    use super::super::{Found, portable};
    pub use super::scan::{bits, bytes};

    macro_rules! compiled {
        ($(fn $name:ident($($argument:ident: $kind:ty),*) $(-> $gives:ty)?;)*) => {$(
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx2,popcnt")]
            pub fn $name($($argument: $kind),*) $(-> $gives)? {
                portable::$name($($argument),*)
            }
        )*};
    }

    compiled! {
        fn dot(a: &[f32], b: &[f32]) -> f32;
        fn squared_distance(a: &[f32], b: &[f32]) -> f32;
        fn squares(values: &[f32]) -> f64;
        fn scale(values: &[f32], scale: f64, scaled: &mut [f32]);
        fn leave(values: &mut [f32], steps: &[i8], scale: f32, bytes: &mut [u8]) -> i32;
        fn keys(scores: &[f32], keys: &mut [i32]) -> (i32, i32);
        fn count_greater(keys: &[i32], than: i32) -> usize;
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load<T: bytemuck::Pod, const N: usize>(values: &[T; N]) -> __m512i {
        const { assert!(size_of::<[T; N]>() == 64) }
        // SAFETY: 64 readable bytes; no alignment is asked for.
        unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn load8(values: &[f32; 8]) -> __m256 {
        // SAFETY: 32 readable bytes; no alignment is asked for.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub fn byte_dot(row: &[u8], query: &[i8]) -> i32 {
        let mut sum = _mm512_setzero_si512();
        for (row, query) in row.as_chunks::<64>().0.iter().zip(query.as_chunks::<64>().0) {
            sum = _mm512_dpbusd_epi32(sum, load(row), load(query));
        }
        _mm512_reduce_add_epi32(sum)
    }

    /// Sums and differences of values that lie `half` lanes apart, for `half` = 1, 2, 4 and 8, one after the other.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn within(values: __m512) -> __m512 {
        /// The sign of the lanes that have this bit.
        const fn minus(bit: usize) -> [f32; 16] {
            let mut signs = [0.0; 16];
            let mut lane = 0;
            while lane < 16 {
                signs[lane] = if lane & bit == 0 { 0.0 } else { -0.0 };
                lane += 1;
            }
            signs
        }
        let step = |values, others, signs: &[f32; 16]| {
            _mm512_add_ps(others, _mm512_xor_ps(values, _mm512_castsi512_ps(load(signs))))
        };
        let values = step(values, _mm512_permute_ps::<0b10_11_00_01>(values), const { &minus(1) });
        let values = step(values, _mm512_permute_ps::<0b01_00_11_10>(values), const { &minus(2) });
        let values = step(values, _mm512_shuffle_f32x4::<0b10_11_00_01>(values, values), const { &minus(4) });
        step(values, _mm512_shuffle_f32x4::<0b01_00_11_10>(values, values), const { &minus(8) })
    }

    /// Two steps of the transform over four registers, whose values lie one and two strides apart.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn between([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        let (ab, a_b, cd, c_d) = (_mm512_add_ps(a, b), _mm512_sub_ps(a, b), _mm512_add_ps(c, d), _mm512_sub_ps(c, d));
        [_mm512_add_ps(ab, cd), _mm512_add_ps(a_b, c_d), _mm512_sub_ps(ab, cd), _mm512_sub_ps(a_b, c_d)]
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(place: &mut [f32; 16], values: __m512) {
        // SAFETY: 64 writable bytes; no alignment is asked for.
        unsafe { _mm512_storeu_ps(place.as_mut_ptr(), values) };
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn turn(values: &mut [f32], block: usize, signs: &[f32], order: &[u16], turned: &mut [f32]) {
        for (values, signs) in values.chunks_exact_mut(block).zip(signs.chunks_exact(block)) {
            // Groups of 64 values are read once for the signs and six steps.
            for (group, signs) in values.as_chunks_mut::<64>().0.iter_mut().zip(signs.as_chunks::<64>().0) {
                let (group, signs) = (group.as_chunks_mut::<16>().0, signs.as_chunks::<16>().0);
                let signed = |at: usize| {
                    let values =
                        _mm512_mul_ps(_mm512_castsi512_ps(load(&group[at])), _mm512_castsi512_ps(load(&signs[at])));
                    within(values)
                };
                let done = between([signed(0), signed(1), signed(2), signed(3)]);
                for (place, values) in group.iter_mut().zip(done) {
                    store(place, values);
                }
            }
            let registers = values.as_chunks_mut::<16>().0;
            let mut half = 4;
            while half < registers.len() {
                let two = 4 * half <= registers.len();
                for run in registers.chunks_exact_mut(if two { 4 * half } else { 2 * half }) {
                    let (low, high) = run.split_at_mut(run.len() / 2);
                    if !two {
                        for (low, high) in low.iter_mut().zip(high) {
                            let (a, b) = (_mm512_castsi512_ps(load(low)), _mm512_castsi512_ps(load(high)));
                            store(low, _mm512_add_ps(a, b));
                            store(high, _mm512_sub_ps(a, b));
                        }
                        continue;
                    }
                    let ((a, b), (c, d)) = (low.split_at_mut(half), high.split_at_mut(half));
                    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                        let done = between([
                            _mm512_castsi512_ps(load(a)),
                            _mm512_castsi512_ps(load(b)),
                            _mm512_castsi512_ps(load(c)),
                            _mm512_castsi512_ps(load(d)),
                        ]);
                        for (place, values) in [a, b, c, d].into_iter().zip(done) {
                            store(place, values);
                        }
                    }
                }
                half *= if two { 4 } else { 2 };
            }
        }
        // The places of four are read at once. No gather: with a mitigation that some processors have, it is several times
        // slower than this.
        for (places, from) in turned.as_chunks_mut::<4>().0.iter_mut().zip(order.as_chunks::<4>().0) {
            *places = from.map(|from| values[usize::from(from)]);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn quantise(values: &[f32], steps: &mut [i8]) -> f32 {
        let chunks = || values.as_chunks::<16>().0.iter().map(|values| _mm512_castsi512_ps(load(values)));
        let most = chunks().fold(_mm512_setzero_ps(), |most, values| _mm512_max_ps(_mm512_abs_ps(values), most));
        let most = _mm512_reduce_max_ps(most);
        if most < 1e-30 {
            steps.fill(0);
            return 0.0;
        }
        let (scale, half) = (_mm512_set1_ps(127.0 / most), _mm512_set1_ps(0.5));
        let sign = _mm512_set1_ps(-0.0);
        for (steps, values) in steps.as_chunks_mut::<16>().0.iter_mut().zip(chunks()) {
            let scaled = _mm512_mul_ps(values, scale);
            let rounded = _mm512_add_ps(scaled, _mm512_or_ps(half, _mm512_and_ps(sign, scaled)));
            let bytes = _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(rounded));
            // SAFETY: sixteen writable bytes; no alignment is asked for.
            unsafe { _mm_storeu_si128(steps.as_mut_ptr().cast(), bytes) };
        }
        most / 127.0
    }

    #[target_feature(enable = "avx512f")]
    pub fn signs(values: &[f32], words: &mut [u64]) {
        for (word, values) in words.iter_mut().zip(values.as_chunks::<64>().0) {
            *word = 0;
            for (quarter, values) in values.as_chunks::<16>().0.iter().enumerate() {
                let values = _mm512_castsi512_ps(load(values));
                let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, _mm512_setzero_ps());
                *word |= u64::from(above) << (16 * quarter);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn keep_greater(found: &mut Found, than: i32) {
        let len = found.len;
        let mut kept = 0;
        let most = _mm512_set1_epi32(i32::MAX);
        for at in (0..len).step_by(16) {
            let inside = if len - at >= 16 { u16::MAX } else { (1 << (len - at)) - 1 };
            // The arrays have two blocks more than `len` may become: 16 values are there to be read and written.
            let scores: &[f32; 16] = found.scores[at..at + 16].try_into().expect("sixteen");
            let rows: &[u32; 16] = found.rows[at..at + 16].try_into().expect("sixteen");
            let (scores, rows) = (_mm512_castsi512_ps(load(scores)), load(rows));
            let bits = _mm512_castps_si512(_mm512_add_ps(scores, _mm512_setzero_ps()));
            let keys = _mm512_xor_si512(bits, _mm512_and_si512(_mm512_srai_epi32::<31>(bits), most));
            let greater = _mm512_mask_cmpgt_epi32_mask(inside, keys, _mm512_set1_epi32(than));
            let (scores_out, rows_out) = (&mut found.scores[kept..kept + 16], &mut found.rows[kept..kept + 16]);
            // SAFETY: both slices have room for sixteen values of four bytes; no alignment is asked for. What was read
            // of the arrays lies at or behind what is written.
            unsafe {
                _mm512_storeu_ps(scores_out.as_mut_ptr(), _mm512_maskz_compress_ps(greater, scores));
                _mm512_storeu_si512(rows_out.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(greater, rows));
            }
            kept += greater.count_ones() as usize;
        }
        found.len = kept;
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn planes(values: &[f32], scale: f32, middle: f32, planes: &mut [u64]) -> i32 {
        let words = values.len() / 64;
        let count = planes.len() / words;
        let most = _mm512_set1_ps(((1u32 << count) - 1) as f32 + 0.5);
        let (scale, half, zero) = (_mm512_set1_ps(scale), _mm512_set1_ps(middle + 0.5), _mm512_setzero_ps());
        let mut sum = _mm512_setzero_si512();
        for (word, values) in values.as_chunks::<64>().0.iter().enumerate() {
            let mut bits = [0u64; 4];
            for (quarter, values) in values.as_chunks::<16>().0.iter().enumerate() {
                let value = _mm512_castsi512_ps(load(values));
                let number = _mm512_add_ps(_mm512_mul_ps(value, scale), half);
                let number = _mm512_cvttps_epi32(_mm512_min_ps(_mm512_max_ps(number, zero), most));
                sum = _mm512_add_epi32(sum, number);
                for (plane, bits) in bits.iter_mut().enumerate().take(count) {
                    let set = _mm512_test_epi32_mask(number, _mm512_set1_epi32(1 << plane));
                    *bits |= u64::from(set) << (16 * quarter);
                }
            }
            for plane in 0..count {
                planes[word * count + plane] = bits[plane];
            }
        }
        _mm512_reduce_add_epi32(sum)
    }
}
