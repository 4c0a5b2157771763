//! Vectors as JSON: what other programs kept, read as it streams, and written for them.
//!
//! A file is an object or a list, in one of these shapes; all values beside are passed over:
//!
//! ```text
//! {"<name>": [0.1, ..], ..}                              a vector for each name
//! {"<name>": {"embedding": [0.1, ..], ..}, ..}           the same, with more about each
//! [{"id": "<name>", "embedding": [0.1, ..], ..}, ..]     a list
//! {"model": "..", "dimension": 1536, "embeddings": ..}   any of these within `embeddings`
//! ```
//!
//! A name is an operation's id, or a text. `vector` and `values` say the same as `embedding`; `operation_id`, `tool_id`,
//! `tool_name`, `name`, `key` and `text` the same as `id`; `vectors`, `texts`, `tools`, `operations`, `items`, `entries`
//! and `data` the same as `embeddings`; `model_name`, `embedding_model` and `deployment` the same as `model`;
//! `dimensions` and `dim` the same as `dimension`. A number that is none (`NaN`, `null`), a cut file, or two lengths of
//! vectors are errors.

use std::{
    fmt,
    io::{self, BufReader, Read, Write},
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Vectors of one file at most.
const VECTORS_MAX: usize = 1_000_000;
/// Longest vector.
const DIMENSION_MAX: usize = 16_384;

const MODELS: [&str; 4] = ["model", "model_name", "embedding_model", "deployment"];
const DIMENSIONS: [&str; 3] = ["dimension", "dimensions", "dim"];
const CONTAINERS: [&str; 8] = ["embeddings", "vectors", "texts", "tools", "operations", "items", "entries", "data"];
const VECTORS: [&str; 3] = ["embedding", "vector", "values"];
const NAMES: [&str; 7] = ["id", "operation_id", "tool_id", "tool_name", "name", "key", "text"];

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchanged {
    /// The models it names.
    pub models: Vec<String>,
    /// Values of each vector; 0 when there is none.
    pub dimension: usize,
    /// Names with their vectors, as they came; later ones of a name replace earlier ones.
    pub vectors: Vec<(String, Vec<f32>)>,
}

/// Reads a file of at most so many vectors as it comes.
///
/// # Errors
/// What is wrong, and in which line.
pub fn read(file: impl Read) -> Result<Exchanged, serde_json::Error> {
    let mut found = Exchanged::default();
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 18, file));
    Level { found: &mut found, kind: Kind::Top }.deserialize(&mut json)?;
    json.end()?;
    Ok(found)
}

/// Writes names and vectors in the shape that [`read`] and other programs take; `texts` are those of no operation.
///
/// # Errors
/// When the writer fails.
pub fn write(
    out: &mut impl Write,
    model: &str,
    dimension: usize,
    operations: &[(String, std::sync::Arc<[f32]>)],
    texts: &[(String, std::sync::Arc<[f32]>)],
) -> io::Result<()> {
    write!(out, "{{\"model\": {}, \"dimension\": {dimension}", serde_json::to_string(model)?)?;
    for (container, vectors) in [("embeddings", operations), ("texts", texts)] {
        write!(out, ", \"{container}\": {{")?;
        for (at, (name, vector)) in vectors.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}\n  {}: {}", serde_json::to_string(name)?, serde_json::to_string(&**vector)?)?;
        }
        write!(out, "\n}}")?;
    }
    writeln!(out, "}}")
}

impl Exchanged {
    fn take<E: serde::de::Error>(&mut self, name: String, vector: Vec<f32>) -> Result<(), E> {
        if vector.is_empty() || name.is_empty() {
            return Err(E::custom(format!("`{name}` has no vector, or a vector has no name")));
        }
        if self.dimension == 0 {
            self.dimension = vector.len();
        }
        if vector.len() != self.dimension {
            let (is, others) = (vector.len(), self.dimension);
            return Err(E::custom(format!("the vector of `{name}` has {is} values; the others have {others}")));
        }
        if self.vectors.len() >= VECTORS_MAX {
            return Err(E::custom(format!("more than {VECTORS_MAX} vectors")));
        }
        self.vectors.push((name, vector));
        Ok(())
    }

