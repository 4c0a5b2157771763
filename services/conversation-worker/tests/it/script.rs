//! A dialogue that does what its messages say, so that tests reach every point of the protocol.
//!
//! `x|keyed` calls `keyed`, too. `keyed`, `once`, `safe`: searches, then calls that operation and tells how it ended. `looked`: looks `once` up and
//! calls it. `twice`: calls `keyed`, then `safe`. `doomed`: calls `once` and does not survive. `panic`: does not survive.
//! `list`, `whole`: calls `list`, its first page or all. `remind`: wants to go on in a second, and then says so. `again`:
//! calls `keyed` with the key of the conversation's first call. `ask`: asks a question. `stop`: opts out. `model`: tells whether a model may
//! be asked; `model later`: the same after a call of `safe`. `shown`: tells what is known of the open question's sends. `chosen`: ends with a choice of the person. `photo`: fetches the file that came with it and calls
//! `upload` with it; `photo after a search`: searches in between. `report`, `export`: calls that and shows the file that it
//! answers with. `map`: shows a place. `thought`: searches, then asks the model. `spoken`: asks it, and its words are shown while they come. Anything else is said back; texts of one turn are joined by
//! `|`.

use std::{sync::Arc, time::Duration};

use conversation_worker::{
    Decide,
    turn::{
        self, Action, Alarm, Answer, Call, CallOutcome, CallRef, Fetch, FileOutcome, Input, Next, Outcome, Purpose,
        Question, SearchQuery,
    },
};
use domain::{Content, Location, Reply, ReplyFile};
use llm::{ChatRequest, Message};
use openapi::Risk;
use serde_json::{Map, json};
use store::{OptChange, Scope};

/// The script.
pub fn decide() -> Decide {
    Arc::new(|input, history| match said(input).as_str() {
        "remind" => remind(input),
        "again" => again(input, history),
        "panic" => panic!("a turn that does not survive"),
        word @ ("keyed" | "once" | "safe") => act(input, word, history),
        "x|keyed" => act(input, "keyed", history),
        "looked" => looked(input, history),
        word @ ("list" | "whole") => list(input, word, history),
        "twice" => twice(input, history),
        "doomed" => match history {
            [] => Next::Do(call("once")),
            _ => panic!("a turn that does not survive its call"),
        },
        word @ ("photo" | "photo after a search") => photo(input, word, history),
        word @ ("report" | "export") => shown(input, word, history),
        "map" => {
            let location = Location { latitude: 45.8, longitude: 15.97, name: None };
            with(input, Reply { text: "map".to_owned(), location: Some(location), ..Reply::default() })
        }
        "ask" => done(input, "Sure?", true),
        "shown" => {
            let (begun, sent) = (input.question_begun_at.is_some(), input.question_sent_at.is_some());
            done(input, &format!("begun {begun}, again {}, sent {sent}", input.question_resent), false)
        }
        "stop" => stop(),
        "model later" if history.is_empty() => Next::Do(call("safe")),
        word @ ("model" | "model later") => done(input, &format!("{word}: {}", input.model), false),
        "endless" => Next::Do(search("endless")),
        "chosen" => chosen(input),
        "thought" => match history {
            [] => Next::Do(search("thought")),
            [_] => Next::Do(thought(false)),
            _ => done(input, "thought", false),
        },
        "spoken" => match history {
            [] => Next::Do(thought(true)),
            _ => done(input, "spoken", false),
        },
        other => done(input, other, false),
    })
}

/// The person wants nothing more that they did not ask for.
fn stop() -> Next {
    let out = OptChange { scope: Scope::All, out: true, how: "word".to_owned() };
    let reply = Reply { text: "stopped".to_owned(), ..Reply::default() };
    Next::Done(Box::new(Answer { replies: vec![reply], opt_outs: vec![out], ..Answer::default() }))
}

