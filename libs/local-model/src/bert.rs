//! BERT encoders (MiniLM, multilingual e5): tokens, layers, the mean over the tokens, unit length.

use std::{fs, io::Read as _, path::Path};

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};
use safetensors::SafeTensors;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokenizers::{Tokenizer, TruncationParams};

use crate::Role;

/// Largest files of a folder, in bytes.
const CONFIG_BYTES_MAX: u64 = 64 * 1024;
const TOKENIZER_BYTES_MAX: u64 = 64 * 1024 * 1024;
const WEIGHTS_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Most tokens of a text; the rest is cut off.
const TOKENS_MAX: usize = 512;
/// Part of the weights that names them.
const SAMPLE: usize = 1024 * 1024;

/// Why there is no model or no vector.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file cannot be read.
    #[error("cannot read {file}: {reason}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        reason: String,
    },
    /// It is a model that this program does not run.
    #[error("the model {0}; this program runs BERT encoders with absolute positions")]
    Foreign(String),
    /// The text could not be taken apart.
    #[error("cannot take the text apart: {0}")]
    Tokenizer(String),
    /// The arithmetic failed.
    #[error("the model failed")]
    Candle(#[from] candle_core::Error),
}

/// A model, ready to be asked. It holds its weights in memory: about 90 MB for MiniLM, 280 MB for e5.
pub struct Model {
    tokenizer: Tokenizer,
    words: Words,
    positions: Tensor,
    first: Norm,
    layers: Vec<Layer>,
    heads: usize,
    prompts: Prompts,
    fingerprint: String,
}

#[derive(Deserialize)]
struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    layer_norm_eps: f64,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default = "gelu")]
    hidden_act: String,
}

fn absolute() -> String {
    "absolute".to_owned()
}

fn gelu() -> String {
    "gelu".to_owned()
}

/// `config_sentence_transformers.json`
#[derive(Default, Deserialize)]
struct Sentences {
    #[serde(default)]
    prompts: Prompts,
}

/// What stands before a text, for models that were trained so.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Prompts {
    query: String,
    passage: String,
}

/// `sentence_bert_config.json`
#[derive(Default, Deserialize)]
struct Limits {
    max_seq_length: Option<usize>,
}

/// The vectors of the vocabulary, as the file has them: the largest part, of which a text needs a few rows.
struct Words {
    bytes: Vec<u8>,
    is_half: bool,
    width: usize,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f32,
}

struct Dense {
    /// Transposed.
    weight: Tensor,
    bias: Tensor,
}

struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    out: Dense,
    attention_norm: Norm,
    inner: Dense,
    outer: Dense,
    norm: Norm,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Model {
    /// Loads a folder with `config.json`, `tokenizer.json` and `model.safetensors`.
    ///
    /// # Errors
    /// [`ModelError`] when a file is missing, too large or damaged, or the model is of another kind.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let config_bytes = read(folder, "config.json", CONFIG_BYTES_MAX)?;
        let config: Config = parse("config.json", &config_bytes)?;
        config.check()?;
        let sentences: Sentences = optional(folder, "config_sentence_transformers.json")?;
        let limits: Limits = optional(folder, "sentence_bert_config.json")?;
        let tokenizer_bytes = read(folder, "tokenizer.json", TOKENIZER_BYTES_MAX)?;
        let mut tokenizer =
            Tokenizer::from_bytes(&tokenizer_bytes).map_err(|error| damaged("tokenizer.json", error))?;
        let most =
            limits.max_seq_length.unwrap_or(TOKENS_MAX).min(TOKENS_MAX).min(config.max_position_embeddings).max(2);
        let truncation = TruncationParams { max_length: most, ..TruncationParams::default() };
        tokenizer.with_padding(None);
        tokenizer.with_truncation(Some(truncation)).map_err(|error| damaged("tokenizer.json", error))?;
        let bytes = read(folder, "model.safetensors", WEIGHTS_BYTES_MAX)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged("model.safetensors", error))?;
        let weights = Weights { file, epsilon: narrow(config.layer_norm_eps) };
        let width = config.hidden_size;
        let layers = (0..config.num_hidden_layers).map(|layer| weights.layer(layer, width));
        let types = weights.tensor("embeddings.token_type_embeddings.weight", 2)?.narrow(0, 0, 1)?;
        let positions = weights.tensor("embeddings.position_embeddings.weight", 2)?;
        if positions.dims() != [config.max_position_embeddings, width] {
            return Err(ModelError::Foreign(format!("has positions of shape {:?}", positions.dims())));
        }
        let mut hash = Sha256::new()
            .chain_update(&config_bytes)
            .chain_update(&tokenizer_bytes[..tokenizer_bytes.len().min(SAMPLE)]);
        for part in [0, bytes.len() / 2, bytes.len().saturating_sub(SAMPLE)] {
            hash.update(&bytes[part..(part + SAMPLE).min(bytes.len())]);
        }
        hash.update([&sentences.prompts.query, "\0", &sentences.prompts.passage].concat());
        hash.update((bytes.len() as u64).to_le_bytes());
        Ok(Self {
            words: weights.words(width)?,
            positions: positions.broadcast_add(&types)?,
            first: weights.norm("embeddings.LayerNorm", width)?,
            layers: layers.collect::<Result<_, _>>()?,
            heads: config.num_attention_heads,
            prompts: sentences.prompts,
            fingerprint: hex::encode(&hash.finalize()[..16]),
            tokenizer,
        })
    }

    /// Values of a vector.
    pub fn dimension(&self) -> usize {
        self.words.width
    }

    /// Names the weights, the tokenizer and the prompts: vectors of different ones cannot be compared.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Queries and passages of the same text have different vectors.
    pub fn has_prompts(&self) -> bool {
        self.prompts.query != self.prompts.passage
    }

    /// The vector of a text, of unit length; some 10 ms of one core.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`], [`ModelError::Candle`].
    pub fn embed(&self, text: &str, role: Role) -> Result<Vec<f32>, ModelError> {
        let prompt = match role {
            Role::Query => &self.prompts.query,
            Role::Passage => &self.prompts.passage,
        };
        let tokens = self
            .tokenizer
            .encode(format!("{prompt}{text}"), true)
            .map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        let ids = tokens.get_ids();
        let (count, width) = (ids.len(), self.words.width);
        let words = Tensor::from_vec(self.words.rows(ids)?, (count, width), &Device::Cpu)?;
        let mut states = self.first.of(&(words + self.positions.narrow(0, 0, count)?)?)?;
        for layer in &self.layers {
            states = layer.of(&states, self.heads)?;
        }
        let mean: Vec<f32> = states.mean(0)?.to_vec1()?;
        let length = mean.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        Ok(mean.into_iter().map(|value| narrow(f64::from(value) / length.max(1e-12))).collect())
    }
}