    fn expect<E: serde::de::Error>(&mut self, dimension: usize) -> Result<(), E> {
        match self.dimension {
            0 => self.dimension = dimension,
            known if known != dimension => {
                return Err(E::custom(format!("it says {dimension} dimensions; a vector has {known}")));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where we are in the file.
enum Kind {
    /// The whole.
    Top,
    /// What holds names with their vectors.
    Container,
    /// A value of a name.
    Value(String),
    /// One of a list.
    Item,
}

struct Level<'a> {
    found: &'a mut Exchanged,
    kind: Kind,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Value(_) => "a vector, or an object with `embedding`",
            Kind::Item => "an object with `id` and `embedding`",
            Kind::Top | Kind::Container => {
                "an object of names with their vectors, or a list of objects with `id` and `embedding`"
            }
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        match self.kind {
            // Of a container's name it may be a list; of any other it is a vector.
            Kind::Value(name) if CONTAINERS.contains(&name.as_str()) => {
                while list.next_element_seed(Level { found: &mut *self.found, kind: Kind::Item })?.is_some() {}
                Ok(())
            }
            Kind::Value(name) => {
                let vector = values(list, self.found.dimension, &name)?;
                self.found.take(name, vector)
            }
            Kind::Top | Kind::Container => {
                while list.next_element_seed(Level { found: &mut *self.found, kind: Kind::Item })?.is_some() {}
                Ok(())
            }
            Kind::Item => Err(A::Error::custom("a list within a list; each vector needs a name")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.kind {
            Kind::Top => {
                while let Some(key) = map.next_key::<String>()? {
                    if MODELS.contains(&key.as_str()) || DIMENSIONS.contains(&key.as_str()) {
                        about(&key, map.next_value()?, self.found)?;
                    } else {
                        map.next_value_seed(Level { found: &mut *self.found, kind: Kind::Value(key) })?;
                    }
                }
                Ok(())
            }
            Kind::Value(name) if CONTAINERS.contains(&name.as_str()) => {
                Level { found: self.found, kind: Kind::Container }.visit_map(map)
            }
            Kind::Container => {
                while let Some(key) = map.next_key::<String>()? {
                    map.next_value_seed(Level { found: &mut *self.found, kind: Kind::Value(key) })?;
                }
                Ok(())
            }
            Kind::Value(name) => item(map, Some(name), self.found),
            Kind::Item => item(map, None, self.found),
        }
    }

    // Whatever else stands beside the vectors, such as a version or a date.
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.passed_over()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.passed_over()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.passed_over()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.passed_over()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.passed_over()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.passed_over()
    }
}

impl Level<'_> {
    fn passed_over<E: serde::de::Error>(self) -> Result<(), E> {
        match self.kind {
            Kind::Value(_) => Ok(()),
            Kind::Top | Kind::Container | Kind::Item => {
                Err(E::invalid_type(serde::de::Unexpected::Other("a plain value"), &self))
            }
        }
    }
}

/// An object with a vector; one without is no error where it has no name of its own to miss it.
fn item<'de, A: MapAccess<'de>>(mut map: A, name: Option<String>, found: &mut Exchanged) -> Result<(), A::Error> {
    let (mut own, mut vector) = (None::<String>, None::<Vec<f32>>);
    while let Some(key) = map.next_key::<String>()? {
        let key = key.as_str();
        if VECTORS.contains(&key) {
            let called = name.as_deref().or(own.as_deref()).unwrap_or("an item");
            vector = Some(map.next_value_seed(Values { expected: found.dimension, called })?);
        } else if name.is_none() && NAMES.contains(&key) {
            // The first one says it best: an id before a text.
            let text: String = map.next_value()?;
            own.get_or_insert(text);
        } else if MODELS.contains(&key) || DIMENSIONS.contains(&key) {
            about(key, map.next_value()?, found)?;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    match (name.is_some(), vector) {
        (_, Some(vector)) => found.take(name.or(own).unwrap_or_default(), vector),
        // Such as `metadata`.
        (true, None) => Ok(()),
        (false, None) => Err(A::Error::custom("an item has no `embedding`")),
    }
}

fn about<E: serde::de::Error>(key: &str, value: serde_json::Value, found: &mut Exchanged) -> Result<(), E> {
    if MODELS.contains(&key) {
        if let Some(model) = value.as_str()
            && !found.models.iter().any(|known| known == model)
        {
            found.models.push(model.to_owned());
        }
        return Ok(());
    }
    match value.as_u64().and_then(|dimension| usize::try_from(dimension).ok()) {
        Some(dimension) => found.expect(dimension),
        None => Ok(()),
    }
}

/// A vector of an item.
struct Values<'a> {
    expected: usize,
    called: &'a str,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Vec<f32>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<f32>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the vector of `{}`", self.called)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<f32>, A::Error> {
        values(list, self.expected, self.called)
    }
}

fn values<'de, A: SeqAccess<'de>>(mut list: A, expected: usize, called: &str) -> Result<Vec<f32>, A::Error> {
    let mut vector = Vec::with_capacity(expected);
    while let Some(value) = list.next_element::<f64>()? {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a vector has no more digits than that; the rest is checked"
        )]
        let value = value as f32;
        if !value.is_finite() {
            return Err(A::Error::custom(format!("the vector of `{called}` holds a value that is no number")));
        }
        if vector.len() >= DIMENSION_MAX {
            return Err(A::Error::custom(format!("the vector of `{called}` has more than {DIMENSION_MAX} values")));
        }
        vector.push(value);
    }
    Ok(vector)
}

#[cfg(test)]
mod tests;
