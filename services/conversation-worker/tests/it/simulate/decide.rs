//! What turns decide: a script that reaches every point of the protocol, or the dialogue itself.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use conversation_worker::{
    Decide,
    turn::{self, Action, Alarm, Answer, CallOutcome, Hit, Input, Next, Outcome, SearchAnswer, SearchQuery},
};
use domain::{Content, Reply};
use openapi::{ImportOptions, Operation};
use serde_json::json;

use super::{
    process::Proc,
    world::{Kind, World},
};
use crate::{catalog, script};

const TICKETS: &str = "
openapi: 3.0.3
info: { title: Tickets, version: '1' }
paths:
  /tickets:
    post:
      summary: Create a ticket
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [title]
              properties:
                title: { type: string, description: What is wrong }
      responses: { '201': { description: It is made } }
";

/// All operations of the simulation.
pub static OPERATIONS: LazyLock<Vec<Arc<Operation>>> = LazyLock::new(|| {
    let document = openapi::import("demo", TICKETS.as_bytes(), &ImportOptions::default()).unwrap();
    let known = ["keyed", "once"].map(|name| catalog::operation(name).unwrap());
    document.operations.into_iter().chain(known).map(Arc::new).collect()
});

/// What a process decides by.
pub fn decide(world: &Arc<World>, process: &Arc<Proc>) -> Decide {
    let process = Arc::clone(process);
    match world.kind {
        Kind::Script => Arc::new(move |input, history| scripted(input, history, &process)),
        Kind::Questions => Arc::new(dialogue),
    }
}

fn scripted(input: &Input, history: &[Outcome], process: &Proc) -> Next {
    let mut calls = Vec::new();
    let mut answer = Answer { state: input.state.clone(), ..Answer::default() };
    let (mut told, mut second) = (Vec::new(), Vec::new());
    for said in &input.messages {
        let text = match &said.content {
            Content::Text { text } => text.clone(),
            Content::Alarm { key } => format!("rang {key}"),
            other => format!("other {other:?}"),
        };
        let (verb, id) = text.split_once(' ').unwrap_or((&text, ""));
        match verb {
            "poison" => {
                process.kill();
                return Next::Done(Box::default());
            }
            "keyed" | "once" => {
                calls.push((verb.to_owned(), id.to_owned()));
                let end = history.get(calls.len() - 1).map_or("", end);
                told.push(format!("{id}={end}"));
            }
            "rang" => told.push(format!("rang:{id}=ok")),
            "remind" => {
                let due_at = input.now + Duration::from_secs(5);
                answer.alarms.push(Alarm { key: id.to_owned(), due_at, person: said.person });
                told.push(format!("{id}=ok"));
            }
            _ => told.push(format!("{id}=ok")),
        }
        if verb == "two" {
            second.push(format!("and:{id}=ok"));
        }
    }
    if let Some((name, id)) = calls.get(history.len()) {
        let Action::Call(mut call) = script::call(name) else { panic!("it is a call") };
        call.arguments.insert("body:name".to_owned(), json!(id));
        return Next::Do(Action::Call(call));
    }
    for part in [told, second] {
        if !part.is_empty() {
            answer.replies.push(Reply { text: part.join("|"), ..Reply::default() });
        }
    }
    Next::Done(Box::new(answer))
}

fn end(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Call(CallOutcome::Answered { .. }) => "done",
        Outcome::Call(CallOutcome::Unknown { .. }) => "unknown",
        _ => "away",
    }
}

/// The dialogue, with a catalogue that costs no call.
fn dialogue(input: &Input, history: &[Outcome]) -> Next {
    let (mut all, mut rest) = (Vec::new(), history.iter());
    loop {
        match turn::turn(input, &all) {
            Next::Do(Action::Search(query)) => all.push(Outcome::Search(search(&query))),
            Next::Do(action) => match rest.next() {
                Some(outcome) => all.push(outcome.clone()),
                None => return Next::Do(action),
            },
            done => return done,
        }
    }
}

fn search(query: &SearchQuery) -> SearchAnswer {
    let found = OPERATIONS.iter().filter(|operation| operation.path == "/tickets" && query.text.contains("ticket"));
    let hits = found.map(|operation| Hit {
        operation_id: operation.id.clone(),
        content_hash: operation.content_hash.clone(),
        title: operation.summary.clone(),
        score: 1.0,
        probability: 0.95,
        risk: operation.risk,
        not_callable: None,
        producer: false,
        parts: Vec::new(),
    });
    SearchAnswer { hits: hits.collect(), coverage: 1.0, left_out: Vec::new() }
}