impl Config {
    fn check(&self) -> Result<(), ModelError> {
        let is_sound = (1..=8_192).contains(&self.hidden_size)
            && (1..=64).contains(&self.num_hidden_layers)
            && self.num_attention_heads > 0
            && self.hidden_size % self.num_attention_heads == 0;
        match () {
            () if self.model_type != "bert" => Err(ModelError::Foreign(format!("is of type `{}`", self.model_type))),
            () if self.position_embedding_type != "absolute" => {
                Err(ModelError::Foreign(format!("has positions of type `{}`", self.position_embedding_type)))
            }
            () if self.hidden_act != "gelu" => Err(ModelError::Foreign(format!("works with `{}`", self.hidden_act))),
            () if !is_sound => Err(ModelError::Foreign("has sizes that cannot be".to_owned())),
            () => Ok(()),
        }
    }
}

impl Words {
    fn rows(&self, ids: &[u32]) -> Result<Vec<f32>, ModelError> {
        let bytes = self.width * if self.is_half { 2 } else { 4 };
        let mut values = Vec::with_capacity(ids.len() * self.width);
        for id in ids {
            let at = usize::try_from(*id).unwrap_or(usize::MAX).saturating_mul(bytes);
            let row = self.bytes.get(at..at.saturating_add(bytes));
            let row = row.ok_or_else(|| ModelError::Tokenizer(format!("token {id} is not in the vocabulary")))?;
            match self.is_half {
                true => {
                    values.extend(row.as_chunks::<2>().0.iter().map(|value| half::f16::from_le_bytes(*value).to_f32()))
                }
                false => values.extend(row.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value))),
            }
        }
        Ok(values)
    }
}

impl Norm {
    fn of(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        layer_norm(states, &self.weight, &self.bias, self.epsilon)
    }
}

impl Dense {
    fn of(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        states.matmul(&self.weight)?.broadcast_add(&self.bias)
    }
}

impl Layer {
    fn of(&self, states: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
        let (count, width) = states.dims2()?;
        let split =
            |dense: &Dense| dense.of(states)?.reshape((count, heads, width / heads))?.transpose(0, 1)?.contiguous();
        let (query, key, value) = (split(&self.query)?, split(&self.key)?, split(&self.value)?);
        #[expect(clippy::cast_precision_loss, reason = "heads have tens of values")]
        let scale = 1.0 / ((width / heads) as f64).sqrt();
        let near = softmax_last_dim(&(query.matmul(&key.transpose(D::Minus2, D::Minus1)?.contiguous()?)? * scale)?)?;
        let mixed = near.matmul(&value)?.transpose(0, 1)?.contiguous()?.reshape((count, width))?;
        let states = self.attention_norm.of(&(self.out.of(&mixed)? + states)?)?;
        let inner = self.inner.of(&states)?.gelu_erf()?;
        self.norm.of(&(self.outer.of(&inner)? + &states)?)
    }
}

