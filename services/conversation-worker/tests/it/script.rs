//! A dialogue that does what its messages say, so that tests reach every point of the protocol.
//!
//! `keyed`, `once`, `safe`: searches, then calls that operation and tells how it ended. `panic`: does not survive.
//! `ask`: asks a question. Anything else is said back; texts of one turn are joined by `|`.

use std::sync::Arc;

use conversation_worker::{
    Decide,
    turn::{Action, Answer, Call, CallOutcome, Input, Next, Outcome, Purpose, SearchQuery},
};
use domain::{Content, Reply};
use openapi::Risk;
use serde_json::{Map, json};

/// The script.
pub fn decide() -> Decide {
    Arc::new(|input, history| match said(input).as_str() {
        "panic" => panic!("a turn that does not survive"),
        word @ ("keyed" | "once" | "safe") => act(input, word, history),
        "ask" => done(input, "Sure?", true),
        "endless" => Next::Do(search("endless")),
        other => done(input, other, false),
    })
}

fn said(input: &Input) -> String {
    let words = input.messages.iter().map(|said| match &said.content {
        Content::Text { text } => text.clone(),
        other => format!("{other:?}"),
    });
    words.collect::<Vec<_>>().join("|")
}

fn act(input: &Input, word: &str, history: &[Outcome]) -> Next {
    match history {
        [] => Next::Do(search(word)),
        [Outcome::Search(found)] => {
            let hit = &found.hits[0];
            let mut arguments = Map::new();
            if hit.risk != Risk::Safe {
                arguments.insert("body:name".to_owned(), json!("x"));
            }
            Next::Do(Action::Call(Call {
                operation_id: hit.operation_id.clone(),
                content_hash: hit.content_hash.clone(),
                arguments,
                risk: hit.risk,
                purpose: Purpose::Act,
                language: "en".to_owned(),
            }))
        }
        [_, Outcome::Call(outcome)] => {
            let text = match outcome {
                CallOutcome::Answered { status, .. } => format!("{word}: {status}"),
                CallOutcome::Away { .. } => format!("{word}: away"),
                CallOutcome::Unknown { .. } => format!("{word}: unknown"),
                CallOutcome::NoCredentials { .. } => format!("{word}: no credentials"),
            };
            done(input, &text, false)
        }
        other => panic!("unexpected history {other:?}"),
    }
}

fn search(text: &str) -> Action {
    Action::Search(SearchQuery { text: text.to_owned(), language: "en".to_owned(), k: 5, documents: Vec::new() })
}

fn done(input: &Input, text: &str, question: bool) -> Next {
    let reply = Reply { text: text.to_owned(), ..Reply::default() };
    Next::Done(Box::new(Answer { replies: vec![reply], question, state: input.state.clone(), ..Answer::default() }))
}
