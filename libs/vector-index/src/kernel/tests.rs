use proptest::{collection::vec, prelude::*};

use super::*;

/// Runs `run` on every kernel of this processor and checks that all give the same.
fn check<T: PartialEq + std::fmt::Debug>(run: impl Fn(Kernel) -> T) -> T {
    let expected = run(Kernel(Kind::Portable));
    for kernel in Kernel::all() {
        assert_eq!(run(kernel), expected, "{}", kernel.name());
    }
    expected
}

fn values(groups: usize) -> impl Strategy<Value = Vec<f32>> {
    vec(prop_oneof![8 => -1.0f32..1.0, 1 => Just(0.0f32), 1 => -1e9f32..1e9], groups * 64)
}

fn gathered(blocks: usize, scan: impl Fn(usize, &mut Found) -> usize) -> (Vec<u32>, Vec<u32>) {
    // Room for few rows, so that the scan is left and taken up again.
    let (mut scores, mut rows, mut done) = (Vec::new(), Vec::new(), 0);
    while done < blocks {
        let mut found = Found::new(16);
        let step = scan(done, &mut found);
        assert!(step > 0, "a scan with room gets on");
        done += step;
        scores.extend(found.scores().iter().map(|score| score.to_bits()));
        rows.extend_from_slice(found.rows());
    }
    (scores, rows)
}

