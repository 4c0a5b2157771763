//! A backend made from any OpenAPI document: lists of made-up rows, lookups, and writes that are checked and kept.
//!
//! `GET` answers what its response schema promises, the same each time: three rows for an array, with ids 1 to 3 and
//! readable names. `POST`, `PUT` and `PATCH` check the body and echo it with an id. Tests may put rows of their own.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
};
use domain::{Clock, SystemClock};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use crate::backend::{Call, Guard};
use crate::{
    backend::{self, Acts, Answer, Asked, Problem},
    contract::{Contract, resolve},
    faults::Faults,
    serve,
};

/// Rows of a made-up list.
const ROWS: usize = 3;
const MAX_DEPTH: usize = 6;

/// Configuration of [`Backend`].
#[derive(Clone)]
pub struct Config {
    /// Who may call.
    pub guard: Guard,
    /// Header and value that every request must have.
    pub tenant: Option<(HeaderName, HeaderValue)>,
    /// Path before the document's paths, such as `/api`; empty for none.
    pub base_path: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for Config {
    fn default() -> Self {
        Self { guard: Guard::Open, tenant: None, base_path: String::new(), clock: Arc::new(SystemClock) }
    }
}

/// The backend. Cheap to clone; clones are the same one.
#[derive(Clone)]
pub struct Backend(Arc<backend::Backend<Made>>);

struct Made {
    document: Arc<Value>,
    answers: HashMap<String, Value>,
    next_id: u64,
}

impl Backend {
    /// A backend of the document's operations; what the document leaves open, the backend leaves open.
    pub fn new(document: Value, config: Config) -> Self {
        let contract = Contract::new(document);
        let made = Made { document: contract.document.clone(), answers: HashMap::new(), next_id: 101 };
        let Config { guard, tenant, base_path, clock } = config;
        Self(Arc::new(backend::Backend::new(contract, guard, tenant, base_path, clock, made)))
    }

    /// What `operation` (`<METHOD> <path template>`) answers from now on, instead of made-up values.
    pub fn set_answer(&self, operation: &str, answer: Value) {
        self.0.with(|made| made.answers.insert(operation.to_owned(), answer));
    }

    /// All operations.
    pub fn router(&self) -> Router {
        self.0.router()
    }

    /// Serves until `shutdown`.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(self.router(), listener, shutdown).await;
    }

    /// Orders for calls that go wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Every call seen so far.
    pub fn calls(&self) -> Vec<Call> {
        self.0.calls()
    }

    /// How often a request with this key changed something; the empty key counts requests without one.
    pub fn effects(&self, key: &str) -> usize {
        self.0.effects(key)
    }

    /// How often anything was changed.
    pub fn all_effects(&self) -> usize {
        self.0.all_effects()
    }

    /// How many operations there are.
    pub fn operations(&self) -> usize {
        self.0.operations()
    }
}