/// A question to the model, whose answer is shown while it comes or not.
fn thought(spoken: bool) -> Action {
    let request = ChatRequest {
        messages: vec![Message::User { text: "?".to_owned() }],
        tools: Vec::new(),
        max_tokens: None,
        temperature: None,
        conversation: None,
    };
    Action::Chat(Box::new(Question { request, speak: spoken.then(Default::default), within: None }))
}

/// Ends with a sentence whose meaning the person chose.
fn chosen(input: &Input) -> Next {
    let accepted = turn::Accepted {
        operation_id: "demo/GET /safe".to_owned(),
        language: "en".to_owned(),
        text: "safe things".to_owned(),
        values: vec!["things".to_owned()],
    };
    match done(input, "chosen", false) {
        Next::Done(answer) => Next::Done(Box::new(Answer { accepted: Some(accepted), ..*answer })),
        asks @ Next::Do(_) => asks,
    }
}

fn said(input: &Input) -> String {
    let words = input.messages.iter().map(|said| match &said.content {
        Content::Text { text } => text.clone(),
        Content::Alarm { key } => format!("alarm {key}"),
        Content::Media { caption: Some(caption), .. } => caption.clone(),
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
                whole: false,
                repeats: None,
            }))
        }
        [_, Outcome::Call(outcome)] => done(input, &format!("{word}: {}", end(outcome)), false),
        other => panic!("unexpected history {other:?}"),
    }
}

fn looked(input: &Input, history: &[Outcome]) -> Next {
    let wanted = [("demo/POST /once", "hash-of-once"), ("demo/POST /nowhere", "")];
    let wanted = || wanted.map(|(id, content_hash)| (id.to_owned(), content_hash.to_owned())).into();
    match history {
        [] => Next::Do(Action::Operations { wanted: wanted() }),
        [Outcome::Operations(found)] if matches!(found[..], [Ok(_), Err(_)]) => Next::Do(call("once")),
        [Outcome::Operations(_)] => done(input, "looked: gone", false),
        [_, Outcome::Call(outcome)] => done(input, &format!("looked: {}", end(outcome)), false),
        other => panic!("unexpected history {other:?}"),
    }
}

fn remind(input: &Input) -> Next {
    let Next::Done(mut answer) = done(input, "remind", false) else { panic!("it is done") };
    let last = input.messages.last().unwrap();
    let due_at = input.now + Duration::from_secs(1);
    answer.alarms.push(Alarm { key: format!("{}.1", input.seq), due_at, person: last.person });
    Next::Done(answer)
}

fn again(input: &Input, history: &[Outcome]) -> Next {
    match history {
        [] => {
            let Action::Call(mut first) = call("keyed") else { panic!("it is a call") };
            first.repeats = Some(CallRef { seq: 1, n: 2 });
            Next::Do(Action::Call(first))
        }
        [Outcome::Call(outcome)] => done(input, &format!("again: {}", end(outcome)), false),
        other => panic!("unexpected history {other:?}"),
    }
}

fn list(input: &Input, word: &str, history: &[Outcome]) -> Next {
    match history {
        [] => Next::Do(call(word)),
        [Outcome::Call(CallOutcome::Answered { body, cut, .. })] => {
            let more = cut.is_some_and(|cut| cut.more);
            done(input, &format!("{word}: {body}{}", if more { " and more" } else { "" }), false)
        }
        other => panic!("unexpected history {other:?}"),
    }
}

fn twice(input: &Input, history: &[Outcome]) -> Next {
    match history {
        [] => Next::Do(call("keyed")),
        [_] => Next::Do(call("safe")),
        [Outcome::Call(first), Outcome::Call(second)] => {
            done(input, &format!("twice: {}, {}", end(first), end(second)), false)
        }
        other => panic!("unexpected history {other:?}"),
    }
}

