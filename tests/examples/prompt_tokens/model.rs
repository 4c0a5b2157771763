//! A model that asks for as much as it can get.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Map, Value, json};
use simulator::model::{Asked, Call, Config, Reply, Server};
use tokio_util::sync::{CancellationToken, DropGuard};

pub const KEY: &str = "sk-of-the-figures";

/// Ways in which it behaves, turn by turn.
const WAYS: usize = 6;

/// The running server.
pub struct Model {
    pub server: Server,
    pub url: String,
    turn: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Model {
    /// The turn that comes.
    pub fn be(&self, turn: usize) {
        self.turn.store(turn, Ordering::SeqCst);
    }
}

/// Starts it.
pub async fn start() -> anyhow::Result<Model> {
    let server = Server::new(Config::new(KEY));
    let turn = Arc::new(AtomicUsize::new(0));
    let of_turn = Arc::clone(&turn);
    server.otherwise(Reply::by(move |asked| answer(asked, of_turn.load(Ordering::SeqCst))));
    let stop = CancellationToken::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let (serving, cancelled) = (server.clone(), stop.clone());
    tokio::spawn(async move { serving.serve(listener, cancelled).await });
    Ok(Model { server, url, turn, _stop: stop.drop_guard() })
}

fn answer(asked: &Asked, turn: usize) -> Reply {
    let tools = asked.body["tools"].as_array().cloned().unwrap_or_default();
    let step = asked.results().len();
    if tools.is_empty() {
        return "show the list of everything there is, with all of its parts and their states".into();
    }
    let tool = |at: usize| &tools[at % tools.len()];
    let call = |at: usize, round: usize| made(tool(at), asked, round);
    match turn % WAYS {
        // One look-up after the other.
        0 if step < 7 => says("", vec![call(step, step)]),
        // Four at once, again and again.
        1 if step < 24 => says("", (0..4).map(|at| call(step + at, step)).collect()),
        // Much talk beside them.
        2 if step < 7 => says(&text(500), vec![call(step, step), call(step + 1, step)]),
        // What was not offered, under names and with arguments that are too long.
        3 if step < 2 => {
            let name = "an_operation_that_nobody_offered_".repeat(4);
            says(&text(200), vec![Call { name, arguments: json!({ "q": text(3_000) }).to_string() }, call(step, step)])
        }
        4 if step < 1 => says("", vec![call(turn, turn)]),
        5 => "Which of them do you mean?".into(),
        _ => text(1_500).as_str().into(),
    }
}

fn says(text: &str, calls: Vec<Call>) -> Reply {
    Reply::Says { text: text.to_owned(), calls }
}

/// Words without a number, so that they may be passed on.
fn text(chars: usize) -> String {
    "Here is all that was found, with its parts, as far as the lists go. ".chars().cycle().take(chars).collect()
}

/// A call with a value for everything that the tool takes; different each time.
fn made(tool: &Value, asked: &Asked, round: usize) -> Call {
    let properties = tool.pointer("/function/parameters/properties").and_then(Value::as_object);
    let mut arguments = Map::new();
    for (name, schema) in properties.into_iter().flatten() {
        if let Some(value) = value(schema, asked, round) {
            arguments.insert(name.clone(), value);
        }
    }
    let name = tool.pointer("/function/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Call { name, arguments: Value::Object(arguments).to_string() }
}

fn value(schema: &Value, asked: &Asked, round: usize) -> Option<Value> {
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.get(round % all.len().max(1))) {
        return Some(first.clone());
    }
    Some(match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date")) => json!("2026-11-22"),
        (Some("string"), Some(_)) => json!("2026-11-22T09:00:00"),
        (Some("string"), None) => json!(format!("words {round}")),
        (Some("integer" | "number"), _) => json!(schema["minimum"].as_i64().unwrap_or(1) + 1),
        (Some("boolean"), _) => json!(round.is_multiple_of(2)),
        (Some("array"), _) => json!([value(&schema["items"], asked, round)?]),
        (Some("object"), _) => return None,
        // An id: one that a result had.
        _ => {
            let results = asked.results();
            let known = results.last()?.split("\"id\":\"").nth(1)?;
            json!(known.split('"').next()?)
        }
    })
}