proptest! {
    #[test]
    fn inner_products_and_distances_are_equal_to_the_bit(
        (a, b) in (1usize..7).prop_flat_map(|groups| (values(groups), values(groups))),
    ) {
        check(|kernel| (kernel.dot(&a, &b).to_bits(), kernel.squared_distance(&a, &b).to_bits()));
    }

    #[test]
    fn lengths_and_scaled_values_are_equal_to_the_bit(a in vec(any::<f32>(), 0..100), scale in any::<f64>()) {
        check(|kernel| {
            let mut scaled = vec![0.0; a.len()];
            kernel.scale(&a, scale, &mut scaled);
            // What kind of NaN comes out is nobody's matter.
            let bits = |value: f32| if value.is_nan() { 0 } else { value.to_bits() };
            let squares = kernel.squares(&a);
            (scaled.into_iter().map(bits).collect::<Vec<_>>(), if squares.is_nan() { 0 } else { squares.to_bits() })
        });
    }

    #[test]
    fn rounding_is_equal_to_the_bit(a in (1usize..7).prop_flat_map(values), planes in 1usize..=4) {
        check(|kernel| {
            let mut steps = vec![0; a.len()];
            let step = kernel.quantise(&a, &mut steps);
            let mut bits = vec![0; a.len() / 64 * planes];
            let sum = kernel.planes(&a, 2.5, ((1 << planes) - 1) as f32 / 2.0, &mut bits);
            let (mut rest, mut bytes, mut signs) = (a.clone(), vec![0; a.len()], vec![0; a.len() / 64]);
            let squares = kernel.leave(&mut rest, &steps, step, &mut bytes);
            kernel.signs(&rest, &mut signs);
            let rest: Vec<u32> = rest.into_iter().map(f32::to_bits).collect();
            (step.to_bits(), steps, sum, bits, squares, rest, bytes, signs)
        });
    }

    #[test]
    fn a_turn_is_equal_to_the_bit_and_keeps_the_length(a in (1usize..7).prop_flat_map(values), seed in any::<u64>()) {
        let block = 1 << a.len().trailing_zeros();
        let signs: Vec<f32> = (0..a.len()).map(|at| if seed >> (at % 64) & 1 == 0 { 1.0 } else { -1.0 }).collect();
        let order: Vec<u16> = (0..a.len() as u16).rev().collect();
        let bits = check(|kernel| {
            let (mut values, mut turned) = (a.clone(), vec![0.0; a.len()]);
            kernel.turn(&mut values, block, &signs, &order, &mut turned);
            turned.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        });
        let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>();
        let (before, after) = (squares(&mut a.iter().copied()), squares(&mut bits.into_iter().map(f32::from_bits)));
        prop_assert!((after / block as f64 - before).abs() <= 1e-4 * before + 1e-9, "{before} {after}");
    }

    #[test]
    fn byte_scans_are_equal_to_the_bit(
        (groups, blocks) in (prop_oneof![1usize..4, Just(6), Just(12), Just(16), Just(24)], 1usize..80),
        seed in any::<u64>(), floor in -2.0f32..2.0, biased in any::<bool>(),
    ) {
        let mut random = Random(seed);
        let values: Vec<u8> = (0..groups * 64 * blocks * 8).map(|_| random.next() as u8).collect();
        // The extremes too: -127 to 127, and all of a byte in the rows.
        let query: Vec<i8> = (0..groups * 64).map(|_| (random.next() as i8).max(-127)).collect();
        let scales: Vec<f32> = (0..blocks * 8).map(|_| random.next() as u8 as f32 / 1e6).collect();
        let biases: Vec<f32> = (0..blocks * 8).map(|_| random.next() as u8 as f32 / 256.0).collect();
        let masks: Vec<u8> = (0..blocks).map(|_| (random.next() & random.next()) as u8).collect();
        let correction = 128 * query.iter().map(|value| i32::from(*value)).sum::<i32>();
        let query = ByteQuery { values: &query, scale: 0.01, correction, offset: 0.25 };
        check(|kernel| {
            let dots: Vec<i32> = values.chunks(groups * 64).map(|row| kernel.byte_dot(row, query.values)).collect();
            let scan = gathered(blocks, |done, found| {
                let at = done * 8;
                let biases = if biased { &biases[at..] } else { &[] };
                let rows = ByteRows { values: &values[at * groups * 64..], scales: &scales[at..], biases, first: at as u32 };
                kernel.bytes(&rows, &masks[done..], &query, floor, found)
            });
            (dots, scan)
        });
    }

    #[test]
    fn bit_scans_are_equal_to_the_bit(
        (words, blocks, planes) in (prop_oneof![1usize..4, Just(6), Just(12), Just(16), Just(24)], 1usize..80, 1usize..=4),
        seed in any::<u64>(), floor in -2.0f32..2.0, biased in any::<bool>(),
    ) {
        let mut random = Random(seed);
        let head_lines = 1 + usize::from(biased);
        let mut lines: Vec<u64> = (0..blocks * (head_lines + words) * 8).map(|_| random.next()).collect();
        for block in lines.chunks_mut((head_lines + words) * 8) {
            let head: &mut [f32] = bytemuck::cast_slice_mut(&mut block[..head_lines * 8]);
            head.fill_with(|| random.next() as u8 as f32 / 256.0);
        }
        let planes_of_query: Vec<u64> = (0..planes * words).map(|_| random.next()).collect();
        let masks: Vec<u8> = (0..blocks).map(|_| (random.next() | random.next()) as u8).collect();
        let query = BitQuery {
            planes: &planes_of_query, count: planes, step: 0.01, middle: 1.5, sum: (words * 32) as i32, offset: -0.5,
        };
        let (_, rows) = check(|kernel| {
            gathered(blocks, |done, found| {
                let stride = (head_lines + words) * 8;
                let rows = BitRows { blocks: &lines[done * stride..], head_lines, first: (done * 8) as u32, far: done % 2 == 0 };
                kernel.bits(&rows, &masks[done..], &query, floor, found)
            })
        });
        for row in rows {
            prop_assert!(masks[row as usize / 8] >> (row % 8) & 1 == 1, "row {row} is masked");
        }
    }
}

proptest! {
    #[test]
    fn the_greater_ones_are_kept_alike(scores in vec(prop_oneof![-1.0f32..1.0, Just(0.0), Just(-0.0)], 0..70), than in -1.0f32..1.0) {
        let kept = check(|kernel| {
            let mut found = Found::new(scores.len());
            for (row, score) in (0..).zip(&scores) {
                found.push(*score, row);
            }
            kernel.keep_greater(&mut found, key(than));
            found.rows().to_vec()
        });
        let expected: Vec<u32> = (0..).zip(&scores).filter(|(_, score)| **score > than).map(|(row, _)| row).collect();
        prop_assert_eq!(kept, expected);
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ (self.0 >> 29)
    }
}
