//! The portable bodies, compiled for ARM processors with the dot product of bytes.

use super::{BitQuery, BitRows, ByteQuery, ByteRows, Found, portable};

macro_rules! compiled {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) $(-> $gives:ty)?;)*) => {$(
        #[target_feature(enable = "neon,dotprod")]
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

#[target_feature(enable = "neon,dotprod")]
pub fn bytes(rows: &ByteRows<'_>, masks: &[u8], query: &ByteQuery<'_>, floor: f32, found: &mut Found) -> usize {
    portable::bytes(rows, masks, query, floor, found, portable::byte_dot)
}