impl Acts for Made {
    fn act(&mut self, asked: &Asked) -> Result<Answer, Problem> {
        let operation = &asked.operation;
        let read = matches!(operation.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if let Some(answer) = self.answers.get(&operation.id) {
            let answer = filtered(answer.clone(), &asked.arguments.query);
            return Ok(if read { Answer::read(answer) } else { Answer::changed(operation.status, answer) });
        }
        let mut body = match &operation.response {
            // One thing by its id is the row that the list has under that id.
            Some(schema) => make(&self.document, schema, "", named_row(&asked.arguments.path), 0),
            None => Value::Null,
        };
        if read {
            fill(&mut body, &asked.arguments.path);
            return Ok(Answer::read(filtered(body, &asked.arguments.query)));
        }
        if let (Some(body), Some(sent)) = (body.as_object_mut(), asked.arguments.body.as_object()) {
            body.extend(sent.clone());
        } else if body.is_null() && operation.response.is_some() {
            body = asked.arguments.body.clone();
        }
        if let Some(body) = body.as_object_mut().filter(|body| body.contains_key("id")) {
            let sent = asked.arguments.path.get("id").or_else(|| asked.arguments.body.get("id"));
            let id = sent.cloned().filter(|id| id != &json!(0)).unwrap_or_else(|| json!(self.next_id));
            self.next_id += 1;
            body.insert("id".to_owned(), id);
        }
        Ok(Answer::changed(operation.status, body))
    }
}

fn named_row(path: &Map<String, Value>) -> usize {
    let id = path.values().next_back().and_then(|id| id.to_string().trim_matches('"').parse::<usize>().ok());
    id.filter(|id| (1..=ROWS).contains(id)).unwrap_or(1)
}

/// A single object has the ids that its path named.
fn fill(body: &mut Value, path: &Map<String, Value>) {
    if let Some(object) = body.as_object_mut() {
        for (name, value) in path {
            let same_kind = |own: &Value| own.is_string() == value.is_string();
            if object.get(name).is_some_and(same_kind) {
                object.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Rows whose field of the same name as a query parameter has another value are left out.
fn filtered(mut body: Value, query: &Map<String, Value>) -> Value {
    if let Some(rows) = body.as_array_mut() {
        rows.retain(|row| {
            query.iter().all(|(name, wanted)| match row.get(name) {
                Some(own) if own.is_string() || own.is_number() || own.is_boolean() => {
                    own == wanted || wanted.as_array().is_some_and(|any| any.contains(own))
                }
                _ => true,
            })
        });
    }
    body
}

/// A value that fits the schema: `row` counts from 1 within a list, `name` is the property it is for.
fn make(document: &Value, schema: &Value, name: &str, row: usize, depth: usize) -> Value {
    let schema = resolve(document, schema);
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    for key in ["const", "example", "default"] {
        // An example would be the same in each row; only a single value takes it.
        if let Some(value) = schema.get(key).filter(|_| key == "const" || (row == 1 && name != "id")) {
            return value.clone();
        }
    }
    if let Some(value) =
        schema.get("enum").and_then(Value::as_array).and_then(|values| values.get((row - 1) % values.len().max(1)))
    {
        return value.clone();
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|all| all.first()) {
            return make(document, first, name, row, depth + 1);
        }
    }
    let mut object = Map::new();
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        if let Value::Object(made) = make(document, part, name, row, depth + 1) {
            object.extend(made);
        }
    }
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let value = make(document, property, key, row, depth + 1);
        if !value.is_null() {
            object.insert(key.clone(), value);
        }
    }
    if !object.is_empty() {
        return Value::Object(object);
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or(""),
        _ => "",
    };
    let number = i64::try_from(row).unwrap_or(1);
    match kind {
        "array" => {
            let empty = json!({});
            let items = schema.get("items").unwrap_or(&empty);
            // Rows at the top are a list to choose from; arrays inside a row stay short.
            let count = if depth == 0 || name == "items" || name == "data" { ROWS } else { 1 };
            (1..=count).map(|row| make(document, items, name, row, depth + 1)).collect()
        }
        "object" => json!({}),
        "integer" => json!(number.max(schema.get("minimum").and_then(Value::as_i64).unwrap_or(1))),
        "number" => json!(10.5 * f64::from(i32::try_from(row).unwrap_or(1))),
        "boolean" => json!(row % 2 == 1),
        "string" => json!(text(schema, name, row)),
        _ => Value::Null,
    }
}

fn text(schema: &Value, name: &str, row: usize) -> String {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => format!("2026-01-{row:02}T09:00:00Z"),
        Some("date") => format!("2026-01-{row:02}"),
        Some("email") => format!("person{row}@example.org"),
        Some("uuid") => format!("00000000-0000-4000-8000-{row:012}"),
        Some("uri" | "url") => format!("https://example.org/{row}"),
        _ if name == "id" || name.ends_with("Id") || name.ends_with("_id") => row.to_string(),
        _ => {
            const NAMES: [&str; 3] = ["Alpha", "Bravo", "Charlie"];
            let given = NAMES.get((row - 1) % NAMES.len()).copied().unwrap_or("Alpha");
            if name.to_lowercase().ends_with("name") {
                given.to_owned()
            } else {
                format!("{name} {given}").trim().to_owned()
            }
        }
    }
}