fn photo(input: &Input, word: &str, history: &[Outcome]) -> Next {
    let [said] = input.messages.as_slice() else { panic!("one message") };
    let Content::Media { url: Some(url), .. } = &said.content else { panic!("it is a file") };
    match history {
        [] => Next::Do(Action::Fetch(Fetch { url: url.clone(), person: said.person })),
        [Outcome::File(FileOutcome::TooLarge { limit_bytes })] => done(input, &format!("{limit_bytes} at most"), false),
        [Outcome::File(FileOutcome::Unavailable { .. })] => done(input, "lost", false),
        [Outcome::File(FileOutcome::Kept { .. })] if word != "photo" => Next::Do(search("safe")),
        [Outcome::File(FileOutcome::Kept { sha256, .. })]
        | [Outcome::File(FileOutcome::Kept { sha256, .. }), Outcome::Search(_)] => {
            let Action::Call(mut upload) = call("upload") else { panic!("it is a call") };
            upload.arguments = Map::from_iter([("body:photo".to_owned(), json!(sha256))]);
            Next::Do(Action::Call(upload))
        }
        [Outcome::File(FileOutcome::Kept { media_type, size_bytes, .. }), .., Outcome::Call(outcome)] => {
            done(input, &format!("{media_type} of {size_bytes}: {}", end(outcome)), false)
        }
        other => panic!("unexpected history {other:?}"),
    }
}

fn shown(input: &Input, word: &str, history: &[Outcome]) -> Next {
    match history {
        [] => Next::Do(call(word)),
        [Outcome::Call(CallOutcome::Answered { status: 200, file: Some(file), .. })] => {
            let text = match &file.kept {
                FileOutcome::Kept { .. } => word.to_owned(),
                FileOutcome::TooLarge { limit_bytes } => format!("{word}: {limit_bytes} at most"),
                FileOutcome::Unavailable { .. } => format!("{word}: not kept"),
            };
            let FileOutcome::Kept { sha256, media_type, size_bytes } = file.kept.clone() else {
                return done(input, &text, false);
            };
            let (name, instead) = (file.name.clone(), "no file".to_owned());
            let file = ReplyFile { sha256, media_type, name, size_bytes, caption: Some(word.to_owned()), instead };
            with(input, Reply { text, file: Some(file), ..Reply::default() })
        }
        [Outcome::Call(outcome)] => done(input, &format!("{word}: {}", end(outcome)), false),
        other => panic!("unexpected history {other:?}"),
    }
}

/// Ends with this reply, and then words.
fn with(input: &Input, reply: Reply) -> Next {
    let Next::Done(mut answer) = done(input, "after", false) else { panic!("it is done") };
    answer.replies.insert(0, reply);
    Next::Done(answer)
}

fn end(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Answered { status, .. } => status.to_string(),
        CallOutcome::Away { .. } => "away".to_owned(),
        CallOutcome::Unknown { .. } => "unknown".to_owned(),
        CallOutcome::NoCredentials { .. } => "no credentials".to_owned(),
    }
}

/// A call of the operation of this name.
pub fn call(name: &str) -> Action {
    let (method, risk) = match name {
        "safe" | "list" | "whole" | "report" => ("GET", Risk::Safe),
        "keyed" | "upload" => ("POST", Risk::Keyed),
        _ => ("POST", Risk::Once),
    };
    let mut arguments = Map::new();
    if risk != Risk::Safe {
        arguments.insert("body:name".to_owned(), json!("x"));
    }
    let path = if name == "whole" { "list" } else { name };
    Action::Call(Call {
        operation_id: format!("demo/{method} /{path}"),
        content_hash: format!("hash-of-{path}"),
        arguments,
        risk,
        purpose: Purpose::Act,
        language: "en".to_owned(),
        whole: name == "whole",
        repeats: None,
    })
}

fn search(text: &str) -> Action {
    Action::Search(SearchQuery { text: text.to_owned(), language: "en".to_owned(), k: 5, ..SearchQuery::default() })
}

fn done(input: &Input, text: &str, question: bool) -> Next {
    let reply = Reply { text: text.to_owned(), ..Reply::default() };
    let state = input.state.clone();
    Next::Done(Box::new(Answer { replies: vec![reply], question, asks: question, state, ..Answer::default() }))
}
