//! Writes tensors as a safetensors file: the length of a JSON header, the header, the values.

use std::collections::BTreeMap;

use serde_json::json;

/// A tensor of half-precision floats, as little-endian bytes.
#[derive(Debug)]
pub struct Half {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values.
    pub bytes: Vec<u8>,
}

/// The file's bytes.
pub fn to_safetensors(tensors: &BTreeMap<String, Half>) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (name, tensor) in tensors {
        let end = at + tensor.bytes.len();
        header.insert(name.clone(), json!({"dtype": "F16", "shape": tensor.shape, "data_offsets": [at, end]}));
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = Vec::with_capacity(8 + header.len() + at);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    for tensor in tensors.values() {
        file.extend_from_slice(&tensor.bytes);
    }
    file
}

/// The nearest half-precision float, ties to even; infinity beyond its range.
pub fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude >= 0x7f80_0000 {
        return sign | if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    }
    if magnitude < 0x3880_0000 {
        // Below the smallest normal one: in steps of 2^-24.
        let steps = f32::from_bits(magnitude) * 16_777_216.0;
        return sign | steps.round_ties_even() as u16;
    }
    let rounded = magnitude + 0x0fff + ((magnitude >> 13) & 1);
    let half = (rounded - 0x3800_0000) >> 13;
    sign | if half >= 0x7c00 { 0x7c00 } else { half as u16 }
}

/// The value of a half-precision float.
pub fn from_half(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(half >> 10) & 0x1f, u32::from(half & 0x3ff));
    let magnitude = match exponent {
        0 => (f32::from(half & 0x3ff) / 16_777_216.0).to_bits(),
        0x1f => 0x7f80_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back() {
        for half in 0..=u16::MAX {
            let value = from_half(half);
            if !value.is_nan() {
                assert_eq!(to_half(value), half, "{half:#06x}");
            }
        }
    }

    #[test]
    fn values_are_rounded_to_the_nearest() {
        for (value, expected) in
            [(1.0, 0x3c00), (-2.5, 0xc100), (65_504.0, 0x7bff), (65_520.0, 0x7c00), (1e-8, 0), (1.000_488_3, 0x3c00)]
        {
            assert_eq!(to_half(value), expected, "{value}");
        }
    }

    #[test]
    fn header_says_where_the_values_are() {
        let tensors = BTreeMap::from([("w".to_owned(), Half { shape: vec![2], bytes: vec![1, 2, 3, 4] })]);
        let file = to_safetensors(&tensors);
        let length = usize::try_from(u64::from_le_bytes(file[..8].try_into().expect("eight"))).expect("short");
        let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).expect("JSON");
        assert_eq!(header["w"]["data_offsets"], json!([0, 4]));
        assert_eq!(&file[8 + length..], [1, 2, 3, 4]);
    }
}