/// The file's tensors.
struct Weights<'a> {
    file: SafeTensors<'a>,
    epsilon: f32,
}

impl Weights<'_> {
    fn tensor(&self, name: &str, dimensions: usize) -> Result<Tensor, ModelError> {
        let view = self.view(name)?;
        let kind = kind(name, view.dtype())?;
        if view.shape().len() != dimensions {
            return Err(ModelError::Foreign(format!("has {name} of shape {:?}", view.shape())));
        }
        Ok(Tensor::from_raw_buffer(view.data(), kind, view.shape(), &Device::Cpu)?.to_dtype(DType::F32)?)
    }

    fn view(&self, name: &str) -> Result<safetensors::tensor::TensorView<'_>, ModelError> {
        let bare = self.file.tensor(name).or_else(|_| self.file.tensor(&format!("bert.{name}")));
        bare.map_err(|_| ModelError::Foreign(format!("has no tensor {name}")))
    }

    fn words(&self, width: usize) -> Result<Words, ModelError> {
        let name = "embeddings.word_embeddings.weight";
        let view = self.view(name)?;
        if view.shape().len() != 2 || view.shape()[1] != width {
            return Err(ModelError::Foreign(format!("has {name} of shape {:?}", view.shape())));
        }
        let is_half = kind(name, view.dtype())? == DType::F16;
        Ok(Words { bytes: view.data().to_vec(), is_half, width })
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, ModelError> {
        let (weight, bias) = (self.tensor(&format!("{name}.weight"), 1)?, self.tensor(&format!("{name}.bias"), 1)?);
        if weight.dims() != [width] || bias.dims() != [width] {
            return Err(ModelError::Foreign(format!("has {name} of shape {:?}", weight.dims())));
        }
        Ok(Norm { weight, bias, epsilon: self.epsilon })
    }

    fn dense(&self, name: &str, from: Option<usize>, to: Option<usize>) -> Result<Dense, ModelError> {
        let (weight, bias) = (self.tensor(&format!("{name}.weight"), 2)?, self.tensor(&format!("{name}.bias"), 1)?);
        let [out, into] = [weight.dims()[0], weight.dims()[1]];
        if from.is_some_and(|from| from != into) || to.is_some_and(|to| to != out) || bias.dims() != [out] {
            return Err(ModelError::Foreign(format!("has {name} of shape {:?}", weight.dims())));
        }
        Ok(Dense { weight: weight.t()?.contiguous()?, bias })
    }

    fn layer(&self, number: usize, width: usize) -> Result<Layer, ModelError> {
        let of = |name: &str| format!("encoder.layer.{number}.{name}");
        let square = |name: &str| self.dense(&of(name), Some(width), Some(width));
        Ok(Layer {
            query: square("attention.self.query")?,
            key: square("attention.self.key")?,
            value: square("attention.self.value")?,
            out: square("attention.output.dense")?,
            attention_norm: self.norm(&of("attention.output.LayerNorm"), width)?,
            inner: self.dense(&of("intermediate.dense"), Some(width), None)?,
            outer: self.dense(&of("output.dense"), None, Some(width))?,
            norm: self.norm(&of("output.LayerNorm"), width)?,
        })
    }
}

fn kind(name: &str, kind: safetensors::Dtype) -> Result<DType, ModelError> {
    match kind {
        safetensors::Dtype::F32 => Ok(DType::F32),
        safetensors::Dtype::F16 => Ok(DType::F16),
        other => Err(ModelError::Foreign(format!("has {name} as {other:?}"))),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "parts of unit vectors and small constants")]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn read(folder: &Path, file: &str, bytes_max: u64) -> Result<Vec<u8>, ModelError> {
    let path = folder.join(file);
    let failed =
        |error: std::io::Error| ModelError::File { file: path.display().to_string(), reason: error.to_string() };
    let opened = fs::File::open(&path).map_err(failed)?;
    let size = opened.metadata().map_err(failed)?.len();
    if size > bytes_max {
        let reason = format!("it has {size} bytes; the limit is {bytes_max}");
        return Err(ModelError::File { file: path.display().to_string(), reason });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    opened.take(bytes_max).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What a file says, or the default where there is none.
fn optional<T: Default + for<'de> Deserialize<'de>>(folder: &Path, file: &str) -> Result<T, ModelError> {
    match folder.join(file).exists() {
        true => parse(file, &read(folder, file, CONFIG_BYTES_MAX)?),
        false => Ok(T::default()),
    }
}

fn parse<T: for<'de> Deserialize<'de>>(file: &str, bytes: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|error| damaged(file, error))
}

fn damaged(file: &str, error: impl std::fmt::Display) -> ModelError {
    ModelError::File { file: file.to_owned(), reason: error.to_string() }
}
