//! Vectors made from the words of a text: equal texts have equal vectors, and texts that share words are near.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    EmbeddingRequest, Server, bad_vectors,
    check::{self, Refused},
    http::Door,
    take,
};

const MAX_INPUTS: usize = 2_048;
const MAX_INPUT_TOKENS: usize = 8_192;
const MAX_REQUEST_TOKENS: usize = 300_000;

/// The vector of a text: the sum of its words' directions and, a quarter as much, of their beginnings', of length 1.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; dimensions];
    let text = text.to_lowercase();
    let mut words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        words.push(&text);
    }
    for word in words {
        add(&mut sum, word, 1.0);
        // Forms of one word share their beginning.
        if let Some((end, _)) = word.char_indices().nth(4) {
            add(&mut sum, &word[..end], 0.25);
        }
    }
    let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|value| *value /= length);
    } else if let Some(first) = sum.first_mut() {
        *first = 1.0;
    }
    sum
}

/// Adds the direction of a word: each bit of its hashes is a sign.
fn add(sum: &mut [f32], word: &str, weight: f32) {
    for (block, values) in sum.chunks_mut(256).enumerate() {
        let hash = Sha256::new().chain_update(block.to_le_bytes()).chain_update(word).finalize();
        for (at, value) in values.iter_mut().enumerate() {
            let is_set = hash.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
            *value += if is_set { weight } else { -weight };
        }
    }
}

pub(super) fn answer(server: &Server, door: &Door, body: &Value) -> Response {
    let checked = check(server, door, body);
    let inputs = match body.get("input") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let unwanted = server.lock().refused_part.clone();
    let checked = match unwanted.filter(|part| inputs.iter().any(|text| text.contains(part))) {
        Some(_) => Err(Refused::new("The input was refused.", "input", None)),
        None => checked,
    };
    let refused = checked.as_ref().err().map(|refused| refused.message.clone());
    let model = match door {
        Door::OpenAi => body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Door::Azure(model) => model.clone(),
    };
    server.lock().embedded.push(EmbeddingRequest { model, inputs: inputs.clone(), refused, at: server.now() });
    let (model, dimensions) = match checked {
        Ok(found) => found,
        Err(refused) => return (refused.status, Json(refused.body())).into_response(),
    };
    let is_base64 = body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions);
            let embedding = if is_base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: usize = inputs.iter().map(|text| text.len().div_ceil(4)).sum();
    let body = json!({
        "object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    let wrong = take(&mut server.lock().bad_vectors);
    match wrong {
        Some(wrong) => bad_vectors::answer(wrong, body),
        None => Json(body).into_response(),
    }
}

/// The model and the length of its vectors.
fn check(server: &Server, door: &Door, body: &Value) -> Result<(String, usize), Refused> {
    let config = &server.0.config;
    let map = body.as_object().ok_or_else(|| {
        Refused::new("We could not parse the JSON body of your request. The API expects a JSON payload.", "", None)
    })?;
    const KNOWN: [&str; 5] = ["dimensions", "encoding_format", "input", "model", "user"];
    if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(Refused::new(format!("Unrecognized request argument supplied: {unknown}"), "", None));
    }
    let deployed = match door {
        Door::OpenAi => None,
        Door::Azure(model) => Some(model.as_str()),
    };
    let models: Vec<String> = config.embedding_models.iter().map(|(name, _)| name.clone()).collect();
    check::model(map, &models, deployed)?;
    let model = deployed.or(map.get("model").and_then(Value::as_str)).unwrap_or_default();
    let own = config.embedding_models.iter().find(|(name, _)| name == model).map_or(0, |(_, own)| *own);
    let dimensions = match map.get("dimensions") {
        None | Some(Value::Null) => own,
        Some(value) => match value.as_u64().and_then(|asked| usize::try_from(asked).ok()) {
            Some(asked) if (1..=own).contains(&asked) => asked,
            _ => {
                let message = format!("Invalid value for 'dimensions' = {value}. Must be less than or equal to {own}.");
                return Err(Refused::new(message, "dimensions", None));
            }
        },
    };
    if let Some(format) = map.get("encoding_format")
        && !matches!(format.as_str(), Some("float" | "base64"))
    {
        let message = "Invalid value: 'encoding_format' must be one of 'float' and 'base64'.";
        return Err(Refused::new(message, "encoding_format", None));
    }
    inputs(map.get("input"))?;
    Ok((model.to_owned(), dimensions))
}

fn inputs(input: Option<&Value>) -> Result<(), Refused> {
    let invalid = || Refused::new("'$.input' is invalid. Please check the API reference.", "", None);
    let one = [input.cloned().unwrap_or(Value::Null)];
    let texts = match input {
        Some(Value::Array(texts)) => texts.as_slice(),
        _ => &one,
    };
    if texts.is_empty() {
        return Err(invalid());
    }
    if texts.len() > MAX_INPUTS {
        let message = format!("'$.input' is too long: at most {MAX_INPUTS} texts.");
        return Err(Refused::new(message, "", None));
    }
    let mut sum = 0;
    for text in texts {
        let text = text.as_str().filter(|text| !text.is_empty()).ok_or_else(invalid)?;
        let tokens = text.len().div_ceil(4);
        if tokens > MAX_INPUT_TOKENS {
            let message = format!(
                "This model's maximum context length is {MAX_INPUT_TOKENS} tokens, however you requested {tokens} tokens. Please reduce your prompt."
            );
            return Err(Refused::new(message, "", None));
        }
        sum += tokens;
    }
    if sum > MAX_REQUEST_TOKENS {
        let message = format!("Requested {sum} tokens, max {MAX_REQUEST_TOKENS} tokens per request");
        let status = StatusCode::BAD_REQUEST;
        return Err(Refused { status, ..Refused::new(message, "", Some("max_tokens_per_request")) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        vector(a, 256).iter().zip(vector(b, 256)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_that_share_words_are_near() {
        let question = "Which vehicles are free tomorrow?";
        assert!((similarity(question, "which VEHICLES are free tomorrow") - 1.0).abs() < 1e-5);
        let near = similarity(question, "List free vehicles");
        let far = similarity(question, "Delete an invoice");
        assert!(near > far + 0.2, "{near} {far}");
        assert!(similarity("reservation", "reservations") > similarity("reservation", "invoice"));
        for text in ["", "!!!", "ž", "a b c"] {
            let length: f32 = vector(text, 300).iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-4, "{text:?} {length}");
        }
    }
}
